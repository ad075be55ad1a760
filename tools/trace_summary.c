/* SPDX-License-Identifier: MIT */
/* vgpu trace --summary: where the time goes, by call and by the programs' threads. */
#include "tools/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/op_names.h"

#define SLOWEST 10u /* calls */
#define LANES   20u /* threads */

struct sum {
	uint64_t count, errors;
	uint64_t waited; /* ns that the program waited for answers */
	uint64_t stages[TRACE_STAGES];
};

static void sum_add(struct sum *sum, const struct trace_call *call)
{
	sum->count++;
	sum->errors += call->command->call.result != 0;
	sum->waited += trace_call_waits(call) ? trace_call_ns(call) : 0;
	for (int i = 0; i < TRACE_STAGES; i++)
		sum->stages[i] += trace_call_stage(call, (enum trace_stage)i);
}

/* Of one kind of call, or of a lane's: they stand together in the order, the quickest first. */
struct group {
	struct trace_call **calls;
	size_t count;
	struct sum sum;
};

/* --- by call --------------------------------------------------------------------------------------------- */

static int op_compare(const void *a, const void *b)
{
	const struct trace_call *x = *(struct trace_call *const *)a;
	const struct trace_call *y = *(struct trace_call *const *)b;
	uint64_t p = trace_call_ns(x), q = trace_call_ns(y);

	if (x->command->call.op != y->command->call.op)
		return (int)x->command->call.op - (int)y->command->call.op;
	return p < q ? -1 : p > q;
}

/* What it costs: the program's time, or where that does not wait the executor's. */
static uint64_t group_cost(const struct group *group)
{
	return group->sum.waited ? group->sum.waited : group->sum.stages[TRACE_RUN];
}

static int group_compare(const void *a, const void *b)
{
	uint64_t p = group_cost(a), q = group_cost(b);

	return p > q ? -1 : p < q;
}

/* That much of a group's calls took no longer. */
static double quantile_us(const struct group *group, size_t of_100)
{
	return (double)trace_call_ns(group->calls[(group->count - 1) * of_100 / 100]) / 1e3;
}

static void group_print(const struct group *group)
{
	printf("%-32s %9" PRIu64 " %7" PRIu64 " %11.3f",
	       vg_op_name(group->calls[0]->command->call.op), group->sum.count, group->sum.errors,
	       (double)group->sum.waited / 1e6);
	for (int i = 0; i < TRACE_STAGES; i++)
		printf(" %10.3f", (double)group->sum.stages[i] / 1e6);
	printf(" %10.1f %10.1f %10.1f\n", quantile_us(group, 50), quantile_us(group, 99),
	       quantile_us(group, 100));
}

static size_t groups_make(struct group *groups, struct trace_call **calls, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!i || calls[i]->command->call.op != calls[i - 1]->command->call.op)
			groups[n++] = (struct group){.calls = &calls[i]};
		groups[n - 1].count++;
		sum_add(&groups[n - 1].sum, calls[i]);
	}
	return n;
}

static void calls_head_print(void)
{
	printf("\n%-32s %9s %7s %11s", "call", "count", "errors", "waited ms");
	for (int i = 0; i < TRACE_STAGES; i++)
		printf(" %7s ms", trace_stage_names[i]);
	printf(" %10s %10s %10s\n", "median us", "p99 us", "max us");
}

static bool calls_summarize(struct trace_call **calls, size_t count)
{
	struct group *groups = calloc(count + 1, sizeof(*groups));
	size_t n;

	if (!groups)
		return false;
	qsort(calls, count, sizeof(struct trace_call *), op_compare);
	n = groups_make(groups, calls, count);
	qsort(groups, n, sizeof(*groups), group_compare);
	calls_head_print();
	for (size_t i = 0; i < n; i++)
		group_print(&groups[i]);
	free(groups);
	return true;
}

/* --- the slowest ------------------------------------------------------------------------------------------ */

static int slow_compare(const void *a, const void *b)
{
	uint64_t p = trace_call_ns(*(struct trace_call *const *)a);
	uint64_t q = trace_call_ns(*(struct trace_call *const *)b);

	return p > q ? -1 : p < q;
}

