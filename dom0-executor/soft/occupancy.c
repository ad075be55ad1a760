/* SPDX-License-Identifier: MIT */
/*
 * Occupancy: computed from the attributes that the device reports, as on a GPU, so that programs that
 * size their grids by it get consistent numbers. Any thread.
 */
#include "dom0-executor/soft/api.h"
#include "protocol/calls.h"
#include "dom0-executor/soft/launch.h"

static int least(int a, int b)
{
	return a < b ? a : b;
}

int occupancy_blocks(const struct soft_device *device, const struct soft_function *function,
		     unsigned int threads, size_t dynamic_shared)
{
	int warp = device_limit(device, CU_DEVICE_ATTRIBUTE_WARP_SIZE);
	int rounded = ((int)threads + warp - 1) / warp * warp;
	int blocks = device_limit(device, CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR);
	int registers = (int)function->info.registers;
	size_t shared = (size_t)device_limit(
		device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
	size_t each =
		function->info.shared_bytes + dynamic_shared +
		(size_t)device_limit(device, CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);

	if (threads > function->info.max_threads || !threads)
		return 0;
	blocks = least(blocks,
		       device_limit(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) /
			       rounded);
	if (registers)
		blocks = least(blocks,
			       device_limit(device,
					    CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR) /
				       (registers * rounded));
	return least(blocks, (int)(shared / each));
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func,
							      int blockSize, size_t dynamicSMemSize,
							      unsigned int flags)
{
	struct soft_function *function auto_put = NULL;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!numBlocks || blockSize <= 0 ||
	    flags & ~(unsigned int)CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
		return CUDA_ERROR_INVALID_VALUE;
	result = function_get(ctx, func, &function);
	if (result == CUDA_SUCCESS)
		*numBlocks = occupancy_blocks(ctx->device, function, (unsigned int)blockSize,
					      dynamicSMemSize);
	return result;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func, int blockSize,
						     size_t dynamicSMemSize)
{
	return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize,
								    dynamicSMemSize, 0);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize,
						   CUfunction func,
						   CUoccupancyB2DSize blockSizeToDynamicSMemSize,
						   size_t dynamicSMemSize, int blockSizeLimit,
						   unsigned int flags)
{
	struct soft_function *function auto_put = NULL;
	int best = 0, best_threads = 0, most;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!minGridSize || !blockSize ||
	    flags & ~(unsigned int)CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
		return CUDA_ERROR_INVALID_VALUE;
	result = function_get(ctx, func, &function);
	if (result != CUDA_SUCCESS)
		return result;
	most = (int)function->info.max_threads;
	if (blockSizeLimit > 0)
		most = least(most, blockSizeLimit);
	for (int size = (most + 31) / 32 * 32; size > 0; size -= 32) {
		int threads = least(size, most);
		size_t shared = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize(threads)
							   : dynamicSMemSize;
		int blocks = occupancy_blocks(ctx->device, function, (unsigned int)threads, shared);

		if (blocks * threads > best * best_threads) {
			best = blocks;
			best_threads = threads;
		}
	}
	*blockSize = best_threads;
	*minGridSize = best * device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func,
					  CUoccupancyB2DSize blockSizeToDynamicSMemSize,
					  size_t dynamicSMemSize, int blockSizeLimit)
{
	return cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func,
							 blockSizeToDynamicSMemSize,
							 dynamicSMemSize, blockSizeLimit, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func,
						 int numBlocks, int blockSize)
{
	struct soft_function *function auto_put = NULL;
	size_t shared, taken;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!dynamicSmemSize || numBlocks <= 0 || blockSize <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = function_get(ctx, func, &function);
	if (result != CUDA_SUCCESS)
		return result;
	if (occupancy_blocks(ctx->device, function, (unsigned int)blockSize, 0) < numBlocks)
		return CUDA_ERROR_INVALID_VALUE;
	shared = (size_t)device_limit(ctx->device,
				      CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) /
		 (unsigned int)numBlocks;
	taken = function->info.shared_bytes +
		(size_t)device_limit(ctx->device,
				     CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
	shared = shared > taken ? (shared - taken) & ~(size_t)127 : 0;
	*dynamicSmemSize = shared < PTX_SHARED_BYTES_MAX ? shared : PTX_SHARED_BYTES_MAX;
	return CUDA_SUCCESS;
}

/* This device's clusters are of one block. */
static CUresult clusters(int *value, CUfunction func, const CUlaunchConfig *config,
			 bool size_wanted)
{
	struct soft_stream *stream auto_put = NULL;
	struct soft_context *of_stream auto_put = NULL;
	struct soft_function *function auto_put = NULL;
	struct soft_context *ctx auto_put = NULL;
	CUresult result = CUDA_SUCCESS;

	ENTER_DRIVER();
	/* A kernel is a function in some context, a function has its own. */
	if (context_enter_broken(&ctx) && object_kind_of(func) == SOFT_KERNEL)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!value || !config || (config->numAttrs && !config->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < config->numAttrs; i++)
		if ((unsigned int)config->attrs[i].id >
		    CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
			return CUDA_ERROR_INVALID_VALUE;
	if (!vg_handle_passes(VG_HANDLE_CUstream, (uint64_t)config->hStream))
		result = stream_enter(config->hStream, &stream, &of_stream);
	if (result == CUDA_SUCCESS)
		result = function_get(ctx, func, &function);
	if (result != CUDA_SUCCESS)
		return result;
	*value = size_wanted ? 1
			     : device_limit(function->object.ctx->device,
					    CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) *
				       occupancy_blocks(function->object.ctx->device, function,
							config->blockDimX * config->blockDimY *
								config->blockDimZ,
							config->sharedMemBytes);
	return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func,
					    const CUlaunchConfig *config)
{
	return clusters(clusterSize, func, config, true);
}

CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func,
				      const CUlaunchConfig *config)
{
	return clusters(numClusters, func, config, false);
}
