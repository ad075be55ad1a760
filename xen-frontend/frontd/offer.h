/* SPDX-License-Identifier: MIT */
/*
 * What the broker makes for one share: granted pages, the page directory that lists them, and for
 * a lane its event channel.
 */
#ifndef FE_OFFER_H
#define FE_OFFER_H

#include "protocol/control.h"
#include "protocol/socket.h"
#include "xen-frontend/frontd/grants.h"

struct fe_offer {
	struct fe_grant pages;
	struct fe_grant dirs; /* until the backend has answered */
	struct vg_bell bell;  /* lanes */
	uint32_t port;
};

#define FE_OFFER_NONE \
	((struct fe_offer){.pages = FE_GRANT_NONE, .dirs = FE_GRANT_NONE, .bell = VG_BELL_NONE})

/* Pages that a share costs in all, its directory included. */
uint32_t fe_offer_cost(uint32_t pages);
/*
 * Makes everything, announces a lane in its first page, and fills in share->dir_ref and port. 0 or
 * a negative errno; -ENOSPC is to be expected.
 */
int fe_offer_make(struct fe_offer *offer, struct vg_control_share *share, uint32_t domid,
		  uint32_t limit_max);
/* Puts descriptors, offset and port into the answer to the client. */
void fe_offer_hand_over(const struct fe_offer *offer, struct vg_packet *answer);
/* A lane whose program has gone: says so in its first page, and rings. */
void fe_offer_mourn(const struct fe_offer *offer);
/* The backend has its pages: the directory has served. */
void fe_offer_taken(struct fe_offer *offer);
/* Closes our own ends; what the client holds lives on with it. May be called twice. */
void fe_offer_free(struct fe_offer *offer);

#endif
