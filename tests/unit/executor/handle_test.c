/* SPDX-License-Identifier: MIT */
/* The table of handles: who may mint what, generations, parents, counting, growth, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dom0-executor/handle.h"

static struct ex_handles table;
static unsigned int dropped_count;
static uint64_t dropped_last;

static void note_dropped(void *context, enum vg_handle_type type, uint64_t handle, void *real,
			 void *cookie)
{
	(void)context, (void)type, (void)real, (void)cookie;
	dropped_count++;
	dropped_last = handle;
}

static int setup(void **state)
{
	(void)state;
	dropped_count = 0;
	if (ex_handles_init(&table))
		return -1;
	table.dropped = note_dropped;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ex_handles_dispose(&table);
	return 0;
}

static void *real(uintptr_t number)
{
	return (void *)(number << 4);
}

static void test_put_and_get(void **state)
{
	uint64_t handle = ex_handles_put(&table, VG_HANDLE_CUmodule, real(1), 0);
	void *found = NULL;

	(void)state;
	assert_true(vg_handle_well_formed(handle));
	assert_int_equal(vg_handle_type(handle), VG_HANDLE_CUmodule);
	assert_true(vg_handle_slot(handle) & VG_HANDLE_EXECUTOR);
	assert_int_equal(ex_handles_put(&table, VG_HANDLE_CUmodule, real(1), 0), handle);
	assert_int_not_equal(ex_handles_put(&table, VG_HANDLE_CUlibrary, real(1), 0), handle);
	assert_true(ex_handles_get(&table, VG_HANDLE_CUmodule, handle, &found));
	assert_ptr_equal(found, real(1));
	assert_false(ex_handles_get(&table, VG_HANDLE_CUstream, handle, &found));
	assert_false(ex_handles_get(&table, VG_HANDLE_CUmodule, handle + 16, &found));
	assert_false(ex_handles_get(&table, VG_HANDLE_CUmodule, handle + 1, &found));
	assert_false(ex_handles_get(&table, VG_HANDLE_CUmodule, handle | 1ull << 60, &found));
	assert_int_equal(ex_handles_find(&table, VG_HANDLE_CUmodule, real(1)), handle);
	assert_int_equal(ex_handles_find(&table, VG_HANDLE_CUmodule, real(2)), 0);
}

static void test_kernel_for_function(void **state)
{
	uint64_t kernel = ex_handles_put(&table, VG_HANDLE_CUkernel, real(3), 0);
	void *found;

	(void)state;
	assert_true(ex_handles_get(&table, VG_HANDLE_CUfunction, kernel, &found));
	assert_false(ex_handles_get(&table, VG_HANDLE_CUlibrary, kernel, &found));
}

static void test_bind(void **state)
{
	uint64_t handle = vg_handle_make(VG_HANDLE_CUstream, 7, 1000);
	uint64_t other_generation = vg_handle_make(VG_HANDLE_CUstream, 8, 1000);
	uint64_t executors = vg_handle_make(VG_HANDLE_CUstream, 7, 5 | VG_HANDLE_EXECUTOR);
	void *found;

	(void)state;
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, handle, real(1), 0), 0);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, handle, real(2), 0), -EEXIST);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, other_generation, real(2), 0),
			 -EEXIST);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUevent, handle, real(2), 0), -EINVAL);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, executors, real(2), 0),
			 -EINVAL);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, handle | 8, real(2), 0),
			 -EINVAL);
	ex_handles_drop(&table, VG_HANDLE_CUstream, other_generation);
	assert_true(ex_handles_get(&table, VG_HANDLE_CUstream, handle, &found));
	ex_handles_drop(&table, VG_HANDLE_CUstream, handle);
	assert_false(ex_handles_get(&table, VG_HANDLE_CUstream, handle, &found));
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUstream, other_generation, real(2), 0),
			 0);
	assert_false(ex_handles_get(&table, VG_HANDLE_CUstream, handle, &found));
}

static void test_generations(void **state)
{
	uint64_t first = ex_handles_put(&table, VG_HANDLE_CUevent, real(1), 0), again = 0;
	void *found;

	(void)state;
	ex_handles_drop(&table, VG_HANDLE_CUevent, first);
	/* Until the node is used again; the oldest free one goes first. */
	for (int i = 0; i < 1000 && vg_handle_slot(again) != vg_handle_slot(first); i++) {
		again = ex_handles_put(&table, VG_HANDLE_CUevent, real(2), 0);
		ex_handles_drop(&table, VG_HANDLE_CUevent, again);
	}
	assert_int_equal(vg_handle_slot(again), vg_handle_slot(first));
	assert_int_not_equal(again, first);
	assert_false(ex_handles_get(&table, VG_HANDLE_CUevent, first, &found));
}

