/* SPDX-License-Identifier: MIT */
/*
 * The backend's end of the control ring (protocol/control.h): takes requests out of the shared page
 * and puts answers in. Pure but for the shared page.
 */
#ifndef BE_CTLRING_H
#define BE_CTLRING_H

#include <stdint.h>

#include "protocol/control.h"

struct be_ctlring {
	struct vg_control_ring *shared; /* not owned; the guest writes to it at any time */
	uint64_t req_cons;              /* ours; the page only gets copies */
	uint64_t rsp_prod;
};

/* Checks the page's magic and version and announces us. 0 or -EPROTO. */
int be_ctlring_init(struct be_ctlring *ring, struct vg_control_ring *shared);

/* 1: a request was copied to `msg`; 0: none there; -EPROTO: the guest's index makes no sense. */
int be_ctlring_take(struct be_ctlring *ring, struct vg_control *msg);

/* 1: put; 0: no room until the guest takes some; -EPROTO: its index makes no sense. */
int be_ctlring_put(struct be_ctlring *ring, const struct vg_control *msg);

/* Is there anything to take? Used after unmasking, so that no bell is lost. */
int be_ctlring_pending(const struct be_ctlring *ring);

#endif
