/* SPDX-License-Identifier: MIT */
/*
 * A guest's clock by the host's. Both are CLOCK_MONOTONIC, begun at different times, and each is slewed by itself; so the
 * offset between them moves. It is known by its bounds: what the guest did before it happened here (it called, we took),
 * or after (we were done, it had the answer). Guests' words: anything may stand there, and comes out as another number.
 */
#ifndef VGPU_TRACE_CLOCK_H
#define VGPU_TRACE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The offset, host's time less guest's, is at most (upper) or at least so much. */
struct trace_bound {
	uint64_t at;     /* the host's time, ns */
	uint64_t offset; /* ns, modulo 2^64 */
	bool upper;
};

/* Where the offset is a line. */
struct trace_span {
	uint64_t from; /* the host's time; the first's holds before, too */
	uint64_t at;   /* then it is `offset` */
	uint64_t offset;
	double rate;   /* and moves by that much a ns */
	double unsure; /* ns to either side; infinite: bounds of one kind only */
	size_t bounds;
};

struct trace_clock {
	struct trace_span *spans; /* owned; in the order of time */
	size_t count;             /* 0: nothing is known */
	bool one_sided; /* there are only bounds of one kind: the offset is one of these, as if the way took no time */
	double unsure,
		worst; /* ns to either side: for half of the bounds, and for all that are between two */
};

/* Sorts the bounds. False: no memory. */
bool trace_clock_fit(struct trace_clock *clock, struct trace_bound *bounds, size_t count);
void trace_clock_free(struct trace_clock *clock);
/* A time of the guest's, by the host's clock; near: the host's time at which to look up the offset. */
uint64_t trace_clock_host(const struct trace_clock *clock, uint64_t guest, uint64_t near);

#endif
