/* SPDX-License-Identifier: MIT */
/*
 * Calls as text, like strace: `dstDevice=0x7f2a40000000, ByteCount=4096, hStream=stream:12`. By the table that is
 * generated from the spec (call_fields.h), so a call of the spec needs nothing here.
 *
 * Two sources. Bytes as they lie on the wire: of a command under execution, one that is about to be sent, or one that was
 * recorded. They may be anything, a hostile guest's too: nothing beyond the sizes given is read, nothing in
 * them is believed but to be printed, and what they lack is shown as `?`. And a program's own
 * arguments, behind whose pointers there may be nothing: these are read by a function of the caller's.
 *
 * What is printed is printable ASCII without quotation marks and backslashes, NUL-terminated, and ends with "..." where the room
 * has ended. Arrays show their first elements, strings their beginning. Handles are type:slot, type:slot.generation if the
 * slot had other handles before; an `e` before the slot: made by the executor. No state, no allocation; any thread.
 */
#ifndef VG_CALL_TEXT_H
#define VG_CALL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A command's arguments and its answer's, heads and bulk parts excluded; private memory, or nobody writes to it. */
struct vg_call_bytes {
	uint16_t op;
	bool sums; /* also CRC-32 of structures and bytes */
	const void *args;
	size_t args_size;
	const void *reply; /* NULL: there is none (yet) */
	size_t reply_size;
};

/* Length of the text. What goes with the command, in C's order; what came back. */
size_t vg_call_args(const struct vg_call_bytes *call, char *text, size_t room);
size_t vg_call_ret(const struct vg_call_bytes *call, char *text, size_t room);
/* The whole: `name(arguments) = CUDA_SUCCESS {answer}`. */
size_t vg_call_line(const struct vg_call_bytes *call, int result, char *text, size_t room);

/*
 * ` in=4096 in_crc32=01234567` of what a call carries beside its arguments, way: "in" or "out"; without the sum where
 * there is none (NULL), and nothing of 0 bytes.
 */
void vg_call_bulk(const char *way, uint64_t size, const uint32_t *sum, char *text, size_t room);

/* Where an argument is: the parameter itself. count: elements behind it, where it points to several. */
struct vg_call_place {
	const void *at;
	uint64_t count;
};

struct vg_call_program {
	uint16_t op;
	unsigned int count;
	const struct vg_call_place *places; /* as many as the call has parameters, in C's order */
	/* Copies n bytes of the program's memory; false: there is none. */
	bool (*read)(void *to, uint64_t from, size_t n);
};

size_t vg_program_args(const struct vg_call_program *call, char *text, size_t room);
/* After CUDA_SUCCESS: what its places for answers hold. */
size_t vg_program_ret(const struct vg_call_program *call, char *text, size_t room);

#endif
