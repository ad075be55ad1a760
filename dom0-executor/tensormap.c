/* SPDX-License-Identifier: MIT */
/* Tensor maps: arithmetic on their arguments that only the driver knows. Runs in lanes' threads. */
#include "dom0-executor/calls.h"

#define RANK_MAX 5

CUresult ex_vgTensorMapTiled(struct ex_call *call, CUtensorMap *map, unsigned int type,
			     unsigned int rank, uint64_t address, const uint64_t *dims,
			     const uint64_t *strides, const uint32_t *box, const uint32_t *element,
			     unsigned int interleave, unsigned int swizzle, unsigned int promotion,
			     unsigned int fill)
{
	(void)call;
	if (!ex_driver.cuTensorMapEncodeTiled)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!rank || rank > RANK_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	/* The address is only written into the map: a kernel that uses it meets the device's own checks. */
	return ex_driver.cuTensorMapEncodeTiled(
		map, (CUtensorMapDataType)type, rank, (void *)(uintptr_t)address, dims, strides,
		box, element, (CUtensorMapInterleave)interleave, (CUtensorMapSwizzle)swizzle,
		(CUtensorMapL2promotion)promotion, (CUtensorMapFloatOOBfill)fill);
}

CUresult ex_vgTensorMapIm2col(struct ex_call *call, CUtensorMap *map, unsigned int kind,
			      unsigned int type, unsigned int rank, uint64_t address,
			      const uint64_t *dims, const uint64_t *strides,
			      const uint32_t *corners, unsigned int channels, unsigned int pixels,
			      const uint32_t *element, unsigned int interleave, unsigned int mode,
			      unsigned int swizzle, unsigned int promotion, unsigned int fill)
{
	int lower[3], upper[3];

	(void)call;
	if (rank < 3 || rank > RANK_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < 3; i++) {
		lower[i] = (int)corners[i];
		upper[i] = (int)corners[3 + i];
	}
	if (kind ? !ex_driver.cuTensorMapEncodeIm2colWide : !ex_driver.cuTensorMapEncodeIm2col)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (kind)
		return ex_driver.cuTensorMapEncodeIm2colWide(
			map, (CUtensorMapDataType)type, rank, (void *)(uintptr_t)address, dims,
			strides, lower[0], upper[0], channels, pixels, element,
			(CUtensorMapInterleave)interleave, (CUtensorMapIm2ColWideMode)mode,
			(CUtensorMapSwizzle)swizzle, (CUtensorMapL2promotion)promotion,
			(CUtensorMapFloatOOBfill)fill);
	return ex_driver.cuTensorMapEncodeIm2col(
		map, (CUtensorMapDataType)type, rank, (void *)(uintptr_t)address, dims, strides,
		lower, upper, channels, pixels, element, (CUtensorMapInterleave)interleave,
		(CUtensorMapSwizzle)swizzle, (CUtensorMapL2promotion)promotion,
		(CUtensorMapFloatOOBfill)fill);
}

CUresult ex_vgTensorMapReplace(struct ex_call *call, CUtensorMap *map, uint64_t address)
{
	(void)call;
	return ex_driver.cuTensorMapReplaceAddress
		       ? ex_driver.cuTensorMapReplaceAddress(map, (void *)(uintptr_t)address)
		       : CUDA_ERROR_NOT_SUPPORTED;
}
