/* SPDX-License-Identifier: MIT */
/* A vGPU's links: xenstore, the control ring, the guest's broker, and whether programs get sessions. */
#include "tools/verify.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/beside.h"
#include "protocol/control.h"
#include "tools/answer.h"
#include "xenstore-schema/schema.h"
#include "xenstore-schema/store.h"

#define CHECK_MS 20000u
/* Of the memory that the guest may have. */
#define QUOTA_WARN 95u

/* --- xenstore ---------------------------------------------------------------------------------------- */

static const char *state_name(uint64_t state)
{
	static const char *const names[] = {"gone",      "initialising", "waiting", "initialised",
					    "connected", "closing",      "closed"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "nonsense";
}

static uint64_t frontend_state(struct vgpu_verify *verify, const struct vg_schema_device *id)
{
	char dir[VG_SCHEMA_PATH];
	uint64_t state = 0;

	vg_schema_path(dir, VG_TREE_FRONTEND, VG_LEVEL_DEVICE, id);
	vg_store_read_uint(verify->vgpu->xs, XBT_NULL, dir, VG_KEY_STATE, 1, 6, &state);
	return state;
}

static const char *states_remedy(uint64_t back, uint64_t front)
{
	if (back == 1)
		return "xen-vgpud has not taken the device up: its log (journalctl -u xen-vgpud)";
	if (back == 6 && front != 6)
		return "vgpu-frontd has ended without closing the device: in the guest, systemctl "
		       "restart vgpu-frontd, and journalctl -u vgpu-frontd for why";
	if (front <= 1)
		return "vgpu-frontd does not run in the guest: there, systemctl status vgpu-frontd "
		       "(package vgpu-guest)";
	if (back == 6 || back == 5)
		return "the device was closed: vgpu list shows why; vgpu detach and attach make it anew";
	return "one side waits for the other: see both logs, journalctl -u xen-vgpud here and "
	       "journalctl -u vgpu-frontd in the guest";
}

static bool states_look(struct vgpu_verify *verify, const struct vg_schema_device *id)
{
	char error[512] = "";
	uint64_t back = (uint64_t)vgpu_tree_state(verify->vgpu->xs, id->domid, id->devid, error,
						  sizeof(error));
	uint64_t front = frontend_state(verify, id);
	bool fine = back == 4 && front == 4;
	/* Only its death leaves a frontend behind that is connected to nothing. */
	bool deserted = back == 6 && front >= 2 && front <= 4 && !*error;

	vgpu_find(&verify->findings, deserted ? VGPU_LINK_BROKER : VGPU_LINK_DEVICE,
		  fine ? VGPU_OK : VGPU_BROKEN, "xenstore",
		  "backend (domain %u) %s, frontend %s%s%s", id->backend, state_name(back),
		  state_name(front), *error ? ": " : "", error);
	if (!fine)
		vgpu_remedy(&verify->findings, "%s",
			    *error ? "mend the setting that the message names: vgpu detach, vgpu "
				     "attach with others"
				   : states_remedy(back, front));
	return fine;
}

static void schema_look(struct vgpu_verify *verify, const struct vg_schema_device *id)
{
	/* Beside this program (a build tree), in ../libexec/vgpu, or where it is installed. */
	static const char *const places[] = {"vgpu-schema-check",
					     "../libexec/vgpu/vgpu-schema-check"};
	char path[PATH_MAX] = VG_LIBEXECDIR "/vgpu-schema-check";
	char domid[16], devid[16], text[4096];
	const char *const argv[] = {path, domid, devid, NULL};
	int rc;

	if (verify->self) /* it wants dom0's rights */
		return;
	vg_beside_find(places, sizeof(places) / sizeof(places[0]), X_OK, path, sizeof(path));
	snprintf(domid, sizeof(domid), "%u", id->domid);
	snprintf(devid, sizeof(devid), "%u", id->devid);
	rc = vgpu_process_run(argv, CHECK_MS, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	if (!rc) {
		vgpu_find(&verify->findings, VGPU_LINK_DEVICE, VGPU_OK, "schema",
			  "all of its nodes are as they must be");
		return;
	}
	vgpu_find(&verify->findings, VGPU_LINK_DEVICE, rc == 1 ? VGPU_WARN : VGPU_NOTE, "schema",
		  rc == 1 ? "a node is not as it must be: %s" : "could not be checked (%s)",
		  rc == 1 ? text : path);
	if (rc == 1)
		vgpu_remedy(&verify->findings, "%s names all of them", path);
}

/* --- the control ring and the broker ----------------------------------------------------------------------- */

static const char *request_name(uint64_t type)
{
	switch (type) {
	case VG_CTL_OPEN: return "a session opened";
	case VG_CTL_SHARE: return "pages shared";
	case VG_CTL_UNSHARE: return "pages taken back";
	case VG_CTL_CLOSE: return "a session closed";
	case VG_CTL_RESUME: return "sessions resumed";
	default: return "none";
	}
}

static void doorbells_look(struct vgpu_findings *findings, struct json_object *device)
{
	bool any = vgpu_uint(device, "bells") || vgpu_uint(device, "requests");

	vgpu_find(findings, VGPU_LINK_BROKER, VGPU_OK, "doorbells",
		  "%" PRIu64 " on the control ring, the last %s; %" PRIu64
		  " requests, the last (%s) %s; %" PRIu64 " not answered yet%s",
		  vgpu_uint(device, "bells"), vgpu_ago(device, "rang_ms"),
		  vgpu_uint(device, "requests"), request_name(vgpu_uint(device, "last_request")),
		  vgpu_ago(device, "asked_ms"), vgpu_uint(device, "unanswered"),
		  any ? "" : ": since xen-vgpud started no program has asked");
}

static void broker_silent(struct vgpu_verify *verify, struct json_object *probe)
{
	vgpu_find(&verify->findings, VGPU_LINK_BROKER, VGPU_BROKEN, "broker",
		  "vgpu-frontd was asked %s and has not answered%s", vgpu_ago(probe, "asked_ms"),
		  verify->paused ? ": the domain is paused" : "");
	vgpu_remedy(&verify->findings,
		    verify->paused
			    ? "xl unpause %s"
			    : "it is stopped or the guest %s hangs: xl console, there systemctl "
			      "status vgpu-frontd; programs that have their lanes go on without it",
		    verify->domain);
}

/* What it said to the last question, the one of this look. */
static void broker_answered(struct vgpu_findings *findings, struct json_object *probe)
{
	int64_t status = vgpu_int(probe, "status");
	bool kernel = !strcmp(vgpu_text(probe, "what"), "kernel");

	vgpu_find(findings, VGPU_LINK_BROKER, VGPU_OK, "broker",
		  "vgpu-frontd answers, in %" PRIu64 " ms: %" PRIu64 " programs, %" PRIu64
		  " of %" PRIu64 " pages",
		  vgpu_uint(probe, "took_ms"), vgpu_uint(probe, "programs"),
		  vgpu_uint(probe, "pages"), vgpu_uint(probe, "pages_max"));
	if (!kernel)
		return;
	vgpu_find(findings, VGPU_LINK_SESSION, status ? VGPU_BROKEN : VGPU_OK,
		  "kernel in the guest", "%s", vgpu_text(probe, "text"));
	if (status)
		vgpu_remedy(findings, "in the guest: vgpu-probe; VGPU_LOG=call vgpu-probe shows "
				      "each call; see also xen-vgpud's log");
}

static bool broker_look(struct vgpu_verify *verify, struct json_object *device)
{
	struct json_object *probe;

	if (!vgpu_flag(device, "connected"))
		return false;
	if (!vgpu_flag(device, "frontend_alive")) {
		vgpu_find(&verify->findings, VGPU_LINK_BROKER, VGPU_BROKEN, "broker",
			  "vgpu-frontd has ended: its page is not mapped in the guest any more");
		vgpu_remedy(&verify->findings, "in the guest: systemctl restart vgpu-frontd");
		return false;
	}
	doorbells_look(&verify->findings, device);
	if (!json_object_object_get_ex(device, "probe", &probe)) {
		vgpu_find(&verify->findings, VGPU_LINK_BROKER, VGPU_OK, "broker",
			  "its page is mapped in the guest");
		return true;
	}
	if (vgpu_has(probe, "answered_ms")) {
		broker_answered(&verify->findings, probe);
		return true;
	}
	broker_silent(verify, probe);
	return false;
}

/* --- sessions ---------------------------------------------------------------------------------------- */

static void quota_look(struct vgpu_findings *findings, struct json_object *device)
{
	uint64_t quota = vgpu_uint(device, "mem"), used = vgpu_uint(device, "mem_used");
	bool tight = quota && used / 100 * 100 >= quota / 100 * QUOTA_WARN;

	vgpu_find(findings, VGPU_LINK_SESSION, tight ? VGPU_WARN : VGPU_OK, "memory", "%s of %s",
		  vgpu_bytes(used), quota ? vgpu_bytes(quota) : "what the GPU has");
	if (tight)
		vgpu_remedy(findings,
			    "programs will soon get CUDA_ERROR_OUT_OF_MEMORY: a larger mem= "
			    "(detach, attach), or end one");
}

/* A refusal that nobody has done better after. */
static void refusals_look(struct vgpu_findings *findings, struct json_object *device,
			  size_t sessions)
{
	uint64_t refusals = vgpu_uint(device, "refusals");
	enum vgpu_verdict verdict = sessions ? VGPU_NOTE : VGPU_BROKEN;

	if (!refusals)
		return;
	vgpu_find(findings, VGPU_LINK_SESSION, verdict, "refused",
		  "%" PRIu64 " programs, the last %s: %s", refusals, vgpu_ago(device, "refused_ms"),
		  vgpu_text(device, "refusal"));
	if (verdict == VGPU_BROKEN)
		vgpu_remedy(findings,
			    "the reason says what to do; the executor's own log has more: "
			    "journalctl -u xen-vgpud");
}

/* By its executor, which no two have. */
static struct json_object *session_find(struct json_object *device, int64_t executor)
{
	size_t count;
	struct json_object *sessions = device ? vgpu_array(device, "sessions", &count) : NULL;

	for (size_t i = 0; sessions && i < count; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		if (vgpu_int(s, "executor") == executor)
			return s;
	}
	return NULL;
}

/* The session of the device that ended last; NULL: none did. */
static struct json_object *ended_find(const struct vgpu_verify *verify, uint32_t devid)
{
	size_t count;
	struct json_object *ended = vgpu_array(verify->after, "ended", &count);

	while (count--) {
		struct json_object *s = json_object_array_get_idx(ended, count);

		if (vgpu_uint(s, "domid") == verify->domid && vgpu_uint(s, "devid") == devid)
			return s;
	}
	return NULL;
}

static void sessions_look(struct vgpu_verify *verify, uint32_t devid, struct json_object *device)
{
	struct json_object *was = vgpu_answer_device(verify->before, verify->domid, devid);
	size_t count;
	struct json_object *sessions = vgpu_array(device, "sessions", &count);

	vgpu_find(&verify->findings, VGPU_LINK_SESSION, VGPU_OK, "sessions",
		  "programs: %zu of at most %" PRIu64, count, vgpu_uint(device, "max_sessions"));
	refusals_look(&verify->findings, device, count);
	quota_look(&verify->findings, device);
	if (!count)
		vgpu_verify_ended(&verify->findings, ended_find(verify, devid),
				  vgpu_int(verify->after, "now"));
	for (size_t i = 0; i < count; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);
		struct vgpu_process executor;

		vgpu_process_look((pid_t)vgpu_int(s, "executor"), &executor);
		vgpu_verify_session(&verify->findings, session_find(was, vgpu_int(s, "executor")),
				    s, verify->apart_ms, verify->paused, &executor);
	}
}

void vgpu_verify_device(struct vgpu_verify *verify, uint32_t devid, struct json_object *device)
{
	const struct vg_schema_device id = {
		verify->domid, devid, vgpu_tree_backend(verify->vgpu->xs, verify->domid, devid)};

	vgpu_subject(&verify->findings, "%s, vGPU %u", verify->domain, devid);
	if (id.backend != verify->self) {
		vgpu_find(&verify->findings, VGPU_LINK_DEVICE, VGPU_NOTE, "xenstore",
			  "served by domain %u: run vgpu verify there", id.backend);
		return;
	}
	if (device)
		vgpu_verify_gpu(verify, device);
	if (!states_look(verify, &id) && !device)
		return;
	schema_look(verify, &id);
	if (!device) {
		vgpu_find(&verify->findings, VGPU_LINK_DEVICE, VGPU_BROKEN, "device",
			  "xen-vgpud does not know it");
		vgpu_remedy(&verify->findings, "systemctl restart xen-vgpud, and see its log");
		return;
	}
	broker_look(verify, device);
	sessions_look(verify, devid, device);
}
