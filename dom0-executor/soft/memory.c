/* SPDX-License-Identifier: MIT */
/* Device memory: see memory.h. Any thread; the device's lock guards the account. */
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"

#include <fcntl.h>
#include <sys/mman.h>

CUresult memory_charge(struct soft_device *device, size_t size)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	pthread_mutex_lock(&device->lock);
	if (size <= device->memory - device->used) {
		device->used += size;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&device->lock);
	return result;
}

void memory_uncharge(struct soft_device *device, size_t size)
{
	pthread_mutex_lock(&device->lock);
	device->used -= size;
	pthread_mutex_unlock(&device->lock);
}

/* The file behind a device's addresses, and where in it they are. */
static int store_of(uint64_t base, off_t *offset)
{
	uint64_t device = (base - SOFT_REGION_BASE) / SOFT_REGION_SIZE;

	*offset = (off_t)((base - SOFT_REGION_BASE) % SOFT_REGION_SIZE);
	return device_of((CUdevice)device)->store;
}

void memory_unmap(uint64_t base, size_t size)
{
	off_t offset;
	int store = store_of(base, &offset);
	void *at = mmap((void *)(uintptr_t)base, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	if (at == MAP_FAILED)
		soft_log_error("op=free address=%#llx size=%zu cannot unmap",
			       (unsigned long long)base, size);
	fallocate(store, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)size);
}

static CUresult memory_map(uint64_t base, size_t size)
{
	off_t offset;
	int store = store_of(base, &offset);
	void *at = mmap((void *)(uintptr_t)base, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED | MAP_NORESERVE, store, offset);

	return at == MAP_FAILED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult memory_alloc(struct soft_device *device, struct soft_context *ctx, enum range_kind kind,
		      size_t size, size_t align, struct soft_range **out)
{
	struct soft_range *range;
	CUresult result;
	size_t whole;

	if (size > device->memory)
		return CUDA_ERROR_OUT_OF_MEMORY;
	whole = round_up(size, SOFT_PAGE);
	if (align < SOFT_PAGE)
		align = whole >= SOFT_LARGE_PAGE ? SOFT_LARGE_PAGE : SOFT_PAGE;
	result = memory_charge(device, whole);
	if (result != CUDA_SUCCESS)
		return result;
	range = range_new(kind, device, ctx);
	if (range) {
		range->size = whole;
		range->asked = size;
		result = range_place(range, align);
	}
	if (!range || result != CUDA_SUCCESS) {
		range_delete(range);
		memory_uncharge(device, whole);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = range;
	result = memory_map(range->base, whole);
	if (result != CUDA_SUCCESS)
		memory_free(range_take(range->base, (unsigned int)kind));
	return result;
}

void memory_free(struct soft_range *range)
{
	if (!range)
		return;
	memory_unmap(range->base, range->size);
	if (range->kind != RANGE_POOLED) /* that one counts where it comes from */
		memory_uncharge(range->device, range->size);
	if (range->pool)
		pool_uncharge(range->pool, range->size);
	range_delete(range);
}

void *memory_variables_alloc(void *of_device, size_t bytes)
{
	struct soft_device *device = of_device;
	size_t whole = round_up(bytes, SOFT_PAGE);
	uint64_t base = 0;

	if (memory_charge(device, whole) != CUDA_SUCCESS)
		return NULL;
	if (range_reserve(device, 0, whole, SOFT_PAGE, &base) != CUDA_SUCCESS) {
		memory_uncharge(device, whole);
		return NULL;
	}
	if (memory_map(base, whole) != CUDA_SUCCESS) {
		memory_variables_free(device, (void *)(uintptr_t)base, bytes);
		return NULL;
	}
	return (void *)(uintptr_t)base;
}

void memory_variables_free(void *of_device, void *address, size_t bytes)
{
	size_t whole = round_up(bytes, SOFT_PAGE);

	memory_unmap((uintptr_t)address, whole);
	range_unreserve((uintptr_t)address, whole);
	memory_uncharge(of_device, whole);
}

void memory_free_context(struct soft_context *ctx)
{
	uint64_t base;

	while ((base = range_of_context(ctx, RANGE_DEVICE | RANGE_MANAGED | RANGE_POOLED)))
		memory_free(range_take(base, RANGE_DEVICE | RANGE_MANAGED | RANGE_POOLED));
	while ((base = range_of_context(ctx, RANGE_HOST))) {
		struct soft_range *range = range_take(base, RANGE_HOST);

		if (range)
			munmap((void *)(uintptr_t)range->base, range->size);
		range_delete(range);
	}
	while ((base = range_of_context(ctx, RANGE_FOREIGN))) {
		struct soft_range *range = range_take(base, RANGE_FOREIGN);

		if (range)
			memory_unmap(range->base, range->size);
		range_delete(range);
	}
	while ((base = range_of_context(ctx, RANGE_REGISTERED)))
		range_delete(range_take(base, RANGE_REGISTERED));
}

/* --- the calls ------------------------------------------------------------------------------- */

CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
	ENTER_CONTEXT(ctx);
	pthread_mutex_lock(&ctx->device->lock);
	if (total)
		*total = ctx->device->memory;
	if (free)
		*free = ctx->device->memory - ctx->device->used;
	pthread_mutex_unlock(&ctx->device->lock);
	return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	struct soft_range *range;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!dptr || !bytesize)
		return CUDA_ERROR_INVALID_VALUE;
	result = capture_forbids(ctx, NULL);
	if (result == CUDA_SUCCESS)
		result = memory_alloc(ctx->device, ctx, RANGE_DEVICE, bytesize, 0, &range);
	if (result == CUDA_SUCCESS)
		*dptr = range->base;
	return result;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height,
			    unsigned int ElementSizeBytes)
{
	size_t pitch, size;

	ENTER_CONTEXT(ctx);
	if (!dptr || !pPitch || !WidthInBytes || !Height)
		return CUDA_ERROR_INVALID_VALUE;
	if (ElementSizeBytes != 4 && ElementSizeBytes != 8 && ElementSizeBytes != 16)
		return CUDA_ERROR_INVALID_VALUE;
	if (WidthInBytes > (size_t)device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_MAX_PITCH))
		return CUDA_ERROR_INVALID_VALUE;
	pitch = round_up(WidthInBytes, 512);
	if (__builtin_mul_overflow(pitch, Height, &size))
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pPitch = pitch;
	return cuMemAlloc_v2(dptr, size);
}

