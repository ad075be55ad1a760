/* SPDX-License-Identifier: MIT */
/*
 * xen-vgpud: serves the vgpu device class, in dom0 or in a driver domain.
 *
 * Trusts: dom0's xenstore nodes and its configuration. Does not trust: guests (their xenstore nodes,
 * the control ring) and executors, which run guests' commands. Knows no CUDA.
 *
 * One thread runs a loop of turns around poll(2). libxenstore has a reader thread of its own, which
 * only queues watch events, and pulse.c has one that asks xenstored whether it answers. Executors are
 * children, one for each guest process. They outlive this process for a while, killed or stopped (but
 * not by SIGINT, which ends them): the next xen-vgpud finds the devices in a state that the state
 * machine heals, adopts the executors, and the guests' frontends say which sessions they still have.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "protocol/beside.h"
#include "protocol/clock.h"

#ifndef VG_LIBEXECDIR
#define VG_LIBEXECDIR "/usr/local/libexec/vgpu"
#endif

#define SCAN_MS 10000 /* a full scan, should an event have been missed */
#define STOP_MS 20000 /* for executors to end when we stop */

/* --- the service manager --------------------------------------------------------------------- */

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

/* Milliseconds between signs of life: a quarter of what the watchdog allows. 0: nobody watches. */
static uint64_t watchdog_ms(void)
{
#ifdef HAVE_SYSTEMD
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) > 0)
		return us / 4000 + 1;
#endif
	return 0;
}

static void notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)vg_clock_ns() / 1000);
	notify(text);
}

/* --- settings -------------------------------------------------------------------------------- */

/* Beside this program (a build tree), in ../libexec/vgpu, or where it was configured to be. */
static void executor_find(struct be_config *config)
{
	static const char *const places[] = {"vgpu-executor", "../libexec/vgpu/vgpu-executor"};

	if (*config->executor)
		return;
	snprintf(config->executor, sizeof(config->executor), "%s", VG_LIBEXECDIR "/vgpu-executor");
	vg_beside_find(places, sizeof(places) / sizeof(places[0]), X_OK, config->executor,
		       sizeof(config->executor));
}

/* --- start and stop -------------------------------------------------------------------------- */

/* SIGHUP: the file is read again, and the command line over it. A bad one changes nothing. */
static void daemon_reload(struct be_daemon *daemon)
{
	struct be_config fresh;
	char why[BE_CONFIG_WHY];
	int rc;

	notify_reloading();
	daemon->reload = false;
	rc = be_config_load(&fresh, daemon->argc, daemon->argv, why);
	if (rc) {
		vg_error(&daemon->who, "event=reload-failed reason=\"%s\" effect=\"%s\"", why,
			 "the settings stay as they are");
	} else {
		executor_find(&fresh);
		be_reload(daemon, &fresh);
	}
	notify("READY=1");
}

static void daemon_loop(struct be_daemon *daemon)
{
	uint64_t stop_by = 0, scan_at = 0, alive_at = 0, alive_ms = watchdog_ms();

	notify("READY=1");
	for (;;) {
		if (vg_clock_ms() >= scan_at) {
			daemon->rescan = true;
			if (daemon->adopt_again)
				be_adopt_scan(daemon);
			scan_at = vg_clock_ms() + SCAN_MS;
		}
		be_turn(daemon);
		if (alive_ms && vg_clock_ms() >= alive_at) {
			notify("WATCHDOG=1");
			alive_at = vg_clock_ms() + alive_ms;
		}
		if (daemon->reload)
			daemon_reload(daemon);
		if (!daemon->stopping)
			continue;
		if (!stop_by) {
			notify("STOPPING=1");
			vg_info(&daemon->who, "event=stopping");
			stop_by = vg_clock_ms() + STOP_MS;
		}
		if (be_all_released(daemon) || vg_clock_ms() >= stop_by)
			return;
	}
}

/* Before libxenstore starts its thread, so that it inherits the mask. */
static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int daemon_open(struct be_daemon *daemon, char *why)
{
	int rc;

	daemon->history = calloc(BE_HISTORY_MAX, sizeof(*daemon->history));
	if (!daemon->history)
		return -ENOMEM;
	daemon->signals = signals_open();
	daemon->xs = xs_open(0);
	if (!daemon->xs) {
		snprintf(why, BE_CONFIG_WHY,
			 "cannot reach xenstore (%s): does this machine run Xen?", strerror(errno));
		return -EIO;
	}
	if (!be_devices_open(daemon)) {
		snprintf(why, BE_CONFIG_WHY, "cannot watch xenstore: %s", strerror(errno));
		return -EIO;
	}
	rc = be_pulse_open(daemon);
	if (rc) {
		snprintf(why, BE_CONFIG_WHY, "cannot ask xenstore: %s", strerror(-rc));
		return rc;
	}
	rc = be_tools_open(daemon, why); /* from here on there is no other xen-vgpud */
	if (!rc)
		rc = be_adopt_open(daemon, why);
	if (rc)
		return rc;
	be_history_open(daemon);
	be_endpoint_update(daemon);
	be_adopt_scan(daemon);
	return 0;
}

static void daemon_close(struct be_daemon *daemon)
{
	be_endpoint_close(daemon);
	be_tools_close(daemon);
	while (daemon->devices) {
		struct be_device *next = daemon->devices->next;

		be_device_free(daemon->devices);
		daemon->devices = next;
	}
	be_pulse_close(daemon);
	if (daemon->xs)
		xs_close(daemon->xs);
	if (daemon->signals >= 0)
		close(daemon->signals);
	be_history_close(daemon);
	free(daemon->history);
}

int main(int argc, char **argv)
{
	struct be_daemon daemon = {
		.who = VG_LOG_WHO_NONE, .rescan = true, .signals = -1, .history_fd = -1};
	char why[BE_CONFIG_WHY] = "out of memory";
	int rc = be_config_load(&daemon.config, argc, argv, why);

	if (!rc && daemon.config.show_help) {
		printf("Usage: xen-vgpud [--config=FILE] [--NAME=VALUE...]\n\n%s",
		       be_config_help());
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
	vg_log_journal(NULL);
	vg_log_set_level(&daemon.who, daemon.config.log_level);
	executor_find(&daemon.config);
	daemon.started = time(NULL);
	daemon.argc = argc;
	daemon.argv = argv;
	rc = daemon_open(&daemon, why);
	if (rc) {
		vg_error(&daemon.who, "event=start-failed reason=\"%s\"", why);
	} else {
		vg_info(&daemon.who, "event=started domain=%u protocol=%u executor=\"%s\"",
			daemon.domid, VG_PROTOCOL_VERSION, daemon.config.executor);
		daemon_loop(&daemon);
		vg_info(&daemon.who, "event=stopped");
	}
	daemon_close(&daemon);
	return rc ? 1 : 0;
}
