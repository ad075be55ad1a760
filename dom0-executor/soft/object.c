/* SPDX-License-Identifier: MIT */
/* See object.h. Any thread; one read-write lock guards the table, counts are atomic. */
#include "dom0-executor/soft/object.h"
#include "dom0-executor/soft/context.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A handle: 8 bits kind, 28 bits generation, 24 bits slot, below bit 60 so that none looks negative. */
#define SLOT_BITS       24
#define GENERATION_BITS 28
#define SLOTS_MAX       (1u << SLOT_BITS)
#define GENERATION_MASK ((UINT64_C(1) << GENERATION_BITS) - 1)

struct slot {
	struct soft_object *object; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

static struct {
	pthread_rwlock_t lock;
	struct slot *slots;
	uint32_t count;      /* slots made */
	uint32_t first_free; /* 0: none, so slot 0 is never used */
} table = {.lock = PTHREAD_RWLOCK_INITIALIZER, .count = 1};

static uint64_t handle_make(enum soft_kind kind, uint32_t generation, uint32_t slot)
{
	return (uint64_t)kind << (SLOT_BITS + GENERATION_BITS) |
	       (generation & GENERATION_MASK) << SLOT_BITS | slot;
}

static bool table_grow(void)
{
	uint32_t count = table.count < 1024 ? 1024 : table.count * 2;
	struct slot *slots;

	if (count > SLOTS_MAX)
		return false;
	slots = realloc(table.slots, count * sizeof(*slots));
	if (!slots)
		return false;
	table.slots = slots;
	for (uint32_t i = table.count; i < count; i++) {
		slots[i] = (struct slot){.generation = 1, .next_free = table.first_free};
		table.first_free = i;
	}
	table.count = count;
	return true;
}

void *object_new(enum soft_kind kind, size_t size, struct soft_context *ctx,
		 void (*destroy)(struct soft_object *))
{
	struct soft_object *object = calloc(1, size);

	if (!object)
		return NULL;
	object->kind = kind;
	atomic_init(&object->refs, 1);
	object->ctx = object_ref(ctx);
	object->destroy = destroy;
	return object;
}

CUresult object_publish(void *published)
{
	struct soft_object *object = published;
	struct slot *slot = NULL;

	pthread_rwlock_wrlock(&table.lock);
	if (table.first_free || table_grow()) {
		uint32_t index = table.first_free;

		slot = &table.slots[index];
		table.first_free = slot->next_free;
		slot->object = object;
		object->handle = handle_make(object->kind, slot->generation, index);
	}
	pthread_rwlock_unlock(&table.lock);
	if (!slot) {
		object_put(object);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

enum soft_kind object_kind_of(const void *handle)
{
	return (uintptr_t)handle >> (SLOT_BITS + GENERATION_BITS);
}

/* The slot of a valid handle, or NULL. The lock is held. */
static struct slot *slot_of(uint64_t handle)
{
	uint32_t index = handle & (SLOTS_MAX - 1);

	if (!index || index >= table.count || !table.slots)
		return NULL;
	if (!table.slots[index].object || table.slots[index].object->handle != handle)
		return NULL;
	return &table.slots[index];
}

void *object_get_number(enum soft_kind kind, uint64_t handle)
{
	struct soft_object *object = NULL;
	struct slot *slot;

	pthread_rwlock_rdlock(&table.lock);
	slot = slot_of(handle);
	if (slot && slot->object->kind == kind)
		object = object_ref(slot->object);
	pthread_rwlock_unlock(&table.lock);
	return object;
}

void *object_get(enum soft_kind kind, const void *handle)
{
	return object_get_number(kind, (uintptr_t)handle);
}

void *object_ref(void *counted)
{
	struct soft_object *object = counted;

	if (object)
		atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
	return object;
}

void object_put(void *counted)
{
	struct soft_object *object = counted;
	struct soft_context *ctx;

	if (!object || atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1)
		return;
	ctx = object->ctx;
	object->destroy(object);
	object_put(ctx);
}

void object_put_variable(void *variable)
{
	object_put(*(void **)variable);
}

bool object_retire(void *retired)
{
	struct soft_object *object = retired;
	struct slot *slot;

	pthread_rwlock_wrlock(&table.lock);
	slot = slot_of(object->handle);
	if (slot) {
		slot->object = NULL;
		slot->generation++;
		slot->next_free = table.first_free;
		table.first_free = (uint32_t)(slot - table.slots);
	}
	pthread_rwlock_unlock(&table.lock);
	return slot != NULL;
}

/* The next object from *index on, with a reference. */
static struct soft_object *next_object(uint32_t *index, const struct soft_context *ctx,
				       enum soft_kind kind)
{
	struct soft_object *found = NULL;

	pthread_rwlock_rdlock(&table.lock);
	for (; !found && table.slots && *index < table.count; (*index)++) {
		struct soft_object *object = table.slots[*index].object;

		if (object && (!ctx || object->ctx == ctx) && (!kind || object->kind == kind))
			found = object_ref(object);
	}
	pthread_rwlock_unlock(&table.lock);
	return found;
}

void object_each(const struct soft_context *ctx, enum soft_kind kind,
		 void (*each)(void *object, void *user), void *user)
{
	struct soft_object *object;
	uint32_t index = 1;

	while ((object = next_object(&index, ctx, kind))) {
		each(object, user);
		object_put(object);
	}
}