static void test_children(void **state)
{
	uint64_t context = ex_handles_put(&table, VG_HANDLE_CUcontext, real(1), 0);
	uint64_t module = ex_handles_put(&table, VG_HANDLE_CUmodule, real(2), context);
	uint64_t function = ex_handles_put(&table, VG_HANDLE_CUfunction, real(3), module);
	uint64_t other = ex_handles_put(&table, VG_HANDLE_CUfunction, real(4), module);
	uint64_t stream = ex_handles_put(&table, VG_HANDLE_CUstream, real(5), context);
	void *found;

	(void)state;
	ex_handles_drop(&table, VG_HANDLE_CUfunction, other);
	assert_int_equal(dropped_count, 1);
	ex_handles_drop(&table, VG_HANDLE_CUmodule, module);
	assert_int_equal(dropped_count, 3);
	assert_int_equal(dropped_last, module);
	assert_false(ex_handles_get(&table, VG_HANDLE_CUfunction, function, &found));
	assert_true(ex_handles_get(&table, VG_HANDLE_CUstream, stream, &found));
	ex_handles_drop(&table, VG_HANDLE_CUcontext, context);
	assert_int_equal(ex_handles_live(&table), 0);
	assert_int_equal(dropped_last, context);
	/* Of a parent that is no more: stands alone. */
	assert_int_not_equal(ex_handles_put(&table, VG_HANDLE_CUmodule, real(6), context), 0);
}

static void test_hold(void **state)
{
	enum vg_handle_type type = VG_HANDLE_CUmemGenericAllocationHandle;
	uint64_t handle = ex_handles_put(&table, type, real(1), 0);
	int cookie;

	(void)state;
	ex_handles_set_cookie(&table, type, handle, &cookie);
	assert_ptr_equal(ex_handles_cookie(&table, type, handle), &cookie);
	assert_true(ex_handles_hold(&table, type, handle));
	ex_handles_drop(&table, type, handle);
	assert_int_equal(ex_handles_live(&table), 1);
	ex_handles_drop(&table, type, handle);
	assert_int_equal(ex_handles_live(&table), 0);
	assert_false(ex_handles_hold(&table, type, handle));
}

static void test_growth(void **state)
{
	const unsigned int many = 50000;
	void *found;

	(void)state;
	for (unsigned int i = 0; i < many; i++) {
		uint64_t handle = vg_handle_make(VG_HANDLE_CUevent, 1, i * 100 % VG_HANDLE_SLOTS);

		assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUevent, handle, real(i + 1), 0),
				 0);
	}
	for (unsigned int i = 0; i < many; i++) {
		uint64_t handle = vg_handle_make(VG_HANDLE_CUevent, 1, i * 100 % VG_HANDLE_SLOTS);

		assert_true(ex_handles_get(&table, VG_HANDLE_CUevent, handle, &found));
		assert_ptr_equal(found, real(i + 1));
		ex_handles_drop(&table, VG_HANDLE_CUevent, handle);
	}
	assert_int_equal(ex_handles_live(&table), 0);
}

static void test_bound(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= EX_HANDLES_MAX; i++)
		if (!ex_handles_put(&table, VG_HANDLE_CUevent, real(i), 0))
			fail_msg("full at %u", i);
	assert_int_equal(ex_handles_put(&table, VG_HANDLE_CUevent, real(EX_HANDLES_MAX + 1), 0), 0);
	assert_int_equal(ex_handles_bind(&table, VG_HANDLE_CUevent,
					 vg_handle_make(VG_HANDLE_CUevent, 1, 1), real(0), 0),
			 -ENOMEM);
}

