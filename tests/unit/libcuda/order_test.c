/* SPDX-License-Identifier: MIT */
/* The order over threads: whom a command waits for, and whom not. Lanes without rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire.h"
#include "tests/unit/libcuda/fake.h"
#include "xen-frontend/libcuda/order.h"

#define LANES 3u

static struct fe_lane *lane[LANES];
static uint64_t streams[2], event;

static int setup(void **state)
{
	(void)state;
	fake_reset(1);
	fe_order_reset();
	for (uint32_t i = 0; i < LANES; i++) {
		lane[i] = calloc(1, sizeof(*lane[i]));
		if (!lane[i])
			return -1;
		lane[i]->id = i;
		fe_order_begin(i);
	}
	for (int i = 0; i < 2; i++)
		streams[i] = fe_handle_mint(VG_HANDLE_CUstream);
	event = fe_handle_mint(VG_HANDLE_CUevent);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LANES; i++)
		free(lane[i]);
	return 0;
}

/* As call.c does it: what is waited for, as a list in waits; the command's own number. */
struct place {
	uint64_t waits[VG_LANES_MAX + 1];
	unsigned int count;
	uint64_t number;
};

static struct place send(uint32_t id, bool async, uint64_t key, uint64_t key2)
{
	struct fe_call call = {.async = async, .keys = {key, key2}};
	struct place place = {0};
	uint64_t after = 0;

	if (!fe_order_alone(lane[id], &call)) {
		place.count = fe_order_take(lane[id], &call, &after);
		memcpy(place.waits, lane[id]->others, place.count * sizeof(uint64_t));
		lane[id]->number += place.count;
	}
	place.number = ++lane[id]->number;
	if (after)
		place.waits[place.count++] = after;
	return place;
}

static bool waits_for(const struct place *place, uint32_t id, uint64_t number)
{
	for (unsigned int i = 0; i < place->count; i++) {
		if (place->waits[i] == vg_after(id, number))
			return true;
	}
	return false;
}

static void own_streams_wait_for_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		for (uint32_t id = 0; id < 2; id++) {
			struct place place = send(id, true, streams[id], 0);

			assert_int_equal(place.count, 0);
			assert_int_equal(place.number, i + 1);
		}
	}
}

static void a_stream_is_handed_over(void **state)
{
	struct place first, second, third;

	(void)state;
	send(0, true, streams[1], 0);
	first = send(0, true, streams[0], 0);
	second = send(1, true, streams[0], 0);
	assert_int_equal(second.count, 1);
	assert_true(waits_for(&second, 0, first.number));
	/* The same is not waited for twice. */
	third = send(1, true, streams[0], 0);
	assert_int_equal(third.count, 0);
	/* And back. */
	first = send(0, true, streams[0], 0);
	assert_int_equal(first.count, 1);
	assert_true(waits_for(&first, 1, third.number));
}

static void an_event_is_waited_for(void **state)
{
	struct place record, wait;

	(void)state;
	record = send(0, true, streams[0], event);
	send(0, true, streams[0], 0);
	wait = send(1, true, streams[1], event);
	assert_int_equal(wait.count, 1);
	assert_true(vg_after_number(wait.waits[0]) >= record.number);
	/* Recorded anew: after the wait. */
	record = send(0, true, streams[0], event);
	assert_true(waits_for(&record, 1, wait.number));
}

/* What has no stream of its own, and the default streams, come after everything, and everything after them. */
static void all_others_are_for_all(void **state)
{
	static const uint64_t shared[] = {0, 1};
	struct place one, two, all, next;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		one = send(0, true, streams[0], 0);
		two = send(1, true, streams[1], 0);
		all = send(2, true, shared[i], 0);
		assert_true(waits_for(&all, 0, one.number));
		assert_true(waits_for(&all, 1, two.number));
		next = send(0, true, streams[0], 0);
		assert_int_equal(next.count, 1);
		assert_true(waits_for(&next, 2, all.number));
		/* A chain: the second of two waits for the first, so that later ones need to name the last only. */
		one = send(1, true, shared[i], 0);
		assert_true(waits_for(&one, 2, all.number));
	}
}

static void synchronous_ones_look_only(void **state)
{
	struct place one, sync, next;

	(void)state;
	one = send(0, true, streams[0], 0);
	sync = send(1, false, streams[0], 0);
	assert_int_equal(sync.count, 1);
	assert_true(waits_for(&sync, 0, one.number));
	next = send(0, true, streams[0], 0);
	assert_int_equal(next.count, 0);
	send(1, false, 0, 0);
	next = send(2, false, 0, 0);
	assert_false(waits_for(&next, 1, lane[1]->number));
}

/* Lanes that share a bit in an object's set. */
static void more_lanes_than_bits(void **state)
{
	struct fe_lane *far = calloc(1, sizeof(*far)), *own = lane[1];
	struct place first, second;

	(void)state;
	assert_non_null(far);
	far->id = 65;
	fe_order_begin(65);
	first = send(1, true, streams[0], 0);
	lane[1] = far;
	second = send(1, true, streams[0], 0);
	lane[1] = own;
	assert_true(waits_for(&second, 1, first.number));
	free(far);
}

/* A new object in an old one's place has no users. */
static void handles_are_used_again(void **state)
{
	struct place place;
	uint64_t handle = streams[0];

	(void)state;
	send(0, true, handle, 0);
	fe_handle_drop(VG_HANDLE_CUstream, handle);
	do
		handle = fe_handle_mint(VG_HANDLE_CUstream);
	while (vg_handle_slot(handle) != vg_handle_slot(streams[0]));
	place = send(1, true, handle, 0);
	assert_int_equal(place.count, 0);
}

int main(void)
{
#define WITH_LANES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_LANES(own_streams_wait_for_nobody), WITH_LANES(a_stream_is_handed_over),
		WITH_LANES(an_event_is_waited_for),      WITH_LANES(all_others_are_for_all),
		WITH_LANES(synchronous_ones_look_only),  WITH_LANES(more_lanes_than_bits),
		WITH_LANES(handles_are_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
