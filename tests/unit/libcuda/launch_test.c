/* SPDX-License-Identifier: MIT */
/* Functions' facts, launches and their parameters, against a fake executor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xen-frontend/libcuda/calls.h"

#include "tests/unit/libcuda/fake.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/params.h"

static uint64_t next_slot = 1000;

static CUfunction new_function(void)
{
	uint64_t h =
		vg_handle_make(VG_HANDLE_CUfunction, 1, VG_HANDLE_EXECUTOR | (uint32_t)next_slot++);

	fe_handle_note(VG_HANDLE_CUfunction, h);
	return (CUfunction)h;
}

static CUkernel new_kernel(void)
{
	uint64_t h =
		vg_handle_make(VG_HANDLE_CUkernel, 1, VG_HANDLE_EXECUTOR | (uint32_t)next_slot++);

	fe_handle_note(VG_HANDLE_CUkernel, h);
	return (CUkernel)h;
}

/* Three parameters with holes between them: int at 0, pointer at 8, 12 bytes at 32. */
static int setup(void **state)
{
	CUcontext ctx;

	(void)state;
	fake_reset(2);
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1024;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X] = 1024;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y] = 1024;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z] = 64;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X] = 2147483647;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y] = 65535;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z] = 65535;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK] = 65536;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT] = 4;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH] = 1;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_WARP_SIZE] = 32;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR] = 2048;
	fake.attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1024;
	fake.attributes[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] = 49152;
	fake.attributes[CU_FUNC_ATTRIBUTE_NUM_REGS] = 32;
	fake.param_count = 3;
	memcpy(fake.offsets, (uint32_t[]){0, 8, 32}, 3 * sizeof(uint32_t));
	memcpy(fake.sizes, (uint32_t[]){4, 8, 12}, 3 * sizeof(uint32_t));
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, 0), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxSetCurrent(ctx), CUDA_SUCCESS);
	return 0;
}

static CUresult launch_shape(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			     unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared)
{
	int a = 7;
	uint64_t p = 0x1122334455667788;
	char c[12] = "elevenchars";
	void *params[] = {&a, &p, c};

	return fe_cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, (CUstream)1, params, NULL);
}

static void packs_by_layout(void **state)
{
	uint8_t expected[44] = {7};
	CUfunction f = new_function();

	(void)state;
	memcpy(expected + 8, &(uint64_t){0x1122334455667788}, 8);
	memcpy(expected + 32, "elevenchars", 12);
	assert_int_equal(launch_shape(f, 3, 2, 1, 32, 4, 1, 100), CUDA_SUCCESS);
	assert_int_equal(fake.launch_size, 44);
	assert_memory_equal(fake.launch_params, expected, 44);
	assert_ptr_equal(fake.launch_function, f);
	assert_int_equal(fake.launch.gridDimX, 3);
	assert_int_equal(fake.launch.gridDimY, 2);
	assert_int_equal(fake.launch.blockDimY, 4);
	assert_int_equal(fake.launch.sharedMemBytes, 100);
	assert_ptr_equal(fake.launch.hStream, (CUstream)1);
	/* From the second launch on nothing is asked. */
	fake.layouts = fake.attribute_gets = fake.device_infos = 0;
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 1, 0), CUDA_SUCCESS);
	assert_int_equal(fake.layouts + fake.attribute_gets + fake.device_infos, 0);
}

static void packed_buffer(void **state)
{
	uint8_t buffer[64];
	size_t size = sizeof(buffer);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			 CU_LAUNCH_PARAM_END};
	void *unknown[] = {(void *)9, buffer, CU_LAUNCH_PARAM_END};
	void *params[] = {buffer, buffer, buffer};
	CUfunction f = new_function();

	(void)state;
	for (unsigned int i = 0; i < sizeof(buffer); i++)
		buffer[i] = (uint8_t)(i + 1);
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
			 CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES); /* more than the kernel takes */
	size = 32765;
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
			 CUDA_ERROR_INVALID_VALUE); /* than any does */
	size = 43;                                  /* less: the driver has zeros for the rest */
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
			 CUDA_SUCCESS);
	assert_int_equal(fake.launch_size, 43);
	assert_memory_equal(fake.launch_params, buffer, 43);
	size = 44;
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, extra),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, unknown),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fake.launches, 1);
}

