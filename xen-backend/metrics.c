/* SPDX-License-Identifier: MIT */
/*
 * What xen-vgpud tells Prometheus (docs/metrics.md has the same as a table, and a test that compares).
 *
 * Labels are few by what they can be: a vGPU's numbers and its domain's name, a GPU as dom0 names it, a reason out of
 * a list. What a guest can choose, a session's number and its program's name, is told only where the administrator
 * has asked for that. Values that executors have written are bounded before they are added up.
 */
#include "xen-backend/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "xen-backend/daemon.h"

#define MEMORY_MOST  (1ull << 50) /* bytes of one vGPU: more than any GPU has */
#define OBJECTS_MOST (1ull << 32)

struct family {
	const char *name, *type, *help;
	/* All of its samples. */
	void (*put)(struct be_exposition *out, const struct family *family,
		    struct be_daemon *daemon);
	/* What `put` shows, where it shows one of many. */
	enum be_count count;
	uint64_t (*of_daemon)(const struct be_daemon *daemon);
	uint64_t (*of_device)(const struct be_device *device);
};

/* --- labels ------------------------------------------------------------------------------------ */

struct numbers {
	char domid[12], devid[12], session[12], pid[12];
};

static struct be_labels device_labels(const struct be_device *device, struct numbers *numbers)
{
	snprintf(numbers->domid, sizeof(numbers->domid), "%u", device->domid);
	snprintf(numbers->devid, sizeof(numbers->devid), "%u", device->devid);
	return (struct be_labels){
		{{"domid", numbers->domid}, {"devid", numbers->devid}, {"domain", device->domain}}};
}

static struct be_labels gpu_labels(const struct be_gpu *gpu)
{
	return (struct be_labels){{{"gpu", gpu->name}}};
}

static struct be_labels session_labels(const struct be_session *session, struct numbers *numbers)
{
	struct be_labels labels = device_labels(session->device, numbers);

	snprintf(numbers->session, sizeof(numbers->session), "%u", session->id);
	snprintf(numbers->pid, sizeof(numbers->pid), "%u", session->guest_pid);
	labels.label[3] = (struct be_label){"session", numbers->session};
	labels.label[4] = (struct be_label){"pid", numbers->pid};
	labels.label[5] = (struct be_label){"program", session->comm};
	return labels;
}

static void label_add(struct be_labels *labels, const char *name, const char *value)
{
	size_t i = 0;

	while (i < BE_LABELS_MAX - 1 && labels->label[i].name)
		i++;
	labels->label[i] = (struct be_label){name, value};
}

/* --- samples of a set of totals ---------------------------------------------------------------- */

typedef void (*put_totals)(struct be_exposition *out, const struct family *family,
			   const struct be_labels *labels, const struct be_totals *totals);

static void each_device(struct be_exposition *out, const struct family *family,
			const struct be_daemon *daemon, put_totals put)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		struct numbers numbers = {0};
		struct be_labels labels = device_labels(d, &numbers);

		put(out, family, &labels, &d->totals);
	}
}

static void each_gpu(struct be_exposition *out, const struct family *family,
		     const struct be_daemon *daemon, put_totals put)
{
	for (size_t i = 0; i < BE_GPUS_MAX; i++) {
		struct be_labels labels = gpu_labels(&daemon->gpus[i]);

		if (*daemon->gpus[i].name)
			put(out, family, &labels, &daemon->gpus[i].totals);
	}
}

static void put_count(struct be_exposition *out, const struct family *family,
		      const struct be_labels *labels, const struct be_totals *totals)
{
	be_exposition_uint(out, family->name, labels, totals->count[family->count]);
}

/* Two counts, one of each direction: the first goes to the executor and its GPU. */
static void put_directions(struct be_exposition *out, const struct family *family,
			   const struct be_labels *labels, uint64_t to, uint64_t from)
{
	bool bells = family->count == BE_WAKES;
	struct be_labels labels_to = *labels, labels_from = *labels;

	label_add(&labels_to, "direction", bells ? "from_guest" : "to_gpu");
	label_add(&labels_from, "direction", bells ? "to_guest" : "from_gpu");
	be_exposition_uint(out, family->name, &labels_to, to);
	be_exposition_uint(out, family->name, &labels_from, from);
}

