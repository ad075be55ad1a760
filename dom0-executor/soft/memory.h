/* SPDX-License-Identifier: MIT */
/* Device memory: addresses out of the device's region, pages behind them, and the account. */
#ifndef SOFT_MEMORY_H
#define SOFT_MEMORY_H

#include "dom0-executor/soft/range.h"

#define SOFT_PAGE ((size_t)4096)

/* Large allocations are aligned like the ones of a GPU, whose pages are of this size. */
#define SOFT_LARGE_PAGE ((size_t)2 << 20)

/*
 * Allocate zeroed device memory. `align` may be 0. CUDA_ERROR_OUT_OF_MEMORY: the device has no more.
 */
CUresult memory_alloc(struct soft_device *device, struct soft_context *ctx, enum range_kind kind,
		      size_t size, size_t align, struct soft_range **out);

/* Free a range that range_take() gave: memory, addresses, account. */
void memory_free(struct soft_range *range);

/* Everything that a context owns. */
void memory_free_context(struct soft_context *ctx);

/* Count bytes as used on the device, or say that there are too few. */
CUresult memory_charge(struct soft_device *device, size_t size);
void memory_uncharge(struct soft_device *device, size_t size);

/* Take pages away from addresses of the device: any access is a fault from now on. */
void memory_unmap(uint64_t base, size_t size);

/* For the variables of modules: addresses and memory without a range. NULL without memory. */
void *memory_variables_alloc(void *of_device, size_t bytes);
void memory_variables_free(void *of_device, void *address, size_t bytes);

/* pool.c */
void pool_uncharge(struct soft_pool *pool, size_t size);

static inline size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) & ~(to - 1);
}

#endif
