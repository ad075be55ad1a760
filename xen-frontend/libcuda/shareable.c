/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that stand for memory or a pool: a sealed file in memory with a token in it, which programs pass
 * over their own sockets like the driver's. Runs in the program's threads.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/memory.h"

static int token_write(const CUipcMemHandle *token)
{
	int fd = memfd_create("vgpu-shareable", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write(fd, token, sizeof(*token)) == (ssize_t)sizeof(*token) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* As the descriptor that programs are given. */
static CUresult token_give(const CUipcMemHandle *token, void *handle)
{
	int fd = token_write(token);

	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	memcpy(handle, &fd, sizeof(fd));
	return CUDA_SUCCESS;
}

static bool token_read(void *handle, CUipcMemHandle *token)
{
	return pread((int)(intptr_t)handle, token, sizeof(*token), 0) == (ssize_t)sizeof(*token);
}

/* Fabric handles reach other hosts; of other types there are none here. */
static CUresult type_check(const void *place, CUmemAllocationHandleType type,
			   unsigned long long flags)
{
	if (!place || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (type == CU_MEM_HANDLE_TYPE_FABRIC)
		return CUDA_ERROR_NOT_SUPPORTED;
	return type == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ? CUDA_SUCCESS
								: CUDA_ERROR_INVALID_VALUE;
}

CUresult fe_cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
					 CUmemAllocationHandleType handleType,
					 unsigned long long flags)
{
	CUipcMemHandle token;
	CUresult result;

	result = type_check(shareableHandle, handleType, flags);
	if (!result)
		result = rpc_vgMemExport(&token, handle, flags);
	return result ? result : token_give(&token, shareableHandle);
}

CUresult fe_cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
					   CUmemAllocationHandleType shHandleType)
{
	CUresult result = type_check(handle, shHandleType, 0);
	CUipcMemHandle token;

	if (result)
		return result;
	if (token_read(osHandle, &token))
		return rpc_vgMemImport(handle, token);
	return fcntl((int)(intptr_t)osHandle, F_GETFD) < 0 ? CUDA_ERROR_UNKNOWN
							   : CUDA_ERROR_INVALID_VALUE;
}

/* --- pools -------------------------------------------------------------------------------------------- */

CUresult fe_cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool,
					     CUmemAllocationHandleType handleType,
					     unsigned long long flags)
{
	CUresult result = type_check(handle_out, handleType, flags);
	CUipcMemHandle token;

	if (!result)
		result = rpc_vgPoolExport(&token, pool);
	return result ? result : token_give(&token, handle_out);
}

CUresult fe_cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle,
					       CUmemAllocationHandleType handleType,
					       unsigned long long flags)
{
	CUresult result = type_check(pool_out, handleType, flags);
	CUipcMemHandle token;

	if (!result && !token_read(handle, &token))
		result = CUDA_ERROR_INVALID_VALUE;
	return result ? result : rpc_vgPoolImport(pool_out, token);
}

/* --- descriptors of the host's ------------------------------------------------------------------------ */

/*
 * A dma-buf is for other drivers of the same kernel, and the device's is on the host: refused, as on a device
 * without CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED, which says 0 here.
 */
CUresult fe_cuMemGetHandleForAddressRange(void *handle, CUdeviceptr dptr, size_t size,
					  CUmemRangeHandleType handleType, unsigned long long flags)
{
	if (!handle || !size || handleType != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD ||
	    flags & ~(unsigned long long)CU_MEM_RANGE_FLAG_DMA_BUF_MAPPING_TYPE_PCIE ||
	    !fe_range_exists(dptr, size))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_ERROR_NOT_SUPPORTED;
}
