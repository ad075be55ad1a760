/* SPDX-License-Identifier: MIT */
/*
 * One command under execution: what generated dispatch code and hand-written calls work with.
 *
 * Trusts nothing that comes from the lane: arguments are read from a private copy, each read is
 * bounded, handles are looked up by type, and a breach is sticky: it ends the session after this
 * command. Runs in the lane's own thread.
 */
#ifndef EX_CALL_H
#define EX_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/handle.h"

struct ex_lane;
struct ex_session;

struct ex_call {
	struct ex_lane *lane;
	struct ex_session *session;
	uint16_t op;
	bool async; /* no reply will be sent */
	bool ptds;  /* per-thread-default-stream variant */
	bool breach;
	uint64_t begun; /* ns; 0: nobody wants its time or a line about it */
	uint64_t done;  /* likewise: the driver has returned */
	uint64_t taken; /* ns; 0: it is not recorded (trace.h) */
	uint64_t after; /* of its head */
	uint32_t seen;  /* VG_TRACE_*, of what is recorded */

	const uint8_t *args; /* private copy, 8-byte aligned, owned by the lane */
	size_t args_size;
	size_t args_pos;

	uint64_t bulk_size; /* of the command's bulk part */
	uint64_t bulk_pos;  /* how much of it has been taken */
	uint32_t bulk_sum;  /* CRC-32 of that, where the log has it */

	size_t reply_size; /* of the reply's arguments so far; once its head is sent, of its bulk part */
	size_t reply_args;        /* of the arguments that were sent with the head */
	uint32_t reply_bulk_sum;  /* as bulk_sum */
	uint64_t reply_bulk_size; /* announced by ex_reply_bulk_begin */
	bool reply_head_sent;
};

/* Takes n bytes of arguments (the position moves on by n padded to 8). NULL: breach. */
const void *ex_args_take(struct ex_call *call, size_t n);
/* The same for count elements; NULL on overflow, on a breach, or with *rc set. count 0 gives a valid pointer. */
const void *ex_args_array(struct ex_call *call, uint64_t count, size_t element);
/* True when all arguments have been taken and no breach happened; else records a breach. */
bool ex_args_end(struct ex_call *call);
/* A taken string: checks that exactly its last byte is NUL. NULL: breach. */
const char *ex_args_string(struct ex_call *call, uint64_t size_with_nul);
/* Records a breach (why: a short constant text for the log). Returns CUDA_ERROR_UNKNOWN. */
CUresult ex_breach(struct ex_call *call, const char *why);

/* Memory that lives until the command is done, zeroed. NULL: no memory, or over the limit. */
void *ex_scratch(struct ex_call *call, uint64_t count, size_t element);

/* The command's bulk part in one private piece (at most VG_BULK_WHOLE_MAX), with one NUL byte behind it. NULL: no memory. */
const void *ex_bulk_whole(struct ex_call *call);
/*
 * The next piece of the bulk part where it lies in the ring: *span and its length, at most `max`
 * bytes; 0 at the end or when the session ends. A piece stays valid until the next call. The guest
 * can still change its bytes: pass them on, never interpret them.
 */
size_t ex_bulk_span(struct ex_call *call, const void **span, size_t max);

/* Zeroed room for n bytes in the reply's arguments. NULL: too large. The pointer is valid until the next put. */
void *ex_reply_put(struct ex_call *call, size_t n);
/* Copies n bytes into the reply. False: too large. */
bool ex_reply_bytes(struct ex_call *call, const void *data, size_t n);
/*
 * Bulk part of a reply: begin announces its whole size (the reply's head with CUDA_SUCCESS and the arguments
 * put so far are sent), then spans of room in the ring are filled and committed. If the call fails half-way,
 * ex_reply_bulk_fail fills up with zeros and marks the reply failed in the lane's error word.
 */
bool ex_reply_bulk_begin(struct ex_call *call, uint64_t size);
size_t ex_reply_bulk_span(struct ex_call *call, void **span, size_t max);
void ex_reply_bulk_commit(struct ex_call *call, size_t n);
void ex_reply_bulk_fail(struct ex_call *call, CUresult why);

