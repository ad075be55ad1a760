/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of a worker; see sched.h. One OS thread. Who runs next: a thread that was made ready, before one that
 * has not started (a warp's lanes stay together); only a thread that yields prefers the unstarted, since
 * it may wait for one of them.
 */
#include "sched.h"

#include <string.h>

#ifdef PTX_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

static void fiber_entry(struct ptx_fiber *fiber);

#ifdef PTX_ASAN
/* AddressSanitizer must know which stack is the current one. */
static void main_bounds(struct ptx_worker *w)
{
	pthread_attr_t attr;
	void *low;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		pthread_attr_getstack(&attr, &low, &w->main_bytes);
		w->main_low = low;
		pthread_attr_destroy(&attr);
	}
}

static void go(struct ptx_worker *w, void **save, struct ptx_fiber *to)
{
	void *fake;

	__sanitizer_start_switch_fiber(&fake, to ? to->low : w->main_low,
				       to ? (size_t)(to->high - to->low) : w->main_bytes);
	ptx_fiber_switch(save, to ? to->sp : w->main_sp);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

void ptx_sched_leave_by_signal(struct ptx_worker *w)
{
	__sanitizer_start_switch_fiber(NULL, w->main_low, w->main_bytes);
}

static void fiber_entered(void)
{
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}
#else
static void main_bounds(struct ptx_worker *w)
{
	(void)w;
}

/* Saves what runs and goes on with a fiber, or the scheduler (NULL). */
PTX_SWITCHES static void go(struct ptx_worker *w, void **save, struct ptx_fiber *to)
{
	ptx_fiber_switch(save, to ? to->sp : w->main_sp);
}

void ptx_sched_leave_by_signal(struct ptx_worker *w)
{
	(void)w;
}

static void fiber_entered(void)
{
}
#endif

void ptx_sched_ready(struct ptx_thread *t)
{
	struct ptx_worker *w = t->block->worker;

	t->wait = PTX_RUNNABLE;
	t->block->warps[t->warp].running |= 1u << t->lane;
	t->next = NULL;
	*w->ready_tail = t;
	w->ready_tail = &t->next;
}

static struct ptx_thread *ready_pop(struct ptx_worker *w)
{
	struct ptx_thread *t = w->ready;

	if (!t)
		return NULL;
	w->ready = t->next;
	if (!w->ready)
		w->ready_tail = &w->ready;
	return t;
}

/* The next thread that has not started, of the first block that has one. */
static struct ptx_thread *start_next(struct ptx_worker *w)
{
	struct ptx_block *block = w->unstarted;
	struct ptx_thread *t;

	if (!block)
		return NULL;
	t = &block->threads[block->started++];
	if (block->started == block->thread_count)
		w->unstarted = block->next;
	return t;
}

static struct ptx_fiber *fiber_get(struct ptx_worker *w)
{
	struct ptx_fiber *fiber = w->free_fibers;

	if (fiber) {
		w->free_fibers = fiber->next;
		return fiber;
	}
	fiber = ptx_stacks_next(&w->stacks);
	if (fiber) {
		fiber->worker = w;
		fiber->sp = ptx_fiber_prepare(fiber, fiber_entry);
	}
	return fiber;
}

static struct ptx_fiber *pick_ready(struct ptx_worker *w)
{
	struct ptx_thread *t = ready_pop(w);

	w->current = t;
	return t ? t->fiber : NULL;
}

/* What runs next, NULL: nothing can. For an unstarted thread a fiber that will take it. */
static struct ptx_fiber *pick(struct ptx_worker *w, bool unstarted_first)
{
	struct ptx_fiber *fiber = unstarted_first && w->unstarted ? fiber_get(w) : NULL;

	if (!fiber)
		fiber = pick_ready(w);
	return fiber || !w->unstarted ? fiber : fiber_get(w);
}

PTX_SWITCHES static void switch_to_next(struct ptx_worker *w, struct ptx_fiber *from,
					bool unstarted_first)
{
	struct ptx_fiber *to = pick(w, unstarted_first);

	if (to != from)
		go(w, &from->sp, to);
}

PTX_SWITCHES static void switch_away(struct ptx_thread *t, bool unstarted_first)
{
	struct ptx_worker *w = t->block->worker;

	switch_to_next(w, t->fiber, unstarted_first);
	w->current = t;
}

PTX_SWITCHES void ptx_sched_wait(struct ptx_thread *t, enum ptx_wait why)
{
	struct ptx_warp *warp = &t->block->warps[t->warp];

	t->wait = why;
	warp->running &= ~(1u << t->lane);
	/* It may have been the last lane that others waited for to stand still. */
	if (warp->at_active && !warp->running)
		ptx_warp_recheck(t->block, t->warp);
	switch_away(t, false);
}

PTX_SWITCHES void ptx_rt_yield(struct ptx_thread *t)
{
	struct ptx_worker *w = t->block->worker;

	if (!w->ready && !w->unstarted) {
		/* Nobody else, but lanes that wait for this one's warp to stand still may go on. */
		if (!ptx_warp_unstick(t->block))
			return;
	}
	ptx_sched_ready(t);
	switch_away(t, true);
}

PTX_SWITCHES void ptx_rt_poll(struct ptx_thread *t)
{
	struct ptx_worker *w = t->block->worker;

	__atomic_store_n(&w->poke, 0, __ATOMIC_RELAXED);
	if (w->run->cancel && __atomic_load_n(w->run->cancel, __ATOMIC_RELAXED))
		ptx_fault_raise(t, PTX_FAULT_CANCELLED, 0, NULL);
	if (__atomic_load_n(&w->run->stop, __ATOMIC_RELAXED))
		ptx_sched_abort(t);
	ptx_rt_yield(t);
}

PTX_SWITCHES void ptx_sched_abort(struct ptx_thread *t)
{
	struct ptx_worker *w = t->block->worker;
	void *dead;

	w->aborted = true;
	w->current = NULL;
	go(w, &dead, NULL);
	__builtin_unreachable();
}

static void thread_end(struct ptx_thread *t)
{
	struct ptx_block *block = t->block;

	t->wait = PTX_EXITED;
	block->ended++;
	block->warps[t->warp].alive &= ~(1u << t->lane);
	block->warps[t->warp].running &= ~(1u << t->lane);
	/* Those who wait may have waited for this one only. */
	if (block->warps[t->warp].at_op | block->warps[t->warp].at_active)
		ptx_warp_recheck(block, t->warp);
	if (block->bars_open)
		ptx_bar_recheck(block);
}

/* Runs one thread after the other as long as there are unstarted ones. */
PTX_SWITCHES static void fiber_loop(struct ptx_fiber *fiber)
{
	struct ptx_worker *w = fiber->worker;

	for (;;) {
		struct ptx_thread *t = start_next(w);

		if (!t) {
			fiber->next = w->free_fibers;
			w->free_fibers = fiber;
			switch_to_next(w, fiber, false);
			continue;
		}
		t->fiber = fiber;
		t->wait = PTX_RUNNABLE;
		fiber->thread = t;
		w->current = t;
		w->run->code(t, w->run->params);
		w->current = NULL;
		thread_end(t);
	}
}

PTX_SWITCHES static void fiber_entry(struct ptx_fiber *fiber)
{
	fiber_entered();
	fiber_loop(fiber);
}

PTX_SWITCHES void ptx_rt_exit(struct ptx_thread *t)
{
	struct ptx_fiber *fiber = t->fiber;

	thread_end(t);
	t->block->worker->current = NULL;
	ptx_fiber_restart(fiber, fiber_loop);
}

/* ---- blocks ---- */

static void threads_setup(struct ptx_worker *w, struct ptx_block *block)
{
	const struct ptx_grid *grid = &w->run->grid;

	for (uint32_t i = 0; i < block->thread_count; i++) {
		struct ptx_thread *t = &block->threads[i];

		memset(t, 0, sizeof(*t));
		t->block = block;
		t->grid = &w->run->grid;
		t->poke = &w->poke;
		t->shared = block->shared;
		t->tid[0] = i % grid->ntid[0];
		t->tid[1] = i / grid->ntid[0] % grid->ntid[1];
		t->tid[2] = i / grid->ntid[0] / grid->ntid[1];
		t->lane = i % 32;
		t->warp = i / 32;
		t->smid = w->index;
		t->linear = i;
	}
}

static void block_setup(struct ptx_worker *w, uint32_t slot, uint64_t number)
{
	const struct ptx_grid *grid = &w->run->grid;
	struct ptx_block *block = &w->blocks[slot];

	memset(block, 0, sizeof(*block));
	block->worker = w;
	block->thread_count = grid->threads;
	block->threads = &w->threads[(size_t)slot * grid->threads];
	block->shared = w->shared + (size_t)slot * w->shared_stride;
	memset(block->shared + PTX_SHARED_BYTES_MAX, 0, PTX_RESERVED_SHARED_BYTES);
	block->head.ctaid[0] = (uint32_t)(number % grid->nctaid[0]);
	block->head.ctaid[1] = (uint32_t)(number / grid->nctaid[0] % grid->nctaid[1]);
	block->head.ctaid[2] = (uint32_t)(number / grid->nctaid[0] / grid->nctaid[1]);
	for (uint32_t i = 0; i < grid->warps; i++) {
		uint32_t lanes = grid->threads - i * 32;

		block->warps[i].alive = lanes >= 32 ? UINT32_MAX : (1u << lanes) - 1;
		block->warps[i].running = block->warps[i].alive;
	}
	if (slot >= w->prepared) {
		threads_setup(w, block);
		w->prepared = slot + 1;
	}
}

static bool blocks_ended(const struct ptx_worker *w, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (w->blocks[i].ended != w->blocks[i].thread_count)
			return false;
	return true;
}

static bool blocks_unstick(struct ptx_worker *w, uint32_t count)
{
	bool any = false;

	for (uint32_t i = 0; i < count; i++)
		any |= ptx_warp_unstick(&w->blocks[i]);
	return any;
}

/* After a fault the fibers' frames are dropped where they stand. */
static void fibers_reset(struct ptx_worker *w)
{
	w->free_fibers = NULL;
	for (uint32_t i = w->stacks.used; i-- > 0;) {
		struct ptx_fiber *fiber = &w->stacks.fibers[i];

		fiber->sp = ptx_fiber_prepare(fiber, fiber_entry);
		fiber->next = w->free_fibers;
		w->free_fibers = fiber;
	}
}

static void report_deadlock(struct ptx_worker *w, uint32_t count)
{
	const struct ptx_thread *waiting = NULL;

	for (uint32_t i = 0; i < count && !waiting; i++)
		for (uint32_t k = 0; k < w->blocks[i].started && !waiting; k++)
			if (w->blocks[i].threads[k].wait != PTX_EXITED)
				waiting = &w->blocks[i].threads[k];
	ptx_fault_record(w->run, waiting, PTX_FAULT_DEADLOCK, 0, NULL);
	w->aborted = true;
}

/* Runs `count` blocks from number `first` on, all of them resident, until they have ended or the run stops. */
PTX_SWITCHES void ptx_sched_blocks(struct ptx_worker *w, uint64_t first, uint32_t count)
{
	main_bounds(w);
	w->aborted = false;
	w->current = NULL;
	w->ready = NULL;
	w->ready_tail = &w->ready;
	for (uint32_t i = 0; i < count; i++) {
		block_setup(w, i, first + i);
		if (i)
			w->blocks[i - 1].next = &w->blocks[i];
	}
	w->unstarted = w->blocks;
	while (!w->aborted) {
		struct ptx_fiber *fiber = pick(w, false);

		if (fiber)
			go(w, &w->main_sp, fiber);
		else if (blocks_ended(w, count))
			return;
		else if (!blocks_unstick(w, count))
			report_deadlock(w, count);
	}
	fibers_reset(w);
}
