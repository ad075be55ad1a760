/* SPDX-License-Identifier: MIT */
/* Counters. Any thread. */
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

int ex_stats_init(struct ex_stats *stats, int fd)
{
	int rc = 0;

	*stats = (struct ex_stats){.fd = -1};
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
