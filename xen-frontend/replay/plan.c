/* SPDX-License-Identifier: MIT */
/* See plan.h. The recording is a file's: times, numbers and sizes are checked against each other before they are used. */
#include "xen-frontend/replay/plan_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/cuda_types.h"
#include "protocol/op_names.h"

int rp_plan_refuse(char *text, const struct vg_trace_call *call, const char *why)
{
	return vg_trace_refuse(text, "command %" PRIu64 " of lane %u (%s) %s", call->number,
			       call->head.lane, vg_op_name(call->op), why);
}

/* --- one command ---------------------------------------------------------------------------------- */

/*
 * Since when the program may have had the answer, by the host's clock. What is written down is when the call had returned; but
 * a bulk part goes as it is made, and who has it may go on before that is written.
 */
static uint64_t end_of(const struct vg_trace_call *call)
{
	uint64_t end = vg_min(call->done, call->answered);

	return call->answer_bulk ? vg_min(end, vg_max(call->begun, call->taken)) : end;
}

static int command_check(const struct vg_trace_command *command, char *text)
{
	const struct vg_trace_call *call = &command->call;

	if (call->op >= VG_OP_END || !call->op)
		return vg_trace_refuse(text, "lane %u has a command with the unknown number %u",
				       call->head.lane, call->op);
	if (call->args > VG_ARGS_MAX || !(command->whole & 1u << VG_TRACE_ARGS))
		return rp_plan_refuse(text, call, "lacks its arguments");
	if (!(command->whole & 1u << VG_TRACE_BULK))
		return rp_plan_refuse(text, call, "lacks the data that it carried");
	if (!rp_is_async(call) && end_of(call) < call->taken)
		return rp_plan_refuse(text, call, "was answered before it was sent");
	return 0;
}

/* What the executor and the library do for themselves. */
static bool is_skipped(unsigned int op)
{
	return op == VG_OP_vgHostFuncWait || op == VG_OP_vgHostFuncDone || op == VG_OP_vgStamp;
}

static bool needs_host_funcs(unsigned int op)
{
	switch (op) {
	case VG_OP_vgHostFunc:
	case VG_OP_vgHostFuncWait:
	case VG_OP_vgUserObjectCreate:
	case VG_OP_vgGraphNodeAdd:
	case VG_OP_vgGraphNodeSet:
	case VG_OP_vgGraphExecNodeSet: return true;
	default: return false;
	}
}

