/* SPDX-License-Identifier: MIT */
/*
 * What the driver says of errors, kept by lane: bounded, only of commands that fail, without the lines about
 * the call itself, and void for who begins to listen later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire.h"

#include "dom0-executor/calls.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

static struct harness h;

/* --- the driver --------------------------------------------------------------------------------- */

static CUlogsCallback tell; /* the executor's */
static unsigned int lines;  /* that the next call says */
static size_t line_length;
static CUresult answers;

static CUresult logs_register(CUlogsCallback callback, void *user, CUlogsCallbackHandle *handle)
{
	(void)user, (void)handle;
	tell = callback;
	return CUDA_SUCCESS;
}

/* Any call will do. */
static CUresult profiler_start(void)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	for (unsigned int i = 0; i < lines; i++)
		tell(NULL, CU_LOG_LEVEL_WARNING, text, line_length);
	memcpy(text, "Returning 1", sizeof("Returning 1"));
	tell(NULL, CU_LOG_LEVEL_ERROR, text, 20);
	tell(NULL, CU_LOG_LEVEL_ERROR, NULL, 20);
	return answers;
}

static int setup(void **state)
{
	(void)state;
	fake_driver_install(0);
	ex_driver.cuLogsRegisterCallback = logs_register;
	ex_driver.cuProfilerStart = profiler_start;
	harness_open(&h, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&h);
	fake_driver_reset();
	return 0;
}

/* --- the guest ------------------------------------------------------------------------------------ */

static uint8_t answer[VG_LOG_LINES_MAX + 64];

static int call(uint16_t op, const void *args, size_t size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(&h, op, 0, args, size, NULL, 0));
	harness_run(&h);
	memset(answer, 0, sizeof(answer));
	assert_true(harness_reply(&h, &head, answer, sizeof(answer)));
	assert_string_equal(harness_breach(&h), "");
	return head.result;
}

static void listen(void)
{
	struct vg_args_vgLogsFetch args = {.room_lines = VG_ROOM_NULL};

	assert_int_equal(call(VG_OP_vgLogsFetch, &args, sizeof(args)), CUDA_SUCCESS);
}

/* Bytes of lines. */
static unsigned int fetch(void)
{
	struct vg_args_vgLogsFetch args = {.room = VG_LOG_LINES_MAX,
					   .room_lines = VG_LOG_LINES_MAX};
	struct vg_ret_vgLogsFetch ret;

	assert_int_equal(call(VG_OP_vgLogsFetch, &args, sizeof(args)), CUDA_SUCCESS);
	memcpy(&ret, answer, sizeof(ret));
	memmove(answer, answer + sizeof(ret), sizeof(answer) - sizeof(ret));
	return ret.size;
}

static void call_failing(unsigned int count, size_t length, CUresult result)
{
	lines = count;
	line_length = length;
	answers = result;
	assert_int_equal(call(VG_OP_cuProfilerStart, NULL, 0), result);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
	struct vg_log_line line;

	(void)state;
	listen();
	call_failing(2, 11, CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fetch(), 2 * (sizeof(line) + 16));
	memcpy(&line, answer, sizeof(line));
	assert_int_equal(line.level, CU_LOG_LEVEL_WARNING);
	assert_int_equal(line.length, 11);
	assert_memory_equal(answer + sizeof(line), "xxxxxxxxxxx\0\0\0\0\0", 16);
	assert_int_equal(fetch(), 0);
	/* What is said in a call that goes well is of nobody's call. */
	call_failing(2, 11, CUDA_SUCCESS);
	assert_int_equal(fetch(), 0);
	call_failing(1, 11, CUDA_ERROR_UNKNOWN);
	call_failing(2, 11, CUDA_SUCCESS);
	assert_int_equal(fetch(), sizeof(line) + 16);
}

static void test_bounds(void **state)
{
	struct vg_log_line line;
	unsigned int size;

	(void)state;
	listen();
	call_failing(1, 4000, CUDA_ERROR_UNKNOWN);
	assert_int_equal(fetch(), sizeof(line) + VG_LOG_LINE_MAX);
	for (int i = 0; i < 3; i++)
		call_failing(100, 900, CUDA_ERROR_UNKNOWN);
	size = fetch();
	assert_true(size > VG_LOG_LINES_MAX - 1000 && size <= VG_LOG_LINES_MAX);
}

static void test_listeners(void **state)
{
	struct vg_args_vgLogsFetch small = {.room = 8, .room_lines = 8};

	(void)state;
	listen();
	call_failing(1, 11, CUDA_ERROR_UNKNOWN);
	assert_int_equal(call(VG_OP_vgLogsFetch, &small, sizeof(small)), CUDA_ERROR_INVALID_VALUE);
	listen();
	assert_int_equal(fetch(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listeners, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
