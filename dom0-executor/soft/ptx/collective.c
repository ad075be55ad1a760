/* SPDX-License-Identifier: MIT */
/*
 * What the lanes of a warp do together. Lanes are fibers, so they meet: a lane that comes first waits; the one that
 * completes its mask computes everybody's result. Lanes that have ended do not count. One OS thread.
 */
#include "sched.h"

static struct ptx_thread *lane_of(struct ptx_block *block, uint32_t warp, uint32_t lane)
{
	return &block->threads[warp * 32 + lane];
}

/* True where all living lanes of t's mask wait in the same operation. */
static bool mask_complete(struct ptx_block *block, const struct ptx_thread *t)
{
	uint32_t need = t->op_mask & block->warps[t->warp].alive;

	if (need & ~block->warps[t->warp].at_op)
		return false;

	for (uint32_t rest = need; rest; rest &= rest - 1) {
		const struct ptx_thread *other =
			lane_of(block, t->warp, (uint32_t)__builtin_ctz(rest));

		if (other->op_mask != t->op_mask || other->op_kind != t->op_kind)
			return false;
	}
	return true;
}

/* The lane that a lane reads, and whether that is inside of its segment (ISA, shfl). */
static uint32_t shfl_source(const struct ptx_thread *t, bool *inside)
{
	uint32_t lane = t->lane, b = t->op_b & 31, clamp = t->op_c & 31,
		 segment = t->op_c >> 8 & 31;
	uint32_t max = (lane & segment) | (clamp & ~segment), min = lane & segment;
	uint32_t source;

	switch (t->op_kind) {
	case PTX_WARP_SHFL_UP:
		source = lane - b;
		*inside = (int32_t)source >= (int32_t)max;
		break;
	case PTX_WARP_SHFL_DOWN:
		source = lane + b;
		*inside = source <= max;
		break;
	case PTX_WARP_SHFL_BFLY:
		source = lane ^ b;
		*inside = source <= max;
		break;
	default:
		source = min | (b & ~segment);
		*inside = source <= max;
		break;
	}
	return *inside ? source : lane;
}

static void shfl(struct ptx_block *block, uint32_t warp, uint32_t mask)
{
	for (uint32_t rest = mask; rest; rest &= rest - 1) {
		struct ptx_thread *t = lane_of(block, warp, (uint32_t)__builtin_ctz(rest));
		bool inside;
		uint32_t source = shfl_source(t, &inside);

		/* A lane that does not take part gives nothing defined; here the reader's own value. */
		if (!(mask & 1u << source))
			source = t->lane;
		t->op_result = (uint32_t)lane_of(block, warp, source)->op_value | (uint64_t)inside
											  << 32;
	}
}

static uint64_t vote(struct ptx_block *block, uint32_t warp, uint32_t mask, uint32_t kind)
{
	uint32_t ballot = 0;

	for (uint32_t rest = mask; rest; rest &= rest - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(rest);

		ballot |= lane_of(block, warp, lane)->op_value ? 1u << lane : 0;
	}
	switch (kind) {
	case PTX_WARP_VOTE_ALL: return (uint64_t)(ballot == mask) << 32;
	case PTX_WARP_VOTE_ANY: return (uint64_t)(ballot != 0) << 32;
	case PTX_WARP_VOTE_UNI: return (uint64_t)(ballot == mask || !ballot) << 32;
	default: return ballot;
	}
}

static uint32_t same_value(struct ptx_block *block, uint32_t warp, uint32_t mask, uint64_t value)
{
	uint32_t same = 0;

	for (uint32_t rest = mask; rest; rest &= rest - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(rest);

		same |= lane_of(block, warp, lane)->op_value == value ? 1u << lane : 0;
	}
	return same;
}

static void match(struct ptx_block *block, uint32_t warp, uint32_t mask, uint32_t kind)
{
	for (uint32_t rest = mask; rest; rest &= rest - 1) {
		struct ptx_thread *t = lane_of(block, warp, (uint32_t)__builtin_ctz(rest));
		uint32_t same = same_value(block, warp, mask, t->op_value);

		if (kind == PTX_WARP_MATCH_ANY)
			t->op_result = same;
		else
			t->op_result = same == mask ? mask | 1ull << 32 : 0;
	}
}

static uint32_t redux_step(uint32_t kind, uint32_t a, uint32_t b)
{
	switch (kind) {
	case PTX_WARP_REDUX_ADD: return a + b;
	case PTX_WARP_REDUX_MIN_U: return a < b ? a : b;
	case PTX_WARP_REDUX_MAX_U: return a > b ? a : b;
	case PTX_WARP_REDUX_MIN_S: return (int32_t)a < (int32_t)b ? a : b;
	case PTX_WARP_REDUX_MAX_S: return (int32_t)a > (int32_t)b ? a : b;
	case PTX_WARP_REDUX_AND: return a & b;
	case PTX_WARP_REDUX_OR: return a | b;
	default: return a ^ b;
	}
}