/* Who saw that something was done came after it, however he found out: asked now, it may take longer. */
static uint16_t op_played(const struct vg_trace_call *call)
{
	if (call->op == VG_OP_cuStreamQuery && !call->result)
		return VG_OP_cuStreamSynchronize;
	if (call->op == VG_OP_cuEventQuery && !call->result)
		return VG_OP_cuEventSynchronize;
	return call->op;
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int session_check(const struct vg_trace_recorded *session, char *text)
{
	if (!(session->session.flags & VG_TRACE_WHOLE))
		return vg_trace_refuse(
			text, "it was not recorded from its beginning: begin to record before "
			      "the program is started");
	if (!(session->session.flags & VG_TRACE_DATA))
		return vg_trace_refuse(
			text, "it was recorded without what its calls carry: record with --data "
			      "(vgpu-run: --trace-data)");
	if (session->lost)
		return vg_trace_refuse(text,
				       "%" PRIu64
				       " of its records were lost: record to a faster disk, or "
				       "a shorter run",
				       session->lost);
	if (!session->count)
		return vg_trace_refuse(text, "it has no commands");
	return 0;
}

/* Per lane, in the order of numbers: ways, numbers, and times that only grow. */
static int lane_plan(struct rp_plan *plan, uint32_t lane, char *text)
{
	uint64_t number = 0, last = 0;

	for (size_t i = plan->lane_begin[lane]; i < plan->lane_end[lane]; i++) {
		struct rp_command *command = &plan->commands[i];
		const struct vg_trace_call *call = &command->recorded->call;

		if (call->taken < last)
			return rp_plan_refuse(text, call, "was taken before the one before it");
		last = rp_is_async(call) ? call->taken : end_of(call);
		command->number = number;
		if (command->way == RP_SKIP)
			continue;
		command->number = ++number;
		number += command->sees;
		plan->lane_plays[lane] = true;
		plan->sent++;
	}
	return 0;
}

static void lanes_find(struct rp_plan *plan)
{
	const struct vg_trace_recorded *session = plan->session;

	for (size_t i = 0; i < session->count; i++) {
		uint32_t lane = session->commands[i].call.head.lane;

		if (!plan->lane_end[lane])
			plan->lane_begin[lane] = i;
		plan->lane_end[lane] = i + 1;
	}
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* --- answers in order ------------------------------------------------------------------------------ */

/*
 * The stamps of a lane: each says when the program called, and when it had had the answer before. They are the guest's words; in
 * a lane they can only grow. False: they do not.
 */
static bool lane_stamps(struct rp_plan *plan, uint32_t lane)
{
	size_t asked = SIZE_MAX; /* the last that has an answer, and none had it yet */
	uint64_t last = 0;

	for (size_t i = plan->lane_begin[lane]; i < plan->lane_end[lane]; i++) {
		const struct vg_trace_call *call = &plan->session->commands[i].call;

		if (call->called) {
			if (call->called < last || call->had > call->called)
				return false;
			if (asked != SIZE_MAX && call->had &&
			    call->had < plan->commands[asked].called)
				return false;
			if (asked != SIZE_MAX)
				plan->commands[asked].had = call->had;
			asked = SIZE_MAX;
			last = plan->commands[i].called = call->called;
		}
		if (!rp_is_async(call))
			asked = i;
	}
	return true;
}

/* What goes before a command to wait for others is sent when that is called. */
static void lane_stamps_before(struct rp_plan *plan, uint32_t lane)
{
	uint64_t next = 0;

	for (size_t i = plan->lane_end[lane]; i > plan->lane_begin[lane]; i--) {
		struct rp_command *command = &plan->commands[i - 1];

		if (command->op == VG_OP_vgAfter)
			command->called = next;
		next = command->called;
	}
}

static void stamps_take(struct rp_plan *plan)
{
	bool sound = true;

	for (uint32_t lane = 0; lane < VG_LANES_MAX; lane++) {
		sound = sound && lane_stamps(plan, lane);
		lane_stamps_before(plan, lane);
	}
	for (size_t i = 0; !sound && i < plan->session->count; i++)
		plan->commands[i].called = plan->commands[i].had = 0;
}

static uint64_t host_time(const struct rp_command *command)
{
	return end_of(&command->recorded->call);
}

static int host_compare(const void *left, const void *right)
{
	const struct rp_command *a = *(struct rp_command *const *)left;
	const struct rp_command *b = *(struct rp_command *const *)right;
	uint64_t at = host_time(a), other = host_time(b);

	return at != other ? COMPARE(at, other) : COMPARE(a, b);
}

static int guest_compare(const void *left, const void *right)
{
	const struct rp_command *a = *(struct rp_command *const *)left;
	const struct rp_command *b = *(struct rp_command *const *)right;

	return a->had != b->had ? COMPARE(a->had, b->had) : COMPARE(a, b);
}

static bool is_in(const struct rp_command *command, enum rp_clock clock)
{
	return clock == RP_HOST || (clock == RP_GUEST) == (command->had != 0);
}

static int answers_order(struct rp_plan *plan, enum rp_clock clock)
{
	struct rp_command **answers = calloc(plan->session->count, sizeof(struct rp_command *));
	size_t count = 0;

	plan->by[clock].answers = answers;
	if (!answers)
		return -ENOMEM;
	for (size_t i = 0; i < plan->session->count; i++) {
		struct rp_command *command = &plan->commands[i];

		command->rank[clock] = SIZE_MAX;
		if (command->way != RP_SKIP && !rp_is_async(&command->recorded->call) &&
		    is_in(command, clock))
			answers[count++] = command;
	}
	if (count)
		qsort(answers, count, sizeof(struct rp_command *),
		      clock == RP_GUEST ? guest_compare : host_compare);
	for (size_t i = 0; i < count; i++)
		answers[i]->rank[clock] = i;
	plan->by[clock].count = count;
	return 0;
}

/* How many answers there were by then. */
size_t rp_plan_answers(const struct rp_plan *plan, enum rp_clock clock, uint64_t time)
{
	size_t low = 0, high = plan->by[clock].count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rp_command *answer = plan->by[clock].answers[middle];

		if ((clock == RP_GUEST ? answer->had : host_time(answer)) <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void needs_find(const struct rp_plan *plan, struct rp_command *command)
{
	uint64_t taken = command->recorded->call.taken;

	if (command->called) {
		command->needs[RP_GUEST] = rp_plan_answers(plan, RP_GUEST, command->called);
		command->needs[RP_REST] = rp_plan_answers(plan, RP_REST, taken);
	} else {
		command->needs[RP_HOST] = rp_plan_answers(plan, RP_HOST, taken);
	}
}

static int answers_find(struct rp_plan *plan, char *text)
{
	stamps_take(plan);
	for (enum rp_clock clock = 0; clock < RP_CLOCKS; clock++) {
		if (answers_order(plan, clock)) {
			vg_trace_refuse(text, "no memory for a plan");
			return -ENOMEM;
		}
	}
	return 0;
}

/* --- shares ---------------------------------------------------------------------------------------- */

/* By time; what came first in the file where that is the same. */
static int events_compare(const void *left, const void *right)
{
	const struct rp_event *a = left, *b = right;

	return a->share->at != b->share->at ? COMPARE(a->share->at, b->share->at)
					    : COMPARE(a->share, b->share);
}

/* The first command of a lane that was taken later. */
static size_t lane_until(const struct rp_plan *plan, uint32_t lane, uint64_t time)
{
	size_t low = plan->lane_begin[lane], high = plan->lane_end[lane];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plan->session->commands[middle].call.taken <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Shares of lanes in which nothing is played are left out. */
static int events_find(struct rp_plan *plan, char *text)
{
	const struct vg_trace_recorded *session = plan->session;

	plan->events = calloc(session->shares_count + 1, sizeof(*plan->events));
	if (!plan->events) {
		vg_trace_refuse(text, "no memory for a plan");
		return -ENOMEM;
	}
	for (size_t i = 0; i < session->shares_count; i++) {
		const struct vg_trace_share *share = &session->shares[i];

		if (share->head.type != VG_TRACE_LANE || plan->lane_plays[share->head.lane])
			plan->events[plan->events_count++].share = share;
	}
	qsort(plan->events, plan->events_count, sizeof(*plan->events), events_compare);
	for (size_t i = 0; i < plan->events_count; i++) {
		struct rp_event *event = &plan->events[i];

		event->needs = rp_plan_answers(plan, RP_HOST, event->share->at);
		if (event->share->head.type == VG_TRACE_LANE)
			event->lane_end =
				lane_until(plan, event->share->head.lane, event->share->at);
	}
	return 0;
}

/* In the order in which they were taken: copies, and what each command comes after. */
static int times_plan(struct rp_plan *plan, char *text)
{
	bool open[VG_LANES_MAX] = {false};
	size_t events = 0;

	for (size_t i = 0; i < plan->session->count; i++) {
		struct rp_command *command = rp_planned(plan, plan->session->by_time[i]);
		const struct vg_trace_call *call = &command->recorded->call;

		if (command->way == RP_SKIP)
			continue;
		needs_find(plan, command);
		for (; events < plan->events_count && plan->events[events].share->at <= call->taken;
		     events++) {
			const struct vg_trace_share *share = plan->events[events].share;

			if (share->head.type == VG_TRACE_LANE)
				open[share->head.lane] = share->open;
		}
		command->events = events;
		if (!open[call->head.lane])
			return rp_plan_refuse(text, call, "is in a lane that was not open");
	}
	return 0;
}

static int commands_begin(struct rp_plan *plan, char *text)
{
	const struct vg_trace_recorded *session = plan->session;
	uint64_t first = UINT64_MAX, last = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < session->count; i++) {
		const struct vg_trace_call *call = &session->commands[i].call;

		rc = command_check(&session->commands[i], text);
		plan->commands[i].recorded = &session->commands[i];
		plan->commands[i].op = op_played(call);
		plan->commands[i].way = is_skipped(call->op) ? RP_SKIP : RP_SEND;
		plan->host_funcs = plan->host_funcs || needs_host_funcs(call->op);
		first = vg_min(first, call->taken);
		last = vg_max(last, vg_max(call->done, call->answered));
	}
	plan->span_ns = last > first ? last - first : 0;
	return rc;
}

static int plan_fill(struct rp_plan *plan, char *text)
{
	int rc = commands_begin(plan, text);

	lanes_find(plan);
	if (rc == 0)
		rc = answers_find(plan, text);
	if (rc == 0)
		rc = rp_plan_copies(plan, text);
	for (uint32_t lane = 0; rc == 0 && lane < VG_LANES_MAX; lane++)
		rc = lane_plan(plan, lane, text);
	if (rc == 0)
		rc = events_find(plan, text);
	if (rc == 0)
		rc = times_plan(plan, text);
	return rc;
}

int rp_plan_make(struct rp_plan *plan, const struct vg_trace_recorded *session, char *text)
{
	int rc = session_check(session, text);

	*plan = (struct rp_plan){.session = session};
	if (rc)
		return rc;
	plan->commands = calloc(session->count, sizeof(*plan->commands));
	if (!plan->commands) {
		vg_trace_refuse(text, "no memory for a plan");
		return -ENOMEM;
	}
	rc = plan_fill(plan, text);
	if (rc)
		rp_plan_dispose(plan);
	return rc;
}

void rp_plan_dispose(struct rp_plan *plan)
{
	free(plan->commands);
	for (unsigned int i = 0; i < RP_CLOCKS; i++)
		free(plan->by[i].answers);
	free(plan->events);
	*plan = (struct rp_plan){0};
}

uint64_t rp_plan_after(const struct rp_plan *plan, uint64_t after)
{
	uint64_t number = vg_after_number(after);
	int lane = vg_after_lane(after);
	size_t low, high;

	if (lane < 0 || lane >= (int)VG_LANES_MAX)
		return 0;
	low = plan->lane_begin[lane];
	high = plan->lane_end[lane];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plan->session->commands[middle].call.number <= number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == plan->lane_begin[lane] || !plan->commands[low - 1].number)
		return 0;
	return vg_after((uint32_t)lane, plan->commands[low - 1].number);
}
