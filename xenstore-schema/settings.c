/* SPDX-License-Identifier: MIT */
/*
 * Settings of a vGPU. Pure; everything it reads is checked against the schema, errors say which key,
 * which value and what is allowed.
 */
#include "xenstore-schema/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEVID_MAX 255

/* Words of a specification that are no settings of the schema, as bits beside the settings' own. */
#define SEEN_DEVID   (1u << 31)
#define SEEN_BACKEND (1u << 30)

void vg_settings_text_init(struct vg_settings_text *text)
{
	const struct vg_schema_tree *tree = &vg_schema_trees[VG_TREE_BACKEND];

	memset(text, 0, sizeof(*text));
	for (size_t i = 0; i < tree->count && text->count < VG_SETTINGS_MAX; i++) {
		const struct vg_schema_key *key = &tree->keys[i];

		if (!key->setting)
			continue;
		text->key[text->count] = key;
		if (key->value_default)
			snprintf(text->value[text->count], VG_SETTING_VALUE_MAX, "%s",
				 key->value_default);
		text->count++;
	}
}

static int settings_index(const struct vg_settings_text *text, const char *key)
{
	for (size_t i = 0; i < text->count; i++)
		if (!strcmp(text->key[i]->name, key))
			return (int)i;
	return -1;
}

const char *vg_settings_text_get(const struct vg_settings_text *text, const char *key)
{
	int i = settings_index(text, key);

	return i < 0 ? "" : text->value[i];
}

static void unknown_key(const struct vg_settings_text *text, const char *key, char *why)
{
	int used = snprintf(why, VG_SCHEMA_WHY, "unknown setting `%.40s`; known are devid, backend",
			    key);

	for (size_t i = 0; i < text->count && used > 0 && used < VG_SCHEMA_WHY; i++)
		used += snprintf(why + used, (size_t)(VG_SCHEMA_WHY - used), ", %s",
				 text->key[i]->name);
}

int vg_settings_text_set(struct vg_settings_text *text, const char *key, const char *value,
			 char *why)
{
	static const struct vg_schema_device none = {0};
	int i = settings_index(text, key);
	uint64_t bytes;

	if (i < 0) {
		unknown_key(text, key, why);
		return -EINVAL;
	}
	if (strlen(value) >= VG_SETTING_VALUE_MAX) {
		snprintf(why, VG_SCHEMA_WHY, "the value of %s is too long", key);
		return -EINVAL;
	}
	if (vg_schema_check(text->key[i], value, &none, why))
		return -EINVAL;
	if (text->key[i]->type == VG_TYPE_SIZE && vg_parse_size(value, &bytes))
		snprintf(text->value[i], VG_SETTING_VALUE_MAX, "%" PRIu64, bytes);
	else
		snprintf(text->value[i], VG_SETTING_VALUE_MAX, "%s", value);
	return 0;
}

static int devid_set(const char *value, int *devid, char *why)
{
	uint64_t number;

	if (!vg_parse_uint(value, &number) || number > DEVID_MAX) {
		snprintf(why, VG_SCHEMA_WHY,
			 "devid=%.40s is not valid: devid is a number from 0 to %d", value,
			 DEVID_MAX);
		return -EINVAL;
	}
	*devid = (int)number;
	return 0;
}

/* Whether there is such a domain is seen when the device is made. */
static int backend_set(const char *value, char *backend, char *why)
{
	size_t length = strlen(value);
	bool good = length < VG_PLACE_BACKEND_MAX;
	uint64_t number;

	for (size_t i = 0; i < length && good; i++)
		good = value[i] >= ' ' && value[i] <= '~' && value[i] != '/';
	if (good && vg_parse_uint(value, &number))
		good = number <= VG_SCHEMA_DOMID_MAX;
	if (!good) {
		snprintf(
			why, VG_SCHEMA_WHY,
			"backend=%.40s is not valid: backend is the name or the number of the domain "
			"whose xen-vgpud serves the vGPU, domain 0 if it is left out",
			value);
		return -EINVAL;
	}
	memcpy(backend, value, length + 1);
	return 0;
}