static void large_parameters(void **state)
{
	static uint8_t block[32764];
	void *params[] = {block};
	CUfunction f = new_function();

	(void)state;
	memset(block, 0x5a, sizeof(block));
	fake.param_count = 1;
	fake.offsets[0] = 0;
	fake.sizes[0] = sizeof(block);
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL),
			 CUDA_SUCCESS);
	assert_int_equal(fake.launch_size, sizeof(block));
	assert_memory_equal(fake.launch_params, block, sizeof(block));
}

static void no_parameters(void **state)
{
	CUfunction f = new_function();

	(void)state;
	fake.param_count = 0;
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), CUDA_SUCCESS);
	assert_int_equal(fake.launch_size, 0);
	assert_int_equal(fe_cuLaunchKernel(new_function(), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL),
			 CUDA_SUCCESS);
	fake.param_count = 3;
	assert_int_equal(fe_cuLaunchKernel(new_function(), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL),
			 CUDA_ERROR_INVALID_VALUE);
}

static void many_parameters_and_long_name(void **state)
{
	static char name[5000];
	static int values[100];
	void *params[100];
	const char *got = NULL;
	size_t offset = 0, size = 0;
	CUfunction f = new_function();

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	fake.name = name;
	fake.param_count = 100;
	for (unsigned int i = 0; i < 100; i++) {
		fake.offsets[i] = 4 * i;
		fake.sizes[i] = 4;
		values[i] = (int)i;
		params[i] = &values[i];
	}
	assert_int_equal(fe_cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL),
			 CUDA_SUCCESS);
	assert_int_equal(fake.launch_size, 400);
	assert_memory_equal(fake.launch_params, values, 400);
	assert_int_equal(fe_cuFuncGetName(&got, f), CUDA_SUCCESS);
	assert_string_equal(got, name);
	assert_int_equal(fe_cuFuncGetParamInfo(f, 99, &offset, &size), CUDA_SUCCESS);
	assert_int_equal(offset, 396);
	assert_int_equal(size, 4);
	assert_int_equal(fe_cuFuncGetParamInfo(f, 100, &offset, &size), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fake.layouts, 2);
}

/* A layout that would make us copy beyond the block is not believed. */
static void layout_that_lies(void **state)
{
	(void)state;
	fake.offsets[2] = 32760;
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_UNKNOWN);
	fake.offsets[2] = 10; /* overlaps the one before */
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_UNKNOWN);
	fake.offsets[2] = 32;
	fake.sizes[2] = UINT32_MAX;
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_UNKNOWN);
	fake.param_count = 1u << 30;
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_UNKNOWN);
	assert_int_equal(fake.launches, 0);
}

static void shapes_are_checked(void **state)
{
	CUfunction f = new_function();

	(void)state;
	assert_int_equal(launch_shape(f, 0, 1, 1, 1, 1, 1, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 0, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 65536, 1, 1, 1, 1, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 2147483648u, 1, 1, 1, 1, 1, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 1025, 1, 1, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 65, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 33, 32, 1, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 65536, 65536, 65536, 0),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 1, 49153), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(launch_shape(NULL, 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fake.launches, 0);
	assert_int_equal(launch_shape(f, 1, 65535, 1, 32, 32, 1, 49152), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxSetCurrent(NULL), CUDA_SUCCESS);
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_INVALID_CONTEXT);
}

/* A declared bound and a lack of registers are told apart. */
static void functions_limits(void **state)
{
	(void)state;
	fake.attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 128;
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 129, 1, 1, 0),
			 CUDA_ERROR_INVALID_VALUE);
	fake.attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 512;
	fake.attributes[CU_FUNC_ATTRIBUTE_NUM_REGS] = 128;
	assert_int_equal(launch_shape(new_function(), 1, 1, 1, 1024, 1, 1, 0),
			 CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
}

