/* SPDX-License-Identifier: MIT */
/* Values out of xen-vgpud's answers, and how they are written for people. */
#include "tools/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/log.h"

uint64_t vgpu_uint(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

int64_t vgpu_int(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

const char *vgpu_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

const char *vgpu_clean_text(struct json_object *object, const char *key)
{
	static char buffers[4][256];
	static unsigned int next;
	char *buffer = buffers[next++ % 4];
	const char *text = vgpu_text(object, key);

	snprintf(buffer, sizeof(buffers[0]), "%s", text ? text : "");
	vg_log_clean(buffer);
	return buffer;
}

bool vgpu_flag(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

bool vgpu_has(struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

struct json_object *vgpu_array(struct json_object *object, const char *key, size_t *count)
{
	struct json_object *value;

	*count = 0;
	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_array))
		return NULL;
	*count = json_object_array_length(value);
	return value;
}

const char *vgpu_ago(struct json_object *object, const char *key)
{
	static char buffers[8][32];
	static unsigned int next;
	char *buffer = buffers[next++ % 8];
	uint64_t ms = vgpu_uint(object, key);

	if (!vgpu_has(object, key))
		return "never";
	if (ms < 1000)
		snprintf(buffer, sizeof(buffers[0]), "%u ms ago", (unsigned int)ms);
	else if (ms < 120000)
		snprintf(buffer, sizeof(buffers[0]), "%u s ago", (unsigned int)(ms / 1000));
	else
		snprintf(buffer, sizeof(buffers[0]), "%llu min ago",
			 (unsigned long long)ms / 60000);
	return buffer;
}

const char *vgpu_bytes(uint64_t bytes)
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

void vgpu_append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}
