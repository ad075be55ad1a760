/* SPDX-License-Identifier: MIT */
/*
 * Guest processes and their sessions.
 *
 *   NEW --OPEN--> WAITING --a device is ready--> OPENING --answer--> OPEN --EOF, CLOSE, GONE--> GONE
 *
 * GONE lasts until the backend has said that it has nothing of the session mapped any more.
 *
 * A client speaks (its request is checked here), the backend is asked over the control ring, its answer goes
 * back to the client; SHARE makes the pages on the way down and hands them over on the way up. While a
 * request is on its way the client's socket is not read.
 *
 * Trusts clients in nothing: pid and uid come from the kernel, sizes are bounded here even though the
 * executor bounds them too, since the pages are this guest's. One thread.
 */
#include "xen-frontend/frontd/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xen-frontend/frontd/account.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/request.h"

#define HELLO_TIMEOUT_MS   10000  /* connected, but no OPEN */
#define OPEN_TIMEOUT_MS    55000  /* shorter than libcuda's own, so that it hears the reason */
#define UNSHARE_TIMEOUT_MS 600000 /* the lane is drained first, and may wait for the device */
#define CLOSE_TIMEOUT_MS   120000 /* then its pages are left to the kernel's deferred frees */

/* The largest that wire.h allows: a page and two rings. */
#define LANE_PAGES_MAX (1 + 2 * (VG_RING_MAX / VG_PAGE_SIZE))

static void client_send(struct fe_client *client, const struct vg_packet *packet)
{
	int rc;

	if (client->sock < 0)
		return;
	rc = vg_packet_send(client->sock, packet);
	if (rc == 0)
		return;
	/* Gone, or it does not read its answers: EAGAIN, as our end never blocks. Its socket's end is
	 * seen by the loop. */
	if (rc != -EPIPE)
		vg_warn(&client->log, "op=send error=\"%s\"", strerror(-rc));
	shutdown(client->sock, SHUT_RDWR);
}

static void refusal_log(struct fe_client *client, int status, const char *why)
{
	if (status && vg_log_allow(&client->broker->refusals, &client->log))
		vg_info(&client->log, "op=refuse status=%d why=\"%s\"", status, why);
}

__attribute__((format(printf, 4, 5))) static void
client_answer(struct fe_client *client, uint32_t tag, int status, const char *format, ...)
{
	struct vg_packet packet;
	va_list args;

	vg_packet_init(&packet, VG_CTL_ANSWER, tag);
	packet.msg.status = status;
	va_start(args, format);
	vsnprintf(packet.msg.text, sizeof(packet.msg.text), format, args);
	va_end(args);
	refusal_log(client, status, packet.msg.text);
	client_send(client, &packet);
}

/* Closes the client's end. The object stays while a device is closing the session, and its pages with it. */
static void client_close(struct fe_client *client)
{
	if (client->sock >= 0)
		close(client->sock);
	client->sock = -1;
	if (client->state != FE_CLIENT_GONE)
		client->broker->client_count--;
	client->state = FE_CLIENT_GONE;
	client->ring_tag = 0;
	client->deadline = client->closing ? fe_clock_ms() + CLOSE_TIMEOUT_MS : 0;
	client->parked = client->repeated = client->undoing = false;
}

void fe_request_done(struct fe_client *client)
{
	client->ring_tag = 0;
	client->deadline = 0;
	client->parked = client->repeated = client->undoing = false;
	fe_offer_free(&client->offer);
}

void fe_session_forget(struct fe_client *client)
{
	static const struct fe_choice none;

	fe_choice_take(client, &none);
	fe_request_done(client);
}

/* The client ends the session, or we do: the backend is told. */
void fe_session_close(struct fe_client *client, const char *why)
{
	struct vg_control msg = {.type = VG_CTL_CLOSE, .session = client->session};
	static const struct fe_choice none;

	vg_info(&client->log, "op=close session=%u why=\"%s\"", client->session, why);
	if (client->device) {
		client->closing = client->device;
		client->close_tag = fe_device_send_early(client->device, &msg) ? 0 : msg.tag;
		fe_account_mourn(client);
	}
	client_close(client);
	fe_choice_take(client, &none);
}

