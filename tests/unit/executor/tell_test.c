/* SPDX-License-Identifier: MIT */
/*
 * Calls in the executor's log: the line of each, the level changed while the session runs, sums of what is carried, the limit.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/crc32.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

static struct harness h;
static int lines[2];
static char text[65536];
static uint64_t answer[1024];

static int setup(void **state)
{
	(void)state;
	if (pipe2(lines, O_NONBLOCK | O_CLOEXEC))
		return -1;
	vg_log_set_fd(lines[1]);
	fake_driver_install(0);
	harness_open(&h, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&h);
	fake_driver_reset();
	close(lines[0]);
	close(lines[1]);
	return 0;
}

/* What was logged since. */
static const char *log_read(void)
{
	ssize_t n = read(lines[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void wanted(const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is not in '%s'", what, text);
}

static int call(uint16_t op, const void *args, size_t size, const void *bulk, size_t bulk_size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(&h, op, 0, args, size, bulk, bulk_size));
	harness_run(&h);
	assert_true(harness_reply(&h, &head, answer, sizeof(answer)));
	return head.result;
}

#define CALL(name, ...)                                                                          \
	call(VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, sizeof(struct vg_args_##name), \
	     NULL, 0)

static void test_level(void **state)
{
	char want[128];

	(void)state;
	log_read();
	vg_log_set_level(&h.session.who, VG_LOG_INFO);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	assert_string_equal(log_read(), "");
	/* While it runs. */
	vg_log_set_level(&h.session.who, VG_LOG_CALL);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 1000), CUDA_SUCCESS);
	log_read();
	wanted("level=call op=cuMemAlloc_v2 lane=0 seq=2 async=0 result=0 us=");
	snprintf(want, sizeof(want), " args=\"bytesize=1000\" ret=\"dptr=%#llx\"\n",
		 (unsigned long long)answer[0]);
	wanted(want);
	assert_int_equal(CALL(cuMemFree_v2, .dptr = 16), CUDA_ERROR_INVALID_VALUE);
	log_read();
	wanted("op=cuMemFree_v2 lane=0 seq=3 async=0 result=1 error=CUDA_ERROR_INVALID_VALUE us=");
	wanted(" args=\"dptr=0x10\" ret=\"\"\n");
	vg_log_set_level(&h.session.who, VG_LOG_WARN);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	assert_string_equal(log_read(), "");
}

/* The bulk part both ways: its size at call, its sum at data; larger than a piece of the ring. */
static void test_bulk(void **state)
{
	const size_t size = 150000;
	uint8_t *data = malloc(size);
	struct vg_args_vgCopyIn in = {.size = size};
	char sum[64];

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = size), CUDA_SUCCESS);
	in.dst = answer[0];
	log_read();
	vg_log_set_level(&h.session.who, VG_LOG_CALL);
	assert_int_equal(call(VG_OP_vgCopyIn, &in, sizeof(in), data, size), CUDA_SUCCESS);
	log_read();
	wanted(" in=150000 args=\"dst=0x");
	assert_null(strstr(text, "crc32"));
	vg_log_set_level(&h.session.who, VG_LOG_DATA);
	assert_int_equal(call(VG_OP_vgCopyIn, &in, sizeof(in), data, size), CUDA_SUCCESS);
	snprintf(sum, sizeof(sum), " in=150000 in_crc32=%08x args=", vg_crc32(0, data, size));
	log_read();
	wanted(sum);
	assert_int_equal(CALL(vgCopyOut, .src = in.dst, .size = size), CUDA_SUCCESS);
	snprintf(sum, sizeof(sum), " out=150000 out_crc32=%08x args=", vg_crc32(0, data, size));
	log_read();
	wanted(sum);
	free(data);
}

static void test_rate(void **state)
{
	unsigned int written = 0;

	(void)state;
	h.session.log_rate = (struct vg_log_rate)VG_LOG_RATE(2);
	vg_log_set_level(&h.session.who, VG_LOG_CALL);
	for (int i = 0; i < 50; i++)
		assert_int_equal(CALL(cuMemFree_v2, .dptr = 16), CUDA_ERROR_INVALID_VALUE);
	log_read();
	for (const char *at = text; (at = strstr(at, "op=cuMemFree_v2")); at++)
		written++;
	assert_in_range(written, 10, 40);
	wanted("event=log-limit rate=2 level=call");
	vg_log_rate_end(&h.session.log_rate, &h.session.who);
	snprintf(text, sizeof(text), "event=log-dropped dropped=%u lines of level call",
		 50 - written);
	char *said = strdup(text);
	log_read();
	wanted(said);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_level, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
