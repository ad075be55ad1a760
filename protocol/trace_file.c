/* SPDX-License-Identifier: MIT */
/*
 * Reading a recording in two steps: all records are walked once and put aside by their session, then each session's parts and
 * commands are sorted and brought together. No state of its own; any thread.
 */
#include "protocol/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/calls.h"
#include "protocol/clock.h"

/* One record, walked to. */
struct record {
	struct vg_trace_head head;
	const uint8_t *at;
	size_t place; /* in the file */
};

int vg_trace_refuse(char *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, VG_TRACE_TEXT, format, args);
	va_end(args);
	return -EBADMSG;
}

struct vg_trace_file vg_trace_file_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct vg_trace_file){
		.magic = VG_TRACE_MAGIC,
		.version = VG_TRACE_VERSION,
		.protocol = VG_PROTOCOL_VERSION,
		.spec_hash = VG_SPEC_HASH,
		.realtime = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		.monotonic = vg_clock_ns(),
	};
}

static int no_memory(char *text)
{
	vg_trace_refuse(text, "no memory for what the recording holds");
	return -ENOMEM;
}

/* Room for one more element. */
static bool array_grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *moved;

	if (count < *room)
		return true;
	moved = reallocarray(*array, more, size);
	if (!moved)
		return false;
	*array = moved;
	*room = more;
	return true;
}

/* --- walking ----------------------------------------------------------------------------------- */

/* The latest of that executor: process numbers come again in a long recording. */
static struct vg_trace_recorded *session_of(struct vg_trace *trace, uint32_t executor)
{
	for (size_t i = trace->count; i > 0; i--)
		if (trace->sessions[i - 1].session.head.executor == executor)
			return &trace->sessions[i - 1];
	return NULL;
}

static int session_add(struct vg_trace *trace, const struct record *record, char *text)
{
	struct vg_trace_recorded *new;

	if (trace->count == VG_TRACE_SESSIONS_MAX)
		return vg_trace_refuse(text, "more than %u sessions", VG_TRACE_SESSIONS_MAX);
	if (!array_grow((void **)&trace->sessions, trace->count, &trace->sessions_room,
			sizeof(*trace->sessions)))
		return no_memory(text);
	new = &trace->sessions[trace->count++];
	*new = (struct vg_trace_recorded){0};
	memcpy(&new->session, record->at, sizeof(new->session));
	new->session.comm[VG_COMM_MAX - 1] = '\0';
	return 0;
}

static int lane_refuse(const struct record *record, char *text)
{
	return vg_trace_refuse(text, "the record at byte %zu names lane %u", record->place,
			       record->head.lane);
}

static int share_add(struct vg_trace_recorded *session, const struct record *record, char *text)
{
	if (record->head.type == VG_TRACE_LANE && record->head.lane >= VG_LANES_MAX)
		return lane_refuse(record, text);
	if (!array_grow((void **)&session->shares, session->shares_count, &session->shares_room,
			sizeof(*session->shares)))
		return no_memory(text);
	memcpy(&session->shares[session->shares_count++], record->at, sizeof(*session->shares));
	return 0;
}

static int piece_add(struct vg_trace_recorded *session, const struct record *record, char *text)
{
	struct vg_trace_part part;

	memcpy(&part, record->at, sizeof(part));
	if (part.head.lane >= VG_LANES_MAX)
		return lane_refuse(record, text);
	if (part.bytes > part.head.bytes - sizeof(part) || part.offset + part.bytes < part.offset)
		return vg_trace_refuse(text, "the part at byte %zu is longer than its record",
				       record->place);
	if (part.kind < VG_TRACE_ARGS || part.kind > VG_TRACE_MEMORY)
		return 0;
	if (!array_grow((void **)&session->pieces, session->pieces_count, &session->pieces_room,
			sizeof(*session->pieces)))
		return no_memory(text);
	session->pieces[session->pieces_count++] = (struct vg_trace_piece){
		.data = record->at + sizeof(part),
		.number = part.number,
		.offset = part.offset,
		.bytes = part.bytes,
		.lane = part.head.lane,
		.kind = part.kind,
		.op = part.op,
	};
	return 0;
}

