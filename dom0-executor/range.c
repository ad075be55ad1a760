/* SPDX-License-Identifier: MIT */
/*
 * Address ranges. Addresses and sizes to be checked come from the guest; ranges come from the driver
 * or from session.c. Any thread; each remembers the last few that it found, until any range goes.
 */
#include "dom0-executor/range.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t gone; /* ranges, of all sessions */

#define RECENT 4u
static __thread struct {
	uint64_t gone; /* when they were found: void when it has moved */
	unsigned int next;
	struct {
		const struct ex_ranges *ranges;
		uint64_t start, size;
		int kind;
	} span[RECENT];
} recent;

/* The range lies within one of them. */
static bool recent_covers(const struct ex_ranges *ranges, uint64_t address, uint64_t size,
			  int *kind)
{
	if (recent.gone != atomic_load_explicit(&gone, memory_order_acquire))
		return false;
	for (unsigned int i = 0; i < RECENT; i++) {
		uint64_t at = address - recent.span[i].start;

		if (recent.span[i].ranges != ranges || at >= recent.span[i].size ||
		    size > recent.span[i].size - at)
			continue;
		if (kind)
			*kind = recent.span[i].kind;
		return true;
	}
	return false;
}

/* Under the ranges' lock, so that none of theirs has gone. */
static void recent_note(const struct ex_ranges *ranges, const struct ex_span *span)
{
	uint64_t now = atomic_load_explicit(&gone, memory_order_relaxed);
	unsigned int i = recent.next++ % RECENT;

	if (recent.gone != now)
		memset(recent.span, 0, sizeof(recent.span));
	recent.gone = now;
	recent.span[i].ranges = ranges;
	recent.span[i].start = span->start;
	recent.span[i].size = span->size;
	recent.span[i].kind = span->kind;
}

void ex_ranges_init(struct ex_ranges *ranges)
{
	atomic_fetch_add(&gone, 1); /* others may have been there before */
	memset(ranges, 0, sizeof(*ranges));
	pthread_rwlock_init(&ranges->lock, NULL);
}

void ex_ranges_dispose(struct ex_ranges *ranges)
{
	struct vg_ordered_at at;
	struct ex_span *span = vg_ordered_first(&ranges->spans, &at);

	for (; span; span = vg_ordered_next(&ranges->spans, &at)) {
		if (ranges->gone)
			ranges->gone(ranges->gone_context, span);
		free(span);
	}
	vg_ordered_dispose(&ranges->spans);
	pthread_rwlock_destroy(&ranges->lock);
}

static bool holds(const struct ex_span *span, uint64_t address)
{
	return address >= span->start && address - span->start < span->size;
}

/* The first range that ends behind address; NULL: none does. */
static struct ex_span *lookup(const struct ex_ranges *r, uint64_t address, struct vg_ordered_at *at)
{
	struct ex_span *span = vg_ordered_floor(&r->spans, address, at);

	if (!span)
		return vg_ordered_first(&r->spans, at);
	return holds(span, address) ? span : vg_ordered_next(&r->spans, at);
}

static struct ex_span *lookup_start(const struct ex_ranges *r, uint64_t start,
				    struct vg_ordered_at *at)
{
	struct ex_span *span = vg_ordered_floor(&r->spans, start, at);

	return span && span->start == start ? span : NULL;
}

bool ex_ranges_cover(struct ex_ranges *ranges, uint64_t address, uint64_t size, int *kind)
{
	bool covered = size == 0;
	const struct ex_span *span;
	struct vg_ordered_at at;

	if (size && recent_covers(ranges, address, size, kind))
		return true;
	if (kind)
		*kind = 0;
	pthread_rwlock_rdlock(&ranges->lock);
	span = vg_ordered_floor(&ranges->spans, address, &at);
	while (!covered && span && holds(span, address)) {
		uint64_t left = span->size - (address - span->start);

		if (kind && !*kind)
			*kind = span->kind;
		covered = size <= left;
		if (covered)
			recent_note(ranges, span);
		address += left;
		size -= left;
		if (!covered)
			span = vg_ordered_next(&ranges->spans, &at);
	}
	pthread_rwlock_unlock(&ranges->lock);
	return covered;
}

