/* SPDX-License-Identifier: MIT */
/*
 * Functions of the guest's in a stream's order. Threads: lanes' (HostFunc, Wait, Done), the driver's (run).
 *
 * What the driver holds a pointer to is kept until it has been called or, in a graph, until the
 * session ends: nobody tells when a graph's copies have gone.
 */
#include "dom0-executor/host_func.h"

#include <stdlib.h>

#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/session_info.h"
#include "protocol/spin.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"

/* A function of the guest's that does little is done by then. */
#define SPIN_NS 50000u

struct ex_host_func {
	struct ex_host_func *next, **here; /* in ex_host_funcs.funcs */
	struct ex_host_funcs *all;
	uint64_t id;
	bool once;
	struct ex_handles *handles; /* with it goes the handle of ... */
	void *user_object;          /* ... this; NULL: none */
};

/* One call of a function: on the driver's thread's stack, for as long as that waits; or allocated. */
struct ex_host_turn {
	struct ex_host_turn *next;
	uint64_t id, ticket;
	int status;
	int last;   /* enum vg_host_turn */
	bool taken; /* by a Wait */
	atomic_bool done;
	bool posted; /* nobody waits: it is freed when it is done */
};

/* After the lock, so that who looks for it finds it free. */
static void moved(struct ex_host_funcs *funcs)
{
	atomic_fetch_add(&funcs->moves, 1);
	pthread_cond_broadcast(&funcs->moved);
}

void ex_host_funcs_init(struct ex_host_funcs *funcs, uint32_t spin_us)
{
	pthread_mutexattr_t adaptive;

	*funcs = (struct ex_host_funcs){0};
	funcs->turns_end = &funcs->turns;
	funcs->spin_us = spin_us;
	/* It is held for moments, by threads that are all awake. */
	pthread_mutexattr_init(&adaptive);
	pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&funcs->lock, &adaptive);
	pthread_mutex_init(&funcs->list_lock, &adaptive);
	pthread_mutexattr_destroy(&adaptive);
	pthread_cond_init(&funcs->moved, NULL);
}

void ex_host_funcs_wake(struct ex_host_funcs *funcs)
{
	/* Who has looked already and is about to sleep has the lock until it does. */
	pthread_mutex_lock(&funcs->lock);
	pthread_mutex_unlock(&funcs->lock);
	moved(funcs);
}

void ex_host_funcs_end(struct ex_host_funcs *funcs)
{
	pthread_mutex_lock(&funcs->lock);
	funcs->ending = true;
	pthread_mutex_unlock(&funcs->lock);
	moved(funcs);
}

void ex_host_funcs_dispose(struct ex_host_funcs *funcs)
{
	ex_host_funcs_end(funcs);
	while (funcs->funcs) {
		struct ex_host_func *func = funcs->funcs;

		funcs->funcs = func->next;
		free(func);
	}
	while (funcs->turns) {
		struct ex_host_turn *turn = funcs->turns;

		funcs->turns = turn->next;
		free(turn); /* posted: the others have gone */
	}
	pthread_cond_destroy(&funcs->moved);
	pthread_mutex_destroy(&funcs->list_lock);
	pthread_mutex_destroy(&funcs->lock);
}

/* This thread's. */
static struct vg_spin *spin_own(const struct ex_host_funcs *funcs)
{
	static __thread struct vg_spin spin;
	static __thread bool begun;

	if (!begun)
		ex_spin_begin(&spin, funcs->spin_us, SPIN_NS);
	begun = true;
	return &spin;
}

/* Looks whether something moves, or that is done, without the lock. */
static bool wait_spin(struct ex_host_funcs *funcs, const struct vg_spin *spin,
		      const atomic_bool *done)
{
	unsigned int moves = atomic_load(&funcs->moves);
	uint32_t looks = vg_spin_looks(spin);
	bool came = false;

	if (!looks)
		return false;
	pthread_mutex_unlock(&funcs->lock);
	while (!came && looks--) {
		vg_relax();
		came = done ? atomic_load(done) : atomic_load(&funcs->moves) != moves;
	}
	pthread_mutex_lock(&funcs->lock);
	return came || atomic_load(&funcs->moves) != moves;
}