/* The session has ended over there: nothing of it is mapped. */
void fe_session_closed(struct fe_client *client)
{
	client->closing = NULL;
	client->close_tag = 0;
	client->deadline = 0;
}

/* Tells the program that its session is over. */
static void gone_send(struct fe_client *client, int status, const char *why)
{
	struct vg_packet packet;

	vg_info(&client->log, "op=gone session=%u status=%d why=\"%s\"", client->session, status,
		why);
	vg_packet_init(&packet, VG_CTL_GONE, 0);
	packet.msg.status = status;
	snprintf(packet.msg.text, sizeof(packet.msg.text), "%s", why);
	client_send(client, &packet);
}

void fe_client_end(struct fe_client *client, int status, const char *why)
{
	gone_send(client, status, why);
	client_close(client);
	fe_session_forget(client);
}

/* --- requests --- */

/* Sends `msg` for the client's request, which the answer will find by its tag. */
int fe_request_forward(struct fe_client *client, struct vg_control *msg, uint64_t timeout)
{
	int rc;

	msg->session = client->session;
	rc = fe_device_send(client->device, msg);
	if (rc)
		return rc;
	client->ring_tag = msg->tag;
	client->deadline = fe_clock_ms() + timeout;
	return 0;
}

void fe_open_try(struct fe_client *client)
{
	struct vg_control msg = client->request;
	struct fe_choice choice;
	int rc;

	fe_choose(client, &choice);
	if (!choice.count && choice.rc == 0) {
		client->state = FE_CLIENT_WAITING;
		return;
	}
	if (!choice.count) {
		client_answer(client, client->request.tag, choice.rc, "%s", choice.why);
		client_close(client);
		return;
	}
	fe_choice_take(client, &choice);
	client->session = fe_device_session(client->device);
	client->log.dev = client->device->devid;
	client->state = FE_CLIENT_OPENING;
	msg.u.open.pid = (uint32_t)client->pid;
	msg.u.open.uid = (uint32_t)client->uid;
	msg.u.open.flags = msg.u.open.count ? 0 : VG_OPEN_PICK;
	msg.u.open.count = (uint16_t)choice.count;
	for (unsigned int i = 0; i < choice.count; i++)
		msg.u.open.devids[i] = (uint8_t)choice.devices[i]->devid;
	rc = fe_request_forward(client, &msg, OPEN_TIMEOUT_MS);
	if (rc) {
		client_answer(client, client->request.tag, rc, "vGPU %u: %s", client->device->devid,
			      strerror(-rc));
		client_close(client);
		fe_session_forget(client);
	}
}

static void open_request(struct fe_client *client)
{
	const struct fe_options *options = &client->broker->options;

	if (client->request.u.open.protocol != VG_PROTOCOL_VERSION) {
		client_answer(
			client, client->request.tag, -EPROTO,
			"libcuda speaks protocol %u, vgpu-frontd %u: install the same release of both",
			client->request.u.open.protocol, VG_PROTOCOL_VERSION);
		client_close(client);
	} else if (!fe_account_session_allowed(client)) {
		client_answer(
			client, client->request.tag, -EBUSY,
			"too many programs use the vGPU: vgpu-frontd allows %u, %u of one user",
			options->sessions_max, options->sessions_max_user);
		client_close(client);
	} else {
		vg_log_clean(client->request.u.open.comm);
		client->deadline = fe_clock_ms() + DEVICE_TIMEOUT_MS;
		fe_open_try(client);
	}
}

/* NULL when the share is within the limits. */
static const char *share_refused(struct fe_client *client, const struct vg_control_share *want)
{
	const struct vg_limits *limits = &client->limits;

	if (want->kind == VG_SHARE_LANE) {
		if (want->id >= VG_LANES_MAX ||
		    fe_account_count(client, VG_SHARE_LANE) >= limits->lanes)
			return "no more lanes";
		if (want->pages < 1 || want->pages > limits->lane_pages)
			return "the lane is too large";
	} else if (want->kind == VG_SHARE_REGION) {
		uint32_t held = fe_account_pages(client, VG_SHARE_REGION);

		if (want->id >= VG_REGIONS_MAX)
			return "no more regions";
		if (want->pages < 1 || want->pages > limits->region_pages - held)
			return "no more pinned memory in this session";
	} else {
		return "unknown kind";
	}
	if (fe_account_holds(client, want->kind, want->id))
		return "its number is in use";
	return NULL;
}

