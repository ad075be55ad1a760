/* SPDX-License-Identifier: MIT */
/*
 * The lane: how one guest thread's CUDA calls travel.
 *
 * A lane is a run of shared pages (grants on Xen, a memfd locally) with a command ring from the
 * guest to the executor and a reply ring back. One guest thread produces, one executor thread
 * consumes; nobody else touches it.
 *
 *      offset 0                  struct vg_lane_shared, one page
 *      VG_PAGE_SIZE              command ring, cmd_bytes (power of two)
 *      VG_PAGE_SIZE + cmd_bytes  reply ring, reply_bytes (power of two)
 *
 * The two sizes travel in the message that opens the lane (control.h), never in the shared page.
 *
 * Each ring is a stream of bytes. A command is a head, its arguments (copied to private memory once,
 * bounded by VG_ARGS_MAX, then checked and used) and, where the call has one, a bulk part that is only
 * passed through: it may be larger than the ring and is used piece by piece where it lies. Each
 * of the three begins at a multiple of 8; pads are zero. A reply is built alike.
 *
 * Indices run freely from 0 in 64 bits and count bytes. An index that breaks
 * cons <= prod <= cons + size, or is not a multiple of 8, is a breach of protocol: it ends the
 * session, nothing else.
 *
 * Order between lanes. `after` in a command's head names a command of another lane; an executor thread runs
 * the command only when that one has been run. Where there are several, commands without effect
 * (vgAfter) go before it, each with one of them. Which those are is the guest's to say: so many that calls of
 * one thread come after calls of another that had returned before. Commands of a lane are numbered from 1; when a lane's id is used again in the session, numbers run on.
 *
 * Doorbells. A side that is about to sleep says in its `*_sleeps` word what for (enum vg_sleep), issues
 * a full barrier, looks at the other side's index again and only then waits. A side that has moved an
 * index issues a full barrier and rings only when the other's word says that it sleeps for that
 * very index; it clears the word. The words only save doorbells: each wait has a time limit
 * and looks again, so a lost bell costs time, not a hang.
 */
#ifndef VG_WIRE_H
#define VG_WIRE_H

#include <stdint.h>

#define VG_PAGE_SIZE 4096u

/* Raised when the layout of anything in wire.h or control.h changes. */
#define VG_PROTOCOL_VERSION 3u

#define VG_LANE_MAGIC       0x656e616cu /* "lane" */

#define VG_RING_MIN         (8u * 1024)
#define VG_RING_MAX         (16u * 1024 * 1024)
/* Arguments of one command or reply, head excluded, bulk excluded. */
#define VG_ARGS_MAX (1024u * 1024)
/* The bulk part of a call that needs it in one piece (module images). */
#define VG_BULK_WHOLE_MAX (1024ull * 1024 * 1024)

/* Bounds on what a session may hold; a backend may grant less (control.h, vg_limits). */
#define VG_LANES_MAX   256u
#define VG_REGIONS_MAX 4096u

/* What a side sleeps for; 0: it is awake. Any other value is as 0. */
enum vg_sleep {
	VG_SLEEP_ROOM = 1, /* the other side's cons */
	VG_SLEEP_DATA = 2, /* the other side's prod */
};

/*
 * Of the thread that calls the program's functions: between two of them it looks for the next here, before it asks
 * by vgHostFuncWait. Whoever's turn it is to move on does so by a compare and exchange.
 */
enum vg_turn_state {
	VG_TURN_AWAY = 0,  /* by the guest: it does not look */
	VG_TURN_LOOKS = 1, /* by the guest: what it was given before is done, and it looks */
	VG_TURN_HERE = 2,  /* by the executor, from LOOKS: a function is to be called */
	VG_TURN_SLEEPS =
		3, /* by the executor, from HERE: it looks no longer; end by vgHostFuncDone */
};

struct vg_turn_shared {
	uint32_t state; /* enum vg_turn_state; anything else is as AWAY */
	int32_t status; /* the rest as vgHostFuncWait has it, written by the executor while it is LOOKS */
	uint64_t id;
	uint64_t ticket;
	int32_t last;
	uint8_t pad[36];
};
_Static_assert(sizeof(struct vg_turn_shared) == 64, "a line");

