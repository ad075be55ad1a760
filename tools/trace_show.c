/* SPDX-License-Identifier: MIT */
/* vgpu trace --show: a line a call, as strace does it. */
#include "tools/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/call_text.h"
#include "protocol/op_names.h"

/* Since the recording began, which a call may have done before. */
static double seconds_of(const struct trace_times *times, uint64_t at)
{
	return (double)(int64_t)(at - times->trace->head.monotonic) / 1e9;
}

static void stages_print(const struct trace_call *call)
{
	const bool known[TRACE_STAGES] = {call->called != 0, true, true, call->answered != 0,
					  call->had != 0};

	fputs(" <", stdout);
	for (int i = 0; i < TRACE_STAGES; i++)
		if (known[i])
			printf("%s %.1f ", trace_stage_names[i],
			       (double)trace_call_stage(call, (enum trace_stage)i) / 1e3);
	printf("= %.1f us>\n", (double)trace_call_ns(call) / 1e3);
}

void trace_call_print(const struct trace_times *times, const struct trace_call *call)
{
	const struct vg_trace_call *c = &call->command->call;
	char text[TRACE_LINE];

	printf("%13.6f %6u %3u:%-7" PRIu64 " %s", seconds_of(times, trace_call_begin(call)),
	       call->session->session.pid, c->head.lane, c->number,
	       trace_call_text(call, text, sizeof(text)));
	stages_print(call);
}

/* --- what stands above ---------------------------------------------------------------------------------- */

static void begin_print(const struct vg_trace *trace)
{
	time_t seconds = (time_t)(trace->head.realtime / 1000000000u);
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("# begun %s; times in seconds since then\n", text);
}

static void clock_print(const struct trace_clock *clock, bool here)
{
	if (here)
		printf("the host's");
	else if (!clock->count)
		printf("not known: no wait and no back");
	else if (clock->one_sided)
		printf("known by one side only: as if the fastest call had not waited");
	else
		printf("known to %.1f us", clock->unsure / 1e3);
	if (clock->count > 1)
		printf(", at worst %.1f, with %zu bends", clock->worst / 1e3, clock->count - 1);
	putchar('\n');
}

static void session_print(const struct trace_times *times, size_t i)
{
	const struct vg_trace_recorded *s = &times->trace->sessions[i];
	char name[96];

	printf("# %s, ", trace_session_name(s, name, sizeof(name)));
	if (s->session.session >= 0)
		printf("session %d, ", s->session.session);
	printf("executor %u: %s%s, %zu calls%s", s->session.head.executor,
	       s->session.flags & VG_TRACE_WHOLE ? "whole" : "from its middle",
	       s->session.flags & VG_TRACE_DATA ? ", with data" : "", s->count,
	       s->ended ? "" : ", not to its end");
	if (s->lost)
		printf(", %" PRIu64 " records lost", s->lost);
	printf("; the guest's clock: ");
	clock_print(&times->clocks[i], s->session.domid < 0);
}

/* --- what stands below ---------------------------------------------------------------------------------- */

static void unfinished_print(const struct vg_trace_recorded *s,
			     const struct vg_trace_command *command)
{
	const struct vg_trace_call *c = &command->call;
	void *args = trace_part_take(command, VG_TRACE_ARGS, c->args);
	const struct vg_call_bytes bytes = {
		.op = c->op, .args = args, .args_size = args ? c->args : 0};
	char text[TRACE_LINE];

	vg_call_args(&bytes, text, sizeof(text));
	printf("# not back when the recording ended: %u %u:%" PRIu64 " %s(%s)\n", s->session.pid,
	       c->head.lane, c->number, vg_op_name(c->op), text);
	free(args);
}

/* Commands whose arguments are there, which come first, but not their end. */
static void unfinished_show(const struct vg_trace_recorded *s)
{
	for (size_t i = 0; i < s->unfinished_count; i++)
		if (s->unfinished[i].pieces->kind == VG_TRACE_ARGS)
			unfinished_print(s, &s->unfinished[i]);
}

bool trace_show(const struct trace_times *times, const struct trace_filter *filter)
{
	struct trace_call **order = trace_times_order(times);

	if (!order)
		return false;
	begin_print(times->trace);
	for (size_t i = 0; i < times->trace->count; i++)
		session_print(times, i);
	if (times->trace->cut)
		puts("# the file's last record is not all there");
	printf("#%12s %6s %3s:%-7s %s\n", "time", "pid", "lane", "number", "call <stages in us>");
	for (size_t i = 0; i < times->count; i++)
		if (trace_filter_takes(filter, order[i]))
			trace_call_print(times, order[i]);
	for (size_t i = 0; i < times->trace->count; i++)
		unfinished_show(&times->trace->sessions[i]);
	free(order);
	return true;
}
