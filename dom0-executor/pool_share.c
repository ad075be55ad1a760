/* SPDX-License-Identifier: MIT */
/*
 * Pools for other processes of the guest. A pool's descriptor stays on this side and goes from executor
 * to executor (handover.h), as cuMemCreate's does; what the driver says of an allocation stands in the vGPU's
 * table. The guest passes tokens around. Memory counts for the pool that it comes from; when its owner has
 * freed it, or ended, it counts by its offer for as long as somebody else has it. Runs in lanes' threads.
 */
#include "dom0-executor/pool_share.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

#define FD CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR

_Static_assert(sizeof(CUmemPoolPtrExportData) == CU_IPC_HANDLE_SIZE, "a token fills both");
_Static_assert(sizeof(CUmemPoolPtrExportData) <= VG_OFFER_DATA, "an offer holds the driver's");

/* --- pools ------------------------------------------------------------------------------------------ */

/* Under the lock, so that two at once do not offer a descriptor each. */
CUresult ex_vgPoolExport(struct ex_call *call, CUipcMemHandle *token, CUmemoryPool pool)
{
	struct ex_session *session = call->session;
	uint64_t handle = ex_handles_find(&session->handles, VG_HANDLE_CUmemoryPool, pool);
	CUresult result;
	int fd = -1;

	if (!ex_driver.cuMemPoolExportToShareableHandle || !ex_ipc_can(session))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!handle || !ex_handles_hold(&session->handles, VG_HANDLE_CUmemoryPool, handle))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&session->ipc.lock);
	result = ex_driver.cuMemPoolExportToShareableHandle(&fd, pool, FD, 0);
	if (!result && fd < 0)
		result = CUDA_ERROR_UNKNOWN;
	/* Of no bytes, so any of the tables will do, if it is always the same. */
	if (!result)
		result = ex_ipc_offer_fd(session, 0, VG_OFFER_POOL, handle, 0, fd, token);
	pthread_mutex_unlock(&session->ipc.lock);
	ex_handle_drop(call, VG_HANDLE_CUmemoryPool, handle);
	return result;
}

void ex_pool_unshare(struct ex_session *session, uint64_t handle)
{
	ex_ipc_withdraw(session, VG_OFFER_POOL, handle);
	ex_handover_drop(&session->handover, handle);
}

/* A pool without its allocations holds nothing that counts, so this session need not stay a taker. */
CUresult ex_vgPoolImport(struct ex_call *call, CUmemoryPool *pool, CUipcMemHandle token)
{
	struct vg_offer_taken taken;
	CUresult result;
	int fd;

	if (!ex_driver.cuMemPoolImportFromShareableHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_ipc_take(call->session, VG_OFFER_POOL, &token, &taken);
	if (result)
		return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
	fd = ex_ipc_fetch_fd(&taken, &token);
	ex_ipc_leave(call->session, taken.index);
	if (fd < 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuMemPoolImportFromShareableHandle(pool, (void *)(uintptr_t)fd, FD, 0);
	close(fd);
	return result;
}

/* --- allocations: export ---------------------------------------------------------------------------- */

CUresult ex_cuMemPoolExportPointer(struct ex_call *call, CUmemPoolPtrExportData *shareData_out,
				   CUdeviceptr ptr)
{
	struct ex_session *session = call->session;
	CUmemPoolPtrExportData real;
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemPoolExportPointer)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_ranges_find(&session->ranges, ptr, &span) || span.start != ptr ||
	    span.kind != EX_RANGE_DEVICE || !span.object)
		return CUDA_ERROR_INVALID_VALUE;
	memset(&real, 0, sizeof(real));
	result = ex_driver.cuMemPoolExportPointer(&real, ptr);
	if (result)
		return result;
	return ex_ipc_offer(session, span.gpu, VG_OFFER_POINTER, ptr,
			    ex_memory_size(session, span.size), &real, sizeof(real), shareData_out);
}

/* --- offers of others ------------------------------------------------------------------------------- */

/* An offer that is taken, and by how many ranges: it is left with the last. */
struct ex_taken {
	struct ex_taken *next;
	unsigned int index;
	unsigned int uses;
};

/* taken_lock is held. */
static struct ex_taken **taken_find(struct ex_ipc *ipc, unsigned int index)
{
	struct ex_taken **at = &ipc->taken;

	while (*at && (*at)->index != index)
		at = &(*at)->next;
	return at;
}

/* Taking and counting are one, so that the end of another range does not leave what has just been taken. */
static CUresult offer_use(struct ex_session *session, const CUmemPoolPtrExportData *token,
			  struct vg_offer_taken *taken)
{
	struct ex_taken *fresh = calloc(1, sizeof(*fresh)), **at;
	CUresult result;

	if (!fresh)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&session->ipc.taken_lock);
	result = ex_ipc_take(session, VG_OFFER_POINTER, token, taken);
	at = taken_find(&session->ipc, taken->index);
	if (!result && !*at) {
		fresh->index = taken->index;
		*at = fresh;
		fresh = NULL;
	}
	if (!result)
		(*at)->uses++;
	pthread_mutex_unlock(&session->ipc.taken_lock);
	free(fresh);
	return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
}

