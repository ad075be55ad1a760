/* SPDX-License-Identifier: MIT */
/*
 * Loading code in all the ways that PTX can be loaded (module, module with JIT options and log
 * buffers, library), and what can be asked of it: globals, functions, attributes, occupancy. The
 * same kernel is launched through each handle that CUDA accepts for it. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/modules.ptx.h"

#define LOG_SIZE 4096

/* After `touch` with `by`: the counter and the buffer, read through the given addresses. */
static void check_touched(const char *name, CUdeviceptr counter, CUdeviceptr buffer,
			  unsigned int wanted)
{
	unsigned char got[256];
	unsigned int count = 0, wrong = 0;

	CU(cuMemcpyDtoH(&count, counter, sizeof(count)));
	CU(cuMemcpyDtoH(got, buffer, sizeof(got)));
	for (unsigned int i = 0; i < 256; i++)
		wrong += got[i] != (unsigned char)(2 * i + 1 + i % 4);
	check_that(count == wanted && wrong == 0, name, "counter %u, %u of 256 bytes wrong", count,
		   wrong);
}

static void launch_touch(CUfunction f, unsigned int by)
{
	void *params[] = {&by};

	launch_1d(f, 1, 256, NULL, params);
	CU(cuCtxSynchronize());
}

static void check_globals(CUmodule module)
{
	CUdeviceptr counter = 0, buffer = 0, factors = 0, text = 0;
	size_t size = 0, sizes[3] = {0, 0, 0};
	char word[9] = "";
	float values[4];

	CU(cuModuleGetGlobal(&counter, &size, module, "counter"));
	CU(cuModuleGetGlobal(&buffer, &sizes[0], module, "buffer"));
	CU(cuModuleGetGlobal(&factors, &sizes[1], module, "factors"));
	CU(cuModuleGetGlobal(&text, &sizes[2], module, "text"));
	check_that(size == 4 && sizes[0] == 4096 && sizes[1] == 16 && sizes[2] == 8, "global-sizes",
		   "%zu %zu %zu %zu", size, sizes[0], sizes[1], sizes[2]);
	CU(cuMemcpyDtoH(word, text, 8));
	CU(cuMemcpyDtoH(values, factors, sizeof(values)));
	check_that(strcmp(word, "vgpu.ptx") == 0 && values[3] == 4.0f, "global-values",
		   "\"%s\", factors end with %g", word, (double)values[3]);
	launch_touch(module_function(module, "touch"), 1);
	check_touched("module", counter, buffer, 42);
	/* A host write to a global is what the next kernel reads. */
	CU(cuMemsetD32(counter, 100, 1));
	launch_touch(module_function(module, "touch"), 23);
	check_touched("global-written", counter, buffer, 123);
}

static void check_jit_options(void)
{
	char info[LOG_SIZE] = "", error[LOG_SIZE] = "";
	CUjit_option options[] = {CU_JIT_INFO_LOG_BUFFER,  CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
				  CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
				  CU_JIT_LOG_VERBOSE,      CU_JIT_OPTIMIZATION_LEVEL,
				  CU_JIT_WALL_TIME};
	void *values[] = {info,        (void *)(uintptr_t)LOG_SIZE,
			  error,       (void *)(uintptr_t)LOG_SIZE,
			  (void *)1,   (void *)3,
			  (void *)NULL};
	CUmodule module = NULL;
	CUdeviceptr counter = 0, buffer = 0;

	CU(cuModuleLoadDataEx(&module, modules_ptx, 7, options, values));
	check_that((uintptr_t)values[1] <= LOG_SIZE && (uintptr_t)values[3] <= LOG_SIZE &&
			   memchr(info, 0, LOG_SIZE) && memchr(error, 0, LOG_SIZE),
		   "jit-logs", "%zu and %zu bytes of log", (size_t)(uintptr_t)values[1],
		   (size_t)(uintptr_t)values[3]);
	CU(cuModuleGetGlobal(&counter, NULL, module, "counter"));
	CU(cuModuleGetGlobal(&buffer, NULL, module, "buffer"));
	launch_touch(module_function(module, "touch"), 2);
	check_touched("module-jit-options", counter, buffer, 43);
	CU(cuModuleUnload(module));
}

static void check_jit_error(void)
{
	static const char broken[] = ".version 7.0\n.target sm_52\n.address_size 64\n"
				     ".visible .entry k() { bra nosuch; }\n";
	char error[LOG_SIZE] = "";
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {error, (void *)(uintptr_t)LOG_SIZE};
	CUmodule module = NULL;

	check_result("jit-error", cuModuleLoadDataEx(&module, broken, 2, options, values),
		     CUDA_ERROR_INVALID_PTX);
	error[LOG_SIZE - 1] = 0;
	check_that(strstr(error, "nosuch") != NULL, "jit-error-log", "names the symbol: %s",
		   strstr(error, "nosuch") ? "yes" : error);
}

