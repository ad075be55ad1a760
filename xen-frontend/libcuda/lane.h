/* SPDX-License-Identifier: MIT */
/*
 * A thread's lane, the guest's end of it (protocol/wire.h). Used by its thread alone.
 */
#ifndef FE_LANE_H
#define FE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/ring.h"
#include "protocol/wire.h"
#include "xen-frontend/channel.h"
#include "xen-frontend/libcuda/call.h"

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
	uint32_t spin;        /* adaptive: looks before sleeping */
	uint64_t waited
		[VG_LANES_MAX]; /* by lane: commands of ours come after its commands up to this number */
};

/* The calling thread's lane, opened at its first use. NULL and *result on failure. */
struct fe_lane *fe_lane_get(CUresult *result);

/*
 * Waits until the ring has at least `bytes` of room, or that much to read; rings the executor first
 * if it sleeps. False: the session is lost.
 */
bool fe_lane_wait_room(struct fe_lane *lane, uint64_t bytes);
bool fe_lane_wait_reply(struct fe_lane *lane, uint64_t bytes);

/* Looks whether the executor is still there, for who waits for something else. False: the session is lost. */
bool fe_lane_executor_there(void);

/* Shows the executor what has been written. */
void fe_lane_publish(struct fe_lane *lane);

/* Takes an asynchronous error that has not been reported yet. */
bool fe_lane_error(struct fe_lane *lane, CUresult *error);

#endif
