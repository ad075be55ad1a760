/* SPDX-License-Identifier: MIT */
/* Code generation: mbarrier, and cp.async's arrival on one (copies are done at once, so it arrives at once). */
#include "gen.h"

#include <errno.h>

static LLVMValueRef mbar_address(struct ptx_gen *g, unsigned int operand, enum ptx_space space)
{
	return LLVMBuildPtrToInt(g->b, gen_address(g, gen_operand(g, operand), space), g->i64, "");
}

static LLVMValueRef mbar_call(struct ptx_gen *g, LLVMValueRef address, enum ptx_mbar_op op,
			      LLVMValueRef count)
{
	return GEN_RT(g, ptx_rt_mbar, g->i64, g->thread, address, gen_i32(g, op), count);
}

/* arrive d, [a]{, count}; .expect_tx: the third operand is bytes and one thread arrives */
static void mbar_arrive(struct ptx_gen *g, enum ptx_mbar_op op, enum ptx_space space)
{
	bool expect = gen_take(g, MOD_EXPECT_TX);
	LLVMValueRef address, count, state;

	gen_take(g, MOD_NOCOMPLETE);
	if (!gen_operands(g, expect ? 3 : 2, 3))
		return;
	address = mbar_address(g, 1, space);
	count = g->insn->operand_count == 3 ? gen_src(g, 2, PTX_U32) : gen_i32(g, 1);
	if (g->rc)
		return;
	if (expect) {
		mbar_call(g, address, PTX_MBAR_EXPECT, count);
		count = gen_i32(g, 1);
	}
	state = mbar_call(g, address, op, count);
	gen_dst(g, PTX_B64, state);
}

static void mbar_wait(struct ptx_gen *g, enum ptx_space space)
{
	bool parity = gen_take(g, MOD_PARITY);
	LLVMValueRef address, state, done;

	if (!gen_operands(g, 3, 4))
		return;
	address = mbar_address(g, 1, space);
	state = parity ? gen_resize(g, gen_src(g, 2, PTX_B32), 64, false) : gen_src(g, 2, PTX_B64);
	if (g->rc)
		return;
	done = GEN_RT(g, ptx_rt_mbar_test, g->i32, g->thread, address, state, gen_i32(g, parity));
	gen_dst(g, PTX_PRED, gen_icmp(g, LLVMIntNE, done, gen_i32(g, 0)));
}

/* init [a], count; expect_tx [a], bytes */
static void mbar_set(struct ptx_gen *g, enum ptx_mbar_op op, enum ptx_space space)
{
	LLVMValueRef address = mbar_address(g, 0, space);

	if (gen_operands(g, 2, 2) && !g->rc)
		mbar_call(g, address, op, gen_src(g, 1, PTX_U32));
}

void gen_op_mbarrier(struct ptx_gen *g)
{
	static const uint16_t what[] = {MOD_INIT,          MOD_INVAL,
					MOD_ARRIVE,        MOD_ARRIVE_DROP,
					MOD_TEST_WAIT,     MOD_TRY_WAIT,
					MOD_PENDING_COUNT, 0};
	static const uint16_t orders[] = {MOD_RELEASE, MOD_ACQUIRE, MOD_RELAXED, 0};
	static const uint16_t scopes[] = {MOD_CTA, MOD_CLUSTER, 0};
	unsigned int op = gen_take_any(g, what);
	enum ptx_space space;

	gen_take_any(g, orders);
	gen_take_any(g, scopes);
	space = gen_space(g);
	if (gen_type(g) != PTX_B64 || (space != PTX_SPACE_SHARED && space != PTX_SPACE_GENERIC)) {
		gen_fail(g, -EINVAL, "type or space");
		return;
	}
	switch (op) {
	case MOD_INIT: mbar_set(g, PTX_MBAR_INIT, space); break;
	case MOD_INVAL: gen_operands(g, 1, 1); break;
	case MOD_ARRIVE: mbar_arrive(g, PTX_MBAR_ARRIVE, space); break;
	case MOD_ARRIVE_DROP: mbar_arrive(g, PTX_MBAR_DROP, space); break;
	case MOD_TEST_WAIT:
	case MOD_TRY_WAIT: mbar_wait(g, space); break;
	case MOD_PENDING_COUNT:
		gen_dst(g, PTX_U32,
			GEN_PURE(g, ptx_rt_mbar_pending, g->i32, gen_src(g, 1, PTX_B64)));
		break;
	default: /* expect_tx alone */
		if (gen_take(g, MOD_EXPECT_TX))
			mbar_set(g, PTX_MBAR_EXPECT, space);
		else
			gen_fail(g, -ENOTSUP, "form of mbarrier");
		break;
	}
}

/* cp.async.mbarrier.arrive{.noinc}.shared.b64 [a]: without .noinc the arrival was added to the pending ones */
void gen_async_arrive(struct ptx_gen *g)
{
	bool noinc = gen_take(g, MOD_NOINC);
	enum ptx_space space;
	LLVMValueRef address;

	gen_take(g, MOD_ARRIVE);
	space = gen_space(g);
	if (gen_type(g) != PTX_B64 || !gen_operands(g, 1, 1)) {
		gen_fail(g, -EINVAL, "type");
		return;
	}
	address = mbar_address(g, 0, space);
	if (noinc && !g->rc)
		mbar_call(g, address, PTX_MBAR_ARRIVE, gen_i32(g, 1));
}

/* A copy of so many bytes is done. */
void gen_complete_tx(struct ptx_gen *g, unsigned int operand, LLVMValueRef bytes)
{
	LLVMValueRef address = mbar_address(g, operand, PTX_SPACE_SHARED);

	if (!g->rc)
		mbar_call(g, address, PTX_MBAR_COMPLETE, bytes);
}
