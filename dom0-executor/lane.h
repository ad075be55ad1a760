/* SPDX-License-Identifier: MIT */
/*
 * One lane: the executor's end of a guest thread, and the thread that replays its calls.
 *
 * The main thread makes and reaps lanes; everything below "the lane's thread" belongs to that one.
 */
#ifndef EX_LANE_H
#define EX_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/ring.h"
#include "protocol/spin.h"

#include "dom0-executor/call.h"
#include "dom0-executor/channel.h"
#include "dom0-executor/logs.h"
#include "dom0-executor/session.h"
#include "dom0-executor/trace.h"

/* Zeroed memory of one command. */
struct ex_scratch_chunk {
	struct ex_scratch_chunk *next;
	uint64_t align_; /* bytes follow at a multiple of 16 */
};

#define EX_SCRATCH_INLINE 8192u
/* What one command may ask for in all. */
#define EX_SCRATCH_MAX (16u * 1024 * 1024)
/* Readable bytes behind the arguments: a driver that reads more parameters than it was given. */
#define EX_ARGS_SLACK (32u * 1024)

struct ex_lane {
	struct ex_session *session;
	uint32_t id;
	struct ex_share share; /* the channel's mapping, owned */
	struct vg_lane_shared *shared;
	int stop_fd; /* eventfd: readable once the lane is to stop */
	pthread_t thread;
	uint32_t unshare_tag;
	uint32_t unshare_peer; /* ex_session.peer that asked: no other hears the answer */
	atomic_bool stop;      /* run what is in the ring, then end */
	atomic_bool done;      /* the thread has nothing more to do with the session */
	bool stopping;         /* the main thread's: UNSHARE has come */

	/* The lane's thread. */
	bool reply_hidden; /* its head is in the ring, unpublished */
	unsigned int gpu;  /* of the current context (gpus.h) */
	struct vg_consumer in;
	struct vg_producer out;
	uint64_t number; /* of the command under execution */
	struct vg_live_lane *live;
	struct vg_spin spin;
	uint64_t context;     /* guest handle of the current context, 0: none */
	uint64_t reply_start; /* out.pos before the reply under way */
	uint8_t *args;
	size_t args_room;
	uint8_t *reply;
	size_t reply_room;
	uint8_t *stage; /* of box copies, EX_STAGE_BYTES, made at first use */
	void *bulk;     /* of ex_bulk_whole */
	struct ex_logs logs;
	struct ex_trace_lane trace;
	uint8_t *text; /* of vgGraphDot, until vgTextFetch; owned */
	size_t text_size;
	uint64_t bulk_room;
	struct ex_tally tally;
	struct ex_handles_recent recent;
	size_t scratch_used; /* of scratch_inline */
	size_t scratch_total;
	struct ex_scratch_chunk *scratch;
	_Alignas(16) uint8_t scratch_inline[EX_SCRATCH_INLINE];
};

#define EX_STAGE_BYTES (1024u * 1024)
#define EX_TEXT_MAX    (256ll * 1024 * 1024)

/*
 * A lane over a mapped share whose sizes have been checked; takes the share (leaves it zeroed). NULL and *rc set.
 * start runs its thread; without it ex_lane_run may be called (tests).
 */
struct ex_lane *ex_lane_new(struct ex_session *session, uint32_t id, struct ex_share *share,
			    uint32_t cmd_bytes, uint32_t reply_bytes, int *rc);
int ex_lane_start(struct ex_lane *lane);
/* Executes commands until the lane is stopped and its ring is empty, or the session ends. */
void ex_lane_run(struct ex_lane *lane);
/* From the main thread. */
void ex_lane_stop(struct ex_lane *lane);
/* Tells the guest that nobody answers here any more. */
void ex_lane_hang_up(struct ex_lane *lane);
/* After its thread has ended; unmaps. NULL is fine. */
void ex_lane_free(struct ex_lane *lane);

/* For call.c and reply.c: wait for bytes of commands, or for room. False: the lane ends. */
bool ex_lane_wait_in(struct ex_lane *lane, uint64_t want);
bool ex_lane_wait_out(struct ex_lane *lane, uint64_t want);
/* Gives the room of what has been taken back; release_some: once it is worth the guest's while, or before we wait. */
void ex_lane_release(struct ex_lane *lane);
void ex_lane_release_some(struct ex_lane *lane);
void ex_lane_publish(struct ex_lane *lane);
/* An asynchronous command has failed, or a reply that has been begun. */
void ex_lane_error(struct ex_lane *lane, uint16_t op, CUresult result);

/* call.c: begins and ends the memory of a command. */
bool ex_args_read(struct ex_lane *lane, size_t size);
bool ex_bulk_finish(struct ex_call *call);
void ex_scratch_end(struct ex_lane *lane);
/* reply.c */
void ex_reply_finish(struct ex_call *call, CUresult result);

#endif
