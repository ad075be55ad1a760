/* SPDX-License-Identifier: MIT */
/*
 * xenstore helpers. What is read may have been written by a guest: lengths and forms are checked
 * here, meanings by the caller.
 */
#include "xenstore-schema/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore-schema/schema.h"

#define PRUNE_TRIES 16

static int store_path(char *path, const char *dir, const char *name)
{
	int n = name ? snprintf(path, VG_STORE_PATH, "%s/%s", dir, name)
		     : snprintf(path, VG_STORE_PATH, "%s", dir);

	return n < 0 || n >= VG_STORE_PATH ? -ENAMETOOLONG : 0;
}

int vg_store_read(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		  char *value, size_t size)
{
	char path[VG_STORE_PATH];
	unsigned int length;
	char *raw;
	int rc = store_path(path, dir, name);

	if (rc)
		return rc;
	raw = xs_read(xs, t, path, &length);
	if (!raw)
		return -errno;
	if (length >= size || memchr(raw, '\0', length)) {
		rc = -EINVAL;
	} else {
		memcpy(value, raw, length);
		value[length] = '\0';
	}
	free(raw);
	return rc;
}

int vg_store_read_uint(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		       uint64_t min, uint64_t max, uint64_t *value)
{
	char text[24];
	uint64_t number;
	int rc = vg_store_read(xs, t, dir, name, text, sizeof(text));

	if (rc)
		return rc;
	if (!vg_parse_uint(text, &number) || number < min || number > max)
		return -EINVAL;
	*value = number;
	return 0;
}

int vg_store_write(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		   const char *value)
{
	char path[VG_STORE_PATH];
	int rc = store_path(path, dir, name);

	if (rc)
		return rc;
	return xs_write(xs, t, path, value, (unsigned int)strlen(value)) ? 0 : -errno;
}

int vg_store_write_uint(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
			uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return vg_store_write(xs, t, dir, name, text);
}

int vg_store_remove(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name)
{
	char path[VG_STORE_PATH];
	int rc = store_path(path, dir, name);

	if (rc)
		return rc;
	return xs_rm(xs, t, path) || errno == ENOENT ? 0 : -errno;
}

static bool is_empty(struct xs_handle *xs, xs_transaction_t t, const char *dir)
{
	unsigned int count = 0;
	char **names = xs_directory(xs, t, dir, &count);
	bool empty = names && count == 0;

	free(names);
	return empty;
}

void vg_store_prune(struct xs_handle *xs, const char *dir)
{
	for (int i = 0; i < PRUNE_TRIES; i++) {
		xs_transaction_t t = xs_transaction_start(xs);
		bool empty;

		if (t == XBT_NULL)
			return;
		empty = is_empty(xs, t, dir);
		if (empty)
			vg_store_remove(xs, t, dir, NULL);
		if (xs_transaction_end(xs, t, !empty) || errno != EAGAIN)
			return;
	}
}

bool vg_store_exists(struct xs_handle *xs, xs_transaction_t t, const char *dir)
{
	unsigned int length;
	void *raw = xs_read(xs, t, dir, &length);
	bool there = raw != NULL;

	free(raw);
	return there;
}

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int vg_store_list_numbers(struct xs_handle *xs, xs_transaction_t t, const char *dir, uint32_t max,
			  uint32_t *numbers, size_t size)
{
	unsigned int count = 0;
	char **names = xs_directory(xs, t, dir, &count);
	size_t found = 0;

	if (!names)
		return errno == ENOENT ? 0 : -errno;
	for (unsigned int i = 0; i < count && found < size; i++) {
		uint64_t number;

		if (vg_parse_uint(names[i], &number) && number <= max)
			numbers[found++] = (uint32_t)number;
	}
	free(names);
	qsort(numbers, found, sizeof(*numbers), number_compare);
	return (int)found;
}
