/* SPDX-License-Identifier: MIT */
/*
 * Pinned host memory. Kernels run in this process, so a host address is its own device address;
 * pinning is an entry in the table of ranges, and copies tell pinned from pageable memory by it.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"

#include <sys/mman.h>

#define ALLOC_FLAGS \
	(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED)
#define REGISTER_FLAGS \
	(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY)

CUresult cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
	struct soft_range *range;
	CUresult result;
	void *memory;

	ENTER_CONTEXT(ctx);
	if (!pp || Flags & ~(unsigned int)ALLOC_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	*pp = NULL;
	if (!bytesize)
		return CUDA_SUCCESS;
	result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	if (bytesize > SIZE_MAX - SOFT_PAGE)
		return CUDA_ERROR_OUT_OF_MEMORY;
	range = range_new(RANGE_HOST, ctx->device, ctx);
	if (!range)
		return CUDA_ERROR_OUT_OF_MEMORY;
	range->size = round_up(bytesize, SOFT_PAGE);
	range->asked = bytesize;
	range->flags = Flags | CU_MEMHOSTALLOC_DEVICEMAP; /* unified addresses: always mapped */
	memory =
		mmap(NULL, range->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		range_delete(range);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	range->base = (uintptr_t)memory;
	result = range_insert(range);
	if (result != CUDA_SUCCESS) {
		munmap(memory, range->size);
		range_delete(range);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*pp = memory;
	return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void **pp, size_t bytesize)
{
	if (pp && !bytesize) {
		*pp = NULL;
		return CUDA_SUCCESS;
	}
	return cuMemHostAlloc(pp, bytesize, 0);
}

/* It belongs to no context: the work of all may use it. */
static void devices_synchronize(void)
{
	for (CUdevice i = 0; device_of(i); i++)
		device_synchronize(device_of(i));
}

CUresult cuMemFreeHost(void *p)
{
	struct soft_range *range;
	struct soft_context *ctx auto_put = NULL;
	CUresult result = driver_enter();

	if (result != CUDA_SUCCESS || !p)
		return result;
	if (context_enter_broken(&ctx) == CUDA_SUCCESS)
		result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	devices_synchronize();
	range = range_take((uintptr_t)p, RANGE_HOST);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	munmap(p, range->size);
	range_delete(range);
	return CUDA_SUCCESS;
}

/* Whether every page is there; what is not can never be read or written. */
static bool is_mapped(uint64_t base, size_t size)
{
	unsigned char resident[256];
	size_t most = sizeof(resident) * SOFT_PAGE;

	for (size_t done = 0; done < size; done += most) {
		size_t part = size - done < most ? size - done : most;

		if (mincore((void *)(uintptr_t)(base + done), part, resident) < 0)
			return false;
	}
	return true;
}

/* What lies at an address; 0: nothing. */
static unsigned int kind_at(const void *p)
{
	struct soft_range *range = range_pin((uintptr_t)p);
	unsigned int kind = range ? range->kind : 0;

	if (range)
		range_unpin(range);
	return kind;
}

CUresult cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
{
	uint64_t first = (uintptr_t)p & ~(uint64_t)(SOFT_PAGE - 1);
	struct soft_range *range;
	CUresult result;
	size_t pages;

	ENTER_CONTEXT(ctx);
	if (!p || !bytesize || bytesize > (UINT64_C(1) << 47) ||
	    Flags & ~(unsigned int)(REGISTER_FLAGS | CU_MEMHOSTREGISTER_IOMEMORY))
		return CUDA_ERROR_INVALID_VALUE;
	if (Flags & CU_MEMHOSTREGISTER_IOMEMORY)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	pages = round_up((uintptr_t)p + bytesize - first, SOFT_PAGE);
	if (range_is_device_address((uintptr_t)p) || !is_mapped(first, pages))
		return CUDA_ERROR_INVALID_VALUE;
	range = range_new(RANGE_REGISTERED, ctx->device, ctx);
	if (!range)
		return CUDA_ERROR_OUT_OF_MEMORY;
	range->base = (uintptr_t)p;
	range->size = bytesize;
	range->asked = bytesize;
	range->flags = Flags | CU_MEMHOSTREGISTER_DEVICEMAP;
	result = range_insert(range);
	if (result == CUDA_SUCCESS)
		return result;
	range_delete(range);
	if (result != CUDA_ERROR_INVALID_VALUE)
		return result;
	return kind_at(p) & RANGE_HOST ? result : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
}

/* The call of before CUDA 6.5 looks at no other flags. */
CUresult cuMemHostRegister(void *p, size_t bytesize, unsigned int Flags)
{
	return cuMemHostRegister_v2(
		p, bytesize, Flags & (CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP));
}

/* The pinned range of a host address, pinned in the table too; NULL: it has none. */
static struct soft_range *pinned_range(const void *p)
{
	struct soft_range *range = range_pin((uintptr_t)p);

	if (range && !(range->kind & RANGE_ANY_HOST)) {
		range_unpin(range);
		range = NULL;
	}
	return range;
}

CUresult cuMemHostUnregister(void *p)
{
	struct soft_range *range;
	struct soft_context *ctx auto_put = NULL;
	CUresult result = driver_enter();

	if (result != CUDA_SUCCESS || !p)
		return result ? result : CUDA_ERROR_INVALID_VALUE;
	if (context_enter_broken(&ctx) == CUDA_SUCCESS)
		result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	devices_synchronize();
	range = range_take((uintptr_t)p, RANGE_REGISTERED);
	if (!range)
		return kind_at(p) & RANGE_ANY_HOST ? CUDA_ERROR_INVALID_VALUE
						   : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	range_delete(range);
	return CUDA_SUCCESS;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
	struct soft_range *range;

	ENTER_CONTEXT(ctx);
	if (!pdptr || Flags)
		return CUDA_ERROR_INVALID_VALUE;
	range = pinned_range(p);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	range_unpin(range);
	*pdptr = (uintptr_t)p;
	return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int *pFlags, void *p)
{
	struct soft_range *range;

	ENTER_CONTEXT(ctx);
	if (!pFlags)
		return CUDA_ERROR_INVALID_VALUE;
	range = pinned_range(p);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	*pFlags = range->flags;
	range_unpin(range);
	return CUDA_SUCCESS;
}
