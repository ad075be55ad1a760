/* SPDX-License-Identifier: MIT */
/*
 * One vGPU's life in xenstore: reads what stands there, asks the state machine, does it.
 *
 * The backend's directory is dom0's, or in a driver domain our own, and trusted to be well meant, not to
 * be well formed. The frontend's directory is the guest's: three numbers and a state are read from it,
 * each checked; its path is made from domid and devid.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/clock.h"
#include "xen-backend/session.h"
#include "xenstore-schema/store.h"

#define STEPS_MAX      8    /* of the state machine in one turn; then it has to wait for the next */
#define CONNECT_GAP_MS 100u /* between connections, so that a toggling guest costs little */
#define RETRY_MS       250u /* doubled with each failure in a row */
#define RETRY_MAX_MS   30000u
#define COMMIT_TRIES   16

struct vg_schema_device be_device_id(const struct be_device *device)
{
	return (struct vg_schema_device){device->domid, device->devid, device->daemon->domid};
}

/* --- xenstore -------------------------------------------------------------------------------- */

/*
 * Writes a key of ours, if the device is still there: xs_write would make the directory anew after
 * the toolstack has removed it.
 */
static int device_write(struct be_device *device, const char *name, const char *value)
{
	struct xs_handle *xs = device->daemon->xs;
	int rc = -EAGAIN;

	for (int i = 0; i < COMMIT_TRIES && rc == -EAGAIN && !device->vanished; i++) {
		xs_transaction_t t = xs_transaction_start(xs);
		bool there;

		if (t == XBT_NULL)
			return -errno;
		there = vg_store_exists(xs, t, device->dir);
		if (!there)
			device->vanished = true;
		rc = !there  ? -ENOENT
		     : value ? vg_store_write(xs, t, device->dir, name, value)
			     : vg_store_remove(xs, t, device->dir, name);
		if (!xs_transaction_end(xs, t, rc != 0) && !rc)
			rc = -errno;
	}
	if (rc && !device->vanished)
		vg_error(&device->who, "event=xenstore key=%s errno=%d reason=\"%s\"", name, -rc,
			 strerror(-rc));
	return rc;
}

static int device_set_state(struct be_device *device, enum be_xenbus state)
{
	char text[4];

	snprintf(text, sizeof(text), "%d", (int)state);
	be_guest_log(device, &device->who, VG_LOG_INFO, "event=state state=%d name=%s", (int)state,
		     be_xenbus_name(state));
	return device_write(device, VG_KEY_STATE, text);
}

/* Where xenbus drivers leave their errors. Removed with text NULL. */
static void device_error_node(struct be_device *device, int rc, const char *text)
{
	struct xs_handle *xs = device->daemon->xs;
	const struct vg_schema_device id = be_device_id(device);
	char dir[VG_SCHEMA_PATH], line[VG_TEXT_MAX * 2 + 16];

	vg_schema_path(dir, VG_TREE_BACKEND_ERROR, VG_LEVEL_DEVICE, &id);
	if (!text) {
		vg_store_remove(xs, XBT_NULL, dir, NULL);
		vg_schema_path(dir, VG_TREE_BACKEND_ERROR, VG_LEVEL_DOMAIN, &id);
		vg_store_prune(xs, dir);
		vg_schema_path(dir, VG_TREE_BACKEND_ERROR, VG_LEVEL_ALL, &id);
		vg_store_prune(xs, dir);
		return;
	}
	snprintf(line, sizeof(line), "%d %s", -rc, text);
	vg_store_write(xs, XBT_NULL, dir, VG_KEY_ERROR, line);
}

static void device_set_error(struct be_device *device, int rc, const char *text)
{
	if (!strcmp(device->error, text))
		return;
	snprintf(device->error, sizeof(device->error), "%s", text);
	be_guest_log(device, &device->who, VG_LOG_ERROR,
		     "event=device-error errno=%d reason=\"%s\"", -rc, text);
	if (!device_write(device, VG_KEY_ERROR, text))
		device_error_node(device, rc, text);
}

static void device_clear_error(struct be_device *device)
{
	char old[8];
	int rc = vg_store_read(device->daemon->xs, XBT_NULL, device->dir, VG_KEY_ERROR, old,
			       sizeof(old));

	device->error[0] = '\0';
	if (rc == -ENOENT)
		return;
	device_write(device, VG_KEY_ERROR, NULL);
	device_error_node(device, 0, NULL);
}

static enum be_xenbus read_state(struct be_device *device, const char *dir)
{
	uint64_t state;

	if (vg_store_read_uint(device->daemon->xs, XBT_NULL, dir, VG_KEY_STATE, 1, 6, &state))
		return BE_XS_UNKNOWN;
	return (enum be_xenbus)state;
}

