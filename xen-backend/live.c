/* SPDX-License-Identifier: MIT */
/*
 * How sessions stand at the moment, for the control socket (docs/control-socket.md). All of it but what we count
 * ourselves is the executor's word: copied once, printed, never used.
 */
#include "xen-backend/daemon.h"

#include <json-c/json.h>
#include <string.h>

#include "protocol/clock.h"
#include "xen-backend/json.h"

/* Milliseconds since then; left out: never. A time to come is now. */
static void put_age(struct json_object *object, const char *key, uint64_t when, uint64_t now)
{
	if (when)
		be_put_uint(object, key, when < now ? now - when : 0);
}

static const char *sleeps_for(uint8_t what)
{
	switch (what) {
	case VG_SLEEP_ROOM: return "room";
	case VG_SLEEP_DATA: return "data";
	default: return "";
	}
}

static struct json_object *lane_json(const struct vg_live_lane *shared, unsigned int id,
				     uint64_t now)
{
	struct json_object *object = json_object_new_object();
	struct vg_live_lane lane = *shared;

	be_put_uint(object, "lane", id);
	be_put_uint(object, "taken", lane.number);
	be_put_uint(object, "done", lane.done);
	be_put_uint(object, "op", lane.op);
	be_put_uint(object, "args", lane.args);
	be_put_uint(object, "bulk", lane.bulk);
	put_age(object, "begun_ms", lane.begun, now);
	be_put_uint(object, "commands_bytes", lane.commands_bytes);
	be_put_uint(object, "commands_unread", lane.commands_unread);
	be_put_uint(object, "replies_bytes", lane.replies_bytes);
	be_put_uint(object, "replies_unread", lane.replies_unread);
	be_put_flag(object, "guest_alive", lane.guest_alive);
	be_put_text(object, "guest_sleeps", sleeps_for(lane.guest_sleeps));
	be_put_text(object, "executor_sleeps", sleeps_for(lane.exec_sleeps));
	return object;
}

static void put_lanes(struct json_object *object, const struct vg_live *live, uint64_t now)
{
	struct json_object *lanes = json_object_new_array();

	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		if (live->lane[i].commands_bytes)
			json_object_array_add(lanes, lane_json(&live->lane[i], i, now));
	json_object_object_add(object, "lane", lanes);
}

static void put_refused(struct json_object *object, const struct vg_live *live)
{
	struct json_object *names = json_object_new_array();

	for (unsigned int i = 0; i < VG_LIVE_REFUSED && live->refused[i][0]; i++) {
		char name[VG_LIVE_NAME];

		memcpy(name, live->refused[i], sizeof(name));
		name[sizeof(name) - 1] = '\0';
		vg_log_clean(name);
		json_object_array_add(names, json_object_new_string(name));
	}
	json_object_object_add(object, "refused", names);
	be_put_uint(object, "refused_count", live->refused_count);
}

static struct json_object *triple(uint64_t a, uint64_t b, uint64_t c)
{
	struct json_object *array = json_object_new_array_ext(3);

	json_object_array_add(array, json_object_new_uint64(a));
	json_object_array_add(array, json_object_new_uint64(b));
	json_object_array_add(array, json_object_new_uint64(c));
	return array;
}

static void put_times(struct json_object *object, const struct vg_live *live)
{
	struct json_object *ops = json_object_new_array();
	struct json_object *took = json_object_new_array_ext(VG_LIVE_TOOK);

	for (unsigned int i = 0; i < VG_STATS_OPS; i++)
		if (live->op_timed[i])
			json_object_array_add(ops, triple(i, live->op_timed[i], live->op_ns[i]));
	for (unsigned int i = 0; i < VG_LIVE_TOOK; i++)
		json_object_array_add(took, json_object_new_uint64(live->took[i]));
	json_object_object_add(object, "op_times", ops);
	json_object_object_add(object, "took", took);
	be_put_flag(object, "timed", live->want & VG_WANT_TIMES);
}

void be_live_put(struct json_object *object, const struct be_session *session)
{
	const struct vg_live *live = session->stats ? vg_live_of(session->stats) : NULL;
	uint64_t now = vg_clock_ms();

	put_age(object, "look_asked_ms", session->look_asked, now);
	put_age(object, "looked_ms", session->looked, now);
	if (!live)
		return;
	put_age(object, "woken_ms", live->woken, now);
	put_age(object, "moved_ms", live->moved, now);
	put_age(object, "failed_ms", live->failed, now);
	put_lanes(object, live, now);
	put_refused(object, live);
	put_times(object, live);
}

void be_live_put_device(struct json_object *object, const struct be_device *device)
{
	uint64_t now = vg_clock_ms();

	be_put_uint(object, "bells", device->bells);
	put_age(object, "rang_ms", device->rang_at, now);
	be_put_uint(object, "requests", device->requests);
	put_age(object, "asked_ms", device->asked_at, now);
	be_put_uint(object, "last_request", device->last_request);
	be_put_uint(object, "unanswered", device->unanswered);
	be_put_uint(object, "refusals", be_counts_refusals(device));
	put_age(object, "refused_ms", device->refused_at, now);
	be_put_text(object, "refusal", device->refusal);
	be_put_flag(object, "frontend_alive",
		    device->connected && __atomic_load_n(&device->ring.shared->frontend_alive,
							 __ATOMIC_ACQUIRE));
	be_probe_put_json(object, device);
}
