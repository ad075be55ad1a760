/* SPDX-License-Identifier: MIT */
/*
 * An ordered map from 64-bit keys to pointers, in chunks of sorted entries: an insertion or a removal moves
 * no more than two chunks' entries (4 KiB each), and the index of the chunks (16 bytes each) once in a
 * hundred times or so, taken over many. Where it runs out of memory it stays as it was.
 *
 * No lock in it: who uses it has one. What takes the map const may run in several threads at once.
 */
#ifndef VG_ORDERED_H
#define VG_ORDERED_H

#include <stddef.h>
#include <stdint.h>

#define VG_ORDERED_CHUNK 256u /* entries */

struct vg_ordered_chunk;

/* Zeroed: empty. */
struct vg_ordered {
	uint64_t *firsts; /* each chunk's first key */
	struct vg_ordered_chunk *
		*chunks; /* none is empty; no two neighbours fit into half of one */
	size_t chunk_count, room;
	size_t count; /* of entries */
};

/* Where an entry is; void after a change, but for vg_ordered_remove's own. */
struct vg_ordered_at {
	size_t chunk, index;
};

/* Empties it. The values are the caller's. */
void vg_ordered_dispose(struct vg_ordered *map);
/* The value is not NULL. 0, -EEXIST, -ENOMEM. */
int vg_ordered_insert(struct vg_ordered *map, uint64_t key, void *value);
/* Returns the value; `at` is then the entry that followed. */
void *vg_ordered_remove(struct vg_ordered *map, struct vg_ordered_at *at);

/* These go to an entry and return its value. NULL: there is none, and `at` is void. */
void *vg_ordered_first(const struct vg_ordered *map, struct vg_ordered_at *at);
/* The last at or below the key. */
void *vg_ordered_floor(const struct vg_ordered *map, uint64_t key, struct vg_ordered_at *at);
void *vg_ordered_next(const struct vg_ordered *map, struct vg_ordered_at *at);
void *vg_ordered_previous(const struct vg_ordered *map, struct vg_ordered_at *at);
/* Where `at` is, after a removal. */
void *vg_ordered_here(const struct vg_ordered *map, const struct vg_ordered_at *at);

#endif
