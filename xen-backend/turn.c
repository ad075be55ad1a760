/* SPDX-License-Identifier: MIT */
/*
 * One turn of the daemon: waits for something to happen, marks what it concerns, then acts once on
 * each device. The lists of what is waited for are made anew each turn, and nothing in them is freed
 * before its end. What is to be done in xenstore waits for a turn in which xenstored answers (pulse.c).
 */
#include "xen-backend/daemon.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "protocol/clock.h"

#define SOURCES_MAX 12288
#define TURN_MS     1000 /* at least one turn in this time: the watchdog's and a safety net */

enum source_kind {
	SOURCE_STORE,
	SOURCE_PULSE,
	SOURCE_SIGNALS,
	SOURCE_METRICS,
	SOURCE_DEVICE,
	SOURCE_SESSION,
	SOURCE_EXIT
};

/* What the poll entry of the same index stands for. */
struct source {
	enum source_kind kind;
	void *object;
};

static struct pollfd fds[SOURCES_MAX];
static struct source sources[SOURCES_MAX];

static size_t source_add(size_t count, int fd, enum source_kind kind, void *object)
{
	if (count >= SOURCES_MAX || fd < 0)
		return count;
	fds[count] = (struct pollfd){.fd = fd, .events = POLLIN};
	sources[count] = (struct source){kind, object};
	return count + 1;
}

static size_t sources_fill(struct be_daemon *daemon)
{
	size_t count = 0;

	count = source_add(count, xs_fileno(daemon->xs), SOURCE_STORE, NULL);
	count = source_add(count, be_pulse_fd(daemon->pulse), SOURCE_PULSE, NULL);
	count = source_add(count, daemon->signals, SOURCE_SIGNALS, NULL);
	count = source_add(count, be_endpoint_fd(daemon), SOURCE_METRICS, NULL);
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		/* A masked port brings no event, but its descriptor may still be readable. */
		if (d->connected && !d->rung && !d->unmask_at)
			count = source_add(count, be_link_fd(&d->link), SOURCE_DEVICE, d);
		for (struct be_session *s = d->sessions; s; s = s->next) {
			count = source_add(count, s->sock, SOURCE_SESSION, s);
			count = source_add(count, s->pidfd, SOURCE_EXIT, s);
		}
	}
	return count;
}

static void signals_read(struct be_daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			daemon->reload = true;
			continue;
		}
		/* Whoever stops a service sends SIGTERM, and may start it again. */
		daemon->stopping = daemon->rescan = true;
		daemon->end_sessions |= info.ssi_signo == SIGINT;
	}
}

static void source_ready(struct be_daemon *daemon, const struct source *source)
{
	struct be_device *device = source->object;
	struct be_session *session = source->object;

	switch (source->kind) {
	case SOURCE_STORE: be_devices_watch(daemon); break;
	case SOURCE_PULSE:
	case SOURCE_METRICS: break; /* turn_act takes it */
	case SOURCE_SIGNALS: signals_read(daemon); break;
	case SOURCE_SESSION: be_session_read(session); break;
	case SOURCE_EXIT: session->exited = true; break;
	case SOURCE_DEVICE:
		if (device->connected && be_link_take(&device->link)) {
			device->rung = true;
			device->bells++;
			device->rang_at = vg_clock_ms();
		}
		break;
	}
}

static bool store_wanted(const struct be_daemon *daemon)
{
	if (daemon->rescan)
		return true;
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		if (d->dirty)
			return true;
	return false;
}

static int turn_timeout(const struct be_daemon *daemon, uint64_t now)
{
	uint64_t first = now + TURN_MS, metrics = be_endpoint_wait(daemon);

	/* With a pulse, its beat ends the wait for xenstore. */
	if (!daemon->pulse && store_wanted(daemon))
		return 0;
	if (metrics < TURN_MS)
		first = now + metrics;
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		bool more = d->rung && d->connected && !d->broken;
		uint64_t at = more ? now : be_device_deadline(d);

		if (at < first)
			first = at;
	}
	return first > now ? (int)(first - now) : 0;
}

static void turn_wait(struct be_daemon *daemon)
{
	size_t count = sources_fill(daemon);
	size_t tools = be_tools_sources(daemon, fds + count, SOURCES_MAX - count);
	uint64_t now = vg_clock_ms();
	int n;

	if (store_wanted(daemon))
		be_pulse_ask(daemon->pulse, now);
	n = poll(fds, count + tools, turn_timeout(daemon, now));
	if (n <= 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (fds[i].revents)
			source_ready(daemon, &sources[i]);
	be_tools_ready(daemon, fds + count, tools);
}

static void bury_sessions(struct be_device *device)
{
	struct be_session **at = &device->sessions;

	while (*at) {
		struct be_session *session = *at;

		if (session->state == BE_SESSION_DEAD) {
			*at = session->next;
			be_session_free(session);
		} else {
			at = &session->next;
		}
	}
}

static void bury(struct be_daemon *daemon)
{
	struct be_device **at = &daemon->devices;

	while (*at) {
		struct be_device *device = *at;

		bury_sessions(device);
		if (device->buried) {
			*at = device->next;
			daemon->device_count--;
			daemon->too_many = false;
			be_device_free(device);
			/* One that was made anew under the same number is found again. */
			daemon->rescan = true;
		} else {
			at = &device->next;
		}
	}
	be_trace_sweep(daemon);
}

static void turn_act(struct be_daemon *daemon)
{
	bool store = be_pulse_take(daemon->pulse);
	uint64_t now = vg_clock_ms();

	if (store && daemon->rescan)
		be_devices_scan(daemon);
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		be_device_tick(d, now);
		if (store && (d->dirty || daemon->stopping))
			be_device_act(d);
		be_device_serve(d, now);
	}
	bury(daemon);
	be_endpoint_run(daemon);
}

void be_turn(struct be_daemon *daemon)
{
	turn_wait(daemon);
	turn_act(daemon);
}

bool be_all_released(const struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		if (d->connected)
			return false;
		for (const struct be_session *s = d->sessions; s; s = s->next)
			if (daemon->end_sessions || s->state == BE_SESSION_ENDING)
				return false;
	}
	return true;
}