/* Under the lock, which others have meanwhile. Ends when something has moved. */
static void wait_once(struct ex_host_funcs *funcs, const atomic_bool *done)
{
	struct vg_spin *spin = spin_own(funcs);
	uint64_t begin;

	if (wait_spin(funcs, spin, done))
		return;
	begin = vg_spin_learns(spin) ? vg_clock_ns() : 0;
	pthread_cond_wait(&funcs->moved, &funcs->lock);
	if (vg_spin_learns(spin))
		vg_spin_slept(spin, vg_clock_ns() - begin);
}

/* --- what the driver holds ---------------------------------------------------------------------- */

struct ex_host_func *ex_host_func_new(struct ex_host_funcs *funcs, uint64_t id, bool once)
{
	struct ex_host_func *func = calloc(1, sizeof(*func));

	if (!func)
		return NULL;
	*func = (struct ex_host_func){.all = funcs, .id = id, .once = once};
	pthread_mutex_lock(&funcs->list_lock);
	if (funcs->count + atomic_load(&funcs->posted) >= EX_HOST_FUNCS_MAX) {
		pthread_mutex_unlock(&funcs->list_lock);
		free(func);
		return NULL;
	}
	funcs->count++;
	func->next = funcs->funcs;
	func->here = &funcs->funcs;
	if (func->next)
		func->next->here = &func->next;
	funcs->funcs = func;
	pthread_mutex_unlock(&funcs->list_lock);
	return func;
}

static void func_free(struct ex_host_func *func)
{
	struct ex_host_funcs *funcs = func->all;

	pthread_mutex_lock(&funcs->list_lock);
	*func->here = func->next;
	if (func->next)
		func->next->here = func->here;
	funcs->count--;
	pthread_mutex_unlock(&funcs->list_lock);
	free(func);
}

void ex_host_func_cancel(struct ex_host_func *func)
{
	func_free(func);
}

static void turn_remove(struct ex_host_funcs *funcs, struct ex_host_turn *turn)
{
	struct ex_host_turn **at = &funcs->turns;

	while (*at != turn)
		at = &(*at)->next;
	*at = turn->next;
	if (funcs->turns_end == &turn->next)
		funcs->turns_end = at;
}

/* Under the lock. */
static void turn_enter(struct ex_host_funcs *funcs, struct ex_host_turn *turn)
{
	turn->ticket = ++funcs->tickets;
	*funcs->turns_end = turn;
	funcs->turns_end = &turn->next;
}

static struct ex_host_turn *turn_next(struct ex_host_funcs *funcs)
{
	struct ex_host_turn *turn = funcs->turns;

	while (turn && turn->taken)
		turn = turn->next;
	return turn;
}

/* Under the lock: gives the guest the turn where it looks, unless others come first. NULL: it does not look. */
static struct vg_turn_shared *turn_offer(struct ex_host_funcs *funcs, struct ex_host_turn *turn)
{
	struct vg_turn_shared *page = funcs->page;
	uint32_t looks = VG_TURN_LOOKS;

