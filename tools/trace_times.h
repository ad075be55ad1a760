/* SPDX-License-Identifier: MIT */
/*
 * A recording's calls by one clock, the host's: each with the times of its stages.
 *
 *   called      taken      begun      done     answered       had
 *     |-- wait --|-- order --|-- run --|-- answer --|-- back --|
 */
#ifndef VGPU_TRACE_TIMES_H
#define VGPU_TRACE_TIMES_H

#include "protocol/trace_file.h"
#include "tools/trace_clock.h"

enum trace_stage {
	TRACE_WAIT,   /* being sent, and in the ring */
	TRACE_ORDER,  /* for other lanes' commands that come before */
	TRACE_RUN,    /* in the driver */
	TRACE_ANSWER, /* being answered */
	TRACE_BACK,   /* until the library has it */
	TRACE_STAGES,
};

extern const char *const trace_stage_names[TRACE_STAGES];

/* A call's moments, ns of the host's clock, none before the one before it; 0: not known. taken, begun and done always are. */
struct trace_call {
	const struct vg_trace_recorded *session;
	const struct vg_trace_command *command;
	uint64_t called, taken, begun, done, answered, had;
};

struct trace_times {
	const struct vg_trace *trace;
	struct trace_call *calls; /* owned; by session, lane, number */
	size_t count;
	struct trace_clock *clocks; /* owned; of each session */
};

/* False: no memory. */
bool trace_times_make(struct trace_times *times, const struct vg_trace *trace);
void trace_times_free(struct trace_times *times);

static inline uint64_t trace_call_begin(const struct trace_call *call)
{
	return call->called ? call->called : call->taken;
}

static inline uint64_t trace_call_end(const struct trace_call *call)
{
	return call->had ? call->had : call->answered ? call->answered : call->done;
}

/* From its begin to its end: what it took, as far as is known. */
static inline uint64_t trace_call_ns(const struct trace_call *call)
{
	return trace_call_end(call) - trace_call_begin(call);
}

/* Has an answer, which the program waits for. */
static inline bool trace_call_waits(const struct trace_call *call)
{
	return call->answered != 0;
}

/* 0 where it is not known. */
uint64_t trace_call_stage(const struct trace_call *call, enum trace_stage stage);

/* `name(arguments) = result {answer}` and what it carried, as far as they were recorded. Returns `text`. */
const char *trace_call_text(const struct trace_call *call, char *text, size_t room);

/* Bytes of a part that is all there, for the caller to free; NULL: it is not, or it is empty. */
void *trace_part_take(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
		      size_t size);

/* The same calls in the order in which they began; for the caller to free. NULL: no memory. */
struct trace_call **trace_times_order(const struct trace_times *times);

#endif
