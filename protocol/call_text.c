/* SPDX-License-Identifier: MIT */
/*
 * Calls as text. Trusts nothing of the bytes that it shows: each read is within what the caller gave, counts are
 * clipped before they are multiplied with. Runs in any thread.
 */
#include "protocol/call_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/call_fields.h"
#include "protocol/call_walk.h"
#include "protocol/crc32.h"
#include "protocol/errors.h"
#include "protocol/handle.h"
#include "protocol/log.h"
#include "protocol/op_names.h"
#include "protocol/wire.h"

/* Shown of arrays, strings, and of bytes one by one. */
#define ELEMENTS_MAX 8u
#define STRING_MAX   96u
#define HEX_MAX      32u

/* --- text of bounded length --------------------------------------------------------------------- */

struct text {
	char *to;
	size_t room; /* with the NUL's */
	size_t used;
	bool cut;
	bool sums;
};

static struct text text_begin(char *to, size_t room)
{
	if (room)
		*to = '\0';
	return (struct text){.to = to, .room = room};
}

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	size_t left = t->room - t->used;
	va_list args;
	int n;

	if (t->cut || left < 2) {
		t->cut = true;
		return;
	}
	va_start(args, format);
	n = vsnprintf(t->to + t->used, left, format, args);
	va_end(args);
	if (n < 0)
		return;
	t->cut = (size_t)n >= left;
	t->used += t->cut ? left - 1 : (size_t)n;
}

static size_t text_end(struct text *t)
{
	if (t->cut && t->used >= 3)
		memcpy(t->to + t->used - 3, "...", 3);
	if (t->room)
		vg_log_clean(t->to);
	return t->used;
}

/* --- one element -------------------------------------------------------------------------------- */

static const char *field_text(uint32_t at)
{
	return vg_field_texts + at;
}

/* An element's number, sign extended where it is of a signed kind. */
static int64_t number_of(const struct vg_field *f, const uint8_t *bytes)
{
	bool extends = f->class == VG_CLASS_SIGNED || f->class == VG_CLASS_ENUM ||
		       f->class == VG_CLASS_RESULT;
	uint64_t value = 0;

	memcpy(&value, bytes, f->size < sizeof(value) ? f->size : sizeof(value));
	return extends && f->size == sizeof(int32_t) ? (int32_t)value : (int64_t)value;
}

