/* SPDX-License-Identifier: MIT */
/* The stack of contexts, primary contexts and what is stored with them, against a fake executor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "xen-frontend/libcuda/calls.h"

#include "tests/unit/libcuda/fake.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/context_storage.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/stream.h"

static int setup(void **state)
{
	(void)state;
	fake_reset(2);
	return 0;
}

static CUcontext created(CUdevice dev)
{
	CUcontext ctx = NULL;

	assert_int_equal(fe_cuCtxCreate_v2(&ctx, 0, dev), CUDA_SUCCESS);
	assert_non_null(ctx);
	return ctx;
}

static CUcontext retained(CUdevice dev)
{
	CUcontext ctx = NULL;

	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, dev), CUDA_SUCCESS);
	assert_non_null(ctx);
	return ctx;
}

static CUcontext current(void)
{
	CUcontext ctx = (CUcontext)1;

	assert_int_equal(fe_cuCtxGetCurrent(&ctx), CUDA_SUCCESS);
	return ctx;
}

static void none_at_first(void **state)
{
	CUcontext popped;
	CUdevice dev;
	uint64_t sent = 0;

	(void)state;
	assert_null(current());
	assert_int_equal(fe_cuCtxGetDevice(&dev), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxPopCurrent_v2(&popped), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_context_bind(&sent), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxSetCurrent(NULL), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 0);
}

static void stack_order(void **state)
{
	CUcontext a = created(0), b = created(1), popped = NULL;
	CUdevice dev = -1;

	(void)state;
	assert_ptr_equal(current(), b);
	assert_int_equal(fe_cuCtxGetDevice(&dev), CUDA_SUCCESS);
	assert_int_equal(dev, 1);
	assert_int_equal(fe_cuCtxPopCurrent_v2(&popped), CUDA_SUCCESS);
	assert_ptr_equal(popped, b);
	assert_ptr_equal(current(), a);
	assert_int_equal(fe_cuCtxPushCurrent_v2(b), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxPushCurrent_v2(b), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxSetCurrent(a), CUDA_SUCCESS); /* replaces the top */
	assert_ptr_equal(current(), a);
	assert_int_equal(fe_cuCtxSetCurrent(NULL), CUDA_SUCCESS); /* pops */
	assert_ptr_equal(current(), b);
	assert_int_equal(fe_cuCtxPushCurrent_v2((CUcontext)0x1230), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxSetCurrent((CUcontext)0x1230), CUDA_ERROR_INVALID_CONTEXT);
	assert_ptr_equal(current(), b);
	assert_int_equal(fe_cuCtxGetDevice_v2(&dev, a), CUDA_SUCCESS);
	assert_int_equal(dev, 0);
}

static void told_only_when_needed(void **state)
{
	CUcontext a = created(0), b = created(1);
	uint64_t sent = 0;

	(void)state;
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 1);
	assert_int_equal(fake.current, (uint64_t)b);
	assert_int_equal(fake.current_primary, -1);
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 1);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fe_cuCtxSetCurrent(a), CUDA_SUCCESS);
		assert_int_equal(fe_cuCtxSetCurrent(b), CUDA_SUCCESS);
	}
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 1);
	assert_int_equal(fe_cuCtxSetCurrent(a), CUDA_SUCCESS);
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 2);
	assert_int_equal(fake.current, (uint64_t)a);
}

static void *destroyed_in_other_thread(void *arg)
{
	assert_int_equal(fe_cuCtxDestroy_v2(arg), CUDA_SUCCESS);
	return NULL;
}

