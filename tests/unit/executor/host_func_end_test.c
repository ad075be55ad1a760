/* SPDX-License-Identifier: MIT */
/* Host functions that will not be run: the guest, which keeps them, is told so. Waits for their turns and their ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "protocol/session_info.h"
#include "dom0-executor/calls.h"
#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define NO_STREAM vg_handle_make(VG_HANDLE_CUstream, 1, 77)
#define ON_LEGACY (uint64_t)(uintptr_t) CU_STREAM_LEGACY

static struct harness harness;
static CUresult driver_answer;
static CUhostFn driver_func;
static void *driver_data;

static CUresult launch_host_func(CUstream stream, CUhostFn fn, void *data)
{
	(void)stream;
	driver_func = fn;
	driver_data = data;
	return driver_answer;
}

static int setup(void **state)
{
	*state = &harness;
	fake_driver_install(0);
	ex_driver.cuLaunchHostFunc = launch_host_func;
	driver_answer = CUDA_SUCCESS;
	harness_open(&harness, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&harness);
	fake_driver_reset();
	return 0;
}

static void submit(struct harness *h, uint16_t flags, uint64_t stream, uint64_t id)
{
	struct vg_args_vgHostFunc args = {.stream = stream, .id = id, .kind = VG_HOST_FUNC};

	assert_true(harness_command(h, VG_OP_vgHostFunc, flags, &args, sizeof(args), NULL, 0));
	harness_run(h);
	assert_string_equal(harness_breach(h), "");
}

/* False: there is none. */
static bool next(struct harness *h, struct vg_ret_vgHostFuncWait *turn)
{
	struct vg_reply head;

	assert_true(harness_command(h, VG_OP_vgHostFuncWait, 0, NULL, 0, NULL, 0));
	harness_run(h);
	assert_true(harness_reply(h, &head, turn, sizeof(*turn)));
	return head.result == CUDA_SUCCESS;
}

static int done(struct harness *h, uint64_t ticket)
{
	struct vg_args_vgHostFuncDone args = {.ticket = ticket};
	struct vg_reply head;

	assert_true(harness_command(h, VG_OP_vgHostFuncDone, 0, &args, sizeof(args), NULL, 0));
	harness_run(h);
	assert_true(harness_reply(h, &head, NULL, 0));
	return head.result;
}

static void expect_none(struct harness *h, uint64_t id)
{
	struct vg_ret_vgHostFuncWait turn;

	assert_true(next(h, &turn));
	assert_int_equal(turn.id, id);
	assert_int_equal(turn.last, VG_HOST_TURN_NONE);
	assert_int_equal(done(h, turn.ticket), CUDA_SUCCESS);
	assert_int_equal(done(h, turn.ticket), CUDA_ERROR_INVALID_VALUE);
	assert_false(next(h, &turn));
	assert_int_equal(h->session.host_funcs.posted, 0);
	assert_int_equal(h->session.host_funcs.count, 0);
}

static void refused_by_the_driver(void **state)
{
	driver_answer = CUDA_ERROR_ILLEGAL_ADDRESS;
	submit(*state, VG_CMD_ASYNC, ON_LEGACY, 42);
	assert_non_null(driver_func);
	assert_int_equal(harness.lane->shared->error_result, CUDA_ERROR_ILLEGAL_ADDRESS);
	expect_none(*state, 42);
}

/* It does not even get to the call's own half. */
static void refused_for_its_stream(void **state)
{
	driver_func = NULL;
	submit(*state, VG_CMD_ASYNC, NO_STREAM, 43);
	assert_null(driver_func);
	expect_none(*state, 43);
}

/* The answer tells it. */
static void synchronous_ones_are_answered(void **state)
{
	struct vg_ret_vgHostFuncWait turn;
	struct vg_reply head;

	submit(*state, 0, NO_STREAM, 44);
	assert_true(harness_reply(*state, &head, NULL, 0));
	assert_int_not_equal(head.result, CUDA_SUCCESS);
	assert_false(next(*state, &turn));
}