static void put_pair(struct be_exposition *out, const struct family *family,
		     const struct be_labels *labels, const struct be_totals *totals)
{
	put_directions(out, family, labels, totals->count[family->count],
		       totals->count[family->count + 1]);
}

static void put_opened(struct be_exposition *out, const struct family *family,
		       const struct be_labels *labels, const struct be_totals *totals)
{
	be_exposition_uint(out, family->name, labels, totals->opened);
}

static void put_refused(struct be_exposition *out, const struct family *family,
			const struct be_labels *labels, const struct be_totals *totals)
{
	for (int i = 0; i < BE_REFUSED_COUNT; i++) {
		struct be_labels more = *labels;

		label_add(&more, "reason", be_refused_name((enum be_refused)i));
		be_exposition_uint(out, family->name, &more, totals->refused[i]);
	}
}

static void put_ended(struct be_exposition *out, const struct family *family,
		      const struct be_labels *labels, const struct be_totals *totals)
{
	for (int i = 0; i < BE_ENDED_COUNT; i++) {
		struct be_labels more = *labels;

		label_add(&more, "reason", be_ended_name((enum be_ended)i));
		be_exposition_uint(out, family->name, &more, totals->ended[i]);
	}
}

#define PUT_BOTH(what)                                                                   \
	static void guest_##what(struct be_exposition *out, const struct family *family, \
				 struct be_daemon *daemon)                               \
	{                                                                                \
		each_device(out, family, daemon, put_##what);                            \
	}                                                                                \
	static void gpu_##what(struct be_exposition *out, const struct family *family,   \
			       struct be_daemon *daemon)                                 \
	{                                                                                \
		each_gpu(out, family, daemon, put_##what);                               \
	}
PUT_BOTH(count)
PUT_BOTH(pair)
PUT_BOTH(opened)
PUT_BOTH(refused)
PUT_BOTH(ended)

/* --- what is now ------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t device_one(const struct be_device *device)
{
	(void)device;
	return 1;
}

static uint64_t device_connected(const struct be_device *device)
{
	return device->connected;
}

static uint64_t device_error(const struct be_device *device)
{
	return *device->error != '\0';
}

static uint64_t device_sessions(const struct be_device *device)
{
	return device->seat_count;
}

static uint64_t device_sessions_limit(const struct be_device *device)
{
	return device->settings.max_sessions;
}

static uint64_t device_memory(const struct be_device *device)
{
	return least(be_account_used(device), MEMORY_MOST);
}

static uint64_t device_quota(const struct be_device *device)
{
	return least(device->settings.mem, MEMORY_MOST);
}

static uint64_t stat_of(const uint64_t *value, uint64_t most)
{
	return least(__atomic_load_n(value, __ATOMIC_RELAXED), most);
}

static uint64_t device_lanes(const struct be_device *device)
{
	uint64_t sum = 0;

	for (const struct be_session *s = device->sessions; s; s = s->next)
		if (s->stats)
			sum += stat_of(&s->stats->lanes, device->settings.max_lanes);
	return sum;
}

static uint64_t device_pinned(const struct be_device *device)
{
	uint64_t most = (uint64_t)device->settings.max_region_pages * VG_PAGE_SIZE, sum = 0;

	for (const struct be_session *s = device->sessions; s; s = s->next)
		if (s->stats)
			sum += stat_of(&s->stats->region_bytes, most);
	return sum;
}

static uint64_t device_objects(const struct be_device *device)
{
	uint64_t sum = 0;

	for (const struct be_session *s = device->sessions; s; s = s->next)
		if (s->stats)
			sum += stat_of(&s->stats->handles, OBJECTS_MOST);
	return sum;
}

static void guest_value(struct be_exposition *out, const struct family *family,
			struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		struct numbers numbers = {0};
		struct be_labels labels = device_labels(d, &numbers);

		be_exposition_uint(out, family->name, &labels, family->of_device(d));
	}
}

/* Nothing of a vGPU that has none: a quota of 0 would be one that is used up. */
static void guest_quota(struct be_exposition *out, const struct family *family,
			struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		struct numbers numbers = {0};
		struct be_labels labels = device_labels(d, &numbers);

		if (d->settings.mem)
			be_exposition_uint(out, family->name, &labels, device_quota(d));
	}
}

