/* SPDX-License-Identifier: MIT */
/* See lane_plain.h. Trusts nothing that the executor writes: the rings check its indices. */
#include "xen-frontend/lane_plain.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/bounds.h"
#include "protocol/clock.h"
#include "protocol/log.h"
#include "protocol/spin.h"

/* A sleeper looks again after this, whatever happens to the doorbell. */
#define SLEEP_MS 1000
/* Something is to be read on the session's socket, but it is another thread's answer. */
#define SLEEP_BESIDE_MS 10

int fe_lane_plain_open(struct fe_lane_plain *lane, struct fe_channel *channel,
		       const struct vg_control_share *want, char *text)
{
	struct vg_control_share share = *want;
	uint8_t *base;
	int rc;

	*lane = FE_LANE_PLAIN_NONE;
	lane->channel = channel;
	share.kind = VG_SHARE_LANE;
	share.pages = 1 + (share.cmd_bytes + share.reply_bytes) / VG_PAGE_SIZE;
	rc = fe_channel_share(channel, &share, &lane->share, text);
	if (rc)
		return rc;
	base = lane->share.base;
	lane->shared = lane->share.base;
	vg_producer_init(&lane->commands, base + VG_PAGE_SIZE, share.cmd_bytes,
			 &lane->shared->cmd_prod, &lane->shared->cmd_cons);
	vg_consumer_init(&lane->replies, base + VG_PAGE_SIZE + share.cmd_bytes, share.reply_bytes,
			 &lane->shared->reply_prod, &lane->shared->reply_cons);
	return 0;
}

void fe_lane_plain_close(struct fe_lane_plain *lane)
{
	fe_channel_unshare(lane->channel, &lane->share);
	*lane = FE_LANE_PLAIN_NONE;
}

void fe_lane_plain_forget(struct fe_lane_plain *lane)
{
	vg_bell_close(&lane->share.bell);
	*lane = FE_LANE_PLAIN_NONE;
}

/* --- waiting ------------------------------------------------------------------------------------- */

static bool lane_fail(struct fe_lane_plain *lane, const char *why)
{
	lane->wrong = why;
	return false;
}

static bool lane_ready(struct fe_lane_plain *lane, enum vg_sleep what, uint64_t bytes)
{
	if (what == VG_SLEEP_ROOM)
		return vg_producer_room(&lane->commands, bytes) >= bytes || lane->commands.broken;
	return vg_consumer_avail(&lane->replies, bytes) >= bytes || lane->replies.broken;
}

static bool lane_looks(struct fe_lane_plain *lane, enum vg_sleep what, uint64_t bytes)
{
	for (uint32_t looks = 0; looks < lane->looks; looks++) {
		if (lane_ready(lane, what, bytes))
			return true;
		vg_relax();
	}
	return false;
}

/* Whoever asks on the socket takes what comes there: it is only looked at here. False: the end. */
static bool socket_alive(struct fe_lane_plain *lane)
{
	struct vg_control msg;
	ssize_t n = recv(lane->channel->sock, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n < (ssize_t)sizeof(msg))
		return false;
	if (msg.type != VG_CTL_GONE)
		return true;
	memcpy(lane->reason, msg.text, sizeof(lane->reason));
	lane->reason[VG_TEXT_MAX - 1] = '\0';
	vg_log_clean(lane->reason);
	return false;
}

/* The reason may be on its way on the socket. */
static bool lane_ended(struct fe_lane_plain *lane)
{
	(void)socket_alive(lane);
	return lane_fail(lane, lane->reason[0] ? lane->reason : "the executor has ended");
}

static bool lane_sleep(struct fe_lane_plain *lane, uint64_t most_ms, bool *beside)
{
	uint64_t ms = vg_min(most_ms, *beside ? SLEEP_BESIDE_MS : SLEEP_MS);
	int wake = vg_bell_wait(&lane->share.bell, *beside ? -1 : lane->channel->sock, (int)ms);

	*beside = false;
	if (wake < 0)
		return lane_fail(lane, "the lane's bell is broken");
	if (((wake & VG_BELL_LIFE) && !socket_alive(lane)) ||
	    __atomic_load_n(&lane->shared->exec_alive, __ATOMIC_ACQUIRE) != 1)
		return lane_ended(lane);
	*beside = wake & VG_BELL_LIFE;
	return true;
}

static bool lane_late(struct fe_lane_plain *lane)
{
	lane->late = true;
	return lane_fail(lane, "there was no answer in time");
}

static bool lane_wait(struct fe_lane_plain *lane, enum vg_sleep what, uint64_t bytes,
		      uint64_t until)
{
	bool alive = true, beside = false;

	while (alive && !lane_ready(lane, what, bytes)) {
		uint64_t now;

		if (lane_looks(lane, what, bytes))
			break;
		now = vg_clock_ms();
		if (now > until)
			return lane_late(lane);
		if (vg_bell_take(&lane->share.bell) < 0)
			return lane_fail(lane, "the lane's bell is broken");
		vg_sleep_begin(&lane->shared->guest_sleeps, what);
		if (!lane_ready(lane, what, bytes))
			alive = lane_sleep(lane, until - now + 1, &beside);
		vg_sleep_end(&lane->shared->guest_sleeps);
	}
	if (alive && (lane->commands.broken || lane->replies.broken))
		return lane_fail(lane, "the executor broke the protocol");
	return alive;
}

/* --- bytes --------------------------------------------------------------------------------------- */

bool fe_lane_plain_put(struct fe_lane_plain *lane, const void *data, size_t size, uint64_t until)
{
	const uint8_t *at = data;

	while (size) {
		size_t n;

		if (!vg_producer_room(&lane->commands, 8)) {
			fe_lane_plain_publish(lane);
			if (!lane_wait(lane, VG_SLEEP_ROOM, 8, until))
				return false;
		}
		n = vg_producer_put(&lane->commands, at, size);
		at += n;
		size -= n;
	}
	return true;
}

void fe_lane_plain_pad(struct fe_lane_plain *lane)
{
	vg_producer_pad(&lane->commands);
}

void fe_lane_plain_publish(struct fe_lane_plain *lane)
{
	vg_producer_publish(&lane->commands);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_DATA))
		vg_bell_ring(&lane->share.bell);
}

bool fe_lane_plain_get(struct fe_lane_plain *lane, void *data, size_t size, uint64_t until)
{
	uint8_t *at = data;

	while (size) {
		size_t n;

		/* Whoever writes may need the room of what has been read before. */
		if (!lane_ready(lane, VG_SLEEP_DATA, 8)) {
			fe_lane_plain_release(lane);
			if (!lane_wait(lane, VG_SLEEP_DATA, 8, until))
				return false;
		}
		if (lane->replies.broken)
			return lane_fail(lane, "the executor broke the protocol");
		n = vg_consumer_get(&lane->replies, at, size);
		at += n;
		size -= n;
	}
	vg_consumer_pad(&lane->replies);
	return true;
}

void fe_lane_plain_release(struct fe_lane_plain *lane)
{
	vg_consumer_release(&lane->replies);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_ROOM))
		vg_bell_ring(&lane->share.bell);
}
