/* SPDX-License-Identifier: MIT */
/*
 * Virtual memory management: addresses, physical memory (a memfd) and mappings, each on its own.
 * Any thread.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRANULARITY SOFT_LARGE_PAGE

struct soft_physical {
	struct soft_object object;
	struct soft_device *device;
	size_t size;
	int fd;
	CUmemAllocationProp prop;
	bool imported;     /* counts in the process that made it */
	atomic_uint holds; /* cuMemRetainAllocationHandle: releases that the handle outlives */
};

static void physical_destroy(struct soft_object *object)
{
	struct soft_physical *physical = (struct soft_physical *)object;

	if (physical->fd >= 0) {
		close(physical->fd);
		if (!physical->imported)
			memory_uncharge(physical->device, physical->size);
	}
	free(physical);
}

/* What this device can make: pinned memory of its own, for descriptors or for itself. */
static CUresult prop_check(const CUmemAllocationProp *prop)
{
	if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if (prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    (prop->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE &&
	     prop->requestedHandleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR))
		return CUDA_ERROR_NOT_SUPPORTED;
	return device_of(prop->location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static bool is_granular(size_t value)
{
	return value % GRANULARITY == 0;
}

CUresult cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop,
				       CUmemAllocationGranularity_flags option)
{
	CUresult result;

	ENTER_DRIVER();
	if (!granularity || (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM &&
			     option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED))
		return CUDA_ERROR_INVALID_VALUE;
	result = prop_check(prop);
	if (result == CUDA_SUCCESS)
		*granularity = GRANULARITY;
	return result;
}

CUresult cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
			     unsigned long long flags)
{
	uint64_t base;
	CUresult result;

	/* Addresses belong to no context; the first device has as many as any. */
	ENTER_DRIVER();
	if (!ptr || !size || !is_granular(size) || flags || alignment & (alignment - 1))
		return CUDA_ERROR_INVALID_VALUE;
	if (alignment < GRANULARITY)
		alignment = GRANULARITY;
	result = range_reserve(device_of(0), addr, size, alignment, &base);
	if (result == CUDA_SUCCESS)
		*ptr = base;
	return result;
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size)
{
	ENTER_DRIVER();
	return range_unreserve(ptr, size);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size,
		     const CUmemAllocationProp *prop, unsigned long long flags)
{
	struct soft_physical *physical;
	CUresult result;

	ENTER_DRIVER();
	if (!handle || !size || !is_granular(size) || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = prop_check(prop);
	if (result != CUDA_SUCCESS)
		return result;
	physical = object_new(SOFT_PHYSICAL, sizeof(*physical), NULL, physical_destroy);
	if (!physical)
		return CUDA_ERROR_OUT_OF_MEMORY;
	physical->device = device_of(prop->location.id);
	physical->size = size;
	physical->prop = *prop;
	physical->fd = -1;
	result = memory_charge(physical->device, size);
	if (result == CUDA_SUCCESS) {
		physical->fd = memfd_create("vgpu-soft", MFD_CLOEXEC);
		if (physical->fd < 0 || ftruncate(physical->fd, (off_t)size) < 0)
			result = CUDA_ERROR_OUT_OF_MEMORY;
		if (physical->fd < 0)
			memory_uncharge(physical->device, size);
	}
	if (result != CUDA_SUCCESS) {
		object_put(physical);
		return result;
	}
	result = object_publish(physical);
	if (result == CUDA_SUCCESS)
		*handle = physical->object.handle;
	return result;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct soft_physical *physical auto_put = object_get_number(SOFT_PHYSICAL, handle);
	unsigned int holds;

	ENTER_DRIVER();
	if (!physical)
		return CUDA_ERROR_INVALID_VALUE;
	holds = atomic_load(&physical->holds);
	while (holds)
		if (atomic_compare_exchange_weak(&physical->holds, &holds, holds - 1))
			return CUDA_SUCCESS;
	if (!object_retire(physical))
		return CUDA_ERROR_INVALID_VALUE;
	object_put(physical); /* the table's: mappings keep the memory */
	return CUDA_SUCCESS;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr)
{
	struct soft_range *range;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	ENTER_DRIVER();
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	range = range_pin((uintptr_t)addr);
	if (range && range->kind == RANGE_MAPPED) {
		struct soft_physical *again auto_put = object_get_number(
			SOFT_PHYSICAL, ((struct soft_object *)range->physical)->handle);

		if (again) { /* a released handle does not come back */
			atomic_fetch_add(&again->holds, 1);
			*handle = again->object.handle;
			result = CUDA_SUCCESS;
		}
	}
	range_unpin(range);
	return result;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop,
						CUmemGenericAllocationHandle handle)
{
	struct soft_physical *physical auto_put = object_get_number(SOFT_PHYSICAL, handle);

	ENTER_DRIVER();
	if (!prop || !physical)
		return CUDA_ERROR_INVALID_VALUE;
	*prop = physical->prop;
	return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
		  unsigned long long flags)
{
	struct soft_physical *physical auto_put = object_get_number(SOFT_PHYSICAL, handle);
	struct soft_range *range;
	CUresult result;

	ENTER_DRIVER();
	if (!physical || flags || !size || !is_granular(ptr) || !is_granular(size) ||
	    !is_granular(offset) || offset > physical->size || size > physical->size - offset ||
	    !range_is_reserved(ptr, size))
		return CUDA_ERROR_INVALID_VALUE;
	range = range_new(RANGE_MAPPED, physical->device, NULL);
	if (!range)
		return CUDA_ERROR_OUT_OF_MEMORY;
	range->base = ptr;
	range->size = range->asked = size;
	range->physical = object_ref(physical);
	range->offset = offset;
	result = range_insert(range); /* fails where something is mapped already */
	if (result != CUDA_SUCCESS) {
		range_delete(range);
		return result;
	}
	if (mmap((void *)(uintptr_t)ptr, size, PROT_NONE, MAP_SHARED | MAP_FIXED, physical->fd,
		 (off_t)offset) == MAP_FAILED) {
		range_delete(range_take(ptr, RANGE_MAPPED));
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

/* One mapping that begins at ptr; its size, or 0: there is none that ends in time. */
static size_t mapping_size(CUdeviceptr ptr, size_t most)
{
	struct soft_range *range = range_pin(ptr);
	size_t size = 0;

	if (range && range->kind == RANGE_MAPPED && range->base == ptr && range->size <= most)
		size = range->size;
	range_unpin(range);
	return size;
}

/* True where mappings fill the addresses exactly. */
static bool is_whole_mappings(CUdeviceptr ptr, size_t size)
{
	size_t each;

	for (; size; ptr += each, size -= each) {
		each = mapping_size(ptr, size);
		if (!each)
			return false;
	}
	return true;
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size)
{
	ENTER_DRIVER();
	if (!size || !is_whole_mappings(ptr, size))
		return CUDA_ERROR_INVALID_VALUE;
	for (CUdevice device = 0; device_of(device); device++)
		device_synchronize(device_of(device));
	while (size) {
		struct soft_range *range = range_take(ptr, RANGE_MAPPED);

		if (!range)
			return CUDA_ERROR_INVALID_VALUE;
		memory_unmap(range->base, range->size);
		ptr += range->size;
		size -= range->size;
		range_delete(range);
	}
	return CUDA_SUCCESS;
}

static int protection_of(CUmemAccess_flags flags)
{
	switch ((int)flags) {
	case CU_MEM_ACCESS_FLAGS_PROT_NONE: return PROT_NONE;
	case CU_MEM_ACCESS_FLAGS_PROT_READ: return PROT_READ;
	case CU_MEM_ACCESS_FLAGS_PROT_READWRITE: return PROT_READ | PROT_WRITE;
	default: return -1;
	}
}

/* One process, one set of page tables: what one device may do, all may. */
CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count)
{
	int protection = PROT_NONE;

	ENTER_DRIVER();
	if (!desc || !count || !size || !is_whole_mappings(ptr, size))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		int wanted = protection_of(desc[i].flags);

		if (wanted < 0)
			return CUDA_ERROR_INVALID_VALUE;
		if (desc[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
		    !device_of(desc[i].location.id))
			return CUDA_ERROR_INVALID_DEVICE;
		protection |= wanted;
	}
	device_synchronize(device_of(desc[0].location.id)); /* copies hold what they had */
	if (mprotect((void *)(uintptr_t)ptr, size, protection) < 0)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t done = 0; done < size;) {
		struct soft_range *range = range_pin(ptr + done);

		if (!range)
			break;
		atomic_store(&range->access, desc[0].flags);
		done += range->size;
		range_unpin(range);
	}
	return CUDA_SUCCESS;
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr ptr)
{
	struct soft_range *range;

	ENTER_DRIVER();
	if (!flags || !location)
		return CUDA_ERROR_INVALID_VALUE;
	range = range_pin(ptr);
	if (!range)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = range->kind == RANGE_MAPPED ? atomic_load(&range->access)
					     : CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	range_unpin(range);
	return CUDA_SUCCESS;
}

/* Memory is a file: its descriptor is one for other processes too. */
CUresult cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
				      CUmemAllocationHandleType handleType,
				      unsigned long long flags)
{
	struct soft_physical *physical auto_put = object_get_number(SOFT_PHYSICAL, handle);
	int fd;

	ENTER_DRIVER();
	if (!shareableHandle || !physical || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (handleType == CU_MEM_HANDLE_TYPE_FABRIC)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_INVALID_VALUE;
	if (physical->prop.requestedHandleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_INVALID_VALUE;
	fd = fcntl(physical->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	memcpy(shareableHandle, &fd, sizeof(fd));
	return CUDA_SUCCESS;
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
					CUmemAllocationHandleType shHandleType)
{
	int fd = (int)(intptr_t)osHandle;
	struct soft_physical *physical;
	struct stat status;
	CUresult result;

	ENTER_DRIVER();
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	if (shHandleType == CU_MEM_HANDLE_TYPE_FABRIC)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (shHandleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_INVALID_VALUE;
	if (fcntl(fd, F_GETFD) < 0)
		return CUDA_ERROR_UNKNOWN;
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &status) < 0 || status.st_size <= 0 ||
	    !is_granular((size_t)status.st_size))
		return CUDA_ERROR_INVALID_VALUE;
	physical = object_new(SOFT_PHYSICAL, sizeof(*physical), NULL, physical_destroy);
	if (!physical)
		return CUDA_ERROR_OUT_OF_MEMORY;
	physical->device = device_of(0);
	physical->size = (size_t)status.st_size;
	physical->imported = true;
	physical->prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	physical->prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	physical->prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
	physical->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (physical->fd < 0) {
		object_put(physical);
		return CUDA_ERROR_OPERATING_SYSTEM;
	}
	result = object_publish(physical);
	if (result == CUDA_SUCCESS)
		*handle = physical->object.handle;
	return result;
}
