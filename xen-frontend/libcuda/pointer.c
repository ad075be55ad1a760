/* SPDX-License-Identifier: MIT */
/*
 * What a pointer is. Shadow memory is unknown over there, so it is answered here; all else is
 * asked, since mapping and pool come and go with calls that this side does not follow. What an allocation's
 * answers will be for as long as it lives is remembered: some programs ask for each pointer of each launch.
 */
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/memory.h"

#define ATTRIBUTES_MAX 64u
#define VALUE_BYTES    16u

/* Bytes that an attribute's value has in the program's memory; 0: no such attribute. */
static size_t value_size(CUpointer_attribute attribute)
{
	switch ((unsigned int)attribute) {
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
	case CU_POINTER_ATTRIBUTE_MAPPED:
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS: return 4;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: return 4;
	case CU_POINTER_ATTRIBUTE_P2P_TOKENS: return 16;
	default:
		return attribute >= CU_POINTER_ATTRIBUTE_CONTEXT &&
				       attribute <= CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID
			       ? 8
			       : 0;
	}
}

static CUresult shadow_value(const struct fe_range *range, CUpointer_attribute attribute,
			     CUdeviceptr ptr, uint64_t *value)
{
	switch ((unsigned int)attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT: *value = (uint64_t)range->context; return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *value = CU_MEMORYTYPE_HOST; return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER: *value = ptr; return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*value = (uint64_t)range->device;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *value = range->base; return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *value = range->size; return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_MAPPED: *value = 0; return CUDA_SUCCESS;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* --- what was answered last ------------------------------------------------------------------- */

#define RECENT 64u /* a power of two */

/* An answer, which holds for all of an allocation's addresses. */
struct recent {
	uint64_t base, size; /* of the allocation; size 0: nothing */
	uint64_t epoch;
	CUpointer_attribute attribute;
	uint64_t value; /* of base */
};

struct fe_pointer_recent {
	struct recent entry[RECENT];
};

/* Moves when memory may have gone. */
static uint64_t recent_epoch(void)
{
	uint64_t contexts = atomic_load_explicit(&fe_contexts_gone, memory_order_acquire);

	return contexts << 32 | atomic_load_explicit(&fe_ranges_gone, memory_order_acquire);
}

static bool is_address(CUpointer_attribute attribute)
{
	return attribute == CU_POINTER_ATTRIBUTE_DEVICE_POINTER ||
	       attribute == CU_POINTER_ATTRIBUTE_HOST_POINTER;
}

/* Mapped memory may be mapped anew, others' may be closed, access and names may be changed. */
static bool is_lasting(const struct fe_range *range, CUpointer_attribute attribute)
{
	bool kind = (range->kind == FE_RANGE_DEVICE && !range->opens) ||
		    range->kind == FE_RANGE_PINNED || range->kind == FE_RANGE_MANAGED;

	switch ((unsigned int)attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
	case CU_POINTER_ATTRIBUTE_MAPPED: return kind;
	default: return false;
	}
}

static struct recent *recent_place(const struct fe_lane *lane, CUpointer_attribute attribute,
				   CUdeviceptr ptr)
{
	return &lane->pointers->entry[(ptr >> 21 ^ (unsigned int)attribute * 7u) % RECENT];
}

static bool recent_find(const struct fe_lane *lane, CUpointer_attribute attribute, CUdeviceptr ptr,
			uint8_t *value)
{
	const struct recent *recent = recent_place(lane, attribute, ptr);
	uint64_t word = recent->value;

	/* Its address on the device is a context's. */
	if (attribute == CU_POINTER_ATTRIBUTE_DEVICE_POINTER && fe_context_needed())
		return false;
	if (ptr - recent->base >= recent->size || recent->attribute != attribute ||
	    recent->epoch != recent_epoch())
		return false;
	if (is_address(attribute))
		word += ptr - recent->base;
	memcpy(value, &word, sizeof(word));
	return true;
}

static bool recent_find_all(struct fe_lane *lane, unsigned int count,
			    const CUpointer_attribute *attributes, CUdeviceptr ptr, uint32_t *codes,
			    uint8_t (*values)[VALUE_BYTES])
{
	bool found = lane && lane->pointers;

	for (unsigned int i = 0; i < count && found; i++) {
		codes[i] = CUDA_SUCCESS;
		found = recent_find(lane, attributes[i], ptr, values[i]);
	}
	return found;
}

/* epoch: from before it was asked. */
static void recent_keep(struct fe_lane *lane, const struct fe_range *range,
			CUpointer_attribute attribute, CUdeviceptr ptr, const uint8_t *value,
			uint64_t epoch)
{
	struct recent *recent;

	if (!lane || !is_lasting(range, attribute))
		return;
	if (!lane->pointers)
		lane->pointers = calloc(1, sizeof(*lane->pointers));
	if (!lane->pointers)
		return;
	recent = recent_place(lane, attribute, ptr);
	*recent = (struct recent){range->base, range->size, epoch, attribute, 0};
	memcpy(&recent->value, value, sizeof(recent->value));
	if (is_address(attribute))
		recent->value -= ptr - range->base;
}

/* --- asking --------------------------------------------------------------------------------------- */

static CUresult values_ask(struct fe_lane *lane, const struct fe_range *range, unsigned int count,
			   const CUpointer_attribute *attributes, CUdeviceptr ptr, uint32_t *codes,
			   uint8_t (*values)[VALUE_BYTES], uint64_t epoch)
{
	CUresult result = rpc_vgPointerAttributes(ptr, count, attributes, codes, values);

	for (unsigned int i = 0; i < count && !result; i++) {
		if (!codes[i])
			recent_keep(lane, range, attributes[i], ptr, values[i], epoch);
	}
	return result;
}

static CUresult values_get(unsigned int count, const CUpointer_attribute *attributes,
			   CUdeviceptr ptr, uint32_t *codes, uint8_t (*values)[VALUE_BYTES])
{
	uint64_t epoch = recent_epoch();
	struct fe_range range;
	struct fe_lane *lane;
	CUresult result;

	lane = fe_lane_get(&result);
	memset(values, 0, count * VALUE_BYTES);
	if (recent_find_all(lane, count, attributes, ptr, codes, values))
		return CUDA_SUCCESS;
	if (!fe_range_find(ptr, &range)) {
		for (unsigned int i = 0; i < count; i++)
			codes[i] = CUDA_ERROR_INVALID_VALUE;
		return CUDA_SUCCESS;
	}
	if (range.kind != FE_RANGE_SHADOW)
		return values_ask(lane, &range, count, attributes, ptr, codes, values, epoch);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t value = 0;

		codes[i] = shadow_value(&range, attributes[i], ptr, &value);
		memcpy(values[i], &value, sizeof(value));
	}
	return CUDA_SUCCESS;
}

/* Context and pool handles are the executor's to mint. */
static void value_note(CUpointer_attribute attribute, const uint8_t *value)
{
	uint64_t handle;

	memcpy(&handle, value, sizeof(handle));
	if (attribute == CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE)
		fe_handle_note(VG_HANDLE_CUmemoryPool, handle);
	if (attribute == CU_POINTER_ATTRIBUTE_CONTEXT)
		fe_handle_note(VG_HANDLE_CUcontext, handle);
}

CUresult fe_cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	uint8_t value[1][VALUE_BYTES];
	uint32_t code = CUDA_SUCCESS;
	CUresult result;

	if (!data || !value_size(attribute))
		return CUDA_ERROR_INVALID_VALUE;
	result = values_get(1, &attribute, ptr, &code, value);
	if (!result)
		result = (CUresult)code;
	if (result)
		return result;
	value_note(attribute, value[0]);
	memcpy(data, value[0], value_size(attribute));
	return CUDA_SUCCESS;
}

/* An attribute that the pointer has not is zero, not an error. */
CUresult fe_cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes,
				   void **data, CUdeviceptr ptr)
{
	uint8_t values[ATTRIBUTES_MAX][VALUE_BYTES];
	uint32_t codes[ATTRIBUTES_MAX];
	CUresult result;

	if (!numAttributes || numAttributes > ATTRIBUTES_MAX || !attributes || !data)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < numAttributes; i++) {
		if (!value_size(attributes[i]) || !data[i])
			return CUDA_ERROR_INVALID_VALUE;
	}
	result = values_get(numAttributes, attributes, ptr, codes, values);
	if (result)
		return result;
	for (unsigned int i = 0; i < numAttributes; i++) {
		if (codes[i])
			memset(values[i], 0, VALUE_BYTES);
		if (codes[i] && attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			memset(values[i], 0xff, 4); /* CU_DEVICE_INVALID is -2 */
		value_note(attributes[i], values[i]);
		memcpy(data[i], values[i], value_size(attributes[i]));
	}
	return CUDA_SUCCESS;
}

CUresult fe_cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	int flag;

	if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&flag, value, sizeof(flag));
	return rpc_vgPointerSetAttribute(ptr, attribute, flag);
}
