/* SPDX-License-Identifier: MIT */
/* Looking before sleeping where the clock stands still while a look is measured: as long as usual, not without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "protocol/spin.h"

#define MOST_NS 100000u

/* In the place of libc's. */
int standing_gettime(clockid_t clock, struct timespec *now) __asm__("clock_gettime");
int standing_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){.tv_sec = 1};
	return 0;
}

static void standing_clock(void **state)
{
	struct vg_spin spin;

	(void)state;
	vg_spin_init_apart(&spin, MOST_NS);
	assert_true(spin.most > 0 && spin.most < MOST_NS);
	assert_true(spin.least < spin.most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(standing_clock)};

	return cmocka_run_group_tests_name("spin_clock", tests, NULL, NULL);
}
