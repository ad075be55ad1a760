/* SPDX-License-Identifier: MIT */
/* Plays a plan: one thread for each lane that was recorded, and shares as they came and went. */
#ifndef RP_PLAYER_H
#define RP_PLAYER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "xen-frontend/replay/map.h"
#include "xen-frontend/replay/order.h"
#include "xen-frontend/replay/plan.h"
#include "xen-frontend/replay/report.h"
#include "xen-frontend/replay/session.h"

struct rp_options {
	uint64_t limit_ms;
	bool scan;    /* data that is copied in may hold addresses */
	bool compare; /* data that is copied back, too */
	bool stop_at_first;
};

struct rp_player {
	const struct rp_plan *plan;
	struct rp_options options;
	struct rp_session session;
	struct rp_map map;
	struct rp_order order;
	struct rp_report *report;
	uint64_t took_ns;
	bool moved; /* addresses or handles were others */
};

/*
 * Opens the session and plays. 0: it was played as far as that went, and the report says how; a negative errno with text
 * (VG_TEXT_MAX bytes): there is no session to be had.
 */
int rp_play(struct rp_player *player, char *text);

/* Of one lane's thread, and of who answers for functions: the play is over, for a reason that is the report's. */
void rp_play_stop(struct rp_player *player, const struct vg_trace_command *command,
		  const char *why);

#endif
