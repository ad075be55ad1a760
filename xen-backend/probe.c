/* SPDX-License-Identifier: MIT */
/*
 * Asks a guest's broker whether it is alive, or whether a kernel runs there (VG_CTL_PROBE), for the control
 * socket. A device has one question at a time, the last. Its answer is the guest's word: taken if it was
 * asked for, cleaned, printed, never used; any other costs the look at its tag.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "protocol/clock.h"
#include "xen-backend/json.h"

static void probe_end(struct be_device *device, int32_t status, const char *text)
{
	struct be_probe *probe = &device->probe;

	probe->waiting = probe->unsent = false;
	probe->answered = vg_clock_ms();
	probe->status = status;
	probe->counts = (struct vg_control_probed){0};
	snprintf(probe->text, sizeof(probe->text), "%s", text);
}

void be_device_probe(struct be_device *device, enum vg_probe what)
{
	struct be_probe *probe = &device->probe;

	probe->what = what;
	probe->asked = vg_clock_ms();
	probe->answered = 0;
	if (!device->connected || device->broken) {
		probe_end(device, -ENOTCONN, "the guest's vgpu-frontd is not connected");
		return;
	}
	probe->tag++;
	probe->waiting = probe->unsent = true;
	be_device_flush(device);
}

int be_probe_put(struct be_device *device)
{
	struct be_probe *probe = &device->probe;
	const struct vg_control msg = {
		.type = VG_CTL_PROBE, .tag = probe->tag, .u.probe.what = probe->what};
	int rc;

	if (!probe->unsent)
		return 0;
	rc = be_ctlring_put(&device->ring, &msg);
	if (rc > 0)
		probe->unsent = false;
	return rc;
}

bool be_probe_answered(struct be_device *device, const struct vg_control *msg)
{
	struct be_probe *probe = &device->probe;
	char text[VG_TEXT_MAX];

	if (!probe->waiting || probe->unsent || msg->tag != probe->tag)
		return false;
	memcpy(text, msg->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	vg_log_clean(text);
	probe_end(device, msg->status < 0 ? msg->status : 0, text);
	probe->counts = msg->u.probed;
	be_guest_log(device, &device->who, VG_LOG_INFO,
		     "event=probed what=%d status=%d programs=%u pages=%u reason=\"%s\"",
		     (int)probe->what, probe->status, probe->counts.programs, probe->counts.pages,
		     text);
	return true;
}

void be_probe_disconnected(struct be_device *device)
{
	if (device->probe.waiting)
		probe_end(device, -ENOTCONN, "the connection to the guest ended before its answer");
}

/* --- the control socket ------------------------------------------------------------------------ */

static struct json_object *probe_json(const struct be_probe *probe)
{
	struct json_object *object = json_object_new_object();
	uint64_t now = vg_clock_ms();

	be_put_text(object, "what", probe->what == VG_PROBE_KERNEL ? "kernel" : "alive");
	be_put_uint(object, "asked_ms", now - probe->asked);
	if (!probe->answered)
		return object;
	be_put_uint(object, "answered_ms", now - probe->answered);
	be_put_uint(object, "took_ms", probe->answered - probe->asked);
	be_put_int(object, "status", probe->status);
	be_put_text(object, "text", probe->text);
	be_put_uint(object, "programs", probe->counts.programs);
	be_put_uint(object, "sessions", probe->counts.sessions);
	be_put_uint(object, "pages", probe->counts.pages);
	be_put_uint(object, "pages_max", probe->counts.pages_max);
	return object;
}

void be_probe_put_json(struct json_object *object, const struct be_device *device)
{
	if (device->probe.asked)
		json_object_object_add(object, "probe", probe_json(&device->probe));
}

int be_probe_parse(struct json_object *request, enum vg_probe *what)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(request, "probe", &value))
		return 0;
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	*what = !strcmp(text, "kernel") ? VG_PROBE_KERNEL : VG_PROBE_ALIVE;
	return *what == VG_PROBE_KERNEL || !strcmp(text, "alive") ? 1 : -EINVAL;
}
