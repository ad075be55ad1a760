/* SPDX-License-Identifier: MIT */
/*
 * Launches. What CUDA answers at once is checked here, from what is kept of the device and the
 * function, so that the command itself needs no answer. No lock and no allocation on the way, unless the
 * parameters are large. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/function.h"
#include "xen-frontend/libcuda/launch.h"
#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/params.h"
#include "xen-frontend/libcuda/stream.h"

static bool exceeds(const struct vg_device_info *info, CUdevice_attribute attribute,
		    unsigned int value)
{
	int limit = fe_device_attribute(info, attribute);

	return limit > 0 && value > (unsigned int)limit;
}

static CUresult check_shape(const CUlaunchConfig *config, const struct vg_device_info *info)
{
	uint64_t volume;

	if (!config->gridDimX || !config->gridDimY || !config->gridDimZ || !config->blockDimX ||
	    !config->blockDimY || !config->blockDimZ)
		return CUDA_ERROR_INVALID_VALUE;
	if (exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, config->gridDimX) ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, config->gridDimY) ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, config->gridDimZ) ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, config->blockDimX) ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, config->blockDimY) ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, config->blockDimZ))
		return CUDA_ERROR_INVALID_VALUE;
	/* Each is at most 1024 or so, where the limits are known. */
	volume = (uint64_t)config->blockDimX * config->blockDimY;
	if (volume > UINT32_MAX || volume * config->blockDimZ > UINT32_MAX ||
	    exceeds(info, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK,
		    (unsigned int)(volume * config->blockDimZ)))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/*
 * More threads than the function may have: CUDA tells a lack of registers from bounds that the program has
 * declared.
 */
static CUresult too_many_threads(unsigned int threads, uint64_t handle,
				 struct fe_function *function, CUdevice device)
{
	const struct vg_device_info *info = fe_device_info(device);
	uint64_t warps = (threads + 31) / 32;
	int each = 0, most;
	CUresult result;

	result = fe_function_attribute(handle, function, CU_FUNC_ATTRIBUTE_NUM_REGS, device, &each);
	if (result || !info)
		return result ? result : CUDA_ERROR_INVALID_VALUE;
	most = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
	if (each > 0 && most > 0 && vg_sat_mul(warps * 32, (uint64_t)each) > (uint64_t)most)
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	return CUDA_ERROR_INVALID_VALUE;
}

static bool is_cooperative(const CUlaunchConfig *config)
{
	bool cooperative = false;

	for (unsigned int i = 0; i < config->numAttrs; i++) {
		if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
			cooperative = config->attrs[i].value.cooperative != 0;
	}
	return cooperative;
}

/* What the function's code allows: its registers and bounds, its shared memory. */
static CUresult check_function(const CUlaunchConfig *config, uint64_t handle,
			       struct fe_function *function, CUdevice device)
{
	unsigned int threads = config->blockDimX * config->blockDimY * config->blockDimZ;
	int value = 0;
	CUresult result;

	result = fe_function_attribute(handle, function, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK,
				       device, &value);
	if (result)
		return result;
	if (value > 0 && threads > (unsigned int)value)
		return too_many_threads(threads, handle, function, device);
	if (!config->sharedMemBytes)
		return CUDA_SUCCESS;
	result = fe_function_attribute(
		handle, function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, device, &value);
	if (!result && value >= 0 && config->sharedMemBytes > (unsigned int)value)
		result = is_cooperative(config) ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
						: CUDA_ERROR_INVALID_VALUE;
	return result;
}

CUresult fe_launch_attributes_check(const CUlaunchAttribute *attributes, unsigned int count)
{
	CUresult result = CUDA_SUCCESS;

	if (count && !attributes)
		return CUDA_ERROR_INVALID_VALUE;
	if (count > FE_LAUNCH_ATTRIBUTES_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count && !result; i++) {
		const CUlaunchAttributeValue *value = &attributes[i].value;

		switch (attributes[i].id) {
		case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
			result = fe_handle_check(VG_HANDLE_CUevent,
						 (uint64_t)value->programmaticEvent.event, 0);
			break;
		case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
			result = fe_handle_check(VG_HANDLE_CUevent,
						 (uint64_t)value->launchCompletionEvent.event, 0);
			break;
		case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
			/* Its answer is a device address for use by kernels, written by the call. */
			if (value->deviceUpdatableKernelNode.deviceUpdatable)
				result = CUDA_ERROR_NOT_SUPPORTED;
			break;
		default:
			if ((unsigned int)attributes[i].id >= CU_LAUNCH_ATTRIBUTE_MAX)
				result = CUDA_ERROR_INVALID_VALUE;
			break;
		}
	}
	return result;
}

/* A grid is whole clusters; how large one may be is the driver's to say. */
static CUresult check_clusters(const CUlaunchConfig *config)
{
	for (unsigned int i = 0; i < config->numAttrs; i++) {
		const CUlaunchAttributeValue *value = &config->attrs[i].value;

		if (config->attrs[i].id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION ||
		    !value->clusterDim.x || !value->clusterDim.y || !value->clusterDim.z)
			continue;
		if (config->gridDimX % value->clusterDim.x ||
		    config->gridDimY % value->clusterDim.y ||
		    config->gridDimZ % value->clusterDim.z)
			return CUDA_ERROR_INVALID_CLUSTER_SIZE;
	}
	return CUDA_SUCCESS;
}

