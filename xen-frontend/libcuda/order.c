/* SPDX-License-Identifier: MIT */
/* The order over threads: see order.h. Any thread, each for its own lane. */
#include "xen-frontend/libcuda/order.h"

#include <stdatomic.h>

#include "xen-frontend/libcuda/session.h"

/* Moves when a callback has returned, before the executor hears of it. */
static _Atomic unsigned int callbacks_done;

/* Whether the lane's commands do not come after that one yet; from now on they do. */
static bool is_news(struct fe_lane *lane, uint32_t id, uint64_t number)
{
	if (!fe_order_is_news(lane, id, number))
		return false;
	lane->waited[id] = number;
	return true;
}

/* The last commands of the lanes in the set. */
static unsigned int lanes_collect(struct fe_lane *lane, uint64_t set)
{
	unsigned int lanes = atomic_load_explicit(&fe_session.order.lanes, memory_order_acquire);
	unsigned int count = 0;

	for (unsigned int id = 0; id < lanes; id++) {
		uint64_t number;

		if (!(set >> id % 64 & 1))
			continue;
		number =
			atomic_load_explicit(&fe_session.order.lane[id].last, memory_order_acquire);
		if (is_news(lane, id, number))
			lane->others[count++] = vg_after(id, number);
	}
	return count;
}

static bool after_collect(struct fe_lane *lane, uint64_t after, uint64_t *others)
{
	int id = vg_after_lane(after);

	if (id < 0 || !is_news(lane, (uint32_t)id, vg_after_number(after)))
		return false;
	*others = after;
	return true;
}

unsigned int fe_order_take(struct fe_lane *lane, const struct fe_call *call, uint64_t *after)
{
	struct fe_order *order = &fe_session.order;
	bool local = call->keys[0] > FE_STREAM_SHARED;
	unsigned int count;
	uint64_t number, before;

	*after = 0;
	if (call->unordered) {
		atomic_fetch_add_explicit(&callbacks_done, 1, memory_order_release);
		return 0;
	}
	if (local) {
		count = lanes_collect(lane, fe_order_users(lane, call));
		before = atomic_load_explicit(&order->last_async, memory_order_acquire);
		count += after_collect(lane, before, &lane->others[count]);
	} else {
		count = lanes_collect(lane, UINT64_MAX);
	}
	if (!call->async)
		return count;
	number = lane->number + count + 1;
	if (!local) {
		before = atomic_exchange(&order->last_async, vg_after(lane->id, number));
		(void)after_collect(lane, before, after);
	}
	atomic_store_explicit(&order->lane[lane->id].last, number, memory_order_release);
	return count;
}

void fe_order_answered(void)
{
	/* What a callback has written is seen by whoever has waited for its stream, though the news came
	 * by way of another process. */
	(void)atomic_load_explicit(&callbacks_done, memory_order_acquire);
}

/* Under the session's lock. */
void fe_order_begin(uint32_t id)
{
	if (atomic_load(&fe_session.order.lanes) <= id)
		atomic_store(&fe_session.order.lanes, id + 1);
}

void fe_order_reset(void)
{
	atomic_store(&fe_session.order.last_async, 0);
	atomic_store(&fe_session.order.lanes, 0);
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		atomic_store(&fe_session.order.lane[i].last, 0);
}
