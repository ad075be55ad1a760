/* SPDX-License-Identifier: MIT */
/*
 * Addresses: the arena in which pinned regions lie, at the same place here and in the executor, and the
 * device's own range, kept free of anything of this process.
 */
#ifndef FE_ARENA_H
#define FE_ARENA_H

#include <stdbool.h>
#include <stdint.h>

/* Reserves both. Without an arena no region can be made and pinned memory is staged; said in the log. */
void fe_arena_open(uint64_t base, uint64_t size, uint64_t dev_base, uint64_t dev_size);
/* Page-aligned room for bytes, still PROT_NONE; 0 when there is none. */
uint64_t fe_arena_take(uint64_t bytes);
void fe_arena_give(uint64_t address, uint64_t bytes);
/*
 * Sees to it that nothing of this process is, or will be, where device memory is: the pages there become
 * PROT_NONE reservations, and stay so when the memory is freed. False: something is there already.
 */
bool fe_arena_claim(uint64_t address, uint64_t bytes);
/* Whether an address is one of those that are kept free for device memory, in use or not. */
bool fe_arena_is_device(uint64_t address);
/* In a child after fork. */
void fe_arena_reset(void);

#endif
