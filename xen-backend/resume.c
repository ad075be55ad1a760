/* SPDX-License-Identifier: MIT */
/*
 * The sessions of executors that an earlier xen-vgpud has started (adopt.c finds them): the executor says
 * who it is, the guest names the session in RESUME, and only then it goes on.
 *
 * The executor is believed in nothing that its socket's name does not say as well; a guest can name
 * sessions of its own device only.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "protocol/clock.h"
#include "protocol/socket.h"

/* For an executor to answer ADOPT, at most: vgpu-frontd waits 45 s for all of them. */
#define ADOPT_S 30u

/* ms; never longer than a guest waits */
static uint64_t adopt_ms(const struct be_session *session)
{
	uint32_t timeout = session->device->daemon->config.request_timeout;

	return (timeout < ADOPT_S ? timeout : ADOPT_S) * 1000ull;
}

bool be_session_adopt(struct be_device *device, const struct be_found *found)
{
	struct be_session *s = be_session_new(device, found->session);
	struct vg_packet packet;

	if (!s)
		return false;
	s->state = BE_SESSION_ADOPTING;
	s->adopted = true;
	s->adopt_by = vg_clock_ms() + adopt_ms(s);
	s->settings_print = found->settings_print;
	memcpy(s->path, found->path, sizeof(s->path));
	s->sock = found->sock;
	s->pidfd = found->pidfd;
	s->pid = found->pid;
	be_session_add(s);
	vg_packet_init(&packet, VG_CTL_ADOPT, 0);
	packet.msg.u.adopt.protocol = VG_PROTOCOL_VERSION;
	/* If it cannot be sent, its end or the time limit follows. */
	vg_packet_send(s->sock, &packet);
	return true;
}

bool be_session_resuming(const struct be_session *session)
{
	for (size_t i = 0; i < VG_CTLRING_SLOTS; i++)
		if (session->requests[i].used && session->requests[i].type == VG_CTL_RESUME)
			return true;
	return false;
}

/* Both the executor and the guest want it to go on. */
static void session_resumed(struct be_session *session, uint32_t tag)
{
	if (session->settings_print != be_settings_print(session)) {
		be_session_answer(session, tag, -ESTALE,
				  "the vGPU's settings were changed while xen-vgpud was away");
		be_session_end(session, -ESTALE, "the vGPU's settings were changed");
		return;
	}
	session->state = BE_SESSION_OPEN;
	session->opened = true;
	be_guest_log(session->device, &session->who, VG_LOG_INFO,
		     "event=session-resumed session=%u executor=%d comm=\"%s\"", session->id,
		     (int)session->pid, session->comm);
	be_session_answer(session, tag, 0, NULL);
}

void be_session_resume(struct be_session *session, const struct vg_control *msg)
{
	struct be_request *request = be_session_find(session, false, 0);

	if (session->state == BE_SESSION_ADOPTED && be_seats_ready(session)) {
		session_resumed(session, msg->tag);
		return;
	}
	if (!request || be_session_resuming(session)) {
		be_device_answer(session->device, msg, -EALREADY, "it is being resumed");
		return;
	}
	*request = (struct be_request){.used = true,
				       .tag = msg->tag,
				       .type = VG_CTL_RESUME,
				       .deadline = vg_clock_ms() + adopt_ms(session)};
}

/* Its devices come back one by one. */
void be_session_resume_wait(struct be_session *session)
{
	for (size_t i = 0; i < VG_CTLRING_SLOTS; i++) {
		struct be_request *request = &session->requests[i];

		if (!request->used || session->state != BE_SESSION_ADOPTED ||
		    !be_seats_ready(session))
			continue;
		request->used = false;
		session_resumed(session, request->tag);
	}
}

/* What the executor says of itself must be what its socket's name says of it. */
static const char *adopt_check(const struct be_session *session, const struct vg_packet *packet)
{
	const struct vg_control *msg = &packet->msg;
	const struct vg_control_adopt *adopt = &msg->u.adopt;

	if (msg->status)
		return msg->text[0] ? msg->text : "the executor does not want to be adopted";
	if (adopt->protocol != VG_PROTOCOL_VERSION || msg->session != session->id ||
	    adopt->domid != session->device->domid)
		return "the executor says that it is another";
	if (!adopt->opened)
		return "the session was not open yet when xen-vgpud went";
	return NULL;
}

void be_session_adopted(struct be_session *session, struct vg_packet *packet)
{
	const struct vg_control_adopt *adopt = &packet->msg.u.adopt;
	char seats[BE_SEATS_TEXT];
	const char *wrong;
	int64_t now = time(NULL);

	vg_log_clean(packet->msg.text);
	wrong = adopt_check(session, packet);
	if (!wrong) {
		session->stats = be_stats_adopt(packet->fds[0]);
		if (!session->stats)
			wrong = "the executor handed over no counters";
	}
	if (!wrong && be_seats_adopt(session, adopt))
		wrong = "the executor says that it has other vGPUs";
	if (!wrong)
		wrong = be_account_adopt(session, packet->fds + 1, adopt->account_slot);
	if (wrong) {
		be_session_end(session, -EPROTO, wrong);
		return;
	}
	be_session_introduce(session, adopt->pid, adopt->uid, adopt->comm);
	session->started = adopt->started > 0 && adopt->started <= now ? adopt->started : now;
	be_counts_begin(session);
	session->state = BE_SESSION_ADOPTED;
	session->adopt_by = vg_clock_ms() + session->device->daemon->config.adopt_timeout * 1000ull;
	vg_info(&session->who, "event=session-adopted session=%u executor=%d vgpus=%s comm=\"%s\"",
		session->id, (int)session->pid, be_seats_text(session, seats), session->comm);
	be_session_resume_wait(session);
}