static void guest_info(struct be_exposition *out, const struct family *family,
		       struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next) {
		struct numbers numbers = {0};
		struct be_labels labels = device_labels(d, &numbers);

		label_add(&labels, "gpu", d->settings.gpu);
		label_add(&labels, "driver", d->settings.driver);
		be_exposition_uint(out, family->name, &labels, 1);
	}
}

/* The sum over the vGPUs that name it. */
static void gpu_value(struct be_exposition *out, const struct family *family,
		      struct be_daemon *daemon)
{
	for (size_t i = 0; i < BE_GPUS_MAX; i++) {
		const struct be_gpu *gpu = &daemon->gpus[i];
		struct be_labels labels = gpu_labels(gpu);
		uint64_t sum = 0;

		if (!*gpu->name)
			continue;
		for (const struct be_device *d = daemon->devices; d; d = d->next)
			if (!strcmp(d->settings.gpu, gpu->name))
				sum += family->of_device(d);
		be_exposition_uint(out, family->name, &labels, sum);
	}
}

/* --- the daemon -------------------------------------------------------------------------------- */

static void daemon_value(struct be_exposition *out, const struct family *family,
			 struct be_daemon *daemon)
{
	be_exposition_uint(out, family->name, NULL, family->of_daemon(daemon));
}

static void daemon_info(struct be_exposition *out, const struct family *family,
			struct be_daemon *daemon)
{
	char protocol[12];
	struct be_labels labels = {{{"protocol", protocol}}};

	(void)daemon;
	snprintf(protocol, sizeof(protocol), "%u", VG_PROTOCOL_VERSION);
	be_exposition_uint(out, family->name, &labels, 1);
}

static void daemon_cpu(struct be_exposition *out, const struct family *family,
		       struct be_daemon *daemon)
{
	struct rusage usage = {0};

	(void)daemon;
	getrusage(RUSAGE_SELF, &usage);
	be_exposition_seconds(out, family->name,
			      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
					      1e6);
}

static uint64_t daemon_started(const struct be_daemon *daemon)
{
	return daemon->started > 0 ? (uint64_t)daemon->started : 0;
}

/* The second number of /proc/self/statm, in pages. */
static uint64_t daemon_resident(const struct be_daemon *daemon)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = "", *space;

	(void)daemon;
	if (!file)
		return 0;
	space = fgets(line, sizeof(line), file) ? strchr(line, ' ') : NULL;
	fclose(file);
	return space ? strtoull(space, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t daemon_executors(const struct be_daemon *daemon)
{
	return daemon->executor_count;
}

static uint64_t daemon_executors_limit(const struct be_daemon *daemon)
{
	return daemon->config.max_executors;
}

static uint64_t daemon_devices(const struct be_daemon *daemon)
{
	return daemon->device_count;
}

/* --- single sessions --------------------------------------------------------------------------- */

static void session_value(struct be_exposition *out, const struct family *family,
			  struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		for (const struct be_session *s = d->sessions; s; s = s->next) {
			struct numbers numbers = {0};
			struct be_labels labels = session_labels(s, &numbers);

			if (s->state != BE_SESSION_DEAD)
				be_exposition_uint(out, family->name, &labels,
						   s->counted.believed[family->count]);
		}
}

static void session_memory(struct be_exposition *out, const struct family *family,
			   struct be_daemon *daemon)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		for (const struct be_session *s = d->sessions; s; s = s->next) {
			struct numbers numbers = {0};
			struct be_labels labels = session_labels(s, &numbers);

			if (s->state != BE_SESSION_DEAD && s->stats)
				be_exposition_uint(out, family->name, &labels,
						   stat_of(&s->stats->alloc_bytes, MEMORY_MOST));
		}
}

