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
	grown[specs->count] = (struct vgpu_device){.place = VG_PLACE_ANY};
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
	if (vg_settings_parse(spec, &device->settings, &device->place, why) ||
	    vg_settings_resolve(&device->settings, &settings, why))
		return -EINVAL;
	specs->count++;
	return 0;
}

static int specs_mark(const struct xl_specs *specs, bool *taken, char *why)
{
	for (size_t i = 0; i < specs->count; i++) {
		int devid = specs->devices[i].place.devid;

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
		if (specs->devices[i].place.devid >= 0)
			continue;
		while (taken[next]) /* there is one for each device */
			next++;
		taken[next] = true;
		specs->devices[i].place.devid = (int)next;
	}
	return 0;
}

int xl_specs_read(struct xl_specs *specs, struct xs_handle *xs, uint32_t domid)
{
	struct xl_specs found = {0};
	uint32_t devids[DEVICES_MAX];
	int count = vgpu_tree_list(xs, domid, devids, DEVICES_MAX), rc = count < 0 ? count : 0;

	for (int i = 0; i < count && !rc; i++) {
		struct vgpu_device *device;

		if (!vgpu_tree_online(xs, domid, devids[i])) /* it is being detached */
			continue;
		device = specs_grow(&found);
		rc = device ? vgpu_tree_settings(xs, domid, devids[i], &device->settings) : -ENOMEM;
		if (!rc) {
			device->place.devid = (int)devids[i];
			snprintf(device->place.backend, sizeof(device->place.backend), "%u",
				 vgpu_tree_backend(xs, domid, devids[i]));
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
