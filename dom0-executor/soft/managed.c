/* SPDX-License-Identifier: MIT */
/*
 * Managed memory. Kernels run in this process, on the CPU, so any memory of the device's is both
 * processors' at any time; what is to be kept is what the program says about it. Advice is kept for a
 * whole allocation. Any thread; the device's lock guards it.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"
#include "dom0-executor/soft/stream.h"

#include <string.h>

#define PLACE_CPU 31 /* the bit of `accessed` that is not a device's */

CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
	struct soft_range *range;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!dptr || !bytesize || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	result = capture_forbids(ctx, NULL);
	if (result == CUDA_SUCCESS)
		result = memory_alloc(ctx->device, ctx, RANGE_MANAGED, bytesize, 0, &range);
	if (result == CUDA_SUCCESS)
		*dptr = range->base;
	return result;
}

/* The managed range that holds all of the bytes, pinned; NULL: none does. */
static struct soft_range *managed_pin(CUdeviceptr address, size_t size)
{
	struct soft_range *range = range_pin(address);

	if (range && range->managed && size && size <= range->size - (address - range->base))
		return range;
	range_unpin(range);
	return NULL;
}

/* --- locations ---------------------------------------------------------------------------------- */

static const CUmemLocation nowhere = {.type = CU_MEM_LOCATION_TYPE_INVALID,
				      .id = CU_DEVICE_INVALID};

static CUmemLocation location_of(CUdevice device)
{
	CUmemLocation location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};

	if (device == CU_DEVICE_CPU)
		location = (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST};
	return location;
}

static bool is_host(const CUmemLocation *location)
{
	return location->type == CU_MEM_LOCATION_TYPE_HOST ||
	       (unsigned int)location->type == CU_MEM_LOCATION_TYPE_HOST_NUMA ||
	       (unsigned int)location->type == CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
}

static CUresult location_check(const CUmemLocation *location)
{
	if (is_host(location))
		return CUDA_SUCCESS;
	if (location->type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	return device_of(location->id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

/* As a device ordinal, the older way to say it. */
static int ordinal_of(const CUmemLocation *location)
{
	if (is_host(location))
		return CU_DEVICE_CPU;
	return location->type == CU_MEM_LOCATION_TYPE_DEVICE ? location->id : CU_DEVICE_INVALID;
}

/* --- advice ------------------------------------------------------------------------------------- */

static CUresult advice_take(struct soft_advice *advice, CUmem_advise what,
			    const CUmemLocation *location)
{
	unsigned int place = is_host(location) ? PLACE_CPU : (unsigned int)location->id;

	switch (what) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY: advice->read_mostly = true; break;
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY: advice->read_mostly = false; break;
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION: advice->preferred = *location; break;
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION: advice->preferred = nowhere; break;
	case CU_MEM_ADVISE_SET_ACCESSED_BY: advice->accessed |= 1u << place; break;
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY: advice->accessed &= ~(1u << place); break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static bool needs_location(CUmem_advise advice)
{
	return advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION ||
	       advice == CU_MEM_ADVISE_SET_ACCESSED_BY || advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
}

CUresult cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice,
			CUmemLocation location)
{
	struct soft_range *range;
	CUresult result;

	ENTER_CONTEXT(ctx);
	/* As the driver: here an unknown device is a bad value. */
	result = needs_location(advice) && location_check(&location) ? CUDA_ERROR_INVALID_VALUE
								     : CUDA_SUCCESS;
	if (result != CUDA_SUCCESS)
		return result;
	range = managed_pin(devPtr, count);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&range->device->lock);
	result = advice_take(&range->advice, advice, &location);
	pthread_mutex_unlock(&range->device->lock);
	range_unpin(range);
	return result;
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device)
{
	return cuMemAdvise_v2(devPtr, count, advice, location_of(device));
}

/* --- prefetches: nothing moves, so they are done when they are asked for ---------------------------- */

static CUresult prefetch(CUdeviceptr address, size_t size, const CUmemLocation *location)
{
	CUresult result = location_check(location);
	struct soft_range *range;

	if (result != CUDA_SUCCESS)
		return result;
	range = managed_pin(address, size);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&range->device->lock);
	range->advice.prefetched = *location;
	pthread_mutex_unlock(&range->device->lock);
	range_unpin(range);
	return CUDA_SUCCESS;
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location,
			       unsigned int flags, CUstream hStream)
{
	ENTER_STREAM(ctx, stream, hStream);
	return flags ? CUDA_ERROR_INVALID_VALUE : prefetch(devPtr, count, &location);
}

CUresult cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream)
{
	return cuMemPrefetchAsync_v2(devPtr, count, location_of(dstDevice), 0, hStream);
}

