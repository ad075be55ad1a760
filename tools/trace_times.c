/* SPDX-License-Identifier: MIT */
/* See trace_times.h. */
#include "tools/trace_times.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/call_text.h"
#include "protocol/wire.h"

const char *const trace_stage_names[TRACE_STAGES] = {"wait", "order", "run", "answer", "back"};

/* What a guest says lies further off from the recording is not believed. */
#define FAR_NS 60000000000u
/* Numbers of a lane's calls are at most so far apart: each has a vgStamp before it, and perhaps a vgAfter. */
#define NEXT 3u

/* Times as they were said, the guest's still by its own clock; `had` brought to the call that it is of. */
static void calls_take(struct trace_call *calls, const struct vg_trace_recorded *session)
{
	struct trace_call *answered = NULL;

	for (size_t i = 0; i < session->count; i++) {
		const struct vg_trace_call *c = &session->commands[i].call;
		const struct vg_trace_call *before = i ? &session->commands[i - 1].call : NULL;

		if (!before || before->head.lane != c->head.lane ||
		    c->number - before->number > NEXT)
			answered = NULL; /* it is another's */
		if (answered && c->had) {
			answered->had = c->had;
			answered = NULL;
		}
		calls[i] = (struct trace_call){.session = session,
					       .command = &session->commands[i],
					       .called = c->called,
					       .taken = c->taken,
					       .begun = c->begun,
					       .done = c->done,
					       .answered = c->answered};
		if (c->answered)
			answered = &calls[i];
	}
}

/*
 * When nothing of the answer had gone out yet: the guest may have all of it before the executor looks at its clock again. A
 * bulk part goes out while the call runs.
 */
static uint64_t sent_after(const struct trace_call *call)
{
	return call->command->call.answer_bulk ? call->begun : call->done;
}

static size_t bounds_gather(const struct trace_call *calls, size_t count,
			    struct trace_bound *bounds)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct trace_call *c = &calls[i];

		if (c->called && c->taken)
			bounds[n++] = (struct trace_bound){
				.at = c->taken, .offset = c->taken - c->called, .upper = true};
		if (c->had)
			bounds[n++] = (struct trace_bound){.at = sent_after(c),
							   .offset = sent_after(c) - c->had};
	}
	return n;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* From the times that there are to times one after the other. */
static void call_straighten(struct trace_call *c, const struct trace_clock *clock)
{
	uint64_t called = trace_clock_host(clock, c->called, c->taken);
	uint64_t had = trace_clock_host(clock, c->had, c->done);

	c->taken = c->taken ? c->taken : c->begun ? c->begun : c->done;
	c->begun = later(c->begun, c->taken);
	c->done = later(c->done, c->begun);
	if (c->called)
		c->called = called > c->taken ? c->taken : c->taken - called < FAR_NS ? called : 0;
	if (c->had)
		c->had = had < c->done ? c->done : had - c->done < FAR_NS ? had : 0;
	if (c->answered)
		c->answered = later(c->answered, c->done);
	if (c->had && c->answered > c->had)
		c->answered = c->had;
}

static bool session_make(struct trace_call *calls, const struct vg_trace_recorded *session,
			 struct trace_clock *clock)
{
	struct trace_bound *bounds = calloc(session->count * 2 + 1, sizeof(*bounds));
	bool here = session->session.domid < 0; /* the program had the host's clock */
	bool rc;

	if (!bounds)
		return false;
	calls_take(calls, session);
	rc = trace_clock_fit(clock, bounds,
			     here ? 0 : bounds_gather(calls, session->count, bounds));
	free(bounds);
	for (size_t i = 0; rc && i < session->count; i++)
		call_straighten(&calls[i], clock);
	return rc;
}

bool trace_times_make(struct trace_times *times, const struct vg_trace *trace)
{
	size_t count = 0;
	bool rc = true;

	for (size_t i = 0; i < trace->count; i++)
		count += trace->sessions[i].count;
	*times = (struct trace_times){.trace = trace};
	times->calls = calloc(count + 1, sizeof(*times->calls));
	times->clocks = calloc(trace->count + 1, sizeof(*times->clocks));
	if (!times->calls || !times->clocks)
		rc = false;
	for (size_t i = 0; rc && i < trace->count; i++) {
		rc = session_make(times->calls + times->count, &trace->sessions[i],
				  &times->clocks[i]);
		times->count += trace->sessions[i].count;
	}
	if (!rc)
		trace_times_free(times);
	return rc;
}

void trace_times_free(struct trace_times *times)
{
	for (size_t i = 0; times->clocks && i < times->trace->count; i++)
		trace_clock_free(&times->clocks[i]);
	free(times->clocks);
	free(times->calls);
	*times = (struct trace_times){0};
}

uint64_t trace_call_stage(const struct trace_call *call, enum trace_stage stage)
{
	switch (stage) {
	case TRACE_WAIT: return call->called ? call->taken - call->called : 0;
	case TRACE_ORDER: return call->begun - call->taken;
	case TRACE_RUN: return call->done - call->begun;
	case TRACE_ANSWER: return call->answered ? call->answered - call->done : 0;
	case TRACE_BACK: return call->had ? call->had - call->answered : 0;
	default: return 0;
	}
}

void *trace_part_take(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
		      size_t size)
{
	void *bytes = size && (command->whole & 1u << kind) ? malloc(size) : NULL;

	if (bytes)
		vg_trace_part_copy(command, kind, bytes);
	return bytes;
}

const char *trace_call_text(const struct trace_call *call, char *text, size_t room)
{
	static const uint8_t none[8];
	const struct vg_trace_command *command = call->command;
	const struct vg_trace_call *c = &command->call;
	const uint32_t *sum = c->seen & VG_TRACE_SUMS ? &c->bulk_sum : NULL;
	void *args = trace_part_take(command, VG_TRACE_ARGS, c->args);
	void *answer = trace_part_take(command, VG_TRACE_ANSWER, c->answer);
	const struct vg_call_bytes bytes = {.op = c->op,
					    .args = c->args ? args : none,
					    .args_size = args ? c->args : 0,
					    .reply = answer,
					    .reply_size = answer ? c->answer : 0};
	size_t used = vg_call_line(&bytes, c->result, text, room);

	vg_call_bulk("in", c->bulk, sum, text + used, room - used);
	used += strlen(text + used);
	vg_call_bulk("out", c->answer_bulk, sum ? &c->answer_bulk_sum : NULL, text + used,
		     room - used);
	free(args);
	free(answer);
	return text;
}

static int begin_compare(const void *a, const void *b)
{
	const struct trace_call *x = *(struct trace_call *const *)a;
	const struct trace_call *y = *(struct trace_call *const *)b;
	uint64_t p = trace_call_begin(x), q = trace_call_begin(y);

	return p != q ? (p < q ? -1 : 1) : x < y ? -1 : x > y;
}

struct trace_call **trace_times_order(const struct trace_times *times)
{
	struct trace_call **order = calloc(times->count + 1, sizeof(struct trace_call *));

	for (size_t i = 0; order && i < times->count; i++)
		order[i] = &times->calls[i];
	if (order)
		qsort(order, times->count, sizeof(struct trace_call *), begin_compare);
	return order;
}
