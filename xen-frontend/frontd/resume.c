/* SPDX-License-Identifier: MIT */
/*
 * Sessions over a restart of the host's service.
 *
 * While the host's service is away (killed, restarted) open sessions go on: lanes need neither it nor us.
 * What a client asks meanwhile is parked. Once the service is back it confirms each session (RESUME) or
 * the session ends; then what was parked is asked, what was on its way again, a SHARE after an
 * UNSHARE of the same share, since nobody knows whether it had been done. What was being opened is opened
 * anew, under another number.
 */
#include <errno.h>

#include "xen-frontend/frontd/client.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/request.h"

/* The one that was opening asks anew when there is a device; the end of the first is the host's. */
static void open_again(struct fe_client *client)
{
	uint64_t until = fe_clock_ms() + DEVICE_TIMEOUT_MS;
	uint64_t deadline = client->deadline;

	fe_session_forget(client);
	client->deadline = deadline && deadline < until ? deadline : until;
	client->state = FE_CLIENT_WAITING;
}

static void client_away(struct fe_client *client)
{
	uint64_t deadline = client->deadline;
	bool asked = client->ring_tag && !client->device->resuming;

	client->resumed = false;
	if (client->state == FE_CLIENT_OPENING) {
		open_again(client);
	} else if (asked || client->parked) {
		bool repeated = asked || client->repeated;

		fe_request_done(client);
		client->parked = true;
		client->repeated = repeated;
		client->deadline = deadline;
	} else {
		client->ring_tag = 0; /* of a RESUME */
	}
}

void fe_resume_away(struct fe_device *device, const char *why)
{
	struct fe_broker *broker = device->owner;

	for (struct fe_client *c = broker->clients; c; c = c->next) {
		if (c->closing == device)
			c->close_tag = 0; /* the service says so of all together when it is back */
		if (c->device != device)
			continue;
		vg_info(&c->log, "op=away session=%u why=\"%s\"", c->session, why);
		client_away(c);
	}
}

void fe_resume_back(struct fe_device *device)
{
	struct fe_broker *broker = device->owner;

	for (struct fe_client *c = broker->clients; c; c = c->next) {
		struct vg_control msg = {.type = VG_CTL_RESUME, .session = c->session};

		if (c->device != device || c->state != FE_CLIENT_OPEN)
			continue;
		/* If there is no memory for it, the session ends when the others are confirmed. */
		if (fe_device_send_early(device, &msg) == 0)
			c->ring_tag = msg.tag;
	}
}

/* Asks what was parked, after what may have been done of it has been taken back. */
static void request_resume(struct fe_client *client)
{
	struct vg_control undo = {.type = VG_CTL_UNSHARE};
	uint64_t deadline = client->deadline;

	client->parked = false;
	if (!client->repeated || client->request.type != VG_CTL_SHARE) {
		fe_request_restart(client, deadline);
		return;
	}
	undo.u.unshare.id = client->request.u.share.id;
	undo.u.unshare.kind = client->request.u.share.kind;
	if (fe_request_forward(client, &undo, REQUEST_TIMEOUT_MS)) {
		fe_session_close(client, "no memory");
		return;
	}
	client->undoing = true;
	client->deadline = deadline;
}

static void client_ready(struct fe_client *client, const struct fe_device *device)
{
	if (client->state == FE_CLIENT_WAITING) {
		fe_open_try(client);
	} else if (client->device == device && client->state == FE_CLIENT_OPEN) {
		if (!client->resumed)
			fe_client_end(client, -ENODEV,
				      "the host does not know the session any more");
		else if (client->parked)
			request_resume(client);
	}
}

void fe_resume_ready(struct fe_device *device)
{
	struct fe_broker *broker = device->owner;

	for (struct fe_client *c = broker->clients; c; c = c->next) {
		if (c->closing == device && !c->close_tag)
			fe_session_closed(c);
		else
			client_ready(c, device);
	}
}
