/* SPDX-License-Identifier: MIT */
/*
 * Reductions: shuffles within a warp, shared memory within a block, atomics across the grid (add,
 * max, min, xor, compare-and-swap; 32 and 64 bits; global and shared memory), ballots. All results
 * are exact. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/reduce.ptx.h"

#define BLOCKS  48u
#define THREADS 256u

static CUdeviceptr upload(const void *data, size_t size)
{
	CUdeviceptr d = 0;

	CU(cuMemAlloc(&d, size));
	CU(cuMemcpyHtoD(d, data, size));
	return d;
}

static void *random_bytes(size_t size, uint64_t seed)
{
	void *p = malloc(size);

	if (!p)
		exit(2);
	fill_random(p, size, seed);
	return p;
}

static void check_sum(CUmodule module, unsigned int n, unsigned int threads)
{
	uint64_t *x = random_bytes(n * sizeof(*x), n), wanted = 0, got = 0;
	CUdeviceptr dx = upload(x, n * sizeof(*x)), dsum = upload(&got, sizeof(got));
	void *params[] = {&n, &dx, &dsum};

	for (unsigned int i = 0; i < n; i++)
		wanted += x[i];
	launch_1d(module_function(module, "sum_u64"), BLOCKS, threads, NULL, params);
	CU(cuMemcpyDtoH(&got, dsum, sizeof(got)));
	check_that(got == wanted, "sum", "%u values, %u threads a block: %016llx, CPU %016llx", n,
		   threads, (unsigned long long)got, (unsigned long long)wanted);
	CU(cuMemFree(dx));
	CU(cuMemFree(dsum));
	free(x);
}

static void check_stats(CUmodule module)
{
	unsigned int n = BLOCKS * THREADS * 9;
	int32_t *x = random_bytes(n * sizeof(*x), 7);
	int32_t got[4] = {INT32_MIN, INT32_MAX, 0, 0}, wanted[4] = {INT32_MIN, INT32_MAX, 0, 0};
	CUdeviceptr dx = upload(x, n * sizeof(*x)), dout = upload(got, sizeof(got));
	void *params[] = {&n, &dx, &dout};

	for (unsigned int i = 0; i < n; i++) {
		if (x[i] > wanted[0])
			wanted[0] = x[i];
		if (x[i] < wanted[1])
			wanted[1] = x[i];
		wanted[2] += x[i] & 1;
		wanted[3] ^= x[i];
	}
	launch_1d(module_function(module, "stats_s32"), BLOCKS, THREADS, NULL, params);
	CU(cuMemcpyDtoH(got, dout, sizeof(got)));
	check_that(memcmp(got, wanted, sizeof(got)) == 0, "stats",
		   "max %d min %d odd %d xor %08x, CPU %d %d %d %08x", got[0], got[1], got[2],
		   (unsigned int)got[3], wanted[0], wanted[1], wanted[2], (unsigned int)wanted[3]);
	CU(cuMemFree(dx));
	CU(cuMemFree(dout));
	free(x);
}

static void check_histogram(CUmodule module)
{
	unsigned int n = 1000003, got[256] = {0}, wanted[256] = {0}, tickets = 0;
	unsigned char *x = random_bytes(n, 11);
	CUdeviceptr dx = upload(x, n), dbins = upload(got, sizeof(got));
	CUdeviceptr dticket = upload(&tickets, sizeof(tickets));
	void *params[] = {&n, &dx, &dbins, &dticket};
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < n; i++)
		wanted[x[i]]++;
	launch_1d(module_function(module, "histogram"), BLOCKS, THREADS, NULL, params);
	CU(cuMemcpyDtoH(got, dbins, sizeof(got)));
	CU(cuMemcpyDtoH(&tickets, dticket, sizeof(tickets)));
	for (int i = 0; i < 256; i++)
		wrong += got[i] != wanted[i];
	check_that(wrong == 0, "histogram", "%u bytes, %u of 256 bins wrong", n, wrong);
	check_that(tickets == BLOCKS, "compare-and-swap", "%u of %u blocks counted", tickets,
		   BLOCKS);
	CU(cuMemFree(dx));
	CU(cuMemFree(dbins));
	CU(cuMemFree(dticket));
	free(x);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(reduce_ptx);

	check_sum(module, 1, 32);
	check_sum(module, 100003, 64);
	check_sum(module, 500009, 1024);
	check_stats(module);
	check_histogram(module);
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
