/* SPDX-License-Identifier: MIT */
/*
 * What `vgpu verify` has found: one finding for each link of the chain from a guest's call to the GPU and back,
 * in the chain's order. The first that is broken is what everything behind it suffers from.
 */
#ifndef VGPU_FINDING_H
#define VGPU_FINDING_H

#include <stdbool.h>
#include <stddef.h>

/* The links; their numbers are exit statuses of `vgpu verify`. */
enum vgpu_link {
	VGPU_LINK_NONE = 0,
	VGPU_LINK_DAEMON = 10, /* xen-vgpud runs and answers */
	VGPU_LINK_DOMAIN,      /* the guest is there and runs */
	VGPU_LINK_GPU,         /* the driver and its device */
	VGPU_LINK_DEVICE,      /* the vGPU in xenstore, both ends connected */
	VGPU_LINK_BROKER,      /* vgpu-frontd in the guest answers */
	VGPU_LINK_SESSION,     /* programs get their sessions */
	VGPU_LINK_EXECUTOR,    /* the session's process runs and answers */
	VGPU_LINK_COMMANDS,    /* commands are taken and executed */
	VGPU_LINK_REPLIES,     /* the guest takes its answers */
	VGPU_LINK_END,
};

enum vgpu_verdict {
	VGPU_OK,
	VGPU_NOTE, /* worth knowing, or could not be looked at */
	VGPU_WARN, /* it works, and somebody should look */
	VGPU_BROKEN,
};

#define VGPU_SEEN 320

struct vgpu_finding {
	enum vgpu_link link;
	enum vgpu_verdict verdict;
	char subject[48]; /* "guest, vGPU 0", "python3, process 812" */
	char name[24];    /* what was looked at */
	char seen[VGPU_SEEN];
	char remedy[VGPU_SEEN]; /* what to do; empty unless something is wrong */
};

struct vgpu_findings {
	struct vgpu_finding *all; /* owned */
	size_t count, room;
	char subject[48]; /* of those that are added */
};

/* The name of a link as --json has it: "executor". */
const char *vgpu_link_name(enum vgpu_link link);
const char *vgpu_verdict_name(enum vgpu_verdict verdict);

/* Adds one about the current subject; what was seen. Texts are cleaned. */
void vgpu_find(struct vgpu_findings *findings, enum vgpu_link link, enum vgpu_verdict verdict,
	       const char *name, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What to do about the last one. */
void vgpu_remedy(struct vgpu_findings *findings, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void vgpu_subject(struct vgpu_findings *findings, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The broken one that is first in the chain; NULL: none is. */
const struct vgpu_finding *vgpu_first_broken(const struct vgpu_findings *findings);
void vgpu_findings_free(struct vgpu_findings *findings);

#endif
