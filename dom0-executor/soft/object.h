/* SPDX-License-Identifier: MIT */
/*
 * What every handle of the software driver stands for: a counted object in one process-wide table.
 *
 * A handle is a number, not a pointer: kind, generation and slot. A stale, foreign or invented one
 * therefore finds nothing, and never memory. The table holds one reference while the handle is
 * valid; object_get() lends another. What is still running keeps its own references, so a destroyed
 * object lives until the last of its work has ended.
 */
#ifndef SOFT_OBJECT_H
#define SOFT_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct soft_context;

enum soft_kind {
	SOFT_CONTEXT = 1,
	SOFT_STREAM,
	SOFT_EVENT,
	SOFT_MODULE,
	SOFT_FUNCTION,
	SOFT_LIBRARY,
	SOFT_KERNEL,
	SOFT_LINK,
	SOFT_ARRAY,
	SOFT_POOL,
	SOFT_PHYSICAL, /* cuMemCreate */
	SOFT_GRAPH,
	SOFT_NODE,
	SOFT_EXEC,
	SOFT_USER_OBJECT,
	SOFT_CONDITIONAL, /* of conditional nodes: a number */
	SOFT_MIPMAP,
	SOFT_TEXTURE, /* texture objects: a number */
	SOFT_SURFACE, /* surface objects: a number */
	SOFT_TEXREF,
	SOFT_GREEN,
	SOFT_RESOURCE_DESC, /* cuDevResourceGenerateDesc */
	SOFT_CAPTURE,       /* never in the table */
};

struct soft_object {
	enum soft_kind kind;
	atomic_uint refs;
	uint64_t handle;
	struct soft_context *ctx;              /* a reference, or NULL: belongs to no context */
	void (*destroy)(struct soft_object *); /* frees the object; its last reference is gone */
};

/*
 * Make a zeroed object of `size` bytes that begins with a struct soft_object. Its reference belongs
 * to the caller, who passes it on with object_publish(). NULL without memory.
 */
void *object_new(enum soft_kind kind, size_t size, struct soft_context *ctx,
		 void (*destroy)(struct soft_object *));

/* Give the object a handle: the table takes the caller's reference. CUDA_ERROR_OUT_OF_MEMORY: full,
 * and the object is gone. */
CUresult object_publish(void *published);

/* The object of a handle with a reference for the caller, or NULL. */
void *object_get(enum soft_kind kind, const void *handle);

/* Handles that are numbers rather than pointers. */
void *object_get_number(enum soft_kind kind, uint64_t handle);

void *object_ref(void *counted); /* returns its argument */
void object_put(void *counted);  /* NULL is fine */

/*
 * Make the handle invalid. True for the one caller who did it; that one now owns the table's
 * reference.
 */
bool object_retire(void *retired);

/* A pointer-typed handle of a published object. */
static inline void *object_handle(const void *object)
{
	return (void *)(uintptr_t)((const struct soft_object *)object)->handle;
}

enum soft_kind object_kind_of(const void *handle);

/*
 * Call `each` with every object of this context, or of any where ctx is NULL, and of that kind, or
 * of any where kind is 0. `each` gets a reference that is dropped after it returns, and may retire
 * objects.
 */
void object_each(const struct soft_context *ctx, enum soft_kind kind,
		 void (*each)(void *object, void *user), void *user);

/* For __attribute__((cleanup)): drops the reference in a variable. */
void object_put_variable(void *variable);
#define auto_put __attribute__((cleanup(object_put_variable)))

#endif
