/* SPDX-License-Identifier: MIT */
/* Device and host memory, copies of every shape, fills, pools, arrays, virtual memory. */
#include "tests/unit/soft/soft_test.h"

#include <sys/mman.h>

#define MEMORY (64u << 20)

static void memory_is_accounted(void **state)
{
	CUdeviceptr one, two, base;
	size_t before, after, total, size;

	(void)state;
	ok(cuMemGetInfo_v2(&before, &total));
	assert_int_equal(total, MEMORY);
	ok(cuMemAlloc_v2(&one, 40 << 20));
	ok(cuMemGetInfo_v2(&after, &total));
	assert_int_equal(before - after, 40 << 20);
	fails(cuMemAlloc_v2(&two, 40 << 20), CUDA_ERROR_OUT_OF_MEMORY);
	fails(cuMemAlloc_v2(&two, SIZE_MAX), CUDA_ERROR_OUT_OF_MEMORY);
	fails(cuMemAlloc_v2(&two, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemAlloc_v2(NULL, 1), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemGetAddressRange_v2(&base, &size, one + 12345));
	assert_int_equal(base, one);
	assert_int_equal(size, 40 << 20);
	fails(cuMemFree_v2(one + 4096), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFree_v2(one));
	fails(cuMemFree_v2(one), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFree_v2(0));
	ok(cuMemGetInfo_v2(&after, &total));
	assert_int_equal(before, after);
	fails(cuMemGetAddressRange_v2(&base, &size, one), CUDA_ERROR_NOT_FOUND);
}

static void addresses_are_the_devices(void **state)
{
	CUdeviceptr memory[64];

	(void)state;
	for (int i = 0; i < 64; i++) {
		ok(cuMemAlloc_v2(&memory[i], 1000));
		assert_int_equal(memory[i] % 512, 0);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(memory[i], memory[j]);
	}
	for (int i = 0; i < 64; i++)
		ok(cuMemFree_v2(memory[(i * 37) % 64]));
}

static void flat_copies_check_their_bounds(void **state)
{
	unsigned char in[5000], out[5000];
	CUdeviceptr memory, other;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 7);
	ok(cuMemAlloc_v2(&memory, 4096));
	ok(cuMemAlloc_v2(&other, 4096));
	ok(cuMemcpyHtoD_v2(memory, in, 4096));
	ok(cuMemcpyDtoD_v2(other + 1, memory + 3, 4000));
	ok(cuMemcpyDtoH_v2(out, other + 1, 4000));
	assert_memory_equal(out, in + 3, 4000);
	ok(cuMemcpyHtoD_v2(memory, in, 0));
	fails(cuMemcpyHtoD_v2(memory, in, 4097), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpyHtoD_v2(memory - 1, in, 10), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpyDtoH_v2(out, memory, SIZE_MAX), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpyDtoH_v2(out, 0, 4), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpyDtoH_v2(NULL, memory, 4), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpyHtoD_v2((uintptr_t)out, in, 4), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFree_v2(other));
	fails(cuMemcpyDtoH_v2(out, other, 4), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpy(memory, other, 4), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemcpy((uintptr_t)out, memory, 4096));
	assert_memory_equal(out, in, 4096);
	ok(cuMemcpy((uintptr_t)out, (uintptr_t)in, 5000));
	assert_memory_equal(out, in, 5000);
	ok(cuMemFree_v2(memory));
}

