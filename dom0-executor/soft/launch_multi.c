/* SPDX-License-Identifier: MIT */
/*
 * One cooperative launch on several devices: one on each, with events before and behind that make
 * all streams wait for each other. Kernels cannot wait for those of other devices here. Any thread.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/stream.h"

#define FLAGS                                                      \
	(CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC | \
	 CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_POST_LAUNCH_SYNC)

static bool same_shape(const CUDA_LAUNCH_PARAMS *a, const CUDA_LAUNCH_PARAMS *b)
{
	return a->gridDimX == b->gridDimX && a->gridDimY == b->gridDimY &&
	       a->gridDimZ == b->gridDimZ && a->blockDimX == b->blockDimX &&
	       a->blockDimY == b->blockDimY && a->blockDimZ == b->blockDimZ &&
	       a->sharedMemBytes == b->sharedMemBytes;
}

static CUresult list_check(const CUDA_LAUNCH_PARAMS *list, unsigned int count)
{
	unsigned int devices = 0;

	for (unsigned int i = 0; i < count; i++) {
		CUdevice device = 0;
		CUresult result;

		if ((uintptr_t)list[i].hStream <= (uintptr_t)CU_STREAM_PER_THREAD)
			return CUDA_ERROR_INVALID_HANDLE;
		result = cuStreamGetDevice(list[i].hStream, &device);
		if (result != CUDA_SUCCESS)
			return result;
		if (!same_shape(&list[i], &list[0]))
			return CUDA_ERROR_INVALID_VALUE;
		if (devices & 1u << device)
			return CUDA_ERROR_INVALID_DEVICE;
		devices |= 1u << device;
	}
	return CUDA_SUCCESS;
}

/* What each stream has to do now, as events of its context. */
static CUresult events_record(const CUDA_LAUNCH_PARAMS *list, unsigned int count, CUevent *events)
{
	CUresult result = CUDA_SUCCESS;

	for (unsigned int i = 0; i < count && result == CUDA_SUCCESS; i++) {
		CUcontext context = NULL, popped;

		result = cuStreamGetCtx(list[i].hStream, &context);
		if (result == CUDA_SUCCESS)
			result = cuCtxPushCurrent_v2(context);
		if (result != CUDA_SUCCESS)
			return result;
		result = cuEventCreate(&events[i], CU_EVENT_DISABLE_TIMING);
		if (result == CUDA_SUCCESS)
			result = cuEventRecord(events[i], list[i].hStream);
		cuCtxPopCurrent_v2(&popped);
	}
	return result;
}

/* From here on each stream goes on when all have come here. */
static CUresult barrier(const CUDA_LAUNCH_PARAMS *list, unsigned int count)
{
	CUevent events[SOFT_DEVICES_MAX] = {NULL};
	CUresult result = CUDA_SUCCESS;

	if (count < 2)
		return CUDA_SUCCESS;
	result = events_record(list, count, events);
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int j = 0; j < count && result == CUDA_SUCCESS; j++)
			if (i != j)
				result = cuStreamWaitEvent(list[i].hStream, events[j], 0);
	for (unsigned int i = 0; i < count; i++)
		if (events[i])
			cuEventDestroy_v2(events[i]);
	return result;
}

static CUresult launch_one(const CUDA_LAUNCH_PARAMS *launch)
{
	CUcontext context = NULL, popped;
	CUresult result = cuStreamGetCtx(launch->hStream, &context);

	if (result == CUDA_SUCCESS)
		result = cuCtxPushCurrent_v2(context);
	if (result != CUDA_SUCCESS)
		return result;
	result = cuLaunchCooperativeKernel(launch->function, launch->gridDimX, launch->gridDimY,
					   launch->gridDimZ, launch->blockDimX, launch->blockDimY,
					   launch->blockDimZ, launch->sharedMemBytes,
					   launch->hStream, launch->kernelParams);
	cuCtxPopCurrent_v2(&popped);
	return result;
}

CUresult cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *launchParamsList,
					      unsigned int numDevices, unsigned int flags)
{
	CUresult result;

	ENTER_DRIVER();
	if (!launchParamsList || !numDevices || numDevices > SOFT_DEVICES_MAX ||
	    flags & ~(unsigned int)FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	result = list_check(launchParamsList, numDevices);
	if (result == CUDA_SUCCESS &&
	    !(flags & CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC))
		result = barrier(launchParamsList, numDevices);
	for (unsigned int i = 0; i < numDevices && result == CUDA_SUCCESS; i++)
		result = launch_one(&launchParamsList[i]);
	if (result == CUDA_SUCCESS &&
	    !(flags & CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_POST_LAUNCH_SYNC))
		result = barrier(launchParamsList, numDevices);
	return result;
}
