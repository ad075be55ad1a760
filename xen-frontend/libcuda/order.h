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

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/handle.h"
#include "xen-frontend/libcuda/lane.h"

/* Stream handles up to this are the default streams that threads share. */
#define FE_STREAM_SHARED 1u

/* Whether a command of another lane is one that the lane's commands do not come after yet. */
static inline bool fe_order_is_news(const struct fe_lane *lane, uint32_t id, uint64_t number)
{
	return id != lane->id && number > lane->waited[id];
}

/*
 * The other lanes that use what the call names, as a set (fe_handle_users). With more lanes than bits this lane's own bit
 * may be another's, too.
 */
static inline uint64_t fe_order_users(const struct fe_lane *lane, const struct fe_call *call)
{
	uint64_t users = fe_handle_users(call->keys[0], lane->id) |
			 (call->keys[1] ? fe_handle_users(call->keys[1], lane->id) : 0);

	if (atomic_load_explicit(&fe_session.order.lanes, memory_order_relaxed) > 64)
		return users;
	return users & ~(UINT64_C(1) << lane->id);
}

/*
 * The place of the lane's next command where nothing has to be waited for, which is the usual case: its stream,
 * event or graph is this thread's alone, and no other has done anything else. False: fe_order_take.
 */
static inline bool fe_order_alone(struct fe_lane *lane, const struct fe_call *call)
{
	uint64_t last;

	if (call->keys[0] <= FE_STREAM_SHARED || fe_order_users(lane, call))
		return false;
	last = atomic_load_explicit(&fe_session.order.last_async, memory_order_acquire);
	if (last && fe_order_is_news(lane, (uint32_t)vg_after_lane(last), vg_after_number(last)))
		return false;
	if (call->async)
		atomic_store_explicit(&fe_session.order.lane[lane->id].last, lane->number + 1,
				      memory_order_release);
	return true;
}

/*
 * The place of the lane's next command. *after: for its head. Commands to be waited for before it (vg_after())
 * come in lane->others, as many as returned: a vgAfter of its own for each is sent first.
 */
unsigned int fe_order_take(struct fe_lane *lane, const struct fe_call *call, uint64_t *after);

/* Pairs with what a callback has written: see fe_order_take. To be called with each answer. */
void fe_order_answered(void);

/* A lane of that id is opened. */
void fe_order_begin(uint32_t id);
/* In a child after fork, which has no session yet. */
void fe_order_reset(void);

#endif
