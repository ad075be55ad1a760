/* SPDX-License-Identifier: MIT */
/*
 * Recording a session (protocol/trace.h, docs/trace.md): each lane gathers its records in a block, which is written when
 * it is full, before the lane sleeps, and when somebody looks. Off it costs a test of a word that each command reads anyway
 * (ex_session.want).
 *
 * Where it goes to is a file or a socket whose other end is a tool's: what cannot be written is counted and told, and
 * holds nobody up, but for a moment if the session is to be run again from what is recorded.
 */
#ifndef EX_TRACE_H
#define EX_TRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/trace.h"

struct ex_call;
struct ex_lane;
struct ex_region;
struct ex_session;

struct ex_trace {
	pthread_mutex_t lock; /* of the rest */
	int fd;               /* -1: none */
	uint32_t executor;    /* our process: stays */
	bool data;            /* with what calls carry */
	bool whole;           /* from the session's beginning: it can be run again */
	atomic_uint number;   /* of recordings so far */
	bool late;            /* its other end did not keep up: it is waited for no more */
	uint64_t lost;        /* records that were not written, and not told of yet */
};

/* A lane's. */
struct ex_trace_lane {
	pthread_mutex_t lock; /* of the block, which the main thread may write */
	uint8_t *block;       /* VG_TRACE_BLOCK bytes, made at first use; owned */
	atomic_uint used; /* of it; the lane's thread looks without the lock whether there is any */
	uint32_t records;
	uint64_t called, had; /* of the guest's last vgStamp, until a command has them */
	unsigned int stamped; /* during which recording that came */
};

void ex_trace_init(struct ex_trace *trace);
void ex_trace_dispose(struct ex_trace *trace);
void ex_trace_lane_init(struct ex_trace_lane *trace);
void ex_trace_lane_dispose(struct ex_trace_lane *trace);

/* --- the main thread's ------------------------------------------------------------------------- */

/*
 * Begins to record to fd, which becomes ours; what is recorded already ends. Before the first command, everything is
 * recorded.
 */
void ex_trace_begin(struct ex_session *session, int fd, bool data);
void ex_trace_end(struct ex_session *session);
/* Writes what the lanes have gathered. */
void ex_trace_flush(struct ex_session *session);
/* A lane is about to run, or has run; it is written behind what the lane has gathered. */
void ex_trace_lane_share(struct ex_lane *lane, bool open);
void ex_trace_region_share(struct ex_session *session, uint32_t id, const struct ex_region *region,
			   bool open);
/* The session is over, and its lanes are. */
void ex_trace_finish(struct ex_session *session);

/* --- the lane's thread's (trace_pinned.c last), while call->taken is set ---------------------------------------------- */

void ex_trace_args(struct ex_call *call);
/* The next n bytes of the bulk part, at `offset` in it. */
void ex_trace_bulk(struct ex_call *call, uint64_t offset, const void *data, size_t n);
/* It copies from pinned memory. stream: on which; captured there, the copy is made later. */
void ex_trace_memory(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream);
/* It has begun to copy to pinned memory: waits for that, but not for long, and sums it up. */
void ex_trace_copied(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream);
/*
 * It may read pinned memory by itself: what has changed there. Not where there is much of it: more than EX_TRACE_PINNED_MOST
 * bytes, staging excluded.
 */
#define EX_TRACE_PINNED_MOST (64u * 1024 * 1024)
void ex_trace_pinned(struct ex_call *call);
/*
 * Under the region_lock: that much of pinned memory is going to be in the recording. Where to take it from: copied once if
 * there is a shadow, since the guest may write to it meanwhile.
 */
const void *ex_trace_pinned_seen(struct ex_region *region, uint64_t address, uint64_t size);
/* The device says there when a staged copy is done, so the region is the stage. */
void ex_trace_pinned_stage(struct ex_session *session, uint64_t done);
/* A part of the command's, for trace_pinned.c. */
void ex_trace_part(struct ex_call *call, enum vg_trace_part_kind kind, uint64_t offset,
		   const void *data, size_t size);
/* Under the region_lock: the region that the range lies in, or NULL. */
struct ex_region *ex_trace_region(struct ex_session *session, uint64_t address, uint64_t size);

/* It is over. */
void ex_trace_call(struct ex_call *call, CUresult result);
void ex_trace_lane_flush(struct ex_lane *lane);

#endif
