/* SPDX-License-Identifier: MIT */
/*
 * What a call's arguments and answers are, field by field: generated from the spec, for whatever shows calls to people
 * (call_text.h). The order is C's. One table serves the bytes on the wire, where a field has a place in the fixed part of the
 * command (in) or of the answer (out), and the program's own arguments.
 */
#ifndef VG_CALL_FIELDS_H
#define VG_CALL_FIELDS_H

#include <stdint.h>

enum vg_field_class {
	VG_CLASS_SIGNED,
	VG_CLASS_UNSIGNED,
	VG_CLASS_HEX,    /* flags */
	VG_CLASS_NUMBER, /* of an object, the driver's own; type: enum vg_handle_type */
	VG_CLASS_FLOAT,
	VG_CLASS_ADDRESS,
	VG_CLASS_HANDLE, /* type: enum vg_handle_type */
	VG_CLASS_ENUM,   /* type: of vg_enumerations */
	VG_CLASS_FLAGS,  /* bits, named by vg_enumerations[type] */
	VG_CLASS_RESULT, /* CUresult */
	VG_CLASS_TEXT,
	VG_CLASS_BYTES, /* structures and whatever has no parts that we know */
};

enum vg_field_shape {
	VG_SHAPE_ONE,
	VG_SHAPE_ARRAY, /* on the wire: its count in the fixed part, elements in a part of its own */
	VG_SHAPE_BYTES,     /* the same, shown as one */
	VG_SHAPE_STRING,    /* the same, up to a NUL */
	VG_SHAPE_STRING_AT, /* the program's: where a pointer to text is put */
	VG_SHAPE_BULK,      /* in the command's or the answer's bulk part */
};

#define VG_FIELD_IN   1u
#define VG_FIELD_OUT  2u
#define VG_FIELD_MINT 4u /* a handle that the guest makes: goes with the command */

#define VG_FIELD_NONE 0xffffu /* no place there */

struct vg_field {
	uint16_t name; /* in vg_field_texts */
	uint8_t shape; /* enum vg_field_shape */
	uint8_t ways;  /* VG_FIELD_* */
	uint8_t class; /* enum vg_field_class */
	uint8_t type;
	uint16_t size; /* bytes of an element */
	uint16_t in;   /* offset of its value or count in the command's fixed part */
	uint16_t out;  /* in the answer's */
	/* Addresses: the call's field, from 0, that says how many bytes are there; VG_FIELD_NONE: it is not known. */
	uint16_t span;
};

struct vg_call_fields {
	uint16_t first; /* of vg_fields */
	uint16_t count;
	uint16_t args; /* bytes of the fixed parts */
	uint16_t ret;
};

struct vg_constant {
	int64_t value;
	uint32_t name; /* in vg_field_texts */
};

struct vg_enumeration {
	uint16_t first; /* of vg_constants */
	uint16_t count;
};

extern const char vg_field_texts[];
extern const struct vg_field vg_fields[];
extern const struct vg_constant vg_constants[];
extern const struct vg_enumeration vg_enumerations[];
extern const unsigned int vg_enumerations_count;

/* Never NULL; without fields for a number that is no call. */
const struct vg_call_fields *vg_call_fields(unsigned int op);

#endif
