/* SPDX-License-Identifier: MIT */
/* Kernel launches: see launch.h. Kernels run in the worker of their stream and in threads that the
 * engine starts for it. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/event.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/launch.h"
#include "dom0-executor/soft/sample.h"
#include "protocol/bounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_ullong last_launch;

/* --- running --------------------------------------------------------------------------------- */

/* Each message in one write. */
static void write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* nobody reads it */
		bytes += written;
		length -= (size_t)written;
	}
}

/* What kernels print goes where the driver puts it: a printf of another thread's may come before or behind. */
static void print(void *opaque, const char *bytes, size_t length)
{
	(void)opaque;
	fwrite(bytes, 1, length, stdout);
	fflush(stdout);
}

static void print_assert(void *opaque, const char *bytes, size_t length)
{
	(void)opaque;
	write_all(STDERR_FILENO, bytes, length);
}

CUresult fault_result(int rc, const struct ptx_fault *fault)
{
	if (rc == 0)
		return CUDA_SUCCESS;
	switch (fault->kind) {
	case PTX_FAULT_CONFIG: return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	case PTX_FAULT_COMPILE: return CUDA_ERROR_INVALID_PTX;
	case PTX_FAULT_MEMORY_OUT: return CUDA_ERROR_OUT_OF_MEMORY;
	case PTX_FAULT_ADDRESS: return CUDA_ERROR_ILLEGAL_ADDRESS;
	case PTX_FAULT_MISALIGNED: return CUDA_ERROR_MISALIGNED_ADDRESS;
	case PTX_FAULT_INSTRUCTION: return CUDA_ERROR_ILLEGAL_INSTRUCTION;
	case PTX_FAULT_ASSERT: return CUDA_ERROR_ASSERT;
	case PTX_FAULT_STACK_OVERFLOW: return CUDA_ERROR_HARDWARE_STACK_ERROR;
	case PTX_FAULT_BAD_CALL: return CUDA_ERROR_INVALID_PC;
	case PTX_FAULT_DEADLOCK: return CUDA_ERROR_LAUNCH_TIMEOUT;
	default: return CUDA_ERROR_LAUNCH_FAILED;
	}
}

static bool set_condition(void *opaque, uint64_t handle, uint32_t value)
{
	(void)opaque;
	return conditional_set(handle, value);
}

static CUresult launch_run(struct soft_work *work, struct soft_stream *stream)
{
	const struct launch_work *launch = launch_of_work(work);
	const struct launch_shape *shape = &launch->shape;
	struct soft_context *ctx = stream->object.ctx;
	struct ptx_fault fault = {0};
	struct ptx_launch run = {
		.grid = {shape->grid[0], shape->grid[1], shape->grid[2]},
		.block = {shape->block[0], shape->block[1], shape->block[2]},
		.dynamic_shared = shape->dynamic_shared,
		.params = launch->params,
		.param_bytes = launch->function->info.param_bytes,
		.cooperative = shape->cooperative,
		.stack_bytes = (uint32_t)atomic_load(&ctx->limits[CU_LIMIT_STACK_SIZE]),
		.heap_bytes = atomic_load(&ctx->limits[CU_LIMIT_MALLOC_HEAP_SIZE]),
		.workers = soft_settings.workers,
		.grid_id = launch->id,
		.callbacks = {.write = print,
			      .write_assert = print_assert,
			      .set_condition = set_condition,
			      .fetch = sample_fetch,
			      .surface = sample_surface},
	};
	int rc = ptx_launch(launch->function->kernel, &run, &fault);

	if (rc < 0)
		soft_log_error("op=launch kernel=%s errno=%d fault=%s %s",
			       launch->function->info.name, -rc, ptx_fault_name(fault.kind),
			       fault.text);
	return fault_result(rc, &fault);
}

static void launch_destroy(struct soft_work *work)
{
	free(launch_of_work(work)->pointers);
	object_put(launch_of_work(work)->function);
}

static const struct soft_work_type launch_type = {
	.node = CU_GRAPH_NODE_TYPE_KERNEL,
	.run = launch_run,
	.destroy = launch_destroy,
};

/* --- checking -------------------------------------------------------------------------------- */

static bool grid_is_valid(const struct soft_device *device, const unsigned int *grid)
{
	for (int i = 0; i < 3; i++)
		if (!grid[i] || grid[i] > (unsigned int)device_limit(
						  device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i))
			return false;
	return true;
}

