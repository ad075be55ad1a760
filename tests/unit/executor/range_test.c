/* SPDX-License-Identifier: MIT */
/* Address ranges: bounds, neighbours, replacement, owners; and the order between lanes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/call.h"
#include "dom0-executor/order.h"
#include "dom0-executor/range.h"

static struct ex_ranges ranges;
static uint64_t gone_bytes;

static void gone(void *context, const struct ex_span *span)
{
	(void)context;
	gone_bytes += span->size;
}

static int setup(void **state)
{
	(void)state;
	ex_ranges_init(&ranges);
	ranges.gone = gone;
	gone_bytes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ex_ranges_dispose(&ranges);
	return 0;
}

static int add(uint64_t start, uint64_t size, int kind, uint64_t owner)
{
	return ex_ranges_add(&ranges, &(struct ex_span){
					      .start = start,
					      .size = size,
					      .kind = kind,
					      .owner = owner,
				      });
}

static bool cover(uint64_t address, uint64_t size)
{
	return ex_ranges_cover(&ranges, address, size, NULL);
}

static void test_bounds(void **state)
{
	(void)state;
	assert_false(cover(0x1000, 1));
	assert_true(cover(0x1000, 0));
	assert_int_equal(add(0x1000, 0x100, EX_RANGE_DEVICE, 0), 0);
	assert_true(cover(0x1000, 0x100));
	assert_true(cover(0x10ff, 1));
	assert_false(cover(0x1100, 1));
	assert_false(cover(0xfff, 2));
	assert_false(cover(0x1001, 0x100));
	assert_false(cover(0x1080, UINT64_MAX));
	assert_false(cover(UINT64_MAX, 1));
	assert_int_not_equal(add(0x5000, 0, EX_RANGE_DEVICE, 0), 0);
	assert_int_not_equal(add(UINT64_MAX - 10, 100, EX_RANGE_DEVICE, 0), 0);
}

static void test_neighbours(void **state)
{
	int kind;

	(void)state;
	add(0x3000, 0x1000, EX_RANGE_VMM, 0);
	add(0x1000, 0x1000, EX_RANGE_VMM, 0);
	assert_false(cover(0x1000, 0x3000));
	add(0x2000, 0x1000, EX_RANGE_VMM, 0);
	assert_true(cover(0x1000, 0x3000));
	assert_true(cover(0x1fff, 0x1002));
	assert_false(cover(0x1000, 0x3001));
	assert_true(ex_ranges_cover(&ranges, 0x2800, 0x1000, &kind));
	assert_int_equal(kind, EX_RANGE_VMM);
	ex_ranges_remove_within(&ranges, 0x1000, 0x2000);
	assert_false(cover(0x1000, 1));
	assert_false(cover(0x2fff, 1));
	assert_true(cover(0x3000, 0x1000));
	assert_int_equal(gone_bytes, 0x2000);
}

static void test_replacement(void **state)
{
	struct ex_span span;

	(void)state;
	add(0x1000, 0x1000, EX_RANGE_DEVICE, 0);
	add(0x3000, 0x1000, EX_RANGE_DEVICE, 0);
	/* What the driver gives out now lies over both. */
	add(0x1800, 0x2000, EX_RANGE_DEVICE, 0);
	assert_int_equal(gone_bytes, 0x2000);
	assert_false(cover(0x1000, 1));
	assert_true(cover(0x1800, 0x2000));
	assert_false(cover(0x3800, 1));
	assert_true(ex_ranges_find(&ranges, 0x2000, &span));
	assert_int_equal(span.start, 0x1800);
	/* A variable within an allocation adds nothing. */
	add(0x1900, 8, EX_RANGE_GLOBAL, 5);
	ex_ranges_remove_owned(&ranges, 5);
	assert_true(cover(0x1800, 0x2000));
}

