/* SPDX-License-Identifier: MIT */
/*
 * Which devices there are. Events only say that something may have changed: what is true is read
 * from xenstore, once for each device and turn.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore-schema/store.h"

#define EVENTS_PER_TURN 4096
#define TOKEN_BACKEND   "backend"
#define TOKEN_DOMAINS   "domains"

struct be_device *be_devices_find(struct be_daemon *daemon, uint32_t domid, uint32_t devid)
{
	for (struct be_device *d = daemon->devices; d; d = d->next)
		if (d->domid == domid && d->devid == devid)
			return d;
	return NULL;
}

struct be_device *be_devices_get(struct be_daemon *daemon, uint32_t domid, uint32_t devid)
{
	struct be_device *device = be_devices_find(daemon, domid, devid);

	if (device)
		return device;
	if (daemon->device_count >= BE_DEVICES_MAX) {
		if (!daemon->too_many)
			vg_error(&daemon->who, "event=too-many-devices limit=%u", BE_DEVICES_MAX);
		daemon->too_many = true;
		return NULL;
	}
	device = be_device_new(daemon, domid, devid);
	if (!device) {
		vg_error(&daemon->who, "event=device-lost domid=%u devid=%u errno=%d", domid, devid,
			 errno);
		return NULL;
	}
	device->next = daemon->devices;
	daemon->devices = device;
	daemon->device_count++;
	return device;
}

/* The directory that has all devices that we serve, or one domain's. */
static void devices_dir(const struct be_daemon *daemon, enum vg_schema_level level, uint32_t domid,
			char *dir)
{
	const struct vg_schema_device id = {domid, 0, daemon->domid};

	vg_schema_path(dir, VG_TREE_BACKEND, level, &id);
}

void be_devices_prune(struct be_daemon *daemon, uint32_t domid)
{
	char dir[VG_SCHEMA_PATH];

	devices_dir(daemon, VG_LEVEL_DOMAIN, domid, dir);
	vg_store_prune(daemon->xs, dir);
	devices_dir(daemon, VG_LEVEL_ALL, domid, dir);
	vg_store_prune(daemon->xs, dir);
}

bool be_devices_open(struct be_daemon *daemon)
{
	char dir[VG_SCHEMA_PATH];
	uint64_t self;

	if (!vg_store_read_uint(daemon->xs, XBT_NULL, "domid", NULL, 0, BE_DOMID_MAX, &self))
		daemon->domid = (uint32_t)self;
	devices_dir(daemon, VG_LEVEL_ALL, 0, dir);
	if (!xs_watch(daemon->xs, dir, TOKEN_BACKEND))
		return false;
	if (xs_watch(daemon->xs, "@introduceDomain", TOKEN_DOMAINS) &&
	    xs_watch(daemon->xs, "@releaseDomain", TOKEN_DOMAINS))
		return true;
	/* A driver domain may not: it sees the frontend's directory go, and scans. */
	return daemon->domid != 0;
}

static void devices_scan_domain(struct be_daemon *daemon, uint32_t domid)
{
	uint32_t ids[BE_DEVID_MAX + 1];
	char dir[VG_SCHEMA_PATH];
	int count;

	devices_dir(daemon, VG_LEVEL_DOMAIN, domid, dir);
	count = vg_store_list_numbers(daemon->xs, XBT_NULL, dir, BE_DEVID_MAX, ids,
				      sizeof(ids) / sizeof(ids[0]));
	for (int i = 0; i < count; i++)
		be_devices_get(daemon, domid, ids[i]);
	/* A directory that an attach left empty, or whose last device was removed by hand. */
	if (count == 0)
		be_devices_prune(daemon, domid);
}

void be_devices_scan(struct be_daemon *daemon)
{
	static uint32_t domids[BE_DEVICES_MAX];
	char dir[VG_SCHEMA_PATH];
	int count;

	devices_dir(daemon, VG_LEVEL_ALL, 0, dir);
	count = vg_store_list_numbers(daemon->xs, XBT_NULL, dir, BE_DOMID_MAX, domids,
				      BE_DEVICES_MAX);
	daemon->rescan = false;
	for (int i = 0; i < count; i++)
		devices_scan_domain(daemon, domids[i]);
	for (struct be_device *d = daemon->devices; d; d = d->next)
		d->dirty = true;
}

/* "DOMID/DEVID", with or without more behind a slash. */
static bool parse_pair(const char *text, uint32_t *domid, uint32_t *devid)
{
	char copy[VG_STORE_PATH], *rest, *end;
	uint64_t first, second;

	snprintf(copy, sizeof(copy), "%s", text);
	rest = strchr(copy, '/');
	if (!rest)
		return false;
	*rest++ = '\0';
	end = strchr(rest, '/');
	if (end)
		*end = '\0';
	if (!vg_parse_uint(copy, &first) || first > BE_DOMID_MAX || !vg_parse_uint(rest, &second) ||
	    second > BE_DEVID_MAX)
		return false;
	*domid = (uint32_t)first;
	*devid = (uint32_t)second;
	return true;
}

/* A path below the backend's root: one device's, or something above. */
static void devices_mark(struct be_daemon *daemon, const char *path)
{
	char root[VG_SCHEMA_PATH];
	struct be_device *device;
	uint32_t domid, devid;
	size_t length;

	devices_dir(daemon, VG_LEVEL_ALL, 0, root);
	length = strlen(root);
	if (strncmp(path, root, length) != 0 || path[length] != '/' ||
	    !parse_pair(path + length + 1, &domid, &devid)) {
		daemon->rescan = true;
		return;
	}
	device = be_devices_find(daemon, domid, devid);
	if (device)
		device->dirty = true;
	else
		daemon->rescan = true;
}

static void devices_event(struct be_daemon *daemon, const char *path, const char *token)
{
	static const char frontend[] = "frontend/";
	struct be_device *device;
	uint32_t domid, devid;

	if (!strcmp(token, TOKEN_BACKEND)) {
		devices_mark(daemon, path);
	} else if (!strncmp(token, frontend, sizeof(frontend) - 1) &&
		   parse_pair(token + sizeof(frontend) - 1, &domid, &devid)) {
		device = be_devices_find(daemon, domid, devid);
		if (device)
			device->dirty = true;
	} else {
		daemon->rescan = true;
	}
}

void be_devices_watch(struct be_daemon *daemon)
{
	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		char **event = xs_check_watch(daemon->xs);

		if (!event)
			return;
		devices_event(daemon, event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
		free(event);
	}
}