static void destroy(void **state)
{
	CUcontext a = created(0), b = created(0);
	uint64_t sent = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(fe_cuCtxDestroy_v2(b), CUDA_SUCCESS); /* pops where it is current */
	assert_ptr_equal(current(), a);
	assert_int_equal(fe_cuCtxDestroy_v2(b), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxDestroy_v2(NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(pthread_create(&thread, NULL, destroyed_in_other_thread, a), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* It stays on this thread's stack, and is no more. */
	assert_ptr_equal(current(), a);
	assert_int_equal(fe_context_bind(&sent), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	assert_int_equal(fe_context_check(a), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	assert_int_equal(fake.destroys, 2);
}

static void detach_ends_what_is_no_primary(void **state)
{
	CUcontext ctx = created(0), again = NULL;

	(void)state;
	assert_int_equal(fe_cuCtxAttach(&again, 0), CUDA_SUCCESS);
	assert_ptr_equal(again, ctx);
	assert_int_equal(fe_cuCtxDetach(ctx), CUDA_SUCCESS);
	assert_int_equal(fake.destroys, 0);
	assert_int_equal(fe_cuCtxDetach(ctx), CUDA_SUCCESS);
	assert_int_equal(fake.destroys, 1);
	assert_int_equal(fe_cuCtxDetach(ctx), CUDA_ERROR_INVALID_CONTEXT);
	ctx = retained(0);
	assert_int_equal(fe_cuCtxDetach(ctx), CUDA_ERROR_INVALID_CONTEXT); /* not current */
	assert_int_equal(fe_cuCtxSetCurrent(ctx), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxDetach(ctx), CUDA_SUCCESS);
	assert_int_equal(fake.releases, 0);
}

static void stream_has_its_own(void **state)
{
	CUstream stream = (CUstream)fe_handle_mint(VG_HANDLE_CUstream);
	CUcontext ctx = retained(1), popped;

	(void)state;
	fake.stream_context = ctx;
	assert_false(fe_stream_enter_if_none(NULL));
	assert_false(fe_stream_enter_if_needed(CU_STREAM_PER_THREAD));
	assert_false(fe_stream_enter_if_needed((CUstream)0x1234));
	assert_true(fe_stream_enter_if_needed(stream));
	assert_ptr_equal(current(), ctx);
	fe_context_exit(true);
	assert_null(current());
	/* A thread's own context counts, whichever it is. */
	created(0);
	assert_false(fe_stream_enter_if_needed(stream));
	assert_int_equal(fe_cuCtxPopCurrent_v2(&popped), CUDA_SUCCESS);
	fe_handle_drop(VG_HANDLE_CUstream, (uint64_t)stream);
	assert_false(fe_stream_enter_if_needed(stream));
}

static void none_is_allowed_but_not_a_dead_one(void **state)
{
	CUcontext ctx = retained(0);

	(void)state;
	assert_int_equal(fe_context_allowed(), CUDA_SUCCESS);
	assert_int_equal(fe_context_needed(), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxSetCurrent(ctx), CUDA_SUCCESS);
	assert_int_equal(fe_context_allowed(), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
	assert_int_equal(fe_context_allowed(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

static void primary_before_retain(void **state)
{
	CUcontext early = NULL, ctx;
	unsigned int flags = 99, version = 0;
	int active = 99;
	uint64_t sent = 0;

	(void)state;
	assert_int_equal(fe_context_primary(1, &early), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxGetState(1, &flags, &active), CUDA_SUCCESS);
	assert_int_equal(active, 0);
	assert_int_equal(flags, 0);
	assert_int_equal(fe_cuCtxSetCurrent(early), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxGetApiVersion(early, &version), CUDA_SUCCESS);
	assert_int_equal(fake.retains, 0);
	assert_int_equal(fe_context_bind(&sent), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	ctx = retained(1);
	assert_ptr_equal(ctx, early);
	assert_int_equal(fake.retains, 1);
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.current_primary, 1);
	assert_int_equal(fe_cuDevicePrimaryCtxGetState(1, &flags, &active), CUDA_SUCCESS);
	assert_int_equal(active, 1);
}

static void primary_counts(void **state)
{
	CUcontext ctx = retained(0);
	uint64_t sent = 0;
	int active;
	unsigned int flags;

	(void)state;
	retained(0);
	assert_int_equal(fake.retains, 1);
	assert_int_equal(fe_cuCtxSetCurrent(ctx), CUDA_SUCCESS);
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
	assert_int_equal(fake.releases, 0);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
	assert_int_equal(fake.releases, 1);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_context_bind(&sent), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	/* The same handle, another context: the lane must be told anew. */
	assert_ptr_equal(retained(0), ctx);
	assert_int_equal(fe_context_bind(&sent), CUDA_SUCCESS);
	assert_int_equal(fake.set_currents, 2);
	assert_int_equal(fe_cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
	assert_int_equal(fake.resets, 1);
	assert_int_equal(fake.forgiven, 2); /* errors that stuck to it end with it */
	assert_int_equal(fe_cuDevicePrimaryCtxGetState(0, &flags, &active), CUDA_SUCCESS);
	assert_int_equal(active, 0);
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, 2), CUDA_ERROR_INVALID_DEVICE);
	assert_int_equal(fe_cuCtxDestroy_v2(ctx), CUDA_ERROR_INVALID_CONTEXT);
}

static void primary_fails(void **state)
{
	CUcontext ctx = NULL;
	unsigned int flags;
	int active = 1;

	(void)state;
	fake.retain_result = CUDA_ERROR_OUT_OF_MEMORY;
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, 0), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(fe_cuDevicePrimaryCtxGetState(0, &flags, &active), CUDA_SUCCESS);
	assert_int_equal(active, 0);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuDevicePrimaryCtxSetFlags_v2(0, 0x1000), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuDevicePrimaryCtxSetFlags_v2(0, CU_CTX_SCHED_YIELD), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxGetState(0, &flags, &active), CUDA_SUCCESS);
	assert_int_equal(flags, CU_CTX_SCHED_YIELD);
}

static void ids_differ(void **state)
{
	CUcontext a = created(0), b = created(0);
	unsigned long long id_a = 0, id_b = 0, again = 0;

	(void)state;
	assert_int_equal(fe_cuCtxGetId(a, &id_a), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxGetId(b, &id_b), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxGetId(NULL, &again), CUDA_SUCCESS);
	assert_int_not_equal(id_a, id_b);
	assert_int_equal(again, id_b);
}

static void *in_other_thread(void *arg)
{
	assert_null(fe_context_current());
	assert_int_equal(fe_cuCtxSetCurrent(arg), CUDA_SUCCESS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fe_cuCtxPushCurrent_v2(arg), CUDA_SUCCESS);
	return NULL; /* its stack goes with it: the leak check looks */
}

static void threads_have_their_own(void **state)
{
	CUcontext a = created(0);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, in_other_thread, a), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ptr_equal(current(), a);
}

/* --- storage --------------------------------------------------------------------------------- */

static unsigned int dtors;
static void *last_value;

static void dtor(CUcontext ctx, void *key, void *value)
{
	void *found;

	/* It is out of the table already, and the library can be called. */
	assert_int_equal(fe_storage_get(&found, ctx, key), CUDA_ERROR_INVALID_HANDLE);
	dtors++;
	last_value = value;
}

static void storage_by_context_and_key(void **state)
{
	CUcontext a = created(0), b = created(0);
	int key = 0, other = 0, value_a = 0, value_b = 0;
	void *found = NULL;

	(void)state;
	assert_int_equal(fe_storage_get(&found, a, &key), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_storage_put(a, &key, &value_a, dtor), CUDA_SUCCESS);
	assert_int_equal(fe_storage_put(NULL, &key, &value_b, NULL), CUDA_SUCCESS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fe_storage_get(&found, a, &key), CUDA_SUCCESS);
		assert_ptr_equal(found, &value_a);
		assert_int_equal(fe_storage_get(&found, (CUcontext)-1, &key), CUDA_SUCCESS);
		assert_ptr_equal(found, &value_b);
		assert_int_equal(fe_storage_get(&found, b, &other), CUDA_ERROR_INVALID_HANDLE);
		assert_null(found);
	}
	assert_int_equal(fe_storage_put(a, &key, &value_b, dtor), CUDA_SUCCESS);
	assert_int_equal(fe_storage_get(&found, a, &key), CUDA_SUCCESS);
	assert_ptr_equal(found, &value_b);
	assert_int_equal(fe_storage_delete(b, &key), CUDA_SUCCESS);
	assert_int_equal(fe_storage_delete(b, &key), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_storage_get(&found, b, &key), CUDA_ERROR_INVALID_HANDLE);
	dtors = 0;
	assert_int_equal(fe_cuCtxDestroy_v2(a), CUDA_SUCCESS);
	assert_int_equal(dtors, 1);
	assert_ptr_equal(last_value, &value_b);
}

static void storage_ends_with_primary(void **state)
{
	CUcontext ctx = retained(0);
	int keys[100] = {0}, value = 0;
	void *found;

	(void)state;
	dtors = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(fe_storage_put(ctx, &keys[i], &value, dtor), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
	assert_int_equal(dtors, 100);
	retained(0);
	assert_int_equal(fe_storage_put(ctx, &keys[0], &value, dtor), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
	assert_int_equal(dtors, 100); /* one reference is left */
	assert_int_equal(fe_storage_get(&found, ctx, &keys[0]), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
	assert_int_equal(dtors, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(none_at_first, setup),
		cmocka_unit_test_setup(stack_order, setup),
		cmocka_unit_test_setup(told_only_when_needed, setup),
		cmocka_unit_test_setup(destroy, setup),
		cmocka_unit_test_setup(detach_ends_what_is_no_primary, setup),
		cmocka_unit_test_setup(stream_has_its_own, setup),
		cmocka_unit_test_setup(none_is_allowed_but_not_a_dead_one, setup),
		cmocka_unit_test_setup(primary_before_retain, setup),
		cmocka_unit_test_setup(primary_counts, setup),
		cmocka_unit_test_setup(primary_fails, setup),
		cmocka_unit_test_setup(ids_differ, setup),
		cmocka_unit_test_setup(threads_have_their_own, setup),
		cmocka_unit_test_setup(storage_by_context_and_key, setup),
		cmocka_unit_test_setup(storage_ends_with_primary, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
