/* SPDX-License-Identifier: MIT */
/* Measured overhead: see usage.h. Trusts the driver's and NVML's numbers. */
#include "dom0-executor/usage.h"

#include <string.h>
#include <time.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/session.h"

#define GLANCE_MS 1000u

void ex_usage_init(struct ex_usage *usage)
{
	memset(usage, 0, sizeof(*usage));
	pthread_mutex_init(&usage->lock, NULL);
}

void ex_usage_dispose(struct ex_usage *usage)
{
	pthread_mutex_destroy(&usage->lock);
}

/* --- the whole (the lock is held) --------------------------------------------------------------- */

static bool soft_used(uint64_t *bytes)
{
	size_t free_bytes = 0, total = 0;

	if (!ex_driver.cuMemGetInfo_v2 || ex_driver.cuMemGetInfo_v2(&free_bytes, &total))
		return false; /* no context is current: at the next look */
	*bytes = total - free_bytes;
	return true;
}

/* It does not know processes without a context, nor any where pids are not the host's. */
static bool nvml_used(struct ex_session *session, uint64_t *bytes)
{
	if (ex_nvml_used(session, bytes))
		session->usage.known = true;
	return session->usage.known;
}

static bool used(struct ex_session *session, uint64_t *bytes)
{
	return session->soft ? soft_used(bytes) : nvml_used(session, bytes);
}

/* --- looks -------------------------------------------------------------------------------------- */

/* False: it grew, and that is over the quota; with `force` it is counted all the same. */
static bool overhead_update(struct ex_session *session, bool force)
{
	struct ex_usage *usage = &session->usage;
	uint64_t bytes, counted, overhead;

	if (!used(session, &bytes))
		return true;
	counted = ex_account_held(&session->account) - usage->overhead;
	overhead = bytes > counted ? bytes - counted : 0;
	if (overhead > usage->overhead) {
		uint64_t more = overhead - usage->overhead;

		if (!ex_account_take(&session->account, more)) {
			if (!force)
				return false;
			ex_account_force(&session->account, more);
		}
	} else {
		ex_account_give(&session->account, usage->overhead - overhead);
	}
	usage->overhead = overhead;
	return true;
}

static bool look(struct ex_session *session, bool force)
{
	bool fits;

	if (!session->account.limit)
		return true;
	pthread_mutex_lock(&session->usage.lock);
	fits = overhead_update(session, force);
	pthread_mutex_unlock(&session->usage.lock);
	return fits;
}

bool ex_usage_fits(struct ex_session *session)
{
	return look(session, false);
}

void ex_usage_look(struct ex_session *session)
{
	look(session, true);
}

static uint64_t coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* no system call, in PV domains neither */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t launches_of(const struct vg_stats *stats)
{
	return __atomic_load_n(&stats->launches, __ATOMIC_RELAXED) +
	       __atomic_load_n(&stats->ops[VG_OP_cuGraphLaunch], __ATOMIC_RELAXED);
}

static bool launched_since(struct ex_session *session)
{
	struct ex_usage *usage = &session->usage;
	uint64_t launches = launches_of(session->stats.page), now;

	if (session->soft ||
	    launches == atomic_load_explicit(&usage->launches, memory_order_relaxed))
		return false;
	now = coarse_ms();
	if (now - atomic_load_explicit(&usage->looked_ms, memory_order_relaxed) < GLANCE_MS)
		return false;
	atomic_store(&usage->looked_ms, now);
	atomic_store(&usage->launches, launches);
	return true;
}

void ex_usage_glance(struct ex_session *session)
{
	if (!session->account.limit)
		return;
	if (atomic_load_explicit(&session->usage.stale, memory_order_relaxed)) {
		atomic_store(&session->usage.stale, false);
		ex_usage_look(session);
	} else if (launched_since(session)) {
		ex_usage_look(session);
	}
}

uint64_t ex_usage_estimate(struct ex_session *session, uint64_t bytes)
{
	bool measured;
	uint64_t all;

	if (!session->account.limit || session->soft)
		return 0;
	pthread_mutex_lock(&session->usage.lock);
	measured = used(session, &all);
	pthread_mutex_unlock(&session->usage.lock);
	return measured ? 0 : bytes;
}
