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
