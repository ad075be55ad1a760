/* SPDX-License-Identifier: MIT */
/*
 * vgpu-replay FILE: plays a recorded session against the vGPU that a program here would use, and tells what is not as it was.
 * See docs/replay.md.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/calls.h"
#include "protocol/log.h"
#include "protocol/trace_file.h"
#include "xen-frontend/replay/player.h"

#define TIMEOUT_S     60u
#define TIMEOUT_S_MAX 86400u

enum {
	SAME = 0,
	DIFFERS = 1,
	CANNOT = 2
};

static const char usage_text[] =
	"usage: vgpu-replay [OPTIONS] FILE\n"
	"Plays a session that vgpu-run --trace --trace-data or vgpu trace --data has recorded, and\n"
	"compares results and data. FILE -: the standard input.\n"
	"\n"
	"  --list           only say which sessions FILE has\n"
	"  --session=PID    the session of that executor (default: the first one)\n"
	"  --timeout=S      of one command, in seconds (60)\n"
	"  --results-only   compare results of calls, not the data that is copied back\n"
	"  --no-scan        do not look for addresses in data that is copied in\n"
	"  --stop-at-first  stop at the first difference\n"
	"  --json           the sum as JSON, and no lines\n"
	"  --force          play what another build has recorded\n"
	"  --help\n"
	"Status: 0 all is the same, 1 something differs, 2 it cannot be played.\n";

struct options {
	const char *path;
	struct rp_options play;
	uint32_t session; /* 0: the first */
	bool list, json, force;
};

static int cannot(const char *what, const char *why)
{
	fprintf(stderr, "vgpu-replay: %s: %s\n", what, why);
	return CANNOT;
}

static bool number_parse(const char *text, uint32_t most, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	*number = (uint32_t)value;
	return !*end && value > 0 && value <= most;
}

enum option_id {
	OPT_LIST = 256,
	OPT_SESSION,
	OPT_TIMEOUT,
	OPT_RESULTS_ONLY,
	OPT_NO_SCAN,
	OPT_STOP_AT_FIRST,
	OPT_JSON,
	OPT_FORCE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"list", no_argument, NULL, OPT_LIST},
	{"session", required_argument, NULL, OPT_SESSION},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"results-only", no_argument, NULL, OPT_RESULTS_ONLY},
	{"no-scan", no_argument, NULL, OPT_NO_SCAN},
	{"stop-at-first", no_argument, NULL, OPT_STOP_AT_FIRST},
	{"json", no_argument, NULL, OPT_JSON},
	{"force", no_argument, NULL, OPT_FORCE},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* False: it is none. */
static bool option_set(struct options *options, int id)
{
	uint32_t seconds;

	switch (id) {
	case OPT_LIST: options->list = true; return true;
	case OPT_SESSION: return number_parse(optarg, UINT32_MAX, &options->session);
	case OPT_TIMEOUT:
		if (!number_parse(optarg, TIMEOUT_S_MAX, &seconds))
			return false;
		options->play.limit_ms = seconds * 1000ull;
		return true;
	case OPT_RESULTS_ONLY: options->play.compare = false; return true;
	case OPT_NO_SCAN: options->play.scan = false; return true;
	case OPT_STOP_AT_FIRST: options->play.stop_at_first = true; return true;
	case OPT_JSON: options->json = true; return true;
	case OPT_FORCE: options->force = true; return true;
	default: return false;
	}
}

/* -1: go on; else the status to end with. */
static int options_parse(int argc, char **argv, struct options *options)
{
	int id;

	*options = (struct options){
		.play = {.limit_ms = TIMEOUT_S * 1000, .scan = true, .compare = true}};
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (id == OPT_HELP) {
			fputs(usage_text, stdout);
			return SAME;
		}
		if (!option_set(options, id)) {
			if (id != '?')
				fprintf(stderr, "vgpu-replay: bad value `%s`\n", optarg);
			return CANNOT;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage_text, stderr);
		return CANNOT;
	}
	options->path = argv[optind];
	return -1;
}

/* --- sessions ------------------------------------------------------------------------------------- */

static uint32_t executor_of(const struct vg_trace_recorded *session)
{
	return session->session.head.executor;
}

static void list_print(const struct vg_trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct vg_trace_recorded *session = &trace->sessions[i];
		const struct vg_trace_session *s = &session->session;
		char comm[VG_COMM_MAX];

		memcpy(comm, s->comm, sizeof(comm));
		vg_log_clean(comm);
		printf("session=%u domid=%d pid=%u program=%s commands=%zu whole=%d data=%d "
		       "lost=%" PRIu64 " ended=%d\n",
		       executor_of(session), s->domid, s->pid, comm, session->count,
		       !!(s->flags & VG_TRACE_WHOLE), !!(s->flags & VG_TRACE_DATA), session->lost,
		       session->ended);
	}
}

static const struct vg_trace_recorded *session_choose(const struct vg_trace *trace, uint32_t wanted)
{
	for (size_t i = 0; i < trace->count; i++)
		if (!wanted || executor_of(&trace->sessions[i]) == wanted)
			return &trace->sessions[i];
	return NULL;
}

/* NULL: it may be tried; otherwise why not. */
static const char *build_check(const struct vg_trace_recorded *session, bool force)
{
	if (session->session.protocol != VG_PROTOCOL_VERSION)
		return "it was recorded with another version of the protocol: play it with the "
		       "build that recorded it";
	if (session->session.spec_hash != VG_SPEC_HASH && !force)
		return "it was recorded by a build with other calls: play it with that build, or "
		       "try --force";
	return NULL;
}

static int session_play(const struct options *options, const struct vg_trace_recorded *session)
{
	static struct rp_player player;
	char text[VG_TRACE_TEXT > VG_TEXT_MAX ? VG_TRACE_TEXT : VG_TEXT_MAX] = "";
	struct rp_report report;
	struct rp_plan plan;
	struct rp_summary summary = {.session = session};
	bool differs;

	if (rp_plan_make(&plan, session, text))
		return cannot(options->path, text);
	rp_report_init(&report, options->json);
	player.plan = &plan;
	player.options = options->play;
	player.report = &report;
	if (rp_play(&player, text)) {
		rp_plan_dispose(&plan);
		return cannot("no session", text);
	}
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		summary.lanes += plan.lane_plays[i];
	summary.planned = plan.sent;
	summary.recorded_ns = plan.span_ns;
	summary.replayed_ns = player.took_ns;
	summary.moved = player.moved;
	rp_report_print(&report, &summary, options->json);
	differs = rp_report_differs(&report);
	rp_plan_dispose(&plan);
	return differs ? DIFFERS : SAME;
}

static int trace_play(const struct options *options, const struct vg_trace *trace)
{
	const struct vg_trace_recorded *session;
	const char *why;

	if (options->list) {
		list_print(trace);
		return SAME;
	}
	session = session_choose(trace, options->session);
	if (!session)
		return cannot(options->path, options->session ? "it has no such session; see --list"
							      : "it has no session");
	why = build_check(session, options->force);
	if (why)
		return cannot(options->path, why);
	if (trace->cut)
		fprintf(stderr,
			"vgpu-replay: %s: it ends within a record; what is whole is played\n",
			options->path);
	return session_play(options, session);
}

int main(int argc, char **argv)
{
	char text[VG_TRACE_TEXT];
	struct options options;
	struct vg_trace trace;
	int rc = options_parse(argc, argv, &options);

	if (rc >= 0)
		return rc;
	if (vg_trace_open(&trace, options.path, text))
		return cannot(options.path, text);
	rc = trace_play(&options, &trace);
	vg_trace_close(&trace);
	return rc;
}
