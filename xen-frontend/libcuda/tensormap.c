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

/* Boxes of pixels have one corner less than the map has dimensions: neither channels nor images count. */
#define CORNERS_MAX 3

static CUresult im2col(CUtensorMap *map, unsigned int kind, unsigned int type, cuuint32_t rank,
		       void *address, const cuuint64_t *dims, const cuuint64_t *program_strides,
		       const uint32_t *corners, cuuint32_t channels, cuuint32_t pixels,
		       const cuuint32_t *element, unsigned int interleave, unsigned int mode,
		       unsigned int swizzle, unsigned int promotion, unsigned int fill)
{
	uint64_t strides[RANK_MAX] = {0};
	CUtensorMap made;
	CUresult result;

	if (!map || (uintptr_t)map % MAP_ALIGN || !dims || !program_strides || !element)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(strides, program_strides, (rank - 1) * sizeof(strides[0]));
	result = rpc_vgTensorMapIm2col(&made, kind, type, rank, (uint64_t)(uintptr_t)address, dims,
				       strides, corners, channels, pixels, element, interleave,
				       mode, swizzle, promotion, fill);
	if (!result)
		memcpy(map, &made, sizeof(made));
	return result;
}

static bool rank_is_valid(cuuint32_t rank)
{
	return rank >= 3 && rank <= RANK_MAX;
}

CUresult fe_cuTensorMapEncodeIm2col(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType,
				    cuuint32_t tensorRank, void *globalAddress,
				    const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
				    const int *pixelBoxLowerCorner, const int *pixelBoxUpperCorner,
				    cuuint32_t channelsPerPixel, cuuint32_t pixelsPerColumn,
				    const cuuint32_t *elementStrides,
				    CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				    CUtensorMapL2promotion l2Promotion,
				    CUtensorMapFloatOOBfill oobFill)
{
	uint32_t corners[2 * CORNERS_MAX] = {0};

	if (!rank_is_valid(tensorRank) || !pixelBoxLowerCorner || !pixelBoxUpperCorner)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(corners, pixelBoxLowerCorner, (tensorRank - 2) * sizeof(int));
	memcpy(corners + CORNERS_MAX, pixelBoxUpperCorner, (tensorRank - 2) * sizeof(int));
	return im2col(tensorMap, 0, tensorDataType, tensorRank, globalAddress, globalDim,
		      globalStrides, corners, channelsPerPixel, pixelsPerColumn, elementStrides,
		      interleave, 0, swizzle, l2Promotion, oobFill);
}

CUresult
fe_cuTensorMapEncodeIm2colWide(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType,
			       cuuint32_t tensorRank, void *globalAddress,
			       const cuuint64_t *globalDim, const cuuint64_t *globalStrides,
			       int pixelBoxLowerCornerWidth, int pixelBoxUpperCornerWidth,
			       cuuint32_t channelsPerPixel, cuuint32_t pixelsPerColumn,
			       const cuuint32_t *elementStrides, CUtensorMapInterleave interleave,
			       CUtensorMapIm2ColWideMode mode, CUtensorMapSwizzle swizzle,
			       CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
	uint32_t corners[2 * CORNERS_MAX] = {0};

	if (!rank_is_valid(tensorRank))
		return CUDA_ERROR_INVALID_VALUE;
	corners[0] = (uint32_t)pixelBoxLowerCornerWidth;
	corners[CORNERS_MAX] = (uint32_t)pixelBoxUpperCornerWidth;
	return im2col(tensorMap, 1, tensorDataType, tensorRank, globalAddress, globalDim,
		      globalStrides, corners, channelsPerPixel, pixelsPerColumn, elementStrides,
		      interleave, mode, swizzle, l2Promotion, oobFill);
}

CUresult fe_cuTensorMapReplaceAddress(CUtensorMap *tensorMap, void *globalAddress)
{
	CUtensorMap map;
	CUresult result;

	if (!tensorMap || (uintptr_t)tensorMap % MAP_ALIGN)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&map, tensorMap, sizeof(map));
	result = rpc_vgTensorMapReplace(&map, (uint64_t)(uintptr_t)globalAddress);
	if (!result)
		memcpy(tensorMap, &map, sizeof(map));
	return result;
}
