/* SPDX-License-Identifier: MIT */
/*
 * mbarrier objects: 64-bit words in shared memory that only these functions read. The threads of a block run in one OS
 * thread, so nothing is atomic. The word is the guest's to overwrite: any value is harmless here.
 */
#include "sched.h"

#include <string.h>

#define COUNT_MAX 0xfffffu /* 2^20 - 1, as PTX has it */

struct mbar {
	uint64_t pending : 20;  /* arrivals that this phase still needs */
	uint64_t expected : 20; /* of the next phase */
	uint64_t bytes : 23;    /* that are still to come, modulo 2^23 */
	uint64_t phase : 1;
};

static struct mbar mbar_of(uint64_t word)
{
	struct mbar bar;

	memcpy(&bar, &word, sizeof(bar));
	return bar;
}

static uint64_t mbar_word(struct mbar bar)
{
	uint64_t word;

	memcpy(&word, &bar, sizeof(word));
	return word;
}

uint64_t ptx_rt_mbar(struct ptx_thread *t, uint64_t address, uint32_t op, uint32_t count)
{
	uint64_t *word = (uint64_t *)(uintptr_t)address;
	uint64_t before = *word;
	struct mbar bar = mbar_of(before);

	if (op < PTX_MBAR_EXPECT && (!count || count > COUNT_MAX))
		ptx_fault_raise(t, PTX_FAULT_TRAP, address, "mbarrier count out of range");
	switch (op) {
	case PTX_MBAR_INIT: bar = (struct mbar){.pending = count, .expected = count}; break;
	case PTX_MBAR_DROP: bar.expected -= bar.expected ? 1 : 0; /* fall through */
	case PTX_MBAR_ARRIVE: bar.pending -= count < bar.pending ? count : bar.pending; break;
	case PTX_MBAR_EXPECT: bar.bytes += count; break;
	default: bar.bytes -= count; break;
	}
	if (op != PTX_MBAR_INIT && op != PTX_MBAR_EXPECT && !bar.pending && !bar.bytes) {
		bar.phase ^= 1;
		bar.pending = bar.expected;
	}
	*word = mbar_word(bar);
	return before;
}

PTX_SWITCHES uint32_t ptx_rt_mbar_test(struct ptx_thread *t, uint64_t address, uint64_t state,
				       uint32_t is_parity)
{
	uint64_t phase = is_parity ? state & 1 : mbar_of(state).phase;

	if (mbar_of(*(const uint64_t *)(uintptr_t)address).phase != phase)
		return 1;
	ptx_rt_yield(t);
	return mbar_of(*(const uint64_t *)(uintptr_t)address).phase != phase;
}

uint32_t ptx_rt_mbar_pending(uint64_t state)
{
	return mbar_of(state).pending;
}
