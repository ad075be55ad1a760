/* SPDX-License-Identifier: MIT */
/* VGPU_SOFT_LOST: one device of two is lost while it is used, then the other. */
#include "tests/unit/soft/soft_test.h"

#include <fcntl.h>
#include <stdio.h>

#include "dom0-executor/soft/nvml.h"

#define SIZE 4096

static char path[] = "/tmp/vgpu-lost-XXXXXX";

/* What the file says from now on. */
static void lose(const char *numbers)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, numbers, strlen(numbers)), strlen(numbers));
	close(fd);
}

static CUdeviceptr context_with_memory(CUcontext *ctx, CUdevice device)
{
	CUdeviceptr memory;

	ok(cuCtxCreate_v2(ctx, 0, device));
	ok(cuMemAlloc_v2(&memory, SIZE));
	ok(cuMemsetD8_v2(memory, 1, SIZE));
	return memory;
}

static void all_is_well_before(void **state)
{
	nvmlDevice_t device;
	char name[64];
	int count;

	(void)state;
	lose("");
	ok(cuInit(0));
	ok(cuDeviceGetCount(&count));
	assert_int_equal(count, 2);
	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &device), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetName(device, name, sizeof(name)), NVML_SUCCESS);
}

/* Its contexts answer with one error, made before or not; the other device's work on. */
static void one_is_lost_in_use(void **state)
{
	CUcontext first, second, other;
	CUdeviceptr there, gone;
	nvmlMemory_v2_t memory;
	nvmlDevice_t lost;
	char byte = 0;
	int count;

	(void)state;
	there = context_with_memory(&second, 1);
	gone = context_with_memory(&first, 0);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &lost), NVML_SUCCESS);
	lose("0\n");
	fails(cuMemcpyDtoH_v2(&byte, gone, 1), CUDA_ERROR_DEVICE_UNAVAILABLE);
	fails(cuMemAlloc_v2(&gone, SIZE), CUDA_ERROR_DEVICE_UNAVAILABLE);
	fails(cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
	fails(cuStreamSynchronize(NULL), CUDA_ERROR_DEVICE_UNAVAILABLE);
	fails(cuCtxCreate_v2(&other, 0, 0), CUDA_ERROR_DEVICE_UNAVAILABLE);
	fails(cuDevicePrimaryCtxRetain(&other, 0), CUDA_ERROR_DEVICE_UNAVAILABLE);
	assert_int_equal(nvmlDeviceGetMemoryInfo_v2(lost, &memory), NVML_ERROR_GPU_IS_LOST);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &lost), NVML_ERROR_GPU_IS_LOST);
	ok(cuDeviceGetCount(&count));
	assert_int_equal(count, 2);
	ok(cuCtxSetCurrent(second));
	ok(cuMemcpyDtoH_v2(&byte, there, 1));
	assert_int_equal(byte, 1);
	ok(cuMemFree_v2(there));
	ok(cuCtxDestroy_v2(first));
	ok(cuCtxDestroy_v2(second));
}

/* Its process must be started again. */
static void it_does_not_come_back(void **state)
{
	CUcontext ctx;

	(void)state;
	lose("");
	fails(cuCtxCreate_v2(&ctx, 0, 0), CUDA_ERROR_DEVICE_UNAVAILABLE);
	ok(cuCtxCreate_v2(&ctx, 0, 1));
	ok(cuCtxDestroy_v2(ctx));
}

/* What waits in a stream is not done; who waits for it goes on, and hears why. */
static void what_is_queued_ends(void **state)
{
	CUdeviceptr word;
	CUstream stream;
	CUcontext ctx;

	(void)state;
	word = context_with_memory(&ctx, 1);
	ok(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	ok(cuStreamWaitValue32_v2(stream, word, 77, CU_STREAM_WAIT_VALUE_EQ));
	ok(cuMemsetD8Async(word, 2, SIZE, stream));
	fails(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
	lose("0 1\n");
	fails(cuStreamSynchronize(stream), CUDA_ERROR_DEVICE_UNAVAILABLE);
	ok(cuCtxDestroy_v2(ctx));
}

static int file_make(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	setenv("VGPU_SOFT_LOST", path, 1);
	return fd < 0;
}

static int file_remove(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well_before),
		cmocka_unit_test(one_is_lost_in_use),
		cmocka_unit_test(it_does_not_come_back),
		cmocka_unit_test(what_is_queued_ends),
	};

	setenv("VGPU_SOFT_DEVICES", "2", 1);
	setenv("VGPU_SOFT_MEM", "64M", 1);
	return cmocka_run_group_tests(tests, file_make, file_remove);
}