static CUresult batch_check(const CUdeviceptr *dptrs, const size_t *sizes, size_t count)
{
	if (!dptrs || !sizes || !count)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		struct soft_range *range = managed_pin(dptrs[i], sizes[i]);

		if (!range)
			return CUDA_ERROR_INVALID_VALUE;
		range_unpin(range);
	}
	return CUDA_SUCCESS;
}

/* Each location is for the addresses from its index up to the next one's. */
static CUresult indices_check(const CUmemLocation *locations, const size_t *from, size_t located,
			      size_t count)
{
	if (!locations || !from || !located || located > count || from[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 1; i < located; i++)
		if (from[i] <= from[i - 1] || from[i] >= count)
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
				 CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
				 size_t numPrefetchLocs, unsigned long long flags, CUstream hStream)
{
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	result = flags ? CUDA_ERROR_INVALID_VALUE : batch_check(dptrs, sizes, count);
	if (result == CUDA_SUCCESS)
		result = indices_check(prefetchLocs, prefetchLocIdxs, numPrefetchLocs, count);
	for (size_t i = 0, at = 0; i < count && result == CUDA_SUCCESS; i++) {
		if (at + 1 < numPrefetchLocs && prefetchLocIdxs[at + 1] <= i)
			at++;
		result = prefetch(dptrs[i], sizes[i], &prefetchLocs[at]);
	}
	return result;
}

/* What is discarded may have any value: the one that it has is as good. */
CUresult cuMemDiscardBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
				unsigned long long flags, CUstream hStream)
{
	ENTER_STREAM(ctx, stream, hStream);
	return flags ? CUDA_ERROR_INVALID_VALUE : batch_check(dptrs, sizes, count);
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
					   CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
					   size_t numPrefetchLocs, unsigned long long flags,
					   CUstream hStream)
{
	return cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
				       numPrefetchLocs, flags, hStream);
}

CUresult cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length,
				unsigned int flags)
{
	struct soft_range *range;
	bool good;

	ENTER_STREAM(ctx, stream, hStream);
	if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST &&
	    flags != CU_MEM_ATTACH_SINGLE)
		return CUDA_ERROR_INVALID_VALUE;
	range = managed_pin(dptr, 1);
	good = range && dptr == range->base && (!length || length == range->asked);
	range_unpin(range);
	return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* --- what was said ------------------------------------------------------------------------------ */

/* The places that were said to use it, filled up with CU_DEVICE_INVALID. */
static void accessed_list(unsigned int accessed, int *list, size_t count)
{
	size_t at = 0;

	for (unsigned int place = 0; place < 32 && at < count; place++)
		if (accessed & (1u << place))
			list[at++] = place == PLACE_CPU ? CU_DEVICE_CPU : (int)place;
	while (at < count)
		list[at++] = CU_DEVICE_INVALID;
}

static CUresult attribute_get(const struct soft_advice *advice, CUmem_range_attribute attribute,
			      int *data, size_t size)
{
	if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
		if (!size || size % sizeof(int))
			return CUDA_ERROR_INVALID_VALUE;
		accessed_list(advice->accessed, data, size / sizeof(int));
		return CUDA_SUCCESS;
	}
	if (size != sizeof(int))
		return CUDA_ERROR_INVALID_VALUE;
	switch (attribute) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY: *data = advice->read_mostly; break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
		*data = ordinal_of(&advice->preferred);
		break;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		*data = ordinal_of(&advice->prefetched);
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
		*data = (int)advice->preferred.type;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID: *data = advice->preferred.id; break;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
		*data = (int)advice->prefetched.type;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID: *data = advice->prefetched.id; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult cuMemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attribute,
				CUdeviceptr devPtr, size_t count)
{
	struct soft_range *range;
	struct soft_advice advice;

	ENTER_CONTEXT(ctx);
	if (!data)
		return CUDA_ERROR_INVALID_VALUE;
	range = managed_pin(devPtr, count);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&range->device->lock);
	advice = range->advice;
	pthread_mutex_unlock(&range->device->lock);
	range_unpin(range);
	return attribute_get(&advice, attribute, data, dataSize);
}

CUresult cuMemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes,
				 size_t numAttributes, CUdeviceptr devPtr, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	ENTER_CONTEXT(ctx);
	if (!data || !dataSizes || !attributes || !numAttributes)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < numAttributes && result == CUDA_SUCCESS; i++)
		result =
			cuMemRangeGetAttribute(data[i], dataSizes[i], attributes[i], devPtr, count);
	return result;
}

void advice_init(struct soft_advice *advice)
{
	*advice = (struct soft_advice){.preferred = nowhere, .prefetched = nowhere};
}
