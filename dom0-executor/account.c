/* SPDX-License-Identifier: MIT */
/* The session's part of a vGPU's quota. Trusts nothing in the shared page. Any thread. */
#include "dom0-executor/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/call.h"
#include "dom0-executor/pool.h"
#include "dom0-executor/session.h"
#include "dom0-executor/settings.h"
#include "dom0-executor/usage.h"

int ex_account_init(struct ex_account *account, const struct ex_settings *settings,
		    unsigned int place, struct ex_held *all)
{
	memset(account, 0, sizeof(*account));
	if (settings->memories == 1)
		account->limit = settings->memory[0];
	else if (place < settings->memories)
		account->limit = settings->memory[place];
	account->fd = place < settings->accounts ? settings->account_fd[place] : -1;
	account->slot = settings->account_slot;
	account->all = all;
	pthread_mutex_init(&account->lock, NULL);
	return account->fd < 0 ? 0 : vg_account_map(account->fd, &account->page);
}

/* The lock is held. */
static void account_hold(struct ex_account *account, uint64_t held)
{
	struct vg_stats *stats = account->all->stats;
	uint64_t sum =
		atomic_fetch_add(&account->all->bytes, held - account->held) + held - account->held;

	account->held = held;
	ex_stats_set(&stats->alloc_bytes, sum);
	if (sum > __atomic_load_n(&stats->alloc_peak, __ATOMIC_RELAXED))
		ex_stats_set(&stats->alloc_peak, sum);
}

static int account_ask(struct ex_account *account, uint64_t held)
{
	if (account->page)
		return vg_account_raise(account->page, account->fd, account->slot, held,
					account->limit);
	return account->limit && held > account->limit ? -ENOSPC : 0;
}

bool ex_account_take(struct ex_account *account, uint64_t bytes)
{
	uint64_t held;
	bool taken;

	pthread_mutex_lock(&account->lock);
	taken = !__builtin_add_overflow(account->held, bytes, &held) && !account_ask(account, held);
	if (taken)
		account_hold(account, held);
	pthread_mutex_unlock(&account->lock);
	return taken;
}

static void account_set(struct ex_account *account, uint64_t held)
{
	if (account->page)
		vg_account_set(account->page, account->slot, held);
	account_hold(account, held);
}

void ex_account_force(struct ex_account *account, uint64_t bytes)
{
	pthread_mutex_lock(&account->lock);
	account_set(account, account->held + bytes);
	pthread_mutex_unlock(&account->lock);
}

void ex_account_give(struct ex_account *account, uint64_t bytes)
{
	pthread_mutex_lock(&account->lock);
	account_set(account, account->held - bytes);
	pthread_mutex_unlock(&account->lock);
}

uint64_t ex_account_held(struct ex_account *account)
{
	uint64_t held;

	pthread_mutex_lock(&account->lock);
	held = account->held;
	pthread_mutex_unlock(&account->lock);
	return held;
}

void ex_account_enter(struct ex_account *account, uint32_t pid)
{
	if (account->page)
		vg_account_enter(account->page, account->slot, pid, (uint32_t)getpid());
}

void ex_account_contexts(struct ex_account *account, uint32_t contexts)
{
	if (account->page)
		vg_account_contexts(account->page, account->slot, contexts);
}

uint64_t ex_account_used(struct ex_account *account)
{
	uint64_t held = ex_account_held(account);
	uint64_t total = account->page ? vg_account_total(account->page) : held;

	return total < held ? held : total;
}

/* --- for calls ---------------------------------------------------------------------------------- */

bool ex_memory_take(struct ex_session *session, unsigned int gpu, uint64_t bytes)
{
	struct ex_account *account = ex_account_of(session, gpu);

	if (ex_account_take(account, bytes))
		return true;
	ex_pools_trim(session);
	ex_usage_look(session, gpu);
	return ex_account_take(account, bytes);
}

/*
 * NVIDIA's driver packs what is at most 1 MiB into blocks at multiples of 512 bytes, and takes
 * whole blocks of 2 MiB for anything larger (seen with driver 580); what blocks have beyond that is in
 * usage.h's overhead. The software device takes pages.
 */
#define STEP_SMALL 512u
#define STEP_LARGE (2ull << 20)
#define STEP_SOFT  4096u
#define SMALL_MAX  (1ull << 20)

uint64_t ex_memory_size(const struct ex_session *session, uint64_t bytes)
{
	uint64_t step = bytes > SMALL_MAX ? STEP_LARGE : STEP_SMALL;

	if (session->soft)
		step = STEP_SOFT;
	if (bytes > UINT64_MAX - step)
		return UINT64_MAX;
	return (bytes + step - 1) / step * step;
}

/* --- shared bytes ------------------------------------------------------------------------------- */

struct ex_charge {
	struct ex_charge *next, **link; /* of the account's list */
	atomic_uint uses;
	unsigned int gpu;
	uint64_t bytes;
	uint64_t object; /* under the account's lock; 0: it was never offered */
	unsigned int offer;
	bool imported; /* `offer` is another process's */
};

