/* SPDX-License-Identifier: MIT */
/* See translate.h. Recorded bytes are a file's, and answers an executor's: both are walked within their sizes. */
#include "xen-frontend/replay/translate.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/call_walk.h"
#include "protocol/calls.h"
#include "protocol/cuda_types.h"

/* Of an address that a program may have. */
#define ADDRESS_BYTES 6u

static uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* --- learning ------------------------------------------------------------------------------------- */

/* A number among the call's fields, in its arguments or in its answer. 0: it is not there. */
static uint64_t number_find(unsigned int op, unsigned int index, struct rp_bytes args,
			    struct rp_bytes answer)
{
	const struct vg_call_fields *call = vg_call_fields(op);
	const struct vg_field *field;
	const struct rp_bytes *where;
	uint64_t number = 0;
	uint16_t place;

	if (index >= call->count)
		return 0;
	field = &vg_fields[call->first + index];
	where = field->ways & VG_FIELD_OUT ? &answer : &args;
	place = field->ways & VG_FIELD_OUT ? field->out : field->in;
	if (place == VG_FIELD_NONE || field->size > sizeof(number) ||
	    place + field->size > where->size)
		return 0;
	memcpy(&number, where->data + place, field->size);
	return number;
}

/* Rows of a pitch that the driver has chosen. */
static uint64_t pitched_bytes(struct rp_bytes args, struct rp_bytes answer)
{
	struct vg_args_cuMemAllocPitch_v2 asked;
	struct vg_ret_cuMemAllocPitch_v2 given;

	if (args.size < sizeof(asked) || answer.size < sizeof(given))
		return 0;
	memcpy(&asked, args.data, sizeof(asked));
	memcpy(&given, answer.data, sizeof(given));
	return vg_sat_mul(given.pPitch, asked.Height);
}

/* The only structure among the arguments says what the node allocates. */
static uint64_t node_bytes(struct rp_bytes args)
{
	CUgraphNodeParams params;
	struct vg_call_walk walk;
	struct vg_call_at at;

	vg_call_walk_begin(&walk, VG_OP_vgGraphNodeAdd, false, args.size);
	while (vg_call_walk_next(&walk, args.data, &at)) {
		if (at.field->size != sizeof(params) || at.count != 1 || !vg_call_at_whole(&at))
			continue;
		memcpy(&params, args.data + at.offset, sizeof(params));
		return params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC ? params.alloc.bytesize : 0;
	}
	return 0;
}

static uint64_t span_bytes(unsigned int op, const struct vg_field *field, struct rp_bytes args,
			   struct rp_bytes answer)
{
	if (op == VG_OP_cuMemAllocPitch_v2)
		return pitched_bytes(args, answer);
	if (op == VG_OP_vgGraphNodeAdd)
		return node_bytes(args);
	return field->span == VG_FIELD_NONE ? 0 : number_find(op, field->span, args, answer);
}

static void element_learn(struct rp_map *map, const struct vg_field *field, uint64_t bytes,
			  const uint8_t *recorded, const uint8_t *replayed)
{
	/* What is none of these stays it. */
	if (field->class != VG_CLASS_BYTES && field->class != VG_CLASS_NUMBER &&
	    (!word_at(recorded) || !word_at(replayed)))
		return;
	switch (field->class) {
	case VG_CLASS_HANDLE: rp_map_handle(map, word_at(recorded), word_at(replayed)); break;
	case VG_CLASS_NUMBER:
		rp_map_number(map, field->type, word_at(recorded), word_at(replayed));
		break;
	case VG_CLASS_ADDRESS:
		if (bytes) /* else it says where something is that was told of before */
			rp_map_range(map, word_at(recorded), word_at(replayed), bytes);
		break;
	default: rp_map_opaque(map, recorded, replayed, field->size);
	}
}

static bool is_learned(const struct vg_field *field)
{
	switch (field->class) {
	case VG_CLASS_HANDLE:
	case VG_CLASS_NUMBER:
	case VG_CLASS_ADDRESS: return field->size == sizeof(uint64_t);
	case VG_CLASS_BYTES:
		return (field->shape == VG_SHAPE_ONE || field->shape == VG_SHAPE_ARRAY) &&
		       field->size >= RP_OPAQUE_LEAST && field->size <= RP_OPAQUE_MAX;
	default: return false;
	}
}

