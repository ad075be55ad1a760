/* SPDX-License-Identifier: MIT */
/*
 * Looking at the lanes from outside: their threads may be anywhere, in the driver for good. The shared pages are the
 * guest's to write: what is read there is clamped and written down, no more.
 */
#include "dom0-executor/look.h"

#include <pthread.h>
#include <string.h>

#include "protocol/socket.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/session.h"

CUresult ex_vgRefused(struct ex_call *call, const char *name)
{
	struct vg_live *live = vg_live_of(call->session->stats.page);
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char clean[VG_LIVE_NAME] = "";

	strncpy(clean, name, sizeof(clean) - 1);
	vg_log_clean(clean);
	vg_info(&call->session->who, "event=refused-call name=\"%s\"", clean);
	pthread_mutex_lock(&lock);
	if (live->refused_count < VG_LIVE_REFUSED)
		memcpy(live->refused[live->refused_count], clean, sizeof(clean));
	live->refused_count++;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

/* Bytes between two indices of a ring; nonsense is a full ring. */
static uint32_t unread(const uint64_t *prod, const uint64_t *cons, uint64_t size)
{
	uint64_t bytes =
		__atomic_load_n(prod, __ATOMIC_RELAXED) - __atomic_load_n(cons, __ATOMIC_RELAXED);

	return (uint32_t)(bytes < size ? bytes : size);
}

static void lane_look(struct vg_live_lane *live, const struct ex_lane *lane)
{
	const struct vg_lane_shared *shared = lane->shared;
	struct vg_live_lane now = {
		.commands_bytes = (uint32_t)lane->in.size,
		.replies_bytes = (uint32_t)lane->out.size,
		.commands_unread = unread(&shared->cmd_prod, &shared->cmd_cons, lane->in.size),
		.replies_unread = unread(&shared->reply_prod, &shared->reply_cons, lane->out.size),
		.guest_alive = __atomic_load_n(&shared->guest_alive, __ATOMIC_RELAXED) != 0,
		.guest_sleeps = (uint8_t)__atomic_load_n(&shared->guest_sleeps, __ATOMIC_RELAXED),
		.exec_sleeps = (uint8_t)__atomic_load_n(&shared->exec_sleeps, __ATOMIC_RELAXED),
	};
	const size_t ours = offsetof(struct vg_live_lane, commands_bytes);

	memcpy((uint8_t *)live + ours, (uint8_t *)&now + ours, sizeof(now) - ours);
}

static void lanes_look(struct ex_session *session, struct vg_live *live)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++) {
		if (session->lanes[i])
			lane_look(&live->lane[i], session->lanes[i]);
		else
			live->lane[i].commands_bytes = 0;
	}
}

static void level_take(struct ex_session *session, uint32_t level)
{
	if (level > VG_LOG_DATA || (int)level == session->who.level)
		return;
	vg_log_set_level(&session->who, (enum vg_log_level)level);
	vg_info(&session->who, "event=log-level level=%s",
		vg_log_level_name((enum vg_log_level)level));
}

static void trace_take(struct ex_session *session, struct vg_packet *request)
{
	uint32_t want = request->msg.u.look.want;

	if (!(want & VG_WANT_TRACE)) {
		if (atomic_load(&session->want) & VG_WANT_TRACE)
			ex_trace_end(session);
	} else if (request->fds[0] >= 0) {
		ex_trace_begin(session, request->fds[0], want & VG_WANT_TRACE_DATA);
		request->fds[0] = -1;
	} else {
		ex_trace_flush(session);
	}
}

bool ex_look_answer(struct ex_session *session, struct vg_packet *request)
{
	struct vg_live *live = vg_live_of(session->stats.page);
	uint32_t times = request->msg.u.look.want & VG_WANT_TIMES;
	struct vg_packet reply;

	if (session->settings->channel != VG_CHANNEL_XEN)
		return false;
	level_take(session, request->msg.u.look.log_level);
	if (times)
		atomic_fetch_or(&session->want, times);
	else
		atomic_fetch_and(&session->want, ~VG_WANT_TIMES);
	trace_take(session, request);
	__atomic_store_n(&live->want, atomic_load(&session->want), __ATOMIC_RELAXED);
	lanes_look(session, live);
	ex_stats_set(&live->looked, vg_clock_coarse_ms());
	vg_packet_init(&reply, VG_CTL_LOOKED, request->msg.tag);
	if (vg_packet_send(session->control_fd, &reply))
		vg_warn(&session->who, "event=answer-lost");
	return true;
}
