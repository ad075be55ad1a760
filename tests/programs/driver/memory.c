/* SPDX-License-Identifier: MIT */
/*
 * Memory pools and virtual memory: made, mapped, opened to a device, asked about, taken apart. One thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

static void check_pool(CUdevice dev, CUstream stream)
{
	CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	CUmemPoolProps props;
	CUmemAccessDesc access;
	cuuint64_t keep = 1 << 20, used = 0, zero = 0;
	CUmemoryPool pool = NULL, before = NULL, now = NULL;
	CUdeviceptr memory = 0;
	uint32_t word = 0;

	memset(&props, 0, sizeof(props));
	props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
	props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	props.location.id = dev;
	CU(cuMemPoolCreate(&pool, &props));
	CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
	keep = 0;
	CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
	check_that(keep == 1 << 20, "threshold", "%llu", (unsigned long long)keep);
	CU(cuMemAllocFromPoolAsync(&memory, 1 << 16, pool, stream));
	CU(cuMemsetD32Async(memory, 42, 1 << 14, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
	CU(cuMemcpyDtoH(&word, memory + (1 << 16) - 4, sizeof(word)));
	check_that(used >= 1 << 16 && word == 42, "from-pool", "%llu used",
		   (unsigned long long)used);
	CU(cuMemFreeAsync(memory, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemPoolTrimTo(pool, 0));
	CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &zero));
	access.location = props.location;
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	CU(cuMemPoolSetAccess(pool, &access, 1));
	CU(cuMemPoolGetAccess(&flags, pool, &access.location));
	check_that(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE, "pool-access", "%d", (int)flags);
	CU(cuDeviceGetMemPool(&before, dev));
	CU(cuDeviceSetMemPool(dev, pool));
	CU(cuDeviceGetMemPool(&now, dev));
	check_that(now == pool && before != pool, "device-pool", "the one that was set");
	CU(cuDeviceSetMemPool(dev, before));
	CU(cuMemPoolDestroy(pool));
}

static void check_virtual(CUdevice dev)
{
	CUmemGenericAllocationHandle handle = 0, again = 0;
	CUmemAllocationProp prop, told;
	CUmemAccessDesc access;
	unsigned long long flags = 0;
	CUdeviceptr base = 0, found = 0;
	size_t grain = 0, size = 0;
	uint32_t word = 0;

	memset(&prop, 0, sizeof(prop));
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	prop.location.id = dev;
	CU(cuMemGetAllocationGranularity(&grain, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	check_that(grain && !(grain & (grain - 1)), "granularity", "%zu", grain);
	CU(cuMemAddressReserve(&base, 2 * grain, 0, 0, 0));
	CU(cuMemCreate(&handle, grain, &prop, 0));
	memset(&told, 0, sizeof(told));
	CU(cuMemGetAllocationPropertiesFromHandle(&told, handle));
	check_that(told.type == prop.type && told.location.id == dev, "properties", "of device %d",
		   told.location.id);
	CU(cuMemMap(base + grain, grain, 0, handle, 0));
	access.location = prop.location;
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	CU(cuMemSetAccess(base + grain, grain, &access, 1));
	CU(cuMemGetAccess(&flags, &access.location, base + grain));
	check_that(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE, "access", "%llu", flags);
	CU(cuMemsetD32(base + grain, 99, grain / 4));
	CU(cuMemcpyDtoH(&word, base + 2 * grain - 4, sizeof(word)));
	check_that(word == 99, "mapped", "%u", word);
	CU(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)(base + grain)));
	check_that(again == handle, "retained", "the same handle");
	CU(cuMemRelease(again));
	if (cuMemGetAddressRange(&found, &size, base + grain + 5) != CUDA_SUCCESS)
		check_skip("address-range", "not of mapped memory");
	else
		check_that(found <= base + grain && found + size >= base + grain + 5,
			   "address-range", "%zu bytes", size);
	CU(cuMemUnmap(base + grain, grain));
	CU(cuMemRelease(handle));
	CU(cuMemAddressFree(base, 2 * grain));
}

static void check_pointers(CUdevice dev)
{
	CUmemorytype type = CU_MEMORYTYPE_HOST;
	CUdeviceptr memory = 0;
	unsigned int sync = 1;
	int ordinal = -1;
	void *data[] = {&type, &ordinal};
	CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
					    CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};

	CU(cuMemAlloc(&memory, 4096));
	CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, memory));
	check_that(type == CU_MEMORYTYPE_DEVICE, "pointer-type", "%d", (int)type);
	CU(cuPointerGetAttributes(2, attributes, data, memory + 100));
	check_that(type == CU_MEMORYTYPE_DEVICE && ordinal == dev, "pointer-attributes",
		   "device %d", ordinal);
	CU(cuPointerSetAttribute(&sync, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, memory));
	CU(cuMemFree(memory));
}

struct asker {
	CUcontext context;
	CUdeviceptr memory;
	CUresult without, with;
	CUdeviceptr first, second, third;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	CUpointer_attribute which = CU_POINTER_ATTRIBUTE_DEVICE_POINTER;

	asker->without = cuPointerGetAttribute(&asker->first, which, asker->memory);
	CU(cuCtxSetCurrent(asker->context));
	asker->with = cuPointerGetAttribute(&asker->first, which, asker->memory);
	CU(cuPointerGetAttribute(&asker->second, which, asker->memory + 100));
	CU(cuPointerGetAttribute(&asker->third, which, asker->memory + 4095));
	CU(cuCtxSetCurrent(NULL));
	if (cuPointerGetAttribute(&asker->first, which, asker->memory) != asker->without)
		asker->without = CUDA_ERROR_UNKNOWN;
	return NULL;
}

/* In a thread that has set its context but done nothing in it yet, as Triton's launchers do. */
static void check_pointers_of_thread(void)
{
	struct asker asker = {0};
	pthread_t thread;

	CU(cuCtxGetCurrent(&asker.context));
	CU(cuMemAlloc(&asker.memory, 4096));
	if (pthread_create(&thread, NULL, ask, &asker))
		return;
	pthread_join(thread, NULL);
	check_result("pointer-without-context", asker.without, CUDA_ERROR_INVALID_CONTEXT);
	check_result("pointer-in-context", asker.with, CUDA_SUCCESS);
	check_that(asker.second == asker.memory + 100 && asker.third == asker.memory + 4095,
		   "pointer-inside", "%+lld, %+lld", (long long)(asker.second - asker.memory),
		   (long long)(asker.third - asker.memory));
	CU(cuMemFree(asker.memory));
}

