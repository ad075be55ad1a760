/* SPDX-License-Identifier: MIT */
/* What is known of a pointer. Any thread; the range is pinned while it is looked at. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/memory.h"

#include <string.h>

/* Attributes of a pointer into no range: what CUDA says of a plain host pointer. */
static CUresult unknown_attribute(CUpointer_attribute attribute, CUdeviceptr ptr, void *data)
{
	(void)ptr;
	switch ((int)attribute) {
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_MAPPED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	memset(data, 0, sizeof(int));
	return CUDA_SUCCESS;
}

static CUresult context_attribute(const struct soft_range *range, void *data)
{
	if (!range->ctx)
		return CUDA_ERROR_INVALID_VALUE; /* of a pool, a mapping or a module */
	*(CUcontext *)data = object_handle(range->ctx);
	return CUDA_SUCCESS;
}

static bool is_host(const struct soft_range *range)
{
	return range->kind & RANGE_ANY_HOST;
}

/* The only one that a context is needed for. */
static CUresult device_pointer(CUdeviceptr ptr, void *data)
{
	ENTER_CONTEXT(ctx);
	*(CUdeviceptr *)data = ptr;
	return CUDA_SUCCESS;
}

static CUresult known_attribute(CUpointer_attribute attribute, struct soft_range *range,
				CUdeviceptr ptr, void *data)
{
	switch ((int)attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT: return context_attribute(range, data);
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)data = is_host(range) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
		break;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return device_pointer(ptr, data);
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		if (!is_host(range) && !range->managed)
			return CUDA_ERROR_INVALID_VALUE;
		*(void **)data = (void *)(uintptr_t)ptr;
		break;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)data = atomic_load(&range->sync_memops);
		break;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID: *(unsigned long long *)data = range->id; break;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED: *(int *)data = range->managed; break;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(int *)data = range->kind == RANGE_DEVICE && !range->pool;
		break;
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: *(int *)data = 0; break;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)data = range->device->ordinal; break;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *(CUdeviceptr *)data = range->base; break;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)data = range->asked; break;
	case CU_POINTER_ATTRIBUTE_MAPPED: *(int *)data = 1; break;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: *(cuuint64_t *)data = 0; break;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(int *)data = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
		break;
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		*(CUmemoryPool *)data = range->pool ? object_handle(range->pool) : NULL;
		break;
	case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR: *(CUdeviceptr *)data = range->base; break;
	case CU_POINTER_ATTRIBUTE_MAPPING_SIZE: *(size_t *)data = range->size; break;
	case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID: *(unsigned long long *)data = range->id; break;
	case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
		return CUDA_ERROR_NOT_SUPPORTED; /* for other drivers */
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static CUresult pointer_attribute(CUpointer_attribute attribute, CUdeviceptr ptr, void *data)
{
	struct soft_range *range = range_pin(ptr);
	CUresult result = range ? known_attribute(attribute, range, ptr, data)
				: unknown_attribute(attribute, ptr, data);

	range_unpin(range);
	return result;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	ENTER_DRIVER();
	if (!data)
		return CUDA_ERROR_INVALID_VALUE;
	return pointer_attribute(attribute, ptr, data);
}

/* Bytes of an attribute's value. */
static size_t attribute_bytes(CUpointer_attribute attribute)
{
	switch ((int)attribute) {
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_MAPPED:
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: return 4;
	default: return 8;
	}
}

/* Unlike the call for one, this one never fails for a pointer that is unknown: values are 0 then. */
CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes,
				void **data, CUdeviceptr ptr)
{
	ENTER_DRIVER();
	if (!numAttributes || !attributes || !data)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < numAttributes; i++) {
		if (!data[i] || attributes[i] < CU_POINTER_ATTRIBUTE_CONTEXT ||
		    attributes[i] > CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE)
			return CUDA_ERROR_INVALID_VALUE;
		memset(data[i], 0, attribute_bytes(attributes[i]));
		if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			*(int *)data[i] = CU_DEVICE_INVALID;
		pointer_attribute(attributes[i], ptr, data[i]);
	}
	return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	struct soft_range *range;

	ENTER_DRIVER();
	if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	range = range_pin(ptr);
	if (!range || range->kind & RANGE_ANY_HOST) {
		range_unpin(range);
		return CUDA_ERROR_INVALID_VALUE;
	}
	atomic_store(&range->sync_memops, *(const int *)value != 0);
	range_unpin(range);
	return CUDA_SUCCESS;
}
