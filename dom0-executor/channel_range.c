/* SPDX-License-Identifier: MIT */
/*
 * Address ranges mapped into the arena. The addresses come from the guest: trusted in nothing.
 * System calls used behind the jail: mmap.
 */
#include "dom0-executor/channel_range.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "protocol/wire.h"

int ex_range_claim(struct ex_range **list, uint64_t address, size_t bytes)
{
	struct ex_range *range;

	if (!address || !bytes || address % VG_PAGE_SIZE || bytes % VG_PAGE_SIZE ||
	    address > UINTPTR_MAX - bytes)
		return -EINVAL;
	for (range = *list; range; range = range->next)
		if (address < range->start + range->bytes && range->start < address + bytes)
			return -EADDRINUSE;
	range = malloc(sizeof(*range));
	if (!range)
		return -ENOMEM;
	*range = (struct ex_range){.next = *list, .start = address, .bytes = bytes};
	*list = range;
	return 0;
}

void ex_range_drop(struct ex_range **list, uintptr_t start)
{
	for (struct ex_range **at = list; *at; at = &(*at)->next) {
		struct ex_range *range = *at;

		if (range->start != start)
			continue;
		/* In one step: the addresses are never free for another mapping. */
		mmap((void *)start, range->bytes, PROT_NONE, /* NOLINT */
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		*at = range->next;
		free(range);
		return;
	}
}
