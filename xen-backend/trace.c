/* SPDX-License-Identifier: MIT */
/*
 * Which sessions are recorded, and to where. The descriptor is a tool's (docs/trace.md): here nothing is read from it or
 * written to it. A trace lasts as long as the tool's connection to the control socket (tools.c), or until its vGPUs
 * have gone; the end of this process is the end of both, which the tool sees.
 */
#include "xen-backend/daemon.h"

#include <stdio.h>
#include <unistd.h>

static bool covers(const struct be_trace *trace, const struct be_device *device)
{
	return trace->number && trace->domid == device->domid &&
	       (trace->devid < 0 || trace->devid == device->devid);
}

static bool covers_any(const struct be_daemon *daemon, const struct be_trace *trace)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		if (covers(trace, d))
			return true;
	return false;
}

/* Two of the same vGPU: an executor has one place to write to. */
static bool overlap(const struct be_trace *a, const struct be_trace *b)
{
	return a->number && a->domid == b->domid &&
	       (a->devid < 0 || b->devid < 0 || a->devid == b->devid);
}

static struct be_trace *place_find(struct be_daemon *daemon, const struct be_trace *wanted,
				   char *why)
{
	struct be_trace *free_one = NULL;

	for (unsigned int i = 0; i < BE_TRACES_MAX; i++) {
		struct be_trace *trace = &daemon->traces[i];

		if (overlap(trace, wanted)) {
			snprintf(why, VG_TEXT_MAX,
				 "it is being traced already, by process %d: end that first",
				 (int)trace->pid);
			return NULL;
		}
		if (!trace->number)
			free_one = trace;
	}
	if (!free_one)
		snprintf(why, VG_TEXT_MAX, "%u traces run already, which is all that may",
			 BE_TRACES_MAX);
	return free_one;
}

const struct be_trace *be_trace_begin(struct be_daemon *daemon, const struct be_trace *wanted,
				      char *why)
{
	struct be_trace trace = *wanted, *place;

	trace.number = ++daemon->trace_number ? daemon->trace_number : ++daemon->trace_number;
	if (!covers_any(daemon, &trace)) {
		snprintf(why, VG_TEXT_MAX, "this domain has no vGPU%s",
			 trace.devid < 0 ? "" : " of that number");
		place = NULL;
	} else {
		place = place_find(daemon, &trace, why);
	}
	if (!place) {
		close(trace.fd);
		return NULL;
	}
	*place = trace;
	vg_info(&daemon->who, "event=trace-begin domid=%u devid=%lld session=%u data=%d tool=%d",
		trace.domid, (long long)trace.devid, trace.session, trace.data, (int)trace.pid);
	return place;
}

static struct be_trace *find(const struct be_daemon *daemon, uint32_t number)
{
	for (unsigned int i = 0; number && i < BE_TRACES_MAX; i++)
		if (daemon->traces[i].number == number)
			return (struct be_trace *)&daemon->traces[i];
	return NULL;
}

void be_trace_end(struct be_daemon *daemon, uint32_t number)
{
	struct be_trace *trace = find(daemon, number);

	if (!trace)
		return;
	vg_info(&daemon->who, "event=trace-end domid=%u tool=%d", trace->domid, (int)trace->pid);
	close(trace->fd);
	*trace = (struct be_trace){.fd = -1};
}

bool be_trace_runs(const struct be_daemon *daemon, uint32_t number)
{
	return find(daemon, number) != NULL;
}

void be_trace_sweep(struct be_daemon *daemon)
{
	for (unsigned int i = 0; i < BE_TRACES_MAX; i++)
		if (daemon->traces[i].number && !covers_any(daemon, &daemon->traces[i]))
			be_trace_end(daemon, daemon->traces[i].number);
}

const struct be_trace *be_trace_of_device(const struct be_device *device)
{
	const struct be_daemon *daemon = device->daemon;

	for (unsigned int i = 0; i < BE_TRACES_MAX; i++)
		if (covers(&daemon->traces[i], device))
			return &daemon->traces[i];
	return NULL;
}

/* Of several vGPUs' the first's. */
const struct be_trace *be_trace_of(const struct be_session *session)
{
	for (unsigned int i = 0; i < session->seat_count; i++) {
		const struct be_device *device = session->seats[i].device;
		const struct be_trace *trace = device ? be_trace_of_device(device) : NULL;

		if (trace && (!trace->session || trace->session == session->id))
			return trace;
	}
	return NULL;
}
