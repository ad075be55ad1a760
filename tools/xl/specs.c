/* SPDX-License-Identifier: MIT */
/*
 * Lists of devices. The settings are parsed and checked by xenstore-schema/, as for `vgpu attach`.
 */
#include "tools/xl/specs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MAX (VGPU_DEVID_MAX + 1)

void xl_specs_clear(struct xl_specs *specs)
{
	free(specs->devices);
	*specs = (struct xl_specs){0};
}

int xl_specs_copy(struct xl_specs *to, const struct xl_specs *from)
{
	struct vgpu_device *devices = NULL;

	if (from->count) {
		devices = malloc(from->count * sizeof(*devices));
		if (!devices)
			return -ENOMEM;
		memcpy(devices, from->devices, from->count * sizeof(*devices));
	}
	xl_specs_clear(to);
	*to = (struct xl_specs){devices, from->count};
	return 0;
}

static struct vgpu_device *specs_grow(struct xl_specs *specs)
{
	struct vgpu_device *grown =
		realloc(specs->devices, (specs->count + 1) * sizeof(*specs->devices));

	if (!grown)
		return NULL;
	specs->devices = grown;
	grown[specs->count] = (struct vgpu_device){.devid = -1};
	return &grown[specs->count];
}

int xl_specs_add(struct xl_specs *specs, const char *spec, char *why)
{
	struct vgpu_device *device = specs_grow(specs);
	struct vg_settings settings;

	if (!device) {
		snprintf(why, VG_SCHEMA_WHY, "no memory");
		return -ENOMEM;
	}
	if (vg_settings_parse(spec, &device->settings, &device->devid, why) ||
	    vg_settings_resolve(&device->settings, &settings, why))
		return -EINVAL;
	specs->count++;
	return 0;
}

static int specs_mark(const struct xl_specs *specs, bool *taken, char *why)
{
	for (size_t i = 0; i < specs->count; i++) {
		int devid = specs->devices[i].devid;

		if (devid < 0)
			continue;
		if (taken[devid]) {
			snprintf(why, VG_SCHEMA_WHY,
				 "devid=%d is given to two devices: each needs a number of its own",
				 devid);
			return -EINVAL;
		}
		taken[devid] = true;
	}
	return 0;
}

int xl_specs_number(struct xl_specs *specs, char *why)
{
	bool taken[DEVICES_MAX] = {false};
	unsigned int next = 0;

	if (specs->count > DEVICES_MAX) {
		snprintf(why, VG_SCHEMA_WHY, "there are %zu devices; a domain can have %u",
			 specs->count, DEVICES_MAX);
		return -EINVAL;
	}
	if (specs_mark(specs, taken, why))
		return -EINVAL;
	for (size_t i = 0; i < specs->count; i++) {
		if (specs->devices[i].devid >= 0)
			continue;
		while (taken[next]) /* there is one for each device */
			next++;
		taken[next] = true;
		specs->devices[i].devid = (int)next;
	}
	return 0;
}

/* The backend's directory may have gone with a domain that has ended; the record is what counts. */
static bool is_detaching(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	char dir[VG_STORE_PATH];
	uint64_t online;

	snprintf(dir, sizeof(dir), VG_PATH_BACKEND, domid, devid);
	return !vg_store_read_uint(xs, XBT_NULL, dir, VG_KEY_ONLINE, 0, 1, &online) && !online;
}

int xl_specs_read(struct xl_specs *specs, struct xs_handle *xs, uint32_t domid)
{
	struct xl_specs found = {0};
	uint32_t devids[DEVICES_MAX];
	int count = vgpu_tree_list(xs, domid, devids, DEVICES_MAX), rc = count < 0 ? count : 0;

	for (int i = 0; i < count && !rc; i++) {
		struct vgpu_device *device;

		if (is_detaching(xs, domid, devids[i]))
			continue;
		device = specs_grow(&found);
		rc = device ? vgpu_tree_settings(xs, domid, devids[i], &device->settings) : -ENOMEM;
		if (!rc) {
			device->devid = (int)devids[i];
			found.count++;
		}
	}
	if (rc) {
		xl_specs_clear(&found);
		return rc;
	}
	xl_specs_clear(specs);
	*specs = found;
	return 0;
}
