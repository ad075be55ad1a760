/* SPDX-License-Identifier: MIT */
/*
 * The time in which at least one kernel runs, on any stream: added up where the executor wants it
 * (protocol/account.h), which other processes read. See busy.h.
 */
#include "dom0-executor/soft/busy.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dom0-executor/soft/nvml.h"
#include "protocol/clock.h"

static struct {
	pthread_mutex_t lock;
	unsigned int running;
	uint64_t since;
	uint64_t *busy_ns, *busy_since; /* NULL: nobody wants to know */
} busy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool counts(CUgraphNodeType node)
{
	return node == CU_GRAPH_NODE_TYPE_KERNEL || node == CU_GRAPH_NODE_TYPE_MEMSET;
}

void vg_soft_busy_at(uint64_t *busy_ns, uint64_t *busy_since)
{
	pthread_mutex_lock(&busy.lock);
	busy.busy_ns = busy_ns;
	busy.busy_since = busy_since;
	pthread_mutex_unlock(&busy.lock);
}

void busy_begin(CUgraphNodeType node)
{
	if (!counts(node))
		return;
	pthread_mutex_lock(&busy.lock);
	if (busy.busy_ns && !busy.running++) {
		busy.since = vg_clock_ns();
		__atomic_store_n(busy.busy_since, busy.since, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&busy.lock);
}

void busy_end(CUgraphNodeType node)
{
	if (!counts(node))
		return;
	pthread_mutex_lock(&busy.lock);
	if (busy.busy_ns && busy.running && !--busy.running) {
		/* Ended first: a reader between the two sees too little, never twice. */
		__atomic_store_n(busy.busy_since, 0, __ATOMIC_RELAXED);
		__atomic_add_fetch(busy.busy_ns, vg_clock_ns() - busy.since, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&busy.lock);
}
