/* SPDX-License-Identifier: MIT */
/* See lane.h. Trusts nothing that the executor writes: lengths are checked before anything is copied. */
#include "xen-frontend/nvml/lane.h"

#include <errno.h>
#include <string.h>

#include "protocol/calls.h"
#include "protocol/clock.h"

#define RING_BYTES  VG_RING_MIN
#define LANE_PAGES  (1 + 2 * RING_BYTES / VG_PAGE_SIZE)
#define SLEEP_MS    1000
#define EXCHANGE_MS 60000

int fe_nvml_lane_open(struct fe_nvml_lane *lane, struct fe_channel *channel, char *text)
{
	const struct vg_control_share want = {.kind = VG_SHARE_LANE,
					      .pages = LANE_PAGES,
					      .cmd_bytes = RING_BYTES,
					      .reply_bytes = RING_BYTES};
	uint8_t *base;
	int rc;

	memset(lane, 0, sizeof(*lane));
	lane->channel = channel;
	lane->share.bell = VG_BELL_NONE;
	rc = fe_channel_share(channel, &want, &lane->share, text);
	if (rc)
		return rc;
	base = lane->share.base;
	lane->shared = lane->share.base;
	vg_producer_init(&lane->commands, base + VG_PAGE_SIZE, RING_BYTES, &lane->shared->cmd_prod,
			 &lane->shared->cmd_cons);
	vg_consumer_init(&lane->replies, base + VG_PAGE_SIZE + RING_BYTES, RING_BYTES,
			 &lane->shared->reply_prod, &lane->shared->reply_cons);
	return 0;
}

void fe_nvml_lane_close(struct fe_nvml_lane *lane)
{
	fe_channel_unshare(lane->channel, &lane->share);
	memset(lane, 0, sizeof(*lane));
	lane->share.bell = VG_BELL_NONE;
}

void fe_nvml_lane_forget(struct fe_nvml_lane *lane)
{
	vg_bell_close(&lane->share.bell);
	memset(lane, 0, sizeof(*lane));
	lane->share.bell = VG_BELL_NONE;
}

/* --- waiting ------------------------------------------------------------------------------------- */

static bool lane_fail(struct fe_nvml_lane *lane, const char *why)
{
	lane->wrong = why;
	return false;
}

static bool lane_ready(struct fe_nvml_lane *lane, enum vg_sleep what, uint64_t bytes)
{
	if (what == VG_SLEEP_ROOM)
		return vg_producer_room(&lane->commands, bytes) >= bytes || lane->commands.broken;
	return vg_consumer_avail(&lane->replies, bytes) >= bytes || lane->replies.broken;
}

static bool lane_sleep(struct fe_nvml_lane *lane)
{
	int wake = vg_bell_wait(&lane->share.bell, lane->channel->sock, SLEEP_MS);

	if (wake < 0)
		return lane_fail(lane, "the lane's bell is broken");
	/* Nobody but us asks anything on the socket, so what comes there is the end. */
	if (((wake & VG_BELL_LIFE) && fe_channel_check(lane->channel, NULL)) ||
	    __atomic_load_n(&lane->shared->exec_alive, __ATOMIC_ACQUIRE) != 1)
		return lane_fail(lane, "the executor has ended");
	return true;
}

static bool lane_wait(struct fe_nvml_lane *lane, enum vg_sleep what, uint64_t bytes, uint64_t until)
{
	bool alive = true;

	while (alive && !lane_ready(lane, what, bytes)) {
		if (vg_clock_ms() > until) {
			alive = lane_fail(lane, "no answer within a minute");
			break;
		}
		if (vg_bell_take(&lane->share.bell) < 0) {
			alive = lane_fail(lane, "the lane's bell is broken");
			break;
		}
		vg_sleep_begin(&lane->shared->guest_sleeps, what);
		if (!lane_ready(lane, what, bytes))
			alive = lane_sleep(lane);
		vg_sleep_end(&lane->shared->guest_sleeps);
	}
	if (alive && (lane->commands.broken || lane->replies.broken))
		return lane_fail(lane, "the executor broke the protocol");
	return alive;
}

/* --- one exchange -------------------------------------------------------------------------------- */

static void lane_publish(struct fe_nvml_lane *lane)
{
	vg_producer_publish(&lane->commands);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_DATA))
		vg_bell_ring(&lane->share.bell);
}

static void lane_release(struct fe_nvml_lane *lane)
{
	vg_consumer_release(&lane->replies);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_ROOM))
		vg_bell_ring(&lane->share.bell);
}

static bool send_bytes(struct fe_nvml_lane *lane, const void *data, size_t size, uint64_t until)
{
	const uint8_t *at = data;

	while (size) {
		size_t n;

		if (!lane_wait(lane, VG_SLEEP_ROOM, 8, until))
			return false;
		n = vg_producer_put(&lane->commands, at, size);
		at += n;
		size -= n;
		if (size)
			lane_publish(lane);
	}
	vg_producer_pad(&lane->commands);
	return true;
}

static bool receive_bytes(struct fe_nvml_lane *lane, void *data, size_t size, uint64_t until)
{
	uint8_t *at = data;

	while (size) {
		size_t n;

		if (!lane_wait(lane, VG_SLEEP_DATA, 8, until))
			return false;
		n = vg_consumer_get(&lane->replies, at, size);
		at += n;
		size -= n;
		if (size)
			lane_release(lane);
	}
	vg_consumer_pad(&lane->replies);
	return true;
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
	lane_publish(lane);
	return true;
}

static bool reply_receive(struct fe_nvml_lane *lane, void *answer, size_t room, size_t *answered,
			  uint64_t until)
{
	struct vg_reply head;
	struct vg_ret_vgNvml ret;

	if (!receive_bytes(lane, &head, sizeof(head), until))
		return false;
	if (head.op != VG_OP_vgNvml || head.number != lane->number || head.bulk_size)
		return lane_fail(lane, "the executor answers something else");
	if (head.result || head.args_size < sizeof(ret))
		return lane_fail(lane, "the executor cannot answer");
	if (!receive_bytes(lane, &ret, sizeof(ret), until))
		return false;
	if (ret.n_answer > room || ret.answered > ret.n_answer ||
	    head.args_size != sizeof(ret) + vg_pad8(ret.n_answer))
		return lane_fail(lane, "the lengths of an answer make no sense");
	if (!receive_bytes(lane, answer, ret.n_answer, until))
		return false;
	*answered = ret.answered;
	lane_release(lane);
	return true;
}

bool fe_nvml_lane_exchange(struct fe_nvml_lane *lane, const void *ask, size_t size, void *answer,
			   size_t room, size_t *answered)
{
	uint64_t until = vg_clock_ms() + EXCHANGE_MS;

	return command_send(lane, ask, size, room, until) &&
	       reply_receive(lane, answer, room, answered, until);
}
