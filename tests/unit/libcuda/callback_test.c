/* SPDX-License-Identifier: MIT */
/* The thread that calls the program's functions, and how long what it calls is kept. The executor's turns are a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "protocol/session_info.h"
#include "xen-frontend/libcuda/callback.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/lane.h"

struct turn {
	uint64_t id;
	int status, last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static struct turn turns[16];
static unsigned int entered, taken, ended; /* under the lock */
static uint64_t submitted;                 /* the last id */
static CUresult submit_answer;
static unsigned int calls;
static CUresult status_seen;

/* No lane: each turn is asked for. */
__thread struct fe_lane *fe_lane_own __attribute__((tls_model("initial-exec")));
__thread bool fe_in_callback __attribute__((tls_model("initial-exec")));

CUresult rpc_vgHostFunc(CUstream stream, uint64_t id, unsigned int kind)
{
	(void)stream;
	(void)kind;
	submitted = id;
	return submit_answer;
}

CUresult rpc_vgHostFuncWait(uint64_t *id, uint64_t *ticket, int *status, int *last)
{
	pthread_mutex_lock(&lock);
	while (taken == entered)
		pthread_cond_wait(&moved, &lock);
	*id = turns[taken].id;
	*status = turns[taken].status;
	*last = turns[taken].last;
	*ticket = ++taken;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult rpc_vgHostFuncDone(uint64_t ticket)
{
	pthread_mutex_lock(&lock);
	ended = (unsigned int)ticket;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

/* A turn, from its coming to its end. */
static void turn(uint64_t id, int status, enum vg_host_turn last)
{
	pthread_mutex_lock(&lock);
	turns[entered++] = (struct turn){id, status, last};
	pthread_cond_broadcast(&moved);
	while (ended != entered)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static void func(void *user)
{
	assert_ptr_equal(user, &calls);
	calls++;
}

static void callback(CUstream stream, CUresult status, void *user)
{
	(void)stream;
	status_seen = status;
	func(user);
}

static bool is_kept(uint64_t id)
{
	CUhostFn fn;
	void *user;

	return fe_host_func_find(id, &fn, &user);
}

static int setup(void **state)
{
	(void)state;
	calls = 0;
	submit_answer = CUDA_SUCCESS;
	return 0;
}

static void called_once(void **state)
{
	(void)state;
	assert_int_equal(fe_cuLaunchHostFunc(NULL, func, &calls), CUDA_SUCCESS);
	assert_true(is_kept(submitted));
	turn(submitted, CUDA_SUCCESS, VG_HOST_TURN_LAST);
	assert_int_equal(calls, 1);
	assert_false(is_kept(submitted));
}

static void called_again_and_again(void **state)
{
	uint64_t id = fe_host_func_new(func, &calls);

	(void)state;
	for (unsigned int i = 1; i <= 3; i++) {
		turn(id, CUDA_SUCCESS, VG_HOST_TURN_MORE);
		assert_int_equal(calls, i);
		assert_true(is_kept(id));
	}
	fe_host_func_drop(id);
	turn(id, CUDA_SUCCESS, VG_HOST_TURN_MORE);
	assert_int_equal(calls, 3);
}

static void not_to_be_run(void **state)
{
	(void)state;
	assert_int_equal(fe_cuLaunchHostFunc(NULL, func, &calls), CUDA_SUCCESS);
	turn(submitted, CUDA_SUCCESS, VG_HOST_TURN_NONE);
	assert_int_equal(calls, 0);
	assert_false(is_kept(submitted));
	/* Nor afterwards. */
	turn(submitted, CUDA_SUCCESS, VG_HOST_TURN_LAST);
	assert_int_equal(calls, 0);
}

static void refused_at_once(void **state)
{
	(void)state;
	submit_answer = CUDA_ERROR_INVALID_HANDLE;
	assert_int_equal(fe_cuLaunchHostFunc(NULL, func, &calls), CUDA_ERROR_INVALID_HANDLE);
	assert_false(is_kept(submitted));
}

static void callbacks_get_the_status(void **state)
{
	(void)state;
	assert_int_equal(fe_cuStreamAddCallback(NULL, callback, &calls, 0), CUDA_SUCCESS);
	turn(submitted, CUDA_ERROR_LAUNCH_FAILED, VG_HOST_TURN_LAST);
	assert_int_equal(calls, 1);
	assert_int_equal(status_seen, CUDA_ERROR_LAUNCH_FAILED);
	turn(submitted, CUDA_SUCCESS, VG_HOST_TURN_LAST);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(called_once, setup),
		cmocka_unit_test_setup(called_again_and_again, setup),
		cmocka_unit_test_setup(not_to_be_run, setup),
		cmocka_unit_test_setup(refused_at_once, setup),
		cmocka_unit_test_setup(callbacks_get_the_status, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
