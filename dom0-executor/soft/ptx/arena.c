/* SPDX-License-Identifier: MIT */
/* Arena and names of a PTX unit; see arena.h. Trusts its callers; lengths are bounded by the lexer. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES   (64u << 10)
#define FIRST_BUCKETS 1024u

struct ptx_chunk {
	struct ptx_chunk *next;
	size_t used;
	size_t size;
	_Alignas(16) unsigned char data[];
};

void ptx_arena_init(struct ptx_arena *arena)
{
	memset(arena, 0, sizeof(*arena));
}

void ptx_arena_free(struct ptx_arena *arena)
{
	struct ptx_chunk *chunk = arena->chunks;

	while (chunk) {
		struct ptx_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	free(arena->buckets);
	memset(arena, 0, sizeof(*arena));
}

static struct ptx_chunk *chunk_add(struct ptx_arena *arena, size_t bytes)
{
	size_t size = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
	struct ptx_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->size = size;
	/* A big piece goes behind the open chunk, so that the open one is used to its end. */
	if (size != CHUNK_BYTES && arena->chunks) {
		chunk->next = arena->chunks->next;
		arena->chunks->next = chunk;
	} else {
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	return chunk;
}

void *ptx_arena_alloc(struct ptx_arena *arena, size_t bytes)
{
	struct ptx_chunk *chunk = arena->chunks;
	void *piece;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 15) & ~(size_t)15;
	if (!chunk || chunk->size - chunk->used < bytes)
		chunk = chunk_add(arena, bytes);
	if (!chunk)
		return NULL;
	piece = chunk->data + chunk->used;
	chunk->used += bytes;
	return piece;
}

static uint32_t text_hash(const char *text, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

static int buckets_grow(struct ptx_arena *arena)
{
	uint32_t count = arena->bucket_count ? arena->bucket_count * 4 : FIRST_BUCKETS;
	struct ptx_atom **buckets = calloc(count, sizeof(struct ptx_atom *));

	if (!buckets)
		return -1;
	for (uint32_t i = 0; i < arena->bucket_count; i++) {
		struct ptx_atom *atom = arena->buckets[i];

		while (atom) {
			struct ptx_atom *next = atom->next;

			atom->next = buckets[atom->hash & (count - 1)];
			buckets[atom->hash & (count - 1)] = atom;
			atom = next;
		}
	}
	free(arena->buckets);
	arena->buckets = buckets;
	arena->bucket_count = count;
	return 0;
}

static struct ptx_atom *bucket_search(const struct ptx_arena *arena, const char *text, size_t len,
				      uint32_t hash)
{
	struct ptx_atom *atom = arena->buckets[hash & (arena->bucket_count - 1)];

	while (atom && (atom->hash != hash || atom->len != len || memcmp(atom->text, text, len)))
		atom = atom->next;
	return atom;
}

struct ptx_atom *ptx_atom_find(const struct ptx_arena *arena, const char *text, size_t len)
{
	return arena->bucket_count ? bucket_search(arena, text, len, text_hash(text, len)) : NULL;
}

struct ptx_atom *ptx_atom_get(struct ptx_arena *arena, const char *text, size_t len)
{
	uint32_t hash = text_hash(text, len);
	struct ptx_atom *atom;

	if (arena->atom_count >= arena->bucket_count && buckets_grow(arena))
		return NULL;
	atom = bucket_search(arena, text, len, hash);
	if (atom)
		return atom;
	atom = ptx_arena_alloc(arena, sizeof(*atom) + len + 1);
	if (!atom)
		return NULL;
	atom->hash = hash;
	atom->len = (uint32_t)len;
	memcpy(atom->text, text, len);
	atom->next = arena->buckets[hash & (arena->bucket_count - 1)];
	arena->buckets[hash & (arena->bucket_count - 1)] = atom;
	arena->atom_count++;
	return atom;
}