static int command_add(struct vg_trace_recorded *session, const struct record *record, char *text)
{
	struct vg_trace_command *new;

	if (record->head.lane >= VG_LANES_MAX)
		return lane_refuse(record, text);
	if (!array_grow((void **)&session->commands, session->count, &session->commands_room,
			sizeof(*session->commands)))
		return no_memory(text);
	new = &session->commands[session->count++];
	*new = (struct vg_trace_command){0};
	memcpy(&new->call, record->at, sizeof(new->call));
	return 0;
}

static void lost_add(struct vg_trace_recorded *session, const struct record *record)
{
	struct vg_trace_lost lost;

	memcpy(&lost, record->at, sizeof(lost));
	if (__builtin_add_overflow(session->lost, lost.records, &session->lost) || !session->lost)
		session->lost = UINT64_MAX;
}

static int record_of_session(struct vg_trace_recorded *session, const struct record *record,
			     char *text)
{
	switch (record->head.type) {
	case VG_TRACE_LANE:
	case VG_TRACE_REGION: return share_add(session, record, text);
	case VG_TRACE_PART: return piece_add(session, record, text);
	case VG_TRACE_CALL: return command_add(session, record, text);
	case VG_TRACE_LOST: lost_add(session, record); return 0;
	default: break;
	}
	session->ended = true;
	memcpy(&session->end, record->at, sizeof(session->end));
	return 0;
}

static int record_add(struct vg_trace *trace, const struct record *record, char *text)
{
	uint32_t least = vg_trace_least(record->head.type);
	struct vg_trace_recorded *session;

	if (least == sizeof(record->head)) /* not known: passed over */
		return 0;
	if (record->head.bytes < least)
		return vg_trace_refuse(text, "the record at byte %zu has %u bytes of %u",
				       record->place, record->head.bytes, least);
	if (record->head.type == VG_TRACE_SESSION)
		return session_add(trace, record, text);
	session = session_of(trace, record->head.executor);
	if (session)
		return record_of_session(session, record, text);
	trace->strange++;
	return 0;
}

static int records_walk(struct vg_trace *trace, char *text)
{
	size_t place = sizeof(trace->head);
	int rc = 0;

	while (rc == 0 && place < trace->size) {
		size_t left = trace->size - place;
		struct record record = {.at = trace->base + place, .place = place};

		trace->cut = left < sizeof(record.head);
		if (trace->cut)
			break;
		memcpy(&record.head, record.at, sizeof(record.head));
		if (record.head.bytes < sizeof(record.head) || record.head.bytes % 8 ||
		    record.head.bytes > VG_TRACE_BLOCK)
			return vg_trace_refuse(text, "the record at byte %zu has %u bytes", place,
					       record.head.bytes);
		trace->cut = left < record.head.bytes;
		if (trace->cut)
			break;
		rc = record_add(trace, &record, text);
		place += record.head.bytes;
	}
	return rc;
}

/* --- order ------------------------------------------------------------------------------------- */

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int pieces_compare(const void *left, const void *right)
{
	const struct vg_trace_piece *a = left, *b = right;

	if (a->lane != b->lane)
		return COMPARE(a->lane, b->lane);
	if (a->number != b->number)
		return COMPARE(a->number, b->number);
	if (a->kind != b->kind)
		return COMPARE(a->kind, b->kind);
	if (a->offset != b->offset)
		return COMPARE(a->offset, b->offset);
	return COMPARE(a->data, b->data);
}

static int place_compare(uint32_t lane, uint64_t number, uint32_t other_lane, uint64_t other_number)
{
	return lane != other_lane ? COMPARE(lane, other_lane) : COMPARE(number, other_number);
}

static int calls_compare(const struct vg_trace_call *a, const struct vg_trace_call *b)
{
	return place_compare(a->head.lane, a->number, b->head.lane, b->number);
}

static int commands_compare(const void *left, const void *right)
{
	const struct vg_trace_command *a = left, *b = right;

	return calls_compare(&a->call, &b->call);
}

static int times_compare(const void *left, const void *right)
{
	const struct vg_trace_call *a = &(*(struct vg_trace_command *const *)left)->call;
	const struct vg_trace_call *b = &(*(struct vg_trace_command *const *)right)->call;

	return a->taken != b->taken ? COMPARE(a->taken, b->taken) : calls_compare(a, b);
}