static bool block_is_valid(const struct soft_device *device, const unsigned int *block)
{
	for (int i = 0; i < 3; i++)
		if (!block[i] ||
		    block[i] > (unsigned int)device_limit(device,
							  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i))
			return false;
	return (uint64_t)block[0] * block[1] * block[2] <= PTX_BLOCK_THREADS_MAX;
}

static bool is_required_block(const struct ptx_kernel_info *info, const unsigned int *block)
{
	if (!info->reqntid[0])
		return true;
	for (int i = 0; i < 3; i++)
		if (block[i] != (info->reqntid[i] ? info->reqntid[i] : 1))
			return false;
	return true;
}

static CUresult cooperative_check(const struct soft_context *ctx,
				  const struct soft_function *function,
				  const struct launch_shape *shape, unsigned int threads)
{
	uint64_t blocks = (uint64_t)shape->grid[0] * shape->grid[1] * shape->grid[2];
	int per_unit = occupancy_blocks(ctx->device, function, threads, shape->dynamic_shared);
	int units = device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);

	return blocks > (uint64_t)per_unit * (unsigned int)units
		       ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
		       : CUDA_SUCCESS;
}

static CUresult shape_check(const struct soft_context *ctx, const struct soft_function *function,
			    const struct launch_shape *shape)
{
	unsigned int threads = shape->block[0] * shape->block[1] * shape->block[2];
	int dynamic = 0;

	if (!grid_is_valid(ctx->device, shape->grid) || !block_is_valid(ctx->device, shape->block))
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_required_block(&function->info, shape->block))
		return CUDA_ERROR_INVALID_VALUE;
	if (threads > function->info.max_threads)
		return CUDA_ERROR_INVALID_VALUE;
	settings_get(&function->info, &function->settings,
		     CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, &dynamic);
	if (shape->dynamic_shared > (unsigned int)dynamic)
		return shape->cooperative ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
					  : CUDA_ERROR_INVALID_VALUE;
	return shape->cooperative ? cooperative_check(ctx, function, shape, threads) : CUDA_SUCCESS;
}

