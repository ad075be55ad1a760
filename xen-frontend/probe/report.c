/* SPDX-License-Identifier: MIT */
/*
 * What is told: to a person, in one line, to a program. Names of the driver's have been cleaned: they
 * hold nothing that a line or JSON would have to escape.
 */
#include "xen-frontend/probe/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)

const char *probe_stage_name(enum probe_stage stage)
{
	static const char *const names[PROBE_STAGES] = {
		"driver",  "init",   "device",   "context", "alloc",      "load",
		"copy_in", "launch", "copy_out", "check",   "round_trip", "free",
	};

	return names[stage];
}

static void error_text(const struct probe_report *report, unsigned int hangs, char *text,
		       size_t room)
{
	if (hangs)
		snprintf(text, room, "no answer within %u s", hangs);
	else
		snprintf(text, room, "%s", report->error);
}

/* Why a library or a device cannot be had is said by the library, on standard error. */
void probe_tell(const struct probe_report *report, unsigned int hangs)
{
	char error[PROBE_TEXT];

	for (int i = 0; i < report->count; i++) {
		const struct probe_device *d = &report->devices[i];

		if (d->name[0])
			printf("%s (UUID: %s)\n  driver %d.%d, memory %.0f MiB, %.0f MiB free\n",
			       d->name, d->uuid, d->driver / 1000, d->driver % 1000 / 10,
			       (double)d->memory_total / MIB, (double)d->memory_free / MIB);
		for (int s = 0; s < PROBE_STAGES; s++)
			if (d->us[s] >= 0)
				printf("  %-10s %12.1f us%s\n",
				       probe_stage_name((enum probe_stage)s), d->us[s],
				       s == PROBE_LAUNCH || s == PROBE_ROUND_TRIP ? "  (median)"
										  : "");
	}
	if (!hangs && !report->failed) {
		puts("ok");
		return;
	}
	error_text(report, hangs, error, sizeof(error));
	printf("%s at %s: %s\n", hangs ? "HANGS" : "FAILED", probe_stage_name(report->stage),
	       error);
}

void probe_tell_brief(const struct probe_report *report, unsigned int hangs)
{
	const struct probe_device *last = report->count ? &report->devices[report->count - 1]
							: NULL;
	char line[PROBE_BRIEF + 1], error[PROBE_TEXT];

	error_text(report, hangs, error, sizeof(error));
	if (hangs || report->failed || !last)
		snprintf(line, sizeof(line), "%s at %s: %.96s%s%.30s", hangs ? "hangs" : "failed",
			 probe_stage_name(report->stage), error, last && last->name[0] ? ", " : "",
			 last ? last->name : "");
	else
		snprintf(
			line, sizeof(line),
			"ok: %d x %.40s, driver %d.%d, launch %.1f us, round trip %.1f us, init %.0f ms",
			report->count, last->name, last->driver / 1000, last->driver % 1000 / 10,
			last->us[PROBE_LAUNCH], last->us[PROBE_ROUND_TRIP],
			last->us[PROBE_INIT] / 1000.0);
	puts(line);
}

static void json_device(const struct probe_device *d)
{
	static const enum probe_stage told[] = {PROBE_INIT,     PROBE_CONTEXT,   PROBE_ALLOC,
						PROBE_LOAD,     PROBE_COPY_IN,   PROBE_LAUNCH,
						PROBE_COPY_OUT, PROBE_ROUND_TRIP};
	const char *comma = "";

	printf("{\"name\":\"%s\",\"uuid\":\"%s\",\"memory_total\":%" PRIu64
	       ",\"memory_free\":%" PRIu64 ",\"driver\":%d,\"us\":{",
	       d->name, d->uuid, d->memory_total, d->memory_free, d->driver);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		if (d->us[told[i]] < 0)
			continue;
		printf("%s\"%s\":%.1f", comma, probe_stage_name(told[i]), d->us[told[i]]);
		comma = ",";
	}
	printf("}}");
}

void probe_tell_json(const struct probe_report *report, unsigned int hangs)
{
	bool ok = !hangs && !report->failed;
	char error[PROBE_TEXT];

	error_text(report, hangs, error, sizeof(error));
	printf("{\"ok\":%s,\"stage\":\"%s\",\"error\":\"%s\",\"devices\":[", ok ? "true" : "false",
	       ok ? "" : probe_stage_name(report->stage), error);
	for (int i = 0; i < report->count; i++) {
		if (i)
			putchar(',');
		json_device(&report->devices[i]);
	}
	puts("]}");
}