/* The text without blanks around it; changes it. */
static char *word_trim(char *word)
{
	char *end;

	word += strspn(word, " \t");
	end = word + strlen(word);
	while (end > word && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return word;
}

static unsigned int word_bit(const struct vg_settings_text *text, const char *key)
{
	int i = settings_index(text, key);

	if (!strcmp(key, "devid"))
		return SEEN_DEVID;
	if (!strcmp(key, "backend"))
		return SEEN_BACKEND;
	return i >= 0 ? 1u << i : 0;
}

/* One KEY=VALUE. `seen`: bit of each setting that was given, to find one that is given twice. */
static int settings_parse_word(char *word, struct vg_settings_text *text, struct vg_place *place,
			       unsigned int *seen, char *why)
{
	char *equals = strchr(word, '='), *key, *value;
	unsigned int bit;

	if (!equals) {
		snprintf(why, VG_SCHEMA_WHY, "`%.80s` is not KEY=VALUE, as in gpu=0,mem=1G", word);
		return -EINVAL;
	}
	*equals = '\0';
	key = word_trim(word);
	value = word_trim(equals + 1);
	if (!*key || !*value) {
		snprintf(why, VG_SCHEMA_WHY, "`%.40s=%.40s` is not KEY=VALUE, as in gpu=0,mem=1G",
			 key, value);
		return -EINVAL;
	}
	bit = word_bit(text, key);
	if (*seen & bit) {
		snprintf(why, VG_SCHEMA_WHY, "%s is given twice", key);
		return -EINVAL;
	}
	*seen |= bit;
	if (bit == SEEN_DEVID)
		return devid_set(value, &place->devid, why);
	if (bit == SEEN_BACKEND)
		return backend_set(value, place->backend, why);
	return vg_settings_text_set(text, key, value, why);
}

int vg_settings_parse(const char *spec, struct vg_settings_text *text, struct vg_place *place,
		      char *why)
{
	char copy[1024];
	unsigned int seen = 0;
	char *next;

	vg_settings_text_init(text);
	if (strlen(spec) >= sizeof(copy)) {
		snprintf(why, VG_SCHEMA_WHY, "the settings are longer than %zu bytes",
			 sizeof(copy) - 1);
		return -EINVAL;
	}
	snprintf(copy, sizeof(copy), "%s", spec);
	next = word_trim(copy);
	if (!*next)
		return 0;
	while (next) {
		char *word = strsep(&next, ",");

		if (settings_parse_word(word, text, place, &seen, why))
			return -EINVAL;
	}
	return 0;
}

static uint64_t settings_number(const struct vg_settings_text *text, const char *key)
{
	uint64_t value = 0;

	vg_parse_size(vg_settings_text_get(text, key), &value);
	return value;
}

int vg_settings_resolve(const struct vg_settings_text *text, struct vg_settings *settings,
			char *why)
{
	const char *driver = vg_settings_text_get(text, VG_KEY_DRIVER);
	bool soft;

	memset(settings, 0, sizeof(*settings));
	snprintf(settings->gpu, sizeof(settings->gpu), "%.63s",
		 vg_settings_text_get(text, VG_KEY_GPU));
	soft = !strncmp(settings->gpu, "soft", 4);
	if (!*driver)
		driver = soft ? "soft" : "default";
	if (soft != !strcmp(driver, "soft") && driver[0] != '/') {
		snprintf(
			why, VG_SCHEMA_WHY,
			"gpu=%s and driver=%s exclude each other: driver=soft and gpu=soft go together",
			settings->gpu, driver);
		return -EINVAL;
	}
	snprintf(settings->driver, sizeof(settings->driver), "%s", driver);
	settings->mem = settings_number(text, VG_KEY_MEM);
	settings->max_sessions = (uint32_t)settings_number(text, VG_KEY_MAX_SESSIONS);
	settings->max_lanes = (uint32_t)settings_number(text, VG_KEY_MAX_LANES);
	settings->max_lane_pages = (uint32_t)settings_number(text, VG_KEY_MAX_LANE_PAGES);
	settings->max_region_pages = (uint32_t)settings_number(text, VG_KEY_MAX_REGION_PAGES);
	return 0;
}
