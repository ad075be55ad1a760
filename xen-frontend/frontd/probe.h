/* SPDX-License-Identifier: MIT */
/*
 * What the host asks of a device: PROBE on the control ring. A device remembers the last question of each
 * kind only, so that a backend which asks again and again costs no memory.
 */
#ifndef FE_PROBE_H
#define FE_PROBE_H

#include "xen-frontend/frontd/ctlring.h"

enum fe_probe_state {
	FE_PROBE_NONE,
	FE_PROBE_ASKED,   /* vgpu-probe runs for another device */
	FE_PROBE_RUNNING, /* vgpu-probe has been started for it */
	FE_PROBE_DUE,     /* the answer is to be sent */
};

struct fe_probe {
	struct {
		enum fe_probe_state state;
		uint32_t tag;             /* of the last question */
		struct vg_control answer; /* DUE */
	} kinds[2];                       /* by enum vg_probe */
};

struct fe_device;

/* A PROBE has come: the answer is due at once, or when vgpu-probe has had its turn. */
void fe_probe_take(struct fe_device *device, const struct vg_control *msg);
/* Puts what is due into the ring; true: something went. *rc as fe_ring_push() has it. */
bool fe_probe_flush(struct fe_probe *probe, struct fe_ring *ring, int *rc);
/* The connection has ended: nobody waits for an answer. */
void fe_probe_drop(struct fe_probe *probe);

#endif
