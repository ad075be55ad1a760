/* SPDX-License-Identifier: MIT */
/*
 * Address ranges that a channel has mapped into the executor's arena, so that no region is laid
 * over another. Private to channel_*.c; used by the executor's control thread only.
 */
#ifndef EX_CHANNEL_RANGE_H
#define EX_CHANNEL_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct ex_range {
	struct ex_range *next;
	uintptr_t start;
	size_t bytes;
};

/*
 * Claims [address, address + bytes): 0, -EINVAL (0, unaligned or wrapping), -EADDRINUSE, -ENOMEM.
 * That the range lies in the arena has been checked by the session, which reserved it.
 */
int ex_range_claim(struct ex_range **list, uint64_t address, size_t bytes);
/* Replaces whatever is mapped there by PROT_NONE and gives the range back. Unknown: nothing. */
void ex_range_drop(struct ex_range **list, uintptr_t start);

#endif