/*
 * A driver domain may not ask for domains, nor look at their homes. What it may read is the frontend's
 * directory, which goes with the domain (or, to its own harm, by the guest's own hand).
 */
static bool domain_exists(struct be_device *device)
{
	struct xs_handle *xs = device->daemon->xs;
	char path[32];

	if (device->daemon->domid)
		return vg_store_exists(xs, XBT_NULL, device->fe_dir);
	snprintf(path, sizeof(path), "/local/domain/%u", device->domid);
	return xs_is_domain_introduced(xs, device->domid) && vg_store_exists(xs, XBT_NULL, path);
}

static void device_view(struct be_device *device, struct be_view *view)
{
	uint64_t online = 0;

	memset(view, 0, sizeof(*view));
	device->vanished = !vg_store_exists(device->daemon->xs, XBT_NULL, device->dir);
	view->domain = !device->vanished && domain_exists(device);
	view->backend = read_state(device, device->dir);
	view->frontend = read_state(device, device->fe_dir);
	view->online = !vg_store_read_uint(device->daemon->xs, XBT_NULL, device->dir, VG_KEY_ONLINE,
					   0, 1, &online) &&
		       online;
	view->stopping = device->daemon->stopping;
	view->connected = device->connected;
	if (device->connected && view->frontend == BE_XS_CONNECTED)
		device->settled = true;
	view->settled = device->settled;
	view->broken = device->broken;
	/* A device that the toolstack has made anew gets another chance. */
	if (view->backend == BE_XS_INITIALISING)
		device->usable = true;
	view->usable = device->usable;
	view->published = device->published;
}

/* --- publishing ------------------------------------------------------------------------------ */

static int settings_read_key(struct be_device *device, struct vg_settings_text *text,
			     const char *name, char *why)
{
	const struct vg_schema_key *key = vg_schema_find(VG_TREE_BACKEND, name);
	struct vg_schema_device who = be_device_id(device);
	char value[VG_STORE_VALUE];
	int rc;

	if (!key) {
		snprintf(
			why, VG_SCHEMA_WHY,
			"unknown key %.60s in the device's settings: detach the device and attach it "
			"with settings that vgpu(8) names",
			name);
		return -EINVAL;
	}
	rc = vg_store_read(device->daemon->xs, XBT_NULL, device->dir, name, value, sizeof(value));
	if (rc) {
		snprintf(why, VG_SCHEMA_WHY, "cannot read %s: %s", name, strerror(-rc));
		return rc;
	}
	if (key->setting)
		return vg_settings_text_set(text, name, value, why);
	return vg_schema_check(key, value, &who, why);
}

/* Every key of the directory is checked, known or not. */
static int settings_read(struct be_device *device, char *why)
{
	struct vg_settings_text text;
	unsigned int count = 0;
	char **names = xs_directory(device->daemon->xs, XBT_NULL, device->dir, &count);
	int rc = 0;

	if (!names) {
		rc = -errno;
		snprintf(why, VG_SCHEMA_WHY, "cannot read %s: %s", device->dir, strerror(-rc));
		return rc;
	}
	vg_settings_text_init(&text);
	for (unsigned int i = 0; i < count && !rc; i++)
		rc = settings_read_key(device, &text, names[i], why);
	free(names);
	return rc ? rc : vg_settings_resolve(&text, &device->settings, why);
}

/* For metrics; a driver domain may not read it, and does without. */
static void device_name(struct be_device *device)
{
	char dir[32], name[VG_STORE_VALUE];

	snprintf(dir, sizeof(dir), "/local/domain/%u", device->domid);
	if (vg_store_read(device->daemon->xs, XBT_NULL, dir, "name", name, sizeof(name)))
		return;
	snprintf(device->domain, sizeof(device->domain), "%.*s", (int)BE_DOMAIN_MAX - 1, name);
	vg_log_clean(device->domain);
}

static void device_publish(struct be_device *device)
{
	char why[VG_SCHEMA_WHY], versions[16];
	int rc = settings_read(device, why);

	if (rc) {
		device->usable = false;
		device_set_error(device, rc, why);
		device_set_state(device, BE_XS_CLOSED);
		return;
	}
	device_name(device);
	snprintf(versions, sizeof(versions), "%u", VG_PROTOCOL_VERSION);
	device->published = true;
	if (!device_write(device, VG_KEY_PROTOCOL_VERSIONS, versions))
		device_set_state(device, BE_XS_INIT_WAIT);
}

/* --- connecting ------------------------------------------------------------------------------ */