static void share_request(struct fe_client *client)
{
	struct vg_control msg = client->request;
	struct vg_control_share *want = &msg.u.share;
	const char *why = share_refused(client, want);
	int rc;

	if (why) {
		client_answer(client, msg.tag, -ENOSPC, "share %u of %u pages refused: %s",
			      want->id, want->pages, why);
		return;
	}
	if (!fe_account_pages_allowed(client, want->kind, want->pages)) {
		client_answer(client, msg.tag, -ENOSPC,
			      "vgpu-frontd grants %u pages in all, %u to one user (--max-pages), "
			      "three quarters of them for pinned memory",
			      client->broker->options.pages_max,
			      client->broker->options.pages_max_user);
		return;
	}
	rc = fe_offer_make(&client->offer, want, client->device->backend_domid,
			   client->device->limit_max);
	if (rc == 0)
		rc = fe_request_forward(client, &msg, REQUEST_TIMEOUT_MS);
	if (rc) {
		fe_offer_free(&client->offer);
		client_answer(client, msg.tag, rc, "cannot grant %u pages: %s", want->pages,
			      rc == -ENOSPC
				      ? "this guest has no more pages or grants for it "
					"(vgpu-frontd --max-pages, max_grant_frames of the domain)"
				      : strerror(-rc));
	}
}

static void unshare_request(struct fe_client *client)
{
	struct vg_control msg = client->request;
	int rc = -ENOENT;

	if (fe_account_holds(client, msg.u.unshare.kind, msg.u.unshare.id))
		rc = fe_request_forward(client, &msg, UNSHARE_TIMEOUT_MS);
	if (rc)
		client_answer(client, msg.tag, rc, "share %u: %s", msg.u.unshare.id, strerror(-rc));
}

/* The service is away: the request waits as long as it might have taken. */
static void request_park(struct fe_client *client)
{
	client->parked = true;
	client->deadline =
		fe_clock_ms() +
		(client->request.type == VG_CTL_UNSHARE ? UNSHARE_TIMEOUT_MS : REQUEST_TIMEOUT_MS);
}

static void request_start(struct fe_client *client)
{
	if (!fe_device_usable(client->device))
		request_park(client);
	else if (client->request.type == VG_CTL_SHARE)
		share_request(client);
	else
		unshare_request(client);
}

/* It was parked: the time that it has taken so far counts. */
void fe_request_restart(struct fe_client *client, uint64_t deadline)
{
	client->deadline = 0;
	request_start(client);
	if (client->deadline > deadline)
		client->deadline = deadline;
}

static void request_take(struct fe_client *client)
{
	uint32_t type = client->request.type;
	bool open = client->state == FE_CLIENT_OPEN;

	if (type == VG_CTL_OPEN && client->state == FE_CLIENT_NEW)
		open_request(client);
	else if ((type == VG_CTL_SHARE || type == VG_CTL_UNSHARE) && open)
		request_start(client);
	else if (type == VG_CTL_CLOSE)
		fe_session_close(client, "the program has closed it");
	else
		client_answer(client, client->request.tag, -EPROTO,
			      "request %u makes no sense here", type);
}

void fe_client_readable(struct fe_client *client)
{
	struct vg_packet packet;
	int rc;

	if (client->sock < 0)
		return;
	/* Before its answer only the end can be of interest: poll says so by POLLHUP. */
	if (fe_client_quiet(client)) {
		fe_session_close(client, "the program has ended");
		return;
	}
	rc = vg_packet_recv(client->sock, &packet, 0);
	if (rc == -ETIMEDOUT || rc == -EAGAIN)
		return;
	if (rc) {
		fe_session_close(client, rc == -EPIPE ? "the program has ended" : strerror(-rc));
		return;
	}
	vg_packet_close_fds(&packet);
	client->repeated = false;
	client->request = packet.msg;
	request_take(client);
}

