/* SPDX-License-Identifier: MIT */
/*
 * vgpu list and vgpu log. Devices come from xenstore, what uses them from xen-vgpud.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"
#include "protocol/op_names.h"
#include "tools/answer.h"
#include "tools/value.h"

#define DOMAINS_MAX 4096
#define TOP_CALLS   10

struct list {
	struct vgpu *vgpu;
	uint32_t *domids;   /* owned; the domains that were named */
	size_t domid_count; /* 0: all */
	uint32_t self;      /* the domain that we run in, and xen-vgpud that we ask */
	bool json, calls, brief;
	const char *format;          /* columns; NULL: none chosen */
	struct json_object *daemon;  /* owned; xen-vgpud's answer, NULL when it does not run */
	struct json_object *devices; /* owned; what is printed */
};

/* Is this one of the domains that were asked for? */
static bool list_wants(const struct list *list, uint64_t domid)
{
	for (size_t i = 0; i < list->domid_count; i++)
		if (list->domids[i] == domid)
			return true;
	return !list->domid_count;
}

/* --- gathering ------------------------------------------------------------------------------- */

static const char *state_name(int state)
{
	static const char *const names[] = {"unknown",   "attaching", "waiting", "connecting",
					    "connected", "closing",   "closed"};

	return state >= 0 && state <= 6 ? names[state] : names[0];
}

static void copy_key(struct json_object *to, const char *dir, const char *key, struct xs_handle *xs)
{
	char value[VG_STORE_VALUE];

	if (!vg_store_read(xs, XBT_NULL, dir, key, value, sizeof(value)))
		json_object_object_add(to, key, json_object_new_string(value));
}

static void list_device(struct list *list, uint32_t domid, uint32_t devid)
{
	const struct vg_schema_tree *tree = &vg_schema_trees[VG_TREE_BACKEND];
	struct json_object *device = json_object_new_object();
	struct vg_schema_device id = {domid, devid,
				      vgpu_tree_backend(list->vgpu->xs, domid, devid)};
	char dir[VG_SCHEMA_PATH], name[256], error[512];
	int state = vgpu_tree_state(list->vgpu->xs, domid, devid, error, sizeof(error));

	struct json_object *known =
		id.backend == list->self ? vgpu_answer_device(list->daemon, domid, devid) : NULL;
	struct json_object *sessions, *used;

	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &id);
	vgpu_domain_name(list->vgpu, domid, name, sizeof(name));
	json_object_object_add(device, "domain", json_object_new_string(name));
	json_object_object_add(device, "domid", json_object_new_int64(domid));
	json_object_object_add(device, "devid", json_object_new_int64(devid));
	json_object_object_add(device, "backend", json_object_new_int64(id.backend));
	json_object_object_add(device, "state", json_object_new_string(state_name(state)));
	for (size_t i = 0; i < tree->count; i++)
		if (tree->keys[i].setting)
			copy_key(device, dir, tree->keys[i].name, list->vgpu->xs);
	if (*error)
		json_object_object_add(device, "error", json_object_new_string(error));
	if (known && json_object_object_get_ex(known, "mem_used", &used))
		json_object_object_add(device, "mem_used", json_object_get(used));
	if (known && json_object_object_get_ex(known, "sessions", &sessions))
		json_object_object_add(device, "sessions", json_object_get(sessions));
	json_object_array_add(list->devices, device);
}

/* The devices of one domain: those in the toolstack's record, and those that are served here. */
static void list_domain(struct list *list, uint32_t domid)
{
	const struct vg_schema_device id = {domid, 0, list->self};
	uint32_t devids[VGPU_DEVID_MAX + 1];
	bool seen[VGPU_DEVID_MAX + 1] = {false};
	char dir[VG_SCHEMA_PATH];
	int count = vgpu_tree_list(list->vgpu->xs, domid, devids, VGPU_DEVID_MAX + 1);

	for (int i = 0; i < count; i++)
		seen[devids[i]] = true;
	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_DOMAIN, &id);
	count = vg_store_list_numbers(list->vgpu->xs, XBT_NULL, dir, VGPU_DEVID_MAX, devids,
				      VGPU_DEVID_MAX + 1);
	for (int i = 0; i < count; i++)
		seen[devids[i]] = true;
	for (uint32_t devid = 0; devid <= VGPU_DEVID_MAX; devid++)
		if (seen[devid])
			list_device(list, domid, devid);
}

