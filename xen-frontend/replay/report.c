/* SPDX-License-Identifier: MIT */
/* See report.h. What is printed of a recording goes by way of protocol/call_text.h, which lets nothing through but text. */
#include "xen-frontend/replay/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/call_text.h"
#include "protocol/errors.h"
#include "protocol/log.h"
#include "protocol/op_names.h"

/* One failure is often followed by many that it has caused. */
#define LINES_MAX 50u
#define ARGS_TEXT 600u

void rp_report_init(struct rp_report *report, bool quiet)
{
	*report = (struct rp_report){.quiet = quiet};
	pthread_mutex_init(&report->lock, NULL);
}

static const char *result_text(int result, char text[16])
{
	const char *name = vg_error_name(result);

	snprintf(text, 16, "%d", result);
	return name ? name : text;
}

static void call_text(const struct vg_trace_command *command, char *text, size_t room)
{
	const struct vg_trace_call *call = &command->call;
	struct vg_call_bytes bytes = {.op = call->op};
	uint8_t *args = NULL;

	*text = '\0';
	if (command->whole & 1u << VG_TRACE_ARGS)
		args = malloc((size_t)call->args + 8);
	if (!args)
		return;
	vg_trace_part_copy(command, VG_TRACE_ARGS, args);
	bytes.args = args;
	bytes.args_size = call->args;
	vg_call_args(&bytes, text, room);
	free(args);
}

/* Under the lock. */
static void line_print(const struct rp_report *report, const struct vg_trace_command *command,
		       const char *what)
{
	const struct vg_trace_call *call = &command->call;
	uint64_t lines = report->results + report->data;
	char args[ARGS_TEXT];

	if (report->quiet || lines > LINES_MAX + 1)
		return;
	if (lines == LINES_MAX + 1) {
		printf("... there are more\n");
		return;
	}
	call_text(command, args, sizeof(args));
	printf("lane %u number %" PRIu64 ": %s(%s): %s\n", call->head.lane, call->number,
	       vg_op_name(call->op), args, what);
	fflush(stdout);
}

void rp_report_result(struct rp_report *report, const struct vg_trace_command *command,
		      int expected, int got)
{
	char what[160], a[16], b[16];

	snprintf(what, sizeof(what), "expected %s, got %s", result_text(expected, a),
		 result_text(got, b));
	pthread_mutex_lock(&report->lock);
	report->results++;
	line_print(report, command, what);
	pthread_mutex_unlock(&report->lock);
}

void rp_report_data(struct rp_report *report, const struct vg_trace_command *command, uint64_t size,
		    uint32_t expected, uint32_t got)
{
	char what[160];

	snprintf(what, sizeof(what),
		 "other data: of %" PRIu64 " bytes expected crc32=%08x, got crc32=%08x", size,
		 expected, got);
	pthread_mutex_lock(&report->lock);
	report->data++;
	line_print(report, command, what);
	pthread_mutex_unlock(&report->lock);
}

void rp_report_compared(struct rp_report *report)
{
	pthread_mutex_lock(&report->lock);
	report->compared++;
	pthread_mutex_unlock(&report->lock);
}

void rp_report_errors(struct rp_report *report, const struct vg_trace_command *command,
		      uint32_t expected, uint32_t count, uint32_t op, int got)
{
	char what[240], a[16];

	snprintf(what, sizeof(what),
		 "up to here %u of the lane's asynchronous commands failed, now %u, the last %s "
		 "with %s",
		 expected, count, vg_op_name(op), result_text(got, a));
	pthread_mutex_lock(&report->lock);
	report->results++;
	line_print(report, command, what);
	pthread_mutex_unlock(&report->lock);
}

void rp_report_unfinished(struct rp_report *report, const struct vg_trace_command *command,
			  bool back, int result)
{
	char what[160], a[16];

	snprintf(what, sizeof(what), "had not come back when the recording ended; now %s",
		 back ? result_text(result, a) : "it does not either");
	pthread_mutex_lock(&report->lock);
	report->unfinished++;
	report->hung += !back;
	line_print(report, command, what);
	pthread_mutex_unlock(&report->lock);
}

void rp_report_sent(struct rp_report *report)
{
	pthread_mutex_lock(&report->lock);
	report->sent++;
	pthread_mutex_unlock(&report->lock);
}

void rp_report_stop(struct rp_report *report, const struct vg_trace_command *command,
		    const char *why)
{
	char args[ARGS_TEXT / 2];

	pthread_mutex_lock(&report->lock);
	if (report->stopped[0]) {
		pthread_mutex_unlock(&report->lock);
		return;
	}
	if (command) {
		call_text(command, args, sizeof(args));
		snprintf(report->stopped, sizeof(report->stopped),
			 "lane %u number %" PRIu64 ": %s(%s): %s", command->call.head.lane,
			 command->call.number, vg_op_name(command->call.op), args, why);
	} else {
		snprintf(report->stopped, sizeof(report->stopped), "%s", why);
	}
	vg_log_clean(report->stopped);
	pthread_mutex_unlock(&report->lock);
}

bool rp_report_differs(struct rp_report *report)
{
	bool differs;

	pthread_mutex_lock(&report->lock);
	differs = report->results || report->data || report->stopped[0];
	pthread_mutex_unlock(&report->lock);
	return differs;
}

/* --- the sum --------------------------------------------------------------------------------------- */

/* Its text is clean: no quotation marks, no backslashes. */
static void print_json(const struct rp_report *report, const struct rp_summary *s)
{
	printf("{\"commands\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"lanes\": %u, "
	       "\"different_results\": %" PRIu64 ", \"different_data\": %" PRIu64
	       ", \"data_compared\": %" PRIu64 ", \"unfinished\": %" PRIu64 ", \"hung\": %" PRIu64
	       ", \"recorded_ms\": %.3f, \"replayed_ms\": %.3f, \"moved\": %s, \"stopped\": ",
	       s->planned, report->sent, s->lanes, report->results, report->data, report->compared,
	       report->unfinished, report->hung, (double)s->recorded_ns / 1e6,
	       (double)s->replayed_ns / 1e6, s->moved ? "true" : "false");
	if (report->stopped[0])
		printf("\"%s\"}\n", report->stopped);
	else
		printf("null}\n");
}

static void print_text(const struct rp_report *report, const struct rp_summary *s)
{
	if (report->stopped[0])
		printf("stopped: %s\n", report->stopped);
	printf("%" PRIu64 " of %" PRIu64 " commands in %u lane%s: %" PRIu64
	       " other results, %" PRIu64 " of %" PRIu64 " pieces of data differ; recorded in "
	       "%.1f ms, replayed in %.1f ms%s\n",
	       report->sent, s->planned, s->lanes, s->lanes == 1 ? "" : "s", report->results,
	       report->data, report->compared, (double)s->recorded_ns / 1e6,
	       (double)s->replayed_ns / 1e6,
	       s->moved ? "; addresses or handles are others now" : "");
}

void rp_report_print(const struct rp_report *report, const struct rp_summary *summary, bool json)
{
	if (json)
		print_json(report, summary);
	else
		print_text(report, summary);
}
