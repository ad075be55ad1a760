/* SPDX-License-Identifier: MIT */
/*
 * The end of a session: it is told to end, is signalled if it does not, is reaped; then the guest hears
 * what it still waits for and that it is over. And what a session waits for till then.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "protocol/socket.h"

#define KILL_AFTER_TERM_MS 2000u
#define UNKILLABLE_MS      10000u

void be_session_end(struct be_session *session, int32_t status, const char *reason)
{
	struct vg_packet packet;

	if (session->state >= BE_SESSION_ENDING)
		return;
	session->state = BE_SESSION_ENDING;
	session->status = status;
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	session->deadline = vg_clock_ms() + session->device->daemon->config.exit_timeout * 1000ull;
	/* It reads what was sent before, then this, then the end. If it takes nothing any more, signals
	 * follow. */
	vg_packet_init(&packet, VG_CTL_CLOSE, session->close_tag);
	vg_packet_send(session->sock, &packet);
	close(session->sock);
	session->sock = -1;
}

/* Its own last words: whoever adopted it is told no exit status. */
static void adopted_describe(const struct be_session *session, char *how, size_t size)
{
	uint64_t words = session->stats ? __atomic_load_n(&session->stats->exit, __ATOMIC_RELAXED)
					: 0;

	if (!words)
		snprintf(how, size, "executor was killed or crashed");
	else if (words != 1)
		snprintf(how, size, "executor exited with status %u",
			 (unsigned int)(words - 1) & 255);
}

/* How the process ended, where that says more than what we know already. */
static void session_describe(struct be_session *session, const siginfo_t *end)
{
	char how[64] = "";

	if (session->adopted)
		adopted_describe(session, how, sizeof(how));
	else if (end->si_code == CLD_KILLED || end->si_code == CLD_DUMPED)
		snprintf(how, sizeof(how), "executor killed by signal %d (%s)", end->si_status,
			 strsignal(end->si_status));
	else if (end->si_code == CLD_EXITED && end->si_status)
		snprintf(how, sizeof(how), "executor exited with status %d", end->si_status);
	if (!*how || session->signals_sent)
		return;
	if (session->status == -EPIPE || session->status == 0) {
		session->status = -EIO;
		snprintf(session->reason, sizeof(session->reason), "%s", how);
	}
}

/* Tells the guest: first what it waits for, then that it is over. */
static void session_report(struct be_session *session)
{
	struct vg_control gone = {.type = VG_CTL_GONE, .session = session->id};

	for (size_t i = 0; i < VG_CTLRING_SLOTS; i++) {
		struct be_request *r = &session->requests[i];

		if (r->used)
			be_session_answer(session, r->tag,
					  session->status ? session->status : -EPIPE,
					  session->reason);
		r->used = false;
	}
	if (session->close_asked) {
		be_session_answer(session, session->close_tag, 0, NULL);
	} else if (session->opened) {
		gone.status = session->status ? session->status : -EPIPE;
		snprintf(gone.text, sizeof(gone.text), "%s", session->reason);
		be_device_send(session->device, &gone);
	}
}

/* An adopted executor's exit status is told to init, its parent: `end` stays zero. */
static bool session_exited(const struct be_session *session, siginfo_t *end)
{
	memset(end, 0, sizeof(*end));
	if (!waitid(P_PIDFD, (id_t)session->pidfd, end, WEXITED | WNOHANG))
		return end->si_pid != 0;
	return errno == ECHILD; /* not ours, and the pidfd said that it has ended */
}

static void session_reap(struct be_session *session)
{
	struct be_device *device = session->device;
	siginfo_t end;

	session->exited = false;
	if (!session_exited(session, &end))
		return;
	if (session->state < BE_SESSION_ENDING)
		be_session_read(session); /* its last words */
	be_session_end(session, -EPIPE, "the executor ended");
	session_describe(session, &end);
	if (*session->path)
		unlink(session->path);
	device->daemon->executor_count--;
	session->state = BE_SESSION_DEAD;
	be_seats_leave(session);
	for (unsigned int i = 0; i < session->seat_count; i++) {
		be_account_sweep(session->seats[i].device);
		session->seats[i].device->dirty = true; /* it may wait for its last session */
	}
	be_counts_ended(session);
	be_history_add(device->daemon, session);
	session->pid = -1;
	be_guest_log(device, &session->who, session->status ? VG_LOG_WARN : VG_LOG_INFO,
		     "event=session-end session=%u status=%d reason=\"%s\" calls=%llu freed=%llu",
		     session->id, session->status, session->reason,
		     (unsigned long long)(session->stats ? session->stats->commands : 0),
		     (unsigned long long)(session->stats ? session->stats->freed_bytes : 0));
	session_report(session);
}

static void session_escalate(struct be_session *session, uint64_t now)
{
	static const int signals[] = {SIGTERM, SIGKILL};

	if (session->signals_sent < 2) {
		pidfd_send_signal(session->pidfd, signals[session->signals_sent], NULL, 0);
		vg_warn(&session->who, "event=executor-kill session=%u executor=%d signal=%d",
			session->id, (int)session->pid, signals[session->signals_sent]);
		session->signals_sent++;
		session->deadline =
			now + (session->signals_sent < 2 ? KILL_AFTER_TERM_MS : UNKILLABLE_MS);
		return;
	}
	vg_error(
		&session->who,
		"event=executor-unkillable session=%u executor=%d reason=\"it hangs in the kernel; "
		"its pages stay mapped\"",
		session->id, (int)session->pid);
	session->deadline = now + UNKILLABLE_MS;
}

void be_session_tick(struct be_session *session, uint64_t now)
{
	if (session->state == BE_SESSION_DEAD)
		return;
	for (size_t i = 0; i < VG_CTLRING_SLOTS && session->state < BE_SESSION_ENDING; i++)
		if (session->requests[i].used && now >= session->requests[i].deadline)
			be_session_end(session, -ETIMEDOUT, "the executor did not answer in time");
	if (session->state == BE_SESSION_ADOPTING && now >= session->adopt_by)
		be_session_end(session, -ETIMEDOUT, "the executor did not answer a new xen-vgpud");
	if (session->state == BE_SESSION_ADOPTED && now >= session->adopt_by)
		be_session_end(session, -ETIMEDOUT, "the guest did not come back for it in time");
	if (session->state == BE_SESSION_ENDING && now >= session->deadline)
		session_escalate(session, now);
	be_session_resume_wait(session);
	if (session->exited)
		session_reap(session);
}

uint64_t be_session_deadline(const struct be_session *session)
{
	uint64_t first = UINT64_MAX;

	if (session->exited)
		return 0;
	if (session->state == BE_SESSION_ENDING)
		return session->deadline;
	if (session->state == BE_SESSION_ADOPTING || session->state == BE_SESSION_ADOPTED)
		first = session->adopt_by;
	for (size_t i = 0; i < VG_CTLRING_SLOTS; i++)
		if (session->requests[i].used && session->requests[i].deadline < first)
			first = session->requests[i].deadline;
	return first;
}

void be_session_free(struct be_session *session)
{
	be_seats_leave(session);
	if (session->pidfd >= 0)
		close(session->pidfd);
	if (session->sock >= 0)
		close(session->sock);
	be_stats_free(session->stats);
	free(session);
}
