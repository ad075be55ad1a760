/* SPDX-License-Identifier: MIT */
/*
 * Reads a recording (trace.h): every record is checked, parts are brought to the commands that they belong to, and commands
 * into an order. What is wrong is refused with a text that says where; what is merely cut off at the end is kept as far as it goes.
 *
 * The file may be anybody's. Memory in use is in proportion to its size, whatever it says; what has been checked is a copy. A regular
 * file stays mapped, so the bytes of parts are what they are when they are read, and a file that is shortened meanwhile is SIGBUS.
 */
#ifndef VG_TRACE_FILE_H
#define VG_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/trace.h"

#define VG_TRACE_TEXT         256u
#define VG_TRACE_SESSIONS_MAX 4096u /* in one file */

/* A part, where it lies in the file. */
struct vg_trace_piece {
	const uint8_t *data; /* at a multiple of 8 in the file */
	uint64_t number;     /* of the command in its lane */
	uint64_t offset;
	uint32_t bytes;
	uint16_t lane;
	uint16_t kind; /* enum vg_trace_part_kind */
	uint16_t op;   /* of the command */
};

struct vg_trace_command {
	struct vg_trace_call call;
	const struct vg_trace_piece *pieces; /* by kind, then offset */
	uint32_t count;
	uint32_t
		whole; /* 1u << enum vg_trace_part_kind: all bytes that call names are there, each once */
};

struct vg_trace_recorded {
	struct vg_trace_session session;
	struct vg_trace_end end;
	bool ended;    /* `end` was there */
	uint64_t lost; /* records that nobody took away in time */

	struct vg_trace_command *commands; /* by lane and number; no two alike */
	size_t count;
	struct vg_trace_command **by_time; /* the same by when they were taken */
	/* What had not come back when the recording ended: of the call only head, number, op and args are known. */
	struct vg_trace_command *unfinished;
	size_t unfinished_count;
	struct vg_trace_share *shares; /* lanes and regions (head.type) in the file's order */
	size_t shares_count;

	/* Of the reader. */
	struct vg_trace_piece *pieces;
	size_t pieces_count;
	size_t commands_room, unfinished_room, shares_room, pieces_room;
};

struct vg_trace {
	struct vg_trace_file head;
	struct vg_trace_recorded *sessions; /* in the order in which they began */
	size_t count;
	size_t sessions_room;
	bool cut;         /* the last record is not all there */
	uint64_t strange; /* records of no session that began in this file */

	const uint8_t *base;
	size_t size;
	bool mapped; /* base is a mapping of the file; else it was allocated, or is the caller's */
	bool owned;
};

/*
 * "-" is the standard input. 0 or a negative errno (-EBADMSG: the file is no recording), with a text of at most VG_TRACE_TEXT
 * bytes that says why; then there is nothing to close.
 */
int vg_trace_open(struct vg_trace *trace, const char *path, char *text);
/* The same of bytes that stay the caller's and outlive the trace. */
int vg_trace_open_bytes(struct vg_trace *trace, const void *bytes, size_t size, char *text);
void vg_trace_close(struct vg_trace *trace);

/* The head of a file that begins now. */
struct vg_trace_file vg_trace_file_now(void);
/* -EBADMSG, and why. text: VG_TRACE_TEXT bytes. */
int vg_trace_refuse(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies a part that is whole (ARGS, ANSWER, BULK): as many bytes as the command's call says. */
void vg_trace_part_copy(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
			void *to);
/* The command of that number; NULL: it is not in the recording. */
struct vg_trace_command *vg_trace_command_find(const struct vg_trace_recorded *session,
					       uint32_t lane, uint64_t number);

#endif
