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

#include "protocol/cuda_proto.h"
#include "tests/bench/clock.h"

#define BATCHES    9u
#define COPY_BYTES (1u << 20)
#define COPY_SMALL 4096u

static void must(CUresult result, const char *what)
{
	if (!result)
		return;
	fprintf(stderr, "lane_bench: %s: CUresult %d\n", what, (int)result);
	exit(1);
}

/* Median over batches of the time of one of `count` calls, in us. */
static double measure(void (*call)(void), unsigned int count)
{
	double times[BATCHES];

	call();
	for (unsigned int b = 0; b < BATCHES; b++) {
		double start = bench_now();

		for (unsigned int i = 0; i < count; i++)
			call();
		times[b] = (bench_now() - start) / count * 1e6;
	}
	return bench_median(times, BATCHES);
}

static CUdeviceptr device;
static CUevent event;
static unsigned char *host;

static void round_trip(void)
{
	CUresult result = cuStreamQuery(CU_STREAM_LEGACY);

	if (result != CUDA_ERROR_NOT_READY)
		must(result, "cuStreamQuery");
}

static void record(void)
{
	must(cuEventRecord(event, NULL), "cuEventRecord");
}

static void copy_in(void)
{
	must(cuMemcpyHtoD_v2(device, host, COPY_BYTES), "cuMemcpyHtoD");
}

static void copy_out(void)
{
	must(cuMemcpyDtoH_v2(host, device, COPY_BYTES), "cuMemcpyDtoH");
}

static void small_in(void)
{
	must(cuMemcpyHtoD_v2(device, host, COPY_SMALL), "cuMemcpyHtoD");
}

static void small_out(void)
{
	must(cuMemcpyDtoH_v2(host, device, COPY_SMALL), "cuMemcpyDtoH");
}

int main(int argc, char **argv)
{
	unsigned int trips = argc > 1 ? bench_number(argv[1]) : 1000;
	unsigned int copies = argc > 2 ? bench_number(argv[2]) : 10;
	CUcontext context;

	must(cuInit(0), "cuInit");
	must(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
	must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	must(cuMemAlloc_v2(&device, COPY_BYTES), "cuMemAlloc");
	must(cuEventCreate(&event, 0), "cuEventCreate");
	host = malloc(COPY_BYTES);
	if (!host)
		return 1;
	memset(host, 0x5a, COPY_BYTES);
	printf("round-trip-us=%.2f\n", measure(round_trip, trips));
	printf("record-us=%.2f\n", measure(record, trips));
	must(cuCtxSynchronize(), "cuCtxSynchronize");
	printf("copy-in-4k-us=%.2f\n", measure(small_in, trips));
	printf("copy-out-4k-us=%.2f\n", measure(small_out, trips));
	printf("copy-in-mib-s=%.1f\n", 1e6 / measure(copy_in, copies));
	printf("copy-out-mib-s=%.1f\n", 1e6 / measure(copy_out, copies));
	must(cuMemFree_v2(device), "cuMemFree");
	must(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
	free(host);
	return 0;
}
