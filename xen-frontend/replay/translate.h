/* SPDX-License-Identifier: MIT */
/*
 * Learns from answers what is called otherwise than in the recording, and says so in what is sent (map.h). What fields
 * are is the spec's to say (protocol/call_fields.h); inside structures and bytes each word at a multiple of 8 is looked at.
 */
#ifndef RP_TRANSLATE_H
#define RP_TRANSLATE_H

#include <stddef.h>
#include <stdint.h>

#include "xen-frontend/replay/map.h"

struct rp_bytes {
	const uint8_t *data;
	size_t size;
};

/* A successful command's arguments as recorded, its answer then, and now. */
void rp_learn(struct rp_map *map, unsigned int op, struct rp_bytes args, struct rp_bytes recorded,
	      struct rp_bytes replayed);

/* In place: a command's arguments. */
void rp_translate_args(struct rp_map *map, unsigned int op, uint8_t *args, size_t size);
/* In place: any bytes, as they are copied to the device. */
void rp_translate_words(struct rp_map *map, void *bytes, size_t size);

#endif