static void accepted_ones_come_by_themselves(void **state)
{
	struct vg_ret_vgHostFuncWait turn;
	struct harness *h = *state;

	submit(h, VG_CMD_ASYNC, ON_LEGACY, 45);
	assert_int_equal(h->session.host_funcs.count, 1);
	assert_false(next(h, &turn));
	/* Nobody ends it: the session is over. */
	ex_host_funcs_end(&h->session.host_funcs);
	driver_func(driver_data);
	assert_int_equal(h->session.host_funcs.count, 0);
}

/* A guest that fails on purpose and never listens costs no more than that. */
static void who_does_not_listen(void **state)
{
	struct harness *h = *state;
	struct vg_ret_vgHostFuncWait turn;

	for (uint64_t i = 0; i < EX_HOST_FUNCS_MAX + 10; i++)
		submit(h, VG_CMD_ASYNC, NO_STREAM, i);
	assert_int_equal(h->session.host_funcs.posted, EX_HOST_FUNCS_MAX);
	/* None is taken until it has listened. */
	driver_func = NULL;
	submit(h, VG_CMD_ASYNC, ON_LEGACY, 1);
	assert_null(driver_func);
	assert_true(next(h, &turn));
	assert_int_equal(turn.id, 0);
	assert_int_equal(done(h, turn.ticket), CUDA_SUCCESS);
	submit(h, VG_CMD_ASYNC, ON_LEGACY, 2);
	assert_non_null(driver_func);
	ex_host_funcs_end(&h->session.host_funcs);
	driver_func(driver_data);
}

/* --- the end of a wait ---------------------------------------------------------------------------- */

static void *lane_thread(void *arg)
{
	ex_lane_run(((struct harness *)arg)->lane);
	return NULL;
}

static void expect_end(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(pthread_timedjoin_np(thread, NULL, &until), 0);
}

/* Whether it is stopped before it looks, while it does, or when it sleeps: nobody else would wake it. */
static void a_lane_that_waits_is_stopped(void **state)
{
	struct harness *h = *state;
	struct vg_reply head;
	pthread_t thread;

	for (unsigned int i = 0; i < 200; i++) {
		atomic_store(&h->lane->stop, false);
		assert_true(harness_command(h, VG_OP_vgHostFuncWait, 0, NULL, 0, NULL, 0));
		vg_producer_publish(&h->commands);
		assert_int_equal(pthread_create(&thread, NULL, lane_thread, h), 0);
		if (i % 10 == 0)
			usleep(5000);
		else
			usleep(i);
		ex_lane_stop(h->lane);
		expect_end(thread);
		assert_true(harness_reply(h, &head, NULL, 0));
		assert_int_equal(head.result, CUDA_ERROR_DEINITIALIZED);
	}
}

/* A thread of the driver's whose function the guest never ends. */
static void *driver_thread(void *arg)
{
	(void)arg;
	driver_func(driver_data);
	return NULL;
}

static void a_function_waits_until_the_end(void **state)
{
	struct vg_ret_vgHostFuncWait turn;
	struct harness *h = *state;
	pthread_t thread;

	submit(h, VG_CMD_ASYNC, ON_LEGACY, 46);
	assert_int_equal(pthread_create(&thread, NULL, driver_thread, NULL), 0);
	while (!next(h, &turn))
		usleep(100);
	assert_int_equal(turn.id, 46);
	assert_int_equal(turn.last, VG_HOST_TURN_LAST);
	usleep(5000);
	ex_host_funcs_end(&h->session.host_funcs);
	expect_end(thread);
	assert_int_equal(h->session.host_funcs.count, 0);
}

int main(void)
{
#define WITH_LANE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_LANE(refused_by_the_driver),
		WITH_LANE(refused_for_its_stream),
		WITH_LANE(synchronous_ones_are_answered),
		WITH_LANE(accepted_ones_come_by_themselves),
		WITH_LANE(who_does_not_listen),
		WITH_LANE(a_lane_that_waits_is_stopped),
		WITH_LANE(a_function_waits_until_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
