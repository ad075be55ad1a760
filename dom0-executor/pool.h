/* SPDX-License-Identifier: MIT */
/*
 * Memory pools as the quota sees them: a pool counts with what it has reserved of the device, used or
 * not, and with what is allocated from it where that is more.
 *
 * The driver gives freed memory back when it likes (mostly at the next synchronisation), so what a pool
 * counts is read anew after calls that may have waited for the device, when cuMemGetInfo asks,
 * and before an allocation is refused. Any thread.
 */
#ifndef EX_POOL_H
#define EX_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct ex_call;
struct ex_pool;
struct ex_session;

struct ex_pools {
	pthread_mutex_t lock; /* taken with the ranges' lock held, never the other way round */
	struct ex_pool *first;
	atomic_bool loose; /* some pool has reserved more than is allocated from it */
};

void ex_pools_init(struct ex_pools *pools);
void ex_pools_dispose(struct ex_pools *pools);
/* Reads what pools have reserved; cheap when nothing is loose. */
void ex_pools_settle(struct ex_session *session);
/* The same, after pools have been told to give back what they do not use. */
void ex_pools_trim(struct ex_session *session);

/* Memory of a pool, which a span's `object` names, has been freed. */
void ex_pool_freed(struct ex_session *session, struct ex_pool *pool, uint64_t size);

#endif
