/* SPDX-License-Identifier: MIT */
/*
 * One guest process: an executor, a socket to it, and the requests that it has not answered.
 *
 * Neither side is trusted. The guest's requests are checked here for what concerns us (session,
 * kind, bounds) and again by the executor; the executor runs a guest's commands, so its messages
 * are checked too: an answer that nobody asked for ends it.
 *
 *   OPENING --answer--> OPEN --CLOSE, an end, a breach--> ENDING --reaped--> DEAD
 *   ADOPTING --it says who it is--> ADOPTED --RESUME of the guest--> OPEN
 *
 * The end of the socket does not end an executor, which may wait for another xen-vgpud: it is told.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "protocol/socket.h"

/* A lane is drained before it is dropped, and what is in it may wait for the device. A little
 * less than vgpu-frontd waits. */
#define UNSHARE_S         590u
#define MESSAGES_PER_TURN 32

static const struct be_config *config_of(const struct be_session *session)
{
	return &session->device->daemon->config;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void be_session_answer(struct be_session *session, uint32_t tag, int32_t status, const char *text)
{
	struct vg_control request = {.tag = tag, .session = session->id};

	be_device_answer(session->device, &request, status, text);
}

/* --- opening --------------------------------------------------------------------------------- */

int be_refuse(struct vg_control *answer, int32_t status, const char *format, ...)
{
	va_list args;

	answer->status = status;
	va_start(args, format);
	vsnprintf(answer->text, sizeof(answer->text), format, args);
	va_end(args);
	return status;
}

static int open_check(const struct be_device *device, const struct vg_control *msg,
		      struct vg_control *answer)
{
	const struct be_daemon *daemon = device->daemon;

	if (msg->u.open.protocol != VG_PROTOCOL_VERSION)
		return be_refuse(
			answer, -EPROTO,
			"libcuda and xen-vgpud speak different protocol versions: install the "
			"same release of vgpu in the guest and in dom0");
	if (msg->session == 0)
		return be_refuse(answer, -EINVAL, "a session's number must not be 0");
	for (struct be_session *s = device->sessions; s; s = s->next)
		if (s->id == msg->session && s->state != BE_SESSION_DEAD)
			return be_refuse(answer, -EEXIST, "this session number is in use");
	if (be_seats_check(device, &msg->u.open, answer))
		return answer->status;
	if (device->seat_count >= device->settings.max_sessions)
		return be_refuse(
			answer, -EBUSY,
			"the vGPU has as many processes as it may have: end one, or attach it "
			"with a higher max-sessions");
	if (daemon->executor_count >= daemon->config.max_executors)
		return be_refuse(answer, -EBUSY,
				 "the host runs as many executors as it may: ask its administrator "
				 "(max-executors of xen-vgpud)");
	return 0;
}

struct be_session *be_session_new(struct be_device *device, uint32_t id)
{
	struct be_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->device = device;
	s->id = id;
	s->pid = -1;
	s->pidfd = -1;
	s->sock = -1;
	s->account_slot = VG_ACCOUNT_SLOTS;
	s->started = time(NULL);
	s->who = device->who;
	be_seat_take(s, device);
	be_counts_begin(s);
	return s;
}

/* A place in each device's account; the descriptors stay the devices'. */
static int session_account(struct be_session *s, struct be_spawn_fds *fds)
{
	int rc = 0;

	for (unsigned int i = 0; i < s->seat_count && !rc; i++) {
		rc = be_account_open(s->seats[i].device);
		fds->accounts[i] = s->seats[i].device->account_fd;
	}
	if (!rc)
		rc = be_account_slot(s);
	if (rc < 0)
		return rc;
	fds->account_count = s->seat_count;
	s->account_slot = (unsigned int)rc;
	return 0;
}

void be_session_introduce(struct be_session *session, uint32_t pid, uint32_t uid, const char *comm)
{
	session->guest_pid = pid;
	session->guest_uid = uid;
	snprintf(session->comm, sizeof(session->comm), "%.*s", VG_COMM_MAX - 1, comm);
	vg_log_clean(session->comm);
	session->who.pid = pid;
}

void be_session_add(struct be_session *session)
{
	struct be_device *device = session->device;

	session->next = device->sessions;
	device->sessions = session;
	be_seats_enter(session);
	device->daemon->executor_count++;
}

static int session_spawn(struct be_session *s, const struct be_spawn_fds *fds)
{
	int rc;

	s->pid = be_spawn(s, fds);
	if (s->pid < 0)
		return (int)s->pid;
	s->pidfd = pidfd_open(s->pid, 0);
	if (s->pidfd >= 0)
		return 0;
	rc = -errno;
	/* Our own child, not reaped: the number cannot be another's. */
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	return rc;
}

/* Makes socket, counters and process. On failure what was made stays in `s` for session_free. */
static int session_start(struct be_session *s)
{
	struct be_spawn_fds fds = {.stats = -1, .listener = -1};
	int pair[2] = {-1, -1}, rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	s->sock = pair[0];
	fds.control = pair[1];
	rc = session_account(s, &fds);
	if (rc >= 0)
		rc = fds.stats = be_stats_new(&s->stats);
	if (rc >= 0 && config_of(s)->adopt_timeout)
		rc = fds.listener = be_adopt_bind(s);
	if (rc >= 0)
		rc = session_spawn(s, &fds);
	if (rc < 0 && *s->path)
		unlink(s->path);
	close(pair[1]);
	if (fds.stats >= 0)
		close(fds.stats);
	if (fds.listener >= 0)
		close(fds.listener);
	return rc < 0 ? rc : 0;
}

struct be_request *be_session_find(struct be_session *session, bool used, uint32_t tag)
{
	for (size_t i = 0; i < VG_CTLRING_SLOTS; i++) {
		struct be_request *r = &session->requests[i];

		if (r->used == used && (!used || r->tag == tag))
			return r;
	}
	return NULL;
}

/* Hands a packet to the executor and remembers that it owes an answer. */
static int session_forward(struct be_session *session, struct vg_packet *packet, uint32_t seconds)
{
	struct be_request *request = be_session_find(session, false, 0);
	int rc;

	if (!request)
		return -EBUSY;
	packet->msg.session = 0; /* an executor has only one */
	rc = vg_packet_send(session->sock, packet);
	if (rc)
		return rc;
	*request = (struct be_request){.used = true,
				       .tag = packet->msg.tag,
				       .type = packet->msg.type,
				       .deadline = vg_clock_ms() + seconds * 1000ull};
	return 0;
}

struct be_session *be_session_open(struct be_device *device, const struct vg_control *msg,
				   struct vg_control *answer)
{
	char seats[BE_SEATS_TEXT];
	struct vg_packet packet;
	struct be_session *s;
	int rc;

	if (open_check(device, msg, answer))
		return NULL;
	s = be_session_new(device, msg->session);
	if (!s) {
		be_refuse(answer, -ENOMEM, "the host is out of memory");
		return NULL;
	}
	if (be_seats_choose(s, &msg->u.open, answer)) {
		be_session_free(s);
		return NULL;
	}
	be_session_introduce(s, msg->u.open.pid, msg->u.open.uid, msg->u.open.comm);
	rc = session_start(s);
	if (rc) {
		vg_error(&s->who, "event=spawn-failed errno=%d reason=\"%s\" executor=\"%s\"", -rc,
			 strerror(-rc), device->daemon->config.executor);
		be_refuse(answer, -EAGAIN,
			  "the host could not start an executor: see xen-vgpud's log");
		be_session_free(s);
		return NULL;
	}
	be_session_add(s);
	be_guest_log(device, &s->who, VG_LOG_INFO,
		     "event=session-start session=%u executor=%d vgpus=%s uid=%u comm=\"%s\"",
		     s->id, (int)s->pid, be_seats_text(s, seats), s->guest_uid, s->comm);
	vg_packet_init(&packet, VG_CTL_OPEN, msg->tag);
	packet.msg.u.open = msg->u.open;
	packet.msg.u.open.flags = 0;
	packet.msg.u.open.count = (uint16_t)be_seats_list(s, packet.msg.u.open.devids);
	memcpy(packet.msg.u.open.comm, s->comm, sizeof(s->comm));
	rc = session_forward(s, &packet, config_of(s)->open_timeout);
	if (rc) {
		be_session_answer(s, msg->tag, rc, "the executor does not take requests");
		be_session_end(s, rc, "executor does not take requests");
	}
	be_session_trace(s); /* before any lane is there: it is recorded whole */
	return s;
}

/* --- requests of an open session ------------------------------------------------------------- */

static int share_check(const struct be_device *device, const struct vg_control_share *share,
		       const char **why)
{
	const struct vg_settings *set = &device->settings;

	*why = "a share of no known kind";
	if (share->kind == VG_SHARE_LANE) {
		*why = "a lane beyond the vGPU's max-lanes or max-lane-pages";
		if (share->id < set->max_lanes && share->pages <= set->max_lane_pages &&
		    share->pages)
			return 0;
	} else if (share->kind == VG_SHARE_REGION) {
		*why = "a region beyond the vGPU's max-region-pages";
		if (share->id < VG_REGIONS_MAX && share->pages <= set->max_region_pages &&
		    share->pages)
			return 0;
	}
	return -EINVAL;
}

static void session_share(struct be_session *session, const struct vg_control *msg)
{
	struct be_device *device = session->device;
	struct vg_packet packet;
	const char *why;
	int rc = share_check(device, &msg->u.share, &why);

	vg_packet_init(&packet, VG_CTL_SHARE, msg->tag);
	packet.msg.u.share = msg->u.share;
	packet.msg.u.share.pad = 0;
	if (!rc && msg->u.share.kind == VG_SHARE_LANE) {
		why = "the lane's event channel cannot be bound";
		rc = be_link_bind_lane(device->domid, msg->u.share.port, &packet.msg.u.share.port);
		if (rc >= 0) {
			packet.fds[0] = rc;
			rc = 0;
		}
	}
	if (!rc) {
		why = "the executor does not take requests";
		rc = session_forward(session, &packet, config_of(session)->request_timeout);
	}
	vg_packet_close_fds(&packet);
	if (rc) {
		be_guest_log(device, &session->who, VG_LOG_WARN,
			     "event=share-refused session=%u errno=%d reason=\"%s\"", session->id,
			     -rc, why);
		be_device_answer(device, msg, rc, why);
	}
}

static void session_unshare(struct be_session *session, const struct vg_control *msg)
{
	struct vg_packet packet;
	int rc;

	vg_packet_init(&packet, VG_CTL_UNSHARE, msg->tag);
	packet.msg.u.unshare = msg->u.unshare;
	rc = session_forward(session, &packet, UNSHARE_S);
	if (rc)
		be_device_answer(session->device, msg, rc, "the executor does not take requests");
}

/* Answered when the executor has ended, which it may be about already: nothing of the guest is mapped then. */
static void session_close(struct be_session *session, const struct vg_control *msg)
{
	if (session->close_asked) {
		be_device_answer(session->device, msg, -EPROTO, "it is being closed already");
		return;
	}
	session->close_asked = true;
	session->close_tag = msg->tag;
	be_session_end(session, 0, "closed by the program");
}

/* 0 or a negative errno: one that takes nothing has its socket full after a while. */
static int look_send(struct be_session *session, uint64_t now)
{
	const struct be_trace *trace = be_trace_of(session);
	uint32_t number = trace ? trace->number : 0;
	struct vg_packet packet;
	int rc;

	vg_packet_init(&packet, VG_CTL_LOOK, 0);
	packet.msg.u.look.log_level =
		(uint32_t)__atomic_load_n(&session->who.level, __ATOMIC_RELAXED);
	packet.msg.u.look.want = now < session->device->times_until ? VG_WANT_TIMES : 0;
	if (trace)
		packet.msg.u.look.want |= VG_WANT_TRACE | (trace->data ? VG_WANT_TRACE_DATA : 0);
	if (trace && number != session->trace)
		packet.fds[0] = trace->fd; /* stays its owner's */
	rc = vg_packet_send(session->sock, &packet);
	if (!rc)
		session->trace = number;
	return rc;
}

void be_session_look(struct be_session *session)
{
	uint64_t now = vg_clock_ms();

	if (session->state != BE_SESSION_OPEN)
		return;
	(void)look_send(session, now); /* that it does not answer is an answer, too */
	if (session->looked >= session->look_asked)
		session->look_asked = now;
}

void be_session_trace(struct be_session *session)
{
	const struct be_trace *trace = be_trace_of(session);

	if (session->state != BE_SESSION_OPEN && session->state != BE_SESSION_OPENING)
		return;
	if ((trace ? trace->number : 0) != session->trace)
		(void)look_send(session, vg_clock_ms()); /* else the next turn tries */
}

void be_session_request(struct be_session *session, const struct vg_control *msg)
{
	vg_call(&session->who, "event=request session=%u type=%u tag=%u", session->id, msg->type,
		msg->tag);
	/* A program may end while its session is being opened or taken over. */
	if (session->state <= BE_SESSION_ENDING && msg->type == VG_CTL_CLOSE) {
		session_close(session, msg);
		return;
	}
	if (session->state != BE_SESSION_OPEN) {
		be_device_answer(session->device, msg, -ESHUTDOWN, "the session is not open");
		return;
	}
	switch (msg->type) {
	case VG_CTL_SHARE: session_share(session, msg); break;
	case VG_CTL_UNSHARE: session_unshare(session, msg); break;
	default: be_device_answer(session->device, msg, -ENOSYS, "an unknown request"); break;
	}
}

/* --- the executor's side --------------------------------------------------------------------- */

/* What the guest gets to see of an executor's answer: only fields that mean something. */
static void answer_clean(const struct be_session *session, const struct be_request *request,
			 const struct vg_control *from, struct vg_control *to)
{
	const struct vg_settings *set = &session->device->settings;
	const struct vg_limits *limits = &from->u.answer.limits;

	memset(to, 0, sizeof(*to));
	to->type = VG_CTL_ANSWER;
	to->tag = request->tag;
	to->session = session->id;
	to->status = from->status <= 0 ? from->status : -EPROTO;
	snprintf(to->text, sizeof(to->text), "%s", from->text);
	vg_log_clean(to->text);
	if (request->type == VG_CTL_OPEN && !to->status) {
		to->u.answer.limits.lanes = min_u32(limits->lanes, set->max_lanes);
		to->u.answer.limits.lane_pages = min_u32(limits->lane_pages, set->max_lane_pages);
		to->u.answer.limits.region_pages =
			min_u32(limits->region_pages, set->max_region_pages);
		to->u.answer.limits.channel = VG_CHANNEL_XEN;
		to->u.answer.count = be_seats_list(session, to->u.answer.devids);
	}
}

static void session_opened(struct be_session *session, const struct vg_control *answer)
{
	if (answer->status) {
		be_guest_log(session->device, &session->who, VG_LOG_WARN,
			     "event=session-refused session=%u errno=%d reason=\"%s\"", session->id,
			     -answer->status, answer->text);
		session->refused = true;
		be_session_end(session, answer->status, answer->text);
		return;
	}
	session->state = BE_SESSION_OPEN;
	session->opened = true;
	be_counts_opened(session);
}

static void session_answer(struct be_session *session, const struct vg_control *msg)
{
	struct be_request *request = be_session_find(session, true, msg->tag);
	struct vg_control answer;

	if (!request) {
		be_session_end(session, -EPROTO, "the executor answered what nobody asked");
		return;
	}
	answer_clean(session, request, msg, &answer);
	request->used = false;
	vg_call(&session->who, "event=answer session=%u type=%u tag=%u status=%d", session->id,
		request->type, request->tag, answer.status);
	if (request->type == VG_CTL_OPEN)
		session_opened(session, &answer);
	be_device_send(session->device, &answer);
}

static void session_message(struct be_session *session, struct vg_packet *packet)
{
	struct vg_control *msg = &packet->msg;

	if (msg->type == VG_CTL_ANSWER && session->state == BE_SESSION_ADOPTING) {
		be_session_adopted(session, packet);
	} else if (msg->type == VG_CTL_ANSWER) {
		session_answer(session, msg);
	} else if (msg->type == VG_CTL_LOOKED) {
		session->looked = vg_clock_ms();
	} else if (msg->type == VG_CTL_GONE) {
		vg_log_clean(msg->text);
		be_session_end(session, msg->status < 0 ? msg->status : 0, msg->text);
	} else {
		be_session_end(session, -EPROTO, "the executor sent an unknown message");
	}
}

void be_session_read(struct be_session *session)
{
	struct vg_packet packet;

	for (int i = 0; i < MESSAGES_PER_TURN && session->sock >= 0; i++) {
		int rc = vg_packet_recv(session->sock, &packet, 0);

		if (rc == -ETIMEDOUT)
			return;
		if (rc) {
			be_session_end(session, rc == -EPIPE ? -EPIPE : -EPROTO,
				       rc == -EPIPE ? "the executor ended"
						    : "the executor sent a malformed message");
			return;
		}
		session_message(session, &packet);
		vg_packet_close_fds(&packet);
	}
}
