/* SPDX-License-Identifier: MIT */
/*
 * Of each device, the time in which at least one kernel runs, on any stream: added up where the executor wants it
 * (protocol/account.h), which other processes read. See busy.h.
 */
#include "dom0-executor/soft/busy.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/nvml.h"
#include "protocol/clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct busy {
	unsigned int running;
	uint64_t since;
	uint64_t *busy_ns, *busy_since; /* NULL: nobody wants to know */
} all[SOFT_DEVICES_MAX];

static bool counts(CUgraphNodeType node)
{
	return node == CU_GRAPH_NODE_TYPE_KERNEL || node == CU_GRAPH_NODE_TYPE_MEMSET;
}

void vg_soft_busy_at(unsigned int number, uint64_t *busy_ns, uint64_t *busy_since)
{
	if (number >= SOFT_DEVICES_MAX)
		return;
	pthread_mutex_lock(&lock);
	all[number].busy_ns = busy_ns;
	all[number].busy_since = busy_since;
	pthread_mutex_unlock(&lock);
}

void busy_begin(CUgraphNodeType node, const struct soft_device *device)
{
	struct busy *busy = &all[device->number];

	if (!counts(node))
		return;
	pthread_mutex_lock(&lock);
	if (busy->busy_ns && !busy->running++) {
		busy->since = vg_clock_ns();
		__atomic_store_n(busy->busy_since, busy->since, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
}

void busy_end(CUgraphNodeType node, const struct soft_device *device)
{
	struct busy *busy = &all[device->number];

	if (!counts(node))
		return;
	pthread_mutex_lock(&lock);
	if (busy->busy_ns && busy->running && !--busy->running) {
		/* Ended first: a reader between the two sees too little, never twice. */
		__atomic_store_n(busy->busy_since, 0, __ATOMIC_RELAXED);
		__atomic_add_fetch(busy->busy_ns, vg_clock_ns() - busy->since, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}
