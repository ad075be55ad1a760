/* SPDX-License-Identifier: MIT */
/*
 * The arena is reserved with PROT_NONE once and handed out first fit; a list of free extents,
 * sorted, merged when neighbours meet. Any thread; one lock.
 */
#include "xen-frontend/libcuda/arena.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/session.h"

struct extent {
	uint64_t address, bytes;
	struct extent *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct extent *free_list;
static uint64_t arena_base, arena_size;   /* 0: none */
static uint64_t device_base, device_size; /* reserved once and for all; 0: each by itself */
static struct extent *claims;             /* reserved by fe_arena_claim, sorted, merged */

/* Drivers map device memory in pages of this size. */
#define CLAIM_BYTES (2ull * 1024 * 1024)

static bool reserve(uint64_t address, uint64_t bytes)
{
	void *got = mmap((void *)address, bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED)
		return false;
	if (got == (void *)address)
		return true;
	/* A kernel before 4.17 takes the address for a hint. */
	munmap(got, bytes);
	return false;
}

void fe_arena_open(uint64_t base, uint64_t size, uint64_t dev_base, uint64_t dev_size)
{
	struct extent *all = malloc(sizeof(*all));

	if (all && size && reserve(base, size)) {
		*all = (struct extent){base, size, NULL};
		free_list = all;
		arena_base = base;
		arena_size = size;
	} else {
		free(all);
		vg_warn(&fe_who,
			"event=no-arena base=0x%llx why=\"%s\" effect=\"pinned memory is staged\"",
			(unsigned long long)base, strerror(errno));
	}
	if (dev_size && reserve(dev_base, dev_size)) {
		device_base = dev_base;
		device_size = dev_size;
	}
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + VG_PAGE_SIZE - 1) & ~(uint64_t)(VG_PAGE_SIZE - 1);
}

uint64_t fe_arena_take(uint64_t bytes)
{
	uint64_t address = 0;

	bytes = pages_of(bytes);
	pthread_mutex_lock(&lock);
	for (struct extent **at = &free_list; bytes && *at; at = &(*at)->next) {
		struct extent *extent = *at;

		if (extent->bytes < bytes)
			continue;
		address = extent->address;
		extent->address += bytes;
		extent->bytes -= bytes;
		if (!extent->bytes) {
			*at = extent->next;
			free(extent);
		}
		break;
	}
	pthread_mutex_unlock(&lock);
	return address;
}

static void extent_merge(struct extent *extent)
{
	struct extent *next = extent->next;

	if (next && extent->address + extent->bytes == next->address) {
		extent->bytes += next->bytes;
		extent->next = next->next;
		free(next);
	}
}

/* Under the lock. False: no memory. */
static bool extent_insert(struct extent **list, uint64_t address, uint64_t bytes)
{
	struct extent *extent = malloc(sizeof(*extent));
	struct extent *before = NULL, *after;

	if (!extent)
		return false;
	for (after = *list; after && after->address < address; after = after->next)
		before = after;
	*extent = (struct extent){address, bytes, after};
	if (before)
		before->next = extent;
	else
		*list = extent;
	extent_merge(extent);
	if (before)
		extent_merge(before);
	return true;
}

void fe_arena_give(uint64_t address, uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	/* Without memory for the list these addresses stay unused. */
	extent_insert(&free_list, address, pages_of(bytes));
	pthread_mutex_unlock(&lock);
}

/* End of the claim that address lies in, or, with *claimed false, the begin of the next one. */
static uint64_t claim_next(uint64_t address, bool *claimed)
{
	*claimed = false;
	for (const struct extent *claim = claims; claim; claim = claim->next) {
		if (address < claim->address)
			return claim->address;
		if (address - claim->address < claim->bytes) {
			*claimed = true;
			return claim->address + claim->bytes;
		}
	}
	return UINT64_MAX;
}

static bool device_covered(uint64_t address, uint64_t bytes)
{
	return device_size && address - device_base < device_size &&
	       bytes <= device_size - (address - device_base);
}

bool fe_arena_claim(uint64_t address, uint64_t bytes)
{
	uint64_t at = address & ~(CLAIM_BYTES - 1);
	uint64_t end = (address + bytes + CLAIM_BYTES - 1) & ~(CLAIM_BYTES - 1);
	bool good = true;

	if (device_covered(address, bytes))
		return true;
	pthread_mutex_lock(&lock);
	while (good && at < end) {
		bool claimed;
		uint64_t next = claim_next(at, &claimed);

		if (next > end)
			next = end;
		if (!claimed)
			good = reserve(at, next - at) && extent_insert(&claims, at, next - at);
		at = next;
	}
	pthread_mutex_unlock(&lock);
	return good;
}

bool fe_arena_is_device(uint64_t address)
{
	bool claimed = device_covered(address, 1);

	if (claimed)
		return true;
	pthread_mutex_lock(&lock);
	claim_next(address, &claimed);
	pthread_mutex_unlock(&lock);
	return claimed;
}

static void extents_free(struct extent **list, bool unmap)
{
	while (*list) {
		struct extent *next = (*list)->next;

		if (unmap)
			munmap((void *)(*list)->address, (*list)->bytes);
		free(*list);
		*list = next;
	}
}

void fe_arena_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	extents_free(&free_list, false);
	extents_free(&claims, true);
	if (arena_size)
		munmap((void *)arena_base, arena_size);
	if (device_size)
		munmap((void *)device_base, device_size);
	arena_base = arena_size = device_base = device_size = 0;
}