/* --- all of them ------------------------------------------------------------------------------- */

static const struct family families[] = {
	{"vgpu_info", "gauge", "Always 1. The protocol that this xen-vgpud speaks.",
	 .put = daemon_info},
	{"vgpu_process_start_time_seconds", "gauge", "When xen-vgpud was started, since 1970.",
	 .put = daemon_value, .of_daemon = daemon_started},
	{"vgpu_process_cpu_seconds_total", "counter",
	 "CPU time of xen-vgpud itself, without its executors.", .put = daemon_cpu},
	{"vgpu_process_resident_memory_bytes", "gauge", "Memory of xen-vgpud itself.",
	 .put = daemon_value, .of_daemon = daemon_resident},
	{"vgpu_executors", "gauge", "Executors that run, one for each guest process.",
	 .put = daemon_value, .of_daemon = daemon_executors},
	{"vgpu_executors_limit", "gauge", "Executors that may run (max-executors).",
	 .put = daemon_value, .of_daemon = daemon_executors_limit},
	{"vgpu_devices", "gauge", "vGPUs that xen-vgpud knows of.", .put = daemon_value,
	 .of_daemon = daemon_devices},

	{"vgpu_guest_info", "gauge", "Always 1. The GPU and driver of a vGPU.", .put = guest_info},
	{"vgpu_guest_connected", "gauge", "1: the guest is connected to its vGPU.",
	 .put = guest_value, .of_device = device_connected},
	{"vgpu_guest_fault", "gauge", "1: the vGPU has an error, which vgpu list and the log tell.",
	 .put = guest_value, .of_device = device_error},
	{"vgpu_guest_sessions", "gauge", "Processes that have the vGPU.", .put = guest_value,
	 .of_device = device_sessions},
	{"vgpu_guest_sessions_limit", "gauge", "Processes that may have it (max-sessions).",
	 .put = guest_value, .of_device = device_sessions_limit},
	{"vgpu_guest_sessions_opened_total", "counter", "Sessions that were opened.",
	 .put = guest_opened},
	{"vgpu_guest_sessions_refused_total", "counter", "Sessions that were refused, by reason.",
	 .put = guest_refused},
	{"vgpu_guest_sessions_ended_total", "counter",
	 "Sessions that were open and have ended, by reason.", .put = guest_ended},
	{"vgpu_guest_memory_bytes", "gauge", "Device memory that the guest's processes hold.",
	 .put = guest_value, .of_device = device_memory},
	{"vgpu_guest_memory_quota_bytes", "gauge",
	 "Device memory that they may hold (mem); absent without a quota.", .put = guest_quota},
	{"vgpu_guest_lanes", "gauge", "Lanes that are open, one for each thread that uses CUDA.",
	 .put = guest_value, .of_device = device_lanes},
	{"vgpu_guest_pinned_bytes", "gauge", "The guest's memory that is shared as pinned memory.",
	 .put = guest_value, .of_device = device_pinned},
	{"vgpu_guest_objects", "gauge", "CUDA objects that live: contexts, streams, allocations.",
	 .put = guest_value, .of_device = device_objects},
	{"vgpu_guest_commands_total", "counter", "CUDA calls that were carried out.",
	 .put = guest_count, .count = BE_COMMANDS},
	{"vgpu_guest_commands_async_total", "counter", "Those of them that nobody waited for.",
	 .put = guest_count, .count = BE_COMMANDS_ASYNC},
	{"vgpu_guest_errors_total", "counter", "Those of them that CUDA answered with an error.",
	 .put = guest_count, .count = BE_ERRORS},
	{"vgpu_guest_launches_total", "counter", "Kernels that were launched.", .put = guest_count,
	 .count = BE_LAUNCHES},
	{"vgpu_guest_copied_bytes_total", "counter", "Bytes that were copied, by direction.",
	 .put = guest_pair, .count = BE_BYTES_HTOD},
	{"vgpu_guest_doorbells_total", "counter",
	 "Event channels that were rung, by direction: sides that had gone to sleep.",
	 .put = guest_pair, .count = BE_WAKES},

	{"vgpu_gpu_devices", "gauge", "vGPUs of the GPU.", .put = gpu_value,
	 .of_device = device_one},
	{"vgpu_gpu_sessions", "gauge", "Processes that have one of its vGPUs.", .put = gpu_value,
	 .of_device = device_sessions},
	{"vgpu_gpu_sessions_opened_total", "counter", "Sessions that were opened.",
	 .put = gpu_opened},
	{"vgpu_gpu_sessions_refused_total", "counter", "Sessions that were refused, by reason.",
	 .put = gpu_refused},
	{"vgpu_gpu_sessions_ended_total", "counter",
	 "Sessions that were open and have ended, by reason.", .put = gpu_ended},
	{"vgpu_gpu_memory_bytes", "gauge", "Device memory that guests hold of it.",
	 .put = gpu_value, .of_device = device_memory},
	{"vgpu_gpu_memory_quota_bytes", "gauge", "The sum of its vGPUs' quotas.", .put = gpu_value,
	 .of_device = device_quota},
	{"vgpu_gpu_commands_total", "counter", "CUDA calls that were carried out.",
	 .put = gpu_count, .count = BE_COMMANDS},
	{"vgpu_gpu_errors_total", "counter", "Those of them that CUDA answered with an error.",
	 .put = gpu_count, .count = BE_ERRORS},
	{"vgpu_gpu_launches_total", "counter", "Kernels that were launched.", .put = gpu_count,
	 .count = BE_LAUNCHES},
	{"vgpu_gpu_copied_bytes_total", "counter", "Bytes that were copied, by direction.",
	 .put = gpu_pair, .count = BE_BYTES_HTOD},
};

