/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of sessions that have ended, for `vgpu list`: in memory, and in a file beside the
 * executors' sockets (.ended), so that the next xen-vgpud knows of them too.
 *
 * The file has a head and a slot for each record, written in one piece and with a checksum, in turns: who
 * dies as it writes loses that record. The folder is root's alone (adopt.c), yet what is read is taken
 * as what it is, old bytes: of another release it is nothing, and texts are made texts again. Without
 * the file all goes on, but for what is forgotten.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x64656476u /* "vded" */

struct head {
	uint32_t magic, protocol, slot_bytes, slots;
};

struct slot {
	uint64_t number; /* of the record, from 1 on; its place is this modulo the slots */
	uint64_t sum;    /* of number and record */
	struct be_record record;
};

static const struct head head = {MAGIC, VG_PROTOCOL_VERSION, sizeof(struct slot), BE_HISTORY_MAX};

static uint64_t fnv(uint64_t sum, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * 1099511628211u;
	return sum;
}

static uint64_t slot_sum(const struct slot *slot)
{
	uint64_t sum = fnv(14695981039346656037u, &slot->number, sizeof(slot->number));

	return fnv(sum, &slot->record, sizeof(slot->record));
}

static off_t slot_place(uint64_t number)
{
	return (off_t)(sizeof(head) + number % BE_HISTORY_MAX * sizeof(struct slot));
}

static struct be_record *history_room(struct be_daemon *daemon)
{
	struct be_record *record = &daemon->history[daemon->history_next];

	memset(record, 0, sizeof(*record));
	daemon->history_next = (daemon->history_next + 1) % BE_HISTORY_MAX;
	if (daemon->history_count < BE_HISTORY_MAX)
		daemon->history_count++;
	return record;
}

/* --- the file -------------------------------------------------------------------------------- */

static bool slot_read(int fd, uint64_t place, struct slot *slot)
{
	if (pread(fd, slot, sizeof(*slot), slot_place(place)) != (ssize_t)sizeof(*slot) ||
	    !slot->number || slot->number % BE_HISTORY_MAX != place || slot->sum != slot_sum(slot))
		return false;
	slot->record.comm[sizeof(slot->record.comm) - 1] = '\0';
	slot->record.reason[sizeof(slot->record.reason) - 1] = '\0';
	if (slot->record.device_count > VG_SESSION_DEVICES)
		slot->record.device_count = 0;
	vg_log_clean(slot->record.comm);
	vg_log_clean(slot->record.reason);
	return true;
}

/* The oldest first, which is behind the newest. */
static void history_load(struct be_daemon *daemon, int fd)
{
	static struct slot slot; /* too large for a stack */
	uint64_t last = 0;

	for (uint64_t i = 0; i < BE_HISTORY_MAX; i++)
		if (slot_read(fd, i, &slot) && slot.number > last)
			last = slot.number;
	for (uint64_t i = 1; i <= BE_HISTORY_MAX; i++)
		if (slot_read(fd, (last + i) % BE_HISTORY_MAX, &slot) && slot.number <= last &&
		    last - slot.number < BE_HISTORY_MAX)
			*history_room(daemon) = slot.record;
	daemon->history_number = last;
}

static bool is_ours(int fd)
{
	struct head there;

	return pread(fd, &there, sizeof(there), 0) == (ssize_t)sizeof(there) &&
	       !memcmp(&there, &head, sizeof(head));
}

/* Empty of records, with our head. */
static bool history_begin(int fd)
{
	return !ftruncate(fd, 0) && pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head);
}

void be_history_open(struct be_daemon *daemon)
{
	char path[BE_SESSION_DIR_MAX + 16];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/.ended", daemon->config.session_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid()) {
		if (is_ours(fd))
			history_load(daemon, fd);
		else if (!history_begin(fd))
			vg_warn(&daemon->who, "event=no-history file=\"%s\" errno=%d", path, errno);
		daemon->history_fd = fd;
		return;
	}
	vg_warn(&daemon->who, "event=no-history file=\"%s\" errno=%d", path, errno);
	if (fd >= 0)
		close(fd);
}

void be_history_close(struct be_daemon *daemon)
{
	if (daemon->history_fd >= 0)
		close(daemon->history_fd);
	daemon->history_fd = -1;
}

static void history_write(struct be_daemon *daemon, const struct be_record *record)
{
	static struct slot slot;

	if (daemon->history_fd < 0)
		return;
	slot.number = ++daemon->history_number;
	slot.record = *record;
	slot.sum = slot_sum(&slot);
	if (pwrite(daemon->history_fd, &slot, sizeof(slot), slot_place(slot.number)) ==
	    (ssize_t)sizeof(slot))
		return;
	vg_warn(&daemon->who, "event=no-history errno=%d reason=\"it is not written any more\"",
		errno);
	be_history_close(daemon);
}

/* --- what ends now ----------------------------------------------------------------------------- */

void be_history_add(struct be_daemon *daemon, const struct be_session *session)
{
	struct be_record *record = history_room(daemon);

	record->domid = session->device->domid;
	record->devid = session->device->devid;
	record->device_count = be_seats_list(session, record->devids);
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
	history_write(daemon, record);
}
