/* SPDX-License-Identifier: MIT */
/*
 * Recorded sessions: what `vgpu trace` and `vgpu-run --trace` write, and `vgpu-replay` runs again (docs/trace.md).
 *
 * A file is a struct vg_trace_file and then records, little endian as in memory. A record begins with a struct
 * vg_trace_head, which says how long it is; its length is a multiple of 8. Executors write them in blocks of whole records, each at
 * most VG_TRACE_BLOCK bytes; blocks of several executors and lanes stand in any order, but those of one lane in theirs. So
 * a reader sorts by time. It believes nothing: executors run what guests say.
 *
 * A command's parts (arguments, answer, what it carries) stand before its VG_TRACE_CALL, in the same lane; the arguments
 * always have one, if only of 0 bytes. Where the VG_TRACE_CALL is missing the command had not come back when recording
 * ended. Times are nanoseconds of the host's CLOCK_MONOTONIC, unless they are the guest's; 0: not known.
 */
#ifndef VG_TRACE_H
#define VG_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/calls.h" /* generated: enum vg_op */
#include "protocol/control.h"

#define VG_TRACE_MAGIC   "vgputrc"
#define VG_TRACE_VERSION 1u
/* Records in one write; a part is cut so that it fits. */
#define VG_TRACE_BLOCK (32u * 1024)

struct vg_trace_file {
	char magic[8];
	uint32_t version;
	uint32_t protocol;  /* VG_PROTOCOL_VERSION */
	uint64_t spec_hash; /* of the calls' numbers and layouts: vg_spec_hash */
	uint64_t realtime;  /* when it was begun, ns since the epoch */
	uint64_t monotonic; /* the same moment by the host's CLOCK_MONOTONIC */
	uint64_t pad[3];
};
_Static_assert(sizeof(struct vg_trace_file) == 64, "layout of a trace's head");

enum vg_trace_type {
	VG_TRACE_SESSION = 1, /* struct vg_trace_session: the first of an executor's */
	VG_TRACE_LANE = 2,    /* struct vg_trace_share: has come or gone */
	VG_TRACE_REGION = 3,  /* likewise: pinned memory */
	VG_TRACE_PART = 4,    /* struct vg_trace_part, then its bytes, padded with zeros to 8 */
	VG_TRACE_CALL = 5,    /* struct vg_trace_call */
	VG_TRACE_LOST = 6,    /* struct vg_trace_lost */
	VG_TRACE_END =
		7, /* struct vg_trace_end: the session's end; missing where the executor was killed */
};

struct vg_trace_head {
	uint16_t type;     /* enum vg_trace_type; others are to be passed over */
	uint16_t lane;     /* of parts, calls, and lanes */
	uint32_t bytes;    /* of the whole record */
	uint32_t executor; /* its process on the host: names the session in this file */
	uint32_t pad;
};
_Static_assert(sizeof(struct vg_trace_head) == 16, "layout of a record's head");

/* vg_trace_session.flags */
#define VG_TRACE_WHOLE 1u /* from the session's beginning; else it had done things before */
#define VG_TRACE_DATA  2u /* with what calls carry, so that it can be run again */

struct vg_trace_session {
	struct vg_trace_head head;
	uint64_t at;
	uint32_t flags;
	uint32_t protocol;
	uint64_t spec_hash;
	int32_t domid; /* -1: the local channel, as devid and session */
	int32_t devid;
	int32_t session;
	uint32_t pid; /* in the guest; like uid and comm its own words */
	uint32_t uid;
	uint32_t jit;   /* VG_JIT_*, as the session was opened */
	uint64_t arena; /* address and bytes where pinned memory lies */
	uint64_t arena_bytes;
	char comm[VG_COMM_MAX]; /* NUL-terminated */
};
_Static_assert(sizeof(struct vg_trace_session) == 96, "layout of a session's record");

struct vg_trace_share {
	struct vg_trace_head head;
	uint64_t at;
	uint32_t open;    /* 1: has come; 0: has gone */
	uint32_t id;      /* of a region; a lane's stands in the head */
	uint64_t address; /* regions */
	uint64_t bytes;
	uint32_t cmd_bytes; /* lanes */
	uint32_t reply_bytes;
};
_Static_assert(sizeof(struct vg_trace_share) == 56, "layout of a share's record");

