/* SPDX-License-Identifier: MIT */
/* Helpers of generated code: bytes and bits, clocks, memory that is no plain load. */
#include "ast.h"
#include "sched.h"

#include <string.h>
#include <time.h>
#include <x86intrin.h>

static uint32_t byte_of(uint64_t both, uint32_t selector)
{
	uint32_t byte = (uint32_t)(both >> (selector & 7) * 8) & 255;

	/* Bit 3: the byte's sign, eight times. */
	return selector & 8 ? (byte & 128 ? 255 : 0) : byte;
}

/* The selectors of the named modes, from the two low bits of the operand (ISA, prmt). */
uint32_t ptx_rt_prmt(uint32_t a, uint32_t b, uint32_t selector, uint32_t mode)
{
	static const uint16_t named[6][4] = {
		{0x3210, 0x4321, 0x5432, 0x6543}, /* f4e */
		{0x5670, 0x6701, 0x7012, 0x0123}, /* b4e */
		{0x0000, 0x1111, 0x2222, 0x3333}, /* rc8 */
		{0x3210, 0x3211, 0x3222, 0x3333}, /* ecl */
		{0x0000, 0x1110, 0x2210, 0x3210}, /* ecr */
		{0x1010, 0x3232, 0x1010, 0x3232}, /* rc16 */
	};
	uint64_t both = a | (uint64_t)b << 32;
	uint32_t value = 0;

	if (mode)
		selector = named[mode - 1][selector & 3];
	for (unsigned int i = 0; i < 4; i++)
		value |= byte_of(both, selector >> 4 * i & 15) << 8 * i;
	return value;
}

/* The offset-th set bit of mask from base on, upwards or downwards; ~0 where there is none. */
uint32_t ptx_rt_fns(uint32_t mask, uint32_t base, int32_t offset)
{
	int64_t left = offset < 0 ? -(int64_t)offset : offset ? offset : 1;
	int step = offset < 0 ? -1 : 1;

	if (base > 31)
		return UINT32_MAX;
	if (!offset)
		return mask & 1u << base ? base : UINT32_MAX;
	for (int at = (int)base; at >= 0 && at < 32; at += step)
		if (mask & 1u << at && !--left)
			return (uint32_t)at;
	return UINT32_MAX;
}

uint32_t ptx_rt_dp4a(uint32_t a, uint32_t b, uint32_t c, uint32_t a_signed, uint32_t b_signed)
{
	for (unsigned int i = 0; i < 32; i += 8) {
		int32_t x = a_signed ? (int8_t)(a >> i) : (int32_t)(a >> i & 255);
		int32_t y = b_signed ? (int8_t)(b >> i) : (int32_t)(b >> i & 255);

		c += (uint32_t)(x * y);
	}
	return c;
}

uint32_t ptx_rt_dp2a(uint32_t a, uint32_t b, uint32_t c, uint32_t a_signed, uint32_t b_signed,
		     uint32_t high)
{
	b >>= high ? 16 : 0;
	for (unsigned int i = 0; i < 2; i++) {
		int32_t x = a_signed ? (int16_t)(a >> 16 * i) : (int32_t)(a >> 16 * i & 0xffff);
		int32_t y = b_signed ? (int8_t)(b >> 8 * i) : (int32_t)(b >> 8 * i & 255);

		c += (uint32_t)(x * y);
	}
	return c;
}

uint64_t ptx_rt_clock(void)
{
	return __rdtsc();
}

uint64_t ptx_rt_globaltimer(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Others run; where there are none, time passes in steps that a cancellation can interrupt. */
PTX_SWITCHES void ptx_rt_nanosleep(struct ptx_thread *t, uint32_t ns)
{
	struct timespec step = {.tv_nsec = ns < 1000000 ? (long)ns : 1000000};

	if (!t->block->worker->ready && !t->block->worker->unstarted)
		nanosleep(&step, NULL);
	ptx_rt_poll(t);
}

uint32_t ptx_rt_isspacep(struct ptx_thread *t, uint64_t address, uint32_t space)
{
	bool shared = address - (uint64_t)(uintptr_t)t->shared <
		      PTX_SHARED_BYTES_MAX + PTX_RESERVED_SHARED_BYTES;
	const struct ptx_fiber *fiber = t->fiber;
	bool local = address - (uint64_t)(uintptr_t)fiber->low <
		     (uint64_t)(fiber->high - fiber->low);

	switch (space) {
	case PTX_SPACE_SHARED: return shared;
	case PTX_SPACE_LOCAL: return local;
	default: return !shared && !local;
	}
}

void ptx_rt_copy_fill(uint64_t to, uint64_t from, uint32_t bytes, uint32_t valid)
{
	memcpy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, valid);
	memset((uint8_t *)(uintptr_t)to + valid, 0, bytes - valid);
}
