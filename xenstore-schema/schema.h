/* SPDX-License-Identifier: MIT */
/*
 * The schema of the device's xenstore nodes (vgpu.schema) as tables, the paths, and the check of one
 * value. Pure: no xenstore here.
 */
#ifndef VG_SCHEMA_H
#define VG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xenstore-schema/vgpu_schema.h"

enum vg_schema_type {
	VG_TYPE_STATE,
	VG_TYPE_FLAG,
	VG_TYPE_UINT,
	VG_TYPE_SIZE,
	VG_TYPE_ENUM,
	VG_TYPE_EQUALS,
	VG_TYPE_TEXT,
	VG_TYPE_GPU,
	VG_TYPE_DRIVER,
	VG_TYPE_VERSIONS,
};

enum vg_schema_side {
	VG_SIDE_TOOLSTACK = 1 << 0,
	VG_SIDE_BACKEND = 1 << 1,
	VG_SIDE_FRONTEND = 1 << 2,
};

enum vg_schema_owner {
	VG_OWNER_DOM0,
	VG_OWNER_BACKEND,
	VG_OWNER_GUEST,
};

enum vg_schema_present {
	VG_PRESENT_ALWAYS,
	VG_PRESENT_OPTIONAL,
	VG_PRESENT_STATES, /* while `side` is in one of `states` */
};

struct vg_schema_key {
	const char *name;
	enum vg_schema_type type;
	uint64_t min, max;         /* uint, size; max: length of a text */
	const char *words;         /* enum: the values, separated by blanks; equals: the value */
	const char *allowed;       /* for messages: what may stand here */
	bool setting;              /* the administrator may give it */
	const char *value_default; /* of a setting; NULL: the key is left out */
	unsigned int writers;      /* mask of enum vg_schema_side */
	enum vg_schema_present present;
	unsigned int side;   /* VG_PRESENT_STATES */
	unsigned int states; /* VG_PRESENT_STATES: bit n for state n */
};

struct vg_schema_tree {
	const char *name;
	const char *path; /* with <domid>, <devid>, <backend> in it: vg_schema_path() */
	enum vg_schema_owner owner;
	enum vg_schema_owner readers[2];
	size_t reader_count;
	bool extra_is_error;
	bool optional;
	int copies; /* enum vg_schema_tree_id of the tree whose toolstack keys are here too, or -1 */
	const struct vg_schema_key *keys;
	size_t count;
};

extern const struct vg_schema_tree vg_schema_trees[VG_TREE_COUNT];

/* NULL when the tree has no such key; finds copied keys too. */
const struct vg_schema_key *vg_schema_find(enum vg_schema_tree_id tree, const char *name);

#define VG_SCHEMA_DOMID_MAX 32751u /* below DOMID_FIRST_RESERVED */

/* One device: its frontend's domain, its number there, and the domain that serves it. */
struct vg_schema_device {
	unsigned int domid;
	unsigned int devid;
	unsigned int backend;
};

/* The domain that `owner` means for this device. */
unsigned int vg_schema_domain(enum vg_schema_owner owner, const struct vg_schema_device *device);

enum vg_schema_level {
	VG_LEVEL_DEVICE, /* the device's own directory */
	VG_LEVEL_DOMAIN, /* the one above: all devices of its domain */
	VG_LEVEL_ALL,    /* and above that; of trees that end in <domid>/<devid> */
};

/* The directory into `path`, which takes VG_SCHEMA_PATH bytes. */
#define VG_SCHEMA_PATH 256
void vg_schema_path(char *path, enum vg_schema_tree_id tree, enum vg_schema_level level,
		    const struct vg_schema_device *device);
/*
 * The same backwards: which domain's backend a path names, for this device. -EINVAL if it names
 * none.
 */
int vg_schema_backend_of(const char *path, struct vg_schema_device *device);

/*
 * 0, or -EINVAL with a message in `why` (VG_SCHEMA_WHY bytes) that names the key, the value and
 * what is allowed.
 */
#define VG_SCHEMA_WHY 320
int vg_schema_check(const struct vg_schema_key *key, const char *value,
		    const struct vg_schema_device *device, char *why);

/* Strict decimal: digits only, no sign, no blank, no overflow. false otherwise. */
bool vg_parse_uint(const char *text, uint64_t *value);
/* The same, with one of K, M, G, T, P (binary) at the end, or none. */
bool vg_parse_size(const char *text, uint64_t *value);

#endif
