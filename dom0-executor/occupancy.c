/* SPDX-License-Identifier: MIT */
/* Occupancy questions whose arguments cannot be replayed as they stand. Runs in lanes' threads. */
#include "dom0-executor/calls.h"
#include "dom0-executor/launch.h"

CUresult ex_vgOccupancyClusters(struct ex_call *call, unsigned int what, CUfunction func,
				unsigned int gridX, unsigned int gridY, unsigned int gridZ,
				unsigned int blockX, unsigned int blockY, unsigned int blockZ,
				unsigned int shared, CUstream stream, unsigned int count,
				const CUlaunchAttribute *attrs, int *clusters)
{
	CUlaunchConfig config = {.gridDimX = gridX,
				 .gridDimY = gridY,
				 .gridDimZ = gridZ,
				 .blockDimX = blockX,
				 .blockDimY = blockY,
				 .blockDimZ = blockZ,
				 .sharedMemBytes = shared,
				 .hStream = stream,
				 .numAttrs = count};
	CUresult result = ex_attributes_read(call, count, attrs, &config.attrs);

	if (result)
		return result;
	if (what == 0 && ex_driver.cuOccupancyMaxActiveClusters)
		return ex_driver.cuOccupancyMaxActiveClusters(clusters, func, &config);
	if (what == 1 && ex_driver.cuOccupancyMaxPotentialClusterSize)
		return ex_driver.cuOccupancyMaxPotentialClusterSize(clusters, func, &config);
	return what > 1 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult ex_vgOccupancyBlockSize(struct ex_call *call, CUfunction func, size_t dynamicSMemSize,
				 int limit, unsigned int flags, int *minGridSize, int *blockSize)
{
	(void)call;
	if (flags && ex_driver.cuOccupancyMaxPotentialBlockSizeWithFlags)
		return ex_driver.cuOccupancyMaxPotentialBlockSizeWithFlags(
			minGridSize, blockSize, func, NULL, dynamicSMemSize, limit, flags);
	if (!flags && ex_driver.cuOccupancyMaxPotentialBlockSize)
		return ex_driver.cuOccupancyMaxPotentialBlockSize(minGridSize, blockSize, func,
								  NULL, dynamicSMemSize, limit);
	return CUDA_ERROR_NOT_SUPPORTED;
}