void rp_learn(struct rp_map *map, unsigned int op, struct rp_bytes args, struct rp_bytes recorded,
	      struct rp_bytes replayed)
{
	struct vg_call_walk then, now;
	struct vg_call_at a, b;

	vg_call_walk_begin(&then, op, true, recorded.size);
	vg_call_walk_begin(&now, op, true, replayed.size);
	while (vg_call_walk_next(&then, recorded.data, &a) &&
	       vg_call_walk_next(&now, replayed.data, &b)) {
		size_t size = a.field->size;

		if (!is_learned(a.field) || !vg_call_at_whole(&a) || !vg_call_at_whole(&b))
			continue;
		for (uint64_t i = 0; i < vg_min(a.count, b.count); i++)
			element_learn(map, a.field, span_bytes(op, a.field, args, recorded),
				      recorded.data + a.offset + i * size,
				      replayed.data + b.offset + i * size);
	}
}

/* --- saying so ------------------------------------------------------------------------------------- */

/* A kernel's last parameter may be an address without its upper zeros. */
static void tail_translate(struct rp_map *map, uint8_t *bytes, size_t size)
{
	uint64_t word = 0;

	if (size < ADDRESS_BYTES)
		return;
	memcpy(&word, bytes, size);
	word = rp_word_now(map, word);
	memcpy(bytes, &word, size);
}

void rp_translate_words(struct rp_map *map, void *bytes, size_t size)
{
	uint8_t *at = bytes;
	size_t done = 0;

	if (!rp_map_moved(map))
		return;
	while (size - done >= sizeof(uint64_t)) {
		/* What is opaque lies at multiples of its least size, where a kernel takes it as a parameter. */
		size_t opaque = done % RP_OPAQUE_LEAST ? 0
						       : rp_opaque_now(map, at + done, size - done);
		uint64_t word;

		if (opaque) {
			done += opaque & ~7ull;
			continue;
		}
		word = rp_word_now(map, word_at(at + done));
		memcpy(at + done, &word, sizeof(word));
		done += sizeof(word);
	}
	tail_translate(map, at + done, size - done);
}

static void element_translate(struct rp_map *map, const struct vg_field *field, uint8_t *at)
{
	uint64_t word;

	if (field->size != sizeof(word))
		return;
	word = word_at(at);
	if (field->class == VG_CLASS_HANDLE)
		word = rp_handle_now(map, word);
	else if (field->class == VG_CLASS_NUMBER)
		word = rp_number_now(map, field->type, word);
	else
		word = rp_address_now(map, word);
	memcpy(at, &word, sizeof(word));
}

/* Elements may be opaque each; else they are words. */
static void bytes_translate(struct rp_map *map, const struct vg_call_at *at, uint8_t *bytes)
{
	size_t size = at->field->size;

	if (at->field->shape != VG_SHAPE_ARRAY || size < RP_OPAQUE_LEAST)
		rp_translate_words(map, bytes, at->count * size);
	else
		for (uint64_t i = 0; i < at->count; i++)
			rp_translate_words(map, bytes + i * size, size);
}

static void field_translate(struct rp_map *map, const struct vg_call_at *at, uint8_t *args)
{
	switch (at->field->class) {
	case VG_CLASS_HANDLE:
	case VG_CLASS_NUMBER:
	case VG_CLASS_ADDRESS:
		for (uint64_t i = 0; i < at->count; i++)
			element_translate(map, at->field, args + at->offset + i * at->field->size);
		break;
	case VG_CLASS_BYTES: bytes_translate(map, at, args + at->offset); break;
	default: break;
	}
}

void rp_translate_args(struct rp_map *map, unsigned int op, uint8_t *args, size_t size)
{
	struct vg_call_walk walk;
	struct vg_call_at at;

	if (!rp_map_moved(map))
		return;
	vg_call_walk_begin(&walk, op, false, size);
	while (vg_call_walk_next(&walk, args, &at)) {
		if (at.field->shape != VG_SHAPE_BULK && vg_call_at_whole(&at))
			field_translate(map, &at, args);
	}
}