/* --- answers --- */

static void limits_adopt(struct fe_client *client, struct vg_limits *limits)
{
	uint32_t pages_max = client->broker->options.pages_max;

	if (limits->lanes > VG_LANES_MAX)
		limits->lanes = VG_LANES_MAX;
	if (limits->lane_pages > LANE_PAGES_MAX)
		limits->lane_pages = LANE_PAGES_MAX;
	if (limits->region_pages > pages_max)
		limits->region_pages = pages_max;
	limits->channel = VG_CHANNEL_XEN; /* whoever makes the pages says so: that is us */
	client->limits = *limits;
}

static void opened(struct fe_client *client, const struct vg_control *answer,
		   struct vg_packet *reply)
{
	reply->msg.u.answer.limits = answer->u.answer.limits;
	limits_adopt(client, &reply->msg.u.answer.limits);
	fe_choice_keep(client, &answer->u.answer);
	client->state = FE_CLIENT_OPEN;
	vg_info(&client->log, "op=open session=%u uid=%u comm=\"%s\"", client->session,
		(unsigned int)client->uid, client->request.u.open.comm);
}

static int shared(struct fe_client *client, struct vg_packet *reply)
{
	fe_offer_taken(&client->offer);
	fe_offer_hand_over(&client->offer, reply);
	return fe_account_add(client, &client->request.u.share, &client->offer);
}

static void resumed(struct fe_client *client, const struct vg_control *answer)
{
	client->ring_tag = 0;
	client->resumed = answer->status == 0;
	if (client->resumed) {
		vg_info(&client->log, "op=resumed session=%u", client->session);
		return;
	}
	fe_client_end(client, answer->status < 0 ? answer->status : -EPROTO,
		      answer->text[0] ? answer->text
				      : "the host does not know the session any more");
}

/* What the last connection may have shared is not shared any more: now as if for the first time. */
static void undone(struct fe_client *client)
{
	uint64_t deadline = client->deadline;

	fe_request_done(client);
	fe_request_restart(client, deadline);
}

void fe_client_answered(struct fe_client *client, const struct vg_control *answer)
{
	struct vg_packet reply;
	int rc = 0;

	if (client->device->resuming) {
		resumed(client, answer);
		return;
	}
	if (client->undoing) {
		undone(client);
		return;
	}
	vg_packet_init(&reply, VG_CTL_ANSWER, client->request.tag);
	reply.msg.status = answer->status > 0 ? -EPROTO : answer->status;
	memcpy(reply.msg.text, answer->text, sizeof(reply.msg.text));
	/* Asked for twice, it had been done the first time. */
	if (client->repeated && client->request.type == VG_CTL_UNSHARE &&
	    reply.msg.status == -ENOENT)
		reply.msg.status = 0;
	if (reply.msg.status == 0) {
		if (client->request.type == VG_CTL_OPEN)
			opened(client, answer, &reply);
		else if (client->request.type == VG_CTL_SHARE)
			rc = shared(client, &reply);
		else
			fe_account_remove(client, client->request.u.unshare.kind,
					  client->request.u.unshare.id);
	}
	if (rc == 0)
		client_send(client, &reply);
	fe_request_done(client);
	if (rc) {
		fe_session_close(client, strerror(-rc));
	} else if (client->state == FE_CLIENT_OPENING) {
		refusal_log(client, reply.msg.status, reply.msg.text);
		client_close(client);
		fe_session_forget(client);
	}
}

/* --- the device's events --- */

static void on_message(struct fe_device *device, const struct vg_control *msg)
{
	struct fe_broker *broker = device->owner;

	for (struct fe_client *c = broker->clients; c; c = c->next) {
		if (msg->type == VG_CTL_ANSWER && c->closing == device && c->close_tag &&
		    c->close_tag == msg->tag) {
			fe_session_closed(c);
			return;
		}
		if (msg->type == VG_CTL_GONE && c->closing == device &&
		    c->session == msg->session) {
			fe_session_closed(c);
			return;
		}
		if (c->device != device)
			continue;
		if (msg->type == VG_CTL_ANSWER && c->ring_tag && c->ring_tag == msg->tag) {
			fe_client_answered(c, msg);
			return;
		}
		if (msg->type == VG_CTL_GONE && c->session == msg->session) {
			fe_client_end(c, msg->status < 0 ? msg->status : -EPIPE,
				      msg->text[0] ? msg->text
						   : "the session was ended by the host");
			return;
		}
	}
	/* One that came after its time limit. */
}

