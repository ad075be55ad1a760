/* SPDX-License-Identifier: MIT */
/*
 * One cooperative launch on several devices. All kernels go in one command, whose answer is waited for: which
 * device a stream belongs to is known over there. Runs in the program's threads.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/function.h"
#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/params.h"

#define FLAGS                                                      \
	(CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC | \
	 CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_POST_LAUNCH_SYNC)

/* What goes over; arrays by launch, owned. */
struct batch {
	unsigned int count, total;
	CUfunction *functions;
	CUstream *streams;
	unsigned int *sizes;
	uint8_t *params;
};

static bool same_shape(const CUDA_LAUNCH_PARAMS *a, const CUDA_LAUNCH_PARAMS *b)
{
	return a->gridDimX == b->gridDimX && a->gridDimY == b->gridDimY &&
	       a->gridDimZ == b->gridDimZ && a->blockDimX == b->blockDimX &&
	       a->blockDimY == b->blockDimY && a->blockDimZ == b->blockDimZ &&
	       a->sharedMemBytes == b->sharedMemBytes;
}

static CUresult list_check(const CUDA_LAUNCH_PARAMS *list, unsigned int count, unsigned int flags)
{
	if (!list || !count || count > FE_DEVICES_MAX || flags & ~(unsigned int)FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		CUresult result;

		/* Not a default stream, which handle checks would pass. */
		if ((uintptr_t)list[i].hStream <= (uintptr_t)CU_STREAM_PER_THREAD)
			return CUDA_ERROR_INVALID_HANDLE;
		result = fe_handle_check(VG_HANDLE_CUstream, (uint64_t)list[i].hStream, 0);
		if (!result)
			result = fe_handle_check(VG_HANDLE_CUfunction, (uint64_t)list[i].function,
						 0);
		if (result)
			return result;
		if (!same_shape(&list[i], &list[0]))
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static bool params_append(struct batch *batch, const struct fe_params *params)
{
	unsigned int padded = (unsigned int)vg_pad8(params->size);
	uint8_t *bigger;

	if (!padded)
		return true;
	bigger = realloc(batch->params, batch->total + padded);
	if (!bigger)
		return false;
	batch->params = bigger;
	memset(bigger + batch->total, 0, padded);
	memcpy(bigger + batch->total, params->data, params->size);
	batch->total += padded;
	return true;
}

static CUresult launch_add(struct batch *batch, const CUDA_LAUNCH_PARAMS *launch)
{
	struct fe_function *function;
	struct fe_params params;
	CUresult result = fe_function_get((uint64_t)launch->function, &function);

	if (!result)
		result = fe_params_pack(&params, function, launch->kernelParams, NULL);
	if (result)
		return result;
	batch->functions[batch->count] = launch->function;
	batch->streams[batch->count] = launch->hStream;
	batch->sizes[batch->count] = (unsigned int)params.size;
	batch->count++;
	if (!params_append(batch, &params))
		result = CUDA_ERROR_OUT_OF_MEMORY;
	fe_params_free(&params);
	return result;
}

static CUresult batch_make(struct batch *batch, const CUDA_LAUNCH_PARAMS *list, unsigned int count)
{
	CUresult result = CUDA_SUCCESS;

	*batch = (struct batch){.functions = calloc(count, sizeof(CUfunction)),
				.streams = calloc(count, sizeof(CUstream)),
				.sizes = calloc(count, sizeof(unsigned int))};
	if (!batch->functions || !batch->streams || !batch->sizes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int i = 0; i < count && !result; i++)
		result = launch_add(batch, &list[i]);
	return result;
}

static void batch_free(struct batch *batch)
{
	free(batch->functions);
	free(batch->streams);
	free(batch->sizes);
	free(batch->params);
}

CUresult fe_cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *launchParamsList,
						 unsigned int numDevices, unsigned int flags)
{
	const CUDA_LAUNCH_PARAMS *first = launchParamsList;
	CUresult result = list_check(launchParamsList, numDevices, flags);
	struct batch batch;

	if (result)
		return result;
	result = batch_make(&batch, launchParamsList, numDevices);
	for (unsigned int i = 0; i < numDevices && !result; i++)
		fe_managed_launch(batch.streams[i]);
	if (!result) {
		result = rpc_vgLaunchMulti(batch.count, batch.functions, batch.streams,
					   first->gridDimX, first->gridDimY, first->gridDimZ,
					   first->blockDimX, first->blockDimY, first->blockDimZ,
					   first->sharedMemBytes, flags, batch.sizes, batch.total,
					   batch.params);
		for (unsigned int i = 0; i < numDevices; i++)
			fe_managed_launched();
	}
	batch_free(&batch);
	return result;
}
