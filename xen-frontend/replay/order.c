/* SPDX-License-Identifier: MIT */
/* See order.h. Threads: all; one lock. */
#include "xen-frontend/replay/order.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/clock.h"
#include "protocol/op_names.h"

/*
 * Whoever waits for another's answer waits longer than he, and for a share longer still, so that the command that hangs is the one
 * that is named.
 */
#define PATIENCE_MS       1000u
#define SHARE_PATIENCE_MS 2000u

bool rp_order_init(struct rp_order *order, const struct rp_plan *plan, uint64_t limit_ms)
{
	pthread_condattr_t monotonic;
	bool room = true;

	*order = (struct rp_order){.plan = plan, .limit_ms = limit_ms, .moved_ms = vg_clock_ms()};
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		order->played[i] = plan->lane_begin[i];
	for (unsigned int i = 0; i < RP_CLOCKS; i++) {
		order->by[i].come = calloc(plan->by[i].count + 1, sizeof(bool));
		room = room && order->by[i].come;
	}
	pthread_mutex_init(&order->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&order->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return room;
}

void rp_order_dispose(struct rp_order *order)
{
	for (unsigned int i = 0; i < RP_CLOCKS; i++)
		free(order->by[i].come);
	pthread_cond_destroy(&order->moved);
	pthread_mutex_destroy(&order->lock);
}

/* --- what moves ----------------------------------------------------------------------------------- */

static void order_lock(struct rp_order *order)
{
	pthread_mutex_lock(&order->lock);
}

static void order_moved(struct rp_order *order)
{
	order->moved_ms = vg_clock_ms();
	pthread_cond_broadcast(&order->moved);
	pthread_mutex_unlock(&order->lock);
}

void rp_order_end(struct rp_order *order)
{
	order_lock(order);
	order->ended = true;
	order_moved(order);
}

bool rp_order_ended(struct rp_order *order)
{
	bool ended;

	order_lock(order);
	ended = order->ended;
	pthread_mutex_unlock(&order->lock);
	return ended;
}

void rp_order_sent(struct rp_order *order, uint32_t lane, uint64_t number)
{
	order_lock(order);
	order->sent[lane] = number;
	order_moved(order);
}

/* Under the lock. */
static void answer_came(struct rp_order *order, enum rp_clock clock, size_t rank)
{
	const bool *come = order->by[clock].come;
	size_t *first = &order->by[clock].first;

	if (rank == SIZE_MAX)
		return;
	order->by[clock].come[rank] = true;
	while (*first < order->plan->by[clock].count && come[*first])
		(*first)++;
}

void rp_order_answered(struct rp_order *order, const struct rp_command *command)
{
	order_lock(order);
	for (enum rp_clock clock = 0; clock < RP_CLOCKS; clock++)
		answer_came(order, clock, command->rank[clock]);
	order_moved(order);
}

void rp_order_played(struct rp_order *order, uint32_t lane, size_t until)
{
	order_lock(order);
	order->played[lane] = until;
	order_moved(order);
}

void rp_order_shared(struct rp_order *order)
{
	order_lock(order);
	order->events++;
	order_moved(order);
}

/* --- waiting -------------------------------------------------------------------------------------- */

/* Under the lock: what is waited for. */
struct goal {
	size_t needs[RP_CLOCKS];
	size_t events;
	uint64_t after;
	size_t lane_end; /* of lane `lane`; -1: of none */
	int lane;
	uint64_t patience_ms;
};

static bool goal_after(const struct rp_order *order, uint64_t after)
{
	int lane = vg_after_lane(after);

	return lane < 0 || order->sent[lane] >= vg_after_number(after);
}

static bool goal_lane(const struct rp_order *order, const struct goal *goal)
{
	return goal->lane < 0 || order->played[goal->lane] >= goal->lane_end;
}

/* The first answer that is missing; NULL: none is. */
static const struct rp_command *goal_answer(const struct rp_order *order, const struct goal *goal)
{
	for (unsigned int i = 0; i < RP_CLOCKS; i++)
		if (order->by[i].first < goal->needs[i])
			return order->plan->by[i].answers[order->by[i].first];
	return NULL;
}

static bool goal_reached(const struct rp_order *order, const struct goal *goal)
{
	return !goal_answer(order, goal) && order->events >= goal->events &&
	       goal_after(order, goal->after) && goal_lane(order, goal);
}

static void goal_text(const struct rp_order *order, const struct goal *goal, char *why)
{
	const struct rp_command *missing = goal_answer(order, goal);

	if (missing) {
		const struct vg_trace_call *call = &missing->recorded->call;

		snprintf(why, RP_WHY,
			 "waited for the answer to command %" PRIu64 " of lane %u (%s)",
			 call->number, call->head.lane, vg_op_name(call->op));
	} else if (order->events < goal->events) {
		const struct vg_trace_share *share = order->plan->events[order->events].share;
		bool lane = share->head.type == VG_TRACE_LANE;

		snprintf(why, RP_WHY, "waited for %s %u to be %s", lane ? "lane" : "region",
			 lane ? share->head.lane : share->id, share->open ? "opened" : "closed");
	} else if (!goal_after(order, goal->after)) {
		snprintf(why, RP_WHY, "waited for a command of lane %d to be sent",
			 vg_after_lane(goal->after));
	} else {
		snprintf(why, RP_WHY, "waited for lane %d to come to its end", goal->lane);
	}
}

static bool goal_wait(struct rp_order *order, const struct goal *goal, char *why)
{
	bool reached;

	*why = '\0';
	order_lock(order);
	while (!(reached = goal_reached(order, goal)) && !order->ended) {
		uint64_t until = order->moved_ms + order->limit_ms + goal->patience_ms;
		struct timespec at = {.tv_sec = (time_t)(until / 1000),
				      .tv_nsec = (long)(until % 1000) * 1000000};

		if (pthread_cond_timedwait(&order->moved, &order->lock, &at) == ETIMEDOUT &&
		    vg_clock_ms() >= order->moved_ms + order->limit_ms + goal->patience_ms) {
			goal_text(order, goal, why);
			break;
		}
	}
	reached = reached && !order->ended;
	pthread_mutex_unlock(&order->lock);
	return reached;
}

bool rp_order_wait(struct rp_order *order, const struct rp_command *command, uint64_t after,
		   char *why)
{
	struct goal goal = {
		.events = command->events, .after = after, .lane = -1, .patience_ms = PATIENCE_MS};

	memcpy(goal.needs, command->needs, sizeof(goal.needs));
	return goal_wait(order, &goal, why);
}

bool rp_order_wait_event(struct rp_order *order, const struct rp_event *event, char *why)
{
	struct goal goal = {
		.needs[RP_HOST] = event->needs, .lane = -1, .patience_ms = SHARE_PATIENCE_MS};

	if (event->share->head.type == VG_TRACE_LANE && !event->share->open) {
		goal.lane = event->share->head.lane;
		goal.lane_end = event->lane_end;
	}
	return goal_wait(order, &goal, why);
}
