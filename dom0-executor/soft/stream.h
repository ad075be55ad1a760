/* SPDX-License-Identifier: MIT */
/*
 * Streams: queues of work that runs in order, one after the other, each stream in a thread of its
 * own (its worker), which starts with the first work and ends when there is none for a while.
 *
 * Work is numbered by its stream from 1 on. Every dependency between streams, that of events as well
 * as those of the legacy stream, is "stream S has completed number N", fixed when the work is
 * queued; so dependencies never form a cycle. One lock, the scheduler's, guards all queues; work
 * runs without it.
 */
#ifndef SOFT_STREAM_H
#define SOFT_STREAM_H

#include "dom0-executor/soft/work.h"

struct soft_capture;
struct soft_node;
struct soft_op;

struct soft_stream {
	struct soft_object object;
	unsigned int flags;
	int priority;
	unsigned long long id;
	bool legacy;     /* waits for, and is waited for by, all blocking streams of its context */
	bool per_thread; /* some thread's default stream: handle 2 */

	/* The scheduler's lock guards the rest. */
	uint64_t queued;    /* number of the last work queued */
	uint64_t completed; /* all up to this number have ended */
	struct soft_op *head, *tail;
	bool running; /* some thread runs the head, or work that never was in the queue */
	bool has_worker;
	bool retired; /* its handle is gone: the worker ends with the queue */
	pthread_cond_t wake;
	struct soft_stream *next; /* all streams of the context; not a reference */
	CUaccessPolicyWindow policy_window;
	int sync_policy;

	/* The graphs' lock guards these. */
	struct soft_capture *capture; /* a reference; NULL: not capturing */
	struct soft_node **nodes;     /* references: what the next captured node depends on */
	size_t node_count;
};

struct soft_point {
	struct soft_stream *stream; /* a reference, or NULL: a point that has passed */
	uint64_t seq;
};

extern pthread_mutex_t sched_lock;
extern pthread_cond_t sched_done; /* some work has ended; with sched_lock */

CUresult stream_create(struct soft_context *ctx, unsigned int flags, int priority,
		       struct soft_stream **stream);
/* A context's legacy stream, which no handle of the table names. */
struct soft_stream *stream_create_legacy(struct soft_context *ctx);

/*
 * The stream that a call names, with a reference. NULL and 1 are the legacy stream, except in the
 * _ptsz and _ptds variants of a call, where NULL is the thread's; 2 is the thread's. NULL: no such
 * stream.
 */
struct soft_stream *stream_get(struct soft_context *ctx, CUstream handle);
extern _Thread_local unsigned int thread_default_is_own;

/* What CUDA says to a handle that is no stream, or none any more. */
CUresult stream_unknown(CUstream handle);

#define ENTER_STREAM(ctx, stream, handle)                              \
	ENTER_CONTEXT(ctx);                                            \
	struct soft_stream *stream auto_put = stream_get(ctx, handle); \
	if (!(stream))                                                 \
	return stream_unknown(handle)

/* For calls that need the current context for a default stream only: others have their own. */
CUresult stream_enter(CUstream handle, struct soft_stream **stream, struct soft_context **ctx);
#define ENTER_STREAM_ALONE(ctx, stream, handle)                                \
	struct soft_context *ctx auto_put = NULL;                              \
	struct soft_stream *stream auto_put = NULL;                            \
	CUresult stream##_entered = stream_enter((handle), &(stream), &(ctx)); \
	if (stream##_entered != CUDA_SUCCESS)                                  \
	return stream##_entered

enum soft_how {
	SOFT_QUEUE, /* return once queued */
	SOFT_WAIT,  /* return once it has run, with its error */
};

/*
 * Run `work` on the stream, or make it a node if the stream is capturing. Takes the caller's
 * reference to work; NULL work is CUDA_ERROR_OUT_OF_MEMORY.
 */
CUresult stream_submit(struct soft_stream *stream, struct soft_work *work, enum soft_how how);

/* Queue nothing but a wait for a point; the reference in `point` stays the caller's. */
CUresult stream_wait_point(struct soft_stream *stream, const struct soft_point *point);

/* Wait until everything queued so far has ended; the context's error, if it has one. */
CUresult stream_synchronize(struct soft_stream *stream);
CUresult context_synchronize(struct soft_context *ctx);
void device_synchronize(struct soft_device *device); /* all its contexts */

/* The end of a point; the scheduler's lock is held. */
bool point_passed(const struct soft_point *point);
void point_wait(const struct soft_point *point); /* lock not held */

/* Take its handle away, as object_retire() does; what is queued still runs. */
bool stream_retire(struct soft_stream *stream);

#endif
