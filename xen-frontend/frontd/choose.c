/* SPDX-License-Identifier: MIT */
/*
 * Which of the guest's vGPUs a program gets: those that it names (VGPU_DEVICE), or all of one backend that have
 * room, in the order of their numbers. The host leaves out of the latter what cannot go together. Trusts the
 * program's list in nothing; the host's answer only chooses among what was asked for.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "xen-frontend/frontd/client.h"

static bool has_room(const struct fe_device *device)
{
	return !device->sessions_max || device->sessions < device->sessions_max;
}

__attribute__((format(printf, 3, 4))) static void refuse(struct fe_choice *choice, int rc,
							 const char *format, ...)
{
	va_list args;

	choice->rc = rc;
	va_start(args, format);
	vsnprintf(choice->why, sizeof(choice->why), format, args);
	va_end(args);
}

/* True: it is among them. Otherwise `choice` says why not, or `coming` that it may be soon. */
static bool device_take(struct fe_choice *choice, struct fe_device *device, bool *coming)
{
	if (fe_device_usable(device) && has_room(device)) {
		choice->devices[choice->count++] = device;
		return true;
	}
	if (fe_device_usable(device))
		refuse(choice, -EBUSY,
		       "all %u sessions of vGPU %u are in use (max-sessions, set on the host)",
		       device->sessions_max, device->devid);
	else if (device->why_rc)
		refuse(choice, device->why_rc, "%s", device->why);
	else
		*coming = true;
	return false;
}

/* The first that can be had, and those of the same backend that can be had too. */
static void choose_any(const struct fe_client *client, struct fe_choice *choice)
{
	bool coming = false;

	refuse(choice, -ENODEV,
	       "no vGPU is attached to this guest: on the host run 'vgpu attach DOMAIN gpu=0'");
	for (struct fe_device *d = client->broker->devices; d; d = d->next) {
		if (choice->count == VG_SESSION_DEVICES)
			break;
		if (!choice->count)
			device_take(choice, d, &coming);
		else if (d->backend_domid == choice->devices[0]->backend_domid &&
			 fe_device_usable(d) && has_room(d))
			choice->devices[choice->count++] = d;
	}
	if (!choice->count && coming)
		choice->rc = 0;
}

static struct fe_device *device_find(const struct fe_client *client, uint32_t devid)
{
	for (struct fe_device *d = client->broker->devices; d; d = d->next)
		if (d->devid == devid)
			return d;
	return NULL;
}

/* False: it cannot be had, so none of them. */
static bool choose_named(const struct fe_client *client, struct fe_choice *choice, uint32_t devid)
{
	struct fe_device *device = device_find(client, devid);
	bool coming = false;

	for (unsigned int i = 0; i < choice->count; i++) {
		if (choice->devices[i] != device)
			continue;
		refuse(choice, -EINVAL, "VGPU_DEVICE names vGPU %u twice", devid);
		return false;
	}
	if (!device) {
		refuse(choice, -ENODEV,
		       "this guest has no vGPU %u (VGPU_DEVICE); see 'vgpu list' on the host",
		       devid);
		return false;
	}
	if (!device_take(choice, device, &coming)) {
		if (coming)
			choice->rc = 0;
		return false;
	}
	if (device->backend_domid == choice->devices[0]->backend_domid)
		return true;
	refuse(choice, -EXDEV, "vGPUs %u and %u are of different domains: no process can have both",
	       choice->devices[0]->devid, devid);
	return false;
}

void fe_choose(const struct fe_client *client, struct fe_choice *choice)
{
	const struct vg_control_open *open = &client->request.u.open;

	memset(choice, 0, sizeof(*choice));
	if (!open->count) {
		choose_any(client, choice);
		return;
	}
	if (open->count > VG_SESSION_DEVICES) {
		refuse(choice, -ENODEV,
		       "VGPU_DEVICE names no vGPUs: it is a number, or up to %u with commas",
		       VG_SESSION_DEVICES);
		return;
	}
	for (unsigned int i = 0; i < open->count; i++) {
		if (choose_named(client, choice, open->devids[i]))
			continue;
		choice->count = 0;
		return;
	}
}

/* --- a client's ------------------------------------------------------------------------------------ */

void fe_choice_take(struct fe_client *client, const struct fe_choice *choice)
{
	if (client->device)
		client->device->sessions--;
	for (unsigned int i = 0; i < client->joined_count; i++)
		client->joined[i]->sessions--;
	client->device = choice->count ? choice->devices[0] : NULL;
	client->joined_count = choice->count ? choice->count - 1 : 0;
	for (unsigned int i = 0; i < client->joined_count; i++)
		client->joined[i] = choice->devices[i + 1];
	for (unsigned int i = 0; i < choice->count; i++)
		choice->devices[i]->sessions++;
}

static void joined_drop(struct fe_client *client, unsigned int place)
{
	client->joined[place]->sessions--;
	client->joined[place] = client->joined[--client->joined_count];
}

void fe_choice_keep(struct fe_client *client, const struct vg_control_answer *answer)
{
	unsigned int count = answer->count < VG_SESSION_DEVICES ? answer->count
								: VG_SESSION_DEVICES;

	for (unsigned int i = client->joined_count; i--;)
		if (!memchr(answer->devids, (int)client->joined[i]->devid, count))
			joined_drop(client, i);
}

bool fe_choice_has(struct fe_client *client, const struct fe_device *device, bool drop)
{
	for (unsigned int i = 0; i < client->joined_count; i++) {
		if (client->joined[i] != device)
			continue;
		if (drop)
			joined_drop(client, i);
		return true;
	}
	return false;
}
