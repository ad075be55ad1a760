/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of sessions that have ended, for `vgpu list`.
 */
#include "xen-backend/daemon.h"

#include <string.h>
#include <time.h>

void be_history_add(struct be_daemon *daemon, const struct be_session *session)
{
	struct be_record *record = &daemon->history[daemon->history_next];

	memset(record, 0, sizeof(*record));
	record->domid = session->device->domid;
	record->devid = session->device->devid;
	record->guest_pid = session->guest_pid;
	record->guest_uid = session->guest_uid;
	memcpy(record->comm, session->comm, sizeof(record->comm));
	record->executor = session->pid;
	record->started = session->started;
	record->ended = time(NULL);
	record->status = session->status;
	memcpy(record->reason, session->reason, sizeof(record->reason));
	if (session->stats)
		record->stats = *session->stats;
	daemon->history_next = (daemon->history_next + 1) % BE_HISTORY_MAX;
	if (daemon->history_count < BE_HISTORY_MAX)
		daemon->history_count++;
}
