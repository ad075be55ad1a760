/* SPDX-License-Identifier: MIT */
/*
 * Launches. Parameters come laid out as the kernel wants them; the driver checks their size against
 * the kernel's own, and reads at most EX_ARGS_SLACK behind them if it should not. Runs in lanes' threads.
 */
#include "dom0-executor/launch.h"

#include <string.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

static CUresult event_translate(struct ex_call *call, CUevent *event)
{
	uint64_t handle;
	CUresult result;
	void *real;

	memcpy(&handle, event, sizeof(handle)); /* the guest's, not a pointer */
	result = ex_handle_get(call, VG_HANDLE_CUevent, handle, 0, &real);
	*event = real;
	return result;
}

static CUresult window_check(struct ex_call *call, const CUaccessPolicyWindow *window)
{
	return ex_range_check(call, (uintptr_t)window->base_ptr, window->num_bytes);
}

static CUresult attribute_translate(struct ex_call *call, CUlaunchAttribute *attr)
{
	switch (attr->id) {
	case CU_LAUNCH_ATTRIBUTE_IGNORE:
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
	case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING: return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		return window_check(call, &attr->value.accessPolicyWindow);
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
		return event_translate(call, &attr->value.programmaticEvent.event);
	case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
		return event_translate(call, &attr->value.launchCompletionEvent.event);
	/* Returns a pointer to the driver's own memory for kernels to write to. */
	case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
	default: return CUDA_ERROR_NOT_SUPPORTED;
	}
}

CUresult ex_attributes_read(struct ex_call *call, unsigned int count,
			    const CUlaunchAttribute *attrs, CUlaunchAttribute **own)
{
	CUresult result = CUDA_SUCCESS;

	*own = ex_scratch(call, count, sizeof(**own));
	if (!*own)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int i = 0; i < count && !result; i++) {
		(*own)[i] = attrs[i];
		result = attribute_translate(call, &(*own)[i]);
	}
	return result;
}

void **ex_params_extra(struct ex_params *params, const void *bytes, size_t size)
{
	*params = (struct ex_params){
		.size = size,
		.extra = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)bytes,
			  CU_LAUNCH_PARAM_BUFFER_SIZE, &params->size, CU_LAUNCH_PARAM_END},
	};
	return size ? params->extra : NULL;
}

CUresult ex_params_pointers(struct ex_call *call, void *real, bool kernel, const void *bytes,
			    size_t size, void ***out)
{
	size_t offset, length, count = 0;
	void **pointers;

	*out = NULL;
	while (count < EX_PARAMETERS_MAX &&
	       !ex_function_param(real, kernel, count, &offset, &length)) {
		if (offset > size || length > size - offset)
			return CUDA_SUCCESS;
		count++;
	}
	if (!count)
		return CUDA_SUCCESS;
	pointers = ex_scratch(call, count, sizeof(*pointers));
	if (!pointers)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < count; i++) {
		if (ex_function_param(real, kernel, i, &offset, &length))
			return CUDA_SUCCESS;
		pointers[i] = (char *)(uintptr_t)bytes + offset;
	}
	*out = pointers;
	return CUDA_SUCCESS;
}

static bool is_cooperative(const CUlaunchAttribute *attrs, unsigned int count)
{
	bool cooperative = false;

	for (unsigned int i = 0; i < count; i++) {
		if (attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
			cooperative = attrs[i].value.cooperative != 0;
	}
	return cooperative;
}

CUresult ex_vgLaunch(struct ex_call *call, CUfunction func, unsigned int gridX, unsigned int gridY,
		     unsigned int gridZ, unsigned int blockX, unsigned int blockY,
		     unsigned int blockZ, unsigned int shared, CUstream stream, unsigned int count,
		     const CUlaunchAttribute *attrs, unsigned int size, const void *params)
{
	struct ex_params bytes;
	void **extra = ex_params_extra(&bytes, params, size);
	CUlaunchConfig config = {.gridDimX = gridX,
				 .gridDimY = gridY,
				 .gridDimZ = gridZ,
				 .blockDimX = blockX,
				 .blockDimY = blockY,
				 .blockDimZ = blockZ,
				 .sharedMemBytes = shared,
				 .hStream = stream,
				 .numAttrs = count};
	void **pointers = NULL;
	CUresult result;

	if (!stream && call->ptds)
		config.hStream = CU_STREAM_PER_THREAD;
	ex_tally_launches(&call->lane->tally, &call->session->stats, 1);
	if (!count)
		return ex_driver.cuLaunchKernel
			       ? ex_driver.cuLaunchKernel(func, gridX, gridY, gridZ, blockX, blockY,
							  blockZ, shared, config.hStream, NULL,
							  extra)
			       : CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_driver.cuLaunchKernelEx)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_attributes_read(call, count, attrs, &config.attrs);
	/* The driver captures no cooperative launch whose parameters are one piece. */
	if (!result && size && is_cooperative(config.attrs, count))
		result = ex_params_pointers(call, func, ex_function_is_kernel(call, func), params,
					    size, &pointers);
	if (result)
		return result;
	return ex_driver.cuLaunchKernelEx(&config, func, pointers, pointers ? NULL : extra);
}
