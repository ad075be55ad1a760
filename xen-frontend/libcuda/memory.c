/* SPDX-License-Identifier: MIT */
/*
 * The table of address ranges: pointers to entries, sorted by base, so that an insertion moves
 * eight bytes an entry. Any thread; readers share the lock.
 */
#include "xen-frontend/libcuda/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct fe_range **ranges;
static size_t count, room;

_Atomic uint32_t fe_ranges_gone;

/* Index of the first range whose base is above address. */
static size_t range_above(uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle]->base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool range_has(const struct fe_range *range, uint64_t address)
{
	return address - range->base < range->size;
}

static struct fe_range *range_at(uint64_t address)
{
	size_t above = range_above(address);

	return above && range_has(ranges[above - 1], address) ? ranges[above - 1] : NULL;
}

static void range_delete(size_t index)
{
	atomic_fetch_add(&fe_ranges_gone, 1);
	free(ranges[index]);
	count--;
	memmove(&ranges[index], &ranges[index + 1], (count - index) * sizeof(*ranges));
}

/* Variables of modules and graphs' allocations give way; nothing tells when they go. */
static bool kind_gives_way(enum fe_range_kind kind)
{
	return kind == FE_RANGE_GLOBAL || kind == FE_RANGE_GRAPH;
}

static int range_make_way(uint64_t base, uint64_t size)
{
	size_t index = range_above(base);

	if (index && range_has(ranges[index - 1], base))
		index--;
	while (index < count && ranges[index]->base < vg_sat_add(base, size)) {
		if (!kind_gives_way(ranges[index]->kind) && !ranges[index]->owner)
			return -EEXIST;
		range_delete(index);
	}
	return 0;
}

static int range_insert(const struct fe_range *range)
{
	struct fe_range *copy;
	size_t index;

	if (count == room) {
		size_t more = room ? room * 2 : 64;
		struct fe_range **moved = realloc(ranges, more * sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		ranges = moved;
		room = more;
	}
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *range;
	index = range_above(range->base);
	memmove(&ranges[index + 1], &ranges[index], (count - index) * sizeof(*ranges));
	ranges[index] = copy;
	count++;
	return 0;
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
	bool found = false;
	size_t above;

	pthread_rwlock_wrlock(&lock);
	above = range_above(base);
	if (above && ranges[above - 1]->base == base) {
		*old = *ranges[above - 1];
		range_delete(above - 1);
		found = true;
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

bool fe_range_remove_owned(uint64_t owner, struct fe_range *old)
{
	bool found = false;

	pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < count && !found; i++) {
		found = ranges[i]->owner == owner;
		if (found) {
			*old = *ranges[i];
			range_delete(i);
		}
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

bool fe_range_find(uint64_t address, struct fe_range *range)
{
	const struct fe_range *found;

	pthread_rwlock_rdlock(&lock);
	found = range_at(address);
	if (found)
		*range = *found;
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

/* *managed: some of it is. */
static bool range_walk(uint64_t address, uint64_t size, bool *managed)
{
	bool known = true;

	*managed = false;
	if (!size)
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
	bool found = false;
	size_t index;

	pthread_rwlock_rdlock(&lock);
	index = range_above(address);
	if (index && range_has(ranges[index - 1], address))
		index--;
	for (; index < count && !found; index++) {
		found = ranges[index]->kind == FE_RANGE_MANAGED;
		if (found)
			*range = *ranges[index];
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

void fe_range_reset(void)
{
	pthread_rwlock_init(&lock, NULL);
	while (count)
		free(ranges[--count]);
}
