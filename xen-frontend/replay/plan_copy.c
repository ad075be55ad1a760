/* SPDX-License-Identifier: MIT */
/*
 * Copies from and to pinned memory in a plan: by which bytes they are played, and whether what they leave is seen. What the guest
 * had there is known as of when a copy was taken.
 */
#include "xen-frontend/replay/plan_parts.h"

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/session_info.h"

struct copy {
	uint64_t dst, src, size;
	bool waits; /* for itself */
};

static bool copy_read(const struct vg_trace_command *command, struct copy *copy)
{
	const struct vg_trace_call *call = &command->call;
	union {
		struct vg_args_vgCopy plain;
		struct vg_args_vgCopyStage stage;
	} args;

	if (call->op == VG_OP_vgCopy && call->args == sizeof(args.plain)) {
		vg_trace_part_copy(command, VG_TRACE_ARGS, &args.plain);
		*copy = (struct copy){args.plain.dst, args.plain.src, args.plain.size,
				      args.plain.mode == VG_COPY_SYNC && !rp_is_async(call)};
		return true;
	}
	if (call->op == VG_OP_vgCopyStage && call->args == sizeof(args.stage)) {
		vg_trace_part_copy(command, VG_TRACE_ARGS, &args.stage);
		*copy = (struct copy){args.stage.dst, args.stage.src, args.stage.size, false};
		return true;
	}
	return false;
}

/* Bytes of its pinned memory that were recorded, from an address on without a gap. */
static bool memory_whole(const struct vg_trace_command *command, uint64_t address, uint64_t size)
{
	uint64_t end = address;

	for (uint32_t i = 0; i < command->count; i++) {
		const struct vg_trace_piece *piece = &command->pieces[i];

		if (piece->kind != VG_TRACE_MEMORY)
			continue;
		if (piece->offset != end)
			return false;
		end += piece->bytes;
	}
	return end - address == size;
}

static bool has_memory(const struct vg_trace_command *command)
{
	return command->count && command->pieces[command->count - 1].kind == VG_TRACE_MEMORY;
}

/*
 * Copies to pinned memory that may not have ended when the next copy from there was taken: what was recorded to lie there is older
 * than what that one found. `settled`: what was taken before had ended by now, since somebody had waited.
 */
#define PENDING_MAX 64u

struct pending {
	struct {
		uint64_t start, size, taken;
	} copies[PENDING_MAX];
	unsigned int next;
	uint64_t settled;
};

static void pending_add(struct pending *pending, const struct copy *copy, uint64_t taken)
{
	unsigned int at = pending->next++ % PENDING_MAX;

	pending->copies[at].start = copy->dst;
	pending->copies[at].size = copy->size;
	pending->copies[at].taken = taken;
}

static bool pending_writes(const struct pending *pending, uint64_t start, uint64_t size)
{
	for (unsigned int i = 0; i < vg_min(pending->next, PENDING_MAX); i++) {
		uint64_t other = pending->copies[i].start;

		if (pending->copies[i].taken >= pending->settled &&
		    (start - other < pending->copies[i].size || other - start < size))
			return true;
	}
	return false;
}

static bool is_wait(const struct vg_trace_command *command)
{
	struct copy copy;

	if (command->call.result || rp_is_async(&command->call))
		return false;
	switch (command->call.op) {
	case VG_OP_cuStreamSynchronize:
	case VG_OP_cuStreamQuery:
	case VG_OP_cuEventSynchronize:
	case VG_OP_cuEventQuery:
	case VG_OP_vgCtxSynchronize:
	case VG_OP_vgCopyOut: return true;
	default: return copy_read(command, &copy) && copy.waits;
	}
}

/* It was in one of the regions that there ever were. */
static bool is_pinned(const struct vg_trace_recorded *session, uint64_t address)
{
	for (size_t i = 0; i < session->shares_count; i++) {
		const struct vg_trace_share *share = &session->shares[i];

		if (share->head.type == VG_TRACE_REGION && share->open &&
		    address - share->address < share->bytes)
			return true;
	}
	return false;
}

static int copy_plan(const struct rp_plan *plan, struct rp_command *command,
		     struct pending *pending, char *text)
{
	const struct vg_trace_command *recorded = command->recorded;
	const struct vg_trace_call *call = &recorded->call;
	struct copy copy = {0};
	bool plain = copy_read(recorded, &copy);

	command->sees = plain && call->seen & VG_TRACE_COPIED && call->seen & VG_TRACE_SUMS &&
			copy.size;
	if (has_memory(recorded)) {
		command->puts = true;
		if (plain && pending_writes(pending, copy.src, copy.size))
			command->puts = false;
		else if (plain && !memory_whole(recorded, copy.src, copy.size))
			return rp_plan_refuse(text, call, "lacks a part of its pinned memory");
		else if (plain && !(call->seen & VG_TRACE_CAPTURED))
			command->way = RP_COPY_IN;
	}
	if (plain && !copy.waits && !(call->seen & VG_TRACE_COPIED) &&
	    is_pinned(plan->session, copy.dst))
		pending_add(pending, &copy, call->taken);
	return 0;
}

/* The waits among the commands, by when they were answered. */
int rp_plan_copies(struct rp_plan *plan, char *text)
{
	struct pending pending = {.next = 0};
	size_t waits = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->session->count; i++) {
		struct rp_command *command = rp_planned(plan, plan->session->by_time[i]);
		size_t until = rp_plan_answers(plan, RP_HOST, command->recorded->call.taken);

		for (; waits < until; waits++) {
			const struct vg_trace_command *answered =
				plan->by[RP_HOST].answers[waits]->recorded;

			if (is_wait(answered) && answered->call.taken > pending.settled)
				pending.settled = answered->call.taken;
		}
		if (command->way != RP_SKIP)
			rc = copy_plan(plan, command, &pending, text);
	}
	return rc;
}
