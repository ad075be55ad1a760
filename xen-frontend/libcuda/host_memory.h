/* SPDX-License-Identifier: MIT */
/*
 * Regions as pinned memory, and memory of the program's that becomes one in its place. Any thread.
 */
#ifndef FE_HOST_MEMORY_H
#define FE_HOST_MEMORY_H

#include <stdint.h>

#include "xen-frontend/libcuda/memory.h"

/*
 * A region that is at `address` in the executor and, to begin with, at `at` here, which is reserved. Its id,
 * or a negative errno.
 */
int fe_region_share(uint64_t address, uint64_t at, uint64_t bytes);
void fe_region_unshare(uint32_t id);

/*
 * Memory in a region that the driver has as pinned; of the range its size, flags and context are given. -errno: there
 * is none to be had that way. free waits for work that uses it, as the driver does.
 */
int fe_pinned_alloc(struct fe_range *range);
void fe_pinned_free(const struct fe_range *range);

/*
 * Replaces the whole pages of the range by shared ones with the same contents: its kind becomes
 * FE_RANGE_PINNED. -errno: that cannot be, and nothing has changed.
 */
int fe_register_in_place(struct fe_range *range);
/* Gives it pages of its own again. Waits for work that uses it. */
void fe_unregister_in_place(const struct fe_range *range);

/* In a child after fork. One thread. */
void fe_register_reset(void);

#endif
