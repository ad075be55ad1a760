/* SPDX-License-Identifier: MIT */
/*
 * What is to be played, made before anything is: which commands are sent, under which numbers, as what, and what each
 * comes after. All that can be found wrong with a recording is found here.
 *
 * A command comes after all answers that the program had when it called: so whatever the program's threads said to each other, it
 * is kept. What was answered later, or never, may have run at the same time, and may again.
 */
#ifndef RP_PLAN_H
#define RP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/trace_file.h"

/*
 * By which answers are put in order. The guest's stamps (vgStamp) say when a program had one, and when it called. A lane's last answer
 * has none, nor has what the library asks before it knows that it is recorded; and shares are the host's.
 */
enum rp_clock {
	RP_GUEST, /* answers with a stamp, by it: for commands with one */
	RP_REST,  /* the other answers, by the host's clock: for the same */
	RP_HOST,  /* all answers by the host's clock: for other commands, and shares */
	RP_CLOCKS,
};

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
	bool puts;            /* what its pinned memory had is put there first */
	uint64_t number;      /* in the replayed lane; of what is skipped: of the last before it */
	uint64_t called, had; /* stamps; 0: there is none */
	/* Of its answer among all of that order; SIZE_MAX: it is not in it. */
	size_t rank[RP_CLOCKS];
	size_t needs[RP_CLOCKS]; /* so many answers must have come first */
	size_t events;           /* and so many shares have come or gone */
};

/* A share that comes or goes. */
struct rp_event {
	const struct vg_trace_share *share;
	size_t needs;    /* by RP_HOST */
	size_t lane_end; /* a lane that goes: all before that command, by index, have been played */
};

struct rp_plan {
	const struct vg_trace_recorded *session;
	struct rp_command *commands; /* as session->commands */
	struct {
		struct rp_command **answers; /* by rank */
		size_t count;
	} by[RP_CLOCKS];
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
