/* SPDX-License-Identifier: MIT */
/*
 * Host functions and stream callbacks. One thread of ours, started at first use, looks for the next one whose
 * turn has come in its lane's page (vg_turn_shared), asks the executor when it does not come soon, calls it, and says
 * that it is done; the stream waits over there until then. Entries are found by a number of ours, so two with the same function and data are two.
 */
#include "xen-frontend/libcuda/callback.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "protocol/session_info.h"
#include "protocol/spin.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/session.h"

#define BUCKETS 1024u

struct entry {
	uint64_t id;
	CUhostFn host;                    /* cuLaunchHostFunc */
	CUstreamCallback stream_callback; /* cuStreamAddCallback */
	CUstream stream;
	void *user;
	struct entry *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];
static uint64_t last_id;
static bool thread_runs;

static struct entry **entry_find(uint64_t id)
{
	struct entry **at = &buckets[id % BUCKETS];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* Copies the entry out; removes it when this was its last call. */
static bool entry_take(uint64_t id, bool last, struct entry *out)
{
	struct entry **at, *entry;

	pthread_mutex_lock(&lock);
	at = entry_find(id);
	entry = *at;
	if (entry) {
		*out = *entry;
		if (last) {
			*at = entry->next;
			free(entry);
		}
	}
	pthread_mutex_unlock(&lock);
	return entry != NULL;
}

static void entry_call(const struct entry *entry, CUresult status)
{
	if (entry->host)
		entry->host(entry->user);
	else
		entry->stream_callback(entry->stream, status, entry->user);
}

/* A function's turn, as the executor has it. */
struct turn {
	uint64_t id, ticket;
	int status, last;
	bool looked; /* it was found in the lane's page */
};

/* NOLINTBEGIN(readability-non-const-parameter): written by the atomics */
static bool state_move(uint32_t *state, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* The next comes without being asked for, or we have gone. */
static bool turn_await(uint32_t *state, uint32_t looks)
{
	/* Otherwise we have looked since the end of the one before, and the next may have come. */
	state_move(state, VG_TURN_AWAY, VG_TURN_LOOKS);
	for (; looks; looks--) {
		if (__atomic_load_n(state, __ATOMIC_ACQUIRE) != VG_TURN_LOOKS)
			break;
		vg_relax();
	}
	return !state_move(state, VG_TURN_LOOKS, VG_TURN_AWAY);
}
/* NOLINTEND(readability-non-const-parameter) */

/* Not before the first was asked for: only then does the executor know our lane. */
static bool turn_look(struct turn *turn)
{
	struct fe_lane *lane = fe_lane_own;
	struct vg_turn_shared *shared;

	if (!lane || !vg_spin_looks(&lane->spin))
		return false;
	shared = &lane->shared->turn;
	if (!turn_await(&shared->state, vg_spin_looks(&lane->spin)))
		return false;
	*turn = (struct turn){
		.id = __atomic_load_n(&shared->id, __ATOMIC_RELAXED),
		.ticket = __atomic_load_n(&shared->ticket, __ATOMIC_RELAXED),
		.status = __atomic_load_n(&shared->status, __ATOMIC_RELAXED),
		.last = __atomic_load_n(&shared->last, __ATOMIC_RELAXED),
		.looked = true,
	};
	return true;
}

static bool turn_ask(struct turn *turn)
{
	turn->looked = false;
	fe_lane_look(FE_LOOKED);
	return !rpc_vgHostFuncWait(&turn->id, &turn->ticket, &turn->status, &turn->last);
}

/* False: the session has gone. */
static bool turn_end(const struct turn *turn)
{
	if (turn->looked) {
		uint32_t *state = &fe_lane_own->shared->turn.state;

		if (state_move(state, VG_TURN_HERE, VG_TURN_LOOKS))
			return true;
		__atomic_store_n(state, VG_TURN_AWAY, __ATOMIC_RELEASE);
	}
	return !rpc_vgHostFuncDone(turn->ticket);
}

static void *callback_thread(void *arg)
{
	struct turn turn;

	(void)arg;
	fe_in_callback = true;
	while (turn_look(&turn) || turn_ask(&turn)) {
		struct entry entry;

		if (!turn.looked && !turn.ticket)
			continue; /* none has come in a while */
		if (entry_take(turn.id, turn.last, &entry) && turn.last != VG_HOST_TURN_NONE)
			entry_call(&entry, (CUresult)turn.status);
		if (!turn_end(&turn))
			break;
	}
	pthread_mutex_lock(&lock);
	thread_runs = false;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Under the lock. The program's signals are the program's threads' business. */
static bool thread_start(void)
{
	sigset_t all, old;
	pthread_t thread;

	if (thread_runs)
		return true;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV); /* a touch of managed memory (fault.h) */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	thread_runs = !pthread_create(&thread, NULL, callback_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (thread_runs)
		pthread_detach(thread);
	return thread_runs;
}

static uint64_t entry_add(struct entry entry)
{
	struct entry *copy = malloc(sizeof(*copy));
	struct entry **bucket;
	uint64_t id = 0;

	if (!copy)
		return 0;
	pthread_mutex_lock(&lock);
	if (thread_start()) {
		*copy = entry;
		id = copy->id = ++last_id;
		bucket = &buckets[id % BUCKETS];
		copy->next = *bucket;
		*bucket = copy;
		copy = NULL;
	}
	pthread_mutex_unlock(&lock);
	free(copy);
	return id;
}

uint64_t fe_host_func_new(CUhostFn fn, void *user)
{
	return entry_add((struct entry){.host = fn, .user = user});
}

void fe_host_func_drop(uint64_t id)
{
	struct entry gone;

	entry_take(id, true, &gone);
}

bool fe_host_func_find(uint64_t id, CUhostFn *fn, void **user)
{
	struct entry entry;

	if (!entry_take(id, false, &entry) || !entry.host)
		return false;
	*fn = entry.host;
	*user = entry.user;
	return true;
}

static CUresult func_submit(CUstream stream, uint64_t id, enum vg_host_func kind)
{
	CUresult result;

	if (!id)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgHostFunc(stream, id, kind);
	if (result)
		fe_host_func_drop(id);
	return result;
}

CUresult fe_cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData)
{
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	return func_submit(hStream, fe_host_func_new(fn, userData), VG_HOST_FUNC);
}

CUresult fe_cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData,
				unsigned int flags)
{
	struct entry entry = {.stream_callback = callback, .stream = hStream, .user = userData};

	if (!callback || flags)
		return CUDA_ERROR_INVALID_VALUE;
	return func_submit(hStream, entry_add(entry), VG_STREAM_CALLBACK);
}

void fe_callback_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	thread_runs = false;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		while (buckets[i]) {
			struct entry *next = buckets[i]->next;

			free(buckets[i]);
			buckets[i] = next;
		}
	}
}
