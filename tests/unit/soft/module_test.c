/* SPDX-License-Identifier: MIT */
/* Modules, libraries, the linker, functions, launches, and what a faulty kernel does to its context. */
#include "tests/unit/soft/soft_test.h"

#include "dom0-executor/soft/device.h"

#include <signal.h>
#include <stdio.h>

/*
 * cmocka catches signals of its own in each test, and the engine catches those of faulty kernels from
 * the first launch on: a test of faults puts the engine's handlers back.
 */
static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction engine_actions[4];

static int engine_actions_learn(void)
{
	CUfunction function;
	CUmodule module;
	CUcontext ctx;

	if (cuInit(0) || cuCtxCreate_v2(&ctx, 0, 0) || cuModuleLoadData(&module, soft_test_ptx) ||
	    cuModuleGetFunction(&function, module, "count") ||
	    cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL) || cuCtxSynchronize())
		return -1;
	for (int i = 0; i < 4; i++)
		sigaction(fault_signals[i], NULL, &engine_actions[i]);
	return cuCtxDestroy_v2(ctx) ? -1 : 0;
}

static void engine_actions_use(void)
{
	for (int i = 0; i < 4; i++)
		sigaction(fault_signals[i], &engine_actions[i], NULL);
}

static void modules_have_functions_and_variables(void **state)
{
	CUfunction function, functions[16];
	unsigned int count;
	CUdeviceptr address;
	CUmodule module;
	const char *name;
	uint32_t value;
	size_t bytes;

	(void)state;
	function = load_function(&module, "count");
	ok(cuModuleGetFunctionCount(&count, module));
	assert_int_equal(count, 6);
	ok(cuModuleEnumerateFunctions(functions, 16, module));
	ok(cuFuncGetName(&name, functions[0]));
	assert_string_equal(name, "add");
	fails(cuModuleGetFunction(&function, module, "nothing"), CUDA_ERROR_NOT_FOUND);
	fails(cuModuleGetFunction(&function, module, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuModuleGetGlobal_v2(&address, &bytes, module, "counter"));
	assert_int_equal(bytes, 4);
	assert_in_range(address, SOFT_REGION_BASE, SOFT_REGION_BASE + SOFT_REGION_SIZE - 1);
	launch_one(function, NULL, NULL);
	launch_one(function, NULL, NULL);
	ok(cuMemcpyDtoH_v2(&value, address, 4));
	assert_int_equal(value, 13);
	fails(cuMemcpyDtoH_v2(&value, address + 1, 4), CUDA_ERROR_INVALID_VALUE);
	value = 100;
	ok(cuModuleGetGlobal_v2(&address, NULL, module, "factor"));
	ok(cuMemcpyHtoD_v2(address, &value, 4));
	launch_one(function, NULL, NULL);
	ok(cuModuleGetGlobal_v2(&address, NULL, module, "counter"));
	ok(cuMemcpyDtoH_v2(&value, address, 4));
	assert_int_equal(value, 113);
	fails(cuModuleGetGlobal_v2(&address, NULL, module, "nothing"), CUDA_ERROR_NOT_FOUND);
	ok(cuModuleUnload(module));
	fails(cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
	fails(cuFuncGetName(&name, function), CUDA_ERROR_INVALID_HANDLE);
	fails(cuMemcpyDtoH_v2(&value, address, 4), CUDA_ERROR_INVALID_VALUE);
}

static void bad_images_are_refused_with_words(void **state)
{
	static const char bad[] = ".version 7.0\n.target sm_75\n.address_size 64\n"
				  ".entry k()\n{\n\tfrobnicate.u32 %r0;\n\tret;\n}\n";
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	char log[200] = "old";
	void *values[] = {log, (void *)sizeof(log)};
	CUmodule module;

	(void)state;
	fails(cuModuleLoadData(&module, "garbage"), CUDA_ERROR_INVALID_IMAGE);
	fails(cuModuleLoadData(&module, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuModuleLoad(&module, "/nonexistent"), CUDA_ERROR_FILE_NOT_FOUND);
	fails(cuModuleLoadDataEx(&module, bad, 2, options, values), CUDA_ERROR_INVALID_PTX);
	assert_non_null(strstr(log, "frobnicate"));
	assert_int_equal((uintptr_t)values[1], strlen(log));
	memset(log, 'x', sizeof(log));
	values[1] = (void *)10; /* no room for it all */
	fails(cuModuleLoadDataEx(&module, bad, 2, options, values), CUDA_ERROR_INVALID_PTX);
	assert_int_equal(strlen(log), 9);
	assert_int_equal(log[10], 'x');
	ok(cuModuleLoadDataEx(&module, soft_test_ptx, 2, options, values));
	assert_int_equal((uintptr_t)values[1], 0);
	ok(cuModuleUnload(module));
	options[0] = (CUjit_option)999;
	fails(cuModuleLoadDataEx(&module, soft_test_ptx, 2, options, values),
	      CUDA_ERROR_INVALID_VALUE);
}

static void launch_add(CUfunction function, CUdeviceptr memory, uint32_t value, uint32_t count,
		       int packed)
{
	struct {
		CUdeviceptr memory;
		uint32_t value, count;
	} block = {memory, value, count};
	size_t size = sizeof(block);
	void *params[] = {&memory, &value, &count};
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &block, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			 CU_LAUNCH_PARAM_END};

	ok(cuLaunchKernel(function, (count + 63) / 64, 1, 1, 64, 1, 1, 0, NULL,
			  packed ? NULL : params, packed ? extra : NULL));
}

static void kernels_get_their_parameters(void **state)
{
	static uint32_t words[1000];
	CUdeviceptr memory;
	CUfunction function;
	CUmodule module;
	size_t offset, size;

	(void)state;
	function = load_function(&module, "add");
	ok(cuFuncGetParamInfo(function, 2, &offset, &size));
	assert_int_equal(offset, 12);
	assert_int_equal(size, 4);
	fails(cuFuncGetParamInfo(function, 3, &offset, &size), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemAlloc_v2(&memory, sizeof(words)));
	ok(cuMemsetD32_v2(memory, 1, 1000));
	launch_add(function, memory, 10, 1000, 0);
	launch_add(function, memory, 100, 999, 1);
	ok(cuMemcpyDtoH_v2(words, memory, sizeof(words)));
	for (int i = 0; i < 999; i++)
		assert_int_equal(words[i], 111);
	assert_int_equal(words[999], 11);
	ok(cuMemFree_v2(memory));
	ok(cuModuleUnload(module));
}

static void launches_are_checked(void **state)
{
	CUdeviceptr memory = 0;
	uint32_t value = 0, count = 0;
	void *params[] = {&memory, &value, &count}, *short_params[] = {&memory, NULL, NULL};
	size_t size = 64;
	uint8_t block[64] = {0};
	void *long_extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block, CU_LAUNCH_PARAM_BUFFER_SIZE,
			      &size, CU_LAUNCH_PARAM_END};
	CUfunction function, limited;
	CUmodule module;

	(void)state;
#define LAUNCH(f, gx, gy, bx, by, bz, shared, params, extra) \
	cuLaunchKernel(f, gx, gy, 1, bx, by, bz, shared, NULL, params, extra)
	function = load_function(&module, "add");
	ok(cuModuleGetFunction(&limited, module, "limited"));
	fails(LAUNCH(function, 0, 1, 1, 1, 1, 0, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 65536, 1, 1, 1, 0, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1025, 1, 1, 0, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 64, 32, 1, 0, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1, 1, 65, 0, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1, 1, 1, 49153, params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1, 1, 1, 0, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1, 1, 1, 0, short_params, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(function, 1, 1, 1, 1, 1, 0, NULL, long_extra),
	      CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	fails(LAUNCH(function, 1, 1, 1, 1, 1, 0, params, long_extra), CUDA_ERROR_INVALID_VALUE);
	fails(LAUNCH(NO_HANDLE(CUfunction), 1, 1, 1, 1, 1, 0, params, NULL),
	      CUDA_ERROR_INVALID_HANDLE);
	fails(LAUNCH(limited, 1, 1, 65, 1, 1, 0, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(LAUNCH(limited, 1, 1, 64, 1, 1, 0, NULL, NULL));
	ok(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100000));
	ok(LAUNCH(function, 1, 1, 1, 1, 1, 100000, params, NULL));
	fails(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 300000),
	      CUDA_ERROR_INVALID_VALUE);
#undef LAUNCH
	ok(cuCtxSynchronize());
	ok(cuModuleUnload(module));
}

static void extended_launches_honour_attributes(void **state)
{
	CUlaunchAttribute attributes[2] = {{.id = CU_LAUNCH_ATTRIBUTE_PRIORITY},
					   {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION}};
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1,
				 .attrs = attributes,
				 .numAttrs = 2};
	CUfunction function;
	CUmodule module;

	(void)state;
	function = load_function(&module, "count");
	attributes[1].value.clusterDim.x = 1;
	ok(cuLaunchKernelEx(&config, function, NULL, NULL));
	attributes[1].value.clusterDim.x = 2;
	fails(cuLaunchKernelEx(&config, function, NULL, NULL), CUDA_ERROR_INVALID_CLUSTER_SIZE);
	attributes[1].id = CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE;
	fails(cuLaunchKernelEx(&config, function, NULL, NULL), CUDA_ERROR_NOT_SUPPORTED);
	attributes[1].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
	attributes[1].value.cooperative = 1;
	ok(cuLaunchKernelEx(&config, function, NULL, NULL));
	config.gridDimX = 1u << 30;
	fails(cuLaunchKernelEx(&config, function, NULL, NULL),
	      CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
	config.attrs = NULL;
	fails(cuLaunchKernelEx(&config, function, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuCtxSynchronize());
	ok(cuModuleUnload(module));
}

static void libraries_belong_to_no_context(void **state)
{
	CUkernel kernel, kernels[8];
	CUdeviceptr address, other;
	CUfunction function;
	unsigned int count;
	CUlibrary library;
	CUcontext second;
	CUmodule module;
	uint32_t value;
	size_t offset;

	(void)state;
	ok(cuLibraryLoadData(&library, soft_test_ptx, NULL, NULL, 0, NULL, NULL, 0));
	ok(cuLibraryGetKernelCount(&count, library));
	assert_int_equal(count, 6);
	ok(cuLibraryEnumerateKernels(kernels, 8, library));
	ok(cuLibraryGetKernel(&kernel, library, "count"));
	fails(cuLibraryGetKernel(&kernel, library, "nothing"), CUDA_ERROR_NOT_FOUND);
	launch_one((CUfunction)kernel, NULL, NULL);
	ok(cuKernelGetFunction(&function, kernel));
	launch_one(function, NULL, NULL);
	ok(cuLibraryGetGlobal(&address, NULL, library, "counter"));
	ok(cuMemcpyDtoH_v2(&value, address, 4));
	assert_int_equal(value, 13);
	ok(cuLibraryGetModule(&module, library));
	fails(cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
	ok(cuKernelGetParamInfo(kernels[0], 1, &offset, NULL));
	assert_int_equal(offset, 8);

	ok(cuCtxCreate_v2(&second, 0, 1)); /* its variables are its own */
	ok(cuLibraryGetGlobal(&other, NULL, library, "counter"));
	assert_int_not_equal(other, address);
	ok(cuMemcpyDtoH_v2(&value, other, 4));
	assert_int_equal(value, 7);
	ok(cuCtxDestroy_v2(second));
	ok(cuLibraryGetGlobal(&other, NULL, library, "counter"));
	assert_int_equal(other, address);
	ok(cuLibraryUnload(library));
	fails(cuLibraryUnload(library), CUDA_ERROR_INVALID_HANDLE);
	fails(cuKernelGetFunction(&function, kernel), CUDA_ERROR_INVALID_HANDLE);
	fails(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL),
	      CUDA_ERROR_INVALID_HANDLE);
}

static void kernel_settings_reach_functions(void **state)
{
	CUfunction function;
	CUlibrary library;
	CUkernel kernel;
	int value;

	(void)state;
	ok(cuLibraryLoadData(&library, soft_test_ptx, NULL, NULL, 0, NULL, NULL, 0));
	ok(cuLibraryGetKernel(&kernel, library, "count"));
	ok(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000, kernel, 0));
	ok(cuKernelGetFunction(&function, kernel));
	ok(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, function));
	assert_int_equal(value, 60000);
	ok(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 70000, kernel, 0));
	ok(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, function));
	assert_int_equal(value, 70000);
	fails(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_NUM_REGS, 3, kernel, 0),
	      CUDA_ERROR_INVALID_VALUE);
	fails(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 9),
	      CUDA_ERROR_INVALID_DEVICE);
	ok(cuLibraryUnload(library));
}

