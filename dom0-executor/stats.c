/* SPDX-License-Identifier: MIT */
/* Counters and the quota of device memory. Any thread. */
#include "dom0-executor/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int page_map(struct ex_stats *stats, int fd)
{
	struct stat st;
	void *page;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof(struct vg_stats))
		return -EINVAL;
	page = mmap(NULL, sizeof(struct vg_stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	stats->page = page;
	stats->mapped = true;
	stats->fd = fd;
	return 0;
}

int ex_stats_init(struct ex_stats *stats, int fd, uint64_t quota)
{
	int rc = 0;

	*stats = (struct ex_stats){.quota = quota, .fd = -1};
	if (fd >= 0)
		rc = page_map(stats, fd);
	else
		stats->page = calloc(1, sizeof(*stats->page));
	if (!stats->page)
		return rc ? rc : -ENOMEM;
	stats->page->version = VG_PROTOCOL_VERSION;
	__atomic_store_n(&stats->page->magic, VG_STATS_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

void ex_stats_dispose(struct ex_stats *stats)
{
	if (stats->mapped)
		munmap(stats->page, sizeof(*stats->page));
	else
		free(stats->page);
	stats->page = NULL;
	if (stats->fd >= 0)
		close(stats->fd);
	stats->fd = -1;
}

void ex_stats_command(struct ex_stats *stats, unsigned int op, bool async, int32_t result)
{
	struct vg_stats *page = stats->page;

	ex_stats_add(&page->commands, 1);
	if (async)
		ex_stats_add(&page->commands_async, 1);
	if (op < VG_STATS_OPS)
		ex_stats_add(&page->ops[op], 1);
	__atomic_store_n(&page->last_op, op, __ATOMIC_RELAXED);
	if (!result)
		return;
	ex_stats_add(&page->errors, 1);
	__atomic_store_n(&page->last_error, result, __ATOMIC_RELAXED);
	__atomic_store_n(&page->last_error_op, op, __ATOMIC_RELAXED);
}

static void peak_raise(struct vg_stats *page, uint64_t held)
{
	uint64_t peak = __atomic_load_n(&page->alloc_peak, __ATOMIC_RELAXED);

	while (held > peak && !__atomic_compare_exchange_n(&page->alloc_peak, &peak, held, true,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool ex_stats_memory_take(struct ex_stats *stats, uint64_t bytes)
{
	uint64_t held = __atomic_load_n(&stats->held, __ATOMIC_RELAXED);
	uint64_t now;

	do {
		if (__builtin_add_overflow(held, bytes, &now))
			return false;
		if (stats->quota && now > stats->quota)
			return false;
	} while (!__atomic_compare_exchange_n(&stats->held, &held, now, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	ex_stats_set(&stats->page->alloc_bytes, now);
	peak_raise(stats->page, now);
	return true;
}

void ex_stats_memory_give(struct ex_stats *stats, uint64_t bytes)
{
	uint64_t now = __atomic_sub_fetch(&stats->held, bytes, __ATOMIC_RELAXED);

	ex_stats_set(&stats->page->alloc_bytes, now);
}

uint64_t ex_stats_memory_held(const struct ex_stats *stats)
{
	return __atomic_load_n(&stats->held, __ATOMIC_RELAXED);
}
