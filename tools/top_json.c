/* SPDX-License-Identifier: MIT */
/*
 * vgpu top --json: an object a sample, each on a line of its own. What is not known is null.
 */
#include "tools/top.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/op_names.h"

#include "tools/value.h"

static void put_real(struct json_object *object, const char *key, double value)
{
	struct json_object *number = NULL;
	char text[64];

	if (isfinite(value)) {
		snprintf(text, sizeof(text), "%.6g", value);
		number = json_object_new_double_s(value, text);
	}
	json_object_object_add(object, key, number);
}

/* Bytes that are whole: not in powers of ten. */
static void put_whole(struct json_object *object, const char *key, double value)
{
	json_object_object_add(object, key,
			       value >= 0 && value < 9e18 ? json_object_new_int64((int64_t)value)
							  : NULL);
}

static void put_figures(struct json_object *object, const struct top_figures *figures)
{
	static const char *const rates[TOP_COUNTERS] = {"calls_s", "launches_s", "to_gpu_bytes_s",
							"from_gpu_bytes_s", "errors_s"};
	static const char *const parts[TOP_PERCENTILES] = {"p50", "p90", "p99"};
	struct json_object *latency = json_object_new_object();

	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		put_real(object, rates[i], figures->rate[i]);
	for (unsigned int i = 0; i < TOP_PERCENTILES; i++)
		put_real(latency, parts[i], figures->latency[i]);
	json_object_object_add(object, "latency_ns", latency);
	put_real(object, "gpu_share", figures->gpu);
	put_whole(object, "memory", figures->memory);
	put_whole(object, "queue_bytes", figures->queue);
}

static struct json_object *lane_json(const struct top_lane *lane)
{
	struct json_object *object = json_object_new_object();

	vgpu_put_uint(object, "lane", lane->lane);
	vgpu_put_uint(object, "taken", lane->taken);
	vgpu_put_uint(object, "done", lane->done);
	vgpu_put_text(object, "op", vg_op_name((unsigned int)lane->op));
	vgpu_put_uint(object, "commands_bytes", lane->commands_bytes);
	vgpu_put_uint(object, "commands_unread", lane->commands_unread);
	vgpu_put_uint(object, "replies_bytes", lane->replies_bytes);
	vgpu_put_uint(object, "replies_unread", lane->replies_unread);
	json_object_object_add(object, "waited_ms",
			       lane->waited ? json_object_new_uint64(lane->begun_ms) : NULL);
	vgpu_put_text(object, "guest_sleeps", lane->guest_sleeps);
	vgpu_put_text(object, "executor_sleeps", lane->executor_sleeps);
	return object;
}

static struct json_object *op_json(const struct top_rate_op *op)
{
	struct json_object *object = json_object_new_object();

	vgpu_put_text(object, "op", vg_op_name((unsigned int)op->op));
	put_real(object, "calls_s", op->rate);
	put_real(object, "mean_ns", op->ns);
	return object;
}

static struct json_object *process_json(const struct top_process *process)
{
	const struct top_session *session = &process->session;
	struct json_object *object = json_object_new_object();
	struct json_object *devids = json_object_new_array();
	struct json_object *lanes = json_object_new_array();
	struct json_object *ops = json_object_new_array();

	vgpu_put_uint(object, "pid", session->id.pid);
	vgpu_put_text(object, "program", session->program);
	vgpu_put_uint(object, "executor", session->id.executor);
	vgpu_put_uint(object, "started", (uint64_t)session->id.started);
	vgpu_put_text(object, "state", session->state);
	for (size_t i = 0; i < session->devid_count; i++)
		json_object_array_add(devids, json_object_new_uint64(session->devids[i]));
	json_object_object_add(object, "devids", devids);
	put_figures(object, &process->figures);
	vgpu_put_uint(object, "refused", session->refused);
	for (size_t i = 0; i < session->lane_count; i++)
		json_object_array_add(lanes, lane_json(&session->lanes[i]));
	json_object_object_add(object, "lanes", lanes);
	for (size_t i = 0; i < process->op_count; i++)
		json_object_array_add(ops, op_json(&process->ops[i]));
	json_object_object_add(object, "ops", ops);
	return object;
}

static struct json_object *guest_json(const struct top_guest *guest)
{
	struct json_object *object = json_object_new_object();

	vgpu_put_uint(object, "domid", guest->domid);
	json_object_object_add(object, "domain",
			       *guest->name ? json_object_new_string(guest->name) : NULL);
	vgpu_put_uint(object, "vgpus", guest->device_count);
	vgpu_put_flag(object, "connected", guest->connected);
	put_figures(object, &guest->figures);
	put_whole(object, "quota", guest->figures.quota);
	json_object_object_add(object, "processes", json_object_new_array());
	return object;
}

static struct json_object *gpu_json(const struct top_gpu *gpu)
{
	struct json_object *object = json_object_new_object();

	vgpu_put_text(object, "gpu", gpu->name);
	json_object_object_add(object, "model",
			       *gpu->is.model ? json_object_new_string(gpu->is.model) : NULL);
	json_object_object_add(object, "uuid",
			       *gpu->is.uuid ? json_object_new_string(gpu->is.uuid) : NULL);
	put_real(object, "busy", gpu->is.busy);
	put_whole(object, "memory_used", gpu->is.memory_used);
	put_whole(object, "memory_total", gpu->is.memory_total);
	put_real(object, "celsius", gpu->is.celsius);
	put_real(object, "watts", gpu->is.watts);
	vgpu_put_uint(object, "vgpus", gpu->vgpus);
	vgpu_put_uint(object, "processes", gpu->processes);
	put_whole(object, "held", gpu->held);
	return object;
}

/* Guest by guest, also where the view is flat; sorted and filtered as the view is. */
static struct json_object *guests_json(const struct top *top)
{
	struct json_object *guests = json_object_new_array(), *processes = NULL;
	struct top_view view = top->view;
	struct top_row *rows;
	size_t count;

	view.flat = false;
	rows = top_view_rows(&view, &top->model, &count);
	for (size_t i = 0; rows && i < count; i++) {
		if (!rows[i].process) {
			struct json_object *guest = guest_json(rows[i].guest);

			json_object_object_get_ex(guest, "processes", &processes);
			json_object_array_add(guests, guest);
		} else if (processes) {
			json_object_array_add(processes, process_json(rows[i].process));
		}
	}
	free(rows);
	return guests;
}

void top_print_json(const struct top *top)
{
	struct json_object *all = json_object_new_object();
	struct json_object *gpus = json_object_new_array();
	struct json_object *total = json_object_new_object();

	json_object_object_add(all, "vgpu", json_object_new_int(1));
	vgpu_put_uint(all, "time", (uint64_t)time(NULL));
	put_real(all, "seconds", top->model.seconds);
	vgpu_put_uint(all, "daemon_started", (uint64_t)top->model.sample.started);
	for (size_t i = 0; i < top->gpus.count; i++)
		json_object_array_add(gpus, gpu_json(&top->gpus.gpu[i]));
	json_object_object_add(all, "gpus", gpus);
	put_figures(total, &top->model.total);
	json_object_object_add(all, "total", total);
	json_object_object_add(all, "guests", guests_json(top));
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
	json_object_put(all);
}
