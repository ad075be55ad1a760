/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's stack of contexts. It belongs to its thread alone and goes with it. It holds references to the objects.
 */
#include <pthread.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/context.h"

struct stack {
	struct fe_context **entry; /* each with a reference */
	unsigned int depth, room;
};

static __thread struct stack stack __attribute__((tls_model("initial-exec")));
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

__thread struct fe_context *fe_stack_current __attribute__((tls_model("initial-exec")));

static void stack_moved(void)
{
	fe_stack_current = stack.depth ? stack.entry[stack.depth - 1] : NULL;
}

static void reference(struct fe_context *context)
{
	if (!context->primary)
		atomic_fetch_add(&context->refs, 1);
}

void fe_context_put(struct fe_context *context)
{
	if (!context->primary && atomic_fetch_sub(&context->refs, 1) == 1)
		free(context);
}

/* At the thread's end. */
static void stack_free(void *arg)
{
	(void)arg;
	while (stack.depth)
		fe_stack_pop();
	free(stack.entry);
	stack = (struct stack){0};
}

static void key_create(void)
{
	/* Without a key the few bytes of a thread's stack are lost at its end, nothing more. */
	(void)pthread_key_create(&key, stack_free);
}

static bool stack_grow(void)
{
	unsigned int room = stack.room ? 2 * stack.room : 8;
	struct fe_context **entry = reallocarray(stack.entry, room, sizeof(*entry));

	if (!entry)
		return false;
	stack.entry = entry;
	stack.room = room;
	pthread_once(&once, key_create);
	pthread_setspecific(key, &stack);
	return true;
}

CUresult fe_stack_push(struct fe_context *context)
{
	if (stack.depth == stack.room && !stack_grow())
		return CUDA_ERROR_OUT_OF_MEMORY;
	reference(context);
	stack.entry[stack.depth++] = context;
	stack_moved();
	return CUDA_SUCCESS;
}

void fe_stack_pop(void)
{
	struct fe_context *top = stack.entry[--stack.depth];

	stack_moved();
	fe_context_put(top);
}

CUresult fe_stack_set(struct fe_context *context)
{
	if (!stack.depth)
		return fe_stack_push(context);
	reference(context);
	fe_context_put(stack.entry[stack.depth - 1]);
	stack.entry[stack.depth - 1] = context;
	stack_moved();
	return CUDA_SUCCESS;
}

/* In a child after fork: nothing is current. */
void fe_stack_reset(void)
{
	while (stack.depth)
		fe_stack_pop();
}
