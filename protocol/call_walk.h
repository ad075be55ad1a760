/* SPDX-License-Identifier: MIT */
/*
 * A call's bytes on the wire, field by field (call_fields.h): a fixed part, then parts of variable length, each from a multiple
 * of 8 on. The bytes may be anything: places and sizes are checked against what is there, nothing else is believed.
 */
#ifndef VG_CALL_WALK_H
#define VG_CALL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/call_fields.h"

struct vg_call_walk {
	const struct vg_call_fields *call;
	uint64_t size;  /* of the bytes */
	uint64_t fixed; /* what the fixed part should have */
	uint64_t pos;   /* of the next part */
	unsigned int next;
	bool out;
};

/* A field, and where its element or elements lie. */
struct vg_call_at {
	const struct vg_field *field;
	bool missing;    /* the fixed part is not so long */
	uint64_t offset; /* among the bytes */
	uint64_t count;  /* of elements, as the bytes say */
	uint64_t
		left; /* bytes from the offset on: fewer than count * field->size, and it is cut off */
};

/* out: an answer; else a command's arguments. */
void vg_call_walk_begin(struct vg_call_walk *walk, unsigned int op, bool out, uint64_t size);
/* `bytes` are those of the whole. False: there are no more fields. */
bool vg_call_walk_next(struct vg_call_walk *walk, const uint8_t *bytes, struct vg_call_at *at);

/* All of its elements are there. */
bool vg_call_at_whole(const struct vg_call_at *at);

#endif
