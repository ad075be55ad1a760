/* SPDX-License-Identifier: MIT */
/* What the tests of the software driver share: each program is one process with one device at least. */
#ifndef SOFT_TEST_H
#define SOFT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SOFT_EXPORTED
#include "dom0-executor/soft/api.h"

#define ok(call)          assert_int_equal(call, CUDA_SUCCESS)
#define fails(call, code) assert_int_equal(call, code)

/* A handle that nobody gave out. */
#define NO_HANDLE(type) ((type)(uintptr_t)0xfff3456789abcde0)

/* The kernels of the tests; see kernels.h. */
extern const char soft_test_ptx[];

/* Make the primary context of device 0 current; the counterpart releases it. */
static inline int with_context(void **state)
{
	CUcontext ctx;

	(void)state;
	ok(cuInit(0));
	ok(cuDevicePrimaryCtxRetain(&ctx, 0));
	ok(cuCtxSetCurrent(ctx));
	return 0;
}

static inline int without_context(void **state)
{
	(void)state;
	ok(cuDevicePrimaryCtxRelease_v2(0));
	ok(cuCtxSetCurrent(NULL));
	return 0;
}

#define test(function) cmocka_unit_test_setup_teardown(function, with_context, without_context)

static inline CUfunction load_function(CUmodule *module, const char *name)
{
	CUfunction function;

	ok(cuModuleLoadData(module, soft_test_ptx));
	ok(cuModuleGetFunction(&function, *module, name));
	return function;
}

static inline void launch_one(CUfunction function, CUstream stream, void **params)
{
	ok(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

#endif
