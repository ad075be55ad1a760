/* SPDX-License-Identifier: MIT */
/* Looking before sleeping: what is learned, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/spin.h"

#define MOST_NS 200000u

/* So that what else runs on the machine does not end in a rest. */
static void slept(struct vg_spin *spin, uint64_t ns)
{
	spin->preempted = -1;
	vg_spin_slept(spin, ns);
}

static void learns(void **state)
{
	struct vg_spin spin;
	uint32_t begin;

	(void)state;
	vg_spin_init_apart(&spin, MOST_NS);
	begin = vg_spin_looks(&spin);
	assert_true(begin > 0 && begin <= spin.most && spin.least > 0);
	assert_true(vg_spin_learns(&spin));
	slept(&spin, MOST_NS / 2);
	assert_true(vg_spin_looks(&spin) > begin);
	for (int i = 0; i < 40; i++)
		slept(&spin, 1000);
	assert_int_equal(vg_spin_looks(&spin), spin.most);
	for (int i = 0; i < 40; i++)
		slept(&spin, 50 * MOST_NS);
	assert_int_equal(vg_spin_looks(&spin), spin.least);
	slept(&spin, MOST_NS / 2);
	assert_true(vg_spin_looks(&spin) > spin.least);
}

static void rests_when_others_wait(void **state)
{
	struct vg_spin spin;
	unsigned int rests = 0;
	uint32_t looks;

	(void)state;
	vg_spin_init_apart(&spin, MOST_NS);
	looks = vg_spin_looks(&spin);
	/* As if this thread had been made to give way since. */
	spin.preempted = 0;
	vg_spin_slept(&spin, 1000);
	if (!spin.resting) { /* it never has been, so far */
		assert_true(spin.preempted == 0);
		spin.resting = 3;
	}
	assert_int_equal(vg_spin_looks(&spin), 0);
	while (!vg_spin_looks(&spin) && rests < 1000) {
		vg_spin_slept(&spin, 1000);
		rests++;
	}
	assert_true(rests > 0 && rests < 1000);
	assert_true(vg_spin_looks(&spin) >= looks);
}

static void fixed_is_fixed(void **state)
{
	struct vg_spin spin;

	(void)state;
	vg_spin_fix(&spin, 17);
	assert_false(vg_spin_learns(&spin));
	vg_spin_slept(&spin, 1);
	vg_spin_slept(&spin, UINT64_MAX);
	assert_int_equal(vg_spin_looks(&spin), 17);
	vg_spin_fix_ns(&spin, 0);
	assert_int_equal(vg_spin_looks(&spin), 0);
	vg_spin_fix_ns(&spin, MOST_NS);
	assert_true(vg_spin_looks(&spin) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(learns),
		cmocka_unit_test(rests_when_others_wait),
		cmocka_unit_test(fixed_is_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
