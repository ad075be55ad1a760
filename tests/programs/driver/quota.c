/* SPDX-License-Identifier: MIT */
/*
 * The quota of a vGPU, which $QUOTA names in bytes: what the device says it has, each kind of memory
 * allocated to the very end and freed again, and a second process that shares it.
 *
 * Without $QUOTA only what every device must say of itself is checked: nobody wants a GPU's whole
 * memory allocated.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/check.h"

#define CHUNK      ((size_t)4 << 20)
#define PIECES_MAX 4096u
#define POOL_STEP  ((size_t)32 << 20) /* what NVIDIA's pools reserve at once, at most */
#define WAIT_S     20.0

static const char module_ptx[] = ".version 7.0\n.target sm_50\n.address_size 64\n"
				 ".visible .global .align 4 .b8 big[4194304];\n";

static size_t free_now(void)
{
	size_t bytes = 0, total = 0;

	CU(cuMemGetInfo(&bytes, &total));
	return bytes;
}

/* --- the kinds of memory ------------------------------------------------------------------------ */

union piece {
	CUdeviceptr address;
	CUarray array;
	CUmodule module;
	CUmemGenericAllocationHandle physical;
};

static CUmemoryPool own_pool;

static CUresult plain_make(union piece *piece)
{
	return cuMemAlloc(&piece->address, CHUNK);
}

static CUresult plain_end(union piece *piece)
{
	return cuMemFree(piece->address);
}

static CUresult pitch_make(union piece *piece)
{
	size_t pitch;

	return cuMemAllocPitch(&piece->address, &pitch, 4096, CHUNK / 4096, 16);
}

static CUresult async_make(union piece *piece)
{
	return cuMemAllocAsync(&piece->address, CHUNK, NULL);
}

static CUresult async_end(union piece *piece)
{
	return cuMemFreeAsync(piece->address, NULL);
}

static CUresult pool_make(union piece *piece)
{
	return cuMemAllocFromPoolAsync(&piece->address, CHUNK, own_pool, NULL);
}

static CUresult array_make(union piece *piece)
{
	CUDA_ARRAY_DESCRIPTOR array = {
		.Width = 1024, .Height = 1024, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};

	return cuArrayCreate(&piece->array, &array);
}

static CUresult array_end(union piece *piece)
{
	return cuArrayDestroy(piece->array);
}

static CUresult array3_make(union piece *piece)
{
	CUDA_ARRAY3D_DESCRIPTOR array = {.Width = 256,
					 .Height = 256,
					 .Depth = 16,
					 .Format = CU_AD_FORMAT_FLOAT,
					 .NumChannels = 1};

	return cuArray3DCreate(&piece->array, &array);
}

static CUresult physical_make(union piece *piece)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};

	return cuMemCreate(&piece->physical, CHUNK, &prop, 0);
}

static CUresult physical_end(union piece *piece)
{
	return cuMemRelease(piece->physical);
}

static CUresult module_make(union piece *piece)
{
	return cuModuleLoadData(&piece->module, module_ptx);
}

static CUresult module_end(union piece *piece)
{
	return cuModuleUnload(piece->module);
}

static const struct kind {
	const char *name;
	CUresult (*make)(union piece *piece);
	CUresult (*end)(union piece *piece);
	size_t step; /* less than that may be left at the end */
} kinds[] = {
	{"cuMemAlloc", plain_make, plain_end, CHUNK},
	{"cuMemAllocPitch", pitch_make, plain_end, CHUNK},
	{"cuMemAllocAsync", async_make, async_end, POOL_STEP},
	{"cuMemAllocFromPoolAsync", pool_make, async_end, POOL_STEP},
	{"cuArrayCreate", array_make, array_end, CHUNK},
	{"cuArray3DCreate", array3_make, array_end, CHUNK + CHUNK / 2},
	{"cuMemCreate", physical_make, physical_end, CHUNK},
	{"cuModuleLoadData", module_make, module_end, 2 * CHUNK},
};

static union piece pieces[PIECES_MAX];

/* As many as there are; the reason why there are no more. */
static unsigned int fill(const struct kind *kind, CUresult *why)
{
	unsigned int count = 0;

	*why = CUDA_SUCCESS;
	while (count < PIECES_MAX && !(*why = kind->make(&pieces[count])))
		count++;
	return count;
}

static void empty(const struct kind *kind, unsigned int count)
{
	while (count)
		CU(kind->end(&pieces[--count]));
	CU(cuCtxSynchronize());
}

static bool is_soft(CUdevice dev)
{
	char name[64] = "";

	CU(cuDeviceGetName(name, sizeof(name), dev));
	return strstr(name, "soft") != NULL;
}

/* To the end, back, and once more. */
static void kind_test(const struct kind *kind, CUdevice dev)
{
	size_t before = free_now(), step = is_soft(dev) ? CHUNK : kind->step, left;
	unsigned int first, second;
	CUresult why, again;

	first = fill(kind, &why);
	left = free_now();
	check_that(why == CUDA_ERROR_OUT_OF_MEMORY && left < step, kind->name,
		   "%u of %zu MiB each, then %s with %zu KiB left", first, CHUNK >> 20,
		   result_name(why), left >> 10);
	check_that(first <= before / CHUNK, kind->name, "no more than %zu MiB", before >> 20);
	empty(kind, first);
	second = fill(kind, &again);
	check_that(again == why && second == first, kind->name, "%u again", second);
	empty(kind, second);
	check_that(free_now() == before, kind->name, "all of it came back: %zu KiB of %zu",
		   free_now() >> 10, before >> 10);
}

