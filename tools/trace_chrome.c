/* SPDX-License-Identifier: MIT */
/*
 * vgpu trace --chrome: events as chrome://tracing and Perfetto load them, written as they come. A session is a process, a
 * lane two threads: the program's, where a call lasts until its answer is there (or, if it has none, until it is taken or the
 * next one is sent), and the executor's, where it lasts from being taken to being answered; an arrow leads from one to the
 * other. In each thread slices lie in each other or one after the other, and in the order of time, whatever a recording says.
 */
#include "tools/trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "protocol/errors.h"
#include "protocol/op_names.h"

struct writer {
	const struct trace_filter *filter;
	uint64_t zero; /* the time of the first */
	uint64_t flow; /* number of the last arrow */
	bool comma;
	unsigned int process, lane;
	uint64_t program, executor; /* until when the lane's threads are written */
};

enum {
	PROGRAM = 0,
	EXECUTOR = 1
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The event's first members; the caller writes the rest and its end. */
static void event_begin(struct writer *w, const char *phase, unsigned int side)
{
	printf("%s\n{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u", w->comma ? "," : "", phase, w->process,
	       w->lane * 2 + side + 1);
	w->comma = true;
}

/* Microseconds, to the nanosecond. */
static void time_put(const char *key, uint64_t ns)
{
	printf(",\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned int)(ns % 1000));
}

static void name_event(struct writer *w, unsigned int side, const char *what, const char *name)
{
	event_begin(w, "M", side);
	printf(",\"name\":\"%s\",\"args\":{\"name\":\"%s\"}}", what, name);
}

static void lane_names(struct writer *w)
{
	static const char *const sides[] = {"program", "executor"};
	char name[48];

	for (unsigned int side = PROGRAM; side <= EXECUTOR; side++) {
		snprintf(name, sizeof(name), "lane %u: %s", w->lane, sides[side]);
		name_event(w, side, "thread_name", name);
		event_begin(w, "M", side);
		printf(",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}}",
		       w->lane * 2 + side);
	}
}

static void slice_begin(struct writer *w, unsigned int side, const char *name, const char *category,
			uint64_t begin, uint64_t end)
{
	event_begin(w, "X", side);
	printf(",\"name\":\"%s\",\"cat\":\"%s\"", name, category);
	time_put("ts", begin - w->zero);
	time_put("dur", end - begin);
}

/* Ends the slice's event. The arguments stand once, at the executor's: they are most of the file. */
static void call_args(const struct trace_call *call, unsigned int side)
{
	const struct vg_trace_call *c = &call->command->call;
	const char *result = vg_error_name(c->result);
	char text[TRACE_LINE];

	if (c->result)
		fputs(",\"cname\":\"terrible\"", stdout);
	printf(",\"args\":{\"number\":%" PRIu64 ",\"result\":\"%s\"", c->number,
	       result ? result : "?");
	if (side == EXECUTOR)
		printf(",\"call\":\"%s\",\"bytes in\":%" PRIu64 ",\"bytes out\":%" PRIu64,
		       trace_call_text(call, text, sizeof(text)), c->bulk, c->answer_bulk);
	for (int i = 0; i < TRACE_STAGES && side == EXECUTOR; i++)
		printf(",\"%s us\":%.3f", trace_stage_names[i],
		       (double)trace_call_stage(call, (enum trace_stage)i) / 1e3);
	fputs("}}", stdout);
}

/* A stage within the call's slice, if it took any time. */
static void stage_slice(struct writer *w, unsigned int side, const char *name, uint64_t begin,
			uint64_t end)
{
	if (end <= begin)
		return;
	slice_begin(w, side, name, "stage", begin, end);
	putchar('}');
}

static void arrow(struct writer *w, unsigned int side, uint64_t at)
{
	event_begin(w, side == PROGRAM ? "s" : "f", side);
	printf(",\"name\":\"sent\",\"cat\":\"sent\",\"id\":%" PRIu64 "%s", w->flow,
	       side == PROGRAM ? "" : ",\"bp\":\"e\"");
	time_put("ts", at - w->zero);
	putchar('}');
}

/* next: the lane's next call; NULL: there is none. */
static void program_slices(struct writer *w, const struct trace_call *call,
			   const struct trace_call *next)
{
	uint64_t begin = later(call->called, w->program), end = trace_call_end(call);

	if (!trace_call_waits(call))
		end = next && next->called ? earlier(call->taken, next->called) : call->taken;
	end = later(end, begin);
	slice_begin(w, PROGRAM, vg_op_name(call->command->call.op),
		    trace_call_waits(call) ? "call" : "async", begin, end);
	call_args(call, PROGRAM);
	arrow(w, PROGRAM, begin);
	if (trace_call_waits(call)) {
		uint64_t taken = later(call->taken, begin), answered = later(call->answered, begin);

		stage_slice(w, PROGRAM, "in the ring", begin, earlier(taken, end));
		stage_slice(w, PROGRAM, "executor", taken, earlier(answered, end));
		stage_slice(w, PROGRAM, "back", answered, end);
	}
	w->program = end;
}

static void executor_slices(struct writer *w, const struct trace_call *call)
{
	uint64_t taken = later(call->taken, w->executor);
	uint64_t begun = later(call->begun, taken), done = later(call->done, begun);
	uint64_t end = later(call->answered ? call->answered : call->done, done);

	slice_begin(w, EXECUTOR, vg_op_name(call->command->call.op), "executor", taken, end);
	call_args(call, EXECUTOR);
	if (call->called)
		arrow(w, EXECUTOR, taken);
	stage_slice(w, EXECUTOR, "order", taken, begun);
	stage_slice(w, EXECUTOR, "driver", begun, done);
	stage_slice(w, EXECUTOR, "answer", done, end);
	w->executor = end;
}

static void session_name(struct writer *w, const struct vg_trace_recorded *session)
{
	char name[96];

	name_event(w, PROGRAM, "process_name", trace_session_name(session, name, sizeof(name)));
}

static void calls_write(struct writer *w, const struct trace_times *times)
{
	const struct trace_call *last = NULL;

	for (size_t i = 0; i < times->count; i++) {
		const struct trace_call *c = &times->calls[i], *next = c + 1;
		unsigned int lane = c->command->call.head.lane;
		bool same = i + 1 < times->count && next->session == c->session &&
			    next->command->call.head.lane == lane;

		if (!trace_filter_takes(w->filter, c))
			continue;
		w->process = (unsigned int)(c->session - times->trace->sessions) + 1;
		w->lane = lane;
		if (!last || last->session != c->session)
			session_name(w, c->session);
		if (!last || last->session != c->session || last->command->call.head.lane != lane) {
			lane_names(w);
			w->program = w->executor = 0;
		}
		last = c;
		w->flow++;
		if (c->called)
			program_slices(w, c, same ? next : NULL);
		executor_slices(w, c);
	}
}

static uint64_t first_begin(const struct trace_times *times)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < times->count; i++)
		first = earlier(first, trace_call_begin(&times->calls[i]));
	return first;
}

bool trace_chrome(const struct trace_times *times, const struct trace_filter *filter)
{
	struct writer w = {.filter = filter, .zero = first_begin(times)};

	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", stdout);
	calls_write(&w, times);
	puts("\n]}");
	return true;
}
