/* SPDX-License-Identifier: MIT */
/*
 * The session in which the recording is played: lanes and regions with the numbers that they had. Shares come and go in one
 * thread; each lane is used by one; regions may be written to by any.
 */
#ifndef RP_SESSION_H
#define RP_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/trace.h"
#include "xen-frontend/channel.h"
#include "xen-frontend/lane_plain.h"
#include "xen-frontend/replay/map.h"

struct rp_region {
	struct fe_share share; /* base NULL: it is not there */
	uint64_t recorded;     /* address */
	uint8_t *then;         /* what was recorded to lie there last; zeros before. Owned */
};

/* Bytes that were recorded to lie in pinned memory, and what they are now: what they name may be called otherwise. */
struct rp_pinned {
	uint64_t recorded; /* address */
	const uint8_t *then, *now;
	size_t bytes;
	/*
	 * They are all of the pages in which the program had changed something: the rest may be the device's, which may have
	 * come further by now.
	 */
	bool changes;
};

struct rp_session {
	struct fe_channel channel;
	struct rp_map *map;
	struct fe_lane_plain lanes[VG_LANES_MAX];
	uint32_t opened[VG_LANES_MAX]; /* how often */
	pthread_mutex_t lock;          /* of the regions */
	struct rp_region regions[VG_REGIONS_MAX];
	/* Where regions lay, and where they lie over there now; bytes 0: not known. */
	uint64_t arena_then, arena_now, arena_bytes;
};

/* jit: VG_JIT_*, as the recorded session was opened. 0 or a negative errno with text (VG_TEXT_MAX bytes). */
int rp_session_open(struct rp_session *session, struct rp_map *map, uint32_t jit, char *text);
/* Ends it for all that wait for something of it; before those have ended, nothing is closed. */
void rp_session_stop(struct rp_session *session);
void rp_session_close(struct rp_session *session);

/* A share as it was recorded to have come or gone. 0 or a negative errno with text. */
int rp_session_share(struct rp_session *session, const struct vg_trace_share *share, char *text);

/* Puts them where that memory is now. False: it is not there. */
bool rp_region_write(struct rp_session *session, const struct rp_pinned *pinned);
bool rp_region_covers(struct rp_session *session, uint64_t recorded, uint64_t size);

#endif
