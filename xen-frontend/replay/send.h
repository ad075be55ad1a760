/* SPDX-License-Identifier: MIT */
/* A lane at play, and its recorded commands as they are sent now. Used by the lane's thread. */
#ifndef RP_SEND_H
#define RP_SEND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/calls.h"
#include "xen-frontend/replay/exchange.h"
#include "xen-frontend/replay/player.h"

#define RP_ARGS_ROOM (VG_ARGS_MAX + 8u)

struct rp_lane {
	struct rp_player *player;
	struct fe_lane_plain *lane;
	uint32_t id;
	pthread_t thread;
	bool runs;
	uint8_t *args; /* RP_ARGS_ROOM bytes each; as they are sent */
	uint8_t *then; /* the recorded answer */
	struct rp_answer answer;
	uint32_t life;   /* which: a lane may be closed and opened again; the rest is of this one */
	uint32_t errors; /* asynchronous commands that failed in the recording */
	uint32_t forgiven; /* how many more than that are known to have failed now */
};

/*
 * A command's arguments into lane->args, with what they name translated; their size. vgVisible's are of the player's own
 * environment, if that chooses devices.
 */
size_t rp_send_args(struct rp_lane *lane, const struct rp_command *command);
/* dst, size, stream and mode of a copy in one dimension, likewise. */
struct vg_args_vgCopy rp_send_copy_args(struct rp_lane *lane, const struct rp_command *command);

/* The whole command, or a copy from pinned memory by the bytes that were there. False: lane->lane->wrong says why. */
bool rp_send_command(struct rp_lane *lane, const struct rp_command *command, uint64_t until);
bool rp_send_copy_in(struct rp_lane *lane, const struct rp_command *command, uint64_t until);
/* Puts what was in pinned memory there. False: that memory is not there. */
bool rp_send_memory(struct rp_lane *lane, const struct vg_trace_command *recorded);

#endif