static uint64_t redux(struct ptx_block *block, uint32_t warp, uint32_t mask, uint32_t kind)
{
	uint32_t first = (uint32_t)__builtin_ctz(mask);
	uint32_t sum = (uint32_t)lane_of(block, warp, first)->op_value;

	for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1)
		sum = redux_step(
			kind, sum,
			(uint32_t)lane_of(block, warp, (uint32_t)__builtin_ctz(rest))->op_value);
	return sum;
}

static void give_all(struct ptx_block *block, uint32_t warp, uint32_t mask, uint64_t result)
{
	for (uint32_t rest = mask; rest; rest &= rest - 1)
		lane_of(block, warp, (uint32_t)__builtin_ctz(rest))->op_result = result;
}

static void compute(struct ptx_block *block, uint32_t warp, uint32_t mask, uint32_t kind)
{
	uint32_t leader = (uint32_t)__builtin_ctz(mask);

	switch (kind) {
	case PTX_WARP_BAR: break;
	case PTX_WARP_SHFL_UP:
	case PTX_WARP_SHFL_DOWN:
	case PTX_WARP_SHFL_BFLY:
	case PTX_WARP_SHFL_IDX: shfl(block, warp, mask); break;
	case PTX_WARP_VOTE_ALL:
	case PTX_WARP_VOTE_ANY:
	case PTX_WARP_VOTE_UNI:
	case PTX_WARP_VOTE_BALLOT:
		give_all(block, warp, mask, vote(block, warp, mask, kind));
		break;
	case PTX_WARP_MATCH_ANY:
	case PTX_WARP_MATCH_ALL: match(block, warp, mask, kind); break;
	case PTX_WARP_ELECT:
		give_all(block, warp, mask, leader);
		lane_of(block, warp, leader)->op_result = leader | 1ull << 32;
		break;
	default: give_all(block, warp, mask, redux(block, warp, mask, kind)); break;
	}
}

/* Ends the operation of t's mask; all of its lanes but `except` become ready. */
static void complete(struct ptx_block *block, struct ptx_thread *t, struct ptx_thread *except)
{
	uint32_t mask = t->op_mask & block->warps[t->warp].alive;

	compute(block, t->warp, mask, t->op_kind);
	for (uint32_t rest = mask; rest; rest &= rest - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(rest);
		struct ptx_thread *other = lane_of(block, t->warp, lane);

		block->warps[t->warp].at_op &= ~(1u << lane);
		if (other != except)
			ptx_sched_ready(other);
	}
}

/* Lanes at the same activemask, once no lane of the warp can come any more, are the active ones. */
static bool active_resolve(struct ptx_block *block, uint32_t warp)
{
	uint32_t waiting = block->warps[warp].at_active;

	block->warps[warp].at_active = 0;
	for (uint32_t rest = waiting; rest;) {
		uint32_t site = lane_of(block, warp, (uint32_t)__builtin_ctz(rest))->op_a,
			 group = 0;

		for (uint32_t each = rest; each; each &= each - 1) {
			uint32_t lane = (uint32_t)__builtin_ctz(each);

			group |= lane_of(block, warp, lane)->op_a == site ? 1u << lane : 0;
		}
		give_all(block, warp, group, group);
		for (uint32_t each = group; each; each &= each - 1)
			ptx_sched_ready(lane_of(block, warp, (uint32_t)__builtin_ctz(each)));
		rest &= ~group;
	}
	return waiting != 0;
}

void ptx_warp_recheck(struct ptx_block *block, uint32_t warp)
{
	struct ptx_warp *w = &block->warps[warp];

	for (uint32_t rest = w->at_op & w->alive; rest; rest &= rest - 1) {
		struct ptx_thread *t = lane_of(block, warp, (uint32_t)__builtin_ctz(rest));

		if ((w->at_op & 1u << t->lane) && mask_complete(block, t))
			complete(block, t, NULL);
	}
	if (w->at_active && !w->running)
		active_resolve(block, warp);
}

/* Nothing runs: lanes in activemask need wait no longer. */
bool ptx_warp_unstick(struct ptx_block *block)
{
	uint32_t warps = (block->thread_count + 31) / 32;
	bool any = false;

	for (uint32_t i = 0; i < warps; i++)
		any |= active_resolve(block, i);
	return any;
}

PTX_SWITCHES uint64_t ptx_rt_warp(struct ptx_thread *t, uint32_t op, uint32_t mask, uint64_t value,
				  uint32_t b, uint32_t c)
{
	t->op_kind = op;
	t->op_mask = mask |
		     1u << t->lane; /* a lane outside of its own mask is undefined; here it joins */
	t->op_value = value;
	t->op_b = b;
	t->op_c = c;
	t->wait = PTX_WAIT_WARP;
	t->block->warps[t->warp].at_op |= 1u << t->lane;
	if (mask_complete(t->block, t)) {
		complete(t->block, t, t);
		t->wait = PTX_RUNNABLE;
	} else {
		ptx_sched_wait(t, PTX_WAIT_WARP);
	}
	return t->op_result;
}

PTX_SWITCHES uint32_t ptx_rt_activemask(struct ptx_thread *t, uint32_t site)
{
	t->op_a = site;
	t->block->warps[t->warp].at_active |= 1u << t->lane;
	ptx_sched_wait(t, PTX_WAIT_ACTIVE);
	return (uint32_t)t->op_result;
}
