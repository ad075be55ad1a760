/* SPDX-License-Identifier: MIT */
/*
 * The registry of handles: which values this process holds, so that a bad one is answered without
 * asking. Two halves, by who minted a slot (protocol/handle.h). Reading takes no lock; a slot's
 * page is published with release and never freed.
 */
#include "xen-frontend/libcuda/call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "protocol/calls.h"
#include "xen-frontend/libcuda/handle.h"

#define SLOTS_PER_PAGE 4096u
#define PAGES          (2 * VG_HANDLE_SLOTS / SLOTS_PER_PAGE)

struct slot {
	_Atomic uint64_t handle; /* 0: free */
	void *_Atomic data;      /* owned */
	_Atomic uint64_t users;  /* fe_handle_users */
	uint32_t next_free;      /* slot number, of free slots of ours */
	uint16_t generation;     /* of the last use */
};

struct page {
	struct slot slots[SLOTS_PER_PAGE];
};

static struct page *_Atomic pages[PAGES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Free slots of ours, first in first out, so that a stale handle stays recognisable long. */
#define NO_SLOT UINT32_MAX
static uint32_t free_first = NO_SLOT, free_last = NO_SLOT;
static uint32_t never_used = 1; /* slot 0 would look small and null-like in logs */

static struct slot *slot_find(uint32_t number)
{
	struct page *page =
		atomic_load_explicit(&pages[number / SLOTS_PER_PAGE], memory_order_acquire);

	return page ? &page->slots[number % SLOTS_PER_PAGE] : NULL;
}

/* Under the lock. */
static struct slot *slot_make(uint32_t number)
{
	struct slot *slot = slot_find(number);
	struct page *page;

	if (slot)
		return slot;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	atomic_store_explicit(&pages[number / SLOTS_PER_PAGE], page, memory_order_release);
	return &page->slots[number % SLOTS_PER_PAGE];
}

static uint32_t free_take(void)
{
	uint32_t number = free_first;

	if (number == NO_SLOT)
		return never_used < VG_HANDLE_SLOTS ? never_used++ : NO_SLOT;
	free_first = slot_find(number)->next_free;
	if (free_first == NO_SLOT)
		free_last = NO_SLOT;
	return number;
}

static void free_put(uint32_t number, struct slot *slot)
{
	slot->next_free = NO_SLOT;
	if (free_last == NO_SLOT)
		free_first = number;
	else
		slot_find(free_last)->next_free = number;
	free_last = number;
}

uint64_t fe_handle_mint(enum vg_handle_type type)
{
	struct slot *slot = NULL;
	uint64_t handle = 0;
	uint32_t number;

	pthread_mutex_lock(&lock);
	number = free_take();
	if (number != NO_SLOT)
		slot = slot_make(number);
	if (slot) {
		slot->generation = (slot->generation + 1) & VG_HANDLE_GEN_MASK;
		handle = vg_handle_make(type, slot->generation, number);
		atomic_store(&slot->users, 0);
		atomic_store(&slot->handle, handle);
	}
	pthread_mutex_unlock(&lock);
	return handle;
}

void fe_handle_note(enum vg_handle_type type, uint64_t handle)
{
	uint32_t number = vg_handle_slot(handle);
	struct slot *slot;

	/* Anything else is a pass-through value, or one of ours that came back. */
	if (!handle || !vg_handle_well_formed(handle) ||
	    vg_handle_type(handle) != (unsigned int)type || !(number & VG_HANDLE_EXECUTOR))
		return;
	slot = slot_find(number);
	if (slot && atomic_load(&slot->handle) == handle)
		return;
	pthread_mutex_lock(&lock);
	slot = slot_make(number);
	if (slot && atomic_load(&slot->handle) != handle) {
		free(atomic_exchange(&slot->data, NULL));
		atomic_store(&slot->users, 0);
		atomic_store(&slot->handle, handle);
	}
	pthread_mutex_unlock(&lock);
}

static struct slot *slot_of(uint64_t handle)
{
	struct slot *slot;

	if (!handle || !vg_handle_well_formed(handle))
		return NULL;
	slot = slot_find(vg_handle_slot(handle));
	if (!slot || atomic_load_explicit(&slot->handle, memory_order_acquire) != handle)
		return NULL;
	return slot;
}

void fe_handle_drop(enum vg_handle_type type, uint64_t handle)
{
	struct slot *slot;

	if (vg_handle_passes(type, handle))
		return;
	pthread_mutex_lock(&lock);
	slot = slot_of(handle);
	if (slot) {
		uint32_t number = vg_handle_slot(handle);

		atomic_store(&slot->handle, 0);
		free(atomic_exchange(&slot->data, NULL));
		if (!(number & VG_HANDLE_EXECUTOR))
			free_put(number, slot);
	}
	pthread_mutex_unlock(&lock);
}

CUresult fe_handle_check(enum vg_handle_type type, uint64_t handle, unsigned int flags)
{
	bool accepted;

	if ((!(flags & FE_MADE) && vg_handle_passes(type, handle)) ||
	    (!handle && (flags & FE_NULL_OK)))
		return CUDA_SUCCESS;
	accepted = handle && vg_handle_well_formed(handle) &&
		   (flags & FE_STRICT ? vg_handle_type(handle) == (unsigned int)type
				      : vg_handle_accepts(type, vg_handle_type(handle)));
	return accepted && slot_of(handle) ? CUDA_SUCCESS : vg_handle_error(type, accepted);
}

void *fe_handle_data(uint64_t handle)
{
	struct slot *slot = slot_of(handle);

	return slot ? atomic_load_explicit(&slot->data, memory_order_acquire) : NULL;
}

void *fe_handle_set_data(uint64_t handle, void *data)
{
	struct slot *slot = slot_of(handle);
	void *none = NULL;

	if (!slot)
		return NULL;
	if (atomic_compare_exchange_strong(&slot->data, &none, data))
		return data;
	return none;
}

bool fe_handle_replace_data(uint64_t handle, void *data)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = slot_of(handle);
	if (slot)
		free(atomic_exchange(&slot->data, data));
	pthread_mutex_unlock(&lock);
	return slot != NULL;
}

uint64_t fe_handle_users(uint64_t handle, uint32_t self)
{
	struct slot *slot = slot_of(handle);
	uint64_t bit = UINT64_C(1) << self % 64, users;

	if (!slot)
		return 0;
	users = atomic_load_explicit(&slot->users, memory_order_relaxed);
	if (!(users & bit))
		users = atomic_fetch_or(&slot->users, bit);
	return users;
}

void fe_handle_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	for (unsigned int i = 0; i < PAGES; i++) {
		struct page *page = atomic_load(&pages[i]);

		for (unsigned int s = 0; page && s < SLOTS_PER_PAGE; s++) {
			atomic_store(&page->slots[s].handle, 0);
			free(atomic_exchange(&page->slots[s].data, NULL));
		}
	}
	/* Numbers used before the fork are given up: generations would start anew. */
	free_first = free_last = NO_SLOT;
}
