/* SPDX-License-Identifier: MIT */
/*
 * Advice about managed memory where the guest has a part in it: prefetches, streams that it is attached
 * to, and waits after which a prefetch to the CPU must have come. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/managed.h"

static bool is_host(const CUmemLocation *location)
{
	switch ((unsigned int)location->type) {
	case CU_MEM_LOCATION_TYPE_HOST:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return true;
	default: return false;
	}
}

/* To the device before the driver is told; to the CPU once the program has waited for the stream. */
static void prefetch_begin(CUdeviceptr address, size_t size, bool host)
{
	if (!host)
		fe_range_known(address, size);
}

static void prefetch_end(CUresult result, CUdeviceptr address, size_t size, bool host)
{
	if (!result && host)
		fe_managed_want(address, size);
}

CUresult fe_cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice,
			       CUstream hStream)
{
	bool host = dstDevice == CU_DEVICE_CPU;
	CUresult result;

	prefetch_begin(devPtr, count, host);
	result = rpc_cuMemPrefetchAsync(devPtr, count, dstDevice, hStream);
	prefetch_end(result, devPtr, count, host);
	return result;
}

CUresult fe_cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location,
				  unsigned int flags, CUstream hStream)
{
	bool host = is_host(&location);
	CUresult result;

	prefetch_begin(devPtr, count, host);
	result = rpc_cuMemPrefetchAsync_v2(devPtr, count, location, flags, hStream);
	prefetch_end(result, devPtr, count, host);
	return result;
}

/* The location that the batch names for an address; NULL: the driver will say what is wrong. */
static const CUmemLocation *batch_location(size_t index, const CUmemLocation *locations,
					   const size_t *from, size_t count)
{
	const CUmemLocation *found = NULL;

	for (size_t i = 0; locations && from && i < count && from[i] <= index; i++)
		found = &locations[i];
	return found;
}

static void batch_prefetch(CUresult result, bool begin, const CUdeviceptr *dptrs,
			   const size_t *sizes, size_t count, const CUmemLocation *locations,
			   const size_t *from, size_t located)
{
	for (size_t i = 0; dptrs && sizes && i < count; i++) {
		const CUmemLocation *location = batch_location(i, locations, from, located);

		if (location && begin)
			prefetch_begin(dptrs[i], sizes[i], is_host(location));
		else if (location)
			prefetch_end(result, dptrs[i], sizes[i], is_host(location));
	}
}

CUresult fe_cuMemPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
				    CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
				    size_t numPrefetchLocs, unsigned long long flags,
				    CUstream hStream)
{
	CUresult result = CUDA_SUCCESS;

	batch_prefetch(result, true, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
		       numPrefetchLocs);
	result = rpc_cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
					     numPrefetchLocs, flags, hStream);
	batch_prefetch(result, false, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
		       numPrefetchLocs);
	return result;
}

static void batch_give(const CUdeviceptr *dptrs, const size_t *sizes, size_t count)
{
	for (size_t i = 0; dptrs && sizes && i < count; i++)
		fe_range_known(dptrs[i], sizes[i]);
}

CUresult fe_cuMemDiscardBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
				   unsigned long long flags, CUstream hStream)
{
	batch_give(dptrs, sizes, count);
	return rpc_cuMemDiscardBatchAsync(dptrs, sizes, count, flags, hStream);
}

CUresult fe_cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *dptrs, size_t *sizes, size_t count,
					      CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
					      size_t numPrefetchLocs, unsigned long long flags,
					      CUstream hStream)
{
	CUresult result;

	batch_give(dptrs, sizes, count);
	result = rpc_cuMemDiscardAndPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs,
						       prefetchLocIdxs, numPrefetchLocs, flags,
						       hStream);
	batch_prefetch(result, false, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
		       numPrefetchLocs);
	return result;
}

CUresult fe_cuMemRangeGetAttributes(void **data, size_t *dataSizes,
				    CUmem_range_attribute *attributes, size_t numAttributes,
				    CUdeviceptr devPtr, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	if (!data || !dataSizes || !attributes || !numAttributes)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < numAttributes && !result; i++)
		result = rpc_cuMemRangeGetAttribute(data[i], dataSizes[i], attributes[i], devPtr,
						    count);
	return result;
}

CUresult fe_cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length,
				   unsigned int flags)
{
	struct fe_range range;
	CUresult result = rpc_cuStreamAttachMemAsync(hStream, dptr, length, flags);

	if (!result && fe_range_find(dptr, &range) && range.kind == FE_RANGE_MANAGED)
		fe_managed_attach(&range, flags, hStream);
	return result;
}

CUresult fe_cuGraphLaunch(CUgraphExec hGraph, CUstream hStream)
{
	/* Without a context that lives the stream's may not live either, which is to be said at once. */
	bool asynchronous = !fe_context_needed();
	CUresult result;

	fe_managed_launch(hStream);
	result = rpc_cuGraphLaunch(hGraph, hStream, asynchronous);
	fe_managed_launched();
	return result;
}
