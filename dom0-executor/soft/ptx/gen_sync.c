/* SPDX-License-Identifier: MIT */
/* Code generation: barriers and what the lanes of a warp do together. */
#include "gen.h"

#include <errno.h>

enum {
	BAR_CLUSTER_ID = 16
}; /* after the 16 that PTX numbers */

static void bar_cluster(struct ptx_gen *g)
{
	static const uint16_t orders[] = {MOD_RELEASE, MOD_RELAXED, MOD_ACQUIRE, 0};
	bool arrive = gen_take(g, MOD_ARRIVE), wait = !arrive && gen_take(g, MOD_WAIT);

	gen_take_any(g, orders);
	gen_take(g, MOD_ALIGNED);
	if (!arrive && !wait)
		gen_fail(g, -EINVAL, ".arrive or .wait");
	/* A cluster is one block: its threads meet where they wait. */
	if (wait)
		GEN_RT(g, ptx_rt_bar, g->i32, g->thread, gen_i32(g, BAR_CLUSTER_ID), gen_i32(g, 0),
		       gen_i32(g, 0), gen_i32(g, 0));
}

static void bar_warp(struct ptx_gen *g)
{
	if (!gen_take(g, MOD_SYNC) || !gen_operands(g, 1, 1)) {
		gen_fail(g, -EINVAL, "bar.warp.sync");
		return;
	}
	GEN_RT(g, ptx_rt_warp, g->i64, g->thread, gen_i32(g, PTX_WARP_BAR), gen_src(g, 0, PTX_B32),
	       gen_i64(g, 0), gen_i32(g, 0), gen_i32(g, 0));
}

/* bar.red.popc.u32 d, a{, b}, c */
static void bar_red(struct ptx_gen *g)
{
	static const uint16_t ops[] = {MOD_POPC, MOD_AND, MOD_OR, 0};
	unsigned int op = gen_take_any(g, ops), type = gen_type(g), count = g->insn->operand_count;
	LLVMValueRef c, value, threads;

	if (!gen_operands(g, 3, 4) || !op || type != (op == MOD_POPC ? PTX_U32 : PTX_PRED)) {
		gen_fail(g, -EINVAL, "bar.red");
		return;
	}
	c = gen_resize(g, gen_src(g, count - 1, PTX_PRED), 32, false);
	threads = count == 4 ? gen_src(g, 2, PTX_U32) : gen_i32(g, 0);
	value = GEN_RT(g, ptx_rt_bar, g->i32, g->thread, gen_src(g, 1, PTX_U32), threads,
		       gen_i32(g, op == MOD_POPC  ? 1
				  : op == MOD_AND ? 2
						  : 3),
		       c);
	gen_dst(g, type, op == MOD_POPC ? value : gen_icmp(g, LLVMIntNE, value, gen_i32(g, 0)));
}

void gen_op_bar(struct ptx_gen *g)
{
	LLVMValueRef id, count;

	if (gen_take(g, MOD_WARP)) {
		bar_warp(g);
		return;
	}
	if (gen_take(g, MOD_CLUSTER)) {
		bar_cluster(g);
		return;
	}
	gen_take(g, MOD_CTA);
	gen_take(g, MOD_ALIGNED);
	if (gen_take(g, MOD_RED)) {
		bar_red(g);
		return;
	}
	if (!gen_operands(g, 1, 2))
		return;
	id = gen_src(g, 0, PTX_U32);
	count = g->insn->operand_count == 2 ? gen_src(g, 1, PTX_U32) : gen_i32(g, 0);
	if (gen_take(g, MOD_SYNC))
		GEN_RT(g, ptx_rt_bar, g->i32, g->thread, id, count, gen_i32(g, 0), gen_i32(g, 0));
	else if (gen_take(g, MOD_ARRIVE) && g->insn->operand_count == 2)
		GEN_RT(g, ptx_rt_bar_arrive, g->none, g->thread, id, count);
	else
		gen_fail(g, -EINVAL, ".sync, .arrive or .red");
}

static LLVMValueRef warp_call(struct ptx_gen *g, unsigned int op, LLVMValueRef mask,
			      LLVMValueRef value, LLVMValueRef b, LLVMValueRef c)
{
	return GEN_RT(g, ptx_rt_warp, g->i64, g->thread, gen_i32(g, op), mask,
		      gen_resize(g, value, 64, false), b ? b : gen_i32(g, 0),
		      c ? c : gen_i32(g, 0));
}

static LLVMValueRef warp_pred(struct ptx_gen *g, LLVMValueRef both)
{
	return gen_icmp(g, LLVMIntNE, LLVMBuildAnd(g->b, both, gen_i64(g, 1ull << 32), ""),
			gen_i64(g, 0));
}

/* Sets d, or d|p. */
static void warp_result(struct ptx_gen *g, unsigned int type, LLVMValueRef both)
{
	const struct ptx_operand *d = gen_operand(g, 0);

	gen_set(g, d->kind == OPND_PAIR ? &d->sub[0] : d, type, gen_resize(g, both, 32, false));
	if (d->kind == OPND_PAIR)
		gen_set(g, &d->sub[1], PTX_PRED, warp_pred(g, both));
}

/* The mask of a form without .sync: whoever is here. */
static LLVMValueRef lanes_here(struct ptx_gen *g)
{
	return GEN_RT(g, ptx_rt_activemask, g->i32, g->thread, gen_i32(g, g->index + 1));
}

