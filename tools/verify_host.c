/* SPDX-License-Identifier: MIT */
/* This host's links: xen-vgpud, the domain, the GPU and its driver. */
#include "tools/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"

#define XL_MS    5000u
#define SMI_MS   10000u
#define PROBE_MS 60000u

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

/* --- the GPU ------------------------------------------------------------------------------------------ */

/* "0 4711 C 17 ...": the process, and its share in percent, -1: "-", or another line. */
static long pmon_take(const char *line, long *share)
{
	char *at, *end;
	long pid;

	*share = -1;
	strtol(line, &at, 10);
	pid = strtol(at, &end, 10);
	if (end == at)
		return 0;
	end += strspn(end, " ");
	end += strcspn(end, " "); /* its type */
	*share = strtol(end, &at, 10);
	if (at == end)
		*share = -1;
	return pid;
}

/* The SM share of each process of an executor's, as `nvidia-smi pmon` has it; -1: it does not say. */
static int gpu_share(struct json_object *device)
{
	const char *const argv[] = {"nvidia-smi", "pmon", "-c", "1", "-s", "u", NULL};
	struct json_object *sessions;
	char text[16384], *line, *at;
	size_t count;
	int sum = -1;

	sessions = vgpu_array(device, "sessions", &count);
	if (!count || vgpu_process_run(argv, SMI_MS, text, sizeof(text)))
		return -1;
	for (line = strtok_r(text, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
		long share, pid = pmon_take(line, &share);

		for (size_t i = 0; i < count && share >= 0; i++)
			if (vgpu_int(json_object_array_get_idx(sessions, i), "executor") == pid)
				sum = (sum < 0 ? 0 : sum) + (int)share;
	}
	return sum;
}

static void gpu_real(struct vgpu_findings *findings, struct json_object *device)
{
	const char *gpu = vgpu_text(device, "gpu");
	const char *const argv[] = {
		"nvidia-smi",
		"-i",
		gpu,
		"--query-gpu=name,uuid,driver_version,memory.used,memory.total,utilization.gpu",
		"--format=csv,noheader",
		NULL};
	char text[1024];
	int rc = vgpu_process_run(argv, SMI_MS, text, sizeof(text)), share;

	text[strcspn(text, "\n")] = '\0';
	if (rc == 127) {
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_NOTE, "GPU",
			  "%s; nvidia-smi is not installed, so only --probe can tell", gpu);
		return;
	}
	if (rc) {
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_BROKEN, "GPU",
			  rc < 0 ? "%s: nvidia-smi hangs" : "%s: nvidia-smi does not find it: %s",
			  gpu, text);
		vgpu_remedy(findings,
			    "dmesg | grep -i -e nvrm -e xid; lspci; is NVIDIA's driver loaded "
			    "(modprobe nvidia), and has it created /dev/nvidia*?");
		return;
	}
	share = gpu_share(device);
	if (share >= 0)
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_OK, "GPU", "%s busy; %d %% by this vGPU",
			  text, share);
	else
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_OK, "GPU", "%s busy", text);
}

/* A kernel here, with the vGPU's driver and GPU, by an executor like a guest's. */
static void gpu_probe(struct vgpu_findings *findings, struct json_object *device)
{
	char driver[300], gpu[160], text[2048];
	const char *const argv[] = {"vgpu-run", driver, gpu, "--", "vgpu-probe", "--brief", NULL};
	int rc;

	snprintf(driver, sizeof(driver), "--driver=%s", vgpu_text(device, "driver"));
	snprintf(gpu, sizeof(gpu), "--gpu=%s", vgpu_text(device, "gpu"));
	rc = vgpu_process_run(argv, PROBE_MS, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	if (rc == 127) {
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_NOTE, "kernel on this host",
			  "not tried: vgpu-run and vgpu-probe are not installed (packages "
			  "vgpu-local, vgpu-libs)");
		return;
	}
	vgpu_find(findings, VGPU_LINK_GPU, rc ? VGPU_BROKEN : VGPU_OK, "kernel on this host", "%s",
		  *text    ? text
		  : rc < 0 ? "it hangs"
			   : "it says nothing");
	if (rc)
		vgpu_remedy(findings, "no guest is needed for this: %s %s %s -- vgpu-probe",
			    argv[0], driver, gpu);
}

void vgpu_verify_gpu(struct vgpu_verify *verify, struct json_object *device)
{
	if (!strncmp(vgpu_text(device, "gpu"), "soft", 4))
		vgpu_find(&verify->findings, VGPU_LINK_GPU, VGPU_OK, "GPU",
			  "%s: libcuda-soft, which needs none", vgpu_text(device, "gpu"));
	else
		gpu_real(&verify->findings, device);
	if (verify->probe)
		gpu_probe(&verify->findings, device);
}
