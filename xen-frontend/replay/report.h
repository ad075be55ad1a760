/* SPDX-License-Identifier: MIT */
/* What is not as it was: told line by line, counted, and summed up. Any thread. */
#ifndef RP_REPORT_H
#define RP_REPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/trace_file.h"

struct rp_report {
	pthread_mutex_t lock;
	bool quiet; /* no lines, only the sum */
	uint64_t sent;
	uint64_t results, data; /* that differ */
	uint64_t compared;      /* pieces of data */
	uint64_t unfinished;    /* commands that had not come back when the recording ended */
	uint64_t hung;          /* of these, and do not now */
	char stopped[512];      /* why not all was played; empty: it was */
};

void rp_report_init(struct rp_report *report, bool quiet);

/* The command was not answered as it was recorded. */
void rp_report_result(struct rp_report *report, const struct vg_trace_command *command,
		      int expected, int got);
/* What it copied back is not what it was. */
void rp_report_data(struct rp_report *report, const struct vg_trace_command *command, uint64_t size,
		    uint32_t expected, uint32_t got);
void rp_report_compared(struct rp_report *report);
/* A lane's asynchronous commands up to this one: as many failed, and now so many, the last with got of call op. */
void rp_report_errors(struct rp_report *report, const struct vg_trace_command *command,
		      uint32_t expected, uint32_t count, uint32_t op, int got);
void rp_report_sent(struct rp_report *report);
/* It had not come back when the recording ended; now it has, with result, or not in time. No difference. */
void rp_report_unfinished(struct rp_report *report, const struct vg_trace_command *command,
			  bool back, int result);
/* The first reason is kept. command: at which, or NULL. */
void rp_report_stop(struct rp_report *report, const struct vg_trace_command *command,
		    const char *why);

/* Something is not as it was. */
bool rp_report_differs(struct rp_report *report);

struct rp_summary {
	const struct vg_trace_recorded *session;
	unsigned int lanes;
	uint64_t planned; /* commands */
	uint64_t recorded_ns, replayed_ns;
	bool moved; /* addresses or handles were others */
};

void rp_report_print(const struct rp_report *report, const struct rp_summary *summary, bool json);

#endif
