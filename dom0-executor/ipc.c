/* SPDX-License-Identifier: MIT */
/*
 * Memory and events for other processes of the same guest. The driver's handles stay on this side, in the
 * tables of offers of the session's vGPUs (protocol/offer.h), each in its own; the guest passes tokens
 * around, which say nothing to the executors of another vGPU. What is opened is looked up there: nothing
 * from the guest reaches the driver. Runs in lanes' threads.
 */
#include "dom0-executor/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/pool_share.h"

/* A token as the guest has it, of CU_IPC_HANDLE_SIZE bytes. */
struct token {
	char magic[8];
	uint32_t kind;
	uint32_t pad;
	uint8_t token[VG_OFFER_TOKEN];
	uint8_t rest[32];
};
_Static_assert(sizeof(struct token) == CU_IPC_HANDLE_SIZE, "a token fills a handle");

#define MAGIC "vgpu-ipc"

/* What a span of EX_RANGE_FOREIGN has as its object. */
struct foreign {
	unsigned int index; /* of the offer */
	unsigned int opens;
};

void ex_ipc_init(struct ex_session *session)
{
	pthread_mutex_init(&session->ipc.lock, NULL);
	pthread_mutex_init(&session->ipc.taken_lock, NULL);
}

void ex_ipc_dispose(struct ex_session *session)
{
	ex_pool_share_dispose(&session->ipc);
	pthread_mutex_destroy(&session->ipc.taken_lock);
	pthread_mutex_destroy(&session->ipc.lock);
}

/* --- offers ------------------------------------------------------------------------------------- */

/* NULL: nothing of this vGPU's can be shared. */
static struct vg_offers *offers_of(struct ex_session *session, unsigned int gpu)
{
	const struct ex_account *account = ex_account_of(session, gpu);

	return account->page ? &account->page->offers : NULL;
}

static unsigned int slot_of(const struct ex_session *session)
{
	return session->settings->account_slot;
}

static unsigned int tables(const struct ex_session *session)
{
	return session->settings->accounts;
}

bool ex_ipc_can(struct ex_session *session)
{
	return tables(session) != 0;
}

unsigned int ex_ipc_gpu(unsigned int index)
{
	return index / VG_OFFERS_MAX;
}

CUresult ex_ipc_offer(struct ex_session *session, unsigned int gpu, enum vg_offer_kind kind,
		      uint64_t object, uint64_t bytes, const void *data, size_t size, void *token)
{
	struct vg_offers *offers = offers_of(session, gpu);
	struct token made = {.magic = MAGIC, .kind = kind};
	uint8_t padded[VG_OFFER_DATA] = {0};

	if (!offers || size > sizeof(padded))
		return CUDA_ERROR_NOT_SUPPORTED;
	memcpy(padded, data, size);
	if (vg_offer_make(offers, slot_of(session), kind, object, bytes, padded, made.token))
		return CUDA_ERROR_OUT_OF_MEMORY;
	atomic_fetch_or(&session->ipc.made, 1u << kind);
	memcpy(token, &made, sizeof(made));
	return CUDA_SUCCESS;
}

CUresult ex_ipc_take(struct ex_session *session, enum vg_offer_kind kind, const void *token,
		     struct vg_offer_taken *taken)
{
	struct token asked;