/* The packed buffer that `extra` names. */
static CUresult extra_read(void **extra, const void **buffer, size_t *size)
{
	const size_t *where = NULL;

	*buffer = NULL;
	for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
		if (i > 8)
			return CUDA_ERROR_INVALID_VALUE;
		if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
			*buffer = extra[i + 1];
		else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
			where = extra[i + 1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (!where || (*where && !*buffer))
		return CUDA_ERROR_INVALID_VALUE;
	*size = (uint32_t)*where; /* as NVIDIA's driver looks at it */
	return *size > VG_PARAMS_MAX ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult params_read(struct launch_work *launch, void **params, void **extra)
{
	const struct ptx_kernel_info *info = &launch->function->info;
	const void *buffer;
	CUresult result;
	size_t size;

	if (params && extra)
		return CUDA_ERROR_INVALID_VALUE;
	if (!info->param_count)
		return CUDA_SUCCESS;
	if (extra) {
		result = extra_read(extra, &buffer, &size);
		if (result == CUDA_SUCCESS && size > info->param_bytes)
			return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
		/* What a short buffer leaves out is zero. */
		if (result == CUDA_SUCCESS && buffer)
			memcpy(launch->params, buffer, size);
		return result;
	}
	for (uint32_t i = 0; i < info->param_count; i++) {
		if (!params || !params[i])
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(launch->params + info->params[i].offset, params[i], info->params[i].size);
	}
	return CUDA_SUCCESS;
}

static CUresult pointers_make(struct launch_work *launch)
{
	const struct ptx_kernel_info *info = &launch->function->info;

	launch->pointers = calloc(info->param_count + 1, sizeof(*launch->pointers));
	if (!launch->pointers)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < info->param_count; i++)
		launch->pointers[i] = launch->params + info->params[i].offset;
	return CUDA_SUCCESS;
}

CUresult launch_work_new(struct soft_context *ctx, CUfunction handle,
			 const struct launch_shape *shape, void **params, void **extra,
			 struct soft_work **work)
{
	struct soft_function *function = NULL;
	struct launch_work *launch;
	CUresult result = function_get(ctx, handle, &function);

	if (result == CUDA_SUCCESS && function->object.ctx != ctx)
		result = CUDA_ERROR_INVALID_HANDLE;
	if (result == CUDA_SUCCESS)
		result = shape_check(ctx, function, shape);
	if (result == CUDA_SUCCESS)
		result = function_load(function);
	launch = result ? NULL
			: work_new(&launch_type, sizeof(*launch) + function->info.param_bytes);
	if (!launch) {
		object_put(function);
		return result ? result : CUDA_ERROR_OUT_OF_MEMORY;
	}
	launch->function = function; /* the reference passes on */
	launch->handle = handle;
	launch->shape = *shape;
	launch->id = atomic_fetch_add(&last_launch, 1) + 1;
	result = params_read(launch, params, extra);
	if (result == CUDA_SUCCESS)
		result = pointers_make(launch);
	if (result != CUDA_SUCCESS) {
		work_put(&launch->work);
		return result;
	}
	*work = &launch->work;
	return CUDA_SUCCESS;
}

/* --- the calls ------------------------------------------------------------------------------- */

static CUresult launch_on(CUstream hStream, CUfunction f, const struct launch_shape *shape,
			  void **params, void **extra)
{
	struct soft_work *work;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	result = launch_work_new(stream->object.ctx, f, shape, params, extra, &work);
	return result ? result : stream_submit(stream, work, SOFT_QUEUE);
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
			unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
			unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
			void **kernelParams, void **extra)
{
	const struct launch_shape shape = {
		.grid = {gridDimX, gridDimY, gridDimZ},
		.block = {blockDimX, blockDimY, blockDimZ},
		.dynamic_shared = sharedMemBytes,
	};

	return launch_on(hStream, f, &shape, kernelParams, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
				   unsigned int gridDimZ, unsigned int blockDimX,
				   unsigned int blockDimY, unsigned int blockDimZ,
				   unsigned int sharedMemBytes, CUstream hStream,
				   void **kernelParams)
{
	const struct launch_shape shape = {
		.grid = {gridDimX, gridDimY, gridDimZ},
		.block = {blockDimX, blockDimY, blockDimZ},
		.dynamic_shared = sharedMemBytes,
		.cooperative = true,
	};

	return launch_on(hStream, f, &shape, kernelParams, NULL);
}

static bool is_one(unsigned int x, unsigned int y, unsigned int z)
{
	return x <= 1 && y <= 1 && z <= 1;
}

/*
 * Honour an attribute: most only allow more parallelism than we have or are hints. Events that a
 * launch triggers early are recorded behind it instead, which is later, and allowed.
 */
static CUresult attribute_apply(const CUlaunchAttribute *attribute, struct launch_shape *shape,
				CUevent *after)
{
	const CUlaunchAttributeValue *value = &attribute->value;

	switch ((int)attribute->id) {
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: shape->cooperative = value->cooperative; break;
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
		if (!is_one(value->clusterDim.x, value->clusterDim.y, value->clusterDim.z))
			return CUDA_ERROR_INVALID_CLUSTER_SIZE;
		break;
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT: *after = value->programmaticEvent.event; break;
	case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
		*after = value->launchCompletionEvent.event;
		break;
	case CU_LAUNCH_ATTRIBUTE_IGNORE:
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
	case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING: break;
	case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
		soft_log_error("op=cuLaunchKernelEx attribute=%d is not supported",
			       (int)attribute->id);
		return CUDA_ERROR_NOT_SUPPORTED;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static CUresult launch_config(const CUlaunchConfig *config, CUfunction f, void **kernelParams,
			      void **extra)
{
	CUevent after = NULL;
	struct launch_shape shape;
	CUresult result = CUDA_SUCCESS;

	ENTER_DRIVER();
	if (!config || (config->numAttrs && !config->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	shape = (struct launch_shape){
		.grid = {config->gridDimX, config->gridDimY, config->gridDimZ},
		.block = {config->blockDimX, config->blockDimY, config->blockDimZ},
		.dynamic_shared = config->sharedMemBytes,
	};
	for (unsigned int i = 0; i < config->numAttrs && result == CUDA_SUCCESS; i++)
		result = attribute_apply(&config->attrs[i], &shape, &after);
	if (result == CUDA_SUCCESS)
		result = launch_on(config->hStream, f, &shape, kernelParams, extra);
	if (result == CUDA_SUCCESS && after)
		result = cuEventRecord(after, config->hStream);
	return result;
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams,
			  void **extra)
{
	/* The stream is inside the structure, so the front could do nothing about it. */
	bool entered = config && context_enter_if_needed(config->hStream);
	CUresult result = launch_config(config, f, kernelParams, extra);

	context_exit(entered);
	return result;
}
