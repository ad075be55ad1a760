/* SPDX-License-Identifier: MIT */
/*
 * A device's control ring at work: requests are taken as long as there are few enough unanswered
 * ones, answers wait in the outbox until the guest has made room. A guest that neither takes
 * its answers nor stops ringing costs a bounded outbox and, every now and then, a look at the ring.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/clock.h"

#define IDLE_BELLS_MAX 64u /* that bring nothing, before the port is left masked */
#define MASKED_MS      50u
#define TAKEN_MAX      64u              /* requests in one turn */
#define PROBED_MAX     VG_CTLRING_SLOTS /* taken in one turn, asked for or not */

static void device_broken(struct be_device *device, const char *reason)
{
	if (device->broken)
		return;
	device->broken = true;
	device->dirty = true;
	be_guest_log(device, &device->who, VG_LOG_WARN, "event=disconnect reason=\"%s\"", reason);
}

/* Moves what fits from the outbox into the ring. Rings when something went. */
void be_device_flush(struct be_device *device)
{
	bool moved = false;

	while (device->connected && !device->broken && device->out_count) {
		const struct vg_control *msg = &device->outbox[device->out_first];
		int rc = be_ctlring_put(&device->ring, msg);

		if (rc < 0)
			device_broken(device,
				      "the guest's index of the control ring makes no sense");
		if (rc <= 0)
			break;
		if (msg->type == VG_CTL_ANSWER)
			device->unanswered--;
		device->out_first = (device->out_first + 1) % BE_OUTBOX;
		device->out_count--;
		moved = true;
	}
	if (device->connected && !device->broken && !device->out_count) {
		int rc = be_probe_put(device);

		if (rc < 0)
			device_broken(device,
				      "the guest's index of the control ring makes no sense");
		moved |= rc > 0;
	}
	if (moved)
		be_link_ring(&device->link);
}

void be_device_send(struct be_device *device, const struct vg_control *msg)
{
	if (!device->connected || device->broken)
		return; /* nobody to tell */
	if (device->out_count == BE_OUTBOX) {
		/* Cannot happen while requests are bounded; if it does, start over. */
		device_broken(device, "too many answers are waiting");
		return;
	}
	device->outbox[(device->out_first + device->out_count) % BE_OUTBOX] = *msg;
	device->out_count++;
	be_device_flush(device);
}

void be_device_answer(struct be_device *device, const struct vg_control *request, int32_t status,
		      const char *text)
{
	struct vg_control answer = {.type = VG_CTL_ANSWER,
				    .tag = request->tag,
				    .session = request->session,
				    .status = status};

	snprintf(answer.text, sizeof(answer.text), "%s", text ? text : "");
	be_device_send(device, &answer);
}

static struct be_session *session_find(struct be_device *device, uint32_t id)
{
	for (struct be_session *s = device->sessions; s; s = s->next)
		if (s->id == id && s->state != BE_SESSION_DEAD)
			return s;
	return NULL;
}

static bool waits_for_guest(const struct be_session *session)
{
	return session->state == BE_SESSION_ADOPTING || session->state == BE_SESSION_ADOPTED;
}

void be_device_resumed(struct be_device *device)
{
	struct vg_control request = {.tag = device->resume_tag};

	if (!device->resume_asked)
		return;
	for (const struct be_session *s = device->sessions; s; s = s->next)
		if (waits_for_guest(s) || (s->adopted && s->state == BE_SESSION_ENDING))
			return;
	device->resume_asked = false;
	device->resumed = true;
	/* Of executors that ended while there was no daemon. */
	be_account_sweep(device);
	be_device_answer(device, &request, 0, NULL);
}

/* That was all: what the frontend did not name, it does not have. */
static void device_resume_rest(struct be_device *device, const struct vg_control *msg)
{
	device->resume_asked = true;
	device->resume_tag = msg->tag;
	for (struct be_session *s = device->sessions; s; s = s->next)
		if (waits_for_guest(s) && !be_session_resuming(s))
			be_session_end(s, -ENOENT, "the guest does not have it any more");
	be_device_resumed(device);
}

static void device_resume(struct be_device *device, const struct vg_control *msg)
{
	struct be_session *session = session_find(device, msg->session);

	if (device->resumed || device->resume_asked)
		be_device_answer(device, msg, -EALREADY, "sessions are resumed once, at first");
	else if (!msg->session)
		device_resume_rest(device, msg);
	else if (session && waits_for_guest(session))
		be_session_resume(session, msg);
	else
		be_device_answer(device, msg, -ENOENT,
				 "the session has ended while xen-vgpud was away");
}

