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

void fe_arena_give(uint64_t address, uint64_t bytes)
{
	struct extent *back = malloc(sizeof(*back));
	struct extent *before = NULL, *after;

	if (!back)
		return; /* these addresses stay unused */
	pthread_mutex_lock(&lock);
	for (after = free_list; after && after->address < address; after = after->next)
		before = after;
	*back = (struct extent){address, pages_of(bytes), after};
	if (before)
		before->next = back;
	else
		free_list = back;
	extent_merge(back);
	if (before)
		extent_merge(before);
	pthread_mutex_unlock(&lock);
}

void fe_arena_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	while (free_list) {
		struct extent *next = free_list->next;

		free(free_list);
		free_list = next;
	}
	if (arena_size)
		munmap((void *)arena_base, arena_size);
	if (device_size)
		munmap((void *)device_base, device_size);
	arena_base = arena_size = device_base = device_size = 0;
}
