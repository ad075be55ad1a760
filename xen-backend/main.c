/* SPDX-License-Identifier: MIT */
/*
 * xen-vgpud: serves the vgpu device class in dom0.
 *
 * Trusts: dom0's xenstore nodes and its configuration. Does not trust: guests (their xenstore nodes,
 * the control ring) and executors, which run guests' commands. Knows no CUDA.
 *
 * One thread runs a loop of turns around poll(2). libxenstore has a reader thread of its own, which
 * only queues watch events. Executors are children, one for each guest process; should this process
 * be killed, their sockets end and they leave by themselves, and the next xen-vgpud finds the
 * devices in a state that the state machine heals.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#ifndef VG_LIBEXECDIR
#define VG_LIBEXECDIR "/usr/local/libexec/vgpu"
#endif

#define SOURCES_MAX  8192
#define TURN_MS	     1000  /* at least one turn in this time: the watchdog's and a safety net */
#define SCAN_MS	     10000 /* a full scan, should an event have been missed */
#define STOP_MS	     20000 /* for executors to end when we stop */
#define DOMAIN_WATCH "domains"

uint64_t be_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- a turn ---------------------------------------------------------------------------------- */

enum source_kind { SOURCE_STORE, SOURCE_SIGNALS, SOURCE_DEVICE, SOURCE_SESSION };

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
	count = source_add(count, daemon->signals, SOURCE_SIGNALS, NULL);
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		/* A masked port brings no event, but its descriptor may still be readable. */
		if (d->connected && !d->rung && !d->unmask_at)
			count = source_add(count, be_link_fd(&d->link), SOURCE_DEVICE, d);
		for (struct be_session *s = d->sessions; s; s = s->next)
			count = source_add(count, s->sock, SOURCE_SESSION, s);
	}
	return count;
}

static void signals_read(struct be_daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			daemon->child_died = true;
		else
			daemon->stopping = true;
	}
}

static void source_ready(struct be_daemon *daemon, const struct source *source)
{
	struct be_device *device = source->object;

	switch (source->kind) {
	case SOURCE_STORE: be_devices_watch(daemon); break;
	case SOURCE_SIGNALS: signals_read(daemon); break;
	case SOURCE_SESSION: be_session_read(source->object); break;
	case SOURCE_DEVICE:
		if (device->connected && be_link_take(&device->link))
			device->rung = true;
		break;
	}
}

static int turn_timeout(const struct be_daemon *daemon, uint64_t now)
{
	uint64_t first = now + TURN_MS;

	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		uint64_t at = d->dirty ? now : be_device_deadline(d);

		if (at < first)
			first = at;
	}
	return first > now ? (int)(first - now) : 0;
}

static void turn_wait(struct be_daemon *daemon)
{
	size_t count = sources_fill(daemon);
	size_t tools = be_tools_sources(daemon, fds + count, SOURCES_MAX - count);
	int n = poll(fds, count + tools, daemon->rescan ? 0 : turn_timeout(daemon, be_now_ms()));

	daemon->child_died = n <= 0; /* looked after when there is nothing else to do, too */
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
}

static void turn_act(struct be_daemon *daemon)
{
	uint64_t now = be_now_ms();

	if (daemon->rescan)
		be_devices_scan(daemon);
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		be_device_tick(d, now);
		if (d->dirty || daemon->stopping)
			be_device_act(d);
		be_device_serve(d, now);
	}
	bury(daemon);
}

/* --- start and stop -------------------------------------------------------------------------- */

static bool all_released(const struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		if (d->connected || d->sessions)
			return false;
	return true;
}

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

static void daemon_loop(struct be_daemon *daemon)
{
	uint64_t stop_by = 0, scan_at = 0;

	notify("READY=1");
	for (;;) {
		turn_wait(daemon);
		if (be_now_ms() >= scan_at) {
			daemon->rescan = true;
			scan_at = be_now_ms() + SCAN_MS;
		}
		turn_act(daemon);
		notify("WATCHDOG=1");
		if (!daemon->stopping)
			continue;
		if (!stop_by) {
			notify("STOPPING=1");
			vg_info(&daemon->who, "event=stopping");
			stop_by = be_now_ms() + STOP_MS;
		}
		if (all_released(daemon) || be_now_ms() >= stop_by)
			return;
	}
}

