/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that stand for memory: a sealed file in memory with a token in it, which programs pass over
 * their own sockets like the driver's. Runs in the program's threads.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xen-frontend/libcuda/calls.h"

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

CUresult fe_cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle,
					 CUmemAllocationHandleType handleType,
					 unsigned long long flags)
{
	CUipcMemHandle token;
	CUresult result;
	int fd;

	if (!shareableHandle)
		return CUDA_ERROR_INVALID_VALUE;
	if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = rpc_vgMemExport(&token, handle, flags);
	if (result)
		return result;
	fd = token_write(&token);
	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	memcpy(shareableHandle, &fd, sizeof(fd));
	return CUDA_SUCCESS;
}

CUresult fe_cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle,
					   CUmemAllocationHandleType shHandleType)
{
	CUipcMemHandle token;
	int fd = (int)(intptr_t)osHandle;

	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	if (shHandleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (pread(fd, &token, sizeof(token), 0) != (ssize_t)sizeof(token))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_vgMemImport(handle, token);
}
