/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd, the guest's broker: the only process of a guest that opens /dev/xen.
 *
 * It brings each vGPU of the guest up over xenstore, takes connections of programs on a UNIX socket,
 * asks the backend for their sessions over the device's control ring, makes their shared pages and
 * event channels and passes those on as descriptors. It sees no CUDA call: data goes between program and
 * executor without it. Its death ends the sessions; the next one brings the devices back.
 *
 * Trusts this guest's root, programs in nothing, the backend in nothing it says on the ring.
 * Threads: this loop, and libxenstore's reader.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "xen-frontend/frontd/broker.h"
#include "xen-frontend/frontd/client.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/device.h"
#include "xen-frontend/frontd/listener.h"
#include "xen-frontend/frontd/notify.h"
#include "xen-frontend/frontd/options.h"

#define TICK_MS      250   /* while a time limit runs */
#define LEAVE_MAX_MS 12000 /* 5, then 6, each up to 5 s */
#define SCAN_TOKEN   "devices"
#define SCAN_PATH    "device/vgpu"

#ifndef VG_BINDIR
#define VG_BINDIR "/usr/bin"
#endif
#define PROBE_PROGRAM VG_BINDIR "/vgpu-probe"

struct loop {
	struct fe_broker *broker;
	int signals;
	int listener;
	struct pollfd *fds;
	size_t used, room;
	bool leaving;
	int argc; /* the command line, which a reload reads again */
	char **argv;
};

/* --- what is polled: these kinds of descriptors, in this order --- */

static int loop_add(struct loop *loop, int fd, short events)
{
	if (loop->used == loop->room) {
		size_t room = loop->room ? loop->room * 2 : 32;
		struct pollfd *fds = realloc(loop->fds, room * sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		loop->fds = fds;
		loop->room = room;
	}
	loop->fds[loop->used++] = (struct pollfd){.fd = fd, .events = events};
	return 0;
}

static short client_events(const struct fe_client *client)
{
	/* While its request is on its way only its end is of interest (POLLHUP comes unasked). */
	return fe_client_quiet(client) ? 0 : POLLIN;
}

static int loop_collect(struct loop *loop)
{
	struct fe_broker *broker = loop->broker;
	int rc;

	loop->used = 0;
	rc = loop_add(loop, loop->signals, POLLIN);
	if (rc == 0)
		rc = loop_add(loop, xs_fileno(broker->xs), POLLIN);
	if (rc == 0)
		rc = loop_add(loop, loop->listener, fe_listener_ready(broker) ? POLLIN : 0);
	if (rc == 0)
		rc = loop_add(loop, broker->probe.pid ? broker->probe.fd : -1, POLLIN);
	for (struct fe_device *d = broker->devices; rc == 0 && d; d = d->next)
		rc = loop_add(loop, d->bell.wait_fd, POLLIN);
	for (struct fe_client *c = broker->clients; rc == 0 && c; c = c->next)
		rc = loop_add(loop, c->sock, client_events(c));
	return rc;
}

/* --- what has come --- */

static void level_set(struct fe_broker *broker, enum vg_log_level level)
{
	vg_log_set_level(&broker->log, level);
	for (struct fe_device *d = broker->devices; d; d = d->next)
		vg_log_set_level(&d->log, level);
	for (struct fe_client *c = broker->clients; c; c = c->next)
		vg_log_set_level(&c->log, level);
}

static void reload_notify(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)vg_clock_ns() / 1000);
	fe_notify(text);
}

