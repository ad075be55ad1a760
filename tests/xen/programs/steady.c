/* SPDX-License-Identifier: MIT */
/*
 * A program to be disturbed: copies to the device, from page-locked and from ordinary memory, and back
 * again, and says so once a round: for ever, or ROUNDS times if that is its argument. SIGTERM ends it in
 * order after a round, with PASS; otherwise it ends before only by an error of the driver, which it
 * prints: "ended: CALL: NAME". An ordinary CUDA program; one thread.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/programs/check.h"

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

#define SIZE ((size_t)512 << 10)

static void must(CUresult result, const char *call)
{
	if (result == CUDA_SUCCESS)
		return;
	printf("ended: %s: %s\n", call, result_name(result));
	exit(3);
}

static void round_trip(CUdeviceptr device, unsigned char *buffer, uint64_t seed)
{
	fill_random(buffer, SIZE, seed);
	must(cuMemcpyHtoDAsync(device, buffer, SIZE, NULL), "cuMemcpyHtoDAsync");
	must(cuMemcpyDtoDAsync(device + SIZE, device, SIZE, NULL), "cuMemcpyDtoDAsync");
	must(cuStreamSynchronize(NULL), "cuStreamSynchronize");
	must(cuMemcpyDtoH(buffer, device + SIZE, SIZE), "cuMemcpyDtoH");
	if (count_not_random(buffer, SIZE, seed)) {
		printf("ended: wrong bytes\n");
		exit(4);
	}
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_MAX;
	unsigned char *ordinary = malloc(SIZE);
	void *locked = NULL;
	CUdeviceptr buffer;

	signal(SIGTERM, on_term);
	setvbuf(stdout, NULL, _IOLBF, 0);
	device_open();
	if (!ordinary)
		return 1;
	must(cuMemAlloc(&buffer, 2 * SIZE), "cuMemAlloc");
	must(cuMemAllocHost(&locked, SIZE), "cuMemAllocHost");
	for (uint64_t i = 1; i <= rounds && !stop; i++) {
		round_trip(buffer, locked, i);
		round_trip(buffer, ordinary, ~i);
		printf("round %llu\n", (unsigned long long)i);
	}
	must(cuMemFreeHost(locked), "cuMemFreeHost");
	must(cuMemFree(buffer), "cuMemFree");
	printf("PASS steady\n");
	free(ordinary);
	return 0;
}
