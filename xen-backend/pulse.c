/* SPDX-License-Identifier: MIT */
/*
 * Whether xenstored answers. libxenstore's calls wait for their answer as long as that takes, so the
 * loop, which has rings and executors to serve meanwhile, asks here first: a thread with a connection
 * of its own asks xenstored for something small, and rings when the answer has come.
 *
 * The thread touches nothing but its struct be_pulse. If xenstored falls silent between that answer and
 * the loop's own question, the loop waits all the same: that is a moment, not each silence.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SILENT_MS 3000u /* then the log says so */

struct be_pulse {
	struct xs_handle *xs; /* owned, the thread's */
	pthread_t thread;
	int ask, beat;      /* owned eventfds: to the thread, and from it */
	bool asked, silent; /* the loop's, as what follows */
	uint64_t asked_at;  /* ms */
	bool stop;          /* written before the last ask */
	struct vg_log_who *who;
};

static void *pulse_run(void *argument)
{
	struct be_pulse *pulse = argument;
	eventfd_t count;

	while (!eventfd_read(pulse->ask, &count) &&
	       !__atomic_load_n(&pulse->stop, __ATOMIC_ACQUIRE)) {
		/* Whatever it says, it has answered. */
		free(xs_get_domain_path(pulse->xs, 0));
		eventfd_write(pulse->beat, 1);
	}
	return NULL;
}

static void pulse_free(struct be_pulse *pulse)
{
	if (pulse->xs)
		xs_close(pulse->xs);
	if (pulse->ask >= 0)
		close(pulse->ask);
	if (pulse->beat >= 0)
		close(pulse->beat);
	free(pulse);
}

int be_pulse_open(struct be_daemon *daemon)
{
	struct be_pulse *pulse = calloc(1, sizeof(*pulse));
	int rc;

	if (!pulse)
		return -ENOMEM;
	pulse->who = &daemon->who;
	pulse->xs = xs_open(0);
	pulse->ask = eventfd(0, EFD_CLOEXEC);
	pulse->beat = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = !pulse->xs || pulse->ask < 0 || pulse->beat < 0 ? -errno : 0;
	if (!rc)
		rc = -pthread_create(&pulse->thread, NULL, pulse_run, pulse);
	if (rc) {
		pulse_free(pulse);
		return rc;
	}
	daemon->pulse = pulse;
	return 0;
}

void be_pulse_close(struct be_daemon *daemon)
{
	struct be_pulse *pulse = daemon->pulse;

	daemon->pulse = NULL;
	/* A thread that still waits for xenstored ends with the process. */
	if (!pulse || pulse->asked)
		return;
	__atomic_store_n(&pulse->stop, true, __ATOMIC_RELEASE);
	eventfd_write(pulse->ask, 1);
	pthread_join(pulse->thread, NULL);
	pulse_free(pulse);
}

int be_pulse_fd(const struct be_pulse *pulse)
{
	return pulse ? pulse->beat : -1;
}

void be_pulse_ask(struct be_pulse *pulse, uint64_t now)
{
	if (!pulse)
		return;
	if (!pulse->asked) {
		pulse->asked = true;
		pulse->asked_at = now;
		eventfd_write(pulse->ask, 1);
	} else if (!pulse->silent && now - pulse->asked_at >= SILENT_MS) {
		pulse->silent = true;
		vg_warn(pulse->who, "event=xenstored-silent effect=\"%s\"",
			"programs go on and start; devices come and go when it answers again");
	}
}

bool be_pulse_take(struct be_pulse *pulse)
{
	eventfd_t count;

	if (!pulse)
		return true;
	if (eventfd_read(pulse->beat, &count))
		return false;
	if (pulse->silent)
		vg_info(pulse->who, "event=xenstored-answers");
	pulse->asked = pulse->silent = false;
	return true;
}
