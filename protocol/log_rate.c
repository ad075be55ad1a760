/* SPDX-License-Identifier: MIT */
/* A token bucket for log lines, kept as the time up to which it is used up. Any thread. */
#include "protocol/log_rate.h"

#include "protocol/clock.h"

#define SECOND 1000000000ull

static void dropped_write(const struct vg_log_who *who, uint64_t dropped, enum vg_log_level level)
{
	if (dropped)
		vg_warn(who, "event=log-dropped dropped=%llu lines of level %s",
			(unsigned long long)dropped, vg_log_level_name(level));
}

/* Under the lock. What may be used up ahead of now: all of the bucket, or half a second less while we drop. */
static bool take(struct vg_log_rate *rate)
{
	uint64_t now = vg_clock_ns(), each = SECOND / rate->rate;
	uint64_t ahead = VG_LOG_RATE_BURST_S * SECOND;

	if (rate->dropping)
		ahead -= SECOND / 2;
	if (rate->paid < now)
		rate->paid = now;
	if (rate->paid + each > now + ahead)
		return false;
	rate->paid += each;
	return true;
}

bool vg_log_rate_allow(struct vg_log_rate *rate, const struct vg_log_who *who,
		       enum vg_log_level level)
{
	uint64_t call = 0, data = 0;
	bool allowed, begins = false;

	if (!rate->rate)
		return true;
	pthread_mutex_lock(&rate->lock);
	allowed = take(rate);
	if (!allowed) {
		begins = !rate->dropping;
		*(level == VG_LOG_DATA ? &rate->dropped_data : &rate->dropped_call) += 1;
	} else if (rate->dropping) {
		call = rate->dropped_call;
		data = rate->dropped_data;
		rate->dropped_call = rate->dropped_data = 0;
	}
	rate->dropping = !allowed;
	pthread_mutex_unlock(&rate->lock);
	if (begins)
		vg_warn(who, "event=log-limit rate=%u level=%s effect=\"lines are left out\"",
			rate->rate, vg_log_level_name(level));
	dropped_write(who, call, VG_LOG_CALL);
	dropped_write(who, data, VG_LOG_DATA);
	return allowed;
}

void vg_log_rate_end(struct vg_log_rate *rate, const struct vg_log_who *who)
{
	uint64_t call, data;

	pthread_mutex_lock(&rate->lock);
	call = rate->dropped_call;
	data = rate->dropped_data;
	rate->dropped_call = rate->dropped_data = 0;
	rate->dropping = false;
	pthread_mutex_unlock(&rate->lock);
	dropped_write(who, call, VG_LOG_CALL);
	dropped_write(who, data, VG_LOG_DATA);
}