static void on_lost(struct fe_device *device, const char *why)
{
	struct fe_broker *broker = device->owner;

	for (struct fe_client *c = broker->clients; c; c = c->next) {
		if (c->closing == device) {
			fe_session_closed(c);
		} else if (c->device == device) {
			fe_client_end(c, -ENODEV, why);
		} else if (fe_choice_has(c, device, true) && c->state == FE_CLIENT_OPEN) {
			/* The host ends it too, unless it is only this connection that has gone. */
			gone_send(c, -ENODEV, why);
			fe_session_close(c, why);
		}
	}
}

const struct fe_device_events fe_client_events = {
	.message = on_message,
	.away = fe_resume_away,
	.back = fe_resume_back,
	.ready = fe_resume_ready,
	.lost = on_lost,
};

/* --- life --- */

void fe_client_add(struct fe_broker *broker, int sock)
{
	struct fe_client *client = calloc(1, sizeof(*client));
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!client || getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size)) {
		free(client);
		close(sock);
		return;
	}
	client->broker = broker;
	client->sock = sock;
	client->pid = peer.pid;
	client->uid = peer.uid;
	client->log = broker->log;
	client->log.pid = peer.pid;
	client->offer = FE_OFFER_NONE;
	client->deadline = fe_clock_ms() + HELLO_TIMEOUT_MS;
	client->next = broker->clients;
	broker->clients = client;
	broker->client_count++;
}

static void client_timeout(struct fe_client *client)
{
	switch (client->state) {
	case FE_CLIENT_NEW:
		vg_info(&client->log, "op=timeout why=\"connected, but asks for nothing\"");
		client_close(client);
		break;
	case FE_CLIENT_WAITING:
		client_answer(
			client, client->request.tag, -ENODEV,
			"a vGPU is attached, but the host does not serve it: is xen-vgpud running?");
		client_close(client);
		break;
	case FE_CLIENT_OPENING:
	case FE_CLIENT_OPEN:
		if (client->parked && !client->repeated) {
			/* Nobody has been asked, so the session can go on without it. */
			client_answer(client, client->request.tag, -ETIMEDOUT,
				      "the host's vGPU service is away: is xen-vgpud running?");
			client->parked = false;
			client->deadline = 0;
			return;
		}
		client_answer(client, client->request.tag, -ETIMEDOUT,
			      "the host does not answer: see xen-vgpud's log");
		fe_session_close(client, "the host does not answer");
		break;
	case FE_CLIENT_GONE:
		vg_warn(&client->log,
			"op=timeout session=%u pages=%u why=\"the host does not end it; its pages come back "
			"when it does\"",
			client->session, fe_client_pages(client));
		fe_session_closed(client);
		break;
	}
}

void fe_clients_step(struct fe_broker *broker)
{
	struct fe_client **at = &broker->clients;
	uint64_t now = fe_clock_ms();

	while (*at) {
		struct fe_client *client = *at;

		if (client->state == FE_CLIENT_WAITING)
			fe_open_try(client);
		if (client->deadline && now >= client->deadline)
			client_timeout(client);
		if (client->state == FE_CLIENT_GONE && !client->closing) {
			fe_session_forget(client);
			fe_account_free(client);
			*at = client->next;
			free(client);
			continue;
		}
		at = &client->next;
	}
}

bool fe_clients_timed(const struct fe_broker *broker)
{
	for (const struct fe_client *c = broker->clients; c; c = c->next)
		if (c->deadline || (c->state == FE_CLIENT_GONE && !c->closing))
			return true;
	return false;
}

void fe_clients_free(struct fe_broker *broker)
{
	for (struct fe_client *c = broker->clients; c; c = c->next) {
		c->closing = NULL;
		client_close(c);
	}
	fe_clients_step(broker);
}
