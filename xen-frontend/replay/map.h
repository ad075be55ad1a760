/* SPDX-License-Identifier: MIT */
/*
 * What things of the recording are called now: addresses on the device, handles and numbers that were chosen over there, and
 * opaque bytes that stand for objects. Only what differs costs anything. Any thread.
 */
#ifndef RP_MAP_H
#define RP_MAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of numbers, which have no type of their own; what is smaller is taken for a count where no type says what a word is. */
#define RP_NUMBER_LEAST 0x10000u
/* Of opaque bytes. */
#define RP_OPAQUE_LEAST 64u
#define RP_OPAQUE_MAX   256u

struct rp_range {
	uint64_t recorded, replayed;
	uint64_t bytes;
};

struct rp_value {
	uint64_t recorded, replayed;
	uint32_t type; /* 0: a handle, whose type is in it; else 1 + that of a number */
	bool used;
};

struct rp_opaque {
	uint8_t recorded[RP_OPAQUE_MAX], replayed[RP_OPAQUE_MAX];
	size_t bytes;
};

struct rp_map {
	pthread_rwlock_t lock;
	atomic_bool moved;       /* something differs; never false again */
	atomic_bool full;        /* there was no memory for more: what is sent may be wrong */
	struct rp_range *ranges; /* by recorded address; they do not overlap */
	size_t ranges_count, ranges_room;
	struct rp_value *values; /* hashed by what was recorded */
	size_t values_count, values_room;
	struct rp_opaque *opaques; /* a ring */
	size_t opaques_count;      /* ever */
};

void rp_map_init(struct rp_map *map);
void rp_map_dispose(struct rp_map *map);

/* Learned. The latest counts: addresses are used again. */
void rp_map_range(struct rp_map *map, uint64_t recorded, uint64_t replayed, uint64_t bytes);
void rp_map_handle(struct rp_map *map, uint64_t recorded, uint64_t replayed);
void rp_map_number(struct rp_map *map, unsigned int type, uint64_t recorded, uint64_t replayed);
void rp_map_opaque(struct rp_map *map, const void *recorded, const void *replayed, size_t bytes);

/* What it is now; itself if it has not changed. One past a range's end belongs to it, unless another begins there. */
uint64_t rp_address_now(struct rp_map *map, uint64_t recorded);
uint64_t rp_handle_now(struct rp_map *map, uint64_t recorded);
uint64_t rp_number_now(struct rp_map *map, unsigned int type, uint64_t recorded);
/* Of a word that may be any of them. */
uint64_t rp_word_now(struct rp_map *map, uint64_t recorded);
/* Of opaque bytes that begin there; how many were replaced, 0: none. */
size_t rp_opaque_now(struct rp_map *map, void *bytes, size_t room);

static inline bool rp_map_moved(const struct rp_map *map)
{
	return atomic_load_explicit(&map->moved, memory_order_acquire);
}

#endif