struct vg_lane_shared {
	/* Written by the guest before it announces the lane. */
	uint32_t magic;
	uint32_t version;
	uint8_t pad0[56];

	/* Written by the guest. */
	uint64_t cmd_prod;
	uint64_t reply_cons;
	uint32_t guest_sleeps; /* enum vg_sleep; cleared by whoever rings */
	uint8_t pad1[44];

	/* Written by the executor. */
	uint64_t cmd_cons;
	uint64_t reply_prod;
	uint32_t exec_sleeps; /* enum vg_sleep; cleared by whoever rings */
	/* Latest error (CUresult) of an asynchronous command of this lane, and its op; the guest
	 * takes it when error_count moves. */
	uint32_t error_count;
	uint32_t error_result;
	uint32_t error_op;
	uint32_t output_count; /* moves when kernels have printed something; see vgOutput */
	uint32_t traced;       /* 1: commands are recorded, and want a vgStamp before them */
	uint8_t pad2[24];

	/* 1 while the side lives; cleared by its kernel when the last mapping goes (unmap
	 * notification), or by the side itself when it leaves in order. */
	uint8_t guest_alive;
	uint8_t pad3[63];
	uint8_t exec_alive;
	uint8_t pad4[63];

	struct vg_turn_shared turn;
};
_Static_assert(sizeof(struct vg_lane_shared) == 384, "layout of the lane's shared page");

#define VG_ALIVE_GUEST_OFFSET 192u
#define VG_ALIVE_EXEC_OFFSET  256u

/* vg_cmd.flags */
#define VG_CMD_ASYNC 0x0001u /* no reply; an error goes into the lane's error word */
#define VG_CMD_PTDS  0x0002u /* the call's per-thread-default-stream variant was called */

/* Head of each command; args_size bytes of arguments as the spec lays them out follow, then the bulk. */
struct vg_cmd {
	uint16_t op;        /* enum vg_op (generated) */
	uint16_t flags;     /* VG_CMD_* */
	uint32_t args_size; /* bytes, before padding to 8 */
	uint64_t bulk_size; /* bytes, before padding to 8 */
	uint64_t after;     /* vg_after(): command to be run first, 0 for none */
};
_Static_assert(sizeof(struct vg_cmd) == 24, "layout of a command's head");

/* Head of each reply. Replies come in the order of the lane's synchronous commands. */
struct vg_reply {
	uint16_t op; /* of the command that it answers */
	uint16_t flags;
	int32_t result; /* CUresult; unless 0 both sizes are 0 or what the call defines for its errors */
	uint32_t args_size;
	uint32_t number; /* low 32 bits of the command's number in its lane, from 1 */
	uint64_t bulk_size;
};
_Static_assert(sizeof(struct vg_reply) == 24, "layout of a reply's head");

/* A line of the driver's about an error (vgLogsFetch), `length` bytes without a NUL follow. */
#define VG_LOG_LINE_MAX  1024u /* what is longer is cut */
#define VG_LOG_LINES_MAX 8192u /* bytes that are kept for a lane, heads and padding included */
struct vg_log_line {
	uint32_t level; /* CUlogLevel */
	uint32_t length;
};
_Static_assert(sizeof(struct vg_log_line) == 8, "layout of a line's head");

static inline uint64_t vg_pad8(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/*
 * `after`: lane in the top 12 bits (its slot + 1), number of the command in that lane below.
 */
#define VG_AFTER_NUMBER_BITS 52
static inline uint64_t vg_after(uint32_t lane, uint64_t number)
{
	return ((uint64_t)(lane + 1) << VG_AFTER_NUMBER_BITS) |
	       (number & ((1ull << VG_AFTER_NUMBER_BITS) - 1));
}

static inline int vg_after_lane(uint64_t after)
{
	return (int)(after >> VG_AFTER_NUMBER_BITS) - 1;
}

static inline uint64_t vg_after_number(uint64_t after)
{
	return after & ((1ull << VG_AFTER_NUMBER_BITS) - 1);
}

#endif