enum vg_trace_part_kind {
	VG_TRACE_ARGS = 1,   /* offset: within the arguments */
	VG_TRACE_ANSWER = 2, /* within the answer's */
	VG_TRACE_BULK = 3,   /* within the bulk part that came */
	/*
	 * offset: an address. What lay there, in pinned memory, when the command was taken: of a copy what it copies from; of a
	 * launch what has changed since it was recorded last, or since all was zeros.
	 */
	VG_TRACE_MEMORY = 4,
};

struct vg_trace_part {
	struct vg_trace_head head;
	uint64_t number; /* of the command in its lane */
	uint64_t offset;
	uint16_t kind;  /* enum vg_trace_part_kind */
	uint16_t op;    /* of the command */
	uint32_t bytes; /* that follow, without padding */
};
_Static_assert(sizeof(struct vg_trace_part) == 40, "layout of a part's record");

/* vg_trace_call.seen */
#define VG_TRACE_CAPTURED \
	1u /* its stream was being captured: pinned memory is read when the graph runs */
#define VG_TRACE_SUMS 2u /* bulk_sum and answer_bulk_sum are known */
/*
 * A copy to pinned memory, which was waited for: answer_bulk_sum is of what it left there. To see that again: vgCopyOut of the
 * same bytes on the same stream.
 */
#define VG_TRACE_COPIED 4u

struct vg_trace_call {
	struct vg_trace_head head;
	uint64_t number; /* as in struct vg_trace_part */
	uint64_t after;  /* vg_after(), of its head */
	uint16_t op;
	uint16_t flags; /* VG_CMD_* */
	int32_t result; /* CUresult */
	uint32_t args;  /* bytes, without padding */
	uint32_t answer;
	uint64_t bulk;
	uint64_t answer_bulk;
	uint32_t bulk_sum;        /* CRC-32 of the bulk part that came, */
	uint32_t answer_bulk_sum; /* and of the one that went back */
	uint32_t seen;            /* VG_TRACE_* */
	uint32_t pad;
	/* The guest's CLOCK_MONOTONIC, its own words (vgStamp). */
	uint64_t called; /* the library began to send the command */
	uint64_t had;    /* the library had the answer to the lane's last command that has one */
	/* The host's. */
	uint64_t taken; /* the executor's thread found it in the ring */
	uint64_t
		begun; /* other lanes' commands that come before had been run: the driver's function was called */
	uint64_t done;     /* it had returned */
	uint64_t answered; /* the answer was in the ring; asynchronous commands have none */
};
_Static_assert(sizeof(struct vg_trace_call) == 128, "layout of a call's record");

/* Nobody took them away in time. */
struct vg_trace_lost {
	struct vg_trace_head head;
	uint64_t at;
	uint64_t records;
};
_Static_assert(sizeof(struct vg_trace_lost) == 32, "layout of a loss");

struct vg_trace_end {
	struct vg_trace_head head;
	uint64_t at;
	uint64_t commands; /* that the session has run in all */
};
_Static_assert(sizeof(struct vg_trace_end) == 32, "layout of an end");

/* Kernels and graphs read pinned memory by themselves: which of it, and when, nobody tells. */
static inline bool vg_trace_is_launch(unsigned int op)
{
	return op == VG_OP_vgLaunch || op == VG_OP_vgLaunchMulti || op == VG_OP_cuGraphLaunch;
}

/* Bytes that a record of that type has at least. */
static inline uint32_t vg_trace_least(unsigned int type)
{
	switch (type) {
	case VG_TRACE_SESSION: return sizeof(struct vg_trace_session);
	case VG_TRACE_LANE:
	case VG_TRACE_REGION: return sizeof(struct vg_trace_share);
	case VG_TRACE_PART: return sizeof(struct vg_trace_part);
	case VG_TRACE_CALL: return sizeof(struct vg_trace_call);
	case VG_TRACE_LOST: return sizeof(struct vg_trace_lost);
	case VG_TRACE_END: return sizeof(struct vg_trace_end);
	default: return sizeof(struct vg_trace_head);
	}
}

#endif
