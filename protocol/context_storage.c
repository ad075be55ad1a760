/* SPDX-License-Identifier: MIT */
/*
 * See context_storage.h. One table under one lock; each thread remembers the last answers, which a
 * change of the table makes void. Destructors are the runtime's functions and may call back into
 * the library.
 */
#include "protocol/context_storage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct slot {
	CUcontext ctx; /* NULL: free */
	void *key;
	void *value;
	vg_storage_dtor dtor;
};

static struct slot *slots;
static size_t room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Moves with each change of the table. Never 0. */
static _Atomic uint64_t generation = 1;

#define CACHED 4
static __thread struct {
	uint64_t generation;
	CUcontext ctx;
	void *key;
	void *value;
} cache[CACHED];

static unsigned int cache_index(CUcontext ctx, const void *key)
{
	uint64_t mixed = ((uintptr_t)ctx ^ (uintptr_t)key) * 0x9e3779b97f4a7c15ull;

	return (unsigned int)(mixed >> 60) % CACHED;
}

/* Under the lock. */
static struct slot *slot_find(CUcontext ctx, const void *key)
{
	for (size_t i = 0; i < room; i++) {
		if (slots[i].ctx == ctx && slots[i].key == key)
			return &slots[i];
	}
	return NULL;
}

/* Under the lock. NULL: no memory. */
static struct slot *slot_free(void)
{
	size_t more = room ? 2 * room : 16, old = room;
	struct slot *grown;

	for (size_t i = 0; i < room; i++) {
		if (!slots[i].ctx)
			return &slots[i];
	}
	grown = reallocarray(slots, more, sizeof(*slots));
	if (!grown)
		return NULL;
	slots = grown;
	for (size_t i = old; i < more; i++)
		slots[i] = (struct slot){0};
	room = more;
	return &slots[old];
}

CUresult vg_storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = slot_find(ctx, key);
	if (!slot)
		slot = slot_free();
	if (slot) {
		*slot = (struct slot){ctx, key, value, dtor};
		atomic_fetch_add(&generation, 1);
	}
	pthread_mutex_unlock(&lock);
	return slot ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vg_storage_delete(CUcontext ctx, void *key)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = slot_find(ctx, key);
	if (slot) {
		*slot = (struct slot){0};
		atomic_fetch_add(&generation, 1);
	}
	pthread_mutex_unlock(&lock);
	return slot ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult vg_storage_get(void **value, CUcontext ctx, void *key)
{
	struct slot *slot;
	uint64_t now;
	unsigned int i;

	i = cache_index(ctx, key);
	now = atomic_load(&generation);
	if (cache[i].generation == now && cache[i].ctx == ctx && cache[i].key == key) {
		*value = cache[i].value;
		return CUDA_SUCCESS;
	}
	pthread_mutex_lock(&lock);
	slot = slot_find(ctx, key);
	*value = slot ? slot->value : NULL;
	now = atomic_load(&generation);
	pthread_mutex_unlock(&lock);
	if (!slot)
		return CUDA_ERROR_INVALID_HANDLE;
	cache[i].generation = now;
	cache[i].ctx = ctx;
	cache[i].key = key;
	cache[i].value = *value;
	return CUDA_SUCCESS;
}

/* Takes one value of the context out of the table. */
static bool slot_take(CUcontext ctx, struct slot *taken)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < room && !found; i++) {
		if (slots[i].ctx == ctx) {
			*taken = slots[i];
			slots[i] = (struct slot){0};
			atomic_fetch_add(&generation, 1);
			found = true;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void vg_storage_drop(CUcontext ctx)
{
	struct slot taken;

	/* A destructor may put something again: so many times, and no more. */
	for (int left = 1024; left && slot_take(ctx, &taken); left--) {
		if (taken.dtor)
			taken.dtor(taken.ctx, taken.key, taken.value);
	}
}

void vg_storage_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	for (size_t i = 0; i < room; i++)
		slots[i] = (struct slot){0};
	atomic_fetch_add(&generation, 1);
}
