/* SPDX-License-Identifier: MIT */
/* See exchange.h. Lengths of answers are checked before anything is copied. */
#include "xen-frontend/replay/exchange.h"

#include "protocol/bounds.h"
#include "protocol/crc32.h"

#define BULK_PIECE (64u * 1024)

bool rp_command_begin(struct fe_lane_plain *lane, const struct vg_cmd *cmd, const void *args,
		      uint64_t until)
{
	if (!fe_lane_plain_put(lane, cmd, sizeof(*cmd), until) ||
	    !fe_lane_plain_put(lane, args, cmd->args_size, until))
		return false;
	fe_lane_plain_pad(lane);
	return true;
}

void rp_command_end(struct fe_lane_plain *lane)
{
	fe_lane_plain_pad(lane);
	fe_lane_plain_publish(lane);
}

static bool bulk_receive(struct fe_lane_plain *lane, struct rp_answer *answer, uint64_t until)
{
	uint8_t piece[BULK_PIECE];

	for (uint64_t left = answer->bulk; left;) {
		size_t n = vg_min(left, sizeof(piece));

		if (!fe_lane_plain_get(lane, piece, n, until))
			return false;
		answer->bulk_sum = vg_crc32(answer->bulk_sum, piece, n);
		left -= n;
	}
	return true;
}

bool rp_answer_receive(struct fe_lane_plain *lane, uint16_t op, uint64_t number,
		       struct rp_answer *answer, uint64_t until)
{
	struct vg_reply reply;

	if (!fe_lane_plain_get(lane, &reply, sizeof(reply), until))
		return false;
	if (reply.op != op || reply.number != (uint32_t)number || reply.args_size > VG_ARGS_MAX) {
		lane->wrong = "the executor answers something else";
		return false;
	}
	answer->result = reply.result;
	answer->args_size = reply.args_size;
	answer->bulk = reply.bulk_size;
	answer->bulk_sum = 0;
	if (!fe_lane_plain_get(lane, answer->args, reply.args_size, until) ||
	    !bulk_receive(lane, answer, until))
		return false;
	fe_lane_plain_release(lane);
	return true;
}
