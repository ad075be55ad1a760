/* SPDX-License-Identifier: MIT */
/* What benchmarks that are CUDA programs share: errors end them; a kernel that does nothing; a thread's own stream. */
#ifndef BENCH_CUDA_H
#define BENCH_CUDA_H

#include <errno.h> /* program_invocation_short_name */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/cuda_proto.h"

#define BENCH_EMPTY_PTX \
	".version 7.0\n.target sm_52\n.address_size 64\n.visible .entry empty()\n{\n\tret;\n}\n"

static inline void bench_must(CUresult result, const char *what)
{
	if (!result)
		return;
	fprintf(stderr, "%s: %s: CUresult %d\n", program_invocation_short_name, what, (int)result);
	exit(1);
}
#define CU(call) bench_must(call, #call)

static inline void bench_launch(CUfunction empty, CUstream stream)
{
	CU(cuLaunchKernel(empty, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL));
}

/* The calling thread's: nothing of what it does next is done for the first time. */
static inline CUstream bench_stream(CUcontext context, CUfunction empty)
{
	CUstream stream;

	CU(cuCtxSetCurrent(context));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	bench_launch(empty, stream);
	CU(cuStreamSynchronize(stream));
	return stream;
}

#endif
