/* SPDX-License-Identifier: MIT */
/* Helpers of generated code: atomic operations that the CPU has no instruction for, by compare and swap. */
#include "names.h"
#include "rt.h"

#include <string.h>

static float f32_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t add_f64(uint64_t a, uint64_t b)
{
	double x, y;

	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	x += y;
	memcpy(&a, &x, sizeof(a));
	return a;
}

static uint32_t add_f32(uint32_t a, uint32_t b)
{
	float sum = f32_of(a) + f32_of(b);
	uint32_t bits;

	memcpy(&bits, &sum, sizeof(bits));
	return bits;
}

/* min and max: the number where one is NaN, -0 below +0 */
static uint32_t half_op(uint32_t op, uint32_t a, uint32_t b, uint32_t format)
{
	float x = ptx_rt_h2f(a, format), y = ptx_rt_h2f(b, format);

	if (op == MOD_ADD)
		return ptx_rt_f2h(x + y, format, 0);
	if (x != x || y != y)
		return x == x ? a : y == y ? b : 0x7fff;
	if (x == y)
		return op == MOD_MIN ? a | b : a & b;
	return (x < y) == (op == MOD_MIN) ? a : b;
}

static uint32_t pair_op(uint32_t op, uint32_t a, uint32_t b, uint32_t format)
{
	return half_op(op, a & 0xffff, b & 0xffff, format) | half_op(op, a >> 16, b >> 16, format)
								     << 16;
}

static uint64_t next_value(uint32_t op, uint32_t type, uint64_t old, uint64_t value,
			   uint64_t compare)
{
	switch (op) {
	case MOD_INC: return (uint32_t)old >= (uint32_t)value ? 0 : (uint32_t)old + 1;
	case MOD_DEC:
		return !(uint32_t)old || (uint32_t)old > (uint32_t)value ? (uint32_t)value
									 : (uint32_t)old - 1;
	case MOD_CAS: return old == compare ? value : old;
	case MOD_EXCH: return value;
	default: break;
	}
	switch (type) {
	case PTX_F32: return add_f32((uint32_t)old, (uint32_t)value);
	case PTX_F64: return add_f64(old, value);
	case PTX_F16: return half_op(op, (uint32_t)old, (uint32_t)value, 0);
	case PTX_BF16: return half_op(op, (uint32_t)old, (uint32_t)value, 1);
	case PTX_F16X2: return pair_op(op, (uint32_t)old, (uint32_t)value, 0);
	default: return pair_op(op, (uint32_t)old, (uint32_t)value, 1);
	}
}

#define ATOM(width)                                                                               \
	static uint64_t atom_##width(void *at, uint32_t op, uint32_t type, uint64_t value,        \
				     uint64_t compare)                                            \
	{                                                                                         \
		uint##width##_t old = __atomic_load_n((uint##width##_t *)at, __ATOMIC_RELAXED),   \
				wanted;                                                           \
                                                                                                  \
		do {                                                                              \
			wanted = (uint##width##_t)next_value(op, type, old, value, compare);      \
		} while (!__atomic_compare_exchange_n((uint##width##_t *)at, &old, wanted, false, \
						      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));       \
		return old;                                                                       \
	}

ATOM(16)
ATOM(32)
ATOM(64)

uint64_t ptx_rt_atom(uint64_t address, uint32_t op, uint32_t type, uint64_t value, uint64_t compare)
{
	void *at = (void *)(uintptr_t)address;

	switch (ptx_type_bytes(type)) {
	case 2: return atom_16(at, op, type, value & 0xffff, compare & 0xffff);
	case 4: return atom_32(at, op, type, value, compare);
	default: return atom_64(at, op, type, value, compare);
	}
}
