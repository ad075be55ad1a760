/* SPDX-License-Identifier: MIT */
/*
 * vgpu list --format: chosen columns for scripts, a line a vGPU, a tab between two values. Names and meanings
 * stay as they are; new ones may be added. Numbers are whole and without a unit's letter; what is not known is "-".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"
#include "tools/vgpu.h"

enum column_kind {
	COLUMN_TEXT,   /* of the device */
	COLUMN_NUMBER, /* likewise; 0 is one */
	COLUMN_QUOTA,  /* likewise; 0 means none */
	COLUMN_COUNT,  /* of its sessions */
	COLUMN_SUM,    /* over its sessions */
};

struct column {
	const char *name;
	enum column_kind kind;
	const char *key;
};

static const struct column columns[] = {
	{"domain", COLUMN_TEXT, "domain"},        {"domid", COLUMN_NUMBER, "domid"},
	{"devid", COLUMN_NUMBER, "devid"},        {"backend", COLUMN_NUMBER, "backend"},
	{"state", COLUMN_TEXT, "state"},          {"gpu", COLUMN_TEXT, "gpu"},
	{"driver", COLUMN_TEXT, "driver"},        {"mem", COLUMN_QUOTA, "mem"},
	{"mem-used", COLUMN_NUMBER, "mem_used"},  {"max-sessions", COLUMN_NUMBER, "max-sessions"},
	{"sessions", COLUMN_COUNT, "sessions"},   {"calls", COLUMN_SUM, "calls"},
	{"launches", COLUMN_SUM, "launches"},     {"bytes-htod", COLUMN_SUM, "bytes_htod"},
	{"bytes-dtoh", COLUMN_SUM, "bytes_dtoh"}, {"errors", COLUMN_SUM, "errors"},
	{"error", COLUMN_TEXT, "error"},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct column *column_find(const char *name, size_t length)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strlen(columns[i].name) == length && !strncmp(columns[i].name, name, length))
			return &columns[i];
	return NULL;
}

bool vgpu_columns_check(const char *format)
{
	const char *at = format;

	for (;;) {
		size_t length = strcspn(at, ",");

		if (!column_find(at, length)) {
			vgpu_fail("`%.*s` is no column; there are:",
				  (int)(length > 40 ? 40 : length), at);
			for (size_t i = 0; i < COLUMNS; i++)
				fprintf(stderr, "%s%s", columns[i].name,
					i + 1 < COLUMNS ? "," : "\n");
			return false;
		}
		if (!at[length])
			return true;
		at += length + 1;
	}
}

/* A text of another side's cannot have a tab or an end of line in it. */
static void print_text(struct json_object *value)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", json_object_get_string(value));
	vg_log_clean(text);
	fputs(*text ? text : "-", stdout);
}

static void print_sum(struct json_object *sessions, const char *key)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *value;

		if (json_object_object_get_ex(json_object_array_get_idx(sessions, i), key, &value))
			sum += json_object_get_uint64(value);
	}
	printf("%llu", (unsigned long long)sum);
}

static void print_column(struct json_object *device, const struct column *column)
{
	bool of_sessions = column->kind == COLUMN_COUNT || column->kind == COLUMN_SUM;
	struct json_object *value;

	if (!json_object_object_get_ex(device, of_sessions ? "sessions" : column->key, &value))
		putchar('-');
	else if (column->kind == COLUMN_TEXT)
		print_text(value);
	else if (column->kind == COLUMN_COUNT)
		printf("%zu", json_object_array_length(value));
	else if (column->kind == COLUMN_SUM)
		print_sum(value, column->key);
	else if (column->kind == COLUMN_QUOTA && !json_object_get_uint64(value))
		putchar('-');
	else
		printf("%llu", (unsigned long long)json_object_get_uint64(value));
}

void vgpu_columns_print(struct json_object *devices, const char *format)
{
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		for (const char *at = format;; at++) {
			size_t length = strcspn(at, ",");

			print_column(device, column_find(at, length));
			at += length;
			putchar(*at ? '\t' : '\n');
			if (!*at)
				break;
		}
	}
}
