/* SPDX-License-Identifier: MIT */
/*
 * The table of address ranges, ordered by their bases. Any thread; readers share the lock, and each thread remembers
 * the last few that it found: a copy looks for the same two again and again.
 */
#include "xen-frontend/libcuda/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/ordered.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct vg_ordered ranges; /* struct fe_range, ours */

_Atomic uint32_t fe_ranges_gone;

#define RECENT 4u
static __thread struct {
	uint32_t gone; /* fe_ranges_gone when they were found: void when it has moved */
	unsigned int next;
	struct fe_range range[RECENT];
} recent __attribute__((tls_model("initial-exec")));

static bool range_has(const struct fe_range *range, uint64_t address)
{
	return address - range->base < range->size;
}

static struct fe_range *range_at(uint64_t address)
{
	struct vg_ordered_at at;
	struct fe_range *range = vg_ordered_floor(&ranges, address, &at);

	return range && range_has(range, address) ? range : NULL;
}

/* NULL: not among them. */
static const struct fe_range *recent_find(uint64_t address)
{
	if (recent.gone != atomic_load_explicit(&fe_ranges_gone, memory_order_acquire))
		return NULL;
	for (unsigned int i = 0; i < RECENT; i++) {
		if (range_has(&recent.range[i], address))
			return &recent.range[i];
	}
	return NULL;
}

/* Under the lock, so that none of them has gone. */
static void recent_note(const struct fe_range *range)
{
	uint32_t gone = atomic_load_explicit(&fe_ranges_gone, memory_order_relaxed);

	if (recent.gone != gone)
		memset(recent.range, 0, sizeof(recent.range));
	recent.gone = gone;
	recent.range[recent.next++ % RECENT] = *range;
}

/* The first range that ends behind address. */
static struct fe_range *range_from(uint64_t address, struct vg_ordered_at *at)
{
	struct fe_range *range = vg_ordered_floor(&ranges, address, at);

	if (!range)
		return vg_ordered_first(&ranges, at);
	return range_has(range, address) ? range : vg_ordered_next(&ranges, at);
}

/* `at` is then the range that followed. */
static void range_delete(struct vg_ordered_at *at)
{
	atomic_fetch_add(&fe_ranges_gone, 1);
	free(vg_ordered_remove(&ranges, at));
}

/* Variables of modules and graphs' allocations give way; nothing tells when they go. */
static bool kind_gives_way(enum fe_range_kind kind)
{
	return kind == FE_RANGE_GLOBAL || kind == FE_RANGE_GRAPH;
}

static int range_make_way(uint64_t base, uint64_t size)
{
	struct vg_ordered_at at;
	const struct fe_range *old = range_from(base, &at);

	while (old && old->base < vg_sat_add(base, size)) {
		if (!kind_gives_way(old->kind) && !old->owner)
			return -EEXIST;
		range_delete(&at);
		old = vg_ordered_here(&ranges, &at);
	}
	return 0;
}

static int range_insert(const struct fe_range *range)
{
	struct fe_range *copy = malloc(sizeof(*copy));
	int rc;

	if (!copy)
		return -ENOMEM;
	*copy = *range;
	rc = vg_ordered_insert(&ranges, range->base, copy);
	if (rc)
		free(copy);
	return rc;
}

int fe_range_add(const struct fe_range *range)
{
	int rc;

	if (!range->size)
		return 0;
	pthread_rwlock_wrlock(&lock);
	rc = range_make_way(range->base, range->size);
	if (!rc)
		rc = range_insert(range);
	pthread_rwlock_unlock(&lock);
	return rc;
}

bool fe_range_remove(uint64_t base, struct fe_range *old)
{
	const struct fe_range *range;
	struct vg_ordered_at at;
	bool found;

	pthread_rwlock_wrlock(&lock);
	range = vg_ordered_floor(&ranges, base, &at);
	found = range && range->base == base;
	if (found) {
		*old = *range;
		range_delete(&at);
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

bool fe_range_remove_owned(uint64_t owner, struct fe_range *old)
{
	const struct fe_range *range;
	struct vg_ordered_at at;
	bool found;

	pthread_rwlock_wrlock(&lock);
	range = vg_ordered_first(&ranges, &at);
	while (range && range->owner != owner)
		range = vg_ordered_next(&ranges, &at);
	found = range != NULL;
	if (found) {
		*old = *range;
		range_delete(&at);
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

bool fe_range_find(uint64_t address, struct fe_range *range)
{
	const struct fe_range *found = recent_find(address);

	if (found) {
		*range = *found;
		return true;
	}
	pthread_rwlock_rdlock(&lock);
	found = range_at(address);
	if (found) {
		*range = *found;
		recent_note(found);
	}
	pthread_rwlock_unlock(&lock);
	return found != NULL;
}

static bool kind_known(enum fe_range_kind kind)
{
	return kind != FE_RANGE_SHADOW && kind != FE_RANGE_NONE;
}

static void (*_Atomic range_used)(uint64_t address, uint64_t size);

void fe_range_watch(void (*used)(uint64_t address, uint64_t size))
{
	atomic_store(&range_used, used);
}

/* It lies in one of the thread's recent ranges. */
static bool recent_covers(uint64_t address, uint64_t size, bool *managed)
{
	const struct fe_range *range = recent_find(address);

	if (!range || size > range->size - (address - range->base) || !kind_known(range->kind))
		return false;
	*managed = range->kind == FE_RANGE_MANAGED;
	return true;
}

/* *managed: some of it is. */
static bool range_walk(uint64_t address, uint64_t size, bool *managed)
{
	bool known = true;

	*managed = false;
	if (!size || recent_covers(address, size, managed))
		return true;
	pthread_rwlock_rdlock(&lock);
	/* Mappings of one reservation, and pools, may lie side by side. */
	while (known && size) {
		const struct fe_range *range = range_at(address);
		uint64_t rest = range ? range->size - (address - range->base) : 0;

		known = range && kind_known(range->kind);
		*managed |= known && range->kind == FE_RANGE_MANAGED;
		if (rest >= size)
			break;
		address += rest;
		size -= rest;
	}
	pthread_rwlock_unlock(&lock);
	return known;
}

bool fe_range_exists(uint64_t address, uint64_t size)
{
	bool managed;

	return range_walk(address, size, &managed);
}

bool fe_range_known(uint64_t address, uint64_t size)
{
	bool managed, known = range_walk(address, size, &managed);

	if (known && managed) {
		void (*used)(uint64_t, uint64_t) = atomic_load(&range_used);

		used(address, size);
	}
	return known;
}

bool fe_range_managed_from(uint64_t address, struct fe_range *range)
{
	const struct fe_range *managed;
	struct vg_ordered_at at;

	pthread_rwlock_rdlock(&lock);
	managed = range_from(address, &at);
	while (managed && managed->kind != FE_RANGE_MANAGED)
		managed = vg_ordered_next(&ranges, &at);
	if (managed)
		*range = *managed;
	pthread_rwlock_unlock(&lock);
	return managed != NULL;
}

void fe_range_reset(void)
{
	struct vg_ordered_at at;
	struct fe_range *range = vg_ordered_first(&ranges, &at);

	pthread_rwlock_init(&lock, NULL);
	atomic_fetch_add(&fe_ranges_gone, 1);
	for (; range; range = vg_ordered_next(&ranges, &at))
		free(range);
	vg_ordered_dispose(&ranges);
}
