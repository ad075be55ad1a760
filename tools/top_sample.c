/* SPDX-License-Identifier: MIT */
/* See top_sample.h. */
#include "tools/top_sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/value.h"

bool top_id_same(const struct top_id *a, const struct top_id *b)
{
	return a->domid == b->domid && a->executor == b->executor && a->pid == b->pid &&
	       a->started == b->started;
}

void top_session_dispose(struct top_session *session)
{
	free(session->lanes);
	free(session->ops);
	session->lanes = NULL;
	session->ops = NULL;
	session->lane_count = session->op_count = 0;
}

static void sessions_dispose(struct top_session *sessions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		top_session_dispose(&sessions[i]);
	free(sessions);
}

void top_sample_dispose(struct top_sample *sample)
{
	free(sample->devices);
	sessions_dispose(sample->sessions, sample->session_count);
	sessions_dispose(sample->ended, sample->ended_count);
	memset(sample, 0, sizeof(*sample));
}

/* --- one session ------------------------------------------------------------------------------ */

/* The array of this name and its length, at most `most`; NULL and 0 when there is none. */
static struct json_object *get_array(struct json_object *object, const char *key, size_t most,
				     size_t *count)
{
	struct json_object *array = vgpu_array(object, key, count);

	if (*count > most)
		*count = most;
	return array;
}

static uint64_t array_uint(struct json_object *array, size_t index)
{
	return json_object_is_type(array, json_type_array)
		       ? json_object_get_uint64(json_object_array_get_idx(array, index))
		       : 0;
}

static void read_text(char *to, size_t size, struct json_object *object, const char *key)
{
	snprintf(to, size, "%.*s", (int)size - 1, vgpu_clean_text(object, key));
}

static void read_lane(struct top_lane *lane, struct json_object *object)
{
	struct json_object *begun;

	lane->lane = vgpu_uint(object, "lane");
	lane->taken = vgpu_uint(object, "taken");
	lane->done = vgpu_uint(object, "done");
	lane->op = vgpu_uint(object, "op");
	lane->commands_bytes = vgpu_uint(object, "commands_bytes");
	lane->commands_unread = vgpu_uint(object, "commands_unread");
	lane->replies_bytes = vgpu_uint(object, "replies_bytes");
	lane->replies_unread = vgpu_uint(object, "replies_unread");
	lane->waited = json_object_object_get_ex(object, "begun_ms", &begun) &&
		       lane->taken != lane->done;
	lane->begun_ms = vgpu_uint(object, "begun_ms");
	read_text(lane->guest_sleeps, sizeof(lane->guest_sleeps), object, "guest_sleeps");
	read_text(lane->executor_sleeps, sizeof(lane->executor_sleeps), object, "executor_sleeps");
}

static int read_lanes(struct top_session *session, struct json_object *object)
{
	size_t count;
	struct json_object *lanes = get_array(object, "lane", TOP_LANES_MAX, &count);

	if (!count)
		return 0;
	session->lanes = calloc(count, sizeof(*session->lanes));
	if (!session->lanes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		read_lane(&session->lanes[i], json_object_array_get_idx(lanes, i));
	session->lane_count = count;
	return 0;
}

/* The place of a call; both lists are by number. */
static struct top_op *op_of(struct top_session *session, uint64_t op)
{
	for (size_t i = 0; i < session->op_count; i++)
		if (session->ops[i].op == op)
			return &session->ops[i];
	if (session->op_count == TOP_OPS)
		return NULL;
	session->ops[session->op_count] = (struct top_op){.op = op};
	return &session->ops[session->op_count++];
}

static int read_ops(struct top_session *session, struct json_object *object)
{
	size_t count, timed;
	struct json_object *ops = get_array(object, "ops", TOP_OPS, &count);
	struct json_object *times = get_array(object, "op_times", TOP_OPS, &timed);

	if (!(count + timed))
		return 0;
	session->ops = calloc(count + timed, sizeof(*session->ops));
	if (!session->ops)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct json_object *pair = json_object_array_get_idx(ops, i);
		struct top_op *op = op_of(session, array_uint(pair, 0));

		if (op)
			op->count = array_uint(pair, 1);
	}
	for (size_t i = 0; i < timed; i++) {
		struct json_object *triple = json_object_array_get_idx(times, i);
		struct top_op *op = op_of(session, array_uint(triple, 0));

		if (!op)
			continue;
		op->timed = array_uint(triple, 1);
		op->ns = array_uint(triple, 2);
	}
	return 0;
}

