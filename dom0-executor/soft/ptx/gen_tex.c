/* SPDX-License-Identifier: MIT */
/*
 * Code generation: tex, suld.b, sust.b in one, two and three dimensions and in layers, by texture and surface objects
 * (unified mode). Coordinates and results go through slots of the frame to a helper (rt_tex.c).
 */
#include "gen.h"

#include <errno.h>

#define COORDINATES_MAX 4u

/* Dimensions, with the flag for layers; 0: none was named. */
static uint32_t take_geometry(struct ptx_gen *g)
{
	static const struct {
		unsigned int mod;
		uint32_t flags;
	} geometries[] = {
		{MOD_1D, 1},
		{MOD_2D, 2},
		{MOD_3D, 3},
		{MOD_A1D, 1 | PTX_TEX_LAYERED},
		{MOD_A2D, 2 | PTX_TEX_LAYERED},
	};

	for (unsigned int i = 0; i < sizeof(geometries) / sizeof(geometries[0]); i++)
		if (gen_take(g, geometries[i].mod))
			return geometries[i].flags;
	gen_fail(g, -ENOTSUP, "this geometry");
	return 1;
}

static LLVMValueRef slot_make(struct ptx_gen *g, unsigned int words)
{
	LLVMValueRef slot = LLVMBuildAlloca(g->entry, LLVMArrayType(g->i32, words), "");

	LLVMSetAlignment(slot, 16);
	return LLVMBuildBitCast(g->entry, slot, LLVMPointerType(g->i32, 0), "");
}

static LLVMValueRef slot_at(struct ptx_gen *g, LLVMValueRef slot, unsigned int word)
{
	LLVMValueRef index = gen_i64(g, word);

	return LLVMBuildGEP2(g->b, g->i32, slot, &index, 1, "");
}

/* [object, {coordinates}]: the object's number, and the coordinates in a slot. */
static LLVMValueRef take_place(struct ptx_gen *g, const struct ptx_operand *o, uint32_t flags,
			       LLVMValueRef slot)
{
	uint32_t needed = (flags & PTX_TEX_DIMS) + (flags & PTX_TEX_LAYERED ? 1 : 0);
	const struct ptx_operand *at;

	if (o->kind != OPND_ADDR || o->count != 2 || o->offset) {
		gen_fail(g, -EINVAL, "[object, coordinates] expected");
		return gen_i64(g, 0);
	}
	if (o->sub[0].kind != OPND_REG) {
		gen_fail(g, -ENOTSUP, "a texture reference: only texture objects are known");
		return gen_i64(g, 0);
	}
	at = &o->sub[1];
	for (uint32_t i = 0; i < needed && i < COORDINATES_MAX && !g->rc; i++) {
		const struct ptx_operand *one = at->kind == OPND_VEC ? &at->sub[i] : at;

		if ((at->kind == OPND_VEC ? at->count : 1) < needed) {
			gen_fail(g, -EINVAL, "%u coordinates expected", needed);
			break;
		}
		LLVMBuildStore(g->b, gen_get(g, one, PTX_B32), slot_at(g, slot, i));
	}
	return gen_get(g, &o->sub[0], PTX_B64);
}

void gen_op_tex(struct ptx_gen *g)
{
	bool level = gen_take(g, MOD_LEVEL);
	LLVMValueRef at = slot_make(g, COORDINATES_MAX), texel = slot_make(g, 4), handle, lod;
	unsigned int type, coordinates;
	const struct ptx_operand *d;
	uint32_t flags;

	gen_take(g, MOD_BASE);
	flags = take_geometry(g);
	if (gen_vector(g) != 4)
		gen_fail(g, -ENOTSUP, "tex of less than four components");
	type = gen_type(g);
	coordinates = gen_type(g);
	if (ptx_type_bits(type) != 32 || (coordinates != PTX_F32 && coordinates != PTX_S32))
		gen_unsupported_type(g, type);
	if (!gen_operands(g, level ? 3 : 2, level ? 3 : 2))
		return;
	if (coordinates == PTX_S32)
		flags |= PTX_TEX_INT;
	handle = take_place(g, gen_operand(g, 1), flags, at);
	lod = level ? gen_src(g, 2, PTX_B32) : gen_i32(g, 0);
	GEN_RT(g, ptx_rt_tex, g->none, g->thread, handle, gen_i32(g, flags), at, lod, texel);
	d = gen_operand(g, 0);
	if (d->kind != OPND_VEC || d->count != 4) {
		gen_fail(g, -EINVAL, "a vector of four expected");
		return;
	}
	for (unsigned int i = 0; i < 4 && !g->rc; i++)
		gen_set(g, &d->sub[i], PTX_B32,
			LLVMBuildLoad2(g->b, g->i32, slot_at(g, texel, i), ""));
}

static LLVMValueRef element_at(struct ptx_gen *g, LLVMValueRef slot, unsigned int i,
			       unsigned int bits)
{
	LLVMValueRef index = gen_i64(g, (uint64_t)i * (bits / 8));
	LLVMValueRef bytes = LLVMBuildBitCast(g->b, slot, g->ptr, "");

	bytes = LLVMBuildGEP2(g->b, g->i8, bytes, &index, 1, "");
	return gen_pointer(g, bytes, gen_llvm_int(g, bits));
}

void gen_op_surface(struct ptx_gen *g)
{
	static const uint16_t outside[] = {MOD_TRAP, MOD_CLAMP, MOD_ZERO, 0};
	bool write = g->insn->op == OP_SUST;
	LLVMValueRef at = slot_make(g, COORDINATES_MAX), bytes = slot_make(g, 4), handle;
	unsigned int vector, type, bits, mode;
	const struct ptx_operand *data;
	uint32_t flags;

	if (!gen_take(g, MOD_B))
		gen_fail(g, -ENOTSUP, "formatted access to surfaces");
	flags = take_geometry(g);
	gen_take_cache(g);
	vector = gen_vector(g);
	type = gen_type(g);
	bits = ptx_type_bits(type);
	mode = gen_take_any(g, outside);
	if (mode == MOD_CLAMP)
		gen_fail(g, -ENOTSUP, "surfaces with .clamp");
	if (bits * vector > 128 || !gen_operands(g, 2, 2))
		return;
	flags |= (write ? PTX_TEX_WRITE : 0) | (mode == MOD_ZERO ? 0 : PTX_TEX_TRAP) |
		 bits / 8 * vector << PTX_TEX_BYTES;
	handle = take_place(g, gen_operand(g, write ? 0 : 1), flags, at);
	data = gen_operand(g, write ? 1 : 0);
	if (vector > 1 && (data->kind != OPND_VEC || data->count != vector)) {
		gen_fail(g, -EINVAL, "a vector of %u expected", vector);
		return;
	}
	for (unsigned int i = 0; write && i < vector && !g->rc; i++)
		LLVMBuildStore(g->b,
			       gen_get(g, data->kind == OPND_VEC ? &data->sub[i] : data, type),
			       element_at(g, bytes, i, bits));
	GEN_RT(g, ptx_rt_surface, g->none, g->thread, handle, gen_i32(g, flags), at,
	       LLVMBuildBitCast(g->b, bytes, g->ptr, ""));
	for (unsigned int i = 0; !write && i < vector && !g->rc; i++)
		gen_set(g, data->kind == OPND_VEC ? &data->sub[i] : data, type,
			LLVMBuildLoad2(g->b, gen_llvm_int(g, bits), element_at(g, bytes, i, bits),
				       ""));
}
