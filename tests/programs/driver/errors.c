/* SPDX-License-Identifier: MIT */
/*
 * What CUDA documents as the answer to a bad argument is what comes back, and the context stays
 * usable. Only arguments whose answer is documented (or, where the documents leave it open, the same
 * in every driver since 11.0) are tried. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

static void check_before_init(void)
{
	CUdevice dev = 0;
	int count = 0;

	check_result("before-init-count", cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
	check_result("before-init-device", cuDeviceGet(&dev, 0), CUDA_ERROR_NOT_INITIALIZED);
	check_result("init-flags", cuInit(1), CUDA_ERROR_INVALID_VALUE);
}

static void check_without_context(void)
{
	CUdeviceptr d = 0;
	CUcontext context = NULL;
	CUstream stream = NULL;

	CU(cuInit(0));
	CU(cuCtxGetCurrent(&context));
	check_that(!context, "no-context", "cuCtxGetCurrent: %p", (void *)context);
	check_result("no-context-alloc", cuMemAlloc(&d, 16), CUDA_ERROR_INVALID_CONTEXT);
	check_result("no-context-stream", cuStreamCreate(&stream, 0), CUDA_ERROR_INVALID_CONTEXT);
	check_result("no-context-sync", cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
}

static void check_devices(CUdevice dev)
{
	CUdevice got = 0;
	int count = 0, value = 0;

	CU(cuDeviceGetCount(&count));
	check_result("device-minus-one", cuDeviceGet(&got, -1), CUDA_ERROR_INVALID_DEVICE);
	check_result("device-too-high", cuDeviceGet(&got, count), CUDA_ERROR_INVALID_DEVICE);
	check_result("device-null", cuDeviceGet(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	check_result("attribute-unknown",
		     cuDeviceGetAttribute(&value, (CUdevice_attribute)100000, dev),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("attribute-device",
		     cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, count),
		     CUDA_ERROR_INVALID_DEVICE);
}

static void check_names(void)
{
	const char *text = "?";

	check_result("name-unknown", cuGetErrorName((CUresult)99999, &text),
		     CUDA_ERROR_INVALID_VALUE);
	check_that(!text, "name-unknown-null", "%s", text ? text : "NULL");
	CU(cuGetErrorName(CUDA_ERROR_NOT_FOUND, &text));
	check_that(strcmp(text, "CUDA_ERROR_NOT_FOUND") == 0, "name-known", "%s", text);
	CU(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
	check_that(strcmp(text, "out of memory") == 0, "string-known", "%s", text);
}

static void check_memory(void)
{
	CUdeviceptr d = 0, none = 0;
	char buffer[64] = "";
	void *p = NULL;
	unsigned int type = 0;

	check_result("alloc-zero", cuMemAlloc(&none, 0), CUDA_ERROR_INVALID_VALUE);
	check_result("alloc-null", cuMemAlloc(NULL, 16), CUDA_ERROR_INVALID_VALUE);
	check_result("alloc-huge", cuMemAlloc(&none, (size_t)1 << 50), CUDA_ERROR_OUT_OF_MEMORY);
	CU(cuMemAlloc(&d, sizeof(buffer)));
	check_result("copy-no-device-memory", cuMemcpyHtoD(64, buffer, 16),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("copy-null-host", cuMemcpyDtoH(NULL, d, 16), CUDA_ERROR_INVALID_VALUE);
	check_result("memset-no-device-memory", cuMemsetD8(64, 0, 16), CUDA_ERROR_INVALID_VALUE);
	check_result("memset-unaligned", cuMemsetD32(d + 2, 0, 1), CUDA_ERROR_INVALID_VALUE);
	check_result("free-unknown", cuMemFree(d + 4), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree(d));
	check_result("free-twice", cuMemFree(d), CUDA_ERROR_INVALID_VALUE);
	check_result("host-free-unknown", cuMemFreeHost(buffer), CUDA_ERROR_INVALID_VALUE);
	check_result("host-flags", cuMemHostAlloc(&p, 64, 0xf000), CUDA_ERROR_INVALID_VALUE);
	check_result("host-unregister", cuMemHostUnregister(buffer),
		     CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
	check_result("pointer-unknown",
		     cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
					   (CUdeviceptr)(uintptr_t)buffer),
		     CUDA_ERROR_INVALID_VALUE);
}

static void check_modules(CUmodule module)
{
	static const char broken[] = ".version 7.0\n.target sm_52\n.address_size 64\n"
				     ".visible .entry k() { bra nosuch; }\n";
	CUmodule none = NULL;
	CUfunction f = NULL;
	CUdeviceptr d = 0;
	size_t size = 0;

	check_result("module-broken-ptx", cuModuleLoadData(&none, broken), CUDA_ERROR_INVALID_PTX);
	check_result("module-null", cuModuleLoadData(&none, NULL), CUDA_ERROR_INVALID_VALUE);
	check_result("module-no-file", cuModuleLoad(&none, "/does/not/exist.cubin"),
		     CUDA_ERROR_FILE_NOT_FOUND);
	check_result("function-unknown", cuModuleGetFunction(&f, module, "nothing"),
		     CUDA_ERROR_NOT_FOUND);
	check_result("function-null", cuModuleGetFunction(&f, module, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("global-unknown", cuModuleGetGlobal(&d, &size, module, "nothing"),
		     CUDA_ERROR_NOT_FOUND);
}

static CUresult launch(CUfunction f, unsigned int grid, unsigned int block, unsigned int shared,
		       void **params)
{
	return cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, NULL, params, NULL);
}

static void check_launches(CUdevice dev, CUfunction f)
{
	CUdeviceptr state = 0;
	uint64_t value = 1;
	unsigned int id = 5;
	void *params[] = {&state, &id};
	unsigned int most =
		(unsigned int)device_attribute(dev, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
	unsigned int shared = (unsigned int)device_attribute(
		dev, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);

	CU(cuMemAlloc(&state, sizeof(value)));
	CU(cuMemcpyHtoD(state, &value, sizeof(value)));
	check_result("launch-no-grid", launch(f, 0, 1, 0, params), CUDA_ERROR_INVALID_VALUE);
	check_result("launch-no-block", launch(f, 1, 0, 0, params), CUDA_ERROR_INVALID_VALUE);
	check_result("launch-block-too-large", launch(f, 1, most + 1, 0, params),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("launch-shared-too-large", launch(f, 1, 1, shared + 1024, params),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("launch-no-params", launch(f, 1, 1, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	check_result("launch-no-function", launch(NULL, 1, 1, 0, params),
		     CUDA_ERROR_INVALID_HANDLE);
	/* After all that, the context works. */
	check_result("launch-good", launch(f, 1, 1, 0, params), CUDA_SUCCESS);
	CU(cuMemcpyDtoH(&value, state, sizeof(value)));
	check_that(value == 8, "launch-good-value", "%llu", (unsigned long long)value);
	CU(cuMemFree(state));
}

