/* SPDX-License-Identifier: MIT */
/* Kernel launches as work. */
#ifndef SOFT_LAUNCH_H
#define SOFT_LAUNCH_H

#include "dom0-executor/soft/module.h"
#include "dom0-executor/soft/stream.h"

struct launch_shape {
	unsigned int grid[3], block[3];
	unsigned int dynamic_shared;
	bool cooperative;
};

struct launch_work {
	struct soft_work work;
	struct soft_function *function; /* a reference */
	CUfunction handle;              /* as the caller named it: a function's or a kernel's */
	struct launch_shape shape;
	uint64_t id;
	void **pointers; /* one per parameter, into params: what getters of nodes give out */
	unsigned char params[];
};

/*
 * Check a launch against the device and the function, and copy its parameters. One of `params` and
 * `extra` may be given.
 */
CUresult launch_work_new(struct soft_context *ctx, CUfunction handle,
			 const struct launch_shape *shape, void **params, void **extra,
			 struct soft_work **work);

static inline struct launch_work *launch_of_work(struct soft_work *work)
{
	return (struct launch_work *)work;
}

/* Blocks of the function that fit into one multiprocessor; 0: none does. */
int occupancy_blocks(const struct soft_device *device, const struct soft_function *function,
		     unsigned int threads, size_t dynamic_shared);

#endif