static int domid_compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The record is dom0's to read: a driver domain sees what it serves itself. */
static void list_gather(struct list *list)
{
	const struct vg_schema_device id = {.backend = list->self};
	static uint32_t domids[2 * DOMAINS_MAX];
	char served[VG_SCHEMA_PATH];
	int count = 0;

	vg_schema_path(served, VG_TREE_BACKEND, VG_LEVEL_ALL, &id);
	for (int i = 0; i < 2; i++) {
		int more = vg_store_list_numbers(list->vgpu->xs, XBT_NULL, i ? served : "/libxl",
						 VGPU_DOMID_MAX, domids + count, DOMAINS_MAX);

		count += more > 0 ? more : 0;
	}
	qsort(domids, (size_t)count, sizeof(domids[0]), domid_compare);
	for (int i = 0; i < count; i++)
		if ((!i || domids[i] != domids[i - 1]) && list_wants(list, domids[i]))
			list_domain(list, domids[i]);
}

/* --- printing -------------------------------------------------------------------------------- */

static void print_calls(struct json_object *session)
{
	size_t count;
	struct vgpu_call *calls = vgpu_answer_calls(session, &count);

	for (size_t i = 0; calls && i < count && i < TOP_CALLS; i++)
		printf("           %10llu %s\n", (unsigned long long)calls[i].count,
		       vg_op_name(calls[i].op));
	if (calls && count > TOP_CALLS)
		printf("           and %zu other calls\n", count - TOP_CALLS);
	free(calls);
}

static void print_numbers(struct json_object *s)
{
	printf("%8llu %-15s %8lld %9llu %8llu %8s %8s %8s %8s %6llu",
	       (unsigned long long)vgpu_uint(s, "pid"), vgpu_clean_text(s, "program"),
	       (long long)vgpu_uint(s, "executor"), (unsigned long long)vgpu_uint(s, "calls"),
	       (unsigned long long)vgpu_uint(s, "launches"), vgpu_bytes(vgpu_uint(s, "bytes_htod")),
	       vgpu_bytes(vgpu_uint(s, "bytes_dtoh")), vgpu_bytes(vgpu_uint(s, "memory")),
	       vgpu_bytes(vgpu_uint(s, "memory_peak")), (unsigned long long)vgpu_uint(s, "errors"));
}

static void print_head(const char *last)
{
	printf("%8s %-15s %8s %9s %8s %8s %8s %8s %8s %6s%s\n", "PID", "PROGRAM", "EXECUTOR",
	       "CALLS", "LAUNCHES", "TO-GPU", "FROM-GPU", "MEMORY", "PEAK", "ERRORS", last);
}

/* Of a session that has other vGPUs as well. */
static void print_joined(struct json_object *session)
{
	struct json_object *devids;
	size_t count;

	if (!json_object_object_get_ex(session, "devids", &devids))
		return;
	count = json_object_array_length(devids);
	for (size_t i = 0; count > 1 && i < count; i++)
		printf("%s%lld", i ? "," : "  has vGPUs ",
		       (long long)json_object_get_int64(json_object_array_get_idx(devids, i)));
}

static void print_sessions(const struct list *list, struct json_object *device)
{
	struct json_object *sessions;
	size_t count;

	if (!json_object_object_get_ex(device, "sessions", &sessions))
		return;
	count = json_object_array_length(sessions);
	if (count)
		print_head("");
	for (size_t i = 0; i < count; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		print_numbers(s);
		print_joined(s);
		putchar('\n');
		if (list->calls)
			print_calls(s);
	}
}

/* What the guest's processes hold together, of what they may. */
static void print_memory(struct json_object *device)
{
	uint64_t limit = vgpu_uint(device, "mem"), used = vgpu_uint(device, "mem_used");

	if (limit)
		printf(", mem=%s", vgpu_bytes(limit));
	if (used)
		printf(limit ? " (%s used)" : ", %s used", vgpu_bytes(used));
}

