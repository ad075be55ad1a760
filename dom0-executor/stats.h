/* SPDX-License-Identifier: MIT */
/*
 * Counters of the session: in the memfd of whoever started the executor, or in memory of our own.
 * Relaxed atomics; nobody here reads them back for a decision.
 */
#ifndef EX_STATS_H
#define EX_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/clock.h"
#include "protocol/control.h"

struct ex_stats {
	struct vg_stats *page; /* mapped or allocated; never NULL after init */
	bool mapped;
	int fd; /* owned, of the mapped page: goes to the next xen-vgpud; -1: none */
};

/* fd: -1 or a memfd of at least sizeof(struct vg_counters), which becomes ours. 0 or a negative errno. */
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

/* A command's time (VG_WANT_TIMES). */
void ex_stats_took(struct ex_stats *stats, unsigned int op, uint64_t ns);

/* A command begins and ends, as struct vg_live has it. The lane's thread. */
static inline void ex_live_begin(struct vg_live_lane *live, const struct vg_cmd *cmd,
				 uint64_t number)
{
	__atomic_store_n(&live->op, cmd->op, __ATOMIC_RELAXED);
	__atomic_store_n(&live->args, cmd->args_size, __ATOMIC_RELAXED);
	ex_stats_set(&live->bulk, cmd->bulk_size);
	/* Of asynchronous ones as well: an older time would make a hang of one that has just begun. */
	ex_stats_set(&live->begun, vg_clock_coarse_ms());
	ex_stats_set(&live->number, number);
}

static inline void ex_live_end(struct vg_live_lane *live, uint64_t number)
{
	ex_stats_set(&live->done, number);
}

/*
 * A lane's own counts of what it does for each command, added to the session's now and then: a page that all
 * lanes write to is slow to write to. Belongs to the lane's thread.
 */
#define EX_TALLY_OPS 8u /* a power of two */
struct ex_tally {
	uint32_t commands, commands_async, launches;
	uint32_t last_op;
	struct {
		uint32_t op, count;
	} ops[EX_TALLY_OPS]; /* by op modulo their number */
};

/* One command has been executed; an error is counted at once. */
void ex_tally_command(struct ex_tally *tally, struct ex_stats *stats, unsigned int op, bool async,
		      int32_t result);
/* That many kernels have been launched; the session's first at once, since output.c asks whether there are any. */
void ex_tally_launches(struct ex_tally *tally, struct ex_stats *stats, unsigned int count);
/* Adds what there is. */
void ex_tally_flush(struct ex_tally *tally, struct ex_stats *stats);

#endif