static CUresult launch_ex(CUfunction f, CUlaunchAttribute *attributes, unsigned int count)
{
	int a = 7;
	uint64_t p = 0;
	char c[12] = "";
	CUlaunchConfig config = {
		.gridDimX = 8,
		.gridDimY = 1,
		.gridDimZ = 1,
		.blockDimX = 32,
		.blockDimY = 1,
		.blockDimZ = 1,
		.attrs = attributes,
		.numAttrs = count,
	};

	return fe_cuLaunchKernelEx(&config, f, (void *[]){&a, &p, c}, NULL);
}

static void attributes(void **state)
{
	CUlaunchAttribute cluster = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
				     .value = {.clusterDim = {2, 1, 1}}};
	CUlaunchAttribute event = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT};
	CUlaunchAttribute update = {.id = CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE,
				    .value = {.deviceUpdatableKernelNode = {.deviceUpdatable = 1}}};
	CUlaunchAttribute unknown = {.id = CU_LAUNCH_ATTRIBUTE_MAX};
	CUfunction f = new_function();

	(void)state;
	assert_int_equal(launch_ex(f, &unknown, 1), CUDA_ERROR_INVALID_VALUE);
	cluster.value.clusterDim.x = 3; /* of 8 blocks */
	assert_int_equal(launch_ex(f, &cluster, 1), CUDA_ERROR_INVALID_CLUSTER_SIZE);
	cluster.value.clusterDim.x = 2;
	assert_int_equal(launch_ex(f, &cluster, 1), CUDA_SUCCESS);
	assert_int_equal(fake.launch.numAttrs, 1);
	assert_memory_equal(&fake.launch_attributes[0], &cluster, sizeof(cluster));
	assert_null(fake.launch.hStream);
	event.value.programmaticEvent.event = (CUevent)0x1230;
	assert_int_equal(launch_ex(f, &event, 1), CUDA_ERROR_INVALID_HANDLE);
	event.value.programmaticEvent.event = (CUevent)fe_handle_mint(VG_HANDLE_CUevent);
	assert_int_equal(launch_ex(f, &event, 1), CUDA_SUCCESS);
	assert_int_equal(launch_ex(f, &update, 1), CUDA_ERROR_NOT_SUPPORTED);
	assert_int_equal(launch_ex(f, NULL, 1), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLaunchKernelEx(NULL, f, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	fe_ptds = true;
	assert_int_equal(launch_ex(f, NULL, 0), CUDA_SUCCESS);
	fe_ptds = false;
	assert_ptr_equal(fake.launch.hStream, CU_STREAM_PER_THREAD);
}

static CUresult launch_cooperative(CUfunction f, unsigned int blocks)
{
	int a = 7;
	uint64_t p = 0;
	char c[12] = "";

	return fe_cuLaunchCooperativeKernel(f, blocks, 1, 1, 32, 1, 1, 0, NULL,
					    (void *[]){&a, &p, c});
}

static void cooperative(void **state)
{
	CUfunction f = new_function();

	(void)state;
	fake.blocks = 2; /* on each of 4 multiprocessors */
	assert_int_equal(launch_cooperative(f, 8), CUDA_SUCCESS);
	assert_int_equal(fake.launch.numAttrs, 1);
	assert_int_equal(fake.launch_attributes[0].id, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
	assert_int_equal(fake.launch_attributes[0].value.cooperative, 1);
	assert_int_equal(launch_cooperative(f, 9), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
}

static void attributes_are_asked_once(void **state)
{
	CUfunction f = new_function(), other = new_function();
	CUkernel k = new_kernel();
	int value = 0;

	(void)state;
	fake.attributes[CU_FUNC_ATTRIBUTE_NUM_REGS] = 0; /* a value of 0 is one, too */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(fe_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, f),
				 CUDA_SUCCESS);
		assert_int_equal(value, 0);
	}
	assert_int_equal(fake.attribute_gets, 1);
	fake.attributes[CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT] = -1;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(fe_cuFuncGetAttribute(
					 &value, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
					 other),
				 CUDA_SUCCESS);
		assert_int_equal(value, -1);
	}
	assert_int_equal(fake.attribute_gets, 2);
	/* A set on a kernel may show in a function. */
	assert_int_equal(fe_cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
						 50, k, 0),
			 CUDA_SUCCESS);
	assert_int_equal(fe_cuFuncGetAttribute(
				 &value, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, other),
			 CUDA_SUCCESS);
	assert_int_equal(value, 50);
	assert_int_equal(fe_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX, f),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, k, 2),
			 CUDA_ERROR_INVALID_DEVICE);
	assert_int_equal(fe_cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, (CUkernel)f,
						 0),
			 CUDA_ERROR_INVALID_HANDLE);
}