static void read_counters(struct top_session *session, struct json_object *object)
{
	static const char *const names[TOP_COUNTERS] = {"calls", "launches", "bytes_htod",
							"bytes_dtoh", "errors"};
	size_t count;
	struct json_object *took = get_array(object, "took", TOP_TOOK, &count);

	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		session->counter[i] = vgpu_uint(object, names[i]);
	for (size_t i = 0; i < count; i++)
		session->took[i] = array_uint(took, i);
	session->memory = vgpu_uint(object, "memory");
	session->last_op = vgpu_uint(object, "last_op");
	session->last_error = vgpu_uint(object, "last_error");
	session->last_error_op = vgpu_uint(object, "last_error_op");
	session->refused = vgpu_uint(object, "refused_count");
}

static int read_session(struct top_session *session, struct json_object *object, uint64_t domid)
{
	size_t count;
	struct json_object *devids = get_array(object, "devids", TOP_DEVIDS, &count);
	int rc;

	session->id.domid = domid;
	session->id.executor = vgpu_uint(object, "executor");
	session->id.pid = vgpu_uint(object, "pid");
	session->id.started = (int64_t)vgpu_uint(object, "started");
	for (size_t i = 0; i < count; i++)
		session->devids[i] = array_uint(devids, i);
	session->devid_count = count;
	session->home = count ? session->devids[0] : 0;
	read_text(session->program, sizeof(session->program), object, "program");
	read_text(session->state, sizeof(session->state), object, "state");
	read_counters(session, object);
	rc = read_lanes(session, object);
	return rc ? rc : read_ops(session, object);
}

/* --- the whole answer ------------------------------------------------------------------------- */

static void read_device(struct top_device *device, struct json_object *object)
{
	device->domid = vgpu_uint(object, "domid");
	device->devid = vgpu_uint(object, "devid");
	device->connected = vgpu_flag(object, "connected");
	read_text(device->gpu, sizeof(device->gpu), object, "gpu");
	read_text(device->driver, sizeof(device->driver), object, "driver");
	device->mem = vgpu_uint(object, "mem");
	device->mem_used = vgpu_uint(object, "mem_used");
}

static struct top_session *session_known(struct top_sample *sample,
					 const struct top_session *session)
{
	for (size_t i = 0; i < sample->session_count; i++)
		if (top_id_same(&sample->sessions[i].id, &session->id))
			return &sample->sessions[i];
	return NULL;
}

/* A session stands at each of its vGPUs, with its memory there and with all of its counters. */
static int read_sessions(struct top_sample *sample, struct json_object *device)
{
	size_t count;
	struct json_object *array = get_array(device, "sessions", SIZE_MAX, &count);
	struct top_session *grown;

	if (!count)
		return 0;
	grown = reallocarray(sample->sessions, sample->session_count + count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	sample->sessions = grown;
	for (size_t i = 0; i < count; i++) {
		struct top_session *session = &sample->sessions[sample->session_count];
		struct top_session *known;
		int rc;

		memset(session, 0, sizeof(*session));
		rc = read_session(session, json_object_array_get_idx(array, i),
				  vgpu_uint(device, "domid"));
		known = session_known(sample, session);
		if (known)
			known->memory += session->memory;
		if (known || rc)
			top_session_dispose(session);
		else
			sample->session_count++;
		if (rc)
			return rc;
	}
	return 0;
}

static int read_devices(struct top_sample *sample, struct json_object *answer)
{
	size_t count;
	struct json_object *array = get_array(answer, "devices", SIZE_MAX, &count);

	sample->devices = calloc(count + 1, sizeof(*sample->devices));
	if (!sample->devices)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct json_object *object = json_object_array_get_idx(array, i);
		int rc = read_sessions(sample, object);

		if (rc)
			return rc;
		read_device(&sample->devices[sample->device_count++], object);
	}
	return 0;
}

static int read_ended(struct top_sample *sample, struct json_object *answer)
{
	size_t count;
	struct json_object *array = get_array(answer, "ended", SIZE_MAX, &count);

	sample->ended = calloc(count + 1, sizeof(*sample->ended));
	if (!sample->ended)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct json_object *object = json_object_array_get_idx(array, i);
		int rc = read_session(&sample->ended[sample->ended_count++], object,
				      vgpu_uint(object, "domid"));

		if (rc)
			return rc;
	}
	return 0;
}

int top_sample_read(struct top_sample *sample, struct json_object *answer, uint64_t at)
{
	int rc;

	*sample = (struct top_sample){
		.at = at,
		.now = (int64_t)vgpu_uint(answer, "now"),
		.started = (int64_t)vgpu_uint(answer, "started"),
		.daemon = vgpu_uint(answer, "pid"),
	};
	rc = read_devices(sample, answer);
	if (!rc)
		rc = read_ended(sample, answer);
	if (rc)
		top_sample_dispose(sample);
	return rc;
}
