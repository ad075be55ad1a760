/* SPDX-License-Identifier: MIT */
/* See range.h. Any thread; one read-write lock guards both tables, pins are atomic. */
#include "dom0-executor/soft/range.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct reservation {
	uint64_t base;
	size_t size;
};

static struct {
	pthread_rwlock_t lock;
	struct soft_range **ranges; /* sorted by base, disjoint */
	size_t count, room;
	struct reservation *reserved; /* sorted by base, disjoint */
	size_t reserved_count, reserved_room;
	unsigned long long last_id;
} table = {.lock = PTHREAD_RWLOCK_INITIALIZER};

struct soft_range *range_new(enum range_kind kind, struct soft_device *device,
			     struct soft_context *ctx)
{
	struct soft_range *range = calloc(1, sizeof(*range));

	if (!range)
		return NULL;
	range->kind = kind;
	range->device = device;
	range->ctx = object_ref(ctx);
	range->managed = kind == RANGE_MANAGED;
	advice_init(&range->advice);
	return range;
}

void range_delete(struct soft_range *range)
{
	if (!range)
		return;
	object_put(range->ctx);
	object_put(range->pool);
	object_put(range->physical);
	free(range);
}

/* Index of the first range that ends above `address`. */
static size_t range_index(uint64_t address)
{
	size_t low = 0, high = table.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (table.ranges[middle]->base + table.ranges[middle]->size > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static size_t reserved_index(uint64_t address)
{
	size_t low = 0, high = table.reserved_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (table.reserved[middle].base + table.reserved[middle].size > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Room for one more element. */
static bool make_room(void **array, size_t count, size_t *room, size_t each)
{
	size_t wanted = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, wanted * each);
	if (!grown)
		return false;
	*array = grown;
	*room = wanted;
	return true;
}

static CUresult insert_locked(struct soft_range *range)
{
	size_t at = range_index(range->base);

	if (at < table.count && table.ranges[at]->base < range->base + range->size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!make_room((void **)&table.ranges, table.count, &table.room, sizeof(*table.ranges)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	memmove(&table.ranges[at + 1], &table.ranges[at],
		(table.count - at) * sizeof(*table.ranges));
	table.ranges[at] = range;
	table.count++;
	range->id = ++table.last_id;
	return CUDA_SUCCESS;
}

CUresult range_insert(struct soft_range *range)
{
	CUresult result;

	pthread_rwlock_wrlock(&table.lock);
	result = insert_locked(range);
	pthread_rwlock_unlock(&table.lock);
	return result;
}

static uint64_t align_up(uint64_t value, size_t align)
{
	return (value + align - 1) & ~(uint64_t)(align - 1);
}

/* The first free address from `from` on where `size` bytes fit below `end`; 0: none. */
static uint64_t find_free(uint64_t from, uint64_t end, size_t size, size_t align)
{
	uint64_t base = align_up(from, align);

	while (base + size <= end) {
		size_t r = range_index(base), v = reserved_index(base);

		if (r < table.count && table.ranges[r]->base < base + size)
			base = align_up(table.ranges[r]->base + table.ranges[r]->size, align);
		else if (v < table.reserved_count && table.reserved[v].base < base + size)
			base = align_up(table.reserved[v].base + table.reserved[v].size, align);
		else
			return base;
	}
	return 0;
}

/*
 * Free addresses of a device. They are looked for above the last ones given out, so that a freed
 * address comes back late and its use after the free is a fault.
 */
static uint64_t find_device_addresses(struct soft_device *device, size_t size, size_t align)
{
	uint64_t end = device->region + SOFT_REGION_SIZE, base;

	if (size > SOFT_REGION_SIZE || align > SOFT_REGION_SIZE)
		return 0;
	base = find_free(device->next, end, size, align);
	if (!base)
		base = find_free(device->region, end, size, align);
	if (base)
		device->next = base + size;
	return base;
}

CUresult range_place(struct soft_range *range, size_t align)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	pthread_rwlock_wrlock(&table.lock);
	range->base = find_device_addresses(range->device, range->size, align);
	if (range->base)
		result = insert_locked(range);
	pthread_rwlock_unlock(&table.lock);
	return result;
}

/* Addresses that the caller wishes for, where they are free and its device's. */
static uint64_t find_wanted(const struct soft_device *device, uint64_t wanted, size_t size,
			    size_t align)
{
	uint64_t end = device->region + SOFT_REGION_SIZE;

	if (wanted < device->region || wanted >= end || wanted & (align - 1) || size > end - wanted)
		return 0;
	return find_free(wanted, wanted + size, size, align);
}

static CUresult reserve_locked(uint64_t base, size_t size)
{
	size_t at = reserved_index(base);

	if (!make_room((void **)&table.reserved, table.reserved_count, &table.reserved_room,
		       sizeof(*table.reserved)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	memmove(&table.reserved[at + 1], &table.reserved[at],
		(table.reserved_count - at) * sizeof(*table.reserved));
	table.reserved[at] = (struct reservation){.base = base, .size = size};
	table.reserved_count++;
	return CUDA_SUCCESS;
}

CUresult range_reserve(struct soft_device *device, uint64_t wanted, size_t size, size_t align,
		       uint64_t *base)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
	uint64_t found;

	pthread_rwlock_wrlock(&table.lock);
	found = find_wanted(device, wanted, size, align);
	if (!found)
		found = find_device_addresses(device, size, align);
	if (found)
		result = reserve_locked(found, size);
	pthread_rwlock_unlock(&table.lock);
	*base = found;
	return result;
}

CUresult range_unreserve(uint64_t base, size_t size)
{
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	size_t at, r;

	pthread_rwlock_wrlock(&table.lock);
	at = reserved_index(base);
	r = range_index(base);
	if (at < table.reserved_count && table.reserved[at].base == base &&
	    table.reserved[at].size == size &&
	    (r >= table.count || table.ranges[r]->base >= base + size)) {
		table.reserved_count--;
		memmove(&table.reserved[at], &table.reserved[at + 1],
			(table.reserved_count - at) * sizeof(*table.reserved));
		result = CUDA_SUCCESS;
	}
	pthread_rwlock_unlock(&table.lock);
	return result;
}

bool range_is_reserved(uint64_t base, size_t size)
{
	bool inside;
	size_t at;

	pthread_rwlock_rdlock(&table.lock);
	at = reserved_index(base);
	inside = at < table.reserved_count && table.reserved[at].base <= base &&
		 size <= table.reserved[at].base + table.reserved[at].size - base;
	pthread_rwlock_unlock(&table.lock);
	return inside;
}

struct soft_range *range_pin(uint64_t address)
{
	struct soft_range *range = NULL;
	size_t at;

	pthread_rwlock_rdlock(&table.lock);
	at = range_index(address);
	if (at < table.count && table.ranges[at]->base <= address) {
		range = table.ranges[at];
		atomic_fetch_add(&range->pins, 1);
	}
	pthread_rwlock_unlock(&table.lock);
	return range;
}

void range_unpin(struct soft_range *range)
{
	if (range)
		atomic_fetch_sub(&range->pins, 1);
}

static bool allows(struct soft_range *range, bool write)
{
	unsigned int access = atomic_load(&range->access);

	if (range->kind != RANGE_MAPPED)
		return true;
	return write ? access == CU_MEM_ACCESS_FLAGS_PROT_READWRITE
		     : access != CU_MEM_ACCESS_FLAGS_PROT_NONE;
}

/* One range for all, or mappings side by side. The lock is held. */
static bool span_is_covered(uint64_t address, size_t size, bool write, size_t at, size_t *count)
{
	uint64_t end;

	if (__builtin_add_overflow(address, size, &end))
		return false;
	if (at >= table.count || table.ranges[at]->base > address)
		return false;
	for (*count = 1;; ++*count, at++) {
		struct soft_range *range = table.ranges[at];

		if (!allows(range, write))
			return false;
		if (range->base + range->asked >= end)
			return true;
		if (range->kind != RANGE_MAPPED || at + 1 >= table.count ||
		    table.ranges[at + 1]->kind != RANGE_MAPPED ||
		    table.ranges[at + 1]->base != range->base + range->size)
			return false;
	}
}

bool range_pin_span(uint64_t address, size_t size, bool write)
{
	size_t at, count = 0;
	bool covered;

	pthread_rwlock_rdlock(&table.lock);
	at = range_index(address);
	covered = span_is_covered(address, size, write, at, &count);
	for (size_t i = 0; covered && i < count; i++)
		atomic_fetch_add(&table.ranges[at + i]->pins, 1);
	pthread_rwlock_unlock(&table.lock);
	return covered;
}

void range_unpin_span(uint64_t address, size_t size)
{
	pthread_rwlock_rdlock(&table.lock);
	for (size_t at = range_index(address), first = at; at < table.count; at++) {
		if (at > first && table.ranges[at]->base >= address + size)
			break;
		atomic_fetch_sub(&table.ranges[at]->pins, 1);
	}
	pthread_rwlock_unlock(&table.lock);
}

bool range_touches(uint64_t address, size_t size, unsigned int kinds)
{
	bool touches = false;

	pthread_rwlock_rdlock(&table.lock);
	for (size_t at = range_index(address); at < table.count && !touches; at++) {
		if (table.ranges[at]->base >= address + size)
			break;
		touches = table.ranges[at]->kind & kinds;
	}
	pthread_rwlock_unlock(&table.lock);
	return touches;
}

static void remove_at(size_t at)
{
	table.count--;
	memmove(&table.ranges[at], &table.ranges[at + 1],
		(table.count - at) * sizeof(*table.ranges));
}

struct soft_range *range_take(uint64_t base, unsigned int kinds)
{
	struct soft_range *range = NULL;
	size_t at;

	pthread_rwlock_wrlock(&table.lock);
	at = range_index(base);
	if (at < table.count && table.ranges[at]->base == base && table.ranges[at]->kind & kinds) {
		range = table.ranges[at];
		/* Pins are taken under the lock, and given back without it or under it shared: wait
		 * outside, with the range still in its place, so that a span finds it again. */
		while (atomic_load(&range->pins)) {
			pthread_rwlock_unlock(&table.lock);
			sched_yield();
			pthread_rwlock_wrlock(&table.lock);
			at = range_index(base);
			if (at >= table.count || table.ranges[at] != range) {
				range = NULL; /* another thread took it */
				break;
			}
		}
		if (range)
			remove_at(at);
	}
	pthread_rwlock_unlock(&table.lock);
	return range;
}

uint64_t range_of_context(const struct soft_context *ctx, unsigned int kinds)
{
	uint64_t base = 0;

	pthread_rwlock_rdlock(&table.lock);
	for (size_t i = 0; i < table.count && !base; i++)
		if (table.ranges[i]->ctx == ctx && table.ranges[i]->kind & kinds)
			base = table.ranges[i]->base;
	pthread_rwlock_unlock(&table.lock);
	return base;
}

uint64_t range_foreign_open(const uint8_t *name, uint64_t base, uint64_t id)
{
	uint64_t found = 0;

	pthread_rwlock_wrlock(&table.lock);
	for (size_t i = 0; i < table.count && !found; i++) {
		struct soft_range *range = table.ranges[i];

		if (range->kind != RANGE_FOREIGN || range->foreign.base != base ||
		    range->foreign.id != id || !range->foreign.opens ||
		    memcmp(range->foreign.name, name, sizeof(range->foreign.name)) != 0)
			continue;
		range->foreign.opens++;
		found = range->base;
	}
	pthread_rwlock_unlock(&table.lock);
	return found;
}

bool range_foreign_close(uint64_t base, unsigned int *left)
{
	bool there;
	size_t at;

	pthread_rwlock_wrlock(&table.lock);
	at = range_index(base);
	there = at < table.count && table.ranges[at]->base == base &&
		table.ranges[at]->kind == RANGE_FOREIGN && table.ranges[at]->foreign.opens;
	if (there)
		*left = --table.ranges[at]->foreign.opens;
	pthread_rwlock_unlock(&table.lock);
	return there;
}

bool range_is_device_address(uint64_t address)
{
	return address >= SOFT_REGION_BASE &&
	       address < SOFT_REGION_BASE + SOFT_REGION_SIZE * SOFT_DEVICES_MAX;
}
