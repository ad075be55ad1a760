/* SPDX-License-Identifier: MIT */
/* See map.h. Sizes and addresses are a file's words: sums are checked, memory is in proportion to what was answered. */
#include "xen-frontend/replay/map.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/handle.h"

/* In use at a time are a few; of more than that the oldest are forgotten. */
#define OPAQUES_MAX 1024u

void rp_map_init(struct rp_map *map)
{
	*map = (struct rp_map){0};
	pthread_rwlock_init(&map->lock, NULL);
}

void rp_map_dispose(struct rp_map *map)
{
	free(map->ranges);
	free(map->values);
	free(map->opaques);
	pthread_rwlock_destroy(&map->lock);
}

static void map_full(struct rp_map *map)
{
	atomic_store(&map->full, true);
}

/* --- ranges --------------------------------------------------------------------------------------- */

/* The first that ends behind the address. */
static size_t range_place(const struct rp_map *map, uint64_t address)
{
	size_t low = 0, high = map->ranges_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rp_range *range = &map->ranges[middle];

		if (range->recorded + range->bytes <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool ranges_grow(struct rp_map *map)
{
	size_t room = map->ranges_room ? map->ranges_room * 2 : 64;
	struct rp_range *moved;

	if (map->ranges_count < map->ranges_room)
		return true;
	moved = reallocarray(map->ranges, room, sizeof(*moved));
	if (!moved)
		return false;
	map->ranges = moved;
	map->ranges_room = room;
	return true;
}

/* Takes `drop` away at a place and puts one there, or, `range` NULL, nothing. */
static void ranges_splice(struct rp_map *map, size_t place, size_t drop,
			  const struct rp_range *range)
{
	size_t put = range != NULL;
	struct rp_range *at = map->ranges + place;

	if (map->ranges_count > place + drop)
		memmove(at + put, at + drop,
			(map->ranges_count - place - drop) * sizeof(*map->ranges));
	map->ranges_count = map->ranges_count - drop + put;
	if (range)
		*at = *range;
}

/* A part of what is known: told again, as what is mapped within reserved addresses is. */
static bool range_known(const struct rp_map *map, size_t place, const struct rp_range *range)
{
	const struct rp_range *known = map->ranges + place;

	return place < map->ranges_count && range->recorded >= known->recorded &&
	       range->bytes <= known->bytes - (range->recorded - known->recorded) &&
	       range->replayed - range->recorded == known->replayed - known->recorded;
}

/* What was known of these addresses is void: the memory that it was has gone. */
static void range_put(struct rp_map *map, const struct rp_range *range)
{
	size_t place = range_place(map, range->recorded), end = place;
	bool differs = range->recorded != range->replayed;

	if (range_known(map, place, range))
		return;
	while (end < map->ranges_count &&
	       map->ranges[end].recorded < range->recorded + range->bytes)
		end++;
	if (differs && end == place && !ranges_grow(map)) {
		map_full(map);
		return;
	}
	if (differs || end > place)
		ranges_splice(map, place, end - place, differs ? range : NULL);
}

void rp_map_range(struct rp_map *map, uint64_t recorded, uint64_t replayed, uint64_t bytes)
{
	struct rp_range range = {.recorded = recorded,
				 .replayed = replayed,
				 .bytes = vg_min(bytes ? bytes : 1, UINT64_MAX - recorded)};

	if (!range.bytes || (recorded == replayed && !rp_map_moved(map)))
		return;
	pthread_rwlock_wrlock(&map->lock);
	range_put(map, &range);
	pthread_rwlock_unlock(&map->lock);
	if (recorded != replayed)
		atomic_store(&map->moved, true);
}

/* Under the lock. */
static bool address_find(const struct rp_map *map, uint64_t *address)
{
	size_t place = range_place(map, *address);
	const struct rp_range *range = map->ranges + place;

	if (place == map->ranges_count || *address < range->recorded) {
		if (!place)
			return false;
		range--; /* it may be this one's end */
		if (*address - range->recorded != range->bytes)
			return false;
	}
	*address = range->replayed + (*address - range->recorded);
	return true;
}

/* --- values --------------------------------------------------------------------------------------- */

static size_t value_hash(uint64_t value, uint32_t type)
{
	uint64_t mixed = (value ^ (uint64_t)type << 56) * 0x9e3779b97f4a7c15ull;

	return (size_t)(mixed >> 20);
}

/* Under the lock: where it is or would be; there is always a place that is not used. */
static struct rp_value *value_place(struct rp_value *values, size_t room, uint64_t recorded,
				    uint32_t type)
{
	size_t at = value_hash(recorded, type);

	for (;; at++) {
		struct rp_value *value = &values[at & (room - 1)];

		if (!value->used || (value->recorded == recorded && value->type == type))
			return value;
	}
}

static bool values_grow(struct rp_map *map)
{
	size_t room = map->values_room ? map->values_room * 2 : 256;
	struct rp_value *moved;

	if (map->values_count < map->values_room / 2)
		return true;
	moved = calloc(room, sizeof(*moved));
	if (!moved)
		return false;
	for (size_t i = 0; i < map->values_room; i++) {
		const struct rp_value *old = &map->values[i];

		if (old->used)
			*value_place(moved, room, old->recorded, old->type) = *old;
	}
	free(map->values);
	map->values = moved;
	map->values_room = room;
	return true;
}

static void value_put(struct rp_map *map, uint32_t type, uint64_t recorded, uint64_t replayed)
{
	struct rp_value *value;

	if (recorded == replayed && !rp_map_moved(map))
		return;
	pthread_rwlock_wrlock(&map->lock);
	if (!values_grow(map)) {
		map_full(map);
	} else {
		value = value_place(map->values, map->values_room, recorded, type);
		map->values_count += !value->used;
		*value = (struct rp_value){recorded, replayed, type, true};
	}
	pthread_rwlock_unlock(&map->lock);
	if (recorded != replayed)
		atomic_store(&map->moved, true);
}

void rp_map_handle(struct rp_map *map, uint64_t recorded, uint64_t replayed)
{
	value_put(map, 0, recorded, replayed);
}

void rp_map_number(struct rp_map *map, unsigned int type, uint64_t recorded, uint64_t replayed)
{
	value_put(map, 1 + type, recorded, replayed);
}

/* Under the lock. */
static bool value_find(const struct rp_map *map, uint32_t type, uint64_t *value)
{
	const struct rp_value *found;

	if (!map->values_room)
		return false;
	found = value_place(map->values, map->values_room, *value, type);
	if (!found->used)
		return false;
	*value = found->replayed;
	return true;
}

/* --- opaque bytes ---------------------------------------------------------------------------------- */

void rp_map_opaque(struct rp_map *map, const void *recorded, const void *replayed, size_t bytes)
{
	struct rp_opaque *new;

	if (bytes < RP_OPAQUE_LEAST || bytes > RP_OPAQUE_MAX || !memcmp(recorded, replayed, bytes))
		return;
	pthread_rwlock_wrlock(&map->lock);
	if (!map->opaques)
		map->opaques = calloc(OPAQUES_MAX, sizeof(*map->opaques));
	if (map->opaques) {
		new = &map->opaques[map->opaques_count++ % OPAQUES_MAX];
		memcpy(new->recorded, recorded, bytes);
		memcpy(new->replayed, replayed, bytes);
		new->bytes = bytes;
	} else {
		map_full(map);
	}
	pthread_rwlock_unlock(&map->lock);
	atomic_store(&map->moved, true);
}

size_t rp_opaque_now(struct rp_map *map, void *bytes, size_t room)
{
	size_t found = 0;

	if (!rp_map_moved(map) || room < RP_OPAQUE_LEAST)
		return 0;
	pthread_rwlock_rdlock(&map->lock);
	/* The latest first: the same bytes may have come again. */
	for (size_t i = 0; !found && i < vg_min(map->opaques_count, OPAQUES_MAX); i++) {
		const struct rp_opaque *opaque =
			&map->opaques[(map->opaques_count - 1 - i) % OPAQUES_MAX];

		if (opaque->bytes > room || memcmp(bytes, opaque->recorded, opaque->bytes) != 0)
			continue;
		found = opaque->bytes;
		memcpy(bytes, opaque->replayed, found);
	}
	pthread_rwlock_unlock(&map->lock);
	return found;
}

/* --- what it is now -------------------------------------------------------------------------------- */

uint64_t rp_address_now(struct rp_map *map, uint64_t recorded)
{
	if (!rp_map_moved(map))
		return recorded;
	pthread_rwlock_rdlock(&map->lock);
	address_find(map, &recorded);
	pthread_rwlock_unlock(&map->lock);
	return recorded;
}

static uint64_t value_now(struct rp_map *map, uint32_t type, uint64_t recorded)
{
	if (!rp_map_moved(map))
		return recorded;
	pthread_rwlock_rdlock(&map->lock);
	value_find(map, type, &recorded);
	pthread_rwlock_unlock(&map->lock);
	return recorded;
}

uint64_t rp_handle_now(struct rp_map *map, uint64_t recorded)
{
	return value_now(map, 0, recorded);
}

uint64_t rp_number_now(struct rp_map *map, unsigned int type, uint64_t recorded)
{
	return value_now(map, 1 + type, recorded);
}

/* Under the lock. */
static bool number_find(const struct rp_map *map, uint64_t *word)
{
	static const unsigned int types[] = {VG_HANDLE_CUtexObject, VG_HANDLE_CUsurfObject,
					     VG_HANDLE_CUgraphConditionalHandle};

	for (size_t i = 0; *word >= RP_NUMBER_LEAST && i < sizeof(types) / sizeof(types[0]); i++)
		if (value_find(map, 1 + types[i], word))
			return true;
	return false;
}

uint64_t rp_word_now(struct rp_map *map, uint64_t recorded)
{
	if (!rp_map_moved(map))
		return recorded;
	pthread_rwlock_rdlock(&map->lock);
	if (!value_find(map, 0, &recorded) && !number_find(map, &recorded))
		address_find(map, &recorded);
	pthread_rwlock_unlock(&map->lock);
	return recorded;
}
