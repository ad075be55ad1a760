/* SPDX-License-Identifier: MIT */
/*
 * Turns of the guest's functions: given where the guest looks, or when it asks; ended by either side's way; and
 * what a guest that breaks the rules of vg_turn_shared gets by it. Threads stand for the driver's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/wire.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define WAIT_US 10000000u
#define STEP_US 100u

static struct harness h;
static struct ex_host_funcs *funcs;
static struct vg_turn_shared *page;

static int setup_looking(uint32_t spin_us)
{
	fake_driver_install(0);
	harness_open(&h, 0);
	funcs = &h.session.host_funcs;
	funcs->spin_us = spin_us;
	page = &h.lane->shared->turn;
	return 0;
}

/* Long enough for the guest to answer at its ease. */
static int setup(void **state)
{
	(void)state;
	return setup_looking(5000000);
}

static int setup_short(void **state)
{
	(void)state;
	return setup_looking(1000);
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&h);
	return 0;
}

/* --- the driver's side ---------------------------------------------------------------------------- */

static void *run(void *func)
{
	ex_host_func_run(func);
	return NULL;
}

static pthread_t begin(uint64_t id)
{
	struct ex_host_func *func = ex_host_func_new(funcs, id, true);
	pthread_t thread;

	assert_non_null(func);
	assert_int_equal(pthread_create(&thread, NULL, run, func), 0);
	return thread;
}

static void end(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- the guest's ------------------------------------------------------------------------------- */

static void state_set(uint32_t state)
{
	__atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

static bool state_comes(uint32_t state)
{
	for (unsigned int us = 0; us < WAIT_US; us += STEP_US) {
		if (__atomic_load_n(&page->state, __ATOMIC_ACQUIRE) == state)
			return true;
		usleep(STEP_US);
	}
	return false;
}

static bool state_move(uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&page->state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* Asks until there is one: the harness's lane is told to stop, so it does not wait. */
static uint64_t asked(uint64_t *ticket)
{
	struct ex_call call = {.lane = h.lane, .session = &h.session};
	int status = -1, last = -1;
	uint64_t id = 0;

	for (unsigned int us = 0; us < WAIT_US; us += STEP_US) {
		if (!ex_vgHostFuncWait(&call, &id, ticket, &status, &last)) {
			assert_int_equal(status, CUDA_SUCCESS);
			assert_int_equal(last, 1);
			return id;
		}
		usleep(STEP_US);
	}
	return 0;
}

static CUresult told_done(uint64_t ticket)
{
	struct ex_call call = {.lane = h.lane, .session = &h.session};

	return ex_vgHostFuncDone(&call, ticket);
}

/* The executor knows the page from then on. */
static void ask_in_vain(void)
{
	struct ex_call call = {.lane = h.lane, .session = &h.session};
	uint64_t id, ticket;
	int status, last;

	assert_int_equal(ex_vgHostFuncWait(&call, &id, &ticket, &status, &last),
			 CUDA_ERROR_DEINITIALIZED);
}

/* --- cases ---------------------------------------------------------------------------------------- */

static void who_asks_gets_it(void **state)
{
	pthread_t thread = begin(41);
	uint64_t ticket = 0;

	(void)state;
	assert_int_equal(asked(&ticket), 41);
	assert_int_equal(told_done(ticket + 1), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(told_done(ticket), CUDA_SUCCESS);
	end(thread);
	assert_int_equal(told_done(ticket), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(funcs->count, 0);
}

static void who_looks_gets_it(void **state)
{
	pthread_t thread;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	for (uint64_t id = 1; id <= 100; id++) {
		thread = begin(id);
		assert_true(state_comes(VG_TURN_HERE));
		assert_int_equal(page->id, id);
		assert_int_equal(page->status, CUDA_SUCCESS);
		assert_int_equal(page->last, 1);
		assert_true(state_move(VG_TURN_HERE, VG_TURN_LOOKS));
		end(thread);
	}
	assert_int_equal(funcs->count, 0);
}

/* The function takes longer than the driver's thread looks. */
static void a_sleeper_is_told(void **state)
{
	pthread_t thread;
	uint64_t ticket;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	thread = begin(7);
	assert_true(state_comes(VG_TURN_SLEEPS));
	assert_int_equal(page->id, 7);
	ticket = page->ticket;
	assert_false(state_move(VG_TURN_HERE, VG_TURN_LOOKS));
	assert_int_equal(told_done(ticket), CUDA_SUCCESS);
	end(thread);
}

/* Several threads of the driver's at once: each gets its turn, in the order of their coming. */
static void one_at_a_time(void **state)
{
	pthread_t first, others[3];
	uint64_t ticket, seen = 0;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	first = begin(1);
	assert_true(state_comes(VG_TURN_HERE));
	for (unsigned int i = 0; i < 3; i++)
		others[i] = begin(2 + i);
	/* Who asks meanwhile gets one of the others. */
	ticket = 0;
	seen |= UINT64_C(1) << asked(&ticket);
	assert_int_equal(told_done(ticket), CUDA_SUCCESS);
	assert_int_equal(page->id, 1);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(state_move(VG_TURN_HERE, VG_TURN_LOOKS));
		if (i < 2) {
			assert_true(state_comes(VG_TURN_HERE));
			seen |= UINT64_C(1) << page->id;
		}
	}
	end(first);
	for (unsigned int i = 0; i < 3; i++)
		end(others[i]);
	assert_int_equal(seen, 1u << 2 | 1u << 3 | 1u << 4);
	assert_int_equal(funcs->count, 0);
}

/* What a guest writes there ends at most its own function's turn. */
static void nonsense_ends_the_turn(void **state)
{
	pthread_t thread;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	thread = begin(9);
	assert_true(state_comes(VG_TURN_HERE));
	page->ticket = UINT64_MAX;
	page->id = UINT64_MAX;
	state_set(77);
	end(thread);
	state_set(VG_TURN_SLEEPS); /* without having been given one */
	thread = begin(10);
	assert_int_equal(asked(&page->ticket), 10);
	assert_int_equal(told_done(page->ticket), CUDA_SUCCESS);
	end(thread);
}

static void *lane_goes(void *arg)
{
	ex_host_funcs_page_gone(funcs, page);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

/* A lane's pages are not unmapped under a thread that looks at them. */
static void the_page_stays_while_looked_at(void **state)
{
	atomic_bool gone = false;
	pthread_t thread, going;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	thread = begin(3);
	assert_true(state_comes(VG_TURN_HERE));
	assert_int_equal(pthread_create(&going, NULL, lane_goes, &gone), 0);
	usleep(50000);
	assert_false(atomic_load(&gone));
	state_set(VG_TURN_LOOKS);
	end(thread);
	end(going);
	/* Nobody uses it from now on, whatever it says. */
	thread = begin(4);
	usleep(10000);
	assert_int_equal(page->state, VG_TURN_LOOKS);
	ex_host_funcs_end(funcs);
	end(thread);
}

static void the_end_lets_all_go(void **state)
{
	pthread_t looking, queued;

	(void)state;
	ask_in_vain();
	state_set(VG_TURN_LOOKS);
	looking = begin(1);
	assert_true(state_comes(VG_TURN_SLEEPS));
	queued = begin(2);
	ex_host_funcs_end(funcs);
	end(looking);
	end(queued);
	assert_int_equal(funcs->count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_asks_gets_it, setup, teardown),
		cmocka_unit_test_setup_teardown(who_looks_gets_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleeper_is_told, setup_short, teardown),
		cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_ends_the_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(the_page_stays_while_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_lets_all_go, setup_short, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
