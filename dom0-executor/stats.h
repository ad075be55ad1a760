/* SPDX-License-Identifier: MIT */
/*
 * Counters of the session: in the memfd of whoever started the executor, or in memory of our own.
 * Relaxed atomics; nobody here reads them back for a decision, but the quota, which is kept apart.
 */
#ifndef EX_STATS_H
#define EX_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"

struct ex_stats {
	struct vg_stats *page; /* mapped or allocated; never NULL after init */
	bool mapped;
	int fd;         /* owned, of the mapped page: goes to the next xen-vgpud; -1: none */
	uint64_t quota; /* bytes of device memory, 0: no limit */
	uint64_t held;  /* atomic: bytes held now, quota or not */
};

/* fd: -1 or a memfd of at least sizeof(struct vg_stats), which becomes ours. 0 or a negative errno. */
int ex_stats_init(struct ex_stats *stats, int fd, uint64_t quota);
void ex_stats_dispose(struct ex_stats *stats);

/* NOLINTBEGIN(readability-non-const-parameter): written by the atomics */
static inline void ex_stats_add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline void ex_stats_sub(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_sub(counter, n, __ATOMIC_RELAXED);
}

static inline void ex_stats_set(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, n, __ATOMIC_RELAXED);
}
/* NOLINTEND(readability-non-const-parameter) */

/* One command has been executed. */
void ex_stats_command(struct ex_stats *stats, unsigned int op, bool async, int32_t result);

/* Device memory: take before asking the driver, give back what it refuses. False: over the quota. */
bool ex_stats_memory_take(struct ex_stats *stats, uint64_t bytes);
void ex_stats_memory_give(struct ex_stats *stats, uint64_t bytes);
uint64_t ex_stats_memory_held(const struct ex_stats *stats);

#endif
