/* SPDX-License-Identifier: MIT */
/* See call_walk.h. */
#include "protocol/call_walk.h"

#include <string.h>

#include "protocol/bounds.h"
#include "protocol/wire.h"

void vg_call_walk_begin(struct vg_call_walk *walk, unsigned int op, bool out, uint64_t size)
{
	const struct vg_call_fields *call = vg_call_fields(op);

	*walk = (struct vg_call_walk){
		.call = call,
		.size = size,
		.fixed = out ? call->ret : call->args,
		.out = out,
	};
	walk->pos = vg_min(vg_pad8(walk->fixed), size);
}

static uint16_t place_of(const struct vg_call_walk *walk, const struct vg_field *field)
{
	unsigned int mine = walk->out ? VG_FIELD_OUT : VG_FIELD_IN | VG_FIELD_MINT;

	if (!(field->ways & mine))
		return VG_FIELD_NONE;
	return walk->out ? field->out : field->in;
}

static void field_find(struct vg_call_walk *walk, const uint8_t *bytes, uint16_t place,
		       struct vg_call_at *at)
{
	const struct vg_field *field = at->field;
	bool variable = field->shape != VG_SHAPE_ONE;

	if (place + (variable ? sizeof(at->count) : field->size) >
	    vg_min(walk->fixed, walk->size)) {
		at->missing = true;
		return;
	}
	at->offset = variable ? walk->pos : place;
	at->count = 1;
	at->left = walk->size - at->offset;
	if (!variable)
		return;
	memcpy(&at->count, bytes + place, sizeof(at->count));
	walk->pos += vg_min(at->left, vg_sat_add(vg_sat_mul(at->count, field->size), 7) & ~7ull);
}

bool vg_call_walk_next(struct vg_call_walk *walk, const uint8_t *bytes, struct vg_call_at *at)
{
	while (walk->next < walk->call->count) {
		const struct vg_field *field = &vg_fields[walk->call->first + walk->next++];
		uint16_t place = place_of(walk, field);

		if (place == VG_FIELD_NONE)
			continue;
		*at = (struct vg_call_at){.field = field};
		field_find(walk, bytes, place, at);
		return true;
	}
	return false;
}

bool vg_call_at_whole(const struct vg_call_at *at)
{
	return !at->missing && vg_sat_mul(at->count, at->field->size) <= at->left;
}