static void kinds_test(CUdevice dev)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};

	CU(cuMemPoolCreate(&own_pool, &props));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		kind_test(&kinds[i], dev);
	CU(cuMemPoolDestroy(own_pool));
}

/* A pool that keeps what it has been given counts, until somebody needs it. */
static void hoard_test(void)
{
	cuuint64_t all = UINT64_MAX, none = 0;
	size_t before = free_now();
	CUdeviceptr address;
	CUmemoryPool pool;
	unsigned int count;
	CUresult why;

	CU(cuDeviceGetDefaultMemPool(&pool, 0));
	CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &all));
	count = fill(&kinds[2], &why);
	empty(&kinds[2], count);
	why = cuMemAlloc(&address, before / CHUNK * CHUNK / 2);
	check_that(why == CUDA_SUCCESS, "hoard", "half of it again, from a pool that keeps: %s",
		   result_name(why));
	if (!why)
		CU(cuMemFree(address));
	CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &none));
	CU(cuMemPoolTrimTo(pool, 0));
	check_that(free_now() == before, "hoard", "all of it came back");
}

/* Physical memory that is mapped counts although nobody has a handle of it any more. */
static void mapped_test(void)
{
	CUmemGenericAllocationHandle handle;
	size_t before = free_now();
	union piece piece;
	CUdeviceptr at;

	CU(cuMemAddressReserve(&at, CHUNK, 0, 0, 0));
	CU(physical_make(&piece));
	handle = piece.physical;
	CU(cuMemMap(at, CHUNK, 0, handle, 0));
	CU(cuMemRelease(handle));
	check_that(free_now() <= before - CHUNK, "mapped", "without a handle it still counts");
	CU(cuMemUnmap(at, CHUNK));
	CU(cuMemAddressFree(at, CHUNK));
	check_that(free_now() == before, "mapped", "unmapped it does not");
}

static void contexts_test(CUdevice dev)
{
	CUcontext contexts[64], primary;
	size_t before = free_now(), after;
	unsigned int count = 0;
	CUresult why;

	CU(cuCtxGetCurrent(&primary));
	why = cuCtxCreate(&contexts[0], NULL, 0, dev);
	after = free_now();
	if (!why && after == before)
		check_skip("contexts", "they take no memory of this device");
	while (!why && after < before && ++count < 64)
		why = cuCtxCreate(&contexts[count], NULL, 0, dev);
	if (after < before)
		check_that(why == CUDA_ERROR_OUT_OF_MEMORY, "contexts", "%u, then %s", count,
			   result_name(why));
	else
		count += !why;
	while (count)
		CU(cuCtxDestroy(contexts[--count]));
	CU(cuCtxSetCurrent(primary));
	check_that(free_now() == before, "contexts", "all of it came back");
}

/* --- two processes ------------------------------------------------------------------------------ */

/* Takes all that there is, says how much it saw and took, and keeps it until it is killed. */
static int second_process(void)
{
	CUdevice dev = device_open();
	size_t said[3] = {0};
	CUresult why;

	CU(cuDeviceTotalMem(&said[0], dev));
	said[1] = free_now();
	said[2] = fill(&kinds[0], &why) * CHUNK;
	if (why != CUDA_ERROR_OUT_OF_MEMORY || write(STDOUT_FILENO, said, sizeof(said)) < 0)
		return 2;
	for (;;)
		pause();
}

static pid_t second_start(const char *program, int *from)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		exit(2);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl(program, program, "second", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	*from = fds[0];
	return pid;
}

static void shared_test(const char *program, size_t quota)
{
	size_t before = free_now(), said[3] = {0}, rest;
	union piece piece;
	double until;
	int from, status;
	pid_t pid;

	CU(plain_make(&piece));
	rest = free_now();
	pid = second_start(program, &from);
	if (read(from, said, sizeof(said)) != (ssize_t)sizeof(said))
		said[0] = 0;
	check_that(said[0] == quota && said[1] <= rest, "second process",
		   "sees %zu MiB in all, %zu KiB free of our %zu", said[0] >> 20, said[1] >> 10,
		   rest >> 10);
	check_that(said[2] && said[2] <= rest && free_now() < CHUNK, "second process",
		   "took %zu MiB, %zu KiB are left", said[2] >> 20, free_now() >> 10);
	CU(cuMemFree(piece.address));
	CU(plain_make(&piece));
	check_result("the first, beyond it", plain_make(&pieces[0]), CUDA_ERROR_OUT_OF_MEMORY);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	until = seconds_now() + WAIT_S;
	while (free_now() != rest && seconds_now() < until)
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	check_that(free_now() == rest, "second process", "killed, what it had came back");
	CU(cuMemFree(piece.address));
	check_that(free_now() == before, "second process", "all of it came back");
	close(from);
}

int main(int argc, char **argv)
{
	const char *text = getenv("QUOTA");
	size_t quota = text ? strtoull(text, NULL, 0) : 0, total = 0, bytes = 0, all = 0;
	CUdevice dev;

	if (argc > 1 && !strcmp(argv[1], "second"))
		return second_process();
	dev = device_open();
	CU(cuDeviceTotalMem(&total, dev));
	CU(cuMemGetInfo(&bytes, &all));
	check_that(total == all && bytes <= all, "info", "%zu KiB of %zu are free, %zu in all",
		   bytes >> 10, all >> 10, total >> 10);
	if (!quota) {
		check_skip("quota", "$QUOTA does not say how many bytes it is");
		return check_end();
	}
	check_that(total == quota, "total", "%zu, the quota is %zu", total, quota);
	kinds_test(dev);
	hoard_test();
	mapped_test();
	contexts_test(dev);
	shared_test(argv[0], quota);
	device_close(dev);
	return check_end();
}
