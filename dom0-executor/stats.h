/* SPDX-License-Identifier: MIT */
/*
 * Counters of the session: in the memfd of whoever started the executor, or in memory of our own.
 * Relaxed atomics; nobody here reads them back for a decision.
 */
#ifndef EX_STATS_H
#define EX_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"

struct ex_stats {
	struct vg_stats *page; /* mapped or allocated; never NULL after init */
	bool mapped;
	int fd; /* owned, of the mapped page: goes to the next xen-vgpud; -1: none */
};

/* fd: -1 or a memfd of at least sizeof(struct vg_stats), which becomes ours. 0 or a negative errno. */
int ex_stats_init(struct ex_stats *stats, int fd);
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

#endif