/* All blocks of a cooperative launch must be on the device at once; CUDA says so at once. */
static CUresult check_cooperative(const CUlaunchConfig *config, CUfunction f,
				  const struct vg_device_info *info)
{
	unsigned int threads = config->blockDimX * config->blockDimY * config->blockDimZ;
	uint64_t blocks =
		vg_sat_mul(vg_sat_mul(config->gridDimX, config->gridDimY), config->gridDimZ);
	int each = 0, processors;
	CUresult result;

	if (!fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH))
		return CUDA_ERROR_NOT_SUPPORTED;
	result = rpc_cuOccupancyMaxActiveBlocksPerMultiprocessor(&each, f, (int)threads,
								 config->sharedMemBytes);
	if (result)
		return result;
	processors = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	if (each < 0 || processors < 0 || blocks > (uint64_t)each * (uint64_t)processors)
		return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
	return CUDA_SUCCESS;
}

static CUresult check_launch(const CUlaunchConfig *config, CUfunction f,
			     struct fe_function *function)
{
	const struct vg_device_info *info = NULL;
	CUdevice device = 0;
	CUresult result;

	result = fe_context_device(NULL, &device);
	if (!result)
		result = fe_device_get(device, &info);
	if (!result)
		result = check_shape(config, info);
	if (!result)
		result = check_function(config, (uint64_t)f, function, device);
	if (!result)
		result = fe_launch_attributes_check(config->attrs, config->numAttrs);
	if (!result)
		result = check_clusters(config);
	if (!result && is_cooperative(config))
		result = check_cooperative(config, f, info);
	return result;
}

static bool blocking;

static void blocking_read(void)
{
	const char *value = getenv("CUDA_LAUNCH_BLOCKING");

	blocking = value && strcmp(value, "0") != 0;
}

/*
 * CUDA_LAUNCH_BLOCKING, for finding the launch that fails: waits for the stream, so that its errors come
 * from the launch itself. Not while the stream is captured, when nothing runs.
 */
static CUresult launch_wait(CUstream stream)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
	CUresult result;

	pthread_once(&once, blocking_read);
	if (!blocking)
		return CUDA_SUCCESS;
	result = rpc_cuStreamIsCapturing(stream, &status);
	if (result || status != CU_STREAM_CAPTURE_STATUS_NONE)
		return result;
	return rpc_cuStreamSynchronize(stream);
}

static CUresult launch(const CUlaunchConfig *config, CUfunction f, void **kernel_params,
		       void **extra)
{
	struct fe_function *function;
	struct fe_params params;
	CUresult result;

	result = fe_function_get((uint64_t)f, &function);
	if (!result)
		result = check_launch(config, f, function);
	if (result)
		return result;
	result = fe_params_pack(&params, function, kernel_params, extra);
	if (result)
		return result;
	fe_managed_launch(config->hStream);
	result = rpc_vgLaunch(f, config->gridDimX, config->gridDimY, config->gridDimZ,
			      config->blockDimX, config->blockDimY, config->blockDimZ,
			      config->sharedMemBytes, config->hStream, config->numAttrs,
			      config->attrs, (unsigned int)params.size, params.data);
	fe_managed_launched();
	fe_params_free(&params);
	return result ? result : launch_wait(config->hStream);
}

CUresult fe_cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
			   unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
			   unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
			   void **kernelParams, void **extra)
{
	CUlaunchConfig config = {
		.gridDimX = gridDimX,
		.gridDimY = gridDimY,
		.gridDimZ = gridDimZ,
		.blockDimX = blockDimX,
		.blockDimY = blockDimY,
		.blockDimZ = blockDimZ,
		.sharedMemBytes = sharedMemBytes,
		.hStream = hStream,
	};

	return launch(&config, f, kernelParams, extra);
}

CUresult fe_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams,
			     void **extra)
{
	CUlaunchConfig own;
	CUresult result;
	bool entered;

	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	own = *config;
	/* The stream is inside the structure, so the entry could do nothing about it. */
	if (fe_ptds && !own.hStream)
		own.hStream = CU_STREAM_PER_THREAD;
	entered = fe_stream_enter_if_needed(own.hStream);
	result = launch(&own, f, kernelParams, extra);
	fe_context_exit(entered);
	return result;
}

CUresult fe_cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
				      unsigned int gridDimZ, unsigned int blockDimX,
				      unsigned int blockDimY, unsigned int blockDimZ,
				      unsigned int sharedMemBytes, CUstream hStream,
				      void **kernelParams)
{
	CUlaunchAttribute cooperative = {
		.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE,
		.value = {.cooperative = 1},
	};
	CUlaunchConfig config = {
		.gridDimX = gridDimX,
		.gridDimY = gridDimY,
		.gridDimZ = gridDimZ,
		.blockDimX = blockDimX,
		.blockDimY = blockDimY,
		.blockDimZ = blockDimZ,
		.sharedMemBytes = sharedMemBytes,
		.hStream = hStream,
		.attrs = &cooperative,
		.numAttrs = 1,
	};

	return launch(&config, f, kernelParams, NULL);
}