static void handle_put(struct text *t, enum vg_handle_type type, uint64_t value)
{
	unsigned int own = vg_handle_type(value);
	uint32_t slot = vg_handle_slot(value), generation = vg_handle_generation(value);
	char name[48];
	size_t n = 0;

	if (type == VG_HANDLE_CUstream && (value == 1 || value == 2)) {
		put(t, "%s", value == 1 ? "CU_STREAM_LEGACY" : "CU_STREAM_PER_THREAD");
		return;
	}
	if (!value) {
		put(t, "0");
		return;
	}
	if (!vg_handle_well_formed(value) || !own || own >= VG_HANDLE_TYPES) {
		put(t, "bad:%#llx", (unsigned long long)value);
		return;
	}
	for (const char *c = vg_handle_type_name(own) + strlen("CU"); *c && n < sizeof(name) - 1;
	     c++)
		name[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
	name[n] = '\0';
	put(t, "%s:%s%u", name, slot & VG_HANDLE_EXECUTOR ? "e" : "", slot & ~VG_HANDLE_EXECUTOR);
	if (generation > 1)
		put(t, ".%u", generation);
}

static const char *constant_name(const struct vg_enumeration *e, int64_t value)
{
	for (unsigned int i = 0; i < e->count; i++)
		if (vg_constants[e->first + i].value == value)
			return field_text(vg_constants[e->first + i].name);
	return NULL;
}

static void enum_put(struct text *t, const struct vg_enumeration *e, int64_t value)
{
	const char *name = constant_name(e, value);

	if (name)
		put(t, "%s", name);
	else
		put(t, "%lld", (long long)value);
}

static void flags_put(struct text *t, const struct vg_enumeration *e, uint64_t value)
{
	const char *name = constant_name(e, (int64_t)value);
	const char *between = "";

	if (name || !value) {
		put(t, "%s", name ? name : "0");
		return;
	}
	for (unsigned int i = 0; i < e->count; i++) {
		uint64_t bit = (uint64_t)vg_constants[e->first + i].value;

		if (!bit || (bit & (bit - 1)) || !(value & bit))
			continue;
		put(t, "%s%s", between, field_text(vg_constants[e->first + i].name));
		value &= ~bit;
		between = "|";
	}
	if (value)
		put(t, "%s%#llx", between, (unsigned long long)value);
}

static void bytes_put(struct text *t, const uint8_t *bytes, uint64_t n)
{
	if (n > HEX_MAX) {
		put(t, "<%llu bytes", (unsigned long long)n);
		if (t->sums)
			put(t, " crc32=%08x", vg_crc32(0, bytes, n));
		put(t, ">");
		return;
	}
	put(t, "<");
	for (uint64_t i = 0; i < n; i++)
		put(t, "%02x", bytes[i]);
	put(t, ">");
}

static void float_put(struct text *t, const uint8_t *bytes)
{
	float value;

	memcpy(&value, bytes, sizeof(value));
	put(t, "%g", (double)value);
}

static void result_put(struct text *t, int result)
{
	const char *name = vg_error_name(result);

	if (name)
		put(t, "%s", name);
	else
		put(t, "%d", result);
}

/* f->size bytes are there. */
static void element_put(struct text *t, const struct vg_field *f, const uint8_t *bytes)
{
	int64_t value = number_of(f, bytes);

	switch (f->class) {
	case VG_CLASS_SIGNED: put(t, "%lld", (long long)value); break;
	case VG_CLASS_UNSIGNED: put(t, "%llu", (unsigned long long)value); break;
	case VG_CLASS_HEX:
	case VG_CLASS_NUMBER:
	case VG_CLASS_ADDRESS: put(t, "%#llx", (unsigned long long)value); break;
	case VG_CLASS_FLOAT: float_put(t, bytes); break;
	case VG_CLASS_HANDLE: handle_put(t, (enum vg_handle_type)f->type, (uint64_t)value); break;
	case VG_CLASS_ENUM: enum_put(t, &vg_enumerations[f->type], value); break;
	case VG_CLASS_FLAGS: flags_put(t, &vg_enumerations[f->type], (uint64_t)value); break;
	case VG_CLASS_RESULT: result_put(t, (int)value); break;
	default: bytes_put(t, bytes, f->size);
	}
}

/* --- several ------------------------------------------------------------------------------------ */

static void string_put(struct text *t, const uint8_t *bytes, uint64_t n)
{
	size_t length = strnlen((const char *)bytes, n);
	size_t shown = length < STRING_MAX ? length : STRING_MAX;

	put(t, "'%.*s'%s", (int)shown, (const char *)bytes, shown < length ? "..." : "");
}

/* count: as was said; of them `there` may be read. */
static void array_put(struct text *t, const struct vg_field *f, const uint8_t *bytes,
		      uint64_t count, uint64_t there)
{
	uint64_t shown = count < ELEMENTS_MAX ? count : ELEMENTS_MAX;

	put(t, "[");
	for (uint64_t i = 0; i < shown && i < there; i++) {
		put(t, "%s", i ? ", " : "");
		element_put(t, f, bytes + i * f->size);
	}
	if (count > shown || there < shown)
		put(t, ", ... %llu", (unsigned long long)count);
	put(t, "]");
}

/* A part of its own: count elements said to be there, of which `bytes` holds `left` bytes. */
static void part_put(struct text *t, const struct vg_field *f, const uint8_t *bytes, uint64_t count,
		     uint64_t left)
{
	uint64_t size = vg_sat_mul(count, f->size);

	if (size > left)
		put(t, "<%llu of %llu bytes>?", (unsigned long long)left, (unsigned long long)size);
	else if (f->shape == VG_SHAPE_STRING)
		string_put(t, bytes, size);
	else if (f->shape == VG_SHAPE_BYTES)
		bytes_put(t, bytes, size);
	else
		array_put(t, f, bytes, count, count);
}

static void name_put(struct text *t, const struct vg_field *f)
{
	put(t, "%s%s=", t->used ? ", " : "", field_text(f->name));
}

/* --- the wire ------------------------------------------------------------------------------------ */

static void nothing_put(struct text *t, const struct vg_field *f)
{
	put(t, f->shape == VG_SHAPE_ARRAY ? "[]" : f->shape == VG_SHAPE_BYTES ? "<>" : "NULL");
}

static void field_put(struct text *t, const struct vg_call_at *at, const uint8_t *bytes)
{
	const struct vg_field *f = at->field;

	name_put(t, f);
	if (at->missing)
		put(t, "?");
	else if (f->shape == VG_SHAPE_ONE)
		element_put(t, f, bytes + at->offset);
	else if (!at->count)
		nothing_put(t, f);
	else
		part_put(t, f, bytes + at->offset, at->count, at->left);
}

static void way_put(struct text *t, unsigned int op, bool out, const void *bytes, size_t size)
{
	static const uint8_t none[1];
	const uint8_t *from = bytes ? bytes : none;
	struct vg_call_walk walk;
	struct vg_call_at at;

	vg_call_walk_begin(&walk, op, out, bytes ? size : 0);
	while (vg_call_walk_next(&walk, from, &at))
		field_put(t, &at, from);
}

static void args_put(struct text *t, const struct vg_call_bytes *call)
{
	way_put(t, call->op, false, call->args, call->args_size);
}

static void ret_put(struct text *t, const struct vg_call_bytes *call)
{
	if (call->reply && call->reply_size)
		way_put(t, call->op, true, call->reply, call->reply_size);
}

size_t vg_call_args(const struct vg_call_bytes *call, char *text, size_t room)
{
	struct text t = text_begin(text, room);

	t.sums = call->sums;
	args_put(&t, call);
	return text_end(&t);
}

size_t vg_call_ret(const struct vg_call_bytes *call, char *text, size_t room)
{
	struct text t = text_begin(text, room);

	t.sums = call->sums;
	ret_put(&t, call);
	return text_end(&t);
}

size_t vg_call_line(const struct vg_call_bytes *call, int result, char *text, size_t room)
{
	struct text t = text_begin(text, room);
	char inner[512];

	put(&t, "%s(", vg_op_name(call->op));
	vg_call_args(call, inner, sizeof(inner));
	put(&t, "%s) = ", inner);
	result_put(&t, result);
	if (vg_call_ret(call, inner, sizeof(inner)))
		put(&t, " {%s}", inner);
	return text_end(&t);
}

/* --- a program's own arguments ------------------------------------------------------------------- */

/* What one look at the program's memory takes. */
#define LOOK_MAX 512u

static uint64_t pointer_of(const struct vg_call_place *place)
{
	uint64_t address;

	memcpy(&address, place->at, sizeof(address));
	return address;
}

static void address_put(struct text *t, uint64_t address)
{
	put(t, address ? "%#llx" : "NULL", (unsigned long long)address);
}

/* Text of unknown length: as much as can be read, page by page of small size, up to its NUL. */
static void string_read(struct text *t, const struct vg_call_program *call, uint64_t address)
{
	uint8_t text[STRING_MAX + 1];
	size_t n = 0;

	while (n < sizeof(text) && call->read(text + n, address + n, 1) && text[n])
		n++;
	if (!n && !call->read(text, address, 1))
		address_put(t, address);
	else
		string_put(t, text, n);
}

static void several_read(struct text *t, const struct vg_call_program *call,
			 const struct vg_field *f, uint64_t address, uint64_t count)
{
	uint64_t size = vg_sat_mul(count, f->size);
	uint64_t most = f->shape == VG_SHAPE_BYTES ? HEX_MAX : (uint64_t)ELEMENTS_MAX * f->size;
	uint8_t look[LOOK_MAX];
	uint64_t shown = vg_min(size, vg_min(most, sizeof(look) / f->size * f->size));

	if (!count || !call->read(look, address, shown))
		address_put(t, address);
	else if (f->shape == VG_SHAPE_ARRAY)
		array_put(t, f, look, count, shown / f->size);
	else if (size > shown)
		put(t, "%#llx<%llu bytes>", (unsigned long long)address, (unsigned long long)size);
	else
		bytes_put(t, look, size);
}

/* Behind a pointer. */
static void pointee_put(struct text *t, const struct vg_call_program *call,
			const struct vg_field *f, const struct vg_call_place *place)
{
	uint64_t address = pointer_of(place);
	uint8_t look[LOOK_MAX];

	if (!address) {
		put(t, "NULL");
	} else if (f->shape == VG_SHAPE_STRING) {
		string_read(t, call, address);
	} else if (f->shape == VG_SHAPE_BULK) {
		address_put(t, address);
	} else if (f->shape != VG_SHAPE_ONE && f->shape != VG_SHAPE_STRING_AT) {
		several_read(t, call, f, address, place->count);
	} else if (f->size > sizeof(look) || !call->read(look, address, f->size)) {
		address_put(t, address);
	} else if (f->shape == VG_SHAPE_STRING_AT) {
		memcpy(&address, look, sizeof(address));
		pointee_put(t, call, &(struct vg_field){.shape = VG_SHAPE_STRING},
			    &(struct vg_call_place){.at = &address});
	} else {
		element_put(t, f, look);
	}
}

static void argument_put(struct text *t, const struct vg_call_program *call,
			 const struct vg_field *f, const struct vg_call_place *place)
{
	bool pointer = (f->ways & VG_FIELD_OUT) || f->shape != VG_SHAPE_ONE;

	if ((f->ways & VG_FIELD_OUT) && pointer_of(place))
		return; /* its answer is shown */
	name_put(t, f);
	if (pointer)
		pointee_put(t, call, f, place);
	else
		element_put(t, f, place->at);
}

static void program_put(struct text *t, const struct vg_call_program *call, bool out)
{
	const struct vg_call_fields *fields = vg_call_fields(call->op);

	for (unsigned int i = 0; i < fields->count && i < call->count; i++) {
		const struct vg_field *f = &vg_fields[fields->first + i];
		const struct vg_call_place *place = &call->places[i];

		if (!out) {
			argument_put(t, call, f, place);
		} else if ((f->ways & VG_FIELD_OUT) && pointer_of(place)) {
			name_put(t, f);
			pointee_put(t, call, f, place);
		}
	}
}

size_t vg_program_args(const struct vg_call_program *call, char *text, size_t room)
{
	struct text t = text_begin(text, room);

	program_put(&t, call, false);
	return text_end(&t);
}

size_t vg_program_ret(const struct vg_call_program *call, char *text, size_t room)
{
	struct text t = text_begin(text, room);

	program_put(&t, call, true);
	return text_end(&t);
}

void vg_call_bulk(const char *way, uint64_t size, const uint32_t *sum, char *text, size_t room)
{
	*text = '\0';
	if (size && sum)
		snprintf(text, room, " %s=%llu %s_crc32=%08x", way, (unsigned long long)size, way,
			 *sum);
	else if (size)
		snprintf(text, room, " %s=%llu", way, (unsigned long long)size);
}
