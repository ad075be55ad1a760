/* SPDX-License-Identifier: MIT */
/* Members of JSON objects. */
#ifndef BE_JSON_H
#define BE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

static inline void be_put_uint(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static inline void be_put_int(struct json_object *object, const char *key, int64_t value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

static inline void be_put_text(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static inline void be_put_flag(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

#endif
