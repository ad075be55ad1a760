/* SPDX-License-Identifier: MIT */
/*
 * The ordered map: an index of chunks by their first keys, each chunk its keys side by side, so that a
 * search reads little. A full chunk is split, one that fits into half of one with its neighbour is joined to
 * it: between the two lie many changes. Keys may come from anyone, nothing is an index. Any thread, under
 * its callers' locks.
 */
#include "protocol/ordered.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct vg_ordered_chunk {
	size_t count;
	uint64_t keys[VG_ORDERED_CHUNK];
	void *values[VG_ORDERED_CHUNK];
};

/*
 * How many of the sorted keys are at most `key`. How often it turns depends on the count alone: the
 * processor would guess half of a plain search's branches wrong.
 */
static size_t keys_up_to(const uint64_t *keys, size_t count, uint64_t key)
{
	size_t low = 0;

	if (!count)
		return 0;
	while (count > 1) {
		size_t half = count / 2;

		low = keys[low + half] <= key ? low + half : low;
		count -= half;
	}
	return low + (keys[low] <= key);
}

/* --- chunks ------------------------------------------------------------------------------------- */

static void entries_move(struct vg_ordered_chunk *to, size_t at,
			 const struct vg_ordered_chunk *from, size_t begin, size_t count)
{
	memmove(&to->keys[at], &from->keys[begin], count * sizeof(*to->keys));
	memmove(&to->values[at], &from->values[begin], count * sizeof(*to->values));
}

static void chunk_insert(struct vg_ordered_chunk *chunk, size_t at, uint64_t key, void *value)
{
	entries_move(chunk, at + 1, chunk, at, chunk->count - at);
	chunk->keys[at] = key;
	chunk->values[at] = value;
	chunk->count++;
}

static void chunk_remove(struct vg_ordered_chunk *chunk, size_t at)
{
	chunk->count--;
	entries_move(chunk, at, chunk, at + 1, chunk->count - at);
}

/* --- the index ---------------------------------------------------------------------------------- */

