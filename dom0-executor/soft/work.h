/* SPDX-License-Identifier: MIT */
/*
 * A piece of device work: what a stream runs, and what a graph's node holds. It is not changed once
 * it is made, so streams, captures, graphs and their clones share it by reference.
 */
#ifndef SOFT_WORK_H
#define SOFT_WORK_H

#include "dom0-executor/soft/context.h"

struct soft_stream;
struct soft_work;

struct soft_work_type {
	CUgraphNodeType node; /* which node it is when captured */
	bool in_broken;       /* runs in a broken context too: something is to be told or freed */
	/*
	 * Called in the stream's worker, or, where nothing is before it, in the caller's thread if that waits anyway
	 * or would wait longer for the worker to wake up than for this.
	 */
	CUresult (*run)(struct soft_work *work, struct soft_stream *stream);
	/* It takes some ten microseconds at most and waits for nothing. NULL: it never does. */
	bool (*brief)(const struct soft_work *work);
	/* When its op is queued; the scheduler's lock is held. May be NULL. */
	void (*queued)(struct soft_work *work, struct soft_stream *stream, uint64_t seq);
	void (*destroy)(struct soft_work *work); /* frees what it holds, not itself */
};

struct soft_work {
	const struct soft_work_type *type;
	atomic_uint refs;
};

/* Zeroed, with one reference for the caller; NULL without memory. */
void *work_new(const struct soft_work_type *type, size_t size);
struct soft_work *work_ref(struct soft_work *work);
void work_put(struct soft_work *work); /* NULL is fine */

/* For __attribute__((cleanup)): drops the reference in a variable. */
void work_put_variable(struct soft_work **work);
#define auto_work_put __attribute__((cleanup(work_put_variable)))

#endif
