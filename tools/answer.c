/* SPDX-License-Identifier: MIT */
/* See answer.h. */
#include "tools/answer.h"

#include <stdlib.h>

#include "tools/value.h"

struct json_object *vgpu_answer_device(struct json_object *answer, uint64_t domid, uint64_t devid)
{
	size_t count;
	struct json_object *devices = answer ? vgpu_array(answer, "devices", &count) : NULL;

	for (size_t i = 0; devices && i < count; i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);

		if (vgpu_uint(d, "domid") == domid && vgpu_uint(d, "devid") == devid)
			return d;
	}
	return NULL;
}

bool vgpu_answer_pending(struct json_object *session)
{
	return vgpu_has(session, "look_asked_ms") &&
	       (!vgpu_has(session, "looked_ms") ||
		vgpu_uint(session, "looked_ms") > vgpu_uint(session, "look_asked_ms"));
}

static int call_compare(const void *a, const void *b)
{
	const struct vgpu_call *x = a, *y = b;

	return x->count < y->count ? 1 : x->count > y->count ? -1 : (int)x->op - (int)y->op;
}

static uint64_t element(struct json_object *array, size_t i)
{
	return json_object_get_uint64(json_object_array_get_idx(array, i));
}

static uint64_t mean_ns(struct json_object *session, unsigned int op)
{
	size_t count;
	struct json_object *times = vgpu_array(session, "op_times", &count);

	for (size_t i = 0; i < count; i++) {
		struct json_object *t = json_object_array_get_idx(times, i);

		if (element(t, 0) == op && element(t, 1))
			return element(t, 2) / element(t, 1);
	}
	return 0;
}

struct vgpu_call *vgpu_answer_calls(struct json_object *session, size_t *count)
{
	struct json_object *ops = vgpu_array(session, "ops", count);
	struct vgpu_call *calls = calloc(*count + 1, sizeof(*calls));

	for (size_t i = 0; calls && i < *count; i++) {
		struct json_object *pair = json_object_array_get_idx(ops, i);

		calls[i].op = (unsigned int)element(pair, 0);
		calls[i].count = element(pair, 1);
		calls[i].mean_ns = mean_ns(session, calls[i].op);
	}
	if (calls)
		qsort(calls, *count, sizeof(*calls), call_compare);
	return calls;
}
