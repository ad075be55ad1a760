/* SPDX-License-Identifier: MIT */
/* See lane.h. Trusts nothing that the executor writes: lengths are checked before anything is copied. */
#include "xen-frontend/nvml/lane.h"

#include <string.h>

#include "protocol/calls.h"
#include "protocol/clock.h"

#define RING_BYTES  VG_RING_MIN
#define EXCHANGE_MS 60000

int fe_nvml_lane_open(struct fe_nvml_lane *lane, struct fe_channel *channel, char *text)
{
	const struct vg_control_share want = {.cmd_bytes = RING_BYTES, .reply_bytes = RING_BYTES};

	lane->number = 0;
	return fe_lane_plain_open(&lane->lane, channel, &want, text);
}

void fe_nvml_lane_close(struct fe_nvml_lane *lane)
{
	fe_lane_plain_close(&lane->lane);
}

void fe_nvml_lane_forget(struct fe_nvml_lane *lane)
{
	fe_lane_plain_forget(&lane->lane);
}

static bool lane_fail(struct fe_nvml_lane *lane, const char *why)
{
	lane->lane.wrong = why;
	return false;
}

static bool send_bytes(struct fe_nvml_lane *lane, const void *data, size_t size, uint64_t until)
{
	bool sent = fe_lane_plain_put(&lane->lane, data, size, until);

	fe_lane_plain_pad(&lane->lane);
	return sent;
}

static bool command_send(struct fe_nvml_lane *lane, const void *ask, size_t size, size_t room,
			 uint64_t until)
{
	struct vg_args_vgNvml args;
	struct vg_cmd cmd = {.op = VG_OP_vgNvml,
			     .args_size = (uint32_t)(sizeof(args) + vg_pad8(size))};

	memset(&args, 0, sizeof(args));
	args.n_ask = size;
	args.size = (unsigned int)size;
	args.room = (unsigned int)room;
	args.room_answer = room;
	lane->number++;
	if (!send_bytes(lane, &cmd, sizeof(cmd), until) ||
	    !send_bytes(lane, &args, sizeof(args), until) || !send_bytes(lane, ask, size, until))
		return false;
	fe_lane_plain_publish(&lane->lane);
	return true;
}

static bool reply_receive(struct fe_nvml_lane *lane, void *answer, size_t room, size_t *answered,
			  uint64_t until)
{
	struct vg_reply head;
	struct vg_ret_vgNvml ret;

	if (!fe_lane_plain_get(&lane->lane, &head, sizeof(head), until))
		return false;
	if (head.op != VG_OP_vgNvml || head.number != lane->number || head.bulk_size)
		return lane_fail(lane, "the executor answers something else");
	if (head.result || head.args_size < sizeof(ret))
		return lane_fail(lane, "the executor cannot answer");
	if (!fe_lane_plain_get(&lane->lane, &ret, sizeof(ret), until))
		return false;
	if (ret.n_answer > room || ret.answered > ret.n_answer ||
	    head.args_size != sizeof(ret) + vg_pad8(ret.n_answer))
		return lane_fail(lane, "the lengths of an answer make no sense");
	if (!fe_lane_plain_get(&lane->lane, answer, ret.n_answer, until))
		return false;
	*answered = ret.answered;
	fe_lane_plain_release(&lane->lane);
	return true;
}

bool fe_nvml_lane_exchange(struct fe_nvml_lane *lane, const void *ask, size_t size, void *answer,
			   size_t room, size_t *answered)
{
	uint64_t until = vg_clock_ms() + EXCHANGE_MS;

	return command_send(lane, ask, size, room, until) &&
	       reply_receive(lane, answer, room, answered, until);
}
