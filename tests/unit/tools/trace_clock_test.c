/* SPDX-License-Identifier: MIT */
/* The fit of a guest's clock: offsets that are known here, seen through delays, over rates that change, and through lies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "tools/trace_clock.h"

#define US 1000.0
#define S  1000000000ull

static uint32_t seed;

static double chance(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (double)(seed >> 8) / (double)(1u << 24);
}

/* Mostly little more than a least one, sometimes a lot. */
static double delay(double least)
{
	return least + US * 50 * pow(chance(), 8);
}

/* What the guest's clock says at the host's time. */
typedef double guest_clock(uint64_t host);

static double steady(uint64_t host)
{
	return (double)host - 123456789.0 * US;
}

static double drifting(uint64_t host)
{
	return (double)host * (1 + 40e-6) + 5e9;
}

static double slewed(uint64_t host)
{
	return (double)host + (host > 5 * S ? (double)(host - 5 * S) * 200e-6 : 0);
}

static double stepped(uint64_t host)
{
	return (double)host + (host > 5 * S ? 20e6 : 0);
}

static struct trace_bound bound(guest_clock *guest, double event, double seen, bool upper)
{
	/* upper: the guest's event comes before what is seen here; else behind it. */
	return (struct trace_bound){.at = (uint64_t)seen,
				    .offset = (uint64_t)seen -
					      (uint64_t)(int64_t)guest((uint64_t)event),
				    .upper = upper};
}

/* Calls for 10 s: each with its way here and its way back. */
static size_t calls_make(guest_clock *guest, struct trace_bound *bounds, size_t count, double least)
{
	for (size_t i = 0; i < count; i++) {
		double called = (double)S + (double)i * 10 * S / (double)count;
		double taken = called + delay(least), answered = taken + US * 30;

		bounds[2 * i] = bound(guest, called, taken, true);
		bounds[2 * i + 1] = bound(guest, answered + delay(least), answered, false);
	}
	return 2 * count;
}

static double error_at(const struct trace_clock *clock, guest_clock *guest, uint64_t host)
{
	uint64_t said = trace_clock_host(clock, (uint64_t)(int64_t)guest(host), host);

	return fabs((double)(int64_t)(said - host));
}

static void assert_fits(guest_clock *guest, size_t count, double least, double most_us,
			size_t spans)
{
	struct trace_bound *bounds = calloc(2 * count, sizeof(*bounds));
	struct trace_clock clock;

	assert_true(trace_clock_fit(&clock, bounds, calls_make(guest, bounds, count, least)));
	if (clock.count > spans)
		print_error("%zu spans\n", clock.count);
	assert_true(clock.count > 0 && clock.count <= spans);
	assert_false(clock.one_sided);
	assert_true(clock.unsure <= most_us * US);
	for (uint64_t at = S + S / 50; at < 11 * S; at += S / 50) {
		/* Not where it bends: there a span's end may be off. */
		double error = at / (S / 10) == 50 ? 0 : error_at(&clock, guest, at);

		if (error > clock.unsure + 100)
			print_error("%g ns off at %llu, unsure %g\n", error, (unsigned long long)at,
				    clock.unsure);
		assert_true(error <= clock.unsure + 100);
	}
	trace_clock_free(&clock);
	free(bounds);
}

static void test_steady(void **state)
{
	(void)state;
	assert_fits(steady, 2000, US, 1.2, 1);
	assert_fits(steady, 10, US, 30, 1);
}

/* 40 ppm are 400 us in these 10 s. */
static void test_drift(void **state)
{
	(void)state;
	assert_fits(drifting, 20000, US, 1.5, 1);
}

static void test_rate_changes(void **state)
{
	(void)state;
	assert_fits(slewed, 20000, US, 1.5, 2);
}

static void test_step(void **state)
{
	struct trace_bound bounds[4000];
	struct trace_clock clock;

	(void)state;
	assert_true(trace_clock_fit(&clock, bounds, calls_make(stepped, bounds, 2000, US)));
	assert_int_equal(clock.count, 2);
	assert_true(error_at(&clock, stepped, 2 * S) < 10 * US);
	assert_true(error_at(&clock, stepped, 10 * S) < 10 * US);
	trace_clock_free(&clock);
}

/* Asynchronous calls only: the fastest did not wait. */
static void test_one_sided(void **state)
{
	struct trace_bound bounds[200], uppers[100];
	struct trace_clock clock;

	(void)state;
	calls_make(steady, bounds, 100, US);
	for (size_t i = 0; i < 100; i++)
		uppers[i] = bounds[2 * i];
	assert_true(trace_clock_fit(&clock, uppers, 100));
	assert_true(clock.one_sided);
	assert_true(error_at(&clock, steady, 5 * S) >= US);
	assert_true(error_at(&clock, steady, 5 * S) < 2 * US);
	trace_clock_free(&clock);
}

/* Two bounds far apart say nothing of a rate. */
static void test_few(void **state)
{
	struct trace_bound bounds[2] = {bound(steady, 1e9, 1e9 + 5000, true),
					bound(steady, 9e9 + 5000, 9e9, false)};
	struct trace_clock clock;

	(void)state;
	assert_true(trace_clock_fit(&clock, bounds, 2));
	assert_true(error_at(&clock, steady, 1 * S) < 1);
	assert_true(error_at(&clock, steady, 9 * S) < 1);
	assert_true(fabs(clock.unsure - 5000) < 1);
	trace_clock_free(&clock);
}

static void test_none(void **state)
{
	struct trace_clock clock;

	(void)state;
	assert_true(trace_clock_fit(&clock, NULL, 0));
	assert_int_equal(clock.count, 0);
	assert_int_equal(trace_clock_host(&clock, 77, 5), 77);
	trace_clock_free(&clock);
}

/* Bounds that cannot all hold, at one moment and with any numbers. */
static void test_lies(void **state)
{
	struct trace_bound bounds[600];
	struct trace_clock clock;

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < 600; i++)
			bounds[i] = (struct trace_bound){
				.at = round % 2 ? 5 : (uint64_t)(chance() * 1.8e19),
				.offset = (uint64_t)(chance() * 1.8e19),
				.upper = chance() < 0.5};
		assert_true(trace_clock_fit(&clock, bounds, 600));
		assert_true(clock.count > 1 && clock.count <= 600);
		(void)trace_clock_host(&clock, UINT64_MAX, 0);
		(void)trace_clock_host(&clock, 0, UINT64_MAX);
		trace_clock_free(&clock);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady),       cmocka_unit_test(test_drift),
		cmocka_unit_test(test_rate_changes), cmocka_unit_test(test_step),
		cmocka_unit_test(test_one_sided),    cmocka_unit_test(test_few),
		cmocka_unit_test(test_none),         cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
