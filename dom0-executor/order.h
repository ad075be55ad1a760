/* SPDX-License-Identifier: MIT */
/*
 * The order of asynchronous commands over all lanes (wire.h, `after`): how far each lane has come,
 * by slot. A slot's count goes on over the lanes that use it one after another.
 */
#ifndef EX_ORDER_H
#define EX_ORDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire.h"

/* A lane writes its own for each command: a line of its own, too. */
struct ex_progress {
	_Alignas(64) atomic_ullong executed;
};

struct ex_order {
	struct ex_progress lane[VG_LANES_MAX];
	atomic_uint waiters;
	pthread_mutex_t lock;
	pthread_cond_t moved; /* one has come further, or the session ends */
	bool ending;          /* under the lock */
};

void ex_order_init(struct ex_order *order);
void ex_order_dispose(struct ex_order *order);
/* A lane's command of that number is done. */
void ex_order_done(struct ex_order *order, uint32_t slot, uint64_t number);
/*
 * Waits until the command that `after` names is done, or the session ends: looks so often, then sleeps. False: it ends,
 * or `after` names no slot.
 */
bool ex_order_wait(struct ex_order *order, uint64_t after, uint32_t looks);
/* Lets everybody go who waits. */
void ex_order_end(struct ex_order *order);

#endif
