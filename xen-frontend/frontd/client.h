/* SPDX-License-Identifier: MIT */
/*
 * One guest process that has connected. It has at most one request on its way, so what it can make
 * us hold is bounded. See client.c for its life.
 */
#ifndef FE_CLIENT_H
#define FE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/control.h"
#include "protocol/log.h"
#include "protocol/socket.h"
#include "xen-frontend/frontd/broker.h"
#include "xen-frontend/frontd/device.h"
#include "xen-frontend/frontd/offer.h"

enum fe_client_state {
	FE_CLIENT_NEW,     /* connected, has not said OPEN */
	FE_CLIENT_WAITING, /* has, but no device is ready yet */
	FE_CLIENT_OPENING, /* the backend has been asked */
	FE_CLIENT_OPEN,
	FE_CLIENT_GONE, /* socket closed; goes when the session has ended on the other side too */
};

/*
 * A share that the backend holds. We keep its pages until it has let go of them: pages that are freed
 * while they are mapped over there come back to the kernel at ten a second (its list of deferred frees).
 */
struct fe_hold {
	struct fe_hold *next;
	uint32_t kind;
	uint32_t id;
	struct fe_offer offer;
};

struct fe_client {
	struct fe_client *next;
	struct fe_broker *broker;
	enum fe_client_state state;
	int sock; /* -1 when gone */
	pid_t pid;
	uid_t uid;
	struct vg_log_who log;
	uint64_t deadline; /* ms; 0: none */

	struct fe_device *device; /* from OPENING on; the session's home */
	/* The other vGPUs that it has, or, while OPENING, has asked for. */
	struct fe_device *joined[VG_SESSION_DEVICES - 1];
	unsigned int joined_count;
	uint32_t session;
	struct vg_limits limits;
	struct fe_hold *holds;

	/* GONE: the device that has been told, or is to be when it is back, and has not said yet that it is done. */
	struct fe_device *closing;
	uint32_t close_tag; /* of CLOSE; 0: the connection has ended since */

	/* The request on its way to the backend, as the client sent it. */
	struct vg_control request;
	uint32_t ring_tag; /* 0: none */
	struct fe_offer offer;

	/* The host's service is away: what the client has asked waits for it. */
	bool parked;
	bool repeated; /* it was asked already, and perhaps done, when the connection ended */
	bool undoing;  /* what is on its way is an UNSHARE that takes back such a SHARE */
	bool resumed;  /* since the service came back it has confirmed the session */
};

/* Its request is under way: only the end of its socket is of interest. */
static inline bool fe_client_quiet(const struct fe_client *client)
{
	return client->ring_tag || client->parked || client->state == FE_CLIENT_WAITING;
}

/* choose.c: the devices for its OPEN. */
struct fe_choice {
	struct fe_device *devices[VG_SESSION_DEVICES]; /* the home first */
	unsigned int count;
	int rc; /* with none: why not; 0: one may be ready soon */
	char why[VG_TEXT_MAX];
};
void fe_choose(const struct fe_client *client, struct fe_choice *choice);
/* They are its from now on, for the counts; with none it has none any more. */
void fe_choice_take(struct fe_client *client, const struct fe_choice *choice);
/* What the host's answer names stays. */
void fe_choice_keep(struct fe_client *client, const struct vg_control_answer *answer);
/* Whether it has that one beside its home; `drop`: and no more. */
bool fe_choice_has(struct fe_client *client, const struct fe_device *device, bool drop);

/* The pages that it and its request hold. */
uint32_t fe_client_pages(const struct fe_client *client);

/* Answers from the device, and its coming and going. */
void fe_client_answered(struct fe_client *client, const struct vg_control *answer);
/* The session has ended on the other side: the program is told why, and nothing is sent to the backend. */
void fe_client_end(struct fe_client *client, int status, const char *why);

extern const struct fe_device_events fe_client_events;

#endif
