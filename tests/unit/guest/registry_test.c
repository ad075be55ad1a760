/* SPDX-License-Identifier: MIT */
/*
 * The guest's registries: handles (reuse, staleness, data) and address ranges.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/handle.h"
#include "xen-frontend/libcuda/memory.h"

static void handles_are_typed(void **state)
{
	uint64_t stream = fe_handle_mint(VG_HANDLE_CUstream);
	uint64_t kernel = fe_handle_mint(VG_HANDLE_CUkernel);

	(void)state;
	assert_int_equal(fe_handle_check(VG_HANDLE_CUstream, stream, 0), CUDA_SUCCESS);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUevent, stream, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUcontext, stream, 0),
			 CUDA_ERROR_INVALID_CONTEXT);
	/* A kernel may stand for a function, not the other way round. */
	assert_int_equal(fe_handle_check(VG_HANDLE_CUfunction, kernel, 0), CUDA_SUCCESS);
	fe_handle_drop(VG_HANDLE_CUstream, stream);
	fe_handle_drop(VG_HANDLE_CUkernel, kernel);
}

static void special_values_pass(void **state)
{
	(void)state;
	for (uint64_t value = 0; value <= 2; value++)
		assert_int_equal(fe_handle_check(VG_HANDLE_CUstream, value, 0), CUDA_SUCCESS);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUstream, 3, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUevent, 0, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUevent, 0, FE_NULL_OK), CUDA_SUCCESS);
	fe_handle_drop(VG_HANDLE_CUstream, 2);
}

static void stale_handles_stay_stale(void **state)
{
	uint64_t first = fe_handle_mint(VG_HANDLE_CUevent);

	(void)state;
	fe_handle_drop(VG_HANDLE_CUevent, first);
	for (int i = 0; i < 5000; i++) {
		uint64_t again = fe_handle_mint(VG_HANDLE_CUevent);

		assert_true(again != first);
		assert_int_equal(fe_handle_check(VG_HANDLE_CUevent, first, 0),
				 CUDA_ERROR_CONTEXT_IS_DESTROYED);
		fe_handle_drop(VG_HANDLE_CUevent, again);
	}
}

static void handles_look_like_addresses(void **state)
{
	uint64_t handle = fe_handle_mint(VG_HANDLE_CUgraph);

	(void)state;
	assert_int_equal(handle & 15, 0);
	assert_int_equal(handle >> 47, 0);
	assert_int_equal(vg_handle_type(handle), VG_HANDLE_CUgraph);
	assert_false(vg_handle_slot(handle) & VG_HANDLE_EXECUTOR);
	fe_handle_drop(VG_HANDLE_CUgraph, handle);
}

