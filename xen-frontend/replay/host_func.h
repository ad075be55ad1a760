/* SPDX-License-Identifier: MIT */
/*
 * Functions of the program's that its streams call (cuLaunchHostFunc and the like) are not there any more: a thread answers for each that
 * it is done as soon as its turn comes. What they computed is not computed.
 */
#ifndef RP_HOST_FUNC_H
#define RP_HOST_FUNC_H

#include <pthread.h>
#include <stdbool.h>

#include "xen-frontend/lane_plain.h"

struct rp_player;

struct rp_host_funcs {
	struct rp_player *player;
	struct fe_lane_plain lane;
	pthread_t thread;
	bool runs;
};

/* Where the plan wants it; otherwise nothing is done. */
void rp_host_funcs_begin(struct rp_host_funcs *funcs, struct rp_player *player);
/* The session has been stopped. */
void rp_host_funcs_end(struct rp_host_funcs *funcs);

#endif