/* Only with metrics-sessions: their number, and a part of their labels, are for guests to choose. */
static const struct family session_families[] = {
	{"vgpu_session_commands_total", "counter", "CUDA calls of one process.",
	 .put = session_value, .count = BE_COMMANDS},
	{"vgpu_session_errors_total", "counter", "Those of them that CUDA answered with an error.",
	 .put = session_value, .count = BE_ERRORS},
	{"vgpu_session_launches_total", "counter", "Kernels that it launched.",
	 .put = session_value, .count = BE_LAUNCHES},
	{"vgpu_session_copied_to_gpu_bytes_total", "counter", "Bytes that it copied to the GPU.",
	 .put = session_value, .count = BE_BYTES_HTOD},
	{"vgpu_session_copied_from_gpu_bytes_total", "counter",
	 "Bytes that it copied from the GPU.", .put = session_value, .count = BE_BYTES_DTOH},
	{"vgpu_session_memory_bytes", "gauge", "Device memory that it holds, on all its vGPUs.",
	 .put = session_memory},
};

static void put_families(struct be_exposition *out, struct be_daemon *daemon,
			 const struct family *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		be_exposition_family(out, list[i].name, list[i].type, list[i].help);
		list[i].put(out, &list[i], daemon);
	}
}

void be_metrics_write(struct be_daemon *daemon, struct be_exposition *out)
{
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		be_gpu_of(d); /* it is in the list from its first vGPU on */
		for (struct be_session *s = d->sessions; s; s = s->next)
			if (s->state != BE_SESSION_DEAD)
				be_counts_take(s);
	}
	put_families(out, daemon, families, sizeof(families) / sizeof(families[0]));
	if (daemon->config.metrics_sessions)
		put_families(out, daemon, session_families,
			     sizeof(session_families) / sizeof(session_families[0]));
}
