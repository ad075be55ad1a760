/* SPDX-License-Identifier: MIT */
/*
 * Pools that other processes import, and what is allocated from them. A pool's descriptor is a sealed file
 * that says where its process listens and which pool it is; an allocation's data says the same of the
 * memory, whose pages the importer maps. Any thread.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/ipc.h"
#include "dom0-executor/soft/pool.h"

_Static_assert(sizeof(CUmemPoolPtrExportData) == CU_IPC_HANDLE_SIZE, "a place fills both");

static CUresult type_check(CUmemAllocationHandleType type, unsigned long long flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	return type == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ? CUDA_SUCCESS
								: CUDA_ERROR_INVALID_VALUE;
}

static int place_file(const void *place)
{
	int fd = memfd_create("vgpu-soft-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write(fd, place, CU_IPC_HANDLE_SIZE) == CU_IPC_HANDLE_SIZE &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

CUresult cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool handle,
					  CUmemAllocationHandleType handleType,
					  unsigned long long flags)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);
	uint8_t place[CU_IPC_HANDLE_SIZE];
	CUresult result;
	int fd;

	ENTER_DRIVER();
	if (!handle_out || !pool || pool->imported || pool->handle_type != handleType)
		return CUDA_ERROR_INVALID_VALUE;
	result = type_check(handleType, flags);
	if (result == CUDA_SUCCESS)
		result = ipc_pool_place(pool->id, place);
	if (result != CUDA_SUCCESS)
		return result;
	fd = place_file(place);
	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	memcpy(handle_out, &fd, sizeof(fd));
	return CUDA_SUCCESS;
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle,
					    CUmemAllocationHandleType handleType,
					    unsigned long long flags)
{
	uint8_t place[CU_IPC_HANDLE_SIZE];
	struct soft_pool *pool;
	CUresult result;

	ENTER_DRIVER();
	result = pool_out ? type_check(handleType, flags) : CUDA_ERROR_INVALID_VALUE;
	if (result != CUDA_SUCCESS)
		return result;
	if (pread((int)(intptr_t)handle, place, sizeof(place), 0) != (ssize_t)sizeof(place))
		return CUDA_ERROR_INVALID_VALUE;
	pool = pool_new(device_of(0), 0);
	if (!pool)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pool->imported = true;
	if (!ipc_pool_read(place, pool->owner, &pool->id)) {
		object_put(pool);
		return CUDA_ERROR_INVALID_VALUE;
	}
	result = object_publish(pool);
	if (result == CUDA_SUCCESS)
		*pool_out = object_handle(pool);
	return result;
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData *shareData_out, CUdeviceptr ptr)
{
	struct soft_range *range;
	uint64_t id = 0, pool = 0;
	bool good;

	ENTER_DRIVER();
	if (!shareData_out)
		return CUDA_ERROR_INVALID_VALUE;
	range = range_pin(ptr);
	good = range && range->kind == RANGE_DEVICE && range->base == ptr && range->pool &&
	       range->pool->handle_type != CU_MEM_HANDLE_TYPE_NONE;
	if (good) {
		id = range->id;
		pool = range->pool->id;
	}
	range_unpin(range);
	return good ? ipc_pointer_place(ptr, id, pool, shareData_out) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool handle,
				CUmemPoolPtrExportData *shareData)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);

	ENTER_CONTEXT(ctx);
	if (!ptr_out || !shareData || !pool || !pool->imported)
		return CUDA_ERROR_INVALID_VALUE;
	return ipc_pointer_map(ctx, shareData, pool->owner, pool->id, ptr_out);
}
