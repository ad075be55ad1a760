/* SPDX-License-Identifier: MIT */
/*
 * One vGPU: xenbus state machine and control ring, frontend's half.
 *
 * Trusts the backend in nothing that it says on the ring; the paths come from this guest's own directory, which
 * only its root can write. Runs in vgpu-frontd's one thread. Calls to xenstore are synchronous.
 *
 * Sessions outlive a connection: while the backend is away they are the owner's to keep, and on the
 * next connection the backend is asked about each (RESUME) before anything else is sent.
 */
#include "xen-frontend/frontd/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <xen/io/xenbus.h>

#include "xen-frontend/frontd/clock.h"
#include "xenstore-schema/schema.h"

#define RESET_TIMEOUT_MS   5000  /* as long as a kexec'ing kernel waits */
#define CONNECT_TIMEOUT_MS 30000 /* backend at 2, we at 3: it only has to map a page */
#define RESUME_TIMEOUT_MS  45000 /* the host asks its executors, and may have to end some */
#define RETRY_FIRST_MS     1000
#define RETRY_MAX_MS       30000

struct fe_message {
	struct fe_message *next;
	struct vg_control msg;
};

/* --- xenstore --- */

static int state_read(struct fe_device *device, const char *dir)
{
	uint64_t state;

	if (vg_store_read_uint(device->xs, XBT_NULL, dir, VG_KEY_STATE, XenbusStateUnknown,
			       XenbusStateClosed, &state))
		return XenbusStateUnknown;
	return (int)state;
}

static void state_write(struct fe_device *device, int state)
{
	int rc = vg_store_write_uint(device->xs, XBT_NULL, device->dir, VG_KEY_STATE,
				     (uint64_t)state);

	if (rc && rc != -ENOENT)
		vg_warn(&device->log, "op=state value=%d error=\"%s\"", state, strerror(-rc));
}

static bool backend_online(struct fe_device *device)
{
	uint64_t online;

	return vg_store_read_uint(device->xs, XBT_NULL, device->backend, VG_KEY_ONLINE, 0, 1,
				  &online) == 0 &&
	       online == 1;
}

/* Where tools look for what ails a frontend. An empty text removes it. */
static void error_publish(struct fe_device *device)
{
	char dir[48], value[VG_TEXT_MAX + 16];

	snprintf(dir, sizeof(dir), "error/%s", device->dir);
	if (!device->why[0]) {
		vg_store_remove(device->xs, XBT_NULL, dir, NULL);
		vg_store_prune(device->xs, "error/device/vgpu");
		return;
	}
	snprintf(value, sizeof(value), "%d %s", -device->why_rc, device->why);
	vg_store_write(device->xs, XBT_NULL, dir, VG_KEY_ERROR, value);
}