/* Its pieces of that kind follow each other from 0 to `bytes`. */
static bool part_whole(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
		       uint64_t bytes)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < command->count; i++) {
		const struct vg_trace_piece *piece = &command->pieces[i];

		if (piece->kind != kind)
			continue;
		if (piece->offset != end)
			return false;
		end += piece->bytes;
	}
	return end == bytes;
}

static void command_whole(struct vg_trace_command *command)
{
	const struct vg_trace_call *call = &command->call;

	if (part_whole(command, VG_TRACE_ARGS, call->args))
		command->whole |= 1u << VG_TRACE_ARGS;
	if (part_whole(command, VG_TRACE_ANSWER, call->answer))
		command->whole |= 1u << VG_TRACE_ANSWER;
	if (part_whole(command, VG_TRACE_BULK, call->bulk))
		command->whole |= 1u << VG_TRACE_BULK;
}

/* Bytes of its arguments, if they begin at 0 and have no gap; else 0. */
static uint32_t args_found(const struct vg_trace_command *command)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < command->count && command->pieces[i].kind == VG_TRACE_ARGS; i++) {
		if (command->pieces[i].offset != end)
			return 0;
		end += command->pieces[i].bytes;
	}
	return end <= VG_ARGS_MAX ? (uint32_t)end : 0;
}

/* Of pieces whose command is not there. */
static int unfinished_add(struct vg_trace_recorded *session, const struct vg_trace_piece *pieces,
			  uint32_t count, char *text)
{
	struct vg_trace_command *new;

	if (!array_grow((void **)&session->unfinished, session->unfinished_count,
			&session->unfinished_room, sizeof(*session->unfinished)))
		return no_memory(text);
	new = &session->unfinished[session->unfinished_count++];
	*new = (struct vg_trace_command){.pieces = pieces, .count = count};
	new->call.head.type = VG_TRACE_CALL;
	new->call.head.lane = pieces->lane;
	new->call.head.executor = session->session.head.executor;
	new->call.number = pieces->number;
	new->call.op = pieces->op;
	new->call.args = args_found(new);
	command_whole(new);
	return 0;
}

/* All are sorted, so those of one command follow each other. */
static int pieces_give(struct vg_trace_recorded *session, char *text)
{
	size_t at = 0, next;
	int rc = 0;

	for (; rc == 0 && at < session->pieces_count; at = next) {
		const struct vg_trace_piece *piece = &session->pieces[at];
		struct vg_trace_command *command =
			vg_trace_command_find(session, piece->lane, piece->number);

		for (next = at + 1; next < session->pieces_count; next++)
			if (place_compare(piece->lane, piece->number, session->pieces[next].lane,
					  session->pieces[next].number))
				break;
		if (command) {
			command->pieces = piece;
			command->count = (uint32_t)(next - at);
		} else {
			rc = unfinished_add(session, piece, (uint32_t)(next - at), text);
		}
	}
	for (size_t i = 0; i < session->count; i++)
		command_whole(&session->commands[i]);
	return rc;
}

static int twins_refuse(const struct vg_trace_recorded *session, char *text)
{
	for (size_t i = 1; i < session->count; i++)
		if (!commands_compare(&session->commands[i - 1], &session->commands[i]))
			return vg_trace_refuse(text,
					       "session %u has two commands %" PRIu64 " in lane %u",
					       session->session.head.executor,
					       session->commands[i].call.number,
					       session->commands[i].call.head.lane);
	return 0;
}

static int session_order(struct vg_trace_recorded *session, char *text)
{
	int rc;

	if (session->pieces_count)
		qsort(session->pieces, session->pieces_count, sizeof(*session->pieces),
		      pieces_compare);
	if (session->count)
		qsort(session->commands, session->count, sizeof(*session->commands),
		      commands_compare);
	rc = twins_refuse(session, text);
	if (rc == 0)
		rc = pieces_give(session, text);
	if (rc || !session->count)
		return rc;
	session->by_time = calloc(session->count, sizeof(struct vg_trace_command *));
	if (!session->by_time)
		return no_memory(text);
	for (size_t i = 0; i < session->count; i++)
		session->by_time[i] = &session->commands[i];
	qsort(session->by_time, session->count, sizeof(struct vg_trace_command *), times_compare);
	return 0;
}

/* --- the file ---------------------------------------------------------------------------------- */