static void print_devices(const struct list *list)
{
	size_t count = json_object_array_length(list->devices);

	if (!count)
		printf("no vGPU is attached%s\n", list->domid_count ? " there" : "");
	for (size_t i = 0; i < count; i++) {
		struct json_object *d = json_object_array_get_idx(list->devices, i);
		const char *error = vgpu_clean_text(d, "error");

		printf("domain %s (%llu) vGPU %llu: %s, gpu=%s", vgpu_clean_text(d, "domain"),
		       (unsigned long long)vgpu_uint(d, "domid"),
		       (unsigned long long)vgpu_uint(d, "devid"), vgpu_clean_text(d, "state"),
		       vgpu_clean_text(d, "gpu"));
		if (vgpu_uint(d, "backend") != list->self)
			printf(", backend=%s", vgpu_clean_text(d, "backend"));
		print_memory(d);
		printf("%s%s\n", *error ? ", error: " : "", error);
		print_sessions(list, d);
	}
}

/* As xl's own lists of devices: numbers, fixed columns, one line a device. */
static void print_brief(const struct list *list)
{
	printf("%-5s %-3s %-2s %-10s %-6s %-8s %-12s %-7s %s\n", "Domid", "Idx", "BE", "state",
	       "evt-ch", "ring-ref", "gpu", "mem", "BE-path");
	for (size_t i = 0; i < json_object_array_length(list->devices); i++) {
		struct json_object *d = json_object_array_get_idx(list->devices, i);
		const struct vg_schema_device id = {(uint32_t)vgpu_uint(d, "domid"),
						    (uint32_t)vgpu_uint(d, "devid"),
						    (uint32_t)vgpu_uint(d, "backend")};
		char front[VG_SCHEMA_PATH], back[VG_SCHEMA_PATH];
		uint64_t port = 0, ref = 0;

		vg_schema_path(front, VG_TREE_FRONTEND, VG_LEVEL_DEVICE, &id);
		vg_schema_path(back, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &id);
		vg_store_read_uint(list->vgpu->xs, XBT_NULL, front, VG_KEY_EVENT_CHANNEL, 0,
				   UINT32_MAX, &port);
		vg_store_read_uint(list->vgpu->xs, XBT_NULL, front, VG_KEY_RING_REF, 0, UINT32_MAX,
				   &ref);
		printf("%-5u %-3u %-2u %-10s %-6llu %-8llu %-12s %-7s %s\n", id.domid, id.devid,
		       id.backend, vgpu_clean_text(d, "state"), (unsigned long long)port,
		       (unsigned long long)ref, vgpu_clean_text(d, "gpu"),
		       vgpu_uint(d, "mem") ? vgpu_bytes(vgpu_uint(d, "mem")) : "-", back);
	}
}

/* What has ended in the domains that were asked for; the caller puts it. */
static struct json_object *list_ended(const struct list *list)
{
	struct json_object *ended, *wanted = json_object_new_array();

	if (!list->daemon || !json_object_object_get_ex(list->daemon, "ended", &ended))
		return wanted;
	for (size_t i = 0; i < json_object_array_length(ended); i++) {
		struct json_object *s = json_object_array_get_idx(ended, i);

		if (list_wants(list, vgpu_uint(s, "domid")))
			json_object_array_add(wanted, json_object_get(s));
	}
	return wanted;
}

static void print_ended(const struct list *list)
{
	struct json_object *ended = list_ended(list);
	size_t count = json_object_array_length(ended);

	if (count) {
		printf("ended:\n");
		print_head("  FREED AT EXIT, DOMAIN.VGPU: HOW IT ENDED");
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *s = json_object_array_get_idx(ended, i);

		print_numbers(s);
		printf("  %s in %llu objects, %llu.%llu: %s",
		       vgpu_bytes(vgpu_uint(s, "freed_bytes")),
		       (unsigned long long)vgpu_uint(s, "freed_handles"),
		       (unsigned long long)vgpu_uint(s, "domid"),
		       (unsigned long long)vgpu_uint(s, "devid"), vgpu_clean_text(s, "reason"));
		print_joined(s);
		putchar('\n');
		if (list->calls)
			print_calls(s);
	}
	json_object_put(ended);
}

static void print_json(struct list *list)
{
	struct json_object *all = json_object_new_object();

	json_object_object_add(all, "vgpu", json_object_new_int(1));
	json_object_object_add(all, "running", json_object_new_boolean(list->daemon != NULL));
	json_object_object_add(all, "devices", json_object_get(list->devices));
	if (list->daemon)
		json_object_object_add(all, "ended", list_ended(list));
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
}

/* --- commands -------------------------------------------------------------------------------- */