static void same_size_is_set_once(void **state)
{
	CUkernel k = new_kernel();
	int value = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			fe_cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
						65536, k, 1),
			CUDA_SUCCESS);
	assert_int_equal(fake.attribute_sets, 1);
	assert_int_equal(fe_cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
						 1024, k, 1),
			 CUDA_SUCCESS);
	assert_int_equal(fake.attribute_sets, 2);
	assert_int_equal(fe_cuKernelGetAttribute(
				 &value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, k, 1),
			 CUDA_SUCCESS);
	assert_int_equal(value, 1024);
	/* Another device's is another value. */
	assert_int_equal(fe_cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
						 1024, k, 0),
			 CUDA_SUCCESS);
	assert_int_equal(fake.attribute_sets, 3);
}

static void kernels_function_is_asked_once(void **state)
{
	CUkernel k = new_kernel();
	CUfunction first = NULL, again = NULL;
	CUcontext ctx;

	(void)state;
	assert_int_equal(fe_cuKernelGetFunction(&first, k), CUDA_SUCCESS);
	assert_int_equal(fe_cuKernelGetFunction(&again, k), CUDA_SUCCESS);
	assert_ptr_equal(first, again);
	assert_int_equal(fake.functions_got, 1);
	/* Another context has another one, and a new primary context as well. */
	assert_int_equal(fe_cuCtxCreate_v2(&ctx, 0, 0), CUDA_SUCCESS);
	assert_int_equal(fe_cuKernelGetFunction(&again, k), CUDA_SUCCESS);
	assert_ptr_not_equal(first, again);
	assert_int_equal(fe_cuCtxPopCurrent_v2(&ctx), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, 0), CUDA_SUCCESS);
	assert_int_equal(fe_cuKernelGetFunction(&again, k), CUDA_SUCCESS);
	assert_ptr_not_equal(first, again);
	assert_int_equal(fake.functions_got, 3);
}

static void blocking_launches(void **state)
{
	CUfunction f = new_function();

	(void)state;
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 1, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
	assert_int_equal(fake.stream_waits, 1);
	fake.capturing = true;
	assert_int_equal(launch_shape(f, 1, 1, 1, 1, 1, 1, 0), CUDA_SUCCESS);
	assert_int_equal(fake.stream_waits, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest blocking[] = {
		cmocka_unit_test_setup(blocking_launches, setup),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packs_by_layout, setup),
		cmocka_unit_test_setup(packed_buffer, setup),
		cmocka_unit_test_setup(large_parameters, setup),
		cmocka_unit_test_setup(no_parameters, setup),
		cmocka_unit_test_setup(many_parameters_and_long_name, setup),
		cmocka_unit_test_setup(layout_that_lies, setup),
		cmocka_unit_test_setup(shapes_are_checked, setup),
		cmocka_unit_test_setup(functions_limits, setup),
		cmocka_unit_test_setup(attributes, setup),
		cmocka_unit_test_setup(cooperative, setup),
		cmocka_unit_test_setup(attributes_are_asked_once, setup),
		cmocka_unit_test_setup(same_size_is_set_once, setup),
		cmocka_unit_test_setup(kernels_function_is_asked_once, setup),
	};

	/* The variable is read once in a process: so another process for it. */
	if (argc > 1)
		return cmocka_run_group_tests(blocking, NULL, NULL);
	if (cmocka_run_group_tests(tests, NULL, NULL))
		return 1;
	setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
	execl("/proc/self/exe", argv[0], "blocking", (char *)NULL);
	return 1;
}
