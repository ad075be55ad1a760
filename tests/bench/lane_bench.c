/* SPDX-License-Identifier: MIT */
/*
 * What a lane costs: round trips of a synchronous command, asynchronous commands, copies of 4 KiB and of 1 MiB.
 * An ordinary program of the driver API; runs over any channel, or natively.
 *
 * usage: lane_bench [ROUND-TRIPS [COPIES]]     prints name=value lines, times in us, rates in MiB/s
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/clock.h"
#include "tests/bench/cuda.h"

#define COPY_BYTES (1u << 20)
#define COPY_SMALL 4096u

/* Median over batches of the time of one of `count` calls, in us. */
static double measure(void (*call)(void), unsigned int count)
{
	call();
	return bench_measure(call, count);
}

static CUdeviceptr device;
static CUevent event;
static unsigned char *host;

static void round_trip(void)
{
	CUresult result = cuStreamQuery(CU_STREAM_LEGACY);

	if (result != CUDA_ERROR_NOT_READY)
		bench_must(result, "cuStreamQuery");
}

static void record(void)
{
	bench_must(cuEventRecord(event, NULL), "cuEventRecord");
}

static void copy_in(void)
{
	bench_must(cuMemcpyHtoD_v2(device, host, COPY_BYTES), "cuMemcpyHtoD");
}

static void copy_out(void)
{
	bench_must(cuMemcpyDtoH_v2(host, device, COPY_BYTES), "cuMemcpyDtoH");
}

static void small_in(void)
{
	bench_must(cuMemcpyHtoD_v2(device, host, COPY_SMALL), "cuMemcpyHtoD");
}

static void small_out(void)
{
	bench_must(cuMemcpyDtoH_v2(host, device, COPY_SMALL), "cuMemcpyDtoH");
}

int main(int argc, char **argv)
{
	unsigned int trips = argc > 1 ? bench_number(argv[1]) : 1000;
	unsigned int copies = argc > 2 ? bench_number(argv[2]) : 10;
	CUcontext context;

	bench_must(cuInit(0), "cuInit");
	bench_must(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
	bench_must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	bench_must(cuMemAlloc_v2(&device, COPY_BYTES), "cuMemAlloc");
	bench_must(cuEventCreate(&event, 0), "cuEventCreate");
	host = malloc(COPY_BYTES);
	if (!host)
		return 1;
	memset(host, 0x5a, COPY_BYTES);
	printf("round-trip-us=%.2f\n", measure(round_trip, trips));
	printf("record-us=%.2f\n", measure(record, trips));
	bench_must(cuCtxSynchronize(), "cuCtxSynchronize");
	printf("copy-in-4k-us=%.2f\n", measure(small_in, trips));
	printf("copy-out-4k-us=%.2f\n", measure(small_out, trips));
	printf("copy-in-mib-s=%.1f\n", 1e6 / measure(copy_in, copies));
	printf("copy-out-mib-s=%.1f\n", 1e6 / measure(copy_out, copies));
	bench_must(cuMemFree_v2(device), "cuMemFree");
	bench_must(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
	free(host);
	return 0;
}