static void check_events(void)
{
	CUevent never = NULL, untimed = NULL, other = NULL;
	CUstream stream = NULL;
	float ms = 0;

	check_result("event-flags", cuEventCreate(&never, 0x40), CUDA_ERROR_INVALID_VALUE);
	check_result("stream-flags", cuStreamCreate(&stream, 0x40), CUDA_ERROR_INVALID_VALUE);
	CU(cuEventCreate(&never, CU_EVENT_DEFAULT));
	CU(cuEventCreate(&other, CU_EVENT_DEFAULT));
	CU(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	CU(cuEventRecord(other, NULL));
	CU(cuEventRecord(untimed, NULL));
	CU(cuCtxSynchronize());
	check_result("elapsed-never-recorded", cuEventElapsedTime(&ms, never, other),
		     CUDA_ERROR_INVALID_HANDLE);
	check_result("elapsed-untimed", cuEventElapsedTime(&ms, untimed, other),
		     CUDA_ERROR_INVALID_HANDLE);
	check_result("query-never-recorded", cuEventQuery(never), CUDA_SUCCESS);
	check_result("elapsed-good", cuEventElapsedTime(&ms, other, other), CUDA_SUCCESS);
	CU(cuEventDestroy(never));
	CU(cuEventDestroy(other));
	CU(cuEventDestroy(untimed));
}

int main(void)
{
	CUdevice dev;
	CUmodule module;

	check_before_init();
	check_without_context();
	dev = device_open();
	module = module_load(chain_ptx);
	check_devices(dev);
	check_names();
	check_memory();
	check_modules(module);
	check_launches(dev, module_function(module, "append"));
	check_events();
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
