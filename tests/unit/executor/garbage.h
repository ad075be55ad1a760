/* SPDX-License-Identifier: MIT */
/*
 * Commands that are wrong in the right places: every field well formed or not as a source of numbers
 * decides, values taken from what lives in the session as often as not. Shared by the unit
 * test (a random source) and the fuzzer (its input).
 */
#ifndef GARBAGE_H
#define GARBAGE_H

#include "tests/unit/executor/harness.h"

struct garbage {
	/* The next number, and whether there is one. */
	bool (*next)(void *context, uint32_t *number);
	void *context;
	uint64_t known[64]; /* handles and addresses that were seen in replies */
	unsigned int known_count;
};

/* Puts one command into the ring. False: the source or the ring is at its end. */
bool garbage_command(struct garbage *g, struct harness *h);
/* Reads all replies, remembering what could be handles and addresses. */
void garbage_learn(struct garbage *g, struct harness *h);

#endif
