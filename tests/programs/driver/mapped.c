/* SPDX-License-Identifier: MIT */
/*
 * Page-locked host memory seen from the device: kernels read and write it in place, under the
 * address that cuMemHostGetDevicePointer gives (for allocated memory, the host's own); what CUDA
 * says about the pointers; stream-ordered allocations beside it. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define COUNT 20011u

static void run_step(CUfunction step, CUdeviceptr in, CUdeviceptr out, CUstream stream)
{
	unsigned int id = 9, n = COUNT;
	void *params[] = {&in, &out, &id, &n};

	launch_1d(step, (COUNT + 127) / 128, 128, stream, params);
}

static unsigned int count_wrong(const uint32_t *got, uint64_t seed)
{
	uint32_t *in = malloc(COUNT * sizeof(*in));
	unsigned int wrong = 0;

	if (!in)
		exit(2);
	fill_random(in, COUNT * sizeof(*in), seed);
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += got[i] != in[i] * 3 + 9;
	free(in);
	return wrong;
}

static void check_allocated(CUfunction step, CUstream stream)
{
	unsigned int flags = CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE, said = 0, wrong;
	uint32_t *in = NULL, *out = NULL;
	CUdeviceptr din = 0, dout = 0;

	CU(cuMemHostAlloc((void **)&in, COUNT * sizeof(*in), flags));
	CU(cuMemHostAlloc((void **)&out, COUNT * sizeof(*out), flags));
	CU(cuMemHostGetDevicePointer(&din, in, 0));
	CU(cuMemHostGetDevicePointer(&dout, out, 0));
	CU(cuMemHostGetFlags(&said, in));
	check_that((said & flags) == flags, "host-flags", "%#x, asked for %#x", said, flags);
	check_that(din == (CUdeviceptr)(uintptr_t)in, "one-address", "host %p, device %#llx",
		   (void *)in, (unsigned long long)din);
	fill_random(in, COUNT * sizeof(*in), 3);
	memset(out, 0, COUNT * sizeof(*out));
	run_step(step, din, dout, stream);
	CU(cuStreamSynchronize(stream));
	wrong = count_wrong(out, 3);
	check_that(wrong == 0, "kernel-on-pinned", "%u of %u values wrong", wrong, COUNT);
	CU(cuMemFreeHost(in));
	CU(cuMemFreeHost(out));
}

static void check_registered(CUfunction step, CUstream stream)
{
	size_t size = (COUNT * sizeof(uint32_t) + 4095) & ~(size_t)4095;
	uint32_t *in = aligned_alloc(4096, size);
	CUdeviceptr din = 0, dout = 0;
	uint32_t *out = malloc(COUNT * sizeof(*out));
	unsigned int wrong;

	if (!in || !out)
		exit(2);
	fill_random(in, COUNT * sizeof(*in), 4);
	CU(cuMemHostRegister(in, size, CU_MEMHOSTREGISTER_DEVICEMAP));
	/* A vGPU that can be given no pages for it stages its copies. */
	if (cuMemHostGetDevicePointer(&din, in, 0) == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("kernel-on-registered", "registered memory is not mapped here");
		goto out;
	}
	CU(cuMemAlloc(&dout, COUNT * sizeof(*out)));
	run_step(step, din, dout, stream);
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(out, dout, COUNT * sizeof(*out)));
	wrong = count_wrong(out, 4);
	check_that(wrong == 0, "kernel-on-registered", "%u of %u values wrong", wrong, COUNT);
	CU(cuMemFree(dout));
out:
	CU(cuMemHostUnregister(in));
	free(in);
	free(out);
}

static void check_pointer(const char *name, CUdeviceptr p, unsigned int type, CUcontext context,
			  CUdeviceptr start, size_t size)
{
	unsigned int got_type = 0;
	CUcontext got_context = NULL;
	CUdeviceptr got_start = 0, got_device = 0;
	size_t got_size = 0;
	void *data[] = {&got_type, &got_context, &got_start, &got_size, &got_device};
	CUpointer_attribute which[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				       CU_POINTER_ATTRIBUTE_CONTEXT,
				       CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
				       CU_POINTER_ATTRIBUTE_RANGE_SIZE,
				       CU_POINTER_ATTRIBUTE_DEVICE_POINTER};

	CU(cuPointerGetAttributes(5, which, data, p));
	check_that(got_type == type && got_context == context && got_start == start &&
			   got_size == size && (type == 0 || got_device == p),
		   name, "type %u, range %#llx+%zu, device pointer %#llx", got_type,
		   (unsigned long long)got_start, got_size, (unsigned long long)got_device);
}

static void check_pointers(void)
{
	CUdeviceptr d = 0, base = 0;
	CUcontext context = NULL;
	size_t size = 0;
	void *pinned = NULL;
	int local = 0;
	unsigned int type = 7;
	void *data[] = {&type};
	CUpointer_attribute which[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE};

	CU(cuCtxGetCurrent(&context));
	CU(cuMemAlloc(&d, 10000));
	check_pointer("pointer-device", d + 77, CU_MEMORYTYPE_DEVICE, context, d, 10000);
	CU(cuMemGetAddressRange(&base, &size, d + 5000));
	check_that(base == d && size == 10000, "address-range", "%#llx+%zu",
		   (unsigned long long)base, size);
	CU(cuMemHostAlloc(&pinned, 8192, 0));
	check_pointer("pointer-host", (CUdeviceptr)(uintptr_t)pinned + 5, CU_MEMORYTYPE_HOST,
		      context, (CUdeviceptr)(uintptr_t)pinned, 8192);
	/* Memory that CUDA knows nothing of: zero, and no error, in the plural form. */
	CU(cuPointerGetAttributes(1, which, data, (CUdeviceptr)(uintptr_t)&local));
	check_that(type == 0, "pointer-unknown", "memory type %u", type);
	CU(cuMemFreeHost(pinned));
	CU(cuMemFree(d));
}

static void check_pool(CUdevice dev, CUfunction step, CUstream stream)
{
	uint32_t *in = malloc(COUNT * sizeof(*in)), *out = malloc(COUNT * sizeof(*out));
	CUdeviceptr din = 0, dout = 0;
	unsigned int wrong = 0;

	if (!in || !out)
		exit(2);
	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)) {
		check_skip("pool", "the device has no memory pools");
		goto out;
	}
	for (uint64_t round = 0; round < 20; round++) {
		fill_random(in, COUNT * sizeof(*in), round);
		CU(cuMemAllocAsync(&din, COUNT * sizeof(*in), stream));
		CU(cuMemAllocAsync(&dout, COUNT * sizeof(*out), stream));
		CU(cuMemcpyHtoDAsync(din, in, COUNT * sizeof(*in), stream));
		run_step(step, din, dout, stream);
		CU(cuMemcpyDtoHAsync(out, dout, COUNT * sizeof(*out), stream));
		CU(cuMemFreeAsync(din, stream));
		CU(cuMemFreeAsync(dout, stream));
		CU(cuStreamSynchronize(stream));
		wrong += count_wrong(out, round);
	}
	check_that(wrong == 0, "pool", "20 rounds, %u values wrong", wrong);
out:
	free(in);
	free(out);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	CUfunction step = module_function(module, "step");
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	check_allocated(step, stream);
	check_registered(step, stream);
	check_pointers();
	check_pool(dev, step, stream);
	CU(cuStreamDestroy(stream));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