/*
 * Handles (protocol/handle.h). get: the driver's object behind a guest handle; values that the type passes
 * through (streams 0, 1, 2) and, with EX_NULL_OK, 0 come back as they are. CUDA's own code for a bad
 * handle of that type otherwise.
 */
#define EX_NULL_OK 1u
CUresult ex_handle_get(struct ex_call *call, enum vg_handle_type type, uint64_t handle,
		       unsigned int flags, void **real);
/* The same for a handle in a structure: `guest` as it came, `real` a place of the handle's type. */
CUresult ex_handle_in(struct ex_call *call, enum vg_handle_type type, const void *guest,
		      unsigned int flags, void *real);
/* Array of handles into scratch memory. */
CUresult ex_handle_get_array(struct ex_call *call, enum vg_handle_type type,
			     const uint64_t *handles, uint64_t count, void ***reals);
/*
 * The guest handle of a driver object: the one that it has already, or a new one minted here. parent: handle
 * whose end is this one's end too (0: the lane's current context). 0 when the table is full.
 */
uint64_t ex_handle_put(struct ex_call *call, enum vg_handle_type type, void *real, uint64_t parent);
/* Enters a driver object under a handle that the guest has minted. Breach when that is not free. */
CUresult ex_handle_bind(struct ex_call *call, enum vg_handle_type type, uint64_t handle, void *real,
			uint64_t parent);
/* Forgets a handle and, recursively, its children. Unknown handles are ignored. */
void ex_handle_drop(struct ex_call *call, enum vg_handle_type type, uint64_t handle);

/*
 * Numbers of the driver's that kernels use as they are (texture objects). They are entered in the table of
 * handles; the guest passes the number itself. check: CUDA_ERROR_INVALID_VALUE for one that is not there.
 */
CUresult ex_number_check(struct ex_call *call, enum vg_handle_type type, uint64_t number);
CUresult ex_number_put(struct ex_call *call, enum vg_handle_type type, uint64_t number,
		       uint64_t parent);
void ex_number_drop(struct ex_call *call, enum vg_handle_type type, uint64_t number);

/*
 * Device memory that this session owns. check: the range lies in one of its allocations, mappings or
 * regions, or CUDA_ERROR_INVALID_VALUE.
 */
enum ex_range_kind {
	EX_RANGE_DEVICE = 1, /* cuMemAlloc and relatives: counts as device memory */
	EX_RANGE_VMM,        /* mapped physical memory */
	EX_RANGE_GLOBAL,     /* a module's variable */
	EX_RANGE_REGION,     /* pinned memory shared with the guest */
	EX_RANGE_FOREIGN,    /* imported */
	EX_RANGE_MANAGED,    /* cuMemAllocManaged: counts as device memory, wherever it is */
	EX_RANGE_POOLED,     /* an allocation of another process's pool, imported */
	EX_RANGE_GRAPH,      /* a graph's own allocation: there while the graph is, freed or not */
};
CUresult ex_range_check(struct ex_call *call, uint64_t address, uint64_t size);
/*
 * The same for what a stream is to do there. While it is being captured any address will do, as
 * natively: libraries capture with addresses of their own making, and set others before they launch.
 */
CUresult ex_range_check_on(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream);
CUresult ex_range_add(struct ex_call *call, uint64_t address, uint64_t size,
		      enum ex_range_kind kind);
/* Removes the range that begins there. False: none does. */
bool ex_range_remove(struct ex_call *call, uint64_t address);

/* Generated: what an op is and how it runs. */
struct ex_op {
	const char *name;
	CUresult (*run)(struct ex_call *call);
	uint32_t min_args; /* bytes of fixed arguments */
	uint32_t flags;    /* EX_OP_* */
};
#define EX_OP_ASYNC_OK 1u /* may come without a reply */
#define EX_OP_SYNC_OK  2u /* may come with one */
#define EX_OP_BULK     4u /* may carry a bulk part */
#define EX_OP_REPORTS  8u /* may wait for the device: what kernels have printed is announced */
/* NULL for an op that does not exist. */
const struct ex_op *ex_op_find(uint16_t op);

#endif
