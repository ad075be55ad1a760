/* SPDX-License-Identifier: MIT */
/*
 * Handles as the guest's program sees them: never the driver's own pointers.
 *
 *   bits 46..41  type (enum vg_handle_type, generated)
 *   bits 40..28  generation, 13 bits, changes each time a slot is used again
 *   bits 27..4   slot; its top bit tells who minted it: 0 the guest, 1 the executor
 *   bits  3..0   zero
 *
 * So a handle looks like an aligned address of user space, which some programs expect, and is never 0.
 */
#ifndef VG_HANDLE_H
#define VG_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/handle_types.h" /* generated: enum vg_handle_type */

#define VG_HANDLE_SLOTS    (1u << 23) /* per minting side */
#define VG_HANDLE_EXECUTOR (1u << 23) /* slot bit: minted by the executor */
#define VG_HANDLE_GEN_MASK 0x1fffu

static inline uint64_t vg_handle_make(enum vg_handle_type type, uint32_t generation, uint32_t slot)
{
	return (uint64_t)type << 41 | (uint64_t)(generation & VG_HANDLE_GEN_MASK) << 28 |
	       (uint64_t)(slot & 0xffffffu) << 4;
}

static inline unsigned int vg_handle_type(uint64_t handle)
{
	return (unsigned int)(handle >> 41);
}

static inline uint32_t vg_handle_generation(uint64_t handle)
{
	return (uint32_t)(handle >> 28) & VG_HANDLE_GEN_MASK;
}

/* With VG_HANDLE_EXECUTOR in it. */
static inline uint32_t vg_handle_slot(uint64_t handle)
{
	return (uint32_t)(handle >> 4) & 0xffffffu;
}

static inline bool vg_handle_well_formed(uint64_t handle)
{
	return !(handle & 15) && !(handle >> 47);
}

#endif
