/* SPDX-License-Identifier: MIT */
/* Measured overhead: see usage.h. Trusts the driver's and NVML's numbers. */
#include "dom0-executor/usage.h"

#include <string.h>

#include "protocol/clock.h"

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

static bool is_current(struct ex_session *session, unsigned int gpu)
{
	CUdevice device = 0;

	if (!ex_driver.cuCtxGetDevice)
		return gpu == 0;
	return !ex_driver.cuCtxGetDevice(&device) && ex_gpu_of(session, device) == gpu;
}

static bool soft_used(struct ex_session *session, unsigned int gpu, uint64_t *bytes)
{
	size_t free_bytes = 0, total = 0;

	if (!is_current(session, gpu) || !ex_driver.cuMemGetInfo_v2 ||
	    ex_driver.cuMemGetInfo_v2(&free_bytes, &total))
		return false; /* no context of its is current: at the next look */
	*bytes = total - free_bytes;
	return true;
}

/* It does not know processes without a context, nor any where pids are not the host's. */
static bool nvml_used(struct ex_session *session, unsigned int gpu, uint64_t *bytes)
{
	struct ex_gpu *one = &session->gpus.gpu[gpu];

	if (ex_nvml_used(session, gpu, bytes))
		one->known = true;
	return one->known;
}

static bool used(struct ex_session *session, unsigned int gpu, uint64_t *bytes)
{
	return session->soft ? soft_used(session, gpu, bytes) : nvml_used(session, gpu, bytes);
}

/* --- looks -------------------------------------------------------------------------------------- */

/* False: it grew, and that is over the quota; with `force` it is counted all the same. */
static bool overhead_update(struct ex_session *session, unsigned int gpu, bool force)
{
	struct ex_gpu *one = &session->gpus.gpu[gpu];
	uint64_t bytes, counted, overhead;

	if (!used(session, gpu, &bytes))
		return true;
	counted = ex_account_held(&one->account) - one->overhead;
	overhead = bytes > counted ? bytes - counted : 0;
	if (overhead > one->overhead) {
		uint64_t more = overhead - one->overhead;

		if (!ex_account_take(&one->account, more)) {
			if (!force)
				return false;
			ex_account_force(&one->account, more);
		}
	} else {
		ex_account_give(&one->account, one->overhead - overhead);
	}
	one->overhead = overhead;
	return true;
}

static bool look(struct ex_session *session, unsigned int gpu, bool force)
{
	bool fits;

	if (gpu >= EX_GPUS_MAX || !session->gpus.gpu[gpu].account.limit)
		return true;
	pthread_mutex_lock(&session->usage.lock);
	fits = overhead_update(session, gpu, force);
	pthread_mutex_unlock(&session->usage.lock);
	return fits;
}

bool ex_usage_fits(struct ex_session *session, unsigned int gpu)
{
	return look(session, gpu, false);
}

void ex_usage_look(struct ex_session *session, unsigned int gpu)
{
	look(session, gpu, true);
}

static void look_all(struct ex_session *session)
{
	unsigned int count = atomic_load(&session->gpus.used);

	for (unsigned int gpu = 0; gpu < count; gpu++)
		look(session, gpu, true);
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
	now = vg_clock_coarse_ms();
	if (now - atomic_load_explicit(&usage->looked_ms, memory_order_relaxed) < GLANCE_MS)
		return false;
	atomic_store(&usage->looked_ms, now);
	atomic_store(&usage->launches, launches);
	return true;
}

void ex_usage_glance(struct ex_session *session)
{
	if (!session->gpus.limited)
		return;
	if (atomic_load_explicit(&session->usage.stale, memory_order_relaxed)) {
		atomic_store(&session->usage.stale, false);
		look_all(session);
	} else if (launched_since(session)) {
		look_all(session);
	}
}

uint64_t ex_usage_estimate(struct ex_session *session, unsigned int gpu, uint64_t bytes)
{
	bool measured;
	uint64_t all;

	if (gpu >= EX_GPUS_MAX || !session->gpus.gpu[gpu].account.limit || session->soft)
		return 0;
	pthread_mutex_lock(&session->usage.lock);
	measured = used(session, gpu, &all);
	pthread_mutex_unlock(&session->usage.lock);
	return measured ? 0 : bytes;
}