static void offer_drop(struct ex_session *session, unsigned int index)
{
	struct ex_taken **at, *last = NULL;

	pthread_mutex_lock(&session->ipc.taken_lock);
	at = taken_find(&session->ipc, index);
	if (*at && !--(*at)->uses) {
		last = *at;
		*at = last->next;
		ex_ipc_leave(session, index);
	}
	pthread_mutex_unlock(&session->ipc.taken_lock);
	free(last);
}

void ex_pool_share_dispose(struct ex_ipc *ipc)
{
	while (ipc->taken) {
		struct ex_taken *taken = ipc->taken;

		ipc->taken = taken->next;
		free(taken);
	}
}

/* --- allocations: import ---------------------------------------------------------------------------- */

/* What a span of EX_RANGE_POOLED has as its object. */
struct imported {
	unsigned int index; /* of the offer */
	unsigned int opens;
};

struct again {
	unsigned int index;
	bool done;
};

/* With the ranges' lock held: the span's context, and the span with it, may go at any time. */
static void imported_again(const struct ex_span *span, void *context)
{
	struct again *again = context;

	if (span->kind != EX_RANGE_POOLED ||
	    ((struct imported *)span->object)->index != again->index)
		return;
	((struct imported *)span->object)->opens++;
	again->done = true;
}

/* The driver may give the address that it gave before; then that range goes on with one open more. */
static CUresult imported_enter(struct ex_call *call, CUdeviceptr ptr, size_t size,
			       unsigned int index)
{
	struct ex_session *session = call->session;
	struct again again = {.index = index};
	struct imported *imported;
	struct ex_span span;

	ex_ranges_visit(&session->ranges, ptr, imported_again, &again);
	if (again.done) {
		offer_drop(session, index);
		return CUDA_SUCCESS;
	}
	imported = malloc(sizeof(*imported));
	if (!imported)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*imported = (struct imported){.index = index, .opens = 1};
	span = (struct ex_span){.start = ptr,
				.size = size,
				.owner = call->lane->context,
				.object = imported,
				.kind = EX_RANGE_POOLED};
	if (!ex_ranges_add(&session->ranges, &span))
		return CUDA_SUCCESS;
	free(imported);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult pointer_import(struct ex_call *call, const struct vg_offer_taken *taken,
			       CUmemoryPool pool, CUdeviceptr *ptr, size_t *size)
{
	CUmemPoolPtrExportData real;
	CUdeviceptr base = 0;
	CUresult result;

	memcpy(&real, taken->data, sizeof(real));
	result = ex_driver.cuMemPoolImportPointer(ptr, pool, &real);
	if (result)
		return result;
	*size = 0;
	result = ex_driver.cuMemGetAddressRange_v2(&base, size, *ptr);
	if (!result && base != *ptr)
		result = CUDA_ERROR_UNKNOWN;
	if (!result)
		result = imported_enter(call, *ptr, *size, taken->index);
	if (result)
		ex_driver.cuMemFree_v2(*ptr);
	return result;
}

CUresult ex_vgPoolImportPointer(struct ex_call *call, CUdeviceptr *ptr, size_t *size,
				CUmemoryPool pool, CUmemPoolPtrExportData token)
{
	struct ex_session *session = call->session;
	struct vg_offer_taken taken = {0};
	CUresult result;

	if (!ex_driver.cuMemPoolImportPointer || !ex_driver.cuMemGetAddressRange_v2 ||
	    !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = offer_use(session, &token, &taken);
	if (result)
		return result;
	/* One at a time: two that are given one address are to find each other. */
	pthread_mutex_lock(&session->ipc.lock);
	result = pointer_import(call, &taken, pool, ptr, size);
	pthread_mutex_unlock(&session->ipc.lock);
	if (result)
		offer_drop(session, taken.index);
	return result;
}

/* --- and their end ------------------------------------------------------------------------------------ */

bool ex_pool_is_imported(struct ex_call *call, CUdeviceptr dptr)
{
	struct ex_span span;

	return ex_ranges_find(&call->session->ranges, dptr, &span) && span.start == dptr &&
	       span.kind == EX_RANGE_POOLED;
}

void ex_pool_left(struct ex_session *session, const struct ex_span *span)
{
	struct imported *imported = span->object;

	offer_drop(session, imported->index);
	free(imported);
}

/* One open less, unless it is the last, with which the range goes. */
static void closed_but_last(const struct ex_span *span, void *closed)
{
	struct imported *imported = span->object;

	if (span->kind == EX_RANGE_POOLED && imported->opens > 1) {
		imported->opens--;
		*(bool *)closed = true;
	}
}

CUresult ex_pool_release(struct ex_call *call, CUdeviceptr dptr,
			 CUresult (*release)(CUdeviceptr dptr, CUstream stream), CUstream stream)
{
	struct ex_ranges *ranges = &call->session->ranges;
	struct ex_span span;
	bool closed = false;
	CUresult result;

	ex_ranges_visit(ranges, dptr, closed_but_last, &closed);
	if (closed)
		return release(dptr, stream);
	if (!ex_ranges_take(ranges, dptr, &span))
		return CUDA_ERROR_INVALID_VALUE;
	if (span.kind != EX_RANGE_POOLED) { /* another lane was faster, and a third */
		ex_ranges_add(ranges, &span);
		return CUDA_ERROR_INVALID_VALUE;
	}
	result = release(dptr, stream);
	if (!result || ex_ranges_add(ranges, &span))
		ex_pool_left(call->session, &span);
	return result;
}
