/* SPDX-License-Identifier: MIT */
/*
 * Memory of other processes. A handle is a token that only executors of the same vGPU understand, so it
 * travels as it is. Runs in the program's threads.
 */
#include <pthread.h>

#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/ipc.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/session.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of counts of opens */

static CUresult range_enter(CUdeviceptr base, uint64_t size, enum fe_range_kind kind)
{
	struct fe_range range;

	if (!fe_arena_claim(base, size)) {
		vg_error(&fe_who,
			 "event=no-address base=0x%llx why=\"the memory of another process lies "
			 "where this program has memory of its own\"",
			 (unsigned long long)base);
		return CUDA_ERROR_MAP_FAILED;
	}
	range = (struct fe_range){.base = base,
				  .size = size,
				  .kind = kind,
				  .opens = 1,
				  .context = fe_context_current()};
	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	return fe_range_add(&range) ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

/* Opened once more, or for the first time. */
static CUresult foreign_enter(CUdeviceptr base, uint64_t size)
{
	struct fe_range range;

	if (fe_range_find(base, &range) && range.base == base && range.kind == FE_RANGE_FOREIGN) {
		fe_range_remove(base, &range);
		range.opens++;
		return fe_range_add(&range) ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
	}
	return range_enter(base, size, FE_RANGE_FOREIGN);
}

CUresult fe_cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags)
{
	CUdeviceptr base = 0;
	size_t size = 0;
	CUresult result;

	if (!pdptr)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = rpc_vgIpcOpenMem(&base, &size, handle, Flags);
	if (!result) {
		result = foreign_enter(base, size);
		if (result)
			rpc_cuIpcCloseMemHandle(base);
		else
			*pdptr = base;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuIpcCloseMemHandle(CUdeviceptr dptr)
{
	struct fe_range range;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&lock);
	if (fe_range_find(dptr, &range) && range.base == dptr && range.kind == FE_RANGE_FOREIGN)
		result = rpc_cuIpcCloseMemHandle(dptr);
	if (!result) {
		fe_range_remove(dptr, &range);
		if (--range.opens)
			fe_range_add(&range);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

/* --- allocations of another process's pool ------------------------------------------------------------ */

/* Freed as the process's own are, as often as they were imported. */
static CUresult imported_enter(CUdeviceptr base, uint64_t size)
{
	struct fe_range range;

	if (fe_range_find(base, &range) && range.base == base && range.opens &&
	    range.kind == FE_RANGE_DEVICE) {
		fe_range_remove(base, &range);
		range.opens++;
		return fe_range_add(&range) ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
	}
	return range_enter(base, size, FE_RANGE_DEVICE);
}

CUresult fe_cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool pool,
				   CUmemPoolPtrExportData *shareData)
{
	CUdeviceptr base = 0;
	size_t size = 0;
	CUresult result;

	if (!ptr_out || !shareData)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = rpc_vgPoolImportPointer(&base, &size, pool, *shareData);
	if (!result) {
		result = imported_enter(base, size);
		if (result)
			rpc_cuMemFree_v2(base);
		else
			*ptr_out = base;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

void fe_ipc_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}