static const char calls_ptx[] = ".version 7.0\n.target sm_75\n.address_size 64\n"
				".extern .func (.reg .u32 %o) twice(.reg .u32 %i);\n"
				".visible .entry doubles(.param .u64 p)\n{\n"
				"	.reg .u64 %a;\n	.reg .u32 %r<2>;\n"
				"	ld.param.u64 %a, [p];\n	ld.global.u32 %r0, [%a];\n"
				"	call (%r1), twice, (%r0);\n"
				"	st.global.u32 [%a], %r1;\n	ret;\n}\n";
static const char called_ptx[] = ".version 7.0\n.target sm_75\n.address_size 64\n"
				 ".visible .func (.reg .u32 %o) twice(.reg .u32 %i)\n{\n"
				 "	add.u32 %o, %i, %i;\n	ret;\n}\n";

static void texts_are_linked(void **state)
{
	uint32_t value = 21;
	CUfunction function;
	CUdeviceptr memory;
	void *image, *params[] = {&memory};
	CUlinkState link;
	CUmodule module;
	size_t size;

	(void)state;
	ok(cuLinkCreate_v2(0, NULL, NULL, &link));
	fails(cuLinkComplete(link, &image, &size), CUDA_ERROR_INVALID_VALUE);
	ok(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)calls_ptx, sizeof(calls_ptx), "a", 0,
			    NULL, NULL));
	fails(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)"rubbish", 7, "b", 0, NULL, NULL),
	      CUDA_ERROR_INVALID_PTX);
	ok(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)called_ptx, sizeof(called_ptx), "c", 0,
			    NULL, NULL));
	ok(cuLinkComplete(link, &image, &size));
	ok(cuModuleLoadData(&module, image));
	ok(cuLinkDestroy(link));
	ok(cuModuleGetFunction(&function, module, "doubles"));
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuMemcpyHtoD_v2(memory, &value, 4));
	launch_one(function, NULL, params);
	ok(cuMemcpyDtoH_v2(&value, memory, 4));
	assert_int_equal(value, 42);
	ok(cuModuleUnload(module));
	ok(cuMemFree_v2(memory));
	fails(cuModuleLoadData(&module, calls_ptx), CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND);
	fails(cuLinkDestroy(link), CUDA_ERROR_INVALID_HANDLE);
}

