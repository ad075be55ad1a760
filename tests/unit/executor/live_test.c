/* SPDX-License-Identifier: MIT */
/* What a lane says of the command that it is at: its own time, whether it is waited for or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/stats.h"
#include "protocol/wire.h"

static void every_command_has_its_time(void **state)
{
	struct vg_cmd cmd = {.op = 7, .args_size = 24};
	struct vg_live_lane live = {0};
	uint64_t first;

	(void)state;
	ex_live_begin(&live, &cmd, 1);
	first = live.begun;
	assert_true(first != 0);
	ex_live_end(&live, 1);
	usleep(50000);
	cmd.flags = VG_CMD_ASYNC;
	ex_live_begin(&live, &cmd, 2);
	assert_true(live.begun >= first + 20);
	assert_int_equal(live.number, 2);
	assert_int_equal(live.done, 1);
	assert_int_equal(live.op, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_command_has_its_time)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