static void test_swap(void **state)
{
	uint64_t a = ex_handles_put(&table, VG_HANDLE_CUlibrary, real(1), 0);
	uint64_t b = ex_handles_put(&table, VG_HANDLE_CUlibrary, real(2), 0);
	uint64_t other = ex_handles_put(&table, VG_HANDLE_CUmodule, real(3), 0);
	void *found = NULL;

	(void)state;
	ex_handles_set_cookie(&table, VG_HANDLE_CUlibrary, a, real(11));
	assert_true(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, b));
	assert_true(ex_handles_get(&table, VG_HANDLE_CUlibrary, a, &found));
	assert_ptr_equal(found, real(2));
	assert_true(ex_handles_get(&table, VG_HANDLE_CUlibrary, b, &found));
	assert_ptr_equal(found, real(1));
	assert_int_equal(ex_handles_find(&table, VG_HANDLE_CUlibrary, real(1)), b);
	assert_int_equal(ex_handles_find(&table, VG_HANDLE_CUlibrary, real(2)), a);
	assert_null(ex_handles_cookie(&table, VG_HANDLE_CUlibrary, a));
	assert_ptr_equal(ex_handles_cookie(&table, VG_HANDLE_CUlibrary, b), real(11));
	/* Not with itself, another type, what is not there, or a parent. */
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, a));
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, other));
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, other, a));
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, 0));
	ex_handles_put(&table, VG_HANDLE_CUkernel, real(4), b);
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, b));
	ex_handles_drop(&table, VG_HANDLE_CUlibrary, b);
	assert_false(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, b));
	ex_handles_drop(&table, VG_HANDLE_CUlibrary, a);
	ex_handles_drop(&table, VG_HANDLE_CUmodule, other);
	assert_int_equal(ex_handles_live(&table), 0);
}

/* What a lane remembers must not outlive the handle, nor what it stands for. */
static void test_recent(void **state)
{
	struct ex_handles_recent recent = {0};
	uint64_t a = ex_handles_put(&table, VG_HANDLE_CUlibrary, real(1), 0);
	uint64_t b = ex_handles_put(&table, VG_HANDLE_CUlibrary, real(2), 0);
	uint64_t c = ex_handles_put(&table, VG_HANDLE_CUkernel, real(3), b);
	void *found = NULL;

	(void)state;
	for (int again = 0; again < 2; again++) {
		assert_true(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUlibrary, a, &found));
		assert_ptr_equal(found, real(1));
		assert_false(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUmodule, a, &found));
		assert_false(
			ex_handles_get_recent(&table, &recent, VG_HANDLE_CUlibrary, 0, &found));
		assert_true(
			ex_handles_get_recent(&table, &recent, VG_HANDLE_CUfunction, c, &found));
		assert_ptr_equal(found, real(3));
	}
	/* With the parent. */
	ex_handles_drop(&table, VG_HANDLE_CUlibrary, b);
	assert_false(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUkernel, c, &found));
	assert_false(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUlibrary, b, &found));
	assert_true(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUlibrary, a, &found));
	b = ex_handles_put(&table, VG_HANDLE_CUlibrary, real(4), 0);
	assert_true(ex_handles_swap(&table, VG_HANDLE_CUlibrary, a, b));
	assert_true(ex_handles_get_recent(&table, &recent, VG_HANDLE_CUlibrary, a, &found));
	assert_ptr_equal(found, real(4));
}

static void *worker(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	struct ex_handles_recent recent = {0};

	for (uintptr_t i = 0; i < 3000; i++) {
		uint64_t parent = ex_handles_put(&table, VG_HANDLE_CUmodule, real(i % 7 + 1), 0);
		uint64_t own =
			ex_handles_put(&table, VG_HANDLE_CUfunction, real(me << 20 | i), parent);
		void *found;

		if (ex_handles_get_recent(&table, &recent, VG_HANDLE_CUfunction, own, &found) &&
		    found != real(me << 20 | i))
			return (void *)1;
		if (i % 3 == 0)
			ex_handles_drop(&table, VG_HANDLE_CUmodule, parent);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	void *wrong = NULL;

	(void)state;
	table.dropped = NULL;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	for (uintptr_t i = 1; i <= 7; i++)
		ex_handles_drop(&table, VG_HANDLE_CUmodule,
				ex_handles_find(&table, VG_HANDLE_CUmodule, real(i)));
	for (uintptr_t me = 1; me <= 4; me++)
		for (uintptr_t i = 0; i < 3000; i++)
			ex_handles_drop(&table, VG_HANDLE_CUfunction,
					ex_handles_find(&table, VG_HANDLE_CUfunction,
							real(me << 20 | i)));
	assert_int_equal(ex_handles_live(&table), 0);
}

int main(void)
{
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TABLE(test_put_and_get), WITH_TABLE(test_kernel_for_function),
		WITH_TABLE(test_bind),        WITH_TABLE(test_generations),
		WITH_TABLE(test_children),    WITH_TABLE(test_hold),
		WITH_TABLE(test_growth),      WITH_TABLE(test_bound),
		WITH_TABLE(test_swap),        WITH_TABLE(test_recent),
		WITH_TABLE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