static int frontend_read(struct be_device *device, const char *name, uint32_t *number, char *why)
{
	const struct vg_schema_key *key = vg_schema_find(VG_TREE_FRONTEND, name);
	struct vg_schema_device who = be_device_id(device);
	char value[64];
	uint64_t wide = 0;
	int rc = vg_store_read(device->daemon->xs, XBT_NULL, device->fe_dir, name, value,
			       sizeof(value));

	if (rc) {
		snprintf(why, VG_SCHEMA_WHY, "the guest has not written %s: %s", name,
			 strerror(-rc));
		return rc;
	}
	vg_log_clean(value);
	rc = vg_schema_check(key, value, &who, why);
	if (!rc && vg_parse_uint(value, &wide))
		*number = (uint32_t)wide;
	return rc;
}

static int protocol_check(struct be_device *device, char *why)
{
	uint32_t protocol = 0;
	int rc = frontend_read(device, VG_KEY_PROTOCOL, &protocol, why);

	if (!rc && protocol != VG_PROTOCOL_VERSION) {
		rc = -EPROTO;
		snprintf(why, VG_SCHEMA_WHY,
			 "the guest's vgpu-frontd speaks protocol version %u, xen-vgpud speaks %u: "
			 "install the same release of vgpu in the guest and here",
			 protocol, VG_PROTOCOL_VERSION);
	}
	return rc;
}

static int device_try_connect(struct be_device *device, char *why)
{
	uint32_t ring_ref = 0, port = 0;
	int rc = protocol_check(device, why);

	if (!rc)
		rc = frontend_read(device, VG_KEY_RING_REF, &ring_ref, why);
	if (!rc)
		rc = frontend_read(device, VG_KEY_EVENT_CHANNEL, &port, why);
	if (!rc)
		rc = be_link_open(&device->link, device->domid, ring_ref, port, why);
	if (rc)
		return rc;
	rc = be_ctlring_init(&device->ring, device->link.ring);
	if (rc) {
		snprintf(why, VG_SCHEMA_WHY,
			 "the page of ring-ref %u is not a control ring of protocol version %u",
			 ring_ref, VG_PROTOCOL_VERSION);
		be_link_close(&device->link);
	}
	return rc;
}

static void device_connect(struct be_device *device)
{
	char why[VG_SCHEMA_WHY];
	uint64_t now = vg_clock_ms();
	int rc = device_try_connect(device, why);

	if (rc) {
		unsigned int shift = device->failures < 7 ? device->failures : 7;
		uint64_t wait = (uint64_t)RETRY_MS << shift;

		device->failures++;
		device->retry_at = now + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
		device_set_error(device, rc, why);
		device_set_state(device, BE_XS_CLOSED);
		return;
	}
	device->failures = 0;
	device->retry_at = now + CONNECT_GAP_MS;
	device->connected = true;
	device->settled = false;
	device->broken = false;
	device->rung = true; /* requests may be there already */
	device_clear_error(device);
	device_set_state(device, BE_XS_CONNECTED);
	be_link_ring(&device->link);
}

/* --- letting go ------------------------------------------------------------------------------ */

/*
 * Ends all sessions that have the device, at home here or not, and, once their executors have gone, unmaps
 * the ring: until then other pages of the guest are mapped. true when nothing is held any more. `keep`:
 * only the connection ends; sessions that live go on.
 */
static bool device_release(struct be_device *device, const char *reason, bool keep)
{
	bool waiting = false;

	for (const struct be_seat *seat = device->seats; seat; seat = seat->next) {
		if (!keep)
			be_session_end(seat->session, -ENODEV, reason);
		waiting |= seat->session->state == BE_SESSION_ENDING;
	}
	if (waiting)
		return false;
	if (device->connected)
		be_guest_log(device, &device->who, VG_LOG_INFO, "event=disconnected reason=\"%s\"",
			     reason);
	be_link_close(&device->link);
	be_probe_disconnected(device);
	device->connected = false;
	device->settled = false;
	device->broken = false;
	device->rung = false;
	device->unmask_at = 0;
	device->unanswered = 0;
	device->out_count = 0;
	device->resume_asked = device->resumed = false;
	return true;
}

static const char *release_reason(const struct be_device *device, const struct be_view *view)
{
	if (device->vanished)
		return "the device was removed";
	if (!view->domain)
		return "the domain has gone";
	if (view->stopping)
		return "xen-vgpud is stopping";
	if (!view->online)
		return "the device is being detached";
	if (view->broken)
		return "the connection to the guest broke";
	return "the guest's vgpu-frontd closed or restarted the device";
}

/*
 * Sessions outlive a restart of ours: the old xen-vgpud leaves them when it stops, and the new one
 * keeps what it has adopted while the stale state goes by 6 to a new connection.
 */
static bool sessions_stay(const struct be_device *device, const struct be_view *view)
{
	if (!view->domain || !view->online || !view->usable || view->broken)
		return false;
	return view->stopping ? !device->daemon->end_sessions : !view->connected;
}

