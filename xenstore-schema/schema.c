/* SPDX-License-Identifier: MIT */
/*
 * Paths by the schema, and checks of single values against it. Trusts no value: they come from administrators and,
 * in the frontend's directory, from guests.
 */
#include "xenstore-schema/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

bool vg_parse_uint(const char *text, uint64_t *value)
{
	uint64_t sum = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned char)*text - '0';

		if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, digit, &sum))
			return false;
	}
	*value = sum;
	return true;
}

bool vg_parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGTP";
	size_t length = strlen(text);
	const char *unit = length > 1 ? strchr(units, toupper((unsigned char)text[length - 1]))
				      : NULL;
	char digits[24];
	uint64_t number;
	unsigned int shift;

	if (!unit || !*unit)
		return vg_parse_uint(text, value);
	if (length > sizeof(digits))
		return false;
	memcpy(digits, text, length - 1);
	digits[length - 1] = '\0';
	shift = 10 * (unsigned int)(unit - units + 1);
	if (!vg_parse_uint(digits, &number) || number > UINT64_MAX >> shift)
		return false;
	*value = number << shift;
	return true;
}

static const struct vg_schema_key *tree_find(const struct vg_schema_tree *tree, const char *name,
					     unsigned int writers)
{
	for (size_t i = 0; i < tree->count; i++)
		if ((tree->keys[i].writers & writers) && !strcmp(tree->keys[i].name, name))
			return &tree->keys[i];
	return NULL;
}

const struct vg_schema_key *vg_schema_find(enum vg_schema_tree_id tree, const char *name)
{
	const struct vg_schema_tree *t = &vg_schema_trees[tree];
	const struct vg_schema_key *key = tree_find(t, name, ~0u);

	if (!key && t->copies >= 0)
		key = tree_find(&vg_schema_trees[t->copies], name, VG_SIDE_TOOLSTACK);
	return key;
}

unsigned int vg_schema_domain(enum vg_schema_owner owner, const struct vg_schema_device *device)
{
	switch (owner) {
	case VG_OWNER_DOM0: break;
	case VG_OWNER_BACKEND: return device->backend;
	case VG_OWNER_GUEST: return device->domid;
	}
	return 0;
}

/* The number that a variable at the start of `pattern` stands for, and the variable's length. */
static size_t variable(const char *pattern, const struct vg_schema_device *device,
		       unsigned int *number)
{
	const struct {
		const char *name;
		unsigned int number;
	} all[] = {{"<domid>", device->domid},
		   {"<devid>", device->devid},
		   {"<backend>", device->backend}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t length = strlen(all[i].name);

		if (!strncmp(pattern, all[i].name, length)) {
			*number = all[i].number;
			return length;
		}
	}
	return 0;
}

/* `pattern` with the device's numbers filled in, cut at VG_SCHEMA_PATH. */
static void fill(char *text, const char *pattern, const struct vg_schema_device *device)
{
	size_t used = 0;

	while (*pattern && used < VG_SCHEMA_PATH - 1) {
		unsigned int number;
		size_t length = variable(pattern, device, &number);

		if (length)
			used += (size_t)snprintf(text + used, VG_SCHEMA_PATH - used, "%u", number);
		else
			text[used++] = *pattern++;
		pattern += length;
	}
	text[used < VG_SCHEMA_PATH ? used : VG_SCHEMA_PATH - 1] = '\0';
}

void vg_schema_path(char *path, enum vg_schema_tree_id tree, enum vg_schema_level level,
		    const struct vg_schema_device *device)
{
	fill(path, vg_schema_trees[tree].path, device);
	for (int cut = (int)level; cut > 0; cut--)
		*strrchr(path, '/') = '\0';
}

int vg_schema_backend_of(const char *path, struct vg_schema_device *device)
{
	static const char root[] = "/local/domain/";
	char number[16], whole[VG_SCHEMA_PATH];
	uint64_t backend;
	size_t length;

	if (strncmp(path, root, sizeof(root) - 1) != 0)
		return -EINVAL;
	path += sizeof(root) - 1;
	length = strcspn(path, "/");
	if (length >= sizeof(number))
		return -EINVAL;
	memcpy(number, path, length);
	number[length] = '\0';
	if (!vg_parse_uint(number, &backend) || backend > VG_SCHEMA_DOMID_MAX)
		return -EINVAL;
	device->backend = (unsigned int)backend;
	vg_schema_path(whole, VG_TREE_BACKEND, VG_LEVEL_DEVICE, device);
	return strcmp(whole + sizeof(root) - 1, path) ? -EINVAL : 0;
}