static void slowest_print(const struct trace_times *times, struct trace_call **calls, size_t count)
{
	qsort(calls, count, sizeof(struct trace_call *), slow_compare);
	printf("\nthe slowest: time, pid, lane and number, call\n");
	for (size_t i = 0; i < count && i < SLOWEST; i++)
		trace_call_print(times, calls[i]);
}

/* --- by thread --------------------------------------------------------------------------------------------- */

/* A lane's calls, which stand together. */
struct thread {
	const struct trace_call *first;
	uint64_t begin, end;
	uint64_t driver;  /* ns in the driver, asynchronous calls' as well */
	struct sum waits; /* of calls that the program waited for */
};

static void thread_add(struct thread *thread, const struct trace_call *call)
{
	if (!thread->first) {
		thread->first = call;
		thread->begin = trace_call_begin(call);
	}
	if (trace_call_begin(call) < thread->begin)
		thread->begin = trace_call_begin(call);
	if (trace_call_end(call) > thread->end)
		thread->end = trace_call_end(call);
	thread->driver += trace_call_stage(call, TRACE_RUN);
	if (trace_call_waits(call))
		sum_add(&thread->waits, call);
}

static bool same_thread(const struct trace_call *a, const struct trace_call *b)
{
	return a->session == b->session && a->command->call.head.lane == b->command->call.head.lane;
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 0;
}

static void thread_print(const struct thread *thread)
{
	uint64_t ns = thread->end - thread->begin;
	char name[96];

	printf("%-40s %4u %11.3f %6.1f%%",
	       trace_session_name(thread->first->session, name, sizeof(name)),
	       thread->first->command->call.head.lane, (double)ns / 1e6,
	       percent(ns > thread->waits.waited ? ns - thread->waits.waited : 0, ns));
	for (int i = 0; i < TRACE_STAGES; i++)
		printf(" %6.1f%%", percent(thread->waits.stages[i], ns));
	printf(" %8.1f%%\n", percent(thread->driver, ns));
}

static int thread_compare(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;
	uint64_t p = x->end - x->begin, q = y->end - y->begin;

	return p > q ? -1 : p < q;
}

static void threads_print(struct thread *threads, size_t count)
{
	printf("\n%-40s %4s %11s %7s", "where the programs' threads are", "lane", "ms", "own");
	for (int i = 0; i < TRACE_STAGES; i++)
		printf(" %7s", trace_stage_names[i]);
	printf(" %9s\n", "driver");
	qsort(threads, count, sizeof(*threads), thread_compare);
	for (size_t i = 0; i < count && i < LANES; i++)
		thread_print(&threads[i]);
	if (count > LANES)
		printf("and %zu more\n", count - LANES);
}

/* All calls, whatever the filter: it is about what is between them. */
static bool threads_summarize(const struct trace_times *times)
{
	struct thread *threads;
	size_t n = 0;

	for (size_t i = 0; i < times->count; i++)
		n += !i || !same_thread(&times->calls[i - 1], &times->calls[i]);
	threads = calloc(n + 1, sizeof(*threads));
	if (!threads)
		return false;
	n = 0;
	for (size_t i = 0; i < times->count; i++) {
		n += !i || !same_thread(&times->calls[i - 1], &times->calls[i]);
		thread_add(&threads[n - 1], &times->calls[i]);
	}
	threads_print(threads, n);
	free(threads);
	return true;
}

/* --- all of it ----------------------------------------------------------------------------------------------- */

static void total_print(const struct trace_times *times, size_t count)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < times->trace->count; i++)
		lost += times->trace->sessions[i].lost;
	printf("%zu sessions, %zu calls", times->trace->count, times->count);
	if (count != times->count)
		printf(", of which %zu are looked at", count);
	printf("; %" PRIu64 " records lost\n", lost);
}

bool trace_summary(const struct trace_times *times, const struct trace_filter *filter)
{
	struct trace_call **calls = calloc(times->count + 1, sizeof(struct trace_call *));
	size_t count = 0;
	bool rc;

	if (!calls)
		return false;
	for (size_t i = 0; i < times->count; i++)
		if (trace_filter_takes(filter, &times->calls[i]))
			calls[count++] = &times->calls[i];
	total_print(times, count);
	rc = calls_summarize(calls, count) && threads_summarize(times);
	if (rc)
		slowest_print(times, calls, count);
	free(calls);
	return rc;
}
