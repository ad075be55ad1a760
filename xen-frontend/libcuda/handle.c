/* SPDX-License-Identifier: MIT */
/* The registry of handles: see handle.h. */
#include "xen-frontend/libcuda/handle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>


struct fe_slot_page *_Atomic fe_slot_pages[FE_SLOT_PAGES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Free slots of ours, first in first out, so that a stale handle stays recognisable long. */
#define NO_SLOT UINT32_MAX
static uint32_t free_first = NO_SLOT, free_last = NO_SLOT;
static uint32_t never_used = 1; /* slot 0 would look small and null-like in logs */

/* Under the lock. */
static struct fe_slot *slot_make(uint32_t number)
{
	struct fe_slot *slot = fe_slot_at(number);
	struct fe_slot_page *page;

	if (slot)
		return slot;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	atomic_store_explicit(&fe_slot_pages[number / FE_SLOTS_PER_PAGE], page, memory_order_release);
	return &page->slots[number % FE_SLOTS_PER_PAGE];
}

static uint32_t free_take(void)
{
	uint32_t number = free_first;

	if (number == NO_SLOT)
		return never_used < VG_HANDLE_SLOTS ? never_used++ : NO_SLOT;
	free_first = fe_slot_at(number)->next_free;
	if (free_first == NO_SLOT)
		free_last = NO_SLOT;
	return number;
}

static void free_put(uint32_t number, struct fe_slot *slot)
{
	slot->next_free = NO_SLOT;
	if (free_last == NO_SLOT)
		free_first = number;
	else
		fe_slot_at(free_last)->next_free = number;
	free_last = number;
}

uint64_t fe_handle_mint(enum vg_handle_type type)
{
	struct fe_slot *slot = NULL;
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
	struct fe_slot *slot;

	/* Anything else is a pass-through value, or one of ours that came back. */
	if (!handle || !vg_handle_well_formed(handle) ||
	    vg_handle_type(handle) != (unsigned int)type || !(number & VG_HANDLE_EXECUTOR))
		return;
	slot = fe_slot_at(number);
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

void fe_handle_drop(enum vg_handle_type type, uint64_t handle)
{
	struct fe_slot *slot;

	if (vg_handle_passes(type, handle))
		return;
	pthread_mutex_lock(&lock);
	slot = fe_slot_of(handle);
	if (slot) {
		uint32_t number = vg_handle_slot(handle);

		atomic_store(&slot->handle, 0);
		free(atomic_exchange(&slot->data, NULL));
		if (!(number & VG_HANDLE_EXECUTOR))
			free_put(number, slot);
	}
	pthread_mutex_unlock(&lock);
}

void *fe_handle_set_data(uint64_t handle, void *data)
{
	struct fe_slot *slot = fe_slot_of(handle);
	void *none = NULL;

	if (!slot)
		return NULL;
	if (atomic_compare_exchange_strong(&slot->data, &none, data))
		return data;
	return none;
}

bool fe_handle_replace_data(uint64_t handle, void *data)
{
	struct fe_slot *slot;

	pthread_mutex_lock(&lock);
	slot = fe_slot_of(handle);
	if (slot)
		free(atomic_exchange(&slot->data, data));
	pthread_mutex_unlock(&lock);
	return slot != NULL;
}

void fe_handle_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	for (unsigned int i = 0; i < FE_SLOT_PAGES; i++) {
		struct fe_slot_page *page = atomic_load(&fe_slot_pages[i]);

		for (unsigned int s = 0; page && s < FE_SLOTS_PER_PAGE; s++) {
			atomic_store(&page->slots[s].handle, 0);
			free(atomic_exchange(&page->slots[s].data, NULL));
		}
	}
	/* Numbers used before the fork are given up: generations would start anew. */
	free_first = free_last = NO_SLOT;
}
