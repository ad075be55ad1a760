/* SPDX-License-Identifier: MIT */
/*
 * Stacks of their own for the CUDA threads of a block, and the switch between them (x86-64 System V). A switch
 * saves the callee-saved registers only; MXCSR and the x87 control word are the same in all fibers.
 */
#ifndef SOFT_PTX_FIBER_H
#define SOFT_PTX_FIBER_H

#include <stddef.h>
#include <stdint.h>

struct ptx_worker;
struct ptx_thread;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PTX_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define PTX_ASAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define PTX_TSAN 1
#endif
#ifdef __SANITIZE_ADDRESS__
#define PTX_ASAN 1
#endif

/* For functions that are on a stack while it is switched: ThreadSanitizer's own stack has no fibers. */
#ifdef PTX_TSAN
#define PTX_SWITCHES __attribute__((no_sanitize_thread))
#else
#define PTX_SWITCHES
#endif

struct ptx_fiber {
	void *sp;            /* while it does not run */
	uint8_t *low, *high; /* usable stack; the page below low is closed */
	struct ptx_worker *worker;
	struct ptx_thread *thread;
	struct ptx_fiber *next; /* in the free list */
};

/* A mapping of many stacks, made usable one after the other. */
struct ptx_stacks {
	uint8_t *base;
	size_t stride; /* guard page included */
	uint32_t count, used;
	struct ptx_fiber *fibers;
};

int ptx_stacks_init(struct ptx_stacks *stacks, uint32_t count, size_t bytes); /* -ENOMEM */
void ptx_stacks_free(struct ptx_stacks *stacks);
/* The next unused one, NULL: none left. */
struct ptx_fiber *ptx_stacks_next(struct ptx_stacks *stacks);

/* Stores the stack pointer of what runs now and goes on at `to`. */
void ptx_fiber_switch(void **save, void *to);
/* Where a saved stack pointer is continued: for a signal handler that puts it in the context. */
void ptx_fiber_resume(void);
/* First stack pointer of a fiber that will call entry(fiber), which must not return. */
void *ptx_fiber_prepare(struct ptx_fiber *fiber, void (*entry)(struct ptx_fiber *));
/* Throws the current fiber's frames away and calls entry(fiber) anew. */
void ptx_fiber_restart(struct ptx_fiber *fiber, void (*entry)(struct ptx_fiber *))
	__attribute__((noreturn));

#endif
