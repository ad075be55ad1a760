/* SPDX-License-Identifier: MIT */
/*
 * vgpu verify: walks the chain from a guest's call to the GPU and back, link by link. verify.c asks and prints,
 * verify_host.c looks at this host, verify_gpu.c at its GPU, verify_device.c at a vGPU, verify_session.c at a program's
 * session.
 */
#ifndef VGPU_VERIFY_H
#define VGPU_VERIFY_H

#include <json-c/json.h>

#include "tools/finding.h"
#include "tools/process.h"
#include "tools/value.h"
#include "tools/vgpu.h"

struct vgpu_verify {
	struct vgpu *vgpu;
	uint32_t domid, self;
	char domain[64];
	int64_t devid; /* -1: all */
	bool json, watch, probe;
	bool paused; /* the domain is: what its side does not do has a reason */
	struct vgpu_findings findings;
	/* xen-vgpud's answers, some time apart; owned. NULL: it does not answer. */
	struct json_object *before, *after;
	uint64_t apart_ms;
};

/* --- the links -------------------------------------------------------------------------------------- */

/* xen-vgpud and the domain. False: there is no use in looking further. */
bool vgpu_verify_daemon(struct vgpu_verify *verify);
void vgpu_verify_domain(struct vgpu_verify *verify);
/* The GPU and driver of a vGPU, by a kernel run here (vgpu-run, vgpu-probe) if that is asked for. */
void vgpu_verify_gpu(struct vgpu_verify *verify, struct json_object *device);
/* What NVML says of it, within that time. */
void vgpu_verify_nvml(struct vgpu_findings *findings, struct json_object *device,
		      unsigned int timeout_ms);
/* xenstore, the control ring, the broker, sessions that were refused. */
void vgpu_verify_device(struct vgpu_verify *verify, uint32_t devid, struct json_object *device);
/* One session, as it was and as it is. before: NULL, if there was none with that number. */
void vgpu_verify_session(struct vgpu_findings *findings, struct json_object *before,
			 struct json_object *after, uint64_t apart_ms, bool paused,
			 const struct vgpu_process *executor);
/* The session that ended last, where no other is there: what it got tells how the GPU is. */
void vgpu_verify_ended(struct vgpu_findings *findings, struct json_object *ended, int64_t now);

#endif
