/* SPDX-License-Identifier: MIT */
/*
 * Who may take over: whoever connects as the user that started us, which is dom0's root. The socket
 * lies in a folder of root's, so nobody else can. What it is told is about this session only.
 */
#include "dom0-executor/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dom0-executor/lane.h"
#include "protocol/clock.h"

void ex_adopt_begin(struct ex_session *session)
{
	uint32_t seconds = session->settings->adopt_timeout;

	close(session->control_fd);
	session->control_fd = -1;
	session->peer++;
	if (!session->opened) {
		/* There is nothing to keep, and the guest asks for a new session. */
		session->closing = true;
		return;
	}
	/* One that came and went without a word does not prolong it. */
	if (!session->adopt_by)
		session->adopt_by = vg_clock_ms() + seconds * 1000ull;
	vg_info(&session->who, "event=alone adopt-timeout=%u", seconds);
}

int ex_adopt_wait_ms(const struct ex_session *session)
{
	uint64_t now = vg_clock_ms();

	if (!session->adopt_by)
		return -1;
	return session->adopt_by > now ? (int)(session->adopt_by - now) : 0;
}

void ex_adopt_accept(struct ex_session *session)
{
	int fd = accept4(session->settings->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.uid != session->owner) {
		vg_warn(&session->who, "event=stranger pid=%d uid=%u", (int)peer.pid,
			(unsigned int)peer.uid);
		close(fd);
		return;
	}
	session->control_fd = fd;
}

void ex_adopt_answer(struct ex_session *session, const struct vg_packet *request)
{
	const struct ex_settings *settings = session->settings;
	struct vg_packet reply;

	vg_packet_init(&reply, VG_CTL_ANSWER, request->msg.tag);
	if (request->msg.u.adopt.protocol != VG_PROTOCOL_VERSION) {
		reply.msg.status = -EPROTO;
		snprintf(
			reply.msg.text, sizeof(reply.msg.text),
			"the executor is of an earlier release: it speaks protocol %u, xen-vgpud %u",
			VG_PROTOCOL_VERSION, request->msg.u.adopt.protocol);
	}
	reply.msg.session = (uint32_t)settings->session;
	reply.msg.u.adopt = (struct vg_control_adopt){
		.protocol = VG_PROTOCOL_VERSION,
		.domid = (uint32_t)settings->domid,
		.opened = session->opened,
		.account_slot = (uint16_t)settings->account_slot,
		.pid = session->opened ? (uint32_t)session->who.pid : 0,
		.uid = session->guest_uid,
		.count = settings->devids,
		.started = session->started,
	};
	memcpy(reply.msg.u.adopt.comm, session->comm, sizeof(session->comm));
	memcpy(reply.msg.u.adopt.devids, settings->devid, sizeof(settings->devid));
	reply.fds[0] = session->stats.fd;
	for (unsigned int i = 0; i < settings->accounts; i++)
		reply.fds[1 + i] = ex_account_of(session, i)->fd;
	vg_info(&session->who, "event=adopted status=%d", reply.msg.status);
	if (!reply.msg.status)
		session->adopt_by = 0;
	/* If it cannot be sent, the end of the socket says so next. */
	if (vg_packet_send(session->control_fd, &reply))
		vg_warn(&session->who, "event=answer-lost");
}

/* Every thread of the guest's process that had a lane has gone with its pages. */
static bool guest_gone(const struct ex_session *session)
{
	bool any = false;

	for (unsigned int i = 0; i < VG_LANES_MAX; i++) {
		const struct ex_lane *lane = session->lanes[i];

		if (!lane)
			continue;
		any = true;
		if (__atomic_load_n(&lane->shared->guest_alive, __ATOMIC_ACQUIRE) != 0)
			return false;
	}
	return any;
}

void ex_adopt_check(struct ex_session *session)
{
	if (guest_gone(session)) {
		vg_info(&session->who, "event=guest-gone");
		session->closing = true;
	} else if (vg_clock_ms() >= session->adopt_by) {
		ex_session_breach(session, -ETIMEDOUT, "no xen-vgpud came back in time");
	}
}
