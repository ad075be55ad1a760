/* SPDX-License-Identifier: MIT */
/*
 * Tensor maps: 128 opaque bytes that the driver over there computes from its arguments. Runs in the
 * program's threads.
 */
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#define RANK_MAX  5
#define MAP_ALIGN 64

CUresult fe_cuTensorMapEncodeTiled(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType,
				   cuuint32_t tensorRank, void *globalAddress,
				   const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
				   const cuuint32_t *boxDim, const cuuint32_t *elementStrides,
				   CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				   CUtensorMapL2promotion l2Promotion,
				   CUtensorMapFloatOOBfill oobFill)
{
	/* The innermost dimension has no stride: the program's array is one shorter. */
	uint64_t strides[RANK_MAX] = {0};
	CUtensorMap map;
	CUresult result;

	if (!tensorMap || (uintptr_t)tensorMap % MAP_ALIGN || !tensorRank ||
	    tensorRank > RANK_MAX || !globalDim || !boxDim || !elementStrides ||
	    (tensorRank > 1 && !globalStrides))
		return CUDA_ERROR_INVALID_VALUE;
	if (tensorRank > 1)
		memcpy(strides, globalStrides, (tensorRank - 1) * sizeof(strides[0]));
	result = rpc_vgTensorMapTiled(&map, tensorDataType, tensorRank,
				      (uint64_t)(uintptr_t)globalAddress, globalDim, strides,
				      boxDim, elementStrides, interleave, swizzle, l2Promotion,
				      oobFill);
	if (!result)
		memcpy(tensorMap, &map, sizeof(map));
	return result;
}