static void device_request(struct be_device *device, const struct vg_control *msg)
{
	struct vg_control answer = {
		.type = VG_CTL_ANSWER, .tag = msg->tag, .session = msg->session};
	struct be_session *session;

	device->unanswered++;
	device->requests++;
	device->asked_at = vg_clock_ms();
	device->last_request = msg->type;
	if (msg->type == VG_CTL_OPEN) {
		if (be_session_open(device, msg, &answer))
			return; /* answered when the executor has */
		be_guest_log(device, &device->who, VG_LOG_WARN,
			     "event=open-refused errno=%d reason=\"%s\"", -answer.status,
			     answer.text);
		be_counts_refused(device, answer.status, answer.text);
		be_device_send(device, &answer);
		return;
	}
	if (msg->type == VG_CTL_RESUME) {
		device_resume(device, msg);
		return;
	}
	session = session_find(device, msg->session);
	if (session)
		be_session_request(session, msg);
	else
		be_device_answer(device, msg, -ENOENT, "no such session");
}

/* A guest that rings without anything to say is not unmasked at once. */
static void device_unmask(struct be_device *device, bool idle, uint64_t now)
{
	device->idle_bells = idle ? device->idle_bells + 1 : 0;
	if (device->idle_bells >= IDLE_BELLS_MAX) {
		device->idle_bells = 0;
		device->unmask_at = now + MASKED_MS;
		return;
	}
	device->unmask_at = 0;
	be_link_unmask(&device->link);
}

void be_device_serve(struct be_device *device, uint64_t now)
{
	bool rang = device->rung, idle = true;
	unsigned int probed = 0, taken = 0;
	struct vg_control msg;

	if (!device->connected || device->broken)
		return;
	device->rung = false;
	be_device_flush(device); /* it may have made room */
	while (!device->broken && device->unanswered < BE_UNANSWERED) {
		int rc = be_ctlring_take(&device->ring, &msg);

		if (rc < 0)
			device_broken(device,
				      "the guest's index of the control ring makes no sense");
		if (rc <= 0)
			break;
		if (msg.type == VG_CTL_PROBED) {
			idle &= !be_probe_answered(device, &msg);
			/* No request, so nothing bounds them but this. */
			if (++probed == PROBED_MAX)
				break;
			continue;
		}
		idle = false;
		device_request(device, &msg);
		/* Those that are refused at once leave room for more: others have their turn. */
		if (++taken == TAKEN_MAX) {
			device->rung = true;
			break;
		}
	}
	if (!__atomic_load_n(&device->ring.shared->frontend_alive, __ATOMIC_ACQUIRE))
		device_broken(device, "the guest's vgpu-frontd has gone");
	if (rang && !device->rung && !device->broken)
		device_unmask(device, idle, now);
}

/* Nobody has asked for times in a while: executors are told. */
static void device_times_end(struct be_device *device, uint64_t now)
{
	if (!device->times_until || now < device->times_until)
		return;
	device->times_until = 0;
	for (struct be_session *s = device->sessions; s; s = s->next)
		be_session_look(s);
}

void be_device_tick(struct be_device *device, uint64_t now)
{
	device_times_end(device, now);
	if (device->unmask_at && now >= device->unmask_at && device->connected) {
		device->unmask_at = 0;
		be_link_unmask(&device->link);
	}
	if (device->retry_at && now >= device->retry_at) {
		device->retry_at = 0;
		device->dirty = true;
	}
	for (struct be_session *s = device->sessions; s; s = s->next) {
		be_session_trace(s);
		be_session_tick(s, now);
	}
	be_device_resumed(device);
	/* Answers may have freed the way for requests that wait in the ring. */
	be_device_serve(device, now);
}

uint64_t be_device_deadline(const struct be_device *device)
{
	uint64_t first = UINT64_MAX;

	if (device->unmask_at)
		first = device->unmask_at;
	if (device->retry_at && device->retry_at < first)
		first = device->retry_at;
	for (const struct be_session *s = device->sessions; s; s = s->next) {
		uint64_t at = be_session_deadline(s);

		if (s->state != BE_SESSION_DEAD && at < first)
			first = at;
	}
	return first;
}