/* Before libxenstore starts its thread, so that it inherits the mask. */
static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Beside this program (a build tree), in ../libexec/vgpu, or where it was configured to be. */
static void executor_find(struct be_config *config)
{
	static const char *const places[] = {"vgpu-executor", "../libexec/vgpu/vgpu-executor"};
	char self[BE_CONFIG_PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;

	if (*config->executor)
		return;
	snprintf(config->executor, sizeof(config->executor), "%s", VG_LIBEXECDIR "/vgpu-executor");
	if (length <= 0)
		return;
	self[length] = '\0';
	dir = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[BE_CONFIG_PATH_MAX + 40];

		snprintf(path, sizeof(path), "%s/%s", dir, places[i]);
		if (strlen(path) < sizeof(config->executor) && !access(path, X_OK)) {
			memcpy(config->executor, path, strlen(path) + 1);
			return;
		}
	}
}

static int daemon_open(struct be_daemon *daemon, char *why)
{
	daemon->history = calloc(BE_HISTORY_MAX, sizeof(*daemon->history));
	if (!daemon->history)
		return -ENOMEM;
	daemon->signals = signals_open();
	daemon->xs = xs_open(0);
	if (!daemon->xs) {
		snprintf(why, BE_CONFIG_WHY,
			 "cannot reach xenstore (%s): does this machine run Xen, and is this dom0?",
			 strerror(errno));
		return -EIO;
	}
	if (!xs_watch(daemon->xs, VG_PATH_BACKEND_ALL, "backend") ||
	    !xs_watch(daemon->xs, "@introduceDomain", DOMAIN_WATCH) ||
	    !xs_watch(daemon->xs, "@releaseDomain", DOMAIN_WATCH)) {
		snprintf(why, BE_CONFIG_WHY, "cannot watch xenstore: %s", strerror(errno));
		return -EIO;
	}
	return be_tools_open(daemon, why);
}

static void daemon_close(struct be_daemon *daemon)
{
	be_tools_close(daemon);
	while (daemon->devices) {
		struct be_device *next = daemon->devices->next;

		be_device_free(daemon->devices);
		daemon->devices = next;
	}
	if (daemon->xs)
		xs_close(daemon->xs);
	if (daemon->signals >= 0)
		close(daemon->signals);
	free(daemon->history);
}

int main(int argc, char **argv)
{
	struct be_daemon daemon = {.who = VG_LOG_WHO_NONE, .rescan = true, .signals = -1};
	char why[BE_CONFIG_WHY] = "out of memory";
	int rc = be_config_load(&daemon.config, argc, argv, why);

	if (!rc && daemon.config.show_help) {
		printf("Usage: xen-vgpud [--config=FILE] [--NAME=VALUE...]\n\n%s", be_config_help());
		return 0;
	}
	if (!rc && daemon.config.show_version) {
		printf("xen-vgpud, protocol %u\n", VG_PROTOCOL_VERSION);
		return 0;
	}
	if (rc) {
		vg_error(&daemon.who, "event=bad-settings reason=\"%s\"", why);
		return 2;
	}
	vg_log_set_level(&daemon.who, daemon.config.log_level);
	executor_find(&daemon.config);
	daemon.started = time(NULL);
	rc = daemon_open(&daemon, why);
	if (rc) {
		vg_error(&daemon.who, "event=start-failed reason=\"%s\"", why);
	} else {
		vg_info(&daemon.who, "event=started protocol=%u executor=\"%s\"", VG_PROTOCOL_VERSION,
			daemon.config.executor);
		daemon_loop(&daemon);
		vg_info(&daemon.who, "event=stopped");
	}
	daemon_close(&daemon);
	return rc ? 1 : 0;
}