/* To 6, by 5 where the frontend has seen more of us than 2. */
static void device_close(struct be_device *device, const struct be_view *view)
{
	bool open = view->backend == BE_XS_INITIALISED || view->backend == BE_XS_CONNECTED;

	if (open)
		device_set_state(device, BE_XS_CLOSING);
	if (!device_release(device, release_reason(device, view), sessions_stay(device, view)))
		return; /* called again when the last executor has been reaped */
	device_set_state(device, BE_XS_CLOSED);
}

static void device_remove_nodes(struct be_device *device)
{
	vg_store_remove(device->daemon->xs, XBT_NULL, device->dir, NULL);
	be_devices_prune(device->daemon, device->domid);
	device_error_node(device, 0, NULL);
}

static void device_remove(struct be_device *device, const struct be_view *view)
{
	if (!device_release(device, release_reason(device, view), false))
		return;
	if (!device->vanished)
		device_remove_nodes(device);
	else
		device_error_node(device, 0, NULL);
	vg_info(&device->who, "event=device-removed reason=\"%s\"", release_reason(device, view));
	device->buried = true;
}

/* --- the steps ------------------------------------------------------------------------------- */

/* true: look again at once. */
static bool device_step(struct be_device *device, enum be_action action, const struct be_view *view)
{
	bool early = device->retry_at > vg_clock_ms();

	switch (action) {
	case BE_PUBLISH:
		if (early)
			return false;
		device_publish(device);
		return true;
	case BE_CONNECT:
		if (early)
			return false;
		device_connect(device);
		return true;
	case BE_RECONNECT:
		if (!device_release(device, release_reason(device, view), false))
			return false;
		device_set_state(device, BE_XS_INIT_WAIT);
		return true;
	case BE_GO_CLOSING:
		if (!device_release(device, release_reason(device, view), false))
			return false;
		device_set_state(device, BE_XS_CLOSING);
		return true;
	case BE_GO_CLOSED: device_close(device, view); return false; /* our own write wakes us */
	case BE_REMOVE: device_remove(device, view); return false;
	case BE_STAY:
	case BE_ACTION_COUNT: break;
	}
	return false;
}

void be_device_act(struct be_device *device)
{
	bool again = true;

	device->dirty = false;
	for (int i = 0; i < STEPS_MAX && again && !device->buried; i++) {
		enum be_action action;
		struct be_view view;

		device_view(device, &view);
		action = be_state_next(&view);
		vg_data(&device->who, "event=step backend=%d frontend=%d online=%d action=%s",
			(int)view.backend, (int)view.frontend, view.online, be_action_name(action));
		again = device_step(device, action, &view);
	}
	device->dirty |= again && !device->buried;
}

struct be_device *be_device_new(struct be_daemon *daemon, uint32_t domid, uint32_t devid)
{
	struct be_device *device = calloc(1, sizeof(*device));
	char watch[VG_SCHEMA_PATH + 8], token[32];
	struct vg_schema_device id;

	if (!device)
		return NULL;
	device->daemon = daemon;
	device->domid = domid;
	device->devid = devid;
	device->usable = true;
	device->dirty = true;
	device->link = BE_LINK_NONE;
	device->who = daemon->who;
	device->who.dom = domid;
	device->who.dev = devid;
	device->account_fd = -1;
	if (be_account_open(device))
		vg_warn(&device->who, "event=no-account reason=\"out of descriptors or memory\"");
	device->limit = (struct vg_log_limit){.burst = 20, .window_ms = 5000};
	id = be_device_id(device);
	vg_schema_path(device->dir, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &id);
	vg_schema_path(device->fe_dir, VG_TREE_FRONTEND, VG_LEVEL_DEVICE, &id);
	snprintf(watch, sizeof(watch), "%s/" VG_KEY_STATE, device->fe_dir);
	snprintf(token, sizeof(token), "frontend/%u/%u", domid, devid);
	if (!xs_watch(daemon->xs, watch, token)) {
		be_account_close(device);
		free(device);
		return NULL;
	}
	vg_info(&device->who, "event=device-found");
	return device;
}

void be_device_free(struct be_device *device)
{
	char watch[VG_SCHEMA_PATH + 8], token[32];

	snprintf(watch, sizeof(watch), "%s/" VG_KEY_STATE, device->fe_dir);
	snprintf(token, sizeof(token), "frontend/%u/%u", device->domid, device->devid);
	xs_unwatch(device->daemon->xs, watch, token);
	be_link_close(&device->link);
	while (device->sessions) {
		struct be_session *next = device->sessions->next;

		be_session_free(device->sessions);
		device->sessions = next;
	}
	be_seats_clear(device);
	be_account_close(device);
	free(device);
}
