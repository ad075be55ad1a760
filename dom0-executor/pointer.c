/* SPDX-License-Identifier: MIT */
/*
 * What a pointer is. Only pointers that the session may name are asked about, and no address of this
 * process's own memory goes out: host memory is answered only where it is a region's, at the
 * address that both sides share. Runs in lanes' threads.
 */
#include <string.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

#define VALUE_BYTES 16

static CUresult value_of_handle(struct ex_call *call, enum vg_handle_type type, void *value)
{
	uint64_t handle;
	void *real;

	memcpy(&real, value, sizeof(real));
	handle = ex_handle_put(call, type, real, 0);
	memset(value, 0, VALUE_BYTES);
	memcpy(value, &handle, sizeof(handle));
	return CUDA_SUCCESS;
}

static CUresult value_of_host_pointer(struct ex_call *call, void *value)
{
	uint64_t address;
	int kind;

	memcpy(&address, value, sizeof(address));
	/* Managed memory has one address for both processors, and so it has in the guest. */
	if (ex_ranges_cover(&call->session->ranges, address, 1, &kind) &&
	    (kind == EX_RANGE_REGION || kind == EX_RANGE_MANAGED || kind == EX_RANGE_GLOBAL))
		return CUDA_SUCCESS;
	memset(value, 0, VALUE_BYTES);
	return CUDA_ERROR_INVALID_VALUE;
}

/* What the driver has said, made fit for the guest. */
static CUresult value_translate(struct ex_call *call, CUpointer_attribute attribute, void *value)
{
	switch (attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT: return value_of_handle(call, VG_HANDLE_CUcontext, value);
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		return value_of_handle(call, VG_HANDLE_CUmemoryPool, value);
	case CU_POINTER_ATTRIBUTE_HOST_POINTER: return value_of_host_pointer(call, value);
	/* What leads out of the guest. */
	case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
		memset(value, 0, VALUE_BYTES);
		return CUDA_ERROR_NOT_SUPPORTED;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(uint64_t *)value &= CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
		return CUDA_SUCCESS;
	default: return CUDA_SUCCESS;
	}
}

static CUresult attribute_read(struct ex_call *call, CUdeviceptr ptr, CUpointer_attribute attribute,
			       void *value)
{
	_Alignas(16) uint8_t own[2 * VALUE_BYTES] = {0};
	CUresult result;

	if (attribute < CU_POINTER_ATTRIBUTE_CONTEXT ||
	    attribute > CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuPointerGetAttribute(own, attribute, ptr);
	if (!result)
		result = value_translate(call, attribute, own);
	if (!result)
		memcpy(value, own, VALUE_BYTES);
	return result;
}

CUresult ex_vgPointerAttributes(struct ex_call *call, CUdeviceptr ptr, unsigned int count,
				const CUpointer_attribute *attributes, uint32_t *codes,
				void *values)
{
	CUresult known = ex_range_check(call, ptr, 1);

	if (!codes || !values)
		return count ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	if (!ex_driver.cuPointerGetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	for (unsigned int i = 0; i < count; i++)
		codes[i] = known ? known
				 : attribute_read(call, ptr, attributes[i],
						  (uint8_t *)values + (size_t)i * VALUE_BYTES);
	return CUDA_SUCCESS;
}

CUresult ex_vgPointerSetAttribute(struct ex_call *call, CUdeviceptr ptr,
				  CUpointer_attribute attribute, int value)
{
	CUresult result = ex_range_check(call, ptr, 1);
	unsigned int flag = value != 0;

	if (result)
		return result;
	if (attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuPointerSetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuPointerSetAttribute(&flag, attribute, ptr);
}
