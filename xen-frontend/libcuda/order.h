/* SPDX-License-Identifier: MIT */
/*
 * The order of commands over threads: what a thread has done before it tells another must have been done when
 * that one's next command is. Without a lock, and without a locked instruction for most commands.
 *
 * A command that is `onstream` in the spec comes after what the lanes that have used its stream, event or
 * graph have sent so far, and after the last of all commands that are not; one that is not comes after
 * everything. What "after" has to name is read before the command itself is published, so that no two wait
 * for each other: each waits only for commands published before it.
 */
#ifndef FE_ORDER_H
#define FE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/lane.h"

/*
 * The place of the lane's next command. *after: for its head. others: commands to be waited for before it
 * (vg_after()), of which there are as many as returned, each by a vgAfter of its own that is sent first.
 */
unsigned int fe_order_take(struct fe_lane *lane, const struct fe_call *call, uint64_t *after,
			   uint64_t others[VG_LANES_MAX]);

/* Pairs with what a callback has written: see fe_order_take. To be called with each answer. */
void fe_order_answered(void);

/* A lane of that id is opened. */
void fe_order_begin(uint32_t id);
/* In a child after fork, which has no session yet. */
void fe_order_reset(void);

#endif
