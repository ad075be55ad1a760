/* SPDX-License-Identifier: MIT */
/*
 * The session's lane (protocol/wire.h), for one command and its answer at a time. It never spins: nobody
 * who watches a GPU needs that. Under the session's lock.
 */
#ifndef FE_NVML_LANE_H
#define FE_NVML_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen-frontend/channel.h"
#include "xen-frontend/lane_plain.h"

struct fe_nvml_lane {
	struct fe_lane_plain lane; /* its `wrong` says why the last exchange failed */
	uint32_t number;           /* of the last command */
};

/* 0, or a negative errno with text (VG_TEXT_MAX bytes). */
int fe_nvml_lane_open(struct fe_nvml_lane *lane, struct fe_channel *channel, char *text);
void fe_nvml_lane_close(struct fe_nvml_lane *lane);
/* In a child after fork: the pages are not there, the descriptors are the parent's. */
void fe_nvml_lane_forget(struct fe_nvml_lane *lane);

/* Asks and waits, for a minute at most. False: the session is of no more use; lane->lane.wrong says why. */
bool fe_nvml_lane_exchange(struct fe_nvml_lane *lane, const void *ask, size_t size, void *answer,
			   size_t room, size_t *answered);

#endif
