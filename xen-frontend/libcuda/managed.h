/* SPDX-License-Identifier: MIT */
/*
 * Managed memory: pages of this process at the addresses that the memory has on the device. Each block
 * of them belongs to the CPU or to the device; a touch of the CPU's brings it here, a launch takes it
 * there (docs/managed-memory.md). Any thread.
 */
#ifndef FE_MANAGED_H
#define FE_MANAGED_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "xen-frontend/libcuda/memory.h"

/* Pages for a range of kind FE_RANGE_MANAGED that is to be entered; its addresses are claimed. 0 or -errno. */
int fe_managed_add(const struct fe_range *range);
/* After the range has been removed. */
void fe_managed_remove(const struct fe_range *range);

/* Before the device may use any of it, in work on that stream. */
void fe_managed_launch(CUstream stream);
/* After that work has been sent. */
void fe_managed_launched(void);
/* cuStreamAttachMemAsync: which streams' work may use the memory from now on. */
void fe_managed_attach(const struct fe_range *range, unsigned int flags, CUstream stream);
/* The CPU wants it (a prefetch): brought by the next fe_managed_synced. */
void fe_managed_want(uint64_t address, uint64_t size);
/* The program has waited for the device. */
void fe_managed_synced(void);

/*
 * A touch of the CPU's. settle: waits for what runs on the device. False: it is no managed memory. Only
 * for threads that hold none of our locks (fault.c).
 */
bool fe_managed_take(uint64_t address, bool write, bool settle);

/* In a child after fork. One thread. */
void fe_managed_reset(void);

#endif
