/* SPDX-License-Identifier: MIT */
/* What the parts of a plan's making have in common. */
#ifndef RP_PLAN_PARTS_H
#define RP_PLAN_PARTS_H

#include "xen-frontend/replay/plan.h"

static inline bool rp_is_async(const struct vg_trace_call *call)
{
	return call->flags & VG_CMD_ASYNC;
}

static inline struct rp_command *rp_planned(const struct rp_plan *plan,
					    const struct vg_trace_command *command)
{
	return &plan->commands[command - plan->session->commands];
}

/* -EBADMSG and a text that says which command is wrong, and why. */
int rp_plan_refuse(char *text, const struct vg_trace_call *call, const char *why);
/* How many answers of that order there were by then. */
size_t rp_plan_answers(const struct rp_plan *plan, enum rp_clock clock, uint64_t time);

/* Ways of copies; the answers are in order. 0 or -EBADMSG with text. */
int rp_plan_copies(struct rp_plan *plan, char *text);

#endif