static void test_owners(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		add(i << 12, 0x1000, EX_RANGE_DEVICE, i % 3);
	ex_ranges_remove_owned(&ranges, 0);
	assert_int_equal(gone_bytes, 0);
	ex_ranges_remove_owned(&ranges, 1);
	assert_int_equal(gone_bytes, 333 * 0x1000);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(cover(i << 12, 0x1000), i % 3 != 1);
	assert_false(ex_ranges_remove(&ranges, 0x2008, NULL));
	assert_true(ex_ranges_remove(&ranges, 0x2000, NULL));
	assert_false(ex_ranges_remove(&ranges, 0x2000, NULL));
}

/* What ends or begins outside stays. */
static void test_within(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		add(0x10000 + i * 0x1000, 0x1000, EX_RANGE_VMM, 0);
	ex_ranges_remove_within(&ranges, 0x10800, 999 * 0x1000);
	assert_int_equal(gone_bytes, 998 * 0x1000);
	assert_true(cover(0x10000, 0x1000));
	assert_false(cover(0x11000, 1));
	assert_true(cover(0x10000 + 999 * 0x1000, 0x1000));
	ex_ranges_remove_within(&ranges, 0, UINT64_MAX);
	assert_int_equal(gone_bytes, 1000 * 0x1000);
}

static bool is_of_size(const struct ex_span *span, void *size)
{
	return span->size == *(uint64_t *)size;
}

static void test_many(void **state)
{
	uint64_t size = 0x1000;
	struct ex_span span;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(
			add(0x10000 + (i * 7919 % 10000) * 0x1000, 0x1000, EX_RANGE_DEVICE, 0), 0);
	assert_true(cover(0x10000, 10000 * 0x1000));
	assert_true(ex_ranges_any(&ranges, is_of_size, &size));
	size++;
	assert_false(ex_ranges_any(&ranges, is_of_size, &size));
	assert_true(ex_ranges_take(&ranges, 0x10000 + 5000 * 0x1000, &span));
	assert_int_equal(gone_bytes, 0);
	assert_false(cover(0x10000, 10000 * 0x1000));
	/* The next in the order begins behind, and is not found. */
	assert_false(ex_ranges_find(&ranges, span.start, &span));
	assert_int_equal(ex_ranges_add(&ranges, &span), 0);
	assert_true(cover(0x10000, 10000 * 0x1000));
	/* One over all of them but the last. */
	assert_int_equal(add(0x10000, 9999 * 0x1000, EX_RANGE_DEVICE, 0), 0);
	assert_int_equal(gone_bytes, 9999 * 0x1000);
	assert_true(cover(0x10000, 10000 * 0x1000));
}

/* --- order -------------------------------------------------------------------------------------- */

static struct ex_order order;

static void *finish_later(void *arg)
{
	(void)arg;
	usleep(20000);
	ex_order_done(&order, 3, 41);
	usleep(20000);
	ex_order_done(&order, 3, 42);
	return NULL;
}

static void *end_later(void *arg)
{
	(void)arg;
	usleep(20000);
	ex_order_end(&order);
	return NULL;
}

static void test_order(void **state)
{
	pthread_t thread;

	(void)state;
	ex_order_init(&order);
	ex_order_done(&order, 3, 40);
	assert_true(ex_order_wait(&order, vg_after(3, 40), 100));
	assert_true(ex_order_wait(&order, vg_after(3, 7), 100));
	assert_false(ex_order_wait(&order, 1, 100)); /* names no lane */
	assert_false(ex_order_wait(&order, vg_after(VG_LANES_MAX, 1), 100));
	assert_int_equal(pthread_create(&thread, NULL, finish_later, NULL), 0);
	assert_true(ex_order_wait(&order, vg_after(3, 42), 100));
	assert_int_equal(atomic_load(&order.lane[3].executed), 42);
	pthread_join(thread, NULL);
	/* A command that never comes is waited for until the end, not beyond. */
	assert_int_equal(pthread_create(&thread, NULL, end_later, NULL), 0);
	assert_false(ex_order_wait(&order, vg_after(9, 1), 100));
	pthread_join(thread, NULL);
	ex_order_dispose(&order);
}

int main(void)
{
#define WITH_RANGES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RANGES(test_bounds),      WITH_RANGES(test_neighbours),
		WITH_RANGES(test_replacement), WITH_RANGES(test_owners),
		WITH_RANGES(test_within),      WITH_RANGES(test_many),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
