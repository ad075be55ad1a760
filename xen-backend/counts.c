/* SPDX-License-Identifier: MIT */
/*
 * Sums over sessions that end and vGPUs that go (counts.h).
 *
 * An executor's counters are its own words, and it runs a guest's commands: a counter that goes back adds
 * nothing until it is past its highest again, and one that leaps adds no more than a GPU could have done
 * meanwhile. So a liar is seen only in what is its guest's and its GPU's, and sums do not wrap.
 */
#include "xen-backend/counts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/clock.h"
#include "xen-backend/daemon.h"

/* Bytes and calls: more than a link carries, and than a process makes, in a millisecond (1 TiB/s). */
#define MOST_PER_MS (1ull << 30)
#define GRACE_MS    1000u /* between a count and our clock */

_Static_assert(BE_GPU_MAX == sizeof(((struct vg_settings *)0)->gpu), "a GPU's name fits");

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static void counters_read(const struct vg_stats *stats, uint64_t now[BE_COUNTS])
{
	const uint64_t *const from[BE_COUNTS] = {
		[BE_COMMANDS] = &stats->commands,     [BE_COMMANDS_ASYNC] = &stats->commands_async,
		[BE_ERRORS] = &stats->errors,         [BE_LAUNCHES] = &stats->launches,
		[BE_BYTES_HTOD] = &stats->bytes_htod, [BE_BYTES_DTOH] = &stats->bytes_dtoh,
		[BE_WAKES] = &stats->wakes,           [BE_RINGS] = &stats->rings,
	};

	for (int i = 0; i < BE_COUNTS; i++)
		now[i] = __atomic_load_n(from[i], __ATOMIC_RELAXED);
}

static bool gpu_wanted(const struct be_daemon *daemon, const struct be_gpu *gpu)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		if (!strcmp(d->settings.gpu, gpu->name))
			return true;
	return false;
}

/* A free place, or that of one that no vGPU names any more. */
static struct be_gpu *gpu_room(struct be_daemon *daemon)
{
	for (size_t i = 0; i < BE_GPUS_MAX; i++)
		if (!*daemon->gpus[i].name)
			return &daemon->gpus[i];
	for (size_t i = 0; i < BE_GPUS_MAX; i++)
		if (!gpu_wanted(daemon, &daemon->gpus[i]))
			return &daemon->gpus[i];
	return NULL;
}

struct be_gpu *be_gpu_of(const struct be_device *device)
{
	struct be_daemon *daemon = device->daemon;
	const char *name = device->settings.gpu;
	struct be_gpu *gpu;

	if (!*name)
		return NULL;
	for (size_t i = 0; i < BE_GPUS_MAX; i++)
		if (!strcmp(daemon->gpus[i].name, name))
			return &daemon->gpus[i];
	gpu = gpu_room(daemon);
	if (gpu) {
		memset(gpu, 0, sizeof(*gpu));
		memcpy(gpu->name, name, strnlen(name, sizeof(gpu->name) - 1));
	}
	return gpu;
}

void be_counts_begin(struct be_session *session)
{
	struct be_counted *counted = &session->counted;

	if (session->stats)
		counters_read(session->stats, counted->seen);
	counted->at = vg_clock_ms();
}

void be_counts_take(struct be_session *session)
{
	struct be_counted *counted = &session->counted;
	struct be_gpu *gpu = be_gpu_of(session->device);
	uint64_t now[BE_COUNTS], ms = vg_clock_ms(), most;

	if (!session->stats || session->state == BE_SESSION_ADOPTING)
		return;
	counters_read(session->stats, now);
	most = (ms - counted->at + GRACE_MS) * MOST_PER_MS;
	counted->at = ms;
	for (int i = 0; i < BE_COUNTS; i++) {
		uint64_t more = now[i] > counted->seen[i] ? now[i] - counted->seen[i] : 0;

		counted->seen[i] += more;
		more = more < most ? more : most;
		counted->believed[i] = add(counted->believed[i], more);
		session->device->totals.count[i] = add(session->device->totals.count[i], more);
		if (gpu)
			gpu->totals.count[i] = add(gpu->totals.count[i], more);
	}
}

/* --- how sessions begin and end ---------------------------------------------------------------- */

void be_counts_opened(struct be_session *session)
{
	struct be_gpu *gpu = be_gpu_of(session->device);

	session->device->totals.opened++;
	if (gpu)
		gpu->totals.opened++;
}

static void refused_add(struct be_device *device, enum be_refused reason, const char *why)
{
	struct be_gpu *gpu = be_gpu_of(device);

	device->refused_at = vg_clock_ms();
	snprintf(device->refusal, sizeof(device->refusal), "%s", why);
	device->totals.refused[reason]++;
	if (gpu)
		gpu->totals.refused[reason]++;
}

void be_counts_refused(struct be_device *device, int32_t status, const char *why)
{
	switch (status) {
	case -EBUSY: refused_add(device, BE_REFUSED_LIMIT, why); break;
	case -EPROTO: refused_add(device, BE_REFUSED_PROTOCOL, why); break;
	case -ENOMEM:
	case -EAGAIN: refused_add(device, BE_REFUSED_HOST, why); break;
	default: refused_add(device, BE_REFUSED_REQUEST, why); break;
	}
}

uint64_t be_counts_refusals(const struct be_device *device)
{
	uint64_t sum = 0;

	for (int i = 0; i < BE_REFUSED_COUNT; i++)
		sum += device->totals.refused[i];
	return sum;
}

static enum be_ended ended_class(int32_t status)
{
	switch (status) {
	case 0: return BE_ENDED_CLOSED;
	case -ENODEV: return BE_ENDED_DETACHED;
	case -EIO:
	case -EPIPE: return BE_ENDED_EXECUTOR;
	case -ETIMEDOUT: return BE_ENDED_TIMEOUT;
	case -EPROTO: return BE_ENDED_BREACH;
	default: return BE_ENDED_OTHER;
	}
}

void be_counts_ended(struct be_session *session)
{
	enum be_ended reason = ended_class(session->status);
	struct be_gpu *gpu = be_gpu_of(session->device);

	be_counts_take(session);
	/* One that the guest gave up, or that lost its vGPU, as it was being opened was neither. */
	if (!session->opened && !session->adopted) {
		if (session->refused || (reason != BE_ENDED_CLOSED && reason != BE_ENDED_DETACHED))
			refused_add(session->device, BE_REFUSED_EXECUTOR, session->reason);
		return;
	}
	session->device->totals.ended[reason]++;
	if (gpu)
		gpu->totals.ended[reason]++;
}

const char *be_refused_name(enum be_refused reason)
{
	static const char *const names[BE_REFUSED_COUNT] = {"limit", "protocol", "request", "host",
							    "executor"};

	return names[reason];
}

const char *be_ended_name(enum be_ended reason)
{
	static const char *const names[BE_ENDED_COUNT] = {"closed",  "detached", "executor",
							  "timeout", "breach",   "other"};

	return names[reason];
}
