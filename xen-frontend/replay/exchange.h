/* SPDX-License-Identifier: MIT */
/* A command into a lane and its answer out of it. Used by the lane's thread. */
#ifndef RP_EXCHANGE_H
#define RP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen-frontend/lane_plain.h"

struct rp_answer {
	int32_t result;
	uint8_t *args; /* VG_ARGS_MAX bytes of room, the owner's */
	size_t args_size;
	uint64_t bulk;
	uint32_t bulk_sum;
};

/* Head and arguments. Then comes the bulk part by fe_lane_plain_put, and rp_command_end. */
bool rp_command_begin(struct fe_lane_plain *lane, const struct vg_cmd *cmd, const void *args,
		      uint64_t until);
void rp_command_end(struct fe_lane_plain *lane);

/* The answer to command `number` of call op. False: lane->wrong says why. */
bool rp_answer_receive(struct fe_lane_plain *lane, uint16_t op, uint64_t number,
		       struct rp_answer *answer, uint64_t until);

#endif