/* Does `value` equal `pattern` with the device's numbers filled in? */
static bool equals_filled(const char *pattern, const char *value,
			  const struct vg_schema_device *device)
{
	char text[VG_SCHEMA_PATH];

	fill(text, pattern, device);
	return !strcmp(text, value);
}

static bool word_in(const char *words, const char *value)
{
	size_t length = strlen(value);

	while (length && words) {
		if (!strncmp(words, value, length) && (words[length] == ' ' || !words[length]))
			return true;
		words = strchr(words, ' ');
		words = words ? words + 1 : NULL;
	}
	return false;
}

/* Matches `value` against a pattern in which x is a hexadecimal digit and 7 an octal one. */
static bool matches(const char *pattern, const char *value)
{
	for (; *pattern; pattern++, value++) {
		bool good = *pattern == 'x'   ? isxdigit((unsigned char)*value)
			    : *pattern == '7' ? *value >= '0' && *value <= '7'
					      : *pattern == *value;
		if (!good)
			return false;
	}
	return !*value;
}

/* libcuda-soft has four at most. */
static bool is_soft_gpu(const char *value)
{
	return !strcmp(value, "soft") || (matches("soft:7", value) && value[5] <= '3');
}

static bool is_gpu(const char *value)
{
	uint64_t index;

	if (vg_parse_uint(value, &index))
		return index < 256;
	return is_soft_gpu(value) || matches("GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", value) ||
	       matches("MIG-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", value) ||
	       matches("xx:xx.7", value) || matches("xxxx:xx:xx.7", value) ||
	       matches("xxxxxxxx:xx:xx.7", value);
}

/* Printable ASCII, so that what is logged or listed is what was written. */
static bool is_plain(const char *value, size_t max)
{
	size_t length = strlen(value);

	for (size_t i = 0; i < length; i++)
		if (value[i] < ' ' || value[i] > '~')
			return false;
	return length <= max;
}

static bool is_driver(const char *value)
{
	return !strcmp(value, "soft") || !strcmp(value, "default") ||
	       (value[0] == '/' && is_plain(value, 255));
}

static bool is_versions(const char *value)
{
	uint64_t last = 0, number;
	char word[16];

	for (;;) {
		size_t length = strcspn(value, ",");

		if (length >= sizeof(word))
			return false;
		memcpy(word, value, length);
		word[length] = '\0';
		if (!vg_parse_uint(word, &number) || number <= last || number > UINT16_MAX)
			return false;
		last = number;
		if (!value[length])
			return true;
		value += length + 1;
	}
}

static bool value_good(const struct vg_schema_key *key, const char *value,
		       const struct vg_schema_device *device)
{
	uint64_t number;

	switch (key->type) {
	case VG_TYPE_STATE: return vg_parse_uint(value, &number) && number >= 1 && number <= 6;
	case VG_TYPE_FLAG: return !strcmp(value, "0") || !strcmp(value, "1");
	case VG_TYPE_UINT:
		return vg_parse_uint(value, &number) && number >= key->min && number <= key->max;
	case VG_TYPE_SIZE:
		return vg_parse_size(value, &number) && number >= key->min && number <= key->max;
	case VG_TYPE_ENUM: return word_in(key->words, value);
	case VG_TYPE_EQUALS: return equals_filled(key->words, value, device);
	case VG_TYPE_TEXT: return strlen(value) <= key->max;
	case VG_TYPE_GPU: return is_gpu(value);
	case VG_TYPE_DRIVER: return is_driver(value);
	case VG_TYPE_VERSIONS: return is_versions(value);
	}
	return false;
}

int vg_schema_check(const struct vg_schema_key *key, const char *value,
		    const struct vg_schema_device *device, char *why)
{
	if (value_good(key, value, device))
		return 0;
	snprintf(why, VG_SCHEMA_WHY, "%s=%.80s%s is not valid: %s is %s", key->name, value,
		 strlen(value) > 80 ? "..." : "", key->name, key->allowed);
	return -EINVAL;
}
