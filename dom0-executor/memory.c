/* SPDX-License-Identifier: MIT */
/*
 * Device memory: plain allocations. Each piece becomes a range that the guest may name; bytes are
 * counted against the quota of the current context's vGPU before the driver is asked. Runs in lanes' threads.
 */
#include "dom0-executor/memory.h"

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

CUresult ex_cuMemGetInfo_v2(struct ex_call *call, size_t *free, size_t *total)
{
	struct ex_session *session = call->session;
	struct ex_account *account = ex_account_of(session, call->lane->gpu);
	uint64_t limit = account->limit, used;
	CUresult result;

	if (!ex_driver.cuMemGetInfo_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuMemGetInfo_v2(free, total);
	if (result || !limit)
		return result;
	ex_pools_settle(session);
	ex_usage_look(session, call->lane->gpu);
	used = ex_account_used(account);
	*total = vg_min(*total, limit);
	*free = vg_min(*free, used < limit ? limit - used : 0);
	return CUDA_SUCCESS;
}

/* --- allocations -------------------------------------------------------------------------------- */

/* The driver has given [address, size), counted as `taken`: enter it, or hand it back. */
static CUresult memory_enter(struct ex_call *call, CUresult result, CUdeviceptr address,
			     uint64_t size, uint64_t taken, enum ex_range_kind kind)
{
	struct ex_session *session = call->session;
	struct ex_account *account = ex_account_of(session, call->lane->gpu);
	uint64_t wanted = ex_memory_size(session, size);

	if (result) {
		ex_account_give(account, taken);
		return result;
	}
	if (wanted > taken && !ex_memory_take(session, call->lane->gpu, wanted - taken)) {
		ex_driver.cuMemFree_v2(address);
		ex_account_give(account, taken);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	result = ex_range_add(call, address, size, kind);
	if (result) {
		ex_driver.cuMemFree_v2(address);
		ex_account_give(account, wanted);
	}
	return result;
}

CUresult ex_cuMemAlloc_v2(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize)
{
	uint64_t size = ex_memory_size(call->session, bytesize);
	CUresult result;

	if (!ex_driver.cuMemAlloc_v2 || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_memory_take(call->session, call->lane->gpu, size))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAlloc_v2(dptr, bytesize);
	return memory_enter(call, result, *dptr, bytesize, size, EX_RANGE_DEVICE);
}

/*
 * Counted whole, and by the vGPU whose context is current: where its pages are is the driver's business and
 * changes with every touch.
 */
CUresult ex_cuMemAllocManaged(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
			      unsigned int flags)
{
	uint64_t size = ex_memory_size(call->session, bytesize);
	CUresult result;

	if (!ex_driver.cuMemAllocManaged || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!bytesize)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_memory_take(call->session, call->lane->gpu, size))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAllocManaged(dptr, bytesize, flags);
	return memory_enter(call, result, *dptr, bytesize, size, EX_RANGE_MANAGED);
}

/* The pitch is the driver's: what it makes of it is counted once it is known. */
CUresult ex_cuMemAllocPitch_v2(struct ex_call *call, CUdeviceptr *dptr, size_t *pPitch,
			       size_t WidthInBytes, size_t Height, unsigned int ElementSizeBytes)
{
	uint64_t least = ex_memory_size(call->session, vg_sat_mul(WidthInBytes, Height));
	CUresult result;

	if (!ex_driver.cuMemAllocPitch_v2 || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_memory_take(call->session, call->lane->gpu, least))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAllocPitch_v2(dptr, pPitch, WidthInBytes, Height, ElementSizeBytes);
	return memory_enter(call, result, *dptr, vg_sat_mul(*pPitch, Height), least,
			    EX_RANGE_DEVICE);
}

/* A range of the guest's own that cuMemFree may be asked to free. */
static CUresult memory_check_own(struct ex_call *call, CUdeviceptr dptr, struct ex_span *span)
{
	if (!ex_ranges_find(&call->session->ranges, dptr, span) || span->start != dptr ||
	    (span->kind != EX_RANGE_DEVICE && span->kind != EX_RANGE_MANAGED))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

bool ex_memory_is_graphs(struct ex_call *call, CUdeviceptr dptr)
{
	struct ex_span span;

	return ex_ranges_find(&call->session->ranges, dptr, &span) && span.start == dptr &&
	       span.kind == EX_RANGE_GRAPH;
}

CUresult ex_memory_leave(struct ex_call *call, CUdeviceptr dptr, struct ex_span *span)
{
	CUresult result = memory_check_own(call, dptr, span);

	if (!result && !ex_ranges_take(&call->session->ranges, dptr, span))
		result = CUDA_ERROR_INVALID_VALUE;
	return result;
}

void ex_memory_left(struct ex_call *call, const struct ex_span *span, CUresult result)
{
	if (!result || ex_ranges_add(&call->session->ranges, span))
		ex_memory_gone(call->session, span);
}

void ex_memory_gone(struct ex_session *session, const struct ex_span *span)
{
	ex_ipc_withdraw(session, VG_OFFER_MEMORY, span->start);
	if (span->object)
		ex_pool_freed(session, span->object, span->size);
	else
		ex_account_give(ex_account_of(session, span->gpu),
				ex_memory_size(session, span->size));
}

CUresult ex_cuMemFree_v2(struct ex_call *call, CUdeviceptr dptr)
{
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!dptr)
		return CUDA_SUCCESS;
	if (ex_memory_is_graphs(call, dptr))
		return ex_driver.cuMemFree_v2(dptr);
	result = ex_memory_leave(call, dptr, &span);
	if (result)
		return result;
	result = ex_driver.cuMemFree_v2(dptr);
	ex_memory_left(call, &span, result);
	return result;
}