static void the_executors_are_noted(void **state)
{
	uint64_t theirs = vg_handle_make(VG_HANDLE_CUmodule, 5, VG_HANDLE_EXECUTOR | 77);
	uint64_t next = vg_handle_make(VG_HANDLE_CUmodule, 6, VG_HANDLE_EXECUTOR | 77);
	void *data = malloc(8);

	(void)state;
	assert_int_equal(fe_handle_check(VG_HANDLE_CUmodule, theirs, 0), CUDA_ERROR_INVALID_HANDLE);
	fe_handle_note(VG_HANDLE_CUmodule, theirs);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUmodule, theirs, 0), CUDA_SUCCESS);
	assert_ptr_equal(fe_handle_set_data(theirs, data), data);
	assert_ptr_equal(fe_handle_set_data(theirs, state), data);
	assert_ptr_equal(fe_handle_data(theirs), data);
	/* The slot used again over there: the old one is stale, its data gone. */
	fe_handle_note(VG_HANDLE_CUmodule, next);
	assert_int_equal(fe_handle_check(VG_HANDLE_CUmodule, theirs, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_null(fe_handle_data(next));
	/* A note of the wrong type, or of one that is ours to mint, says nothing. */
	fe_handle_note(VG_HANDLE_CUevent,
		       vg_handle_make(VG_HANDLE_CUmodule, 1, VG_HANDLE_EXECUTOR | 9));
	assert_int_equal(
		fe_handle_check(VG_HANDLE_CUmodule,
				vg_handle_make(VG_HANDLE_CUmodule, 1, VG_HANDLE_EXECUTOR | 9), 0),
		CUDA_ERROR_INVALID_HANDLE);
	fe_handle_drop(VG_HANDLE_CUmodule, next);
}

static void nothing_survives_a_fork(void **state)
{
	uint64_t before = fe_handle_mint(VG_HANDLE_CUarray), after;

	(void)state;
	fe_handle_reset();
	assert_int_equal(fe_handle_check(VG_HANDLE_CUarray, before, 0),
			 CUDA_ERROR_CONTEXT_IS_DESTROYED);
	after = fe_handle_mint(VG_HANDLE_CUarray);
	assert_true(after != before);
	fe_handle_drop(VG_HANDLE_CUarray, after);
}

static struct fe_range range(uint64_t base, uint64_t size, enum fe_range_kind kind)
{
	return (struct fe_range){.base = base, .size = size, .kind = kind};
}

static int add(uint64_t base, uint64_t size, enum fe_range_kind kind)
{
	struct fe_range r = range(base, size, kind);

	return fe_range_add(&r);
}

static void ranges_are_found(void **state)
{
	struct fe_range found;

	(void)state;
	assert_int_equal(add(0x3000, 0x1000, FE_RANGE_DEVICE), 0);
	assert_int_equal(add(0x1000, 0x1000, FE_RANGE_PINNED), 0);
	assert_int_equal(add(0x2000, 0x1000, FE_RANGE_DEVICE), 0);
	assert_true(fe_range_find(0x1fff, &found));
	assert_int_equal(found.kind, FE_RANGE_PINNED);
	assert_true(fe_range_find(0x2000, &found));
	assert_int_equal(found.base, 0x2000);
	assert_false(fe_range_find(0xfff, &found));
	assert_false(fe_range_find(0x4000, &found));
	assert_int_equal(add(0x2800, 0x10, FE_RANGE_DEVICE), -EEXIST);
	assert_int_equal(add(0x0, 0x1001, FE_RANGE_DEVICE), -EEXIST);
	fe_range_reset();
}

static void known_is_the_whole_range(void **state)
{
	(void)state;
	add(0x1000, 0x1000, FE_RANGE_DEVICE);
	add(0x2000, 0x1000, FE_RANGE_RESERVED);
	add(0x4000, 0x1000, FE_RANGE_SHADOW);
	assert_true(fe_range_known(0x1000, 0x1000));
	assert_true(fe_range_known(0x1800, 0x1000)); /* side by side */
	assert_false(fe_range_known(0x1000, 0x2001));
	assert_false(fe_range_known(0xfff, 1));
	assert_false(fe_range_known(0x4000, 1)); /* not the device's */
	assert_false(fe_range_known(0x1000, UINT64_MAX));
	assert_false(fe_range_known(UINT64_MAX, 2));
	assert_true(fe_range_known(0x99999, 0));
	fe_range_reset();
}

static void variables_give_way(void **state)
{
	struct fe_range found;

	(void)state;
	add(0x1000, 0x100, FE_RANGE_GLOBAL);
	add(0x1100, 0x100, FE_RANGE_GLOBAL);
	assert_int_equal(add(0x1080, 0x1000, FE_RANGE_DEVICE), 0);
	assert_false(fe_range_find(0x1000, &found));
	assert_true(fe_range_find(0x1100, &found));
	assert_int_equal(found.kind, FE_RANGE_DEVICE);
	fe_range_reset();
}

static void removal_needs_the_base(void **state)
{
	struct fe_range old;

	(void)state;
	add(0x1000, 0x1000, FE_RANGE_DEVICE);
	assert_false(fe_range_remove(0x1001, &old));
	assert_true(fe_range_remove(0x1000, &old));
	assert_int_equal(old.size, 0x1000);
	assert_false(fe_range_remove(0x1000, &old));
	fe_range_reset();
}

static void many_ranges_in_any_order(void **state)
{
	struct fe_range old;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(add(0x10000 + (i * 7919 % 10000) * 64, 64, FE_RANGE_DEVICE), 0);
	assert_true(fe_range_known(0x10000, 10000 * 64));
	assert_true(fe_range_remove(0x10000 + 5000 * 64, &old));
	assert_false(fe_range_known(0x10000, 10000 * 64));
	fe_range_reset();
}

static void each_that_goes_is_told(void **state)
{
	struct fe_range found, mine = range(0, 64, FE_RANGE_MANAGED);
	uint32_t gone = atomic_load(&fe_ranges_gone);

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		add(0x10000 + i * 64, 64, FE_RANGE_GLOBAL);
	/* Those that were variables give way up to the first that does not. */
	assert_int_equal(add(0x10000 + 1000 * 64, 64, FE_RANGE_DEVICE), 0);
	assert_int_equal(add(0x10000 + 600 * 64, 401 * 64, FE_RANGE_DEVICE), -EEXIST);
	assert_int_equal(atomic_load(&fe_ranges_gone), gone + 400);
	assert_true(fe_range_known(0x10000, 600 * 64));
	assert_false(fe_range_find(0x10000 + 600 * 64, &found));
	mine.owner = 7;
	for (uint64_t i = 600; i < 610; i++) {
		mine.base = 0x10000 + i * 64;
		assert_int_equal(fe_range_add(&mine), 0);
	}
	assert_true(fe_range_managed_from(0x10000, &found));
	assert_int_equal(found.base, 0x10000 + 600 * 64);
	for (int i = 0; i < 10; i++)
		assert_true(fe_range_remove_owned(7, &found));
	assert_int_equal(found.base, mine.base);
	assert_false(fe_range_remove_owned(7, &found));
	assert_false(fe_range_managed_from(0x10000, &found));
	assert_int_equal(atomic_load(&fe_ranges_gone), gone + 410);
	fe_range_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_are_typed),
		cmocka_unit_test(special_values_pass),
		cmocka_unit_test(stale_handles_stay_stale),
		cmocka_unit_test(handles_look_like_addresses),
		cmocka_unit_test(the_executors_are_noted),
		cmocka_unit_test(nothing_survives_a_fork),
		cmocka_unit_test(ranges_are_found),
		cmocka_unit_test(known_is_the_whole_range),
		cmocka_unit_test(variables_give_way),
		cmocka_unit_test(removal_needs_the_base),
		cmocka_unit_test(many_ranges_in_any_order),
		cmocka_unit_test(each_that_goes_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
