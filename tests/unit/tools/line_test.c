/* SPDX-License-Identifier: MIT */
/* A line of xen-vgpud's that comes in pieces, is long, is cut off, or has no end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/line.h"

static struct vgpu_line line;
static int ends[2];

static int setup(void **state)
{
	(void)state;
	line = (struct vgpu_line){0};
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int teardown(void **state)
{
	(void)state;
	vgpu_line_dispose(&line);
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

static void say(const char *text)
{
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
}

static int receive(void)
{
	return vgpu_line_receive(&line, ends[0]);
}

static void in_pieces(void **state)
{
	(void)state;
	assert_int_equal(receive(), EAGAIN);
	say("{\"ok\":");
	assert_int_equal(receive(), EAGAIN);
	say("true}\n");
	assert_int_equal(receive(), 0);
	assert_string_equal(line.text, "{\"ok\":true}");
}

static void one_after_another(void **state)
{
	(void)state;
	say("a long one\n");
	assert_int_equal(receive(), 0);
	vgpu_line_reset(&line);
	assert_int_equal(receive(), EAGAIN);
	say("b\n");
	assert_int_equal(receive(), 0);
	assert_string_equal(line.text, "b");
}

/* Several times what it has room for at first. */
static void long_one(void **state)
{
	static char block[50001];
	int rc = EAGAIN;

	(void)state;
	memset(block, 'x', sizeof(block) - 1);
	for (int i = 0; i < 10; i++) {
		say(block);
		rc = receive();
		assert_int_equal(rc, EAGAIN);
	}
	say("\n");
	assert_int_equal(receive(), 0);
	assert_int_equal(strlen(line.text), 10 * (sizeof(block) - 1));
}

static void cut_off(void **state)
{
	(void)state;
	say("half");
	close(ends[1]);
	ends[1] = -1;
	assert_int_equal(receive(), EPIPE);
}

static void without_end(void **state)
{
	static char block[65537];
	size_t sent = 0;
	int rc = EAGAIN;

	(void)state;
	memset(block, 'x', sizeof(block) - 1);
	while (rc == EAGAIN && sent < ((size_t)128 << 20)) {
		say(block);
		sent += sizeof(block) - 1;
		rc = receive();
	}
	assert_int_equal(rc, ENOMEM);
	assert_in_range(sent, (size_t)60 << 20, (size_t)66 << 20);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(in_pieces), CASE(one_after_another), CASE(long_one),
		CASE(cut_off),   CASE(without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
