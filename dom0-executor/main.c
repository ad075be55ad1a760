/* SPDX-License-Identifier: MIT */
/*
 * vgpu-executor: replays one guest process's CUDA calls on the host's driver.
 *
 * One process per guest process, started by xen-vgpud (Xen) or vgpu-run (local). It opens what needs
 * privileges (/dev/xen/gntdev), gives them up for good, opens the driver library, and only then reads
 * the first message. It ends when it is told to, or with its control socket; where it has a socket to
 * listen on, it outlives xen-vgpud and waits for the next one (adopt.c). The kernel and the driver
 * then free whatever the guest process had.
 *
 * Threads: this one serves the control socket; one per lane replays calls; the driver's own ones may
 * call back (host_func.c). Trusts whoever started it and the driver library, and nothing that
 * comes over the control socket or lies in shared pages.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/channel.h"
#include "dom0-executor/driver.h"
#include "dom0-executor/jail.h"
#include "dom0-executor/session.h"
#include "dom0-executor/settings.h"

static struct ex_session session;
static struct ex_driver_places places;

static struct ex_channel *channel_open(const struct ex_settings *settings)
{
	if (settings->channel == VG_CHANNEL_XEN)
		return ex_channel_xen_new((uint32_t)settings->domid);
	return ex_channel_local_new();
}

/* What needs privileges, in this order. */
static int privileged_part(const struct ex_settings *settings)
{
	struct ex_channel *channel = channel_open(settings);
	int rc;

	if (!channel) {
		fprintf(stderr, "vgpu-executor: the channel cannot be opened: %s\n",
			strerror(errno));
		return -EIO;
	}
	rc = ex_session_init(&session, settings, channel);
	if (rc)
		fprintf(stderr, "vgpu-executor: no session: %s\n", strerror(-rc));
	ex_driver_locate(&places, settings->driver);
	return rc;
}

static int unprivileged(const struct ex_settings *settings)
{
	int rc = ex_jail_environment();

	if (!rc)
		rc = ex_gpus_environment(settings);
	if (!rc)
		rc = ex_jail_enter(settings->user, &session.who);
	if (rc)
		fprintf(stderr, "vgpu-executor: privileges cannot be dropped: %s\n", strerror(-rc));
	return rc;
}

/* Where the software devices add up how long they work. */
static void busy_tell(const struct ex_settings *settings)
{
	for (unsigned int i = 0; i < settings->accounts; i++) {
		struct ex_account *account = ex_account_of(&session, i);
		unsigned long number = i;

		if (i < settings->gpus)
			number = ex_nvml_soft_number(settings->gpu[i]);
		if (account->page && number != EX_NVML_NO_NUMBER)
			ex_driver_busy_at((unsigned int)number,
					  &account->page->busy_ns[account->slot],
					  &account->page->busy_since[account->slot]);
	}
}

int main(int argc, char **argv)
{
	char driver_error[VG_TEXT_MAX] = "";
	struct ex_settings settings;
	int status, rc;
	bool all;

	if (ex_settings_parse(&settings, argc, argv))
		return 2;
	if (settings.help) {
		ex_settings_help();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	vg_log_journal(NULL); /* its socket is ours before we are confined */
	if (privileged_part(&settings) || unprivileged(&settings))
		return 2;
	rc = ex_output_open(&session.output);
	if (rc)
		vg_warn(&session.who,
			"event=no-output error=\"%s\" effect=\"what kernels print stays here\"",
			strerror(-rc));
	/* Without a driver the guest still hears why. */
	ex_driver_open(&places, &session.who, driver_error);
	busy_tell(&settings);
	status = ex_session_serve(&session, *driver_error ? driver_error : NULL);
	all = ex_session_end(&session);
	/* For a xen-vgpud that is not our parent. */
	ex_stats_set(&session.stats.page->exit, 1u + (unsigned int)status);
	if (!all)
		_exit(status);
	ex_session_dispose(&session);
	return status;
}
