/* SPDX-License-Identifier: MIT */
/*
 * How far the play has come, and waiting for it: each lane's thread for what its next command comes after, the main thread for
 * the next share's. No wait is without end: it is over when nothing at all has moved for the time limit.
 */
#ifndef RP_ORDER_H
#define RP_ORDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen-frontend/replay/plan.h"

#define RP_WHY 320u

struct rp_order {
	const struct rp_plan *plan;
	uint64_t limit_ms;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct {
		bool *come;   /* answers, by rank */
		size_t first; /* all before that rank have */
	} by[RP_CLOCKS];
	size_t events;               /* likewise of shares */
	uint64_t sent[VG_LANES_MAX]; /* numbers, of the replayed lanes */
	size_t played[VG_LANES_MAX]; /* commands before that index are over */
	uint64_t moved_ms;           /* when anything last did */
	bool ended;                  /* nobody is to go on */
};

/* False: no memory. limit_ms: of one wait. */
bool rp_order_init(struct rp_order *order, const struct rp_plan *plan, uint64_t limit_ms);
void rp_order_dispose(struct rp_order *order);
/* All waits are over. */
void rp_order_end(struct rp_order *order);
bool rp_order_ended(struct rp_order *order);

/*
 * Until what a command comes after has happened; after: of its head, in numbers of the replay, 0 for none. False: not in time, and
 * why (RP_WHY bytes) says what did not; or the end, and it is empty.
 */
bool rp_order_wait(struct rp_order *order, const struct rp_command *command, uint64_t after,
		   char *why);
bool rp_order_wait_event(struct rp_order *order, const struct rp_event *event, char *why);

void rp_order_sent(struct rp_order *order, uint32_t lane, uint64_t number);
void rp_order_answered(struct rp_order *order, const struct rp_command *command);
void rp_order_played(struct rp_order *order, uint32_t lane, size_t until);
void rp_order_shared(struct rp_order *order);

#endif
