/* SPDX-License-Identifier: MIT */
/*
 * What is to be played, made before anything is: which commands are sent, under which numbers, as what, and what each
 * comes after. All that can be found wrong with a recording is found here.
 *
 * A command comes after all answers that the program had when the executor took it: so whatever the program's threads said to
 * each other, it is kept. What was answered later, or never, may have run at the same time, and may again.
 */
#ifndef RP_PLAN_H
#define RP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/trace_file.h"

enum rp_way {
	RP_SKIP,    /* the player's own business */
	RP_SEND,    /* as it is, once its pinned memory has the bytes that it had */
	RP_COPY_IN, /* a copy from pinned memory, by the bytes that were there: vgCopyIn */
};

struct rp_command {
	const struct vg_trace_command *recorded;
	enum rp_way way;
	uint16_t op; /* that is sent */
	/* A copy to pinned memory whose sum is known: the same bytes are asked for once more, by vgCopyOut. */
	bool sees;
	bool puts;       /* what its pinned memory had is put there first */
	uint64_t number; /* in the replayed lane; of what is skipped: of the last before it */
	size_t rank; /* of its answer among all, in the order in which they came; SIZE_MAX: it has none */
	size_t needs;  /* so many answers must have come first */
	size_t events; /* and so many shares have come or gone */
};

/* A share that comes or goes. */
struct rp_event {
	const struct vg_trace_share *share;
	size_t needs;
	size_t lane_end; /* a lane that goes: all before that command, by index, have been played */
};

struct rp_plan {
	const struct vg_trace_recorded *session;
	struct rp_command *commands; /* as session->commands */
	struct rp_command **answers; /* by rank */
	size_t answers_count;
	struct rp_event *events; /* in the order of time */
	size_t events_count;
	/* A lane's commands, by index. */
	size_t lane_begin[VG_LANES_MAX], lane_end[VG_LANES_MAX];
	bool lane_plays[VG_LANES_MAX]; /* something of it is sent */
	bool host_funcs;               /* somebody must answer for the program's functions */
	size_t sent;                   /* commands */
	uint64_t span_ns;              /* from the first command to the last end */
};

/* 0, or -EBADMSG, -ENOMEM with text (VG_TRACE_TEXT bytes): this session cannot be played. */
int rp_plan_make(struct rp_plan *plan, const struct vg_trace_recorded *session, char *text);
void rp_plan_dispose(struct rp_plan *plan);

/* The number that a recorded `after` names now; 0: nothing that is played. */
uint64_t rp_plan_after(const struct rp_plan *plan, uint64_t after);

#endif
