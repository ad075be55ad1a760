/* SPDX-License-Identifier: MIT */
/*
 * A lane (protocol/wire.h) for those who have no CUDA program's threads to serve: bytes go in and come out, and each wait has an
 * end. Used by one thread at a time; several lanes of a session may be used by several.
 */
#ifndef FE_LANE_PLAIN_H
#define FE_LANE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/ring.h"
#include "protocol/wire.h"
#include "xen-frontend/channel.h"

struct fe_lane_plain {
	struct fe_channel *channel;
	struct fe_share share; /* owned */
	struct vg_lane_shared *shared;
	struct vg_producer commands;
	struct vg_consumer replies;
	uint32_t looks;           /* before it sleeps; 0: it never spins */
	const char *wrong;        /* why something has failed; the lane is of no more use then */
	bool late;                /* because the time was up */
	char reason[VG_TEXT_MAX]; /* the other side's */
};

#define FE_LANE_PLAIN_NONE ((struct fe_lane_plain){.share.bell = VG_BELL_NONE})

/* want: id and the sizes of its rings. 0, or a negative errno with text (VG_TEXT_MAX bytes). */
int fe_lane_plain_open(struct fe_lane_plain *lane, struct fe_channel *channel,
		       const struct vg_control_share *want, char *text);
void fe_lane_plain_close(struct fe_lane_plain *lane);
/* In a child after fork: the pages are not there, the descriptors are the parent's. */
void fe_lane_plain_forget(struct fe_lane_plain *lane);

/*
 * Bytes into the lane as room comes, and their padding to 8. until: of vg_clock_ms. False: lane->wrong says why. What has been
 * written is shown by publish.
 */
bool fe_lane_plain_put(struct fe_lane_plain *lane, const void *data, size_t size, uint64_t until);
void fe_lane_plain_pad(struct fe_lane_plain *lane);
void fe_lane_plain_publish(struct fe_lane_plain *lane);

/* Bytes out of the lane with the padding behind them, likewise; given back by release. */
bool fe_lane_plain_get(struct fe_lane_plain *lane, void *data, size_t size, uint64_t until);
void fe_lane_plain_release(struct fe_lane_plain *lane);

#endif