static void charge_enter(struct ex_account *account, struct ex_charge *charge)
{
	pthread_mutex_lock(&account->lock);
	charge->next = account->charges;
	charge->link = &account->charges;
	if (charge->next)
		charge->next->link = &charge->next;
	account->charges = charge;
	pthread_mutex_unlock(&account->lock);
}

static void charge_leave(struct ex_account *account, struct ex_charge *charge)
{
	pthread_mutex_lock(&account->lock);
	*charge->link = charge->next;
	if (charge->next)
		charge->next->link = charge->link;
	pthread_mutex_unlock(&account->lock);
}

struct ex_charge *ex_charge_import(struct ex_session *session, unsigned int gpu, unsigned int offer)
{
	struct ex_charge *charge = ex_charge_new(session, gpu, 0);
	struct ex_account *account = ex_account_of(session, gpu);

	if (!charge)
		return NULL;
	pthread_mutex_lock(&account->lock);
	charge->offer = offer;
	charge->imported = true;
	pthread_mutex_unlock(&account->lock);
	return charge;
}

unsigned int ex_charge_gpu(const struct ex_charge *charge)
{
	return charge->gpu;
}

uint64_t ex_charge_bytes(const struct ex_charge *charge)
{
	return charge->bytes;
}

uint64_t ex_charge_object(struct ex_session *session, struct ex_charge *charge)
{
	struct ex_account *account = ex_account_of(session, charge->gpu);
	uint64_t object;

	pthread_mutex_lock(&account->lock);
	if (!charge->object)
		charge->object = 1 + atomic_fetch_add(&session->gpus.last_object, 1);
	object = charge->object;
	pthread_mutex_unlock(&account->lock);
	return object;
}

struct ex_charge *ex_charge_new(struct ex_session *session, unsigned int gpu, uint64_t bytes)
{
	struct ex_charge *charge;

	if (!ex_memory_take(session, gpu, bytes))
		return NULL;
	charge = calloc(1, sizeof(*charge));
	if (!charge) {
		ex_account_give(ex_account_of(session, gpu), bytes);
		return NULL;
	}
	atomic_init(&charge->uses, 1);
	charge->gpu = gpu;
	charge->bytes = bytes;
	charge_enter(ex_account_of(session, gpu), charge);
	return charge;
}

void ex_charge_use(struct ex_charge *charge)
{
	if (charge)
		atomic_fetch_add(&charge->uses, 1);
}

/* It is in no list any more. An offer that is open several times is left with the last of them. */
static void charge_unshare(struct ex_session *session, const struct ex_charge *charge)
{
	struct ex_account *account = ex_account_of(session, charge->gpu);
	bool again = false;

	if (charge->object) {
		ex_ipc_withdraw(session, VG_OFFER_PHYSICAL, charge->object);
		ex_handover_drop(&session->handover, charge->object);
	}
	if (!charge->imported)
		return;
	pthread_mutex_lock(&account->lock);
	for (const struct ex_charge *other = account->charges; other && !again; other = other->next)
		again = other->imported && other->offer == charge->offer;
	if (!again)
		ex_ipc_leave(session, charge->offer);
	pthread_mutex_unlock(&account->lock);
}

void ex_charge_drop(struct ex_session *session, struct ex_charge *charge)
{
	if (!charge || atomic_fetch_sub(&charge->uses, 1) > 1)
		return;
	charge_leave(ex_account_of(session, charge->gpu), charge);
	charge_unshare(session, charge);
	ex_account_give(ex_account_of(session, charge->gpu), charge->bytes);
	free(charge);
}

static void charges_free(struct ex_account *account)
{
	while (account->charges) {
		struct ex_charge *charge = account->charges;

		account->charges = charge->next;
		free(charge);
	}
}

void ex_account_dispose(struct ex_account *account)
{
	charges_free(account);
	vg_account_unmap(account->page);
	account->page = NULL;
	if (account->fd >= 0)
		close(account->fd);
	account->fd = -1;
	pthread_mutex_destroy(&account->lock);
}

/*
 * The driver can make an object where one was whose end another lane has not yet noted. The old
 * handle goes first, so that it does not take the new object's charge with it.
 */
bool ex_charge_bind(struct ex_call *call, enum vg_handle_type type, void *real,
		    struct ex_charge *charge)
{
	struct ex_handles *handles = &call->session->handles;
	uint64_t handle = ex_handles_find(handles, type, real);

	if (handle)
		ex_handle_drop(call, type, handle);
	handle = ex_handle_put(call, type, real, 0);
	if (handle && charge)
		ex_handles_set_cookie(handles, type, handle, charge);
	return handle != 0;
}

CUresult ex_charge_made(struct ex_session *session, unsigned int gpu, uint64_t estimate,
			struct ex_charge **charge)
{
	uint64_t bytes = ex_usage_estimate(session, gpu, estimate);

	*charge = NULL;
	if (bytes) {
		*charge = ex_charge_new(session, gpu, bytes);
		return *charge ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	return ex_usage_fits(session, gpu) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void ex_memory_settle(struct ex_session *session)
{
	ex_pools_settle(session);
	ex_usage_glance(session);
}