static int index_grow(struct vg_ordered *map)
{
	size_t room = map->room ? map->room * 2 : 8;
	struct vg_ordered_chunk **chunks;
	uint64_t *firsts;

	if (map->chunk_count < map->room)
		return 0;
	firsts = reallocarray(map->firsts, room, sizeof(*firsts));
	if (!firsts)
		return -ENOMEM;
	map->firsts = firsts;
	chunks = reallocarray(map->chunks, room, sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	map->chunks = chunks;
	map->room = room;
	return 0;
}

/* A new chunk of that number; empty, and its first key is not set. */
static int index_insert(struct vg_ordered *map, size_t number)
{
	size_t behind = map->chunk_count - number;
	struct vg_ordered_chunk *chunk;
	int rc = index_grow(map);

	if (rc)
		return rc;
	chunk = malloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->count = 0;
	memmove(&map->firsts[number + 1], &map->firsts[number], behind * sizeof(*map->firsts));
	memmove(&map->chunks[number + 1], &map->chunks[number], behind * sizeof(*map->chunks));
	map->chunks[number] = chunk;
	map->chunk_count++;
	return 0;
}

static void index_remove(struct vg_ordered *map, size_t number)
{
	size_t behind = --map->chunk_count - number;

	free(map->chunks[number]);
	memmove(&map->firsts[number], &map->firsts[number + 1], behind * sizeof(*map->firsts));
	memmove(&map->chunks[number], &map->chunks[number + 1], behind * sizeof(*map->chunks));
}

/* --- changes ------------------------------------------------------------------------------------ */

/* Half of a full chunk goes to the empty one behind it. */
static void chunk_halve(struct vg_ordered *map, size_t number)
{
	struct vg_ordered_chunk *low = map->chunks[number], *high = map->chunks[number + 1];

	low->count = high->count = VG_ORDERED_CHUNK / 2;
	entries_move(high, 0, low, low->count, high->count);
	map->firsts[number + 1] = high->keys[0];
}

/* Makes room in a full chunk. Behind the last entry of all an empty chunk begins: rising keys fill them. */
static int chunk_split(struct vg_ordered *map, struct vg_ordered_at *at)
{
	bool behind = at->index == VG_ORDERED_CHUNK && at->chunk + 1 == map->chunk_count;
	size_t stay = behind ? VG_ORDERED_CHUNK : VG_ORDERED_CHUNK / 2;
	int rc = index_insert(map, at->chunk + 1);

	if (rc)
		return rc;
	if (!behind)
		chunk_halve(map, at->chunk);
	if (at->index >= stay) {
		at->chunk++;
		at->index -= stay;
	}
	return 0;
}

int vg_ordered_insert(struct vg_ordered *map, uint64_t key, void *value)
{
	struct vg_ordered_at at = {.chunk = keys_up_to(map->firsts, map->chunk_count, key)};
	struct vg_ordered_chunk *chunk;
	int rc = 0;

	if (at.chunk)
		at.chunk--;
	if (!map->chunk_count)
		rc = index_insert(map, 0);
	if (rc)
		return rc;
	chunk = map->chunks[at.chunk];
	at.index = keys_up_to(chunk->keys, chunk->count, key);
	if (at.index && chunk->keys[at.index - 1] == key)
		return -EEXIST;
	if (chunk->count == VG_ORDERED_CHUNK)
		rc = chunk_split(map, &at);
	if (rc)
		return rc;
	chunk = map->chunks[at.chunk];
	chunk_insert(chunk, at.index, key, value);
	map->firsts[at.chunk] = chunk->keys[0];
	map->count++;
	return 0;
}

/* Joins the chunk of that number with the next one, if both fit into half of one. */
static bool chunk_join(struct vg_ordered *map, size_t number)
{
	struct vg_ordered_chunk *low, *high;

	if (number + 1 >= map->chunk_count)
		return false;
	low = map->chunks[number];
	high = map->chunks[number + 1];
	if (low->count + high->count > VG_ORDERED_CHUNK / 2)
		return false;
	entries_move(low, low->count, high, 0, high->count);
	low->count += high->count;
	index_remove(map, number + 1);
	return true;
}

/* An entry of that chunk has gone. */
static void chunk_shrunk(struct vg_ordered *map, struct vg_ordered_at *at)
{
	struct vg_ordered_chunk *chunk = map->chunks[at->chunk];
	size_t before;

	if (!chunk->count) {
		index_remove(map, at->chunk);
		return;
	}
	map->firsts[at->chunk] = chunk->keys[0];
	if (chunk_join(map, at->chunk) || !at->chunk)
		return;
	before = map->chunks[at->chunk - 1]->count;
	if (chunk_join(map, at->chunk - 1)) {
		at->chunk--;
		at->index += before;
	}
}

void *vg_ordered_remove(struct vg_ordered *map, struct vg_ordered_at *at)
{
	struct vg_ordered_chunk *chunk = map->chunks[at->chunk];
	void *value = chunk->values[at->index];

	chunk_remove(chunk, at->index);
	map->count--;
	chunk_shrunk(map, at);
	if (at->chunk < map->chunk_count && at->index == map->chunks[at->chunk]->count)
		*at = (struct vg_ordered_at){.chunk = at->chunk + 1};
	return value;
}

void vg_ordered_dispose(struct vg_ordered *map)
{
	while (map->chunk_count)
		free(map->chunks[--map->chunk_count]);
	free(map->chunks);
	free(map->firsts);
	*map = (struct vg_ordered){0};
}

/* --- looking ------------------------------------------------------------------------------------ */

void *vg_ordered_here(const struct vg_ordered *map, const struct vg_ordered_at *at)
{
	return at->chunk < map->chunk_count ? map->chunks[at->chunk]->values[at->index] : NULL;
}

void *vg_ordered_first(const struct vg_ordered *map, struct vg_ordered_at *at)
{
	*at = (struct vg_ordered_at){0};
	return vg_ordered_here(map, at);
}

void *vg_ordered_floor(const struct vg_ordered *map, uint64_t key, struct vg_ordered_at *at)
{
	size_t above = keys_up_to(map->firsts, map->chunk_count, key);
	const struct vg_ordered_chunk *chunk;

	if (!above)
		return NULL;
	chunk = map->chunks[above - 1];
	at->chunk = above - 1;
	/* Its first key is not above. */
	at->index = keys_up_to(chunk->keys, chunk->count, key) - 1;
	return chunk->values[at->index];
}

void *vg_ordered_next(const struct vg_ordered *map, struct vg_ordered_at *at)
{
	if (++at->index == map->chunks[at->chunk]->count)
		*at = (struct vg_ordered_at){.chunk = at->chunk + 1};
	return vg_ordered_here(map, at);
}

void *vg_ordered_previous(const struct vg_ordered *map, struct vg_ordered_at *at)
{
	if (!at->index) {
		if (!at->chunk)
			return NULL;
		at->chunk--;
		at->index = map->chunks[at->chunk]->count;
	}
	at->index--;
	return vg_ordered_here(map, at);
}
