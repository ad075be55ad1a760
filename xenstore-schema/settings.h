/* SPDX-License-Identifier: MIT */
/*
 * What an administrator sets for one vGPU, from the text given to `vgpu attach` or from the
 * backend's xenstore directory. The keys, their ranges and defaults come from vgpu.schema.
 */
#ifndef VG_SETTINGS_H
#define VG_SETTINGS_H

#include "xenstore-schema/schema.h"

#define VG_SETTINGS_MAX      16
#define VG_SETTING_VALUE_MAX 256

/* As text, in the order of the schema: what goes into xenstore. */
struct vg_settings_text {
	const struct vg_schema_key *key[VG_SETTINGS_MAX];
	char value[VG_SETTINGS_MAX][VG_SETTING_VALUE_MAX]; /* empty: left out */
	size_t count;
};

/* Where the device is to be: words of a specification that are no settings of the backend's. */
#define VG_PLACE_BACKEND_MAX 80
struct vg_place {
	int devid;                          /* -1: the lowest that is free */
	char backend[VG_PLACE_BACKEND_MAX]; /* a domain's name or number; empty: domain 0 */
};
#define VG_PLACE_ANY ((struct vg_place){.devid = -1})

/* As the backend uses them. */
struct vg_settings {
	char gpu[64];
	char driver[VG_SETTING_VALUE_MAX]; /* never empty: soft, default or a path */
	uint64_t mem;                      /* bytes, 0: no limit */
	uint32_t max_sessions;
	uint32_t max_lanes;
	uint32_t max_lane_pages;
	uint32_t max_region_pages;
};

/* All settings at their defaults. */
void vg_settings_text_init(struct vg_settings_text *text);

/* Sets one; -EINVAL with `why` (VG_SCHEMA_WHY bytes) for an unknown key or a bad value. */
int vg_settings_text_set(struct vg_settings_text *text, const char *key, const char *value,
			 char *why);

/*
 * Parses KEY=VALUE[,KEY=VALUE...], blanks around the words allowed. `devid` and `backend` are keys here
 * too, and go into `place`, left as it is where they are not given. Sizes become plain bytes. 0, or
 * -EINVAL with `why`.
 */
int vg_settings_parse(const char *spec, struct vg_settings_text *text, struct vg_place *place,
		      char *why);

/* From text to numbers, with the checks that concern several settings. 0, or -EINVAL and `why`. */
int vg_settings_resolve(const struct vg_settings_text *text, struct vg_settings *settings,
			char *why);

/* The text of one setting, "" when it is left out. */
const char *vg_settings_text_get(const struct vg_settings_text *text, const char *key);

#endif
