/* SPDX-License-Identifier: MIT */
/*
 * One vGPU of this guest: the frontend's half of the xenbus state machine, the control ring, and
 * the requests that wait for room in it. Knows no clients: whoever owns the broker hears of
 * answers and of the device's coming and going through fe_device_events.
 */
#ifndef FE_DEVICE_H
#define FE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "protocol/bell.h"
#include "protocol/control.h"
#include "protocol/log.h"
#include "xen-frontend/frontd/ctlring.h"
#include "xen-frontend/frontd/grants.h"
#include "xen-frontend/frontd/probe.h"
#include "xenstore-schema/store.h"

/* What we have written into our state node, and what we wait for. docs/channel.md has the diagram. */
enum fe_phase {
	FE_PHASE_START,       /* nothing yet: look at what we find */
	FE_PHASE_RESET,       /* 5 written over an earlier frontend's state: backend to follow */
	FE_PHASE_CLOSED,      /* 6 written: wait for the backend's 6, then begin anew */
	FE_PHASE_INIT,        /* 1: wait for the backend's 2 */
	FE_PHASE_INITIALISED, /* 3: wait for the backend's 4 */
	FE_PHASE_CONNECTED,   /* 4 */
};

struct fe_device;

struct fe_device_events {
	/* Messages from the backend: answers, and GONE. */
	void (*message)(struct fe_device *device, const struct vg_control *msg);
	/* The connection is over, the host's service will be back: sessions go on, requests do not. */
	void (*away)(struct fe_device *device, const char *why);
	/* It is back: RESUME for each session that is to go on. */
	void (*back)(struct fe_device *device);
	/* It can be used from now on. A session that was not confirmed since `back` has ended. */
	void (*ready)(struct fe_device *device);
	/* Every session on it has ended; `why` is for the programs that had one. */
	void (*lost)(struct fe_device *device, const char *why);
};

struct fe_message;

struct fe_device {
	struct fe_device *next;
	const struct fe_device_events *events;
	void *owner; /* the events' */
	struct xs_handle *xs;
	uint32_t limit_max; /* of gntalloc's pages */
	struct vg_log_who log;

	uint32_t devid;
	char dir[32];   /* ours, relative to the domain's home */
	char token[16]; /* of the watch on the backend's directory */
	char backend[VG_STORE_PATH];
	uint32_t backend_domid;

	enum fe_phase phase;
	uint64_t deadline;     /* ms; of RESET, INITIALISED, and CONNECTED while resuming */
	bool resuming;         /* CONNECTED: the host has not told yet which sessions it has */
	uint32_t resume_tag;   /* of the last RESUME */
	uint64_t retry_at;     /* ms; do not begin anew before; 0: at once */
	unsigned int failures; /* in a row */
	bool dirty;            /* a watch has fired */
	/* Why it cannot be used now, for programs that ask; empty: it is on its way. */
	int why_rc;
	char why[VG_TEXT_MAX];

	struct fe_grant page;
	void *page_base;
	struct fe_ring ring;
	struct vg_bell bell;
	uint32_t port;
	struct fe_message *queue; /* requests that wait for a slot, oldest first */
	struct fe_message **queue_end;
	uint32_t last_tag;
	uint32_t last_session;
	unsigned int sessions; /* kept by the owner */
	unsigned int sessions_max;
	struct fe_probe probe;
};

/* NULL: no memory. Does nothing yet: the first fe_device_step() does. */
struct fe_device *fe_device_new(struct xs_handle *xs, uint32_t devid,
				const struct fe_device_events *events, void *owner);
/* The directory has vanished, or we leave: sessions are told, everything is let go. */
void fe_device_free(struct fe_device *device, const char *why);

/* Looks at xenstore and the clock and does what is due. */
void fe_device_step(struct fe_device *device, uint64_t now_ms);
/* True while a time limit of the device runs. */
bool fe_device_timed(const struct fe_device *device);
/* The event channel is readable, or might be: takes everything that has come. */
void fe_device_rung(struct fe_device *device);

static inline bool fe_device_usable(const struct fe_device *device)
{
	return device->phase == FE_PHASE_CONNECTED && !device->resuming;
}

/*
 * Sends a request, now or when there is room; fills in its tag, which is never 0 and comes back with the
 * answer. 0, -ENODEV or -ENOMEM.
 */
int fe_device_send(struct fe_device *device, struct vg_control *msg);
/* The same for what may go before the device can be used: RESUME from within `back`, and CLOSE. */
int fe_device_send_early(struct fe_device *device, struct vg_control *msg);
/* A session number that is not in use for long. */
uint32_t fe_device_session(struct fe_device *device);

/* Leaving in order: goes to 5; true when the backend has closed (6) or is not there. */
void fe_device_leave(struct fe_device *device, const char *why);
bool fe_device_left(struct fe_device *device);

#endif