/* What was true of memory that has gone is not true of what takes its place. */
static void check_pointers_anew(void)
{
	unsigned long long ids[2] = {0};
	size_t sizes[2] = {0};
	CUdeviceptr memory = 0;
	CUresult gone;

	for (int i = 0; i < 2; i++) {
		CU(cuMemAlloc(&memory, 4096u << i));
		for (int again = 0; again < 2; again++) {
			CU(cuPointerGetAttribute(&ids[i], CU_POINTER_ATTRIBUTE_BUFFER_ID, memory));
			CU(cuPointerGetAttribute(&sizes[i], CU_POINTER_ATTRIBUTE_RANGE_SIZE,
						 memory));
		}
		CU(cuMemFree(memory));
	}
	gone = cuPointerGetAttribute(&sizes[0], CU_POINTER_ATTRIBUTE_RANGE_SIZE, memory);
	check_that(ids[0] != ids[1] && sizes[0] == 4096 && sizes[1] == 8192 &&
			   gone == CUDA_ERROR_INVALID_VALUE,
		   "pointer-anew", "%zu and %zu bytes, then %d", sizes[0], sizes[1], (int)gone);
}

typedef CUresult (*register_v1)(void *, size_t, unsigned int);

static void check_registered(void)
{
	register_v1 older = (register_v1)entry_of("cuMemHostRegister", 4000);
	CUdeviceptr memory = 0;
	size_t wrong;
	void *host = NULL;

	if (posix_memalign(&host, 4096, 8192))
		return;
	CU(cuMemAlloc(&memory, 8192));
	CU(older(host, 8192, 0));
	fill_random(host, 8192, 9);
	CU(cuMemcpyHtoD(memory, host, 8192));
	memset(host, 0, 8192);
	CU(cuMemcpyDtoH(host, memory, 8192));
	wrong = count_not_random(host, 8192, 9);
	check_that(!wrong, "registered-v1", "%zu wrong", wrong);
	CU(cuMemHostUnregister(host));
	CU(cuMemFree(memory));
	free(host);
}

static void check_peer_copy(CUstream stream)
{
	CUcontext context = NULL;
	CUdeviceptr one = 0, two = 0;
	uint32_t word = 0;

	CU(cuCtxGetCurrent(&context));
	CU(cuMemAlloc(&one, 4096));
	CU(cuMemAlloc(&two, 4096));
	CU(cuMemsetD32(one, 5, 1024));
	CU(cuCtxSynchronize());
	CU(cuMemcpyPeer(two, context, one, context, 4096));
	CU(cuCtxSynchronize());
	CU(cuMemcpyDtoH(&word, two + 4092, 4));
	check_that(word == 5, "peer", "%u", word);
	CU(cuMemsetD32(one, 6, 1024));
	CU(cuCtxSynchronize());
	CU(cuMemcpyPeerAsync(two, context, one, context, 4096, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&word, two, 4));
	check_that(word == 6, "peer-async", "%u", word);
	CU(cuMemFree(one));
	CU(cuMemFree(two));
}

int main(void)
{
	CUdevice dev = device_open();
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	check_pool(dev, stream);
	check_virtual(dev);
	check_pointers(dev);
	check_pointers_of_thread();
	check_pointers_anew();
	check_registered();
	check_peer_copy(stream);
	CU(cuStreamDestroy(stream));
	device_close(dev);
	return check_end();
}
