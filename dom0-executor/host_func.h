/* SPDX-License-Identifier: MIT */
/*
 * Functions of the guest's in a stream's order (cuLaunchHostFunc, cuStreamAddCallback, host nodes).
 *
 * The driver calls us back in a thread of its own; that thread enters a turn and waits until it is done or the
 * session ends. The guest's callback thread gets it where it looks for it (vg_turn_shared in its lane's page) or,
 * when it does not look or there are others before, by vgHostFuncWait.
 */
#ifndef EX_HOST_FUNC_H
#define EX_HOST_FUNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire.h"

#include "dom0-executor/handle.h"

/* Functions that may be outstanding at a time, those in graphs included. */
#define EX_HOST_FUNCS_MAX 65536u

struct ex_host_turn;
struct ex_host_func;
struct ex_host_funcs;

struct ex_host_funcs {
	pthread_mutex_t lock; /* of the turns */
	pthread_cond_t moved; /* a turn has come, one is done, or the session ends */
	atomic_uint moves;    /* how often: for who looks without the lock */
	uint32_t spin_us;     /* settings.h */
	struct ex_host_turn
		*turns; /* in the order of their coming; on the drivers' threads' stacks */
	struct ex_host_turn **turns_end;
	atomic_uint posted; /* turns that nobody waits for but the guest */
	uint64_t tickets;
	bool ending;
	struct vg_turn_shared *page; /* where the guest looks; NULL: it has not asked yet */
	bool page_used;              /* by a thread of the driver's, without the lock */

	pthread_mutex_t list_lock;
	struct ex_host_func *funcs; /* all that live: owned */
	unsigned int count;
};

void ex_host_funcs_init(struct ex_host_funcs *funcs, uint32_t spin_us);
/*
 * What the driver is given for the guest's function `id`: pass it to ex_host_func_run (a CUhostFn)
 * as its data. once: it will be called once and is freed then. NULL: too many, or no memory.
 */
struct ex_host_func *ex_host_func_new(struct ex_host_funcs *funcs, uint64_t id, bool once);
/* The driver has refused it. */
void ex_host_func_cancel(struct ex_host_func *func);
void ex_host_func_run(void *func);
/* The same for functions that nothing waits for; only with `once`. */
void ex_host_func_post(void *data);
/* It is a user object's destructor: when it is posted, the object's handle goes. */
void ex_host_func_ends(struct ex_host_func *func, struct ex_handles *handles, void *user_object);
/* The guest's number of what the driver says it holds; false: not one of ours. */
bool ex_host_func_id(struct ex_host_funcs *funcs, const void *data, uint64_t *id);

/* The lane with that page goes. */
void ex_host_funcs_page_gone(struct ex_host_funcs *funcs, struct vg_turn_shared *page);

/* A lane is to stop: its thread may be in vgHostFuncWait. */
void ex_host_funcs_wake(struct ex_host_funcs *funcs);
/* Lets everybody go who waits. */
void ex_host_funcs_end(struct ex_host_funcs *funcs);
/* Only when no thread of the driver's can call back any more: tests. */
void ex_host_funcs_dispose(struct ex_host_funcs *funcs);

#endif