static void async_copies_take_pageable_memory_at_once(void **state)
{
	unsigned char bytes[1000];
	CUdeviceptr memory;
	CUstream stream;

	(void)state;
	ok(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	ok(cuMemAlloc_v2(&memory, 1000));
	for (int round = 0; round < 200; round++) {
		memset(bytes, round, sizeof(bytes));
		ok(cuMemcpyHtoDAsync_v2(memory, bytes, sizeof(bytes), stream));
		memset(bytes, 0xee, sizeof(bytes));
		ok(cuMemcpyDtoHAsync_v2(bytes, memory, sizeof(bytes), stream));
		assert_int_equal(bytes[0], (unsigned char)round);
		assert_int_equal(bytes[999], (unsigned char)round);
	}
	ok(cuStreamDestroy_v2(stream));
	ok(cuMemFree_v2(memory));
}

static void batches_are_copied_in_order(void **state)
{
	CUmemcpyAttributes attributes = {.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM};
	uint32_t in[3] = {1, 2, 3}, out[3];
	size_t sizes[4] = {12, 4, 4, 12}, first = 0, failed = 0;
	CUdeviceptr memory, dsts[4], srcs[4];
	CUstream stream;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuMemAlloc_v2(&memory, 12));
	dsts[0] = memory, srcs[0] = (uintptr_t)in;
	dsts[1] = memory, srcs[1] = memory + 8;
	dsts[2] = memory + 4, srcs[2] = memory;
	dsts[3] = (uintptr_t)out, srcs[3] = memory;
	ok(cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 4, &attributes, &first, 1, stream));
	ok(cuStreamSynchronize(stream));
	assert_int_equal(out[0], 3);
	assert_int_equal(out[1], 3);
	sizes[2] = 13;
	fails(cuMemcpyBatchAsync(dsts, srcs, sizes, 4, &attributes, &first, 1, &failed, stream),
	      CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(failed, 2);
	first = 1;
	fails(cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 4, &attributes, &first, 1, stream),
	      CUDA_ERROR_INVALID_VALUE);
	ok(cuStreamSynchronize(stream));
	ok(cuStreamDestroy_v2(stream));
	ok(cuMemFree_v2(memory));
}

static void boxes_are_copied_and_checked(void **state)
{
	static unsigned char in[8 * 6 * 20], out[sizeof(in)];
	CUDA_MEMCPY3D copy = {
		.srcMemoryType = CU_MEMORYTYPE_HOST,
		.srcHost = in,
		.srcPitch = 20,
		.srcHeight = 6,
		.srcXInBytes = 2,
		.srcY = 1,
		.srcZ = 2,
		.dstMemoryType = CU_MEMORYTYPE_DEVICE,
		.dstPitch = 32,
		.dstHeight = 7,
		.dstXInBytes = 4,
		.dstZ = 1,
		.WidthInBytes = 15,
		.Height = 4,
		.Depth = 5,
	};
	CUdeviceptr memory;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 31 + i / 256);
	ok(cuMemAlloc_v2(&memory, 32 * 7 * 6));
	ok(cuMemsetD8_v2(memory, 0xaa, 32 * 7 * 6));
	copy.dstDevice = memory;
	ok(cuMemcpy3D_v2(&copy));
	for (size_t z = 0; z < 5; z++)
		for (size_t y = 0; y < 4; y++) {
			ok(cuMemcpyDtoH_v2(out, memory + ((z + 1) * 7 + y) * 32, 32));
			assert_int_equal(out[3], 0xaa);
			assert_memory_equal(out + 4, in + ((z + 2) * 6 + y + 1) * 20 + 2, 15);
			assert_int_equal(out[19], 0xaa);
		}
	copy.Depth = 6; /* one slice beyond the allocation */
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	copy.Depth = 0;
	ok(cuMemcpy3D_v2(&copy));
	copy.Depth = 1;
	copy.dstPitch = 18;
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	copy.dstPitch = SIZE_MAX / 2;
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	copy.dstPitch = 32;
	copy.dstZ = SIZE_MAX / 3;
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	copy.dstZ = 0;
	copy.srcMemoryType = (CUmemorytype)9;
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemcpy3D_v2(NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFree_v2(memory));
}

static void fills_fill_what_they_say(void **state)
{
	uint32_t words[64];
	CUdeviceptr memory;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 256));
	ok(cuMemsetD32_v2(memory, 0x01020304, 64));
	ok(cuMemsetD16_v2(memory + 2, 0xabcd, 1));
	ok(cuMemsetD2D8_v2(memory + 64, 16, 0x55, 3, 4));
	ok(cuMemcpyDtoH_v2(words, memory, 256));
	assert_int_equal(words[0], 0xabcd0304);
	assert_int_equal(words[1], 0x01020304);
	for (int y = 0; y < 4; y++) {
		assert_int_equal(words[16 + 4 * y], 0x01555555);
		assert_int_equal(words[17 + 4 * y], 0x01020304);
	}
	fails(cuMemsetD32_v2(memory + 2, 0, 1), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemsetD8_v2(memory, 0, 4097), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemsetD2D32_v2(memory, 4, 0, 2, 2), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemsetD8_v2(memory, 0, 0));
	ok(cuMemFree_v2(memory));
}

