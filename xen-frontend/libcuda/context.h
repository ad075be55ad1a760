/* SPDX-License-Identifier: MIT */
/*
 * Contexts: which there are, and which is current in a thread.
 *
 * The stack of current contexts is the guest thread's and lives here; the executor hears of it only
 * when a command needs the context (fe_context_bind), so setting and asking cost nothing.
 *
 * The primary context of a device has one handle for the life of the process, known before anybody
 * retains it (the runtime asks for it that early). It can be made current at any time; commands in
 * it need it retained, and answer CUDA_ERROR_CONTEXT_IS_DESTROYED otherwise, as the driver does.
 *
 * Any thread. An object is never freed while a thread's stack holds it.
 */
#ifndef FE_CONTEXT_H
#define FE_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct fe_context {
	_Atomic uint64_t handle; /* 0: a primary context that nobody has asked for */
	CUdevice device;
	bool primary;
	/* Primary: retained. Others: not destroyed. */
	atomic_bool usable;
	/* Moves when what the executor knew under this handle has gone. */
	_Atomic uint32_t epoch;
	_Atomic uint32_t attached; /* cuCtxAttach without its cuCtxDetach */
	_Atomic uint64_t id;       /* cuCtxGetId */
	_Atomic uint32_t refs;     /* not primary: the list's and those of threads' stacks */
	unsigned int version;      /* cuCtxGetApiVersion */
	unsigned int retains;      /* primary: under context_primary.c's lock */
	unsigned int flags;        /* relaxed atomic */
	struct fe_context *next;   /* not primary: under the list's lock */
};

/* The top of the thread's stack: context_stack.c writes it. */
extern __thread struct fe_context *fe_stack_current __attribute__((tls_model("initial-exec")));

/* CUDA's answer where there is no context that commands could run in; 0 where there is one. */
static inline CUresult fe_context_needed(void)
{
	const struct fe_context *top = fe_stack_current;

	if (!top)
		return CUDA_ERROR_INVALID_CONTEXT;
	return atomic_load_explicit(&top->usable, memory_order_acquire)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

/* What this thread's commands run in; NULL without one. */
static inline CUcontext fe_context_current(void);

/* The same where it takes none: 0 unless there is one that has been destroyed. */
CUresult fe_context_allowed(void);

/* The same for calls of before CUDA 3.2, which want a context that cuCtxCreate made. */
CUresult fe_context_old_needed(void);

/*
 * To be called before a command that needs the context: tells the lane's executor thread if that has another
 * one current. *sent belongs to the lane, begins as 0 and is opaque.
 */
CUresult fe_context_bind(uint64_t *sent);
/* The same for one that takes none as well: none is current over there if none that lives is here. */
CUresult fe_context_bind_if(uint64_t *sent);

/* Whether it is one, usable or not. */
CUresult fe_context_check(CUcontext ctx);

/* Device of a context; NULL: of the current one. */
CUresult fe_context_device(CUcontext ctx, CUdevice *device);

/* The primary context's handle, retained or not. */
CUresult fe_context_primary(CUdevice device, CUcontext *ctx);

/* True when a usable primary context is current: its device and epoch. */
bool fe_context_is_primary(CUdevice *device, uint32_t *epoch);

/* Runs what follows in ctx (NULL: as it is) until fe_context_exit. */
CUresult fe_context_enter(CUcontext ctx, bool *entered);
void fe_context_exit(bool entered);

/* --- between the files about contexts --- */

/* The object, with a reference (fe_context_put). NULL: unknown or destroyed. */
struct fe_context *fe_context_find(CUcontext ctx);
void fe_context_put(struct fe_context *context);

/* How many contexts have been destroyed or reset so far: what was theirs has gone with them. */
extern _Atomic uint32_t fe_contexts_gone;

/* A new context that is not primary, in the list, with a reference for the caller. */
struct fe_context *fe_context_add(CUcontext ctx, CUdevice device);
/* Takes it out of the list, marks it destroyed. */
void fe_context_remove(struct fe_context *context);

/* NULL: bad device, or no memory for its handle; *result says which. */
struct fe_context *fe_primary_get(CUdevice device, CUresult *result);
/* A number that no context of the process has had. */
uint64_t fe_context_new_id(void);

/* NULL: none is current. */
static inline struct fe_context *fe_stack_top(void)
{
	return fe_stack_current;
}

static inline CUcontext fe_context_current(void)
{
	struct fe_context *top = fe_stack_top();

	return top ? (CUcontext)atomic_load_explicit(&top->handle, memory_order_acquire) : NULL;
}

/* Who waits for the current one's work is to sleep at once. */
static inline bool fe_context_blocks(void)
{
	const struct fe_context *top = fe_stack_top();

	return top && (__atomic_load_n(&top->flags, __ATOMIC_RELAXED) & CU_CTX_SCHED_MASK) ==
			      CU_CTX_SCHED_BLOCKING_SYNC;
}

CUresult fe_stack_push(struct fe_context *context); /* takes a reference of its own */
void fe_stack_pop(void);
/* Replaces the top. */
CUresult fe_stack_set(struct fe_context *context);
void fe_stack_reset(void);
void fe_primary_reset(void);

#endif