/* SIGHUP: the file is read again, and the command line over it. A bad one changes nothing. */
static void options_reload(struct loop *loop)
{
	struct fe_broker *broker = loop->broker;
	char why[VG_CONF_WHY], restart[VG_CONF_WHY];
	struct fe_options fresh;

	reload_notify();
	if (fe_options_parse(&fresh, loop->argc, loop->argv, why)) {
		vg_error(&broker->log, "op=reload error=\"%s\" effect=\"%s\"", why,
			 "the settings stay as they are");
	} else {
		fe_options_adopt(&broker->options, &fresh, restart);
		for (struct fe_device *d = broker->devices; d; d = d->next)
			d->limit_max = broker->options.pages_max;
		level_set(broker, broker->options.level);
		vg_info(&broker->log, "op=reload");
		if (*restart)
			vg_warn(&broker->log, "op=reload waits=\"%s\" do=\"%s\"", restart,
				"systemctl restart vgpu-frontd, which ends the programs' sessions");
	}
	fe_notify("READY=1");
}

static void signals_take(struct loop *loop)
{
	struct fe_broker *broker = loop->broker;
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGHUP: options_reload(loop); break;
		case SIGUSR1: level_set(broker, VG_LOG_DATA); break;
		case SIGUSR2: level_set(broker, broker->options.level); break;
		default: loop->leaving = true; break;
		}
	}
}

static void watches_take(struct fe_broker *broker)
{
	char **watch;

	/* libxenstore queues without bound: take all, mark, act once. */
	while ((watch = xs_check_watch(broker->xs)) != NULL) {
		/* Our own directory holds all frontends' state nodes too. */
		if (!strcmp(watch[XS_WATCH_TOKEN], SCAN_TOKEN))
			broker->scan = true;
		for (struct fe_device *d = broker->devices; d; d = d->next)
			if (broker->scan || !strcmp(watch[XS_WATCH_TOKEN], d->token))
				d->dirty = true;
		free(watch);
	}
}

static void bell_take(struct fe_device *device)
{
	int rc = vg_bell_wait(&device->bell, -1, 0);

	if (rc >= 0)
		rc = vg_bell_take(&device->bell);
	if (rc < 0)
		vg_warn(&device->log, "op=bell error=\"%s\"", strerror(-rc));
}

/* In the order of loop_collect(); nothing is added or removed on the way. */
static void loop_dispatch(struct loop *loop)
{
	struct fe_broker *broker = loop->broker;
	struct pollfd *at = loop->fds;

	if (at++->revents)
		signals_take(loop);
	if (at++->revents)
		watches_take(broker);
	at++; /* the listener comes last: it adds clients */
	at++; /* vgpu-probe's output: fe_probes_step() reads it */
	for (struct fe_device *d = broker->devices; d; d = d->next)
		if (at++->revents)
			bell_take(d);
	for (struct fe_client *c = broker->clients; c; c = c->next)
		if (at++->revents)
			fe_client_readable(c);
	if (loop->fds[2].revents)
		fe_listener_accept(broker, loop->listener);
}

static bool loop_timed(const struct fe_broker *broker)
{
	for (const struct fe_device *d = broker->devices; d; d = d->next)
		if (fe_device_timed(d))
			return true;
	return fe_clients_timed(broker) || fe_probes_timed(broker) || !fe_listener_ready(broker);
}

/* How long the next poll may take: the nearest of a tick and the watchdog's sign of life. */
static int loop_timeout(struct loop *loop, int alive_ms)
{
	int tick = loop_timed(loop->broker) ? TICK_MS : -1;

	return alive_ms && (tick < 0 || alive_ms < tick) ? alive_ms : tick;
}

static void loop_run(struct loop *loop)
{
	int alive_ms = fe_notify_interval();
	uint64_t alive_at = 0;

	while (!loop->leaving) {
		if (alive_ms && fe_clock_ms() >= alive_at) {
			fe_notify("WATCHDOG=1");
			alive_at = fe_clock_ms() + (uint64_t)alive_ms;
		}
		/* Clients first: what they ask goes onto the ring in the same turn. */
		fe_clients_step(loop->broker);
		fe_probes_step(loop->broker);
		fe_devices_step(loop->broker);
		if (loop_collect(loop) ||
		    (poll(loop->fds, loop->used, loop_timeout(loop, alive_ms)) < 0 &&
		     errno != EINTR)) {
			vg_error(&loop->broker->log, "op=poll error=\"%s\"", strerror(errno));
			return;
		}
		loop_dispatch(loop);
	}
}

