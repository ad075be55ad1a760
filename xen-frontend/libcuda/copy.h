/* SPDX-License-Identifier: MIT */
/* What the shapes of copies share. */
#ifndef FE_COPY_H
#define FE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/session_info.h"

/* How a copy runs. */
struct fe_copy_how {
	enum vg_copy_mode mode;
	CUstream stream; /* of VG_COPY_ASYNC */
};

#define FE_COPY_SYNC        ((struct fe_copy_how){VG_COPY_SYNC, NULL})
#define FE_COPY_ON(hStream) ((struct fe_copy_how){VG_COPY_ASYNC, (hStream)})

/*
 * Does a copy of `size` bytes from pageable memory return before it is carried out? Up to here the driver
 * takes the bytes aside (CUDA's documentation, "API synchronization behavior"); for more it waits for
 * the stream, and so must the caller: the commands of other threads that come after one that has
 * returned would wait for it.
 */
#define FE_COPY_STAGED_MAX 65536u
static inline bool fe_copy_returns(struct fe_copy_how how, size_t size)
{
	return how.mode == VG_COPY_ASYNC && size <= FE_COPY_STAGED_MAX;
}

enum fe_memory {
	FE_MEMORY_PAGEABLE, /* bytes must come along */
	FE_MEMORY_SHARED,   /* the executor can use the address: device memory, regions */
};

/* What an address is, from the table of ranges. */
enum fe_memory fe_memory_of(uint64_t address);

/* Waits for the work that a host-to-host copy would come after. */
CUresult fe_copy_wait(struct fe_copy_how how);

/* Boxes (copy_box.c). Rows are never split. */
CUresult fe_copy_box(struct vg_copy_box *box, struct fe_copy_how how);

#endif
