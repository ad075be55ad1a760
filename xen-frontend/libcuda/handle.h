/* SPDX-License-Identifier: MIT */
/*
 * Handles: a registry of what this process has, by which bad handles are answered without asking.
 *
 * Two halves, by who minted a slot (protocol/handle.h). Reading takes no lock and is inline, since each call
 * reads; a page of slots is published with release and never freed.
 */
#ifndef FE_HANDLE_H
#define FE_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/calls.h"
#include "protocol/cuda_types.h"
#include "protocol/handle.h"

#define FE_SLOTS_PER_PAGE 4096u
#define FE_SLOT_PAGES     (2 * VG_HANDLE_SLOTS / FE_SLOTS_PER_PAGE)

struct fe_slot {
	_Atomic uint64_t handle; /* 0: free */
	void *_Atomic data;      /* owned */
	_Atomic uint64_t users;  /* fe_handle_users */
	uint32_t next_free;      /* slot number, of free slots of ours */
	uint16_t generation;     /* of the last use */
};

struct fe_slot_page {
	struct fe_slot slots[FE_SLOTS_PER_PAGE];
};

extern struct fe_slot_page *_Atomic fe_slot_pages[FE_SLOT_PAGES];

static inline struct fe_slot *fe_slot_at(uint32_t number)
{
	struct fe_slot_page *page = atomic_load_explicit(&fe_slot_pages[number / FE_SLOTS_PER_PAGE],
							 memory_order_acquire);

	return page ? &page->slots[number % FE_SLOTS_PER_PAGE] : NULL;
}

/* The slot of a handle that lives; NULL: it does not. */
static inline struct fe_slot *fe_slot_of(uint64_t handle)
{
	struct fe_slot *slot;

	if (!handle || !vg_handle_well_formed(handle))
		return NULL;
	slot = fe_slot_at(vg_handle_slot(handle));
	if (!slot || atomic_load_explicit(&slot->handle, memory_order_acquire) != handle)
		return NULL;
	return slot;
}

/*
 * mint: a new one for an object that the executor is about to make. note: one that the executor has given.
 * drop: it is no more.
 */
uint64_t fe_handle_mint(enum vg_handle_type type);
void fe_handle_note(enum vg_handle_type type, uint64_t handle);
void fe_handle_drop(enum vg_handle_type type, uint64_t handle);

/*
 * CUDA's code for a handle that is not of this type or not alive (FE_NULL_OK: NULL is fine); values that the
 * type passes through are fine (FE_MADE: are not); FE_STRICT: no other type stands for it.
 */
#define FE_NULL_OK 1u
#define FE_MADE    2u
#define FE_STRICT  4u
static inline CUresult fe_handle_check(enum vg_handle_type type, uint64_t handle,
				       unsigned int flags)
{
	bool accepted;

	if ((!(flags & FE_MADE) && vg_handle_passes(type, handle)) ||
	    (!handle && (flags & FE_NULL_OK)))
		return CUDA_SUCCESS;
	accepted = handle && vg_handle_well_formed(handle) &&
		   (flags & FE_STRICT ? vg_handle_type(handle) == (unsigned int)type
				      : vg_handle_accepts(type, vg_handle_type(handle)));
	return accepted && fe_slot_of(handle) ? CUDA_SUCCESS : vg_handle_error(type, accepted);
}

/* A pointer of the owner's kept with a handle (freed with free() on drop). */
static inline void *fe_handle_data(uint64_t handle)
{
	struct fe_slot *slot = fe_slot_of(handle);

	return slot ? atomic_load_explicit(&slot->data, memory_order_acquire) : NULL;
}
/* Keeps data with the handle unless it has some already; returns what it has then (the caller frees its own if that differs). */
void *fe_handle_set_data(uint64_t handle, void *data);
/* Keeps data in the place of what there was, which is freed. False: no such handle, and nothing is kept. */
bool fe_handle_replace_data(uint64_t handle, void *data);

/*
 * Which lanes have sent commands that name this object, as a set of bits by lane id modulo 64; and from now on
 * the lane `self` has. 0 for what is no handle of an object. Any thread, no lock.
 */
static inline uint64_t fe_handle_users(uint64_t handle, uint32_t self)
{
	struct fe_slot *slot = fe_slot_of(handle);
	uint64_t bit = UINT64_C(1) << self % 64, users;

	if (!slot)
		return 0;
	users = atomic_load_explicit(&slot->users, memory_order_relaxed);
	return users & bit ? users : atomic_fetch_or(&slot->users, bit);
}

/* In a child after fork: none of the parent's objects exist here. One thread. */
void fe_handle_reset(void);

#endif