static int head_read(struct vg_trace *trace, char *text)
{
	if (trace->size < sizeof(trace->head))
		return vg_trace_refuse(text, "this is no recording: it has only %zu bytes",
				       trace->size);
	memcpy(&trace->head, trace->base, sizeof(trace->head));
	if (memcmp(trace->head.magic, VG_TRACE_MAGIC, sizeof(VG_TRACE_MAGIC)) != 0)
		return vg_trace_refuse(text, "this is no recording: it does not begin with %s",
				       VG_TRACE_MAGIC);
	if (trace->head.version != VG_TRACE_VERSION)
		return vg_trace_refuse(text, "the recording has format %u, this program reads %u",
				       trace->head.version, VG_TRACE_VERSION);
	return 0;
}

static int trace_read(struct vg_trace *trace, char *text)
{
	int rc = head_read(trace, text);

	if (rc == 0)
		rc = records_walk(trace, text);
	for (size_t i = 0; rc == 0 && i < trace->count; i++)
		rc = session_order(&trace->sessions[i], text);
	if (rc)
		vg_trace_close(trace);
	return rc;
}

int vg_trace_open_bytes(struct vg_trace *trace, const void *bytes, size_t size, char *text)
{
	*trace = (struct vg_trace){.base = bytes, .size = size};
	return trace_read(trace, text);
}

/* Of what cannot be mapped: a pipe. */
static int stream_read(struct vg_trace *trace, int fd)
{
	uint8_t *bytes = NULL;
	size_t size = 0, room = 0;
	ssize_t n = 1;

	while (n > 0) {
		if (size == room) {
			void *moved = realloc(bytes, room ? room * 2 : VG_TRACE_BLOCK);

			if (!moved)
				break;
			bytes = moved;
			room = room ? room * 2 : VG_TRACE_BLOCK;
		}
		do
			n = read(fd, bytes + size, room - size);
		while (n < 0 && errno == EINTR);
		if (n > 0)
			size += (size_t)n;
	}
	if (n) {
		int rc = n < 0 ? -errno : -ENOMEM;

		free(bytes);
		return rc;
	}
	trace->base = bytes;
	trace->size = size;
	trace->owned = true;
	return 0;
}

static int file_take(struct vg_trace *trace, int fd)
{
	struct stat stat;
	void *base;

	if (fstat(fd, &stat))
		return -errno;
	if (!S_ISREG(stat.st_mode) || stat.st_size <= 0)
		return stream_read(trace, fd);
	base = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	trace->base = base;
	trace->size = (size_t)stat.st_size;
	trace->mapped = true;
	return 0;
}

int vg_trace_open(struct vg_trace *trace, const char *path, char *text)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	int rc;

	*trace = (struct vg_trace){0};
	rc = fd < 0 ? -errno : file_take(trace, fd);
	if (fd > STDIN_FILENO)
		close(fd);
	if (rc == 0)
		return trace_read(trace, text);
	vg_trace_refuse(text, "cannot read it: %s", strerror(-rc));
	return rc;
}

void vg_trace_close(struct vg_trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		struct vg_trace_recorded *session = &trace->sessions[i];

		free(session->commands);
		free(session->by_time);
		free(session->unfinished);
		free(session->shares);
		free(session->pieces);
	}
	free(trace->sessions);
	if (trace->mapped)
		munmap((void *)(uintptr_t)trace->base, trace->size);
	else if (trace->owned)
		free((void *)(uintptr_t)trace->base);
	*trace = (struct vg_trace){0};
}

void vg_trace_part_copy(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
			void *to)
{
	for (uint32_t i = 0; i < command->count; i++) {
		const struct vg_trace_piece *piece = &command->pieces[i];

		if (piece->kind == kind && command->whole & 1u << kind)
			memcpy((uint8_t *)to + piece->offset, piece->data, piece->bytes);
	}
}

struct vg_trace_command *vg_trace_command_find(const struct vg_trace_recorded *session,
					       uint32_t lane, uint64_t number)
{
	struct vg_trace_command wanted = {.call = {.number = number}};

	if (!session->count || lane >= VG_LANES_MAX)
		return NULL;
	wanted.call.head.lane = (uint16_t)lane;
	return bsearch(&wanted, session->commands, session->count, sizeof(wanted),
		       commands_compare);
}
