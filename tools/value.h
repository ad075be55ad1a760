/* SPDX-License-Identifier: MIT */
/*
 * What an answer of xen-vgpud's has, and how it is written for people; 0, "" and false where it is not there.
 * Guests' and executors' words are in it.
 */
#ifndef VGPU_VALUE_H
#define VGPU_VALUE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t vgpu_uint(struct json_object *object, const char *key);
int64_t vgpu_int(struct json_object *object, const char *key);
const char *vgpu_text(struct json_object *object, const char *key); /* as it is: clean it */
/* The same cleaned, so that it may reach a terminal. Valid until the fourth call after. */
const char *vgpu_clean_text(struct json_object *object, const char *key);
bool vgpu_flag(struct json_object *object, const char *key);
bool vgpu_has(struct json_object *object, const char *key);
/* An array's elements; NULL: none. */
struct json_object *vgpu_array(struct json_object *object, const char *key, size_t *count);
/* And for objects of our own. */
static inline void vgpu_put_uint(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static inline void vgpu_put_text(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static inline void vgpu_put_flag(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* "3 s ago" of milliseconds; "never" where the key is not there. Valid until the eighth call after. */
const char *vgpu_ago(struct json_object *object, const char *key);
/* 1536 -> "1.5K". Valid until the eighth call after. */
const char *vgpu_bytes(uint64_t bytes);
/* As snprintf(), behind what is there. */
void vgpu_append(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
