/* SPDX-License-Identifier: MIT */
/*
 * Which vGPUs a session has: its home, on whose control ring it lives, and those that are joined to it, all of
 * one guest, one driver, each another GPU. On each it has a seat, which counts against max-sessions, and
 * the same place in each one's account. What becomes of any of them becomes of the session.
 *
 * Which others there are is looked up among the guest's own devices by their numbers: a list from the guest
 * names no other domain's.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- taken and left ------------------------------------------------------------------------------ */

void be_seat_take(struct be_session *session, struct be_device *device)
{
	struct be_seat *seat = &session->seats[session->seat_count++];

	*seat = (struct be_seat){.session = session, .device = device};
}

void be_seats_enter(struct be_session *session)
{
	for (unsigned int i = 0; i < session->seat_count; i++) {
		struct be_seat *seat = &session->seats[i];

		if (seat->entered)
			continue;
		seat->entered = true;
		seat->next = seat->device->seats;
		seat->device->seats = seat;
		seat->device->seat_count++;
	}
}

static void seat_leave(struct be_seat *seat)
{
	struct be_seat **at = &seat->device->seats;

	while (*at && *at != seat)
		at = &(*at)->next;
	if (*at)
		*at = seat->next;
	seat->device->seat_count--;
	seat->entered = false;
}

void be_seats_leave(struct be_session *session)
{
	for (unsigned int i = 0; i < session->seat_count; i++)
		if (session->seats[i].entered)
			seat_leave(&session->seats[i]);
}

void be_seats_clear(struct be_device *device)
{
	while (device->seats)
		seat_leave(device->seats);
}

bool be_seats_ready(const struct be_session *session)
{
	for (unsigned int i = 0; i < session->seat_count; i++)
		if (!session->seats[i].device->published)
			return false;
	return true;
}

/* --- who may be joined ---------------------------------------------------------------------------- */

/* soft is soft:0. What else means the same GPU the executor finds out. */
static const char *gpu_name(const char *gpu)
{
	return strcmp(gpu, "soft") ? gpu : "soft:0";
}

/* 0, or a negative errno and why not. */
static int join_check(const struct be_session *session, const struct be_device *device,
		      uint32_t devid, struct vg_control *answer)
{
	const struct be_device *home = session->device;

	if (!device || !device->connected || device->broken || !device->usable)
		return be_refuse(answer, -ENODEV, "this guest's vGPU %u is not connected", devid);
	if (device->seat_count >= device->settings.max_sessions)
		return be_refuse(
			answer, -EBUSY,
			"vGPU %u has as many processes as it may have: end one, or attach it "
			"with a higher max-sessions",
			devid);
	if (strcmp(device->settings.driver, home->settings.driver) != 0)
		return be_refuse(answer, -EXDEV,
				 "vGPUs %u and %u have different drivers: no process can have both",
				 home->devid, devid);
	for (unsigned int i = 0; i < session->seat_count; i++)
		if (!strcasecmp(gpu_name(session->seats[i].device->settings.gpu),
				gpu_name(device->settings.gpu)))
			return be_refuse(answer, -EEXIST,
					 "vGPUs %u and %u are of one GPU, which a process has once",
					 session->seats[i].device->devid, devid);
	return 0;
}

int be_seats_check(const struct be_device *home, const struct vg_control_open *open,
		   struct vg_control *answer)
{
	if (!open->count || open->count > VG_SESSION_DEVICES || open->devids[0] != home->devid)
		return be_refuse(answer, -EINVAL, "a list of vGPUs that makes no sense");
	for (unsigned int i = 1; i < open->count; i++)
		if (memchr(open->devids, open->devids[i], i))
			return be_refuse(answer, -EINVAL, "a list that names vGPU %u twice",
					 open->devids[i]);
	return 0;
}

int be_seats_choose(struct be_session *session, const struct vg_control_open *open,
		    struct vg_control *answer)
{
	struct be_device *home = session->device;

	for (unsigned int i = 1; i < open->count; i++) {
		struct be_device *device =
			be_devices_find(home->daemon, home->domid, open->devids[i]);
		int rc = join_check(session, device, open->devids[i], answer);

		if (!rc)
			be_seat_take(session, device);
		else if (!(open->flags & VG_OPEN_PICK))
			return rc;
		else
			vg_call(&session->who, "event=not-joined vgpu=%u reason=\"%s\"",
				open->devids[i], answer->text);
	}
	answer->status = 0;
	answer->text[0] = '\0';
	return 0;
}

int be_seats_adopt(struct be_session *session, const struct vg_control_adopt *adopt)
{
	struct be_device *home = session->device;

	if (!adopt->count || adopt->count > VG_SESSION_DEVICES || adopt->devids[0] != home->devid)
		return -EINVAL;
	for (unsigned int i = 1; i < adopt->count; i++) {
		/* Made if need be: it may not have been found in xenstore yet. */
		struct be_device *device =
			be_devices_get(home->daemon, home->domid, adopt->devids[i]);

		if (!device || memchr(adopt->devids, adopt->devids[i], i)) {
			session->seat_count = 1; /* as it was */
			return -EINVAL;
		}
		be_seat_take(session, device);
	}
	be_seats_enter(session);
	return 0;
}

/* --- as it is told ---------------------------------------------------------------------------------- */

unsigned int be_seats_list(const struct be_session *session, uint8_t devids[VG_SESSION_DEVICES])
{
	memset(devids, 0, VG_SESSION_DEVICES);
	for (unsigned int i = 0; i < session->seat_count; i++)
		devids[i] = (uint8_t)session->seats[i].device->devid;
	return session->seat_count;
}

const char *be_seats_text(const struct be_session *session, char text[BE_SEATS_TEXT])
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < session->seat_count; i++)
		at += (size_t)snprintf(text + at, BE_SEATS_TEXT - at, "%s%u", i ? "," : "",
				       session->seats[i].device->devid);
	return text;
}
