/* SPDX-License-Identifier: MIT */
/* One cooperative launch on several devices, in one command. Runs in lanes' threads. */
#include <string.h>

#include "protocol/wire.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/launch.h"

/* The driver takes pointers to parameters only, and reads what the function's layout says. */
static CUresult params_read(struct ex_call *call, CUDA_LAUNCH_PARAMS *launch, const void *bytes,
			    size_t size)
{
	bool kernel = ex_function_is_kernel(call, launch->function);
	CUresult result = ex_params_pointers(call, launch->function, kernel, bytes, size,
					     &launch->kernelParams);
	size_t offset, length;

	if (result || launch->kernelParams)
		return result;
	/* None were told: then there must be none. */
	return ex_function_param(launch->function, kernel, 0, &offset, &length)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_VALUE;
}

CUresult ex_vgLaunchMulti(struct ex_call *call, unsigned int count, const CUfunction *funcs,
			  const CUstream *streams, unsigned int gridX, unsigned int gridY,
			  unsigned int gridZ, unsigned int blockX, unsigned int blockY,
			  unsigned int blockZ, unsigned int shared, unsigned int flags,
			  const unsigned int *sizes, unsigned int total, const void *params)
{
	CUDA_LAUNCH_PARAMS *list = ex_scratch(call, count, sizeof(*list));
	uint64_t at = 0;
	CUresult result;

	if (!ex_driver.cuLaunchCooperativeKernelMultiDevice)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!list)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int i = 0; i < count; i++) {
		if (vg_pad8(sizes[i]) > total - at)
			return ex_breach(call, "parameters of a launch");
		list[i] = (CUDA_LAUNCH_PARAMS){.function = funcs[i],
					       .gridDimX = gridX,
					       .gridDimY = gridY,
					       .gridDimZ = gridZ,
					       .blockDimX = blockX,
					       .blockDimY = blockY,
					       .blockDimZ = blockZ,
					       .sharedMemBytes = shared,
					       .hStream = streams[i]};
		result = params_read(call, &list[i], params ? (const char *)params + at : NULL,
				     sizes[i]);
		if (result)
			return result;
		at += vg_pad8(sizes[i]);
	}
	ex_tally_launches(&call->lane->tally, &call->session->stats, count);
	return ex_driver.cuLaunchCooperativeKernelMultiDevice(list, count, flags);
}
