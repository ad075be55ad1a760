/* SPDX-License-Identifier: MIT */
/*
 * The frontend's end of the control ring (struct vg_control_ring): requests go in, answers and
 * GONE come out. Indices are private; what the backend writes is read once and checked.
 */
#ifndef FE_CTLRING_H
#define FE_CTLRING_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"

struct fe_ring {
	struct vg_control_ring *shared; /* the granted page; not owned */
	uint64_t req_prod;
	uint64_t rsp_cons;
	bool backend_seen; /* it has announced itself, so its flag's fall means death */
};

/* Lays the empty ring out in a zeroed page. */
void fe_ring_init(struct fe_ring *ring, void *page);
/* 0; -EAGAIN: full, the backend rings when it has taken some; -EPROTO: its index is absurd. */
int fe_ring_push(struct fe_ring *ring, const struct vg_control *msg);
/* 1: a message; 0: none; -EPROTO. Strings are NUL-terminated. */
int fe_ring_pop(struct fe_ring *ring, struct vg_control *msg);
/* false once the backend, having been there, has gone. */
bool fe_ring_backend_alive(struct fe_ring *ring);

#endif