/* `at` is then the range that followed. */
static void take_quietly(struct ex_ranges *r, struct vg_ordered_at *at)
{
	atomic_fetch_add(&gone, 1);
	free(vg_ordered_remove(&r->spans, at));
}

static void take_out(struct ex_ranges *r, struct vg_ordered_at *at)
{
	struct ex_span *out = vg_ordered_remove(&r->spans, at);

	atomic_fetch_add(&gone, 1);
	if (r->gone)
		r->gone(r->gone_context, out);
	free(out);
}

static int put_in(struct ex_ranges *r, const struct ex_span *span)
{
	struct ex_span *copy;
	int rc;

	if (r->spans.count >= EX_RANGES_MAX)
		return -ENOMEM;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *span;
	rc = vg_ordered_insert(&r->spans, span->start, copy);
	if (rc)
		free(copy);
	return rc;
}

static int add_locked(struct ex_ranges *r, const struct ex_span *span)
{
	uint64_t end = span->start + span->size;
	struct vg_ordered_at at;
	const struct ex_span *old = lookup(r, span->start, &at);

	if (old && old->start <= span->start && end <= old->start + old->size &&
	    old->kind != span->kind)
		return 0;
	while (old && old->start < end) {
		take_out(r, &at);
		old = vg_ordered_here(&r->spans, &at);
	}
	return put_in(r, span);
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
	const struct ex_span *span;
	struct vg_ordered_at at;
	bool there;

	pthread_rwlock_rdlock(&ranges->lock);
	span = vg_ordered_floor(&ranges->spans, address, &at);
	there = span && holds(span, address);
	if (there)
		*found = *span;
	pthread_rwlock_unlock(&ranges->lock);
	return there;
}

bool ex_ranges_visit(struct ex_ranges *ranges, uint64_t address,
		     void (*visit)(const struct ex_span *span, void *context), void *context)
{
	const struct ex_span *span;
	struct vg_ordered_at at;

	pthread_rwlock_wrlock(&ranges->lock);
	span = lookup_start(ranges, address, &at);
	if (span)
		visit(span, context);
	pthread_rwlock_unlock(&ranges->lock);
	return span != NULL;
}

bool ex_ranges_any(struct ex_ranges *ranges, bool (*is)(const struct ex_span *span, void *context),
		   void *context)
{
	const struct ex_span *span;
	struct vg_ordered_at at;

	pthread_rwlock_rdlock(&ranges->lock);
	span = vg_ordered_first(&ranges->spans, &at);
	while (span && !is(span, context))
		span = vg_ordered_next(&ranges->spans, &at);
	pthread_rwlock_unlock(&ranges->lock);
	return span != NULL;
}

static bool remove_at(struct ex_ranges *ranges, uint64_t address, struct ex_span *removed,
		      void (*take)(struct ex_ranges *r, struct vg_ordered_at *at))
{
	const struct ex_span *span;
	struct vg_ordered_at at;
	bool there;

	pthread_rwlock_wrlock(&ranges->lock);
	span = lookup_start(ranges, address, &at);
	there = span != NULL;
	if (there) {
		if (removed)
			*removed = *span;
		take(ranges, &at);
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
	const struct ex_span *span;
	struct vg_ordered_at at;

	pthread_rwlock_wrlock(&ranges->lock);
	span = lookup(ranges, address, &at);
	if (span && span->start < address)
		span = vg_ordered_next(&ranges->spans, &at);
	/* Of those that begin within, only the last may end beyond. */
	while (span && span->start - address < size &&
	       span->size <= size - (span->start - address)) {
		take_out(ranges, &at);
		span = vg_ordered_here(&ranges->spans, &at);
	}
	pthread_rwlock_unlock(&ranges->lock);
}

void ex_ranges_remove_owned(struct ex_ranges *ranges, uint64_t owner)
{
	const struct ex_span *span;
	struct vg_ordered_at at;

	if (!owner)
		return;
	pthread_rwlock_wrlock(&ranges->lock);
	span = vg_ordered_first(&ranges->spans, &at);
	while (span) {
		if (span->owner == owner) {
			take_out(ranges, &at);
			span = vg_ordered_here(&ranges->spans, &at);
		} else {
			span = vg_ordered_next(&ranges->spans, &at);
		}
	}
	pthread_rwlock_unlock(&ranges->lock);
}
