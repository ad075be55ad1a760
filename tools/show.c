/* SPDX-License-Identifier: MIT */
/*
 * What xen-vgpud answers, as commands show it. Guests' and executors' words are in it.
 */
#include "tools/vgpu.h"

#include <stdio.h>

#include "protocol/log.h"

uint64_t vgpu_get_uint(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

const char *vgpu_get_text(struct json_object *object, const char *key)
{
	static char buffers[4][256];
	static unsigned int next;
	char *buffer = buffers[next++ % 4];
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(object, key, &value))
		return "";
	text = json_object_get_string(value);
	snprintf(buffer, sizeof(buffers[0]), "%s", text ? text : "");
	vg_log_clean(buffer);
	return buffer;
}

const char *vgpu_human(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	static char buffers[8][16];
	static unsigned int next;
	char *buffer = buffers[next++ % 8];
	double value = (double)bytes;
	int unit = 0;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(buffer, sizeof(buffers[0]), unit && value < 100 ? "%.1f%c" : "%.0f%c", value,
		 units[unit]);
	return buffer;
}