__attribute__((format(printf, 3, 4))) static void why_set(struct fe_device *device, int rc,
							  const char *format, ...)
{
	char why[VG_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (rc == device->why_rc && !strcmp(why, device->why))
		return;
	device->why_rc = rc;
	memcpy(device->why, why, sizeof(device->why));
	if (rc)
		vg_warn(&device->log, "op=device rc=%d why=\"%s\"", rc, why);
	error_publish(device);
}

static void why_clear(struct fe_device *device)
{
	why_set(device, 0, "%s", "");
}

static void phase_set(struct fe_device *device, enum fe_phase phase)
{
	static const char *const names[] = {"start", "reset",       "closed",
					    "init",  "initialised", "connected"};

	vg_info(&device->log, "op=phase from=%s to=%s", names[device->phase], names[phase]);
	device->phase = phase;
}

/* --- the control ring's page --- */

static void queue_drop(struct fe_device *device)
{
	while (device->queue) {
		struct fe_message *message = device->queue;

		device->queue = message->next;
		free(message);
	}
	device->queue_end = &device->queue;
}

static void ring_free(struct fe_device *device)
{
	queue_drop(device);
	fe_probe_drop(&device->probe);
	if (device->page_base)
		munmap(device->page_base, VG_PAGE_SIZE);
	device->page_base = NULL;
	device->ring.shared = NULL;
	fe_grant_free(&device->page);
	vg_bell_close(&device->bell);
}

static int ring_make(struct fe_device *device)
{
	int rc;

	ring_free(device);
	rc = fe_grant_alloc(&device->page, device->backend_domid, 1, device->limit_max);
	if (rc == 0)
		rc = fe_port_bind(&device->bell, &device->port, device->backend_domid);
	if (rc == 0)
		rc = fe_grant_notify(&device->page,
				     offsetof(struct vg_control_ring, frontend_alive),
				     device->port);
	if (rc == 0) {
		device->page_base = fe_grant_map(&device->page, 0, 1);
		rc = device->page_base ? 0 : -errno;
	}
	if (rc)
		ring_free(device);
	else
		fe_ring_init(&device->ring, device->page_base);
	return rc;
}

/* --- transitions --- */

static void sessions_lost(struct fe_device *device, const char *why)
{
	queue_drop(device);
	device->resuming = false;
	device->events->lost(device, why);
}

/* Only this connection has ended, as far as we know. */
static void sessions_away(struct fe_device *device, const char *why)
{
	queue_drop(device);
	device->events->away(device, why); /* it may want to know that we were resuming */
	device->resuming = false;
}

/*
 * We are done with this connection: 6. The page stays until the backend has let go of it, which its 6
 * says: freed earlier, it would only go on the kernel's list of deferred frees.
 */
static void go_closed(struct fe_device *device)
{
	state_write(device, XenbusStateClosed);
	phase_set(device, FE_PHASE_CLOSED);
}

static void connect_failed(struct fe_device *device)
{
	uint64_t delay = RETRY_FIRST_MS;

	for (unsigned int i = 0; i < device->failures && delay < RETRY_MAX_MS; i++)
		delay *= 2;
	device->failures++;
	device->retry_at = fe_clock_ms() + (delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS);
	go_closed(device);
}

static bool version_listed(const char *list, uint32_t version)
{
	while (*list) {
		char *end;
		unsigned long number = strtoul(list, &end, 10);

		if (end == list || (*end && *end != ','))
			return false;
		if (number == version)
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

static bool version_agreed(struct fe_device *device)
{
	char list[64];

	if (vg_store_read(device->xs, XBT_NULL, device->backend, VG_KEY_PROTOCOL_VERSIONS, list,
			  sizeof(list)))
		snprintf(list, sizeof(list), "none");
	if (version_listed(list, VG_PROTOCOL_VERSION))
		return true;
	vg_log_clean(list);
	why_set(device, -EPROTO,
		"vGPU %u: the host's xen-vgpud speaks protocol %s, this guest's vgpu-frontd %u: install "
		"the same release on both",
		device->devid, list, VG_PROTOCOL_VERSION);
	return false;
}

static int keys_write(struct fe_device *device)
{
	const struct {
		const char *name;
		uint64_t value;
	} keys[] = {
		{VG_KEY_RING_REF, device->page.refs[0]},
		{VG_KEY_EVENT_CHANNEL, device->port},
		{VG_KEY_PROTOCOL, VG_PROTOCOL_VERSION},
		{VG_KEY_STATE, XenbusStateInitialised}, /* last: the others stand by then */
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int rc = vg_store_write_uint(device->xs, XBT_NULL, device->dir, keys[i].name,
					     keys[i].value);

		if (rc)
			return rc;
	}
	return 0;
}

/* The backend is at 2. */
static void connect_begin(struct fe_device *device, uint64_t now)
{
	uint64_t max;
	int rc;

	if (!version_agreed(device)) {
		/* It was replaced by another release, which can do nothing with our sessions. */
		device->events->lost(device, device->why);
		return;
	}
	device->sessions_max = 0;
	if (vg_store_read_uint(device->xs, XBT_NULL, device->backend, VG_KEY_MAX_SESSIONS, 1,
			       UINT32_MAX, &max) == 0)
		device->sessions_max = (unsigned int)max;
	rc = ring_make(device);
	if (rc == 0)
		rc = keys_write(device);
	if (rc) {
		why_set(device, rc, "vGPU %u: cannot make the control ring: %s%s", device->devid,
			strerror(-rc),
			rc == -ENOENT ? " (are the modules xen-gntalloc and xen-evtchn loaded?)"
				      : "");
		connect_failed(device);
		return;
	}
	device->deadline = now + CONNECT_TIMEOUT_MS;
	phase_set(device, FE_PHASE_INITIALISED);
}

static void backend_error_adopt(struct fe_device *device)
{
	char error[VG_TEXT_MAX - 64];

	if (vg_store_read(device->xs, XBT_NULL, device->backend, VG_KEY_ERROR, error,
			  sizeof(error)))
		return;
	vg_log_clean(error);
	why_set(device, -ENODEV, "vGPU %u is attached, but the host cannot serve it: %s",
		device->devid, error);
}

static const char detached[] = "the vGPU was detached from this guest";

static void step_init(struct fe_device *device, int backend, uint64_t now)
{
	if (!backend_online(device))
		device->events->lost(device, detached);
	if (backend == XenbusStateInitWait && !device->retry_at)
		connect_begin(device, now);
	else if (backend == XenbusStateClosing)
		go_closed(device);
	else
		backend_error_adopt(device);
}

static void message_queue(struct fe_device *device, struct fe_message *message)
{
	*device->queue_end = message;
	device->queue_end = &message->next;
	vg_call(&device->log, "op=control type=%u tag=%u session=%u", message->msg.type,
		message->msg.tag, message->msg.session);
	/* Sent by fe_device_rung(), never here: nothing can go wrong in the middle of the caller's work. */
}

static int message_send(struct fe_device *device, struct vg_control *msg)
{
	struct fe_message *message = calloc(1, sizeof(*message));

	if (!message)
		return -ENOMEM;
	if (++device->last_tag == 0)
		++device->last_tag;
	msg->tag = device->last_tag;
	message->msg = *msg;
	message_queue(device, message);
	return 0;
}

/* First of all the host hears which sessions we still have, even if it is none. */
static void resume_begin(struct fe_device *device, uint64_t now)
{
	struct vg_control all = {.type = VG_CTL_RESUME};

	device->resuming = true;
	device->deadline = now + RESUME_TIMEOUT_MS;
	device->events->back(device);
	if (message_send(device, &all))
		device->deadline = now; /* no memory: try again */
	device->resume_tag = all.tag;
}

static void resume_end(struct fe_device *device)
{
	device->resuming = false;
	device->failures = 0;
	device->events->ready(device);
}

static void step_initialised(struct fe_device *device, int backend, uint64_t now)
{
	if (backend == XenbusStateConnected) {
		state_write(device, XenbusStateConnected);
		device->ring.backend_seen = true; /* before it went to 4 */
		why_clear(device);
		phase_set(device, FE_PHASE_CONNECTED);
		resume_begin(device, now);
		return;
	}
	if (backend != XenbusStateInitWait && backend != XenbusStateInitialised) {
		why_set(device, -ENODEV, "vGPU %u: the host has refused the connection",
			device->devid);
		backend_error_adopt(device);
		connect_failed(device);
	} else if (now >= device->deadline) {
		why_set(device, -ETIMEDOUT, "vGPU %u: the host does not connect", device->devid);
		connect_failed(device);
	}
}

static void step_connected(struct fe_device *device, int backend, uint64_t now)
{
	if (backend == XenbusStateConnected && device->resuming && now >= device->deadline) {
		why_set(device, -ETIMEDOUT, "vGPU %u: the host does not answer", device->devid);
		sessions_lost(device, device->why);
		connect_failed(device);
		return;
	}
	if (backend == XenbusStateConnected)
		return;
	if (backend_online(device))
		sessions_away(device, "the host's vGPU service has closed the device");
	else
		sessions_lost(device, detached);
	go_closed(device);
}

static void step_closed(struct fe_device *device, int backend)
{
	if (!backend_online(device))
		device->events->lost(device, detached);
	if (backend != XenbusStateClosed)
		return;
	ring_free(device);
	if (device->retry_at || !backend_online(device))
		return;
	state_write(device, XenbusStateInitialising);
	phase_set(device, FE_PHASE_INIT);
}

/*
 * The backend's path, from our own directory: it must be the one that belongs to this device. Its directory
 * is watched from here on.
 */
static int backend_find(struct fe_device *device)
{
	char path[VG_STORE_PATH];
	struct vg_schema_device id = {.devid = device->devid};
	uint64_t domid, self;
	int rc = vg_store_read(device->xs, XBT_NULL, device->dir, VG_KEY_BACKEND, path,
			       sizeof(path));

	if (rc == 0)
		rc = vg_store_read_uint(device->xs, XBT_NULL, device->dir, VG_KEY_BACKEND_ID, 0,
					VG_SCHEMA_DOMID_MAX, &domid);
	if (rc == 0)
		rc = vg_store_read_uint(device->xs, XBT_NULL, "domid", NULL, 0, VG_SCHEMA_DOMID_MAX,
					&self);
	if (rc)
		return rc;
	id.domid = (unsigned int)self;
	if (vg_schema_backend_of(path, &id) || id.backend != domid)
		return -EINVAL;
	if (device->backend[0])
		xs_unwatch(device->xs, device->backend, device->token);
	memcpy(device->backend, path, strlen(path) + 1);
	device->backend_domid = id.backend;
	return xs_watch(device->xs, device->backend, device->token) ? 0 : -errno;
}

/* A new device is at 1. Anything else was left by a frontend that is no more: 5, 6, 1. */
static void step_start(struct fe_device *device, uint64_t now)
{
	int rc = backend_find(device);
	int own;

	if (rc) {
		why_set(device, rc, "vGPU %u: its xenstore directory makes no sense: %s",
			device->devid, strerror(-rc));
		return;
	}
	/* Unconditionally: an earlier vgpu-frontd may have left one. */
	device->why_rc = 0;
	device->why[0] = '\0';
	error_publish(device);
	own = state_read(device, device->dir);
	if (own == XenbusStateInitialising || own == XenbusStateUnknown) {
		if (own == XenbusStateUnknown)
			state_write(device, XenbusStateInitialising);
		phase_set(device, FE_PHASE_INIT);
		return;
	}
	state_write(device, XenbusStateClosing);
	device->deadline = now + RESET_TIMEOUT_MS;
	phase_set(device, FE_PHASE_RESET);
}

static void step_reset(struct fe_device *device, int backend, uint64_t now)
{
	bool follows = backend == XenbusStateClosing || backend == XenbusStateClosed;

	if (follows || now >= device->deadline)
		go_closed(device);
}

/* The toolstack has taken the device away and put it back before we looked. */
static bool recreated(struct fe_device *device)
{
	if (device->phase == FE_PHASE_START || device->phase == FE_PHASE_INIT)
		return false;
	return state_read(device, device->dir) == XenbusStateInitialising;
}

static void step_once(struct fe_device *device, uint64_t now)
{
	int backend;

	if (recreated(device)) {
		sessions_lost(device, "the vGPU was replaced by another");
		ring_free(device);
		phase_set(device, FE_PHASE_START);
	}
	if (device->phase == FE_PHASE_START) {
		step_start(device, now);
		return;
	}
	backend = state_read(device, device->backend);
	switch (device->phase) {
	case FE_PHASE_START: break;
	case FE_PHASE_RESET: step_reset(device, backend, now); break;
	case FE_PHASE_CLOSED: step_closed(device, backend); break;
	case FE_PHASE_INIT: step_init(device, backend, now); break;
	case FE_PHASE_INITIALISED: step_initialised(device, backend, now); break;
	case FE_PHASE_CONNECTED: step_connected(device, backend, now); break;
	}
}

/* A step that changes the phase may make the next one due; the machine has six. */
void fe_device_step(struct fe_device *device, uint64_t now_ms)
{
	device->dirty = false;
	if (now_ms >= device->retry_at)
		device->retry_at = 0;
	for (int i = 0; i < 6; i++) {
		enum fe_phase before = device->phase;

		step_once(device, now_ms);
		if (device->phase == before)
			return;
	}
	/* It circles: look again at the next tick. */
	device->dirty = true;
}

bool fe_device_timed(const struct fe_device *device)
{
	return device->dirty || device->phase == FE_PHASE_RESET ||
	       device->phase == FE_PHASE_INITIALISED || device->resuming ||
	       ((device->phase == FE_PHASE_CLOSED || device->phase == FE_PHASE_INIT) &&
		device->retry_at);
}

/* --- messages --- */

/* The backend broke the protocol: the connection is over, and nothing of it is kept. It is told by
 * our 6. */
static void device_drop(struct fe_device *device, const char *why)
{
	vg_error(&device->log, "op=drop why=\"%s\"", why);
	sessions_lost(device, why);
	connect_failed(device);
}

/* It died, or was stopped. Executors outlive it, and so do sessions. */
static void backend_away(struct fe_device *device)
{
	static const char why[] = "the host's vGPU service has ended";

	vg_warn(&device->log, "op=away why=\"%s\"", why);
	sessions_away(device, why);
	connect_failed(device);
}

static bool queue_flush(struct fe_device *device)
{
	bool moved = false;
	int rc = 0;

	while (device->queue) {
		struct fe_message *message = device->queue;

		rc = fe_ring_push(&device->ring, &message->msg);
		if (rc)
			break;
		moved = true;
		device->queue = message->next;
		if (!device->queue)
			device->queue_end = &device->queue;
		free(message);
	}
	/* What programs ask comes first. */
	if (!rc && fe_probe_flush(&device->probe, &device->ring, &rc))
		moved = true;
	if (moved)
		vg_bell_ring(&device->bell);
	if (rc == -EPROTO)
		device_drop(device, "the host's vGPU service broke the control ring");
	return rc != -EPROTO;
}

int fe_device_send(struct fe_device *device, struct vg_control *msg)
{
	return fe_device_usable(device) ? message_send(device, msg) : -ENODEV;
}

int fe_device_send_early(struct fe_device *device, struct vg_control *msg)
{
	return device->phase == FE_PHASE_CONNECTED ? message_send(device, msg) : -ENODEV;
}

uint32_t fe_device_session(struct fe_device *device)
{
	if (++device->last_session == 0)
		++device->last_session;
	return device->last_session;
}

static bool connected(const struct fe_device *device)
{
	return device->phase == FE_PHASE_CONNECTED;
}

/* At most a ring full a turn: a backend that floods us gets its turn again after the others. */
static bool messages_take(struct fe_device *device)
{
	struct vg_control msg;
	bool moved = false;
	int rc = 0;

	for (unsigned int i = 0; i < VG_CTLRING_SLOTS && connected(device); i++) {
		rc = fe_ring_pop(&device->ring, &msg);
		if (rc <= 0)
			break;
		moved = true;
		vg_log_clean(msg.text);
		vg_call(&device->log, "op=control type=%u tag=%u session=%u status=%d text=\"%s\"",
			msg.type, msg.tag, msg.session, msg.status, msg.text);
		if (device->resuming && msg.type == VG_CTL_ANSWER && msg.tag == device->resume_tag)
			resume_end(device);
		else if (msg.type == VG_CTL_PROBE)
			fe_probe_take(device, &msg);
		else
			device->events->message(device, &msg);
	}
	if (moved && connected(device))
		vg_bell_ring(&device->bell); /* there may be one who waits for a slot */
	if (rc < 0)
		device_drop(device, "the host's vGPU service broke the control ring");
	return rc >= 0;
}

void fe_device_rung(struct fe_device *device)
{
	if (!connected(device) || !messages_take(device) || !queue_flush(device))
		return;
	if (!fe_ring_backend_alive(&device->ring))
		backend_away(device);
}

/* --- life --- */

struct fe_device *fe_device_new(struct xs_handle *xs, uint32_t devid,
				const struct fe_device_events *events, void *owner)
{
	struct fe_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->xs = xs;
	device->devid = devid;
	device->events = events;
	device->owner = owner;
	device->log = VG_LOG_WHO_NONE;
	device->log.dev = devid;
	device->page = FE_GRANT_NONE;
	device->bell = VG_BELL_NONE;
	device->queue_end = &device->queue;
	device->dirty = true;
	/* Sessions of an earlier vgpu-frontd may still end over there: not the same numbers again. */
	if (getrandom(&device->last_session, sizeof(device->last_session), 0) < 0)
		device->last_session = (uint32_t)fe_clock_ms();
	snprintf(device->dir, sizeof(device->dir), "device/vgpu/%u", devid);
	snprintf(device->token, sizeof(device->token), "%u", devid);
	return device;
}

void fe_device_free(struct fe_device *device, const char *why)
{
	sessions_lost(device, why);
	why_clear(device);
	if (device->backend[0])
		xs_unwatch(device->xs, device->backend, device->token);
	ring_free(device);
	free(device);
}

void fe_device_leave(struct fe_device *device, const char *why)
{
	sessions_lost(device, why);
	if (device->phase == FE_PHASE_START || device->phase == FE_PHASE_INIT ||
	    device->phase == FE_PHASE_CLOSED)
		return;
	state_write(device, XenbusStateClosing);
	device->deadline = fe_clock_ms() + RESET_TIMEOUT_MS;
	phase_set(device, FE_PHASE_RESET);
}

bool fe_device_left(struct fe_device *device)
{
	int backend = device->backend[0] ? state_read(device, device->backend) : 0;

	switch (device->phase) {
	case FE_PHASE_START:
	case FE_PHASE_INIT: return true;
	case FE_PHASE_RESET: step_reset(device, backend, fe_clock_ms()); return false;
	default: return backend == XenbusStateClosed || backend == XenbusStateUnknown;
	}
}
