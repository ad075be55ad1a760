/* SPDX-License-Identifier: MIT */
/* Barriers of a block. Threads that have ended count as arrived where all are expected. One OS thread. */
#include "sched.h"

static bool bar_full(const struct ptx_block *block, const struct ptx_barrier *bar)
{
	uint32_t ended = bar->expected ? 0 : block->ended;
	uint32_t expected = bar->expected ? bar->expected : block->thread_count;

	return bar->arrived && bar->arrived + ended >= expected;
}

/* Everybody goes on; the results stay until the barrier fills again, which needs all of them. */
static void bar_release(struct ptx_block *block, struct ptx_barrier *bar)
{
	struct ptx_thread *t = bar->waiting;

	block->bars_open--;

	for (struct ptx_thread *next; t; t = next) {
		next = t->next;
		t->op_a = bar->arrived;
		t->op_b = bar->sum;
		ptx_sched_ready(t);
	}
	bar->waiting = NULL;
	bar->arrived = bar->sum = bar->expected = 0;
}

void ptx_bar_recheck(struct ptx_block *block)
{
	for (uint32_t i = 0; i < PTX_BARRIERS; i++)
		if (block->bars[i].arrived && bar_full(block, &block->bars[i]))
			bar_release(block, &block->bars[i]);
}

PTX_SWITCHES static struct ptx_barrier *bar_get(struct ptx_thread *t, uint32_t id, uint32_t count)
{
	struct ptx_barrier *bar;

	if (id >= PTX_BARRIERS || count > PTX_BLOCK_THREADS_MAX || count % 32)
		ptx_fault_raise(t, PTX_FAULT_TRAP, id,
				"barrier number or thread count out of range");
	bar = &t->block->bars[id];
	bar->expected = count;
	t->block->bars_open += !bar->arrived++;
	return bar;
}

static uint32_t bar_result(uint32_t red, uint32_t arrived, uint32_t sum)
{
	switch (red) {
	case 1: return sum;
	case 2: return sum == arrived;
	case 3: return sum != 0;
	default: return 0;
	}
}

PTX_SWITCHES uint32_t ptx_rt_bar(struct ptx_thread *t, uint32_t id, uint32_t count, uint32_t red,
				 uint32_t value)
{
	struct ptx_barrier *bar = bar_get(t, id, count);
	uint32_t arrived, sum;

	bar->sum += value & 1;
	if (bar_full(t->block, bar)) {
		arrived = bar->arrived;
		sum = bar->sum;
		bar_release(t->block, bar);
		return bar_result(red, arrived, sum);
	}
	t->next = bar->waiting;
	bar->waiting = t;
	ptx_sched_wait(t, PTX_WAIT_BAR);
	return bar_result(red, t->op_a, t->op_b);
}

PTX_SWITCHES void ptx_rt_bar_arrive(struct ptx_thread *t, uint32_t id, uint32_t count)
{
	struct ptx_barrier *bar = bar_get(t, id, count);

	if (bar_full(t->block, bar))
		bar_release(t->block, bar);
}
