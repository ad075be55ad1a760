/* SPDX-License-Identifier: MIT */
/*
 * Order between lanes. Threads: all lanes'. `after` comes from the guest: a command that will never
 * be makes its own lane wait until the session ends, and nothing else.
 */
#include "dom0-executor/order.h"

#include "protocol/spin.h"

#include "dom0-executor/calls.h"

void ex_order_init(struct ex_order *order)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		atomic_init(&order->lane[i].executed, 0);
	atomic_init(&order->waiters, 0);
	pthread_mutex_init(&order->lock, NULL);
	pthread_cond_init(&order->moved, NULL);
	order->ending = false;
}

void ex_order_dispose(struct ex_order *order)
{
	pthread_cond_destroy(&order->moved);
	pthread_mutex_destroy(&order->lock);
}

void ex_order_end(struct ex_order *order)
{
	pthread_mutex_lock(&order->lock);
	order->ending = true;
	pthread_cond_broadcast(&order->moved);
	pthread_mutex_unlock(&order->lock);
}

void ex_order_done(struct ex_order *order, uint32_t slot, uint64_t number)
{
	/* Sequentially consistent, as is the waiter's side: either it sees the number or we see it. */
	atomic_store(&order->lane[slot].executed, number);
	if (!atomic_load(&order->waiters))
		return;
	pthread_mutex_lock(&order->lock);
	pthread_cond_broadcast(&order->moved);
	pthread_mutex_unlock(&order->lock);
}

static bool is_done(struct ex_order *order, unsigned int slot, uint64_t number)
{
	uint64_t done = atomic_load(&order->lane[slot].executed);

	return (done & ((1ull << VG_AFTER_NUMBER_BITS) - 1)) >= number;
}

bool ex_order_wait(struct ex_order *order, uint64_t after, uint32_t looks)
{
	uint64_t number = vg_after_number(after);
	int slot = vg_after_lane(after);
	bool done;

	if (slot < 0 || slot >= (int)VG_LANES_MAX)
		return false;
	do {
		if (is_done(order, (unsigned int)slot, number))
			return true;
		vg_relax();
	} while (looks--);
	pthread_mutex_lock(&order->lock);
	atomic_fetch_add(&order->waiters, 1);
	while (!(done = is_done(order, (unsigned int)slot, number)) && !order->ending)
		pthread_cond_wait(&order->moved, &order->lock);
	atomic_fetch_sub(&order->waiters, 1);
	pthread_mutex_unlock(&order->lock);
	return done;
}

/* The lane has waited for its `after`, which is all. */
CUresult ex_vgAfter(struct ex_call *call)
{
	(void)call;
	return CUDA_SUCCESS;
}