static void check_library(void)
{
	CUlibrary library = NULL;
	CUkernel kernel = NULL;
	CUfunction f = NULL;
	CUmodule module = NULL;
	CUdeviceptr counter = 0, buffer = 0;
	size_t size = 0;
	unsigned int count = 0;

	CU(cuLibraryLoadData(&library, modules_ptx, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetKernel(&kernel, library, "touch"));
	check_result("library-kernel-unknown", cuLibraryGetKernel(&kernel, library, "nothing"),
		     CUDA_ERROR_NOT_FOUND);
	CU(cuLibraryGetKernel(&kernel, library, "touch"));
	CU(cuLibraryGetKernelCount(&count, library));
	check_that(count == 3, "library-kernel-count", "%u", count);
	CU(cuLibraryGetGlobal(&counter, &size, library, "counter"));
	CU(cuLibraryGetGlobal(&buffer, NULL, library, "buffer"));
	check_that(size == 4, "library-global", "size %zu", size);
	/* The runtime launches the kernel handle itself, cast to a function. */
	launch_touch((CUfunction)kernel, 3);
	check_touched("library-kernel", counter, buffer, 44);
	CU(cuKernelGetFunction(&f, kernel));
	launch_touch(f, 4);
	check_touched("library-function", counter, buffer, 48);
	CU(cuLibraryGetModule(&module, library));
	launch_touch(module_function(module, "touch"), 5);
	check_touched("library-module", counter, buffer, 53);
	CU(cuLibraryUnload(library));
}

static void check_attributes(CUmodule module)
{
	CUfunction limited = module_function(module, "limited");
	int threads = 0, shared = -1, local = -1, regs = 0, constant = -1, ptx = 0;
	CUdeviceptr nowhere = 0;
	void *params[] = {&nowhere};
	CUresult refused;

	CU(cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, limited));
	CU(cuFuncGetAttribute(&shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, limited));
	CU(cuFuncGetAttribute(&local, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, limited));
	CU(cuFuncGetAttribute(&regs, CU_FUNC_ATTRIBUTE_NUM_REGS, limited));
	CU(cuFuncGetAttribute(&ptx, CU_FUNC_ATTRIBUTE_PTX_VERSION, limited));
	CU(cuFuncGetAttribute(&constant, CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES,
			      module_function(module, "touch")));
	check_that(threads == 128 && shared == 2048 && local == 0 && regs > 0 && constant >= 0 &&
			   ptx > 0,
		   "attributes", "threads %d shared %d local %d regs %d const %d ptx %d", threads,
		   shared, local, regs, constant, ptx);
	/* Which of the two errors it is depends on what the driver finds first. */
	refused = cuLaunchKernel(limited, 1, 1, 1, 129, 1, 1, 0, NULL, params, NULL);
	check_that(refused == CUDA_ERROR_INVALID_VALUE ||
			   refused == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
		   "attributes-limit", "129 threads where .maxntid is 128: %s",
		   result_name(refused));
}

/* More dynamic shared memory than 48 KiB has to be asked for first. */
static void check_dynamic_shared(CUdevice dev, CUmodule module)
{
	CUfunction f = module_function(module, "dynamic_size");
	int most = device_attribute(dev, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
	unsigned int got = 0;
	CUdeviceptr out = 0;
	void *params[] = {&out};

	CU(cuMemAlloc(&out, 256 * sizeof(got)));
	CU(cuLaunchKernel(f, 1, 1, 1, 256, 1, 1, 1000, NULL, params, NULL));
	CU(cuMemcpyDtoH(&got, out, sizeof(got)));
	check_that(got == 1000, "dynamic-shared", "%u bytes seen by the kernel", got);
	if (most <= 49152) {
		check_skip("dynamic-shared-optin", "the device has no more than 48 KiB");
	} else {
		check_result("dynamic-shared-unasked",
			     cuLaunchKernel(f, 1, 1, 1, 256, 1, 1, (unsigned int)most, NULL, params,
					    NULL),
			     CUDA_ERROR_INVALID_VALUE);
		CU(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, most));
		CU(cuLaunchKernel(f, 1, 1, 1, 256, 1, 1, (unsigned int)most, NULL, params, NULL));
		CU(cuMemcpyDtoH(&got, out, sizeof(got)));
		check_that(got == (unsigned int)most, "dynamic-shared-optin", "%u bytes", got);
	}
	CU(cuMemFree(out));
}

static void check_occupancy(CUmodule module)
{
	CUfunction f = module_function(module, "touch");
	int blocks = 0, grid = 0, block = 0;
	size_t shared = 0;

	CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 256, 0));
	CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, f, NULL, 0, 0));
	CU(cuOccupancyAvailableDynamicSMemPerBlock(&shared, f, 1, 256));
	check_that(blocks >= 1 && grid >= 1 && block >= 32 && block <= 1024 && shared > 0,
		   "occupancy", "%d blocks of 256, best %d x %d, %zu bytes shared", blocks, grid,
		   block, shared);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(modules_ptx);

	check_globals(module);
	check_jit_options();
	check_jit_error();
	check_library();
	check_attributes(module);
	check_dynamic_shared(dev, module);
	check_occupancy(module);
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