/* Sessions are told, devices closed in order, so that the host keeps nothing of ours. */
static void broker_leave(struct fe_broker *broker)
{
	static const char why[] = "vgpu-frontd was stopped";
	uint64_t end = fe_clock_ms() + LEAVE_MAX_MS;

	fe_notify("STOPPING=1");
	for (struct fe_device *d = broker->devices; d; d = d->next)
		fe_device_leave(d, why);
	fe_probes_free(broker);
	fe_clients_free(broker);
	for (;;) {
		struct pollfd watch = {.fd = xs_fileno(broker->xs), .events = POLLIN};
		bool left = true;

		for (struct fe_device *d = broker->devices; d; d = d->next)
			left &= fe_device_left(d);
		if (left || fe_clock_ms() >= end)
			break;
		poll(&watch, 1, TICK_MS);
		watches_take(broker);
	}
	fe_devices_free(broker, why);
}

/* --- start --- */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	/* Before libxenstore starts its thread, which inherits this. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A session takes a descriptor, each of its lanes two, each region one. */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int xenstore_open(struct fe_broker *broker)
{
	uint64_t domid;

	broker->xs = xs_open(0);
	if (!broker->xs) {
		vg_error(
			&broker->log,
			"op=start error=\"cannot reach xenstore (%s): vgpu-frontd runs as root in a Xen "
			"guest whose kernel has /dev/xen/xenbus\"",
			strerror(errno));
		return -ENODEV;
	}
	if (vg_store_read_uint(broker->xs, XBT_NULL, "domid", NULL, 0, 0x7fef, &domid) == 0)
		broker->log.dom = (int64_t)domid;
	if (!xs_watch(broker->xs, SCAN_PATH, SCAN_TOKEN)) {
		vg_error(&broker->log, "op=start error=\"cannot watch %s: %s\"", SCAN_PATH,
			 strerror(errno));
		return -EIO;
	}
	return 0;
}

/* Not an error yet: a module may come later. Without them a device cannot connect, and says so. */
static void modules_check(struct fe_broker *broker)
{
	static const char *const nodes[] = {"/dev/xen/gntalloc", "/dev/xen/evtchn"};
	static const char *const modules[] = {"xen-gntalloc", "xen-evtchn"};

	for (size_t i = 0; i < 2; i++)
		if (access(nodes[i], R_OK | W_OK))
			vg_warn(&broker->log, "op=start node=%s error=\"%s: run 'modprobe %s'\"",
				nodes[i], strerror(errno), modules[i]);
}

int main(int argc, char **argv)
{
	struct fe_broker broker = {.log = VG_LOG_WHO_NONE,
				   .refusals = {.burst = 20, .window_ms = 10000},
				   .probe_program = PROBE_PROGRAM,
				   .scan = true};
	struct loop loop = {.broker = &broker, .listener = -1, .argc = argc, .argv = argv};
	char why[VG_CONF_WHY];
	int rc = fe_options_parse(&broker.options, argc, argv, why);

	if (rc < 0)
		fprintf(stderr, "vgpu-frontd: %s\n", why);
	if (rc)
		return rc > 0 ? EXIT_SUCCESS : 2;
	vg_log_journal(NULL);
	vg_log_set_level(&broker.log, broker.options.level);
	loop.signals = signals_open();
	descriptors_allow();
	modules_check(&broker);
	rc = loop.signals < 0 ? -errno : xenstore_open(&broker);
	if (rc == 0)
		rc = loop.listener = fe_listener_open(&broker);
	if (rc >= 0) {
		fe_devices_step(&broker);
		fe_notify("READY=1");
		loop_run(&loop);
		fe_listener_close(&broker, loop.listener);
		broker_leave(&broker);
		rc = loop.leaving ? 0 : -EIO;
	}
	if (broker.xs)
		xs_close(broker.xs);
	if (loop.signals >= 0)
		close(loop.signals);
	free(loop.fds);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