	if (!page || funcs->page_used || funcs->ending || turn_next(funcs) != turn ||
	    !vg_spin_looks(spin_own(funcs)) ||
	    __atomic_load_n(&page->state, __ATOMIC_RELAXED) != VG_TURN_LOOKS)
		return NULL;
	page->id = turn->id;
	page->ticket = turn->ticket;
	page->status = turn->status;
	page->last = turn->last;
	if (!__atomic_compare_exchange_n(&page->state, &looks, VG_TURN_HERE, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return NULL;
	turn->taken = funcs->page_used = true;
	return page;
}

/* Looks for the end of what was offered. False: the guest will tell it by vgHostFuncDone. */
static bool turn_look(struct ex_host_funcs *funcs, struct vg_turn_shared *page)
{
	uint32_t looks = vg_spin_looks(spin_own(funcs)), here = VG_TURN_HERE;

	while (looks--) {
		if (__atomic_load_n(&page->state, __ATOMIC_ACQUIRE) != VG_TURN_HERE)
			return true;
		vg_relax();
	}
	return !__atomic_compare_exchange_n(&page->state, &here, VG_TURN_SLEEPS, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Under the lock, which others have meanwhile. */
static void turn_offered(struct ex_host_funcs *funcs, struct ex_host_turn *turn,
			 struct vg_turn_shared *page)
{
	bool done;

	pthread_mutex_unlock(&funcs->lock);
	done = turn_look(funcs, page);
	pthread_mutex_lock(&funcs->lock);
	if (done)
		atomic_store(&turn->done, true);
	funcs->page_used = false;
	/* The next in the queue may be offered now, or the lane go. */
	if (turn_next(funcs) || !funcs->page)
		moved(funcs);
}

static void turn_run(struct ex_host_funcs *funcs, struct ex_host_turn *turn)
{
	struct vg_turn_shared *page;
	bool told = false;

	pthread_mutex_lock(&funcs->lock);
	turn_enter(funcs, turn);
	while (!atomic_load(&turn->done) && !funcs->ending) {
		page = turn->taken ? NULL : turn_offer(funcs, turn);
		if (page) {
			turn_offered(funcs, turn, page);
		} else if (!told) {
			told = true;
			pthread_mutex_unlock(&funcs->lock);
			moved(funcs);
			pthread_mutex_lock(&funcs->lock);
		} else {
			wait_once(funcs, turn->taken ? &turn->done : NULL);
		}
	}
	turn_remove(funcs, turn);
	pthread_mutex_unlock(&funcs->lock);
}

void ex_host_funcs_page_gone(struct ex_host_funcs *funcs, struct vg_turn_shared *page)
{
	pthread_mutex_lock(&funcs->lock);
	if (funcs->page == page) {
		funcs->page = NULL;
		/* As long as one looks at most. */
		while (funcs->page_used)
			wait_once(funcs, NULL);
	}
	pthread_mutex_unlock(&funcs->lock);
}

static void func_turn(struct ex_host_func *func, CUresult status)
{
	struct ex_host_turn turn = {.id = func->id, .status = (int)status, .last = func->once};

	turn_run(func->all, &turn);
	if (turn.last)
		func_free(func);
}

void ex_host_func_run(void *func)
{
	func_turn(func, CUDA_SUCCESS);
}

void ex_host_func_ends(struct ex_host_func *func, struct ex_handles *handles, void *user_object)
{
	pthread_mutex_lock(&func->all->list_lock);
	func->handles = handles;
	func->user_object = user_object;
	pthread_mutex_unlock(&func->all->list_lock);
}

/* Before the driver frees the object: nobody may name it any more. */
static void user_object_forget(struct ex_host_func *func)
{
	uint64_t handle;

	if (!func->user_object)
		return;
	handle = ex_handles_find(func->handles, VG_HANDLE_CUuserObject, func->user_object);
	if (handle)
		ex_handles_drop(func->handles, VG_HANDLE_CUuserObject, handle);
}

/* Under the lock: a turn that nobody waits for. */
static void turn_post(struct ex_host_funcs *funcs, uint64_t id, enum vg_host_turn last)
{
	struct ex_host_turn *turn = funcs->ending ? NULL : calloc(1, sizeof(*turn));

	if (!turn)
		return;
	*turn = (struct ex_host_turn){.id = id, .last = last, .posted = true};
	atomic_fetch_add(&funcs->posted, 1);
	turn_enter(funcs, turn);
}

void ex_host_func_post(void *data)
{
	struct ex_host_func *func = data;
	struct ex_host_funcs *funcs = func->all;

	user_object_forget(func);
	pthread_mutex_lock(&funcs->lock);
	turn_post(funcs, func->id, VG_HOST_TURN_LAST);
	pthread_mutex_unlock(&funcs->lock);
	func_free(func);
	moved(funcs);
}

bool ex_host_func_id(struct ex_host_funcs *funcs, const void *data, uint64_t *id)
{
	const struct ex_host_func *func;

	pthread_mutex_lock(&funcs->list_lock);
	for (func = funcs->funcs; func && func != data; func = func->next)
		;
	if (func)
		*id = func->id;
	pthread_mutex_unlock(&funcs->list_lock);
	return func != NULL;
}

static void stream_callback(CUstream stream, CUresult status, void *func)
{
	(void)stream;
	func_turn(func, status);
}

/* --- the calls ---------------------------------------------------------------------------------- */

CUresult ex_vgHostFunc(struct ex_call *call, CUstream stream, uint64_t id, unsigned int kind)
{
	struct ex_host_func *func;
	CUresult result;

	if (!stream && call->ptds)
		stream = CU_STREAM_PER_THREAD;
	if (kind != VG_HOST_FUNC && kind != VG_STREAM_CALLBACK)
		return CUDA_ERROR_INVALID_VALUE;
	if (kind == VG_HOST_FUNC ? !ex_driver.cuLaunchHostFunc : !ex_driver.cuStreamAddCallback)
		return CUDA_ERROR_NOT_SUPPORTED;
	func = ex_host_func_new(&call->session->host_funcs, id, !ex_stream_captures(stream));
	if (!func)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (kind == VG_HOST_FUNC)
		result = ex_driver.cuLaunchHostFunc(stream, ex_host_func_run, func);
	else
		result = ex_driver.cuStreamAddCallback(stream, stream_callback, func, 0);
	if (result)
		ex_host_func_cancel(func);
	return result;
}

/* The guest keeps the function until it hears of it. One that does not listen is told so much and no more. */
void ex_vgHostFunc_failed(struct ex_call *call, const struct vg_args_vgHostFunc *args)
{
	struct ex_host_funcs *funcs = &call->session->host_funcs;

	pthread_mutex_lock(&funcs->lock);
	if (atomic_load(&funcs->posted) < EX_HOST_FUNCS_MAX)
		turn_post(funcs, args->id, VG_HOST_TURN_NONE);
	pthread_mutex_unlock(&funcs->lock);
	moved(funcs);
}

CUresult ex_vgHostFuncWait(struct ex_call *call, uint64_t *id, uint64_t *ticket, int *status,
			   int *last)
{
	struct ex_host_funcs *funcs = &call->session->host_funcs;
	struct ex_host_turn *turn;

	pthread_mutex_lock(&funcs->lock);
	if (!funcs->page_used)
		funcs->page = &call->lane->shared->turn;
	while (!(turn = turn_next(funcs)) && !funcs->ending && !atomic_load(&call->lane->stop))
		wait_once(funcs, NULL);
	if (turn) {
		turn->taken = true;
		*id = turn->id;
		*ticket = turn->ticket;
		*status = turn->status;
		*last = turn->last;
	}
	pthread_mutex_unlock(&funcs->lock);
	return turn ? CUDA_SUCCESS : CUDA_ERROR_DEINITIALIZED;
}

CUresult ex_vgHostFuncDone(struct ex_call *call, uint64_t ticket)
{
	struct ex_host_funcs *funcs = &call->session->host_funcs;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&funcs->lock);
	for (struct ex_host_turn *turn = funcs->turns; turn; turn = turn->next) {
		if (turn->ticket != ticket || !turn->taken || turn->done)
			continue;
		result = CUDA_SUCCESS;
		if (turn->posted) {
			turn_remove(funcs, turn);
			atomic_fetch_sub(&funcs->posted, 1);
			free(turn);
			break;
		}
		atomic_store(&turn->done, true);
		break;
	}
	pthread_mutex_unlock(&funcs->lock);
	moved(funcs);
	return result;
}
