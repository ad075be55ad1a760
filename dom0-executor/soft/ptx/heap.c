/* SPDX-License-Identifier: MIT */
/*
 * Heap of kernels; see heap.h. Blocks come from libc; a table remembers them, so that a kernel's free() of a wrong
 * address is refused instead of breaking libc. Nothing of a guest is read with the lock held.
 */
#include "heap.h"
#include "sched.h"

#include <stdlib.h>

#define HEAP_DEFAULT (8ull << 20)

struct slot {
	uintptr_t address; /* 0: never used; 1: freed */
	uint64_t bytes;
};

struct ptx_heap {
	pthread_mutex_t lock;
	uint64_t limit, used;
	struct slot *slots;
	size_t space, filled; /* filled counts freed slots too */
};

static struct ptx_heap heap_one = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = HEAP_DEFAULT};

struct ptx_heap *ptx_heap_get(uint64_t limit)
{
	pthread_mutex_lock(&heap_one.lock);
	heap_one.limit = limit ? limit : HEAP_DEFAULT;
	pthread_mutex_unlock(&heap_one.lock);
	return &heap_one;
}

static struct slot *slot_find(struct slot *slots, size_t space, uintptr_t address)
{
	size_t at = (address >> 4) * 0x9e3779b97f4a7c15ull & (space - 1);

	while (slots[at].address && slots[at].address != address)
		at = (at + 1) & (space - 1);
	return &slots[at];
}

static bool heap_grow(struct ptx_heap *heap)
{
	size_t live = 0, space;
	struct slot *slots;

	for (size_t i = 0; i < heap->space; i++)
		live += heap->slots[i].address > 1;
	space = !heap->space ? 1024 : live * 4 > heap->space ? heap->space * 2 : heap->space;
	slots = calloc(space, sizeof(*slots));
	if (!slots)
		return false;
	heap->filled = 0;
	for (size_t i = 0; i < heap->space; i++)
		if (heap->slots[i].address > 1) {
			*slot_find(slots, space, heap->slots[i].address) = heap->slots[i];
			heap->filled++;
		}
	free(heap->slots);
	heap->slots = slots;
	heap->space = space;
	return true;
}

void *ptx_heap_alloc(struct ptx_heap *heap, uint64_t bytes)
{
	uint64_t size = bytes < 16 ? 16 : bytes;
	void *memory = NULL;

	pthread_mutex_lock(&heap->lock);
	if (heap->used <= heap->limit && size <= heap->limit - heap->used &&
	    (heap->filled * 2 < heap->space || heap_grow(heap)))
		memory = malloc(size);
	if (memory) {
		*slot_find(heap->slots, heap->space, (uintptr_t)memory) =
			(struct slot){(uintptr_t)memory, size};
		heap->filled++;
		heap->used += size;
	}
	pthread_mutex_unlock(&heap->lock);
	return memory;
}

bool ptx_heap_free(struct ptx_heap *heap, void *address)
{
	struct slot *slot = NULL;
	bool known;

	pthread_mutex_lock(&heap->lock);
	if (heap->space && (uintptr_t)address > 1)
		slot = slot_find(heap->slots, heap->space, (uintptr_t)address);
	known = slot && slot->address == (uintptr_t)address;
	if (known) {
		heap->used -= slot->bytes;
		slot->address = 1;
		free(address);
	}
	pthread_mutex_unlock(&heap->lock);
	return known;
}

uint64_t ptx_rt_malloc(struct ptx_thread *t, uint64_t bytes)
{
	struct ptx_run *run = t->block->worker->run;
	void *memory;

	if (!bytes)
		return 0;
	memory = run->callbacks.alloc ? run->callbacks.alloc(run->callbacks.opaque, bytes)
				      : ptx_heap_alloc(run->heap, bytes);
	return (uint64_t)(uintptr_t)memory;
}

PTX_SWITCHES void ptx_rt_free(struct ptx_thread *t, uint64_t address)
{
	struct ptx_run *run = t->block->worker->run;

	if (!address)
		return;
	if (run->callbacks.release)
		run->callbacks.release(run->callbacks.opaque, (void *)(uintptr_t)address);
	else if (!ptx_heap_free(run->heap, (void *)(uintptr_t)address))
		ptx_fault_raise(t, PTX_FAULT_ADDRESS, address,
				"free() of what malloc() did not give");
}