static void host_memory_is_pinned(void **state)
{
	CUpointer_attribute ask[2] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				      CU_POINTER_ATTRIBUTE_DEVICE_POINTER};
	unsigned int flags, type = 7;
	CUdeviceptr address, mapped;
	void *answers[2] = {&type, &address};
	char *pinned, *plain;

	(void)state;
	ok(cuMemHostAlloc((void **)&pinned, 10000, CU_MEMHOSTALLOC_PORTABLE));
	ok(cuMemHostGetDevicePointer_v2(&mapped, pinned + 5, 0));
	assert_int_equal(mapped, (uintptr_t)pinned + 5);
	ok(cuMemHostGetFlags(&flags, pinned));
	assert_true(flags & CU_MEMHOSTALLOC_PORTABLE);
	ok(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				 (uintptr_t)pinned + 9999));
	assert_int_equal(type, CU_MEMORYTYPE_HOST);
	fails(cuMemHostRegister_v2(pinned, 100, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemFreeHost(pinned + 1), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFreeHost(pinned));
	fails(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);

	plain = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fails(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (uintptr_t)plain),
	      CUDA_ERROR_INVALID_VALUE);
	ok(cuPointerGetAttributes(2, ask, answers, (uintptr_t)plain));
	assert_int_equal(type, 0);
	ok(cuMemHostRegister_v2(plain + 100, 5000, 0));
	ok(cuPointerGetAttributes(2, ask, answers, (uintptr_t)plain + 100));
	assert_int_equal(type, CU_MEMORYTYPE_HOST);
	assert_int_equal(address, (uintptr_t)plain + 100);
	fails(cuMemHostRegister_v2(plain, 4096, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	fails(cuMemHostUnregister(plain), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
	ok(cuMemHostUnregister(plain + 100));
	munmap(plain + 4096, 4096);
	fails(cuMemHostRegister_v2(plain, 3 * 4096, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemHostRegister_v2(plain, 0, 0), CUDA_ERROR_INVALID_VALUE);
	munmap(plain, 3 * 4096);
}

static void arrays_are_copied(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR cube = {.Width = 5,
					.Height = 4,
					.Depth = 3,
					.Format = CU_AD_FORMAT_FLOAT,
					.NumChannels = 2};
	static float in[120], out[120];
	CUDA_MEMCPY3D copy = {
		.srcMemoryType = CU_MEMORYTYPE_HOST,
		.srcHost = in,
		.srcPitch = 40,
		.srcHeight = 4,
		.dstMemoryType = CU_MEMORYTYPE_ARRAY,
		.WidthInBytes = 40,
		.Height = 4,
		.Depth = 3,
	};
	CUDA_ARRAY3D_DESCRIPTOR got;
	CUarray array, line;

	(void)state;
	for (int i = 0; i < 120; i++)
		in[i] = (float)i;
	ok(cuArray3DCreate_v2(&array, &cube));
	ok(cuArray3DGetDescriptor_v2(&got, array));
	assert_memory_equal(&got, &cube, sizeof(cube));
	copy.dstArray = array;
	ok(cuMemcpy3D_v2(&copy));
	copy.dstZ = 1;
	fails(cuMemcpy3D_v2(&copy), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemcpyAtoH_v2(out, array, 0, sizeof(out)));
	assert_memory_equal(out, in, sizeof(in));
	fails(cuMemcpyAtoH_v2(out, array, 4, sizeof(out)), CUDA_ERROR_INVALID_VALUE);

	cube.Height = cube.Depth = 0;
	ok(cuArray3DCreate_v2(&line, &cube));
	ok(cuMemcpyAtoA_v2(line, 0, array, 40, 40));
	ok(cuMemcpyAtoH_v2(out, line, 8, 32));
	assert_memory_equal(out, in + 12, 32);
	cube.NumChannels = 3;
	fails(cuArray3DCreate_v2(&line, &cube), CUDA_ERROR_INVALID_VALUE);
	cube.NumChannels = 1;
	cube.Width = 0;
	fails(cuArray3DCreate_v2(&line, &cube), CUDA_ERROR_INVALID_VALUE);
	ok(cuArrayDestroy(line));
	ok(cuArrayDestroy(array));
	fails(cuMemcpyAtoH_v2(out, array, 0, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

static void pools_keep_account(void **state)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0},
				.maxSize = 1 << 20};
	CUmemoryPool pool, current;
	CUdeviceptr memory, more;
	cuuint64_t used;
	CUstream stream;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuMemAllocAsync(&memory, 1000, stream));
	ok(cuMemsetD8Async(memory, 1, 1000, stream));
	ok(cuMemFreeAsync(memory, stream));
	ok(cuStreamSynchronize(stream));
	fails(cuMemFreeAsync(memory, stream), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemPoolCreate(&pool, &props));
	ok(cuMemAllocFromPoolAsync(&memory, 700000, pool, stream));
	fails(cuMemAllocFromPoolAsync(&more, 700000, pool, stream), CUDA_ERROR_OUT_OF_MEMORY);
	ok(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
	assert_true(used >= 700000);
	ok(cuPointerGetAttribute(&current, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, memory));
	assert_ptr_equal(current, pool);
	ok(cuDeviceSetMemPool(0, pool));
	ok(cuDeviceGetMemPool(&current, 0));
	assert_ptr_equal(current, pool);
	ok(cuMemPoolDestroy(pool));
	ok(cuDeviceGetMemPool(&current, 0));
	assert_ptr_not_equal(current, pool);
	fails(cuMemPoolDestroy(pool), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemPoolDestroy(current), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFreeAsync(memory, stream));
	ok(cuStreamSynchronize(stream));
	ok(cuStreamDestroy_v2(stream));
}

static void mappings_are_virtual(void **state)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
	CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUmemGenericAllocationHandle one, two;
	unsigned char bytes[64];
	CUdeviceptr base, again;
	size_t step;

	(void)state;
	ok(cuMemGetAllocationGranularity(&step, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	ok(cuMemAddressReserve(&base, 4 * step, 0, 0, 0));
	fails(cuMemAddressReserve(&again, 100, 0, 0, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemCreate(&one, step, &prop, 0));
	ok(cuMemCreate(&two, step, &prop, 0));
	fails(cuMemCreate(&two, 64 * step, &prop, 0), CUDA_ERROR_OUT_OF_MEMORY);
	ok(cuMemMap(base, step, 0, one, 0));
	fails(cuMemMap(base, step, 0, two, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemMap(base + 4 * step, step, 0, two, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemMap(base + step, step, 0, two, 0));
	ok(cuMemMap(base + 2 * step, step, 0, one, 0));             /* the same memory twice */
	fails(cuMemsetD8_v2(base, 1, 4), CUDA_ERROR_INVALID_VALUE); /* no access yet */
	ok(cuMemSetAccess(base, 3 * step, &access, 1));
	ok(cuMemsetD8_v2(base + step - 32, 0x77, 64)); /* across both */
	ok(cuMemcpyDtoH_v2(bytes, base + 3 * step - 32, 32));
	assert_int_equal(bytes[31], 0x77);
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_READ;
	ok(cuMemSetAccess(base + step, step, &access, 1));
	fails(cuMemsetD8_v2(base + step, 1, 4), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemcpyDtoH_v2(bytes, base + step, 32));
	assert_int_equal(bytes[0], 0x77);
	ok(cuMemRelease(one)); /* mappings keep it */
	fails(cuMemRelease(one), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemcpyDtoH_v2(bytes, base, 32));
	fails(cuMemAddressFree(base, 4 * step), CUDA_ERROR_INVALID_VALUE);
	fails(cuMemUnmap(base, 4 * step), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemUnmap(base, 3 * step));
	fails(cuMemcpyDtoH_v2(bytes, base, 32), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemRelease(two));
	ok(cuMemAddressFree(base, 4 * step));
	ok(cuMemAddressReserve(&again, step, 0, base, 0));
	assert_int_equal(again, base);
	ok(cuMemAddressFree(again, step));
}

static void nothing_is_left_behind(void **state)
{
	size_t free_bytes, total;

	(void)state;
	ok(cuMemGetInfo_v2(&free_bytes, &total));
	assert_int_equal(free_bytes, total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(memory_is_accounted),
		test(addresses_are_the_devices),
		test(flat_copies_check_their_bounds),
		test(async_copies_take_pageable_memory_at_once),
		test(batches_are_copied_in_order),
		test(boxes_are_copied_and_checked),
		test(fills_fill_what_they_say),
		test(host_memory_is_pinned),
		test(arrays_are_copied),
		test(pools_keep_account),
		test(mappings_are_virtual),
		test(nothing_is_left_behind),
	};

	setenv("VGPU_SOFT_MEM", "64M", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
