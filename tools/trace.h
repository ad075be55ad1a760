/* SPDX-License-Identifier: MIT */
/*
 * vgpu trace: trace.c has the command line, trace_record.c writes recordings, the others read them. A recording may be
 * anybody's: what is in it is only printed.
 */
#ifndef VGPU_TRACE_H
#define VGPU_TRACE_H

#include "tools/trace_times.h"
#include "tools/vgpu.h"

#define TRACE_LINE 1024 /* bytes of a call's text */

/* --- trace_record.c ----------------------------------------------------------------------------------- */

struct trace_wanted {
	const char *path;
	bool force; /* the file may be there */
	bool data, quiet;
	uint32_t domid;
	int64_t devid;     /* -1: all of the domain's */
	uint64_t session;  /* 0: all */
	uint64_t seconds;  /* 0: until somebody ends it, as of max_size */
	uint64_t max_size; /* bytes of the file */
};

/* An exit status. */
int trace_record(struct vgpu *vgpu, const struct trace_wanted *wanted);

/* --- what is shown of one -------------------------------------------------------------------------------- */

struct trace_filter {
	const char *call; /* a pattern as the shell has them; NULL: any */
	uint64_t slower_ns;
	bool errors;
};

bool trace_filter_takes(const struct trace_filter *filter, const struct trace_call *call);

/* A session as it is called everywhere: domain, vGPU, program. Returns `text`. */
const char *trace_session_name(const struct vg_trace_recorded *session, char *text, size_t room);

/* False: no memory. To standard output. */
bool trace_show(const struct trace_times *times, const struct trace_filter *filter);
bool trace_summary(const struct trace_times *times, const struct trace_filter *filter);
/* The JSON of chrome://tracing and Perfetto. */
bool trace_chrome(const struct trace_times *times, const struct trace_filter *filter);

/* A call's line of --show. */
void trace_call_print(const struct trace_times *times, const struct trace_call *call);

#endif
