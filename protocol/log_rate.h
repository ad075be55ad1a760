/* SPDX-License-Identifier: MIT */
/*
 * How many lines of the levels call and data there may be: a token bucket over all threads of a session, that says what it
 * drops. A line in the log says when the first is dropped, and another how many were, by level, as
 * soon as lines are let through again (when half a second's worth may be written, so that a flood is not answered by
 * one of counts) or the session ends.
 */
#ifndef VG_LOG_RATE_H
#define VG_LOG_RATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/log.h"

#define VG_LOG_RATE_DEFAULT 200u /* lines a second */
#define VG_LOG_RATE_MAX     1000000u
#define VG_LOG_RATE_BURST_S 5u /* of so many seconds at once */

struct vg_log_rate {
	uint32_t rate; /* lines a second, 0: any number */
	/* Private, under the lock. */
	pthread_mutex_t lock;
	uint64_t paid; /* ns: the time up to which lines that were written have used the rate up */
	bool dropping;
	uint64_t dropped_call, dropped_data;
};

#define VG_LOG_RATE(lines)                                         \
	{                                                          \
		.rate = (lines), .lock = PTHREAD_MUTEX_INITIALIZER \
	}

/* May this line be written? Writes what there is to say of others, as warnings about `who`. */
bool vg_log_rate_allow(struct vg_log_rate *rate, const struct vg_log_who *who,
		       enum vg_log_level level);
/* Says what was dropped last. */
void vg_log_rate_end(struct vg_log_rate *rate, const struct vg_log_who *who);

#endif