static struct json_object *list_request(const struct list *list)
{
	struct json_object *request = json_object_new_object();

	if (list->domid_count == 1)
		json_object_object_add(request, "domid", json_object_new_int64(list->domids[0]));
	return request;
}

/* false after a message: xen-vgpud refused. That it does not run is no failure. */
static bool list_ask(struct list *list)
{
	list->daemon = vgpu_request(list->vgpu, "list", list_request(list));
	if (!list->daemon && !errno)
		return false;
	if (!list->daemon)
		fprintf(stderr,
			"vgpu: xen-vgpud does not answer on %s (%s): devices only, as xenstore has "
			"them\n",
			list->vgpu->socket, strerror(errno));
	return true;
}

static int list_run(struct list *list)
{
	bool brief = list->brief && !list->json; /* needs xenstore only */

	if (!brief && !list_ask(list))
		return VGPU_FAILED;
	list->devices = json_object_new_array();
	list_gather(list);
	if (brief) {
		print_brief(list);
	} else if (list->format) {
		vgpu_columns_print(list->devices, list->format);
	} else if (list->json) {
		print_json(list);
	} else {
		print_devices(list);
		print_ended(list);
	}
	json_object_put(list->devices);
	json_object_put(list->daemon);
	return VGPU_DONE;
}

/* The domains that there are; of the others, a message each. */
static int list_domains(struct list *list, int argc, char **argv)
{
	int rc = VGPU_DONE;

	list->domids = calloc((size_t)argc + 1, sizeof(*list->domids));
	if (!list->domids)
		return vgpu_fail("no memory");
	for (int i = 0; i < argc; i++) {
		if (vgpu_domain_find(list->vgpu, argv[i], &list->domids[list->domid_count]))
			list->domid_count++;
		else
			rc = VGPU_FAILED;
	}
	return rc;
}

static int list_usage(void)
{
	fprintf(stderr, "usage: vgpu list [--json | --brief | --calls | --format=COLUMN,...] "
			"[DOMAIN...]\n");
	return VGPU_USAGE;
}

int vgpu_list(struct vgpu *vgpu, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"calls", no_argument, NULL, 'c'},
						{"brief", no_argument, NULL, 'b'},
						{"format", required_argument, NULL, 'f'},
						{0}};
	struct list list = {.vgpu = vgpu};
	int c, rc;

	while ((c = getopt_long(argc, argv, "jcbf:", options, NULL)) >= 0) {
		if (c != 'j' && c != 'c' && c != 'b' && c != 'f')
			return list_usage();
		list.format = c == 'f' ? optarg : list.format;
		list.json |= c == 'j';
		list.calls |= c == 'c';
		list.brief |= c == 'b';
	}
	if (list.format && (list.json || list.calls || list.brief))
		return list_usage();
	if (list.format && !vgpu_columns_check(list.format))
		return VGPU_USAGE;
	if (!vgpu_xenstore(vgpu))
		return VGPU_FAILED;
	list.self = vgpu_tree_self(vgpu->xs);
	rc = list_domains(&list, argc - optind, argv + optind);
	if (list.domid_count || !rc) {
		int listed = list_run(&list);

		rc = rc ? rc : listed;
	}
	free(list.domids);
	return rc;
}

int vgpu_log_command(struct vgpu *vgpu, int argc, char **argv)
{
	struct json_object *request, *answer;
	enum vg_log_level level;
	uint32_t domid = 0;
	bool swapped;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: vgpu log [DOMAIN] error|warn|info|call|data\n");
		return VGPU_USAGE;
	}
	/* Either order: a domain that is called like a level is named second. */
	swapped = argc == 3 && vg_log_level_parse(argv[1], &level);
	if (argc == 3 &&
	    (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, argv[swapped ? 1 : 2], &domid)))
		return VGPU_FAILED;
	request = json_object_new_object();
	json_object_object_add(request, "level", json_object_new_string(argv[swapped ? 2 : 1]));
	if (argc == 3)
		json_object_object_add(request, "domid", json_object_new_int64(domid));
	answer = vgpu_request(vgpu, "log", request);
	if (!answer)
		return errno ? vgpu_fail("xen-vgpud does not answer on %s (%s)", vgpu->socket,
					 strerror(errno))
			     : VGPU_FAILED;
	json_object_put(answer);
	return VGPU_DONE;
}