	if (!ex_ipc_can(session))
		return CUDA_ERROR_NOT_SUPPORTED;
	memcpy(&asked, token, sizeof(asked));
	if (memcmp(asked.magic, MAGIC, sizeof(asked.magic)) || asked.kind != kind)
		return CUDA_ERROR_INVALID_HANDLE;
	for (unsigned int gpu = 0; gpu < tables(session); gpu++) {
		if (!vg_offer_take(offers_of(session, gpu), slot_of(session), kind, asked.token,
				   taken))
			continue;
		taken->index += gpu * VG_OFFERS_MAX;
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_INVALID_HANDLE;
}

void ex_ipc_withdraw(struct ex_session *session, enum vg_offer_kind kind, uint64_t object)
{
	if (!(atomic_load(&session->ipc.made) & 1u << kind))
		return;
	for (unsigned int gpu = 0; gpu < tables(session); gpu++)
		vg_offer_withdraw(offers_of(session, gpu), slot_of(session), kind, object);
}

const uint8_t *ex_ipc_token(const void *token)
{
	return ((const struct token *)token)->token;
}

bool ex_ipc_offered(struct ex_session *session, enum vg_offer_kind kind, uint64_t object)
{
	uint8_t token[VG_OFFER_TOKEN];
	bool found = false;

	for (unsigned int gpu = 0; gpu < tables(session) && !found; gpu++)
		found = vg_offer_find(offers_of(session, gpu), slot_of(session), kind, object,
				      token);
	return found;
}

void ex_ipc_leave(struct ex_session *session, unsigned int index)
{
	struct vg_offers *offers = offers_of(session, ex_ipc_gpu(index));

	if (offers)
		vg_offer_leave(offers, slot_of(session), index % VG_OFFERS_MAX);
}

/* --- descriptors ---------------------------------------------------------------------------------- */

/* What an offer of one says. */
struct where {
	uint8_t name[EX_HANDOVER_NAME]; /* of its owner's socket */
};

CUresult ex_ipc_offer_fd(struct ex_session *session, unsigned int gpu, enum vg_offer_kind kind,
			 uint64_t object, uint64_t bytes, int fd, void *token)
{
	bool again = ex_ipc_offered(session, kind, object);
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
	struct where where = {{0}};

	if (ex_handover_open(&session->handover, where.name))
		result = ex_ipc_offer(session, gpu, kind, object, bytes, &where, sizeof(where),
				      token);
	if (result || again) {
		close(fd);
		return result;
	}
	if (ex_handover_add(&session->handover, ex_ipc_token(token), object, fd))
		return CUDA_SUCCESS;
	ex_ipc_withdraw(session, kind, object);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

int ex_ipc_fetch_fd(const struct vg_offer_taken *taken, const void *token)
{
	struct where where;

	memcpy(&where, taken->data, sizeof(where));
	return ex_handover_fetch(where.name, ex_ipc_token(token));
}

/* --- memory ------------------------------------------------------------------------------------- */

CUresult ex_cuIpcGetMemHandle(struct ex_call *call, CUipcMemHandle *pHandle, CUdeviceptr dptr)
{
	struct ex_session *session = call->session;
	CUipcMemHandle real = {0};
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuIpcGetMemHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_ranges_find(&session->ranges, dptr, &span) || span.kind != EX_RANGE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuIpcGetMemHandle(&real, span.start);
	if (result)
		return result;
	return ex_ipc_offer(session, span.gpu, VG_OFFER_MEMORY, span.start,
			    ex_memory_size(session, span.size), &real, sizeof(real), pHandle);
}

/* Both with the ranges' lock held: the span's context, and the span with it, may go at any time. */
static void opened_again(const struct ex_span *span, void *done)
{
	*(bool *)done = span->kind == EX_RANGE_FOREIGN;
	if (*(bool *)done)
		((struct foreign *)span->object)->opens++;
}

static void closed_once(const struct ex_span *span, void *last)
{
	if (span->kind == EX_RANGE_FOREIGN)
		*(bool *)last = !--((struct foreign *)span->object)->opens;
}

/* Counts opens, as the driver does: it gives the same address again. */
static CUresult foreign_enter(struct ex_call *call, CUdeviceptr dptr, size_t size,
			      unsigned int index)
{
	struct ex_session *session = call->session;
	struct ex_span span;
	struct foreign *foreign;
	bool again = false;

	ex_ranges_visit(&session->ranges, dptr, opened_again, &again);
	if (again)
		return CUDA_SUCCESS;
	foreign = malloc(sizeof(*foreign));
	if (!foreign)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*foreign = (struct foreign){.index = index, .opens = 1};
	span = (struct ex_span){.start = dptr,
				.size = size,
				.owner = call->lane->context,
				.object = foreign,
				.kind = EX_RANGE_FOREIGN};
	if (!ex_ranges_add(&session->ranges, &span))
		return CUDA_SUCCESS;
	free(foreign);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

static bool foreign_is(const struct ex_span *span, void *index)
{
	return span->kind == EX_RANGE_FOREIGN &&
	       ((struct foreign *)span->object)->index == *(unsigned int *)index;
}

/* The offer that a session has open stays taken when another try to open it fails. */
static bool is_open(struct ex_session *session, unsigned int index)
{
	return ex_ranges_any(&session->ranges, foreign_is, &index);
}

static CUresult foreign_open(struct ex_call *call, const struct vg_offer_taken *taken,
			     unsigned int flags, CUdeviceptr *dptr, size_t *size)
{
	CUipcMemHandle real;
	CUdeviceptr base = 0;
	CUresult result;

	memcpy(&real, taken->data, sizeof(real));
	result = ex_driver.cuIpcOpenMemHandle_v2(dptr, real, flags);
	if (result)
		return result;
	*size = 0;
	result = ex_driver.cuMemGetAddressRange_v2(&base, size, *dptr);
	if (!result && (base > *dptr || *dptr - base >= *size))
		result = CUDA_ERROR_UNKNOWN;
	if (!result) {
		*size -= *dptr - base;
		result = foreign_enter(call, *dptr, *size, taken->index);
	}
	if (result)
		ex_driver.cuIpcCloseMemHandle(*dptr);
	return result;
}

/* Under the lock. */
static CUresult foreign_close(struct ex_session *session, CUdeviceptr dptr)
{
	CUresult result = ex_driver.cuIpcCloseMemHandle(dptr);
	bool last = false;

	if (!result)
		ex_ranges_visit(&session->ranges, dptr, closed_once, &last);
	if (last)
		ex_ranges_remove(&session->ranges, dptr, NULL);
	return result;
}

CUresult ex_vgIpcOpenMem(struct ex_call *call, CUdeviceptr *dptr, size_t *size,
			 CUipcMemHandle token, unsigned int flags)
{
	struct ex_session *session = call->session;
	struct vg_offer_taken taken;
	CUresult result;

	if (!ex_driver.cuIpcOpenMemHandle_v2 || !ex_driver.cuIpcCloseMemHandle ||
	    !ex_driver.cuMemGetAddressRange_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (flags & ~(unsigned int)CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&session->ipc.lock);
	result = ex_ipc_take(session, VG_OFFER_MEMORY, &token, &taken);
	if (result == CUDA_ERROR_INVALID_HANDLE)
		result = CUDA_ERROR_INVALID_VALUE; /* as the driver has it, for memory */
	if (!result) {
		result = foreign_open(call, &taken, flags, dptr, size);
		/* Once more: a context that ended may have left it just before. */
		if (!result && ex_ipc_take(session, VG_OFFER_MEMORY, &token, &taken))
			result = foreign_close(session, *dptr) ? CUDA_ERROR_UNKNOWN
							       : CUDA_ERROR_INVALID_VALUE;
		else if (result && !is_open(session, taken.index))
			ex_ipc_leave(session, taken.index);
	}
	pthread_mutex_unlock(&session->ipc.lock);
	return result;
}

CUresult ex_cuIpcCloseMemHandle(struct ex_call *call, CUdeviceptr dptr)
{
	struct ex_session *session = call->session;
	struct ex_span span;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	if (!ex_driver.cuIpcCloseMemHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&session->ipc.lock);
	if (ex_ranges_find(&session->ranges, dptr, &span) && span.start == dptr &&
	    span.kind == EX_RANGE_FOREIGN)
		result = foreign_close(session, dptr);
	pthread_mutex_unlock(&session->ipc.lock);
	return result;
}

void ex_ipc_left(struct ex_session *session, const struct ex_span *span)
{
	struct foreign *foreign = span->object;

	ex_ipc_leave(session, foreign->index);
	free(foreign);
}

/* --- events ------------------------------------------------------------------------------------- */

CUresult ex_cuIpcGetEventHandle(struct ex_call *call, CUipcEventHandle *pHandle, CUevent event)
{
	struct ex_session *session = call->session;
	CUipcEventHandle real = {0};
	CUresult result;

	if (!ex_driver.cuIpcGetEventHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuIpcGetEventHandle(&real, event);
	if (result)
		return result;
	return ex_ipc_offer(session, call->lane->gpu, VG_OFFER_EVENT,
			    ex_handles_find(&session->handles, VG_HANDLE_CUevent, event), 0, &real,
			    sizeof(real), pHandle);
}

/* Nothing counts that hangs on it, so this session need not stay a taker. */
CUresult ex_cuIpcOpenEventHandle(struct ex_call *call, CUevent *phEvent, CUipcEventHandle handle)
{
	struct vg_offer_taken taken;
	CUipcEventHandle real;
	CUresult result;

	if (!ex_driver.cuIpcOpenEventHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_ipc_take(call->session, VG_OFFER_EVENT, &handle, &taken);
	if (result)
		return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_MAP_FAILED : result;
	memcpy(&real, taken.data, sizeof(real));
	result = ex_driver.cuIpcOpenEventHandle(phEvent, real);
	ex_ipc_leave(call->session, taken.index);
	return result;
}
