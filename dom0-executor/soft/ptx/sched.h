/* SPDX-License-Identifier: MIT */
/*
 * Running blocks: a worker is an OS thread with stacks; it runs the threads of its resident blocks as fibers,
 * one at a time. A thread that never waits costs no switch: the fiber goes on with the next one. Blocks of a
 * cooperative launch are all resident in one worker.
 *
 * A run (one launch) is shared by its workers; only next_block, stop, and the fault are written by several.
 */
#ifndef SOFT_PTX_SCHED_H
#define SOFT_PTX_SCHED_H

#include "fiber.h"
#include "heap.h"
#include "link.h"
#include "rt.h"

#include <pthread.h>
#include <signal.h>

#define PTX_BARRIERS 17 /* PTX's 16 and the cluster's */

struct ptx_run {
	struct ptx_grid grid;
	const struct ptx_kernel *kernel;
	ptx_code *code;
	const void *params;
	struct ptx_callbacks callbacks;
	struct ptx_heap *heap;
	const volatile int *cancel;
	uint64_t block_count;
	uint64_t next_block; /* atomic */
	int stop;            /* atomic: a worker met a fault */
	size_t stack_bytes;
	pthread_mutex_t lock; /* fault */
	struct ptx_fault fault;
};

struct ptx_barrier {
	uint32_t expected; /* 0: every thread of the block */
	uint32_t arrived;
	uint32_t sum; /* of the predicates of bar.red */
	uint32_t result_count, result_sum;
	struct ptx_thread *waiting;
};

struct ptx_warp {
	uint32_t alive;     /* lanes that exist and have not ended */
	uint32_t running;   /* lanes that wait for nothing, unstarted ones included */
	uint32_t at_active; /* lanes that wait in activemask */
	uint32_t at_op;     /* lanes that wait in another operation */
};

struct ptx_block {
	struct ptx_block_head head; /* first: generated code reads it */
	struct ptx_worker *worker;
	struct ptx_thread *threads;
	struct ptx_warp warps[PTX_BLOCK_THREADS_MAX / 32];
	struct ptx_barrier bars[PTX_BARRIERS];
	uint32_t thread_count;
	uint32_t started, ended;
	uint32_t bars_open; /* barriers where somebody has arrived */
	uint8_t *shared;
	struct ptx_block *next; /* resident in the worker, with unstarted threads */
};

struct ptx_worker {
	struct ptx_worker *next; /* in the pool of idle ones */
	struct ptx_run *run;
	volatile uint8_t poke;
	bool aborted;
	uint32_t prepared; /* blocks whose threads are set up for this run */
	uint32_t index;    /* in the run: %smid */
	void *main_sp;
	const void *main_low; /* the OS thread's stack, for AddressSanitizer only */
	size_t main_bytes;
	struct ptx_thread *current; /* NULL: the scheduler runs */
	struct ptx_thread *ready, **ready_tail;
	struct ptx_stacks stacks;
	struct ptx_fiber *free_fibers;
	struct ptx_block *blocks;
	uint32_t block_space, block_used;
	struct ptx_block *unstarted;
	uint8_t *shared; /* mapping for block_space blocks */
	size_t shared_stride;
	struct ptx_thread *threads;
	uint32_t thread_space;
	struct ptx_worker *ticking; /* list of the ticker */
	void *alt_stack;
	sigset_t old_mask; /* of the OS thread that it took over */
};

/* worker.c */
int ptx_worker_reserve(struct ptx_worker *w, const struct ptx_run *run,
		       uint32_t blocks); /* -ENOMEM */
void ptx_worker_free(struct ptx_worker *w);

/* sched.c */
void ptx_sched_blocks(struct ptx_worker *w, uint64_t first, uint32_t count);
void ptx_sched_ready(struct ptx_thread *t);
/* Puts the current thread to wait: others run until someone makes it ready. */
void ptx_sched_wait(struct ptx_thread *t, enum ptx_wait why);
/* Ends the run: the calling fiber never goes on. */
void ptx_sched_abort(struct ptx_thread *t) __attribute__((noreturn));
/* A signal handler is about to return to the scheduler's stack. */
void ptx_sched_leave_by_signal(struct ptx_worker *w);

/* fault.c */
void ptx_fault_record(struct ptx_run *run, const struct ptx_thread *t, enum ptx_fault_kind kind,
		      uint64_t address, const char *detail);
void ptx_fault_raise(struct ptx_thread *t, enum ptx_fault_kind kind, uint64_t address,
		     const char *detail) __attribute__((noreturn));
int ptx_fault_enter(struct ptx_worker *w); /* this OS thread runs w's fibers from now on */
void ptx_fault_leave(struct ptx_worker *w);

/* collective.c: to be called when a lane of the warp ended or began to wait */
void ptx_warp_recheck(struct ptx_block *block, uint32_t warp);
bool ptx_warp_unstick(struct ptx_block *block); /* true: somebody is ready now */
/* bar.c */
void ptx_bar_recheck(struct ptx_block *block);

#endif