void gen_op_shfl(struct ptx_gen *g)
{
	static const uint16_t modes[] = {MOD_UP, MOD_DOWN, MOD_BFLY, MOD_IDX, 0};
	bool sync = gen_take(g, MOD_SYNC);
	unsigned int mode = gen_take_any(g, modes), type = gen_type(g), op;
	LLVMValueRef mask;

	if (!gen_operands(g, sync ? 5 : 4, sync ? 5 : 4) || !mode || type != PTX_B32) {
		gen_fail(g, -EINVAL, "shfl");
		return;
	}
	op = mode == MOD_UP     ? PTX_WARP_SHFL_UP
	     : mode == MOD_DOWN ? PTX_WARP_SHFL_DOWN
	     : mode == MOD_BFLY ? PTX_WARP_SHFL_BFLY
				: PTX_WARP_SHFL_IDX;
	mask = sync ? gen_src(g, 4, PTX_B32) : lanes_here(g);
	warp_result(g, PTX_B32,
		    warp_call(g, op, mask, gen_src(g, 1, type), gen_src(g, 2, PTX_B32),
			      gen_src(g, 3, PTX_B32)));
}

void gen_op_vote(struct ptx_gen *g)
{
	static const uint16_t modes[] = {MOD_ALL, MOD_ANY, MOD_UNI, MOD_BALLOT, 0};
	bool sync = gen_take(g, MOD_SYNC);
	unsigned int mode = gen_take_any(g, modes), type = gen_type(g), op;
	LLVMValueRef mask, value;

	if (!gen_operands(g, sync ? 3 : 2, sync ? 3 : 2) || !mode ||
	    type != (mode == MOD_BALLOT ? PTX_B32 : PTX_PRED)) {
		gen_fail(g, -EINVAL, "vote");
		return;
	}
	op = mode == MOD_ALL   ? PTX_WARP_VOTE_ALL
	     : mode == MOD_ANY ? PTX_WARP_VOTE_ANY
	     : mode == MOD_UNI ? PTX_WARP_VOTE_UNI
			       : PTX_WARP_VOTE_BALLOT;
	mask = sync ? gen_src(g, 2, PTX_B32) : lanes_here(g);
	value = warp_call(g, op, mask, gen_src(g, 1, PTX_PRED), NULL, NULL);
	gen_dst(g, type,
		mode == MOD_BALLOT ? gen_resize(g, value, 32, false) : warp_pred(g, value));
}

void gen_op_match(struct ptx_gen *g)
{
	bool all = gen_take(g, MOD_ALL), any = !all && gen_take(g, MOD_ANY);
	bool sync = gen_take(g, MOD_SYNC);
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 3, 3) || !sync || all == any || (type != PTX_B32 && type != PTX_B64)) {
		gen_fail(g, -EINVAL, "match");
		return;
	}
	warp_result(g, PTX_B32,
		    warp_call(g, all ? PTX_WARP_MATCH_ALL : PTX_WARP_MATCH_ANY,
			      gen_src(g, 2, PTX_B32), gen_src(g, 1, type), NULL, NULL));
}

void gen_op_activemask(struct ptx_gen *g)
{
	if (gen_type(g) == PTX_B32 && gen_operands(g, 1, 1))
		gen_dst(g, PTX_B32, lanes_here(g));
	else
		gen_fail(g, -EINVAL, "activemask");
}

static unsigned int redux_op(unsigned int op, unsigned int type)
{
	bool sign = type == PTX_S32;

	switch (op) {
	case MOD_ADD: return PTX_WARP_REDUX_ADD;
	case MOD_MIN: return sign ? PTX_WARP_REDUX_MIN_S : PTX_WARP_REDUX_MIN_U;
	case MOD_MAX: return sign ? PTX_WARP_REDUX_MAX_S : PTX_WARP_REDUX_MAX_U;
	case MOD_AND: return PTX_WARP_REDUX_AND;
	case MOD_OR: return PTX_WARP_REDUX_OR;
	default: return PTX_WARP_REDUX_XOR;
	}
}

void gen_op_redux(struct ptx_gen *g)
{
	static const uint16_t ops[] = {MOD_ADD, MOD_MIN, MOD_MAX, MOD_AND, MOD_OR, MOD_XOR, 0};
	bool sync = gen_take(g, MOD_SYNC);
	unsigned int op = gen_take_any(g, ops), type = gen_type(g);

	if (!gen_operands(g, 3, 3) || !sync || !op ||
	    (type != PTX_U32 && type != PTX_S32 && type != PTX_B32)) {
		gen_unsupported_type(g, type);
		return;
	}
	warp_result(g, PTX_B32,
		    warp_call(g, redux_op(op, type), gen_src(g, 2, PTX_B32), gen_src(g, 1, PTX_B32),
			      NULL, NULL));
}

/* elect.sync d|p, mask: the lowest lane is it */
void gen_op_elect(struct ptx_gen *g)
{
	if (gen_take(g, MOD_SYNC) && gen_operands(g, 2, 2))
		warp_result(g, PTX_B32,
			    warp_call(g, PTX_WARP_ELECT, gen_src(g, 1, PTX_B32), gen_i32(g, 0),
				      NULL, NULL));
	else
		gen_fail(g, -EINVAL, "elect");
}

void gen_op_ldmatrix(struct ptx_gen *g)
{
	gen_fail(g, -ENOTSUP, "no matrix instructions in this device");
}

void gen_op_mma(struct ptx_gen *g)
{
	gen_fail(g, -ENOTSUP, "no matrix instructions in this device");
}
