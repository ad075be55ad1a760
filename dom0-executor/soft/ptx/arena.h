/* SPDX-License-Identifier: MIT */
/*
 * Memory of one PTX unit: an arena that is freed as a whole, and names, each stored once.
 * Used by one thread at a time.
 */
#ifndef SOFT_PTX_ARENA_H
#define SOFT_PTX_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct ptx_binding;
struct ptx_label;

/* A name. Equal names are the same atom, so that pointers compare. */
struct ptx_atom {
	struct ptx_atom *next;
	struct ptx_binding *binding; /* what it means in the innermost open scope */
	struct ptx_label *label;     /* labels have their own name space */
	uint32_t hash;
	uint32_t len;
	char text[]; /* NUL terminated */
};

struct ptx_chunk;

struct ptx_arena {
	struct ptx_chunk *chunks;
	struct ptx_atom **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t atom_count;
};

void ptx_arena_init(struct ptx_arena *arena);
void ptx_arena_free(struct ptx_arena *arena);
void *ptx_arena_alloc(struct ptx_arena *arena, size_t bytes); /* zeroed; NULL: no memory */
struct ptx_atom *ptx_atom_get(struct ptx_arena *arena, const char *text, size_t len);
/* Only looks, NULL where the name was never seen. */
struct ptx_atom *ptx_atom_find(const struct ptx_arena *arena, const char *text, size_t len);

#endif
