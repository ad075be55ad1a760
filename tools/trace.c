/* SPDX-License-Identifier: MIT */
/* vgpu trace: the command line (docs/trace.md). */
#include "tools/trace.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "protocol/calls.h"
#include "protocol/log.h"
#include "protocol/op_names.h"
#include "xenstore-schema/schema.h"

typedef bool trace_view(const struct trace_times *times, const struct trace_filter *filter);

struct trace_command {
	struct trace_wanted wanted;
	struct trace_filter filter;
	trace_view *view; /* NULL: a recording is to be made */
	bool recording;   /* an option was given that only that has, */
	bool filtering;   /* or one of the views' */
};

static int usage(void)
{
	fprintf(stderr,
		"usage: vgpu trace -o FILE [--data] [--seconds=N] [--max-size=BYTES] [--session=N]\n"
		"                  [--force] [--quiet] DOMAIN [DEVID]\n"
		"       vgpu trace --show|--summary|--chrome [--call=NAME] [--slower-than=US] "
		"[--errors] FILE\n");
	return VGPU_USAGE;
}

/* --- what all views share ------------------------------------------------------------------------------ */

bool trace_filter_takes(const struct trace_filter *filter, const struct trace_call *call)
{
	const struct vg_trace_call *c = &call->command->call;

	return (!filter->call || !fnmatch(filter->call, vg_op_name(c->op), 0)) &&
	       (!filter->errors || c->result) &&
	       (!filter->slower_ns || trace_call_ns(call) > filter->slower_ns);
}

const char *trace_session_name(const struct vg_trace_recorded *session, char *text, size_t room)
{
	const struct vg_trace_session *s = &session->session;
	char comm[VG_COMM_MAX];

	memcpy(comm, s->comm, sizeof(comm));
	vg_log_clean(comm);
	if (s->domid >= 0 && s->devid >= 0)
		snprintf(text, room, "domain %d vGPU %d %s (%u)", s->domid, s->devid, comm, s->pid);
	else
		snprintf(text, room, "here %s (%u)", comm, s->pid);
	return text;
}

/* Calls have other numbers and arguments in other releases. */
static bool release_is_ours(const struct vg_trace *trace)
{
	for (size_t i = 0; i < trace->count; i++)
		if (trace->sessions[i].session.spec_hash != VG_SPEC_HASH)
			return false;
	return true;
}

static int view(const struct trace_command *command, const char *path)
{
	char why[VG_TRACE_TEXT];
	struct trace_times times;
	struct vg_trace trace;
	int rc = VGPU_FAILED;

	if (vg_trace_open(&trace, path, why))
		return vgpu_fail("%s: %s", path, why);
	if (!release_is_ours(&trace)) {
		vgpu_fail("%s was recorded with another release of vgpu: show it with that", path);
	} else if (!trace_times_make(&times, &trace)) {
		vgpu_fail("no memory for what %s holds", path);
	} else {
		rc = command->view(&times, &command->filter) ? VGPU_DONE : VGPU_FAILED;
		if (rc)
			vgpu_fail("no memory for what %s holds", path);
		else if (fflush(stdout) || ferror(stdout))
			rc = vgpu_fail("cannot write: %s", strerror(errno));
		trace_times_free(&times);
	}
	vg_trace_close(&trace);
	return rc;
}

/* --- options -------------------------------------------------------------------------------------------- */

static bool view_take(struct trace_command *command, trace_view *which)
{
	bool first = !command->view;

	command->view = which;
	return first;
}

static bool number_take(const char *text, uint64_t most, uint64_t *number)
{
	return vg_parse_uint(text, number) && *number && *number <= most;
}

static bool recording_take(struct trace_command *command, int c)
{
	struct trace_wanted *wanted = &command->wanted;

	command->recording = true;
	switch (c) {
	case 'o': wanted->path = optarg; return true;
	case 'd': wanted->data = true; return true;
	case 'f': wanted->force = true; return true;
	case 'q': wanted->quiet = true; return true;
	case 't': return number_take(optarg, 1000000000, &wanted->seconds);
	case 's': return number_take(optarg, UINT32_MAX, &wanted->session);
	case 'm': return vg_parse_size(optarg, &wanted->max_size) && wanted->max_size;
	default: return false;
	}
}

static bool option_take(struct trace_command *command, int c)
{
	struct trace_filter *filter = &command->filter;
	uint64_t us;

	switch (c) {
	case 'S': return view_take(command, trace_show);
	case 'U': return view_take(command, trace_summary);
	case 'C': return view_take(command, trace_chrome);
	case 'n': filter->call = optarg; break;
	case 'e': filter->errors = true; break;
	case 'w':
		if (!number_take(optarg, UINT64_MAX / 1000, &us))
			return false;
		filter->slower_ns = us * 1000;
		break;
	default: return recording_take(command, c);
	}
	command->filtering = true;
	return true;
}

static bool options_take(struct trace_command *command, int argc, char **argv)
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
						{"data", no_argument, NULL, 'd'},
						{"force", no_argument, NULL, 'f'},
						{"quiet", no_argument, NULL, 'q'},
						{"seconds", required_argument, NULL, 't'},
						{"session", required_argument, NULL, 's'},
						{"max-size", required_argument, NULL, 'm'},
						{"show", no_argument, NULL, 'S'},
						{"summary", no_argument, NULL, 'U'},
						{"chrome", no_argument, NULL, 'C'},
						{"call", required_argument, NULL, 'n'},
						{"errors", no_argument, NULL, 'e'},
						{"slower-than", required_argument, NULL, 'w'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, "o:", options, NULL)) >= 0)
		if (!option_take(command, c))
			return false;
	if (command->view)
		return !command->recording && argc - optind == 1;
	return !command->filtering && command->wanted.path &&
	       (argc - optind == 1 || argc - optind == 2);
}

/* A number needs no xenstore: xen-vgpud knows whether that domain has a vGPU. */
static bool domain_take(struct vgpu *vgpu, const char *text, uint32_t *domid)
{
	uint64_t number;

	if (vg_parse_uint(text, &number) && number <= VGPU_DOMID_MAX) {
		*domid = (uint32_t)number;
		return true;
	}
	return vgpu_xenstore(vgpu) && vgpu_domain_find(vgpu, text, domid);
}

int vgpu_trace_command(struct vgpu *vgpu, int argc, char **argv)
{
	struct trace_command command = {.wanted = {.devid = -1}};
	struct trace_wanted *wanted = &command.wanted;
	uint64_t devid;

	if (!options_take(&command, argc, argv))
		return usage();
	if (command.view)
		return view(&command, argv[optind]);
	if (argc - optind == 2) {
		if (!vg_parse_uint(argv[optind + 1], &devid) || devid > VGPU_DEVID_MAX)
			return usage();
		wanted->devid = (int64_t)devid;
	}
	if (!domain_take(vgpu, argv[optind], &wanted->domid))
		return VGPU_FAILED;
	return trace_record(vgpu, wanted);
}
