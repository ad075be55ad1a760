/* SPDX-License-Identifier: MIT */
/*
 * Address ranges. Addresses and sizes to be checked come from the guest; ranges come from the driver
 * or from session.c. Any thread.
 */
#include "dom0-executor/range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ex_ranges_init(struct ex_ranges *ranges)
{
	memset(ranges, 0, sizeof(*ranges));
	pthread_rwlock_init(&ranges->lock, NULL);
}

void ex_ranges_dispose(struct ex_ranges *ranges)
{
	free(ranges->spans);
	ranges->spans = NULL;
	ranges->count = ranges->room = 0;
	pthread_rwlock_destroy(&ranges->lock);
}

/* Index of the first range that ends behind address. */
static size_t lookup(const struct ex_ranges *r, uint64_t address)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address < r->spans[middle].start + r->spans[middle].size)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool holds(const struct ex_span *span, uint64_t address)
{
	return address >= span->start && address - span->start < span->size;
}

bool ex_ranges_cover(struct ex_ranges *ranges, uint64_t address, uint64_t size, int *kind)
{
	bool covered = size == 0;

	if (kind)
		*kind = 0;
	pthread_rwlock_rdlock(&ranges->lock);
	for (size_t i = lookup(ranges, address); !covered && i < ranges->count; i++) {
		const struct ex_span *span = &ranges->spans[i];
		uint64_t left;

		if (!holds(span, address))
			break;
		if (kind && !*kind)
			*kind = span->kind;
		left = span->size - (address - span->start);
		covered = size <= left;
		address += left;
		size -= left;
	}
	pthread_rwlock_unlock(&ranges->lock);
	return covered;
}

static void take_quietly(struct ex_ranges *r, size_t i)
{
	memmove(&r->spans[i], &r->spans[i + 1], (r->count - i - 1) * sizeof(*r->spans));
	r->count--;
}

static void take_out(struct ex_ranges *r, size_t i)
{
	struct ex_span gone = r->spans[i];

	take_quietly(r, i);
	if (r->gone)
		r->gone(r->gone_context, &gone);
}

static bool grow(struct ex_ranges *r)
{
	size_t room = r->room ? r->room * 2 : 64;
	struct ex_span *spans;

	if (r->count < r->room)
		return true;
	if (r->count >= EX_RANGES_MAX)
		return false;
	spans = reallocarray(r->spans, room, sizeof(*spans));
	if (!spans)
		return false;
	r->spans = spans;
	r->room = room;
	return true;
}

static int add_locked(struct ex_ranges *r, const struct ex_span *span)
{
	uint64_t end = span->start + span->size;
	size_t i = lookup(r, span->start);

	if (i < r->count && r->spans[i].start <= span->start &&
	    end <= r->spans[i].start + r->spans[i].size && r->spans[i].kind != span->kind)
		return 0;
	while (i < r->count && r->spans[i].start < end)
		take_out(r, i);
	if (!grow(r))
		return -ENOMEM;
	memmove(&r->spans[i + 1], &r->spans[i], (r->count - i) * sizeof(*r->spans));
	r->spans[i] = *span;
	r->count++;
	return 0;
}

int ex_ranges_add(struct ex_ranges *ranges, const struct ex_span *span)
{
	int rc;

	if (!span->size || span->start > UINT64_MAX - span->size)
		return -EINVAL;
	pthread_rwlock_wrlock(&ranges->lock);
	rc = add_locked(ranges, span);
	pthread_rwlock_unlock(&ranges->lock);
	return rc;
}

bool ex_ranges_find(struct ex_ranges *ranges, uint64_t address, struct ex_span *found)
{
	bool there;
	size_t i;

	pthread_rwlock_rdlock(&ranges->lock);
	i = lookup(ranges, address);
	there = i < ranges->count && holds(&ranges->spans[i], address);
	if (there)
		*found = ranges->spans[i];
	pthread_rwlock_unlock(&ranges->lock);
	return there;
}

bool ex_ranges_visit(struct ex_ranges *ranges, uint64_t address,
		     void (*visit)(const struct ex_span *span, void *context), void *context)
{
	bool there;
	size_t i;

	pthread_rwlock_wrlock(&ranges->lock);
	i = lookup(ranges, address);
	there = i < ranges->count && ranges->spans[i].start == address;
	if (there)
		visit(&ranges->spans[i], context);
	pthread_rwlock_unlock(&ranges->lock);
	return there;
}

static bool remove_at(struct ex_ranges *ranges, uint64_t address, struct ex_span *removed,
		      void (*take)(struct ex_ranges *r, size_t i))
{
	bool there;
	size_t i;

	pthread_rwlock_wrlock(&ranges->lock);
	i = lookup(ranges, address);
	there = i < ranges->count && ranges->spans[i].start == address;
	if (there) {
		if (removed)
			*removed = ranges->spans[i];
		take(ranges, i);
	}
	pthread_rwlock_unlock(&ranges->lock);
	return there;
}

bool ex_ranges_remove(struct ex_ranges *ranges, uint64_t address, struct ex_span *removed)
{
	return remove_at(ranges, address, removed, take_out);
}

bool ex_ranges_take(struct ex_ranges *ranges, uint64_t address, struct ex_span *taken)
{
	return remove_at(ranges, address, taken, take_quietly);
}

void ex_ranges_remove_within(struct ex_ranges *ranges, uint64_t address, uint64_t size)
{
	size_t i;

	pthread_rwlock_wrlock(&ranges->lock);
	i = lookup(ranges, address);
	while (i < ranges->count && ranges->spans[i].start - address < size) {
		if (ranges->spans[i].start >= address &&
		    ranges->spans[i].size <= size - (ranges->spans[i].start - address))
			take_out(ranges, i);
		else
			i++;
	}
	pthread_rwlock_unlock(&ranges->lock);
}

void ex_ranges_remove_owned(struct ex_ranges *ranges, uint64_t owner)
{
	size_t kept = 0;

	if (!owner)
		return;
	pthread_rwlock_wrlock(&ranges->lock);
	for (size_t i = 0; i < ranges->count; i++) {
		struct ex_span span = ranges->spans[i];

		if (span.owner != owner)
			ranges->spans[kept++] = span;
		else if (ranges->gone)
			ranges->gone(ranges->gone_context, &span);
	}
	ranges->count = kept;
	pthread_rwlock_unlock(&ranges->lock);
}