/* The error of a fault stays with the context until it ends. */
static void breaks_with(CUfunction function, void **params, CUresult error)
{
	CUdeviceptr memory;
	size_t value;
	CUevent event;

	launch_one(function, NULL, params);
	fails(cuCtxSynchronize(), error);
	fails(cuMemAlloc_v2(&memory, 4), error);
	fails(cuEventCreate(&event, 0), error);
	fails(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE), error);
	fails(cuStreamQuery(NULL), error);
	ok(cuDevicePrimaryCtxReset_v2(0));
	with_context(NULL);
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuMemFree_v2(memory));
}

static void faults_break_the_context(void **state)
{
	CUdeviceptr address = 64, freed;
	void *params[] = {&address};
	CUmodule module;

	(void)state;
	engine_actions_use();
	breaks_with(load_function(&module, "stop"), NULL, CUDA_ERROR_LAUNCH_FAILED);
	breaks_with(load_function(&module, "wild"), params, CUDA_ERROR_ILLEGAL_ADDRESS);
	ok(cuMemAlloc_v2(&freed, 4));
	ok(cuMemFree_v2(freed));
	address = freed;
	breaks_with(load_function(&module, "wild"), params, CUDA_ERROR_ILLEGAL_ADDRESS);
}

static void a_broken_context_does_not_harm_another(void **state)
{
	CUcontext broken, mine;
	CUfunction function;
	CUmodule module;

	(void)state;
	ok(cuCtxGetCurrent(&mine));
	ok(cuCtxCreate_v2(&broken, 0, 0));
	function = load_function(&module, "stop");
	launch_one(function, NULL, NULL);
	fails(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
	ok(cuCtxSetCurrent(mine));
	ok(cuCtxSynchronize());
	launch_one(load_function(&module, "count"), NULL, NULL);
	ok(cuCtxSynchronize());
	ok(cuCtxDestroy_v2(broken));
	ok(cuModuleUnload(module));
}

static void kernels_run_beside_the_host(void **state)
{
	CUdeviceptr flag, other;
	void *params[] = {&flag};
	CUfunction function;
	CUstream one, two;
	CUmodule module;

	(void)state;
	function = load_function(&module, "hold");
	ok(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	ok(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	ok(cuMemAlloc_v2(&flag, 4));
	ok(cuMemAlloc_v2(&other, 4));
	ok(cuMemsetD32Async(flag, 0, 1, two));
	ok(cuStreamSynchronize(two));
	launch_one(function, one, params);
	fails(cuStreamQuery(one), CUDA_ERROR_NOT_READY);
	ok(cuMemsetD32Async(flag, 1, 1, two));
	ok(cuStreamSynchronize(one));
	ok(cuStreamDestroy_v2(one));
	ok(cuStreamDestroy_v2(two));
	ok(cuModuleUnload(module));
	ok(cuMemFree_v2(flag));
	ok(cuMemFree_v2(other));
}

static void occupancy_follows_from_the_attributes(void **state)
{
	int blocks, grid, block;
	CUfunction function;
	CUmodule module;
	size_t shared;

	(void)state;
	function = load_function(&module, "add");
	ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 1024, 0));
	assert_int_equal(blocks, 2);
	ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 32, 0));
	assert_int_equal(blocks, 32);
	ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 32, 100 << 10));
	assert_int_equal(blocks, 2);
	ok(cuOccupancyMaxPotentialBlockSize(&grid, &block, function, NULL, 0, 0));
	assert_int_equal(block, 1024);
	assert_true(grid > 0);
	ok(cuOccupancyAvailableDynamicSMemPerBlock(&shared, function, 2, 128));
	assert_true(shared > 100 << 10);
	fails(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 0, 0),
	      CUDA_ERROR_INVALID_VALUE);
	ok(cuModuleUnload(module));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(modules_have_functions_and_variables),
		test(bad_images_are_refused_with_words),
		test(kernels_get_their_parameters),
		test(launches_are_checked),
		test(extended_launches_honour_attributes),
		test(libraries_belong_to_no_context),
		test(kernel_settings_reach_functions),
		test(texts_are_linked),
		test(faults_break_the_context),
		test(a_broken_context_does_not_harm_another),
		test(kernels_run_beside_the_host),
		test(occupancy_follows_from_the_attributes),
	};

	setenv("VGPU_SOFT_DEVICES", "2", 1);
	setenv("VGPU_SOFT_MEM", "64M", 1);
	if (engine_actions_learn() < 0) {
		fprintf(stderr, "the first launch failed\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
