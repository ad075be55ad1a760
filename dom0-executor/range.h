/* SPDX-License-Identifier: MIT */
/*
 * Address ranges that a session may name: sorted, without overlaps, behind a read-write lock. The
 * driver's word is newer than ours: a range that it hands out replaces what we still had there.
 */
#ifndef EX_RANGE_H
#define EX_RANGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/ordered.h"

#define EX_RANGES_MAX (1u << 20)

/* One range; `kind` is enum ex_range_kind. owner: handle whose end is its end too, 0: none. */
struct ex_span {
	uint64_t start, size;
	uint64_t owner;
	void *object; /* the caller's */
	int kind;
	unsigned int gpu; /* whose memory it is (gpus.h), where it counts */
};

struct ex_ranges {
	pthread_rwlock_t lock;
	struct vg_ordered spans; /* by their starts */
	/* Told each range that goes, with the lock held (not by dispose, for the rest of them); may be NULL. */
	void (*gone)(void *context, const struct ex_span *span);
	void *gone_context;
};

void ex_ranges_init(struct ex_ranges *ranges);
void ex_ranges_dispose(struct ex_ranges *ranges);
/* True: every byte lies in some range (none for size 0). kind, may be NULL: of the first of them. */
bool ex_ranges_cover(struct ex_ranges *ranges, uint64_t address, uint64_t size, int *kind);
/* Within a range of another kind nothing is added. 0, -EINVAL (empty or wrapping), -ENOMEM. */
int ex_ranges_add(struct ex_ranges *ranges, const struct ex_span *span);
/* The range that begins there. False: none does. */
bool ex_ranges_remove(struct ex_ranges *ranges, uint64_t address, struct ex_span *removed);
/* The same, but `gone` is not told: it may come back. */
bool ex_ranges_take(struct ex_ranges *ranges, uint64_t address, struct ex_span *taken);
bool ex_ranges_find(struct ex_ranges *ranges, uint64_t address, struct ex_span *found);
/*
 * Runs `visit` on the range that begins there, with the lock held: its object cannot go meanwhile. False:
 * none does.
 */
bool ex_ranges_visit(struct ex_ranges *ranges, uint64_t address,
		     void (*visit)(const struct ex_span *span, void *context), void *context);
/* True: `is` says so of some range; with the lock held. */
bool ex_ranges_any(struct ex_ranges *ranges, bool (*is)(const struct ex_span *span, void *context),
		   void *context);
/* Whole ranges within [address, address + size). */
void ex_ranges_remove_within(struct ex_ranges *ranges, uint64_t address, uint64_t size);
void ex_ranges_remove_owned(struct ex_ranges *ranges, uint64_t owner);

#endif