/* Frees wait for the work that may use the memory, as CUDA's do. */
/* A thread without a context frees in the memory's own. */
static CUresult free_enter(CUdeviceptr dptr, struct soft_context **ctx)
{
	struct soft_range *range;
	CUresult result = context_enter(ctx);

	if (result != CUDA_ERROR_INVALID_CONTEXT)
		return result;
	range = range_pin(dptr);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	*ctx = object_ref(range->ctx ? range->ctx : range->device->primary);
	range_unpin(range);
	return context_error(*ctx);
}

CUresult cuMemFree_v2(CUdeviceptr dptr)
{
	struct soft_context *ctx auto_put = NULL;
	struct soft_range *range;
	CUresult result;

	if (!dptr)
		return driver_enter();
	result = free_enter(dptr, &ctx);
	if (result == CUDA_SUCCESS)
		result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	device_synchronize(ctx->device);
	if (graph_memory_free(dptr))
		return context_error(ctx); /* it is there while its graph is */
	range = range_take(dptr, RANGE_DEVICE | RANGE_MANAGED | RANGE_POOLED);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	memory_free(range);
	return context_error(ctx);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
	struct soft_range *range;

	ENTER_DRIVER();
	if (!pbase && !psize)
		return CUDA_SUCCESS;
	ENTER_CONTEXT(ctx);
	range = range_pin(dptr);
	if (!range)
		return CUDA_ERROR_NOT_FOUND;
	if (pbase)
		*pbase = range->base;
	if (psize)
		*psize = range->asked;
	range_unpin(range);
	return CUDA_SUCCESS;
}
