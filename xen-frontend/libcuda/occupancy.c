/* SPDX-License-Identifier: MIT */
/*
 * Occupancy: what takes a function of the program's, or a launch's description. Runs in the program's
 * threads and calls the program's function there, as the driver does.
 */
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/function.h"
#include "xen-frontend/libcuda/launch.h"

/* Limits of the search, from the device and the function. */
struct search {
	CUfunction func;
	unsigned int flags;
	int block_limit; /* threads a block may have */
	int warp;
	int threads; /* that a multiprocessor holds */
	int processors;
};

static CUresult search_open(struct search *search, CUfunction func, int limit, unsigned int flags)
{
	const struct vg_device_info *info;
	struct fe_function *function;
	CUdevice device;
	CUresult result;
	int most = 0;

	result = fe_function_get((uint64_t)func, &function);
	if (!result)
		result = fe_context_device(NULL, &device);
	if (!result)
		result = fe_device_get(device, &info);
	if (!result)
		result = fe_function_attribute((uint64_t)func, function,
					       CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, device,
					       &most);
	if (result)
		return result;
	*search = (struct search){
		.func = func,
		.flags = flags,
		.block_limit = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
		.warp = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_WARP_SIZE),
		.threads = fe_device_attribute(info,
					       CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR),
		.processors = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
	};
	if (most > 0 && most < search->block_limit)
		search->block_limit = most;
	if (limit > 0 && limit < search->block_limit)
		search->block_limit = limit;
	return search->warp > 0 && search->block_limit > 0 ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

static CUresult blocks_ask(const struct search *search, int block, size_t shared, int *blocks)
{
	if (search->flags)
		return rpc_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
			blocks, search->func, block, shared, search->flags);
	return rpc_cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, search->func, block, shared);
}

/* From the largest block downwards in steps of a warp; the first that fills the device is taken. */
static CUresult search_run(const struct search *search, CUoccupancyB2DSize shared_of, int *min_grid,
			   int *best_block)
{
	int best = 0, step = search->warp;
	int block = (search->block_limit + step - 1) / step * step;

	*min_grid = *best_block = 0;
	for (; block > 0 && best < search->threads; block -= step) {
		int tried = block < search->block_limit ? block : search->block_limit, blocks = 0;
		CUresult result = blocks_ask(search, tried, shared_of(tried), &blocks);

		if (result)
			return result;
		if (blocks * tried > best) {
			best = blocks * tried;
			*best_block = tried;
			*min_grid = blocks * search->processors;
		}
	}
	return CUDA_SUCCESS;
}

CUresult fe_cuOccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize,
						      CUfunction func,
						      CUoccupancyB2DSize blockSizeToDynamicSMemSize,
						      size_t dynamicSMemSize, int blockSizeLimit,
						      unsigned int flags)
{
	struct search search;
	CUresult result;

	if (!minGridSize || !blockSize)
		return CUDA_ERROR_INVALID_VALUE;
	if (!blockSizeToDynamicSMemSize)
		return rpc_vgOccupancyBlockSize(func, dynamicSMemSize, blockSizeLimit, flags,
						minGridSize, blockSize);
	result = search_open(&search, func, blockSizeLimit, flags);
	return result ? result
		      : search_run(&search, blockSizeToDynamicSMemSize, minGridSize, blockSize);
}

CUresult fe_cuOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func,
					     CUoccupancyB2DSize blockSizeToDynamicSMemSize,
					     size_t dynamicSMemSize, int blockSizeLimit)
{
	return fe_cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func,
							    blockSizeToDynamicSMemSize,
							    dynamicSMemSize, blockSizeLimit,
							    CU_OCCUPANCY_DEFAULT);
}

enum clusters {
	CLUSTERS_ACTIVE = 0,
	CLUSTERS_POTENTIAL = 1,
};

static CUresult clusters_ask(enum clusters what, int *answer, CUfunction func,
			     const CUlaunchConfig *config)
{
	CUstream stream;
	CUresult result;

	if (!answer || !config)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_launch_attributes_check(config->attrs, config->numAttrs);
	if (result)
		return result;
	stream = fe_ptds && !config->hStream ? CU_STREAM_PER_THREAD : config->hStream;
	return rpc_vgOccupancyClusters(what, func, config->gridDimX, config->gridDimY,
				       config->gridDimZ, config->blockDimX, config->blockDimY,
				       config->blockDimZ, config->sharedMemBytes, stream,
				       config->numAttrs, config->attrs, answer);
}

CUresult fe_cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func,
					 const CUlaunchConfig *config)
{
	return clusters_ask(CLUSTERS_ACTIVE, numClusters, func, config);
}

CUresult fe_cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func,
					       const CUlaunchConfig *config)
{
	return clusters_ask(CLUSTERS_POTENTIAL, clusterSize, func, config);
}
