/* SPDX-License-Identifier: MIT */
/* This host's links: xen-vgpud and the domain. */
#include "tools/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XL_MS 5000u

/* --- xen-vgpud -------------------------------------------------------------------------------------- */

bool vgpu_verify_daemon(struct vgpu_verify *verify)
{
	struct vgpu_findings *findings = &verify->findings;
	struct json_object *answer = vgpu_request(verify->vgpu, "ping", NULL);
	struct vgpu_process process;
	long long pid, age;

	vgpu_subject(findings, "this host");
	if (!answer) {
		vgpu_find(findings, VGPU_LINK_DAEMON, VGPU_BROKEN, "xen-vgpud",
			  "does not answer on %s (%s)", verify->vgpu->socket,
			  errno ? strerror(errno) : "it refuses");
		vgpu_remedy(
			findings,
			errno == ETIMEDOUT
				? "it hangs or is stopped: systemctl status xen-vgpud; running "
				  "programs go on without it; systemctl restart xen-vgpud keeps them"
				: "systemctl start xen-vgpud; its log: journalctl -u xen-vgpud");
		return false;
	}
	pid = (long long)vgpu_int(answer, "pid");
	age = (long long)(vgpu_int(answer, "now") - vgpu_int(answer, "started"));
	vgpu_process_look((pid_t)pid, &process);
	vgpu_find(findings, VGPU_LINK_DAEMON, VGPU_OK, "xen-vgpud",
		  "process %lld, up %lld min, protocol %" PRIu64 ", %" PRIu64 " executors", pid,
		  age / 60, vgpu_uint(answer, "protocol"), vgpu_uint(answer, "executors"));
	json_object_put(answer);
	return true;
}

/* --- the domain -------------------------------------------------------------------------------------- */

/* The state's letters, as `xl list` has them before the time; 0: it does not say. */
static bool xl_state(uint32_t domid, char *state, size_t size)
{
	char number[16], text[4096], *line, *last, *field, *at, *before = NULL, *now = NULL;
	const char *const argv[] = {"xl", "list", number, NULL};

	snprintf(number, sizeof(number), "%u", domid);
	if (vgpu_process_run(argv, XL_MS, text, sizeof(text)))
		return false;
	line = strchr(text, '\n'); /* behind the heading */
	if (!line)
		return false;
	last = strchr(line + 1, '\n');
	if (last)
		*last = '\0';
	for (field = strtok_r(line + 1, " ", &at); field; field = strtok_r(NULL, " ", &at)) {
		before = now;
		now = field;
	}
	if (!before)
		return false;
	snprintf(state, size, "%s", before);
	return true;
}

void vgpu_verify_domain(struct vgpu_verify *verify)
{
	struct vgpu_findings *findings = &verify->findings;
	char state[16] = "";

	vgpu_subject(findings, "%s", verify->domain);
	if (verify->self) {
		vgpu_find(findings, VGPU_LINK_DOMAIN, VGPU_NOTE, "domain",
			  "number %u; only dom0 can see whether it runs", verify->domid);
		return;
	}
	if (!xl_state(verify->domid, state, sizeof(state))) {
		vgpu_find(findings, VGPU_LINK_DOMAIN, VGPU_NOTE, "domain",
			  "number %u; `xl list` did not say whether it runs", verify->domid);
		return;
	}
	verify->paused = strchr(state, 'p') != NULL;
	if (verify->paused || strchr(state, 'c') || strchr(state, 'd')) {
		vgpu_find(findings, VGPU_LINK_DOMAIN, VGPU_BROKEN, "domain", "number %u is %s (%s)",
			  verify->domid,
			  verify->paused       ? "paused"
			  : strchr(state, 'c') ? "crashed"
					       : "dying",
			  state);
		vgpu_remedy(findings, verify->paused ? "xl unpause %s" : "xl dmesg; xl destroy %s",
			    verify->domain);
		return;
	}
	vgpu_find(findings, VGPU_LINK_DOMAIN, VGPU_OK, "domain", "number %u, state %s",
		  verify->domid, state);
}
