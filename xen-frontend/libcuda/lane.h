/* SPDX-License-Identifier: MIT */
/*
 * A thread's lane, the guest's end of it (protocol/wire.h). Used by its thread alone.
 */
#ifndef FE_LANE_H
#define FE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/ring.h"
#include "protocol/spin.h"
#include "protocol/wire.h"
#include "xen-frontend/channel.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/session.h"

struct fe_pointer_recent;

/* Before sleeping for an answer. */
enum fe_look {
	FE_LOOK,       /* as long as pays */
	FE_LOOKED,     /* it has been looked for as long as pays already */
	FE_LOOK_NEVER, /* the program said so (CU_CTX_SCHED_BLOCKING_SYNC) */
};

struct fe_lane {
	struct fe_share share;
	struct vg_lane_shared *shared;
	struct vg_producer commands;
	struct vg_consumer replies;
	uint32_t id;
	uint64_t number;       /* of the last command sent */
	uint64_t answered;     /* of the last command whose answer has come */
	uint64_t context_sent; /* handle that is current in the executor's thread (context.h) */
	uint32_t errors_seen;
	uint32_t output_seen; /* of what kernels print (output.c) */
	uint32_t traced;      /* as the executor said when a command was last published */
	uint64_t had;         /* while traced: when the last answer came, ns */
	struct vg_spin spin;
	enum fe_look look;                  /* before the next sleep: fe_lane_look */
	struct fe_pointer_recent *pointers; /* of pointer.c, owned */
	/* By lane: commands of ours come after its commands up to this number. */
	uint64_t waited[VG_LANES_MAX];
	uint64_t others[VG_LANES_MAX]; /* of fe_order_take */
};

extern __thread struct fe_lane *fe_lane_own __attribute__((tls_model("initial-exec")));
struct fe_lane *fe_lane_get_first(CUresult *result);

/* The calling thread's lane, opened at its first use. NULL and *result on failure. */
static inline struct fe_lane *fe_lane_get(CUresult *result)
{
	*result = CUDA_SUCCESS;
	if (fe_lane_own && !atomic_load_explicit(&fe_session.lost, memory_order_relaxed))
		return fe_lane_own;
	return fe_lane_get_first(result);
}

/* How the calling thread waits for its next answer. */
static inline void fe_lane_look(enum fe_look look)
{
	if (fe_lane_own)
		fe_lane_own->look = look;
}

/*
 * Waits until the ring has at least `bytes` of room, or that much to read; rings the executor first
 * if it sleeps. False: the session is lost.
 */
bool fe_lane_wait_room_long(struct fe_lane *lane, uint64_t bytes);
static inline bool fe_lane_wait_room(struct fe_lane *lane, uint64_t bytes)
{
	return vg_producer_room(&lane->commands, bytes) >= bytes ||
	       fe_lane_wait_room_long(lane, bytes);
}
bool fe_lane_wait_reply(struct fe_lane *lane, uint64_t bytes);

/* Looks whether the executor is still there, for who waits for something else. False: the session is lost. */
bool fe_lane_executor_there(void);

/* Shows the executor what has been written. */
void fe_lane_publish(struct fe_lane *lane);

/* Takes an asynchronous error that has not been reported yet. */
bool fe_lane_error_take(struct fe_lane *lane, CUresult *error);
static inline bool fe_lane_error(struct fe_lane *lane, CUresult *error)
{
	return __atomic_load_n(&lane->shared->error_count, __ATOMIC_ACQUIRE) != lane->errors_seen &&
	       fe_lane_error_take(lane, error);
}

#endif
