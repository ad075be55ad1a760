/* SPDX-License-Identifier: MIT */
/*
 * Memory pools. Memory of a pool is allocated at once and freed in stream order; what a pool keeps for
 * later is only an account, because fresh memory costs no more here than kept memory.
 */
#ifndef SOFT_POOL_H
#define SOFT_POOL_H

#include "dom0-executor/soft/memory.h"

struct soft_pool {
	struct soft_object object;
	struct soft_device *device;
	bool is_default;
	bool imported; /* another process's: nothing can be allocated from it */
	size_t max;    /* 0: no limit but the device's */
	CUmemAllocationHandleType handle_type;
	uint64_t id;       /* in its process */
	uint8_t owner[16]; /* imported: where that listens (ipc.h) */

	/* The device's lock guards the rest. */
	uint64_t used, used_high;
	uint64_t attributes[CU_MEMPOOL_ATTR_USED_MEM_HIGH + 1]; /* those that callers set */
};

/* A pool without a handle (object_publish). NULL without memory. */
struct soft_pool *pool_new(struct soft_device *device, size_t max);

/* The device's own pool, made at its first use; not a reference. NULL without memory. */
struct soft_pool *pool_default(struct soft_device *device);

#endif
