/* SPDX-License-Identifier: MIT */
/* Counters. Any thread. */
#include "dom0-executor/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/clock.h"

static int page_map(struct ex_stats *stats, int fd)
{
	struct stat st;
	void *page;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof(struct vg_counters))
		return -EINVAL;
	page = mmap(NULL, sizeof(struct vg_counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	stats->page = page;
	stats->mapped = true;
	stats->fd = fd;
	return 0;
}

static void page_make(struct ex_stats *stats)
{
	struct vg_counters *counters = calloc(1, sizeof(*counters));

	/* Its first member, by which it is freed as well. */
	stats->page = (struct vg_stats *)counters;
}

int ex_stats_init(struct ex_stats *stats, int fd)
{
	int rc = 0;

	*stats = (struct ex_stats){.fd = -1};
	if (fd >= 0)
		rc = page_map(stats, fd);
	else
		page_make(stats);
	if (!stats->page)
		return rc ? rc : -ENOMEM;
	stats->page->version = VG_PROTOCOL_VERSION;
	__atomic_store_n(&stats->page->magic, VG_STATS_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

void ex_stats_dispose(struct ex_stats *stats)
{
	if (stats->mapped)
		munmap(stats->page, sizeof(struct vg_counters));
	else
		free(stats->page);
	stats->page = NULL;
	if (stats->fd >= 0)
		close(stats->fd);
	stats->fd = -1;
}

void ex_stats_took(struct ex_stats *stats, unsigned int op, uint64_t ns)
{
	struct vg_live *live = vg_live_of(stats->page);
	unsigned int log = ns ? 63u - (unsigned int)__builtin_clzll(ns) : 0;

	if (op < VG_STATS_OPS) {
		ex_stats_add(&live->op_ns[op], ns);
		ex_stats_add(&live->op_timed[op], 1);
	}
	ex_stats_add(&live->took[log < VG_LIVE_TOOK ? log : VG_LIVE_TOOK - 1], 1);
}

/* Commands after which the counts are added whatever else happens. */
#define TALLY_MOST 64u

static void tally_flush_op(struct ex_tally *tally, struct vg_stats *page, unsigned int i)
{
	if (tally->ops[i].count && tally->ops[i].op < VG_STATS_OPS)
		ex_stats_add(&page->ops[tally->ops[i].op], tally->ops[i].count);
	tally->ops[i].count = 0;
}

void ex_tally_flush(struct ex_tally *tally, struct ex_stats *stats)
{
	struct vg_stats *page = stats->page;

	if (!tally->commands && !tally->launches)
		return;
	ex_stats_add(&page->commands, tally->commands);
	ex_stats_add(&page->commands_async, tally->commands_async);
	ex_stats_add(&page->launches, tally->launches);
	__atomic_store_n(&page->last_op, tally->last_op, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < EX_TALLY_OPS; i++)
		tally_flush_op(tally, page, i);
	tally->commands = tally->commands_async = tally->launches = 0;
	ex_stats_set(&vg_live_of(page)->moved, vg_clock_coarse_ms());
}

void ex_tally_launches(struct ex_tally *tally, struct ex_stats *stats, unsigned int count)
{
	if (!__atomic_load_n(&stats->page->launches, __ATOMIC_RELAXED))
		ex_stats_add(&stats->page->launches, count);
	else
		tally->launches += count;
}

static void error_count(struct vg_stats *page, unsigned int op, int32_t result)
{
	ex_stats_add(&page->errors, 1);
	__atomic_store_n(&page->last_error, result, __ATOMIC_RELAXED);
	__atomic_store_n(&page->last_error_op, op, __ATOMIC_RELAXED);
	ex_stats_set(&vg_live_of(page)->failed, vg_clock_coarse_ms());
}

void ex_tally_command(struct ex_tally *tally, struct ex_stats *stats, unsigned int op, bool async,
		      int32_t result)
{
	unsigned int i = op % EX_TALLY_OPS;

	if (tally->ops[i].op != op) {
		tally_flush_op(tally, stats->page, i);
		tally->ops[i].op = op;
	}
	tally->ops[i].count++;
	tally->last_op = op;
	tally->commands++;
	if (async)
		tally->commands_async++;
	if (result)
		error_count(stats->page, op, result);
	if (tally->commands >= TALLY_MOST)
		ex_tally_flush(tally, stats);
}
