/* SPDX-License-Identifier: MIT */
/*
 * This host's GPU and its driver, as NVML tells of them and by a kernel that is run. A driver that is ill hangs whoever
 * asks it: another process does.
 */
#include "tools/verify.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/gpu.h"

#define NVML_MS  10000u
#define PROBE_MS 60000u
/* NVML's samples of processes' shares are of the last seconds. */
#define SAMPLES_US 2000000u
#define PIDS_MAX   256u

/* What the child is asked, and says. */
struct question {
	const char *gpu; /* as the vGPU is set to it */
	uint64_t pids[PIDS_MAX];
	size_t pid_count;
};

struct report {
	int rc; /* of vgpu_nvml_open() */
	bool found;
	char why[160];
	struct vgpu_nvml_versions versions;
	struct vgpu_gpu gpu;
	double share, held; /* by the processes asked about; NAN: not known */
};

/* --- in the child ------------------------------------------------------------------------------------- */

static uint64_t samples_since(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - SAMPLES_US;
}

static void processes_ask(nvmlDevice_t device, const struct question *question,
			  struct report *report)
{
	static struct vgpu_gpu_times times;
	static struct vgpu_gpu_holders holders;
	uint64_t since = samples_since();

	report->share = vgpu_gpu_times(device, &since, &times) ? 0 : NAN;
	report->held = vgpu_gpu_holders(device, &holders) ? 0 : NAN;
	for (size_t i = 0; i < question->pid_count; i++) {
		report->share += vgpu_gpu_share(&times, question->pids[i]);
		report->held += vgpu_gpu_held(&holders, question->pids[i]);
	}
}

static void nvml_ask(const void *argument, void *result)
{
	const struct question *question = argument;
	struct report *report = result;
	nvmlDevice_t device;

	*report = (struct report){.gpu = vgpu_gpu_unknown, .share = NAN, .held = NAN};
	report->rc = vgpu_nvml_open(report->why, sizeof(report->why));
	if (report->rc)
		return;
	vgpu_nvml_versions(&report->versions);
	device = vgpu_gpu_find(question->gpu);
	report->found = device != NULL;
	if (!device)
		return;
	vgpu_gpu_read(device, &report->gpu);
	processes_ask(device, question, report);
}

/* --- the GPU ------------------------------------------------------------------------------------------ */

static void question_fill(struct question *question, struct json_object *device)
{
	size_t count;
	struct json_object *sessions = vgpu_array(device, "sessions", &count);

	*question = (struct question){.gpu = vgpu_text(device, "gpu")};
	for (size_t i = 0; i < count && i < PIDS_MAX; i++)
		question->pids[question->pid_count++] =
			vgpu_uint(json_object_array_get_idx(sessions, i), "executor");
}

/* What of it is this vGPU's programs', where there are any and NVML tells. */
static void part_append(char *text, size_t size, const struct report *report)
{
	if (isnan(report->share) && isnan(report->held))
		return;
	vgpu_append(text, size, "; by this vGPU");
	if (!isnan(report->share))
		vgpu_append(text, size, " %.0f %%", report->share * 100);
	if (!isnan(report->held))
		vgpu_append(text, size, "%s %s", isnan(report->share) ? "" : " and",
			    vgpu_bytes((uint64_t)report->held));
}

/* "NVIDIA H100 (GPU-...), driver 580.95.05, CUDA 13.0: 45 % busy, 1.2G of 80G; by this vGPU 30 % and 1.0G" */
static void gpu_text(char *text, size_t size, const struct report *report, bool programs)
{
	const struct vgpu_gpu *gpu = &report->gpu;

	snprintf(text, size, "%s (%s), driver %s, CUDA %s", *gpu->model ? gpu->model : "a GPU",
		 *gpu->uuid ? gpu->uuid : "no UUID",
		 *report->versions.driver ? report->versions.driver : "unknown",
		 *report->versions.cuda ? report->versions.cuda : "unknown");
	vgpu_append(text, size, ":");
	if (!isnan(gpu->busy))
		vgpu_append(text, size, " %.0f %% busy,", gpu->busy * 100);
	if (isnan(gpu->memory_total))
		vgpu_append(text, size, " memory unknown");
	else
		vgpu_append(text, size, " %s of %s", vgpu_bytes((uint64_t)gpu->memory_used),
			    vgpu_bytes((uint64_t)gpu->memory_total));
	if (programs)
		part_append(text, size, report);
}

static void gpu_broken(struct vgpu_findings *findings, const char *gpu, const char *what,
		       const char *why)
{
	vgpu_find(findings, VGPU_LINK_GPU, VGPU_BROKEN, "GPU", "%s: %s%s", gpu, what, why);
	vgpu_remedy(findings, "dmesg | grep -i -e nvrm -e xid; lspci; is NVIDIA's driver loaded "
			      "(modprobe nvidia), and has it created /dev/nvidia*?");
}

void vgpu_verify_nvml(struct vgpu_findings *findings, struct json_object *device,
		      unsigned int timeout_ms)
{
	struct question question;
	struct report report;
	char text[VGPU_SEEN];

	question_fill(&question, device);
	if (!vgpu_process_call(nvml_ask, &question, &report, sizeof(report), timeout_ms)) {
		gpu_broken(findings, question.gpu, "NVML does not answer", "");
	} else if (report.rc == -ENOENT) {
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_NOTE, "GPU",
			  "%s; %s here, so only --probe can tell", question.gpu, report.why);
	} else if (report.rc) {
		gpu_broken(findings, question.gpu, "NVML does not start: ", report.why);
	} else if (!report.found) {
		gpu_broken(findings, question.gpu, "NVML does not find it", "");
	} else {
		gpu_text(text, sizeof(text), &report, question.pid_count > 0);
		vgpu_find(findings, VGPU_LINK_GPU, VGPU_OK, "GPU", "%s", text);
	}
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
		vgpu_verify_nvml(&verify->findings, device, NVML_MS);
	if (verify->probe)
		gpu_probe(&verify->findings, device);
}
