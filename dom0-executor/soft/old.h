/* SPDX-License-Identifier: MIT */
/*
 * First versions of calls that have later ones. SAME(call, later, parameters, arguments): the ABI did
 * not change. NARROW(call, parameters): addresses and sizes of 32 bits, from before CUDA 3.2; a device
 * whose addresses are wider cannot serve them.
 */
SAME(cuCtxCreate, cuCtxCreate_v2, (CUcontext * pctx, unsigned int flags, CUdevice dev),
     (pctx, flags, dev))
SAME(cuCtxDestroy, cuCtxDestroy_v2, (CUcontext ctx), (ctx))
SAME(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext * pctx), (pctx))
SAME(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice dev), (dev))
SAME(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2, (CUdevice dev), (dev))
SAME(cuEventDestroy, cuEventDestroy_v2, (CUevent hEvent), (hEvent))
SAME(cuIpcOpenMemHandle, cuIpcOpenMemHandle_v2,
     (CUdeviceptr * pdptr, CUipcMemHandle handle, unsigned int Flags), (pdptr, handle, Flags))
SAME(cuLinkAddData, cuLinkAddData_v2,
     (CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
      unsigned int numOptions, CUjit_option *options, void **optionValues),
     (state, type, data, size, name, numOptions, options, optionValues))
SAME(cuLinkAddFile, cuLinkAddFile_v2,
     (CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions,
      CUjit_option *options, void **optionValues),
     (state, type, path, numOptions, options, optionValues))
SAME(cuLinkCreate, cuLinkCreate_v2,
     (unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut),
     (numOptions, options, optionValues, stateOut))
SAME(cuStreamBatchMemOp, cuStreamBatchMemOp_v2,
     (CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray,
      unsigned int flags),
     (stream, count, paramArray, flags))
SAME(cuStreamDestroy, cuStreamDestroy_v2, (CUstream hStream), (hStream))
SAME(cuStreamWaitValue32, cuStreamWaitValue32_v2,
     (CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags),
     (stream, addr, value, flags))
SAME(cuStreamWaitValue64, cuStreamWaitValue64_v2,
     (CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags),
     (stream, addr, value, flags))
SAME(cuStreamWriteValue32, cuStreamWriteValue32_v2,
     (CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags),
     (stream, addr, value, flags))
SAME(cuStreamWriteValue64, cuStreamWriteValue64_v2,
     (CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags),
     (stream, addr, value, flags))

NARROW(cuArray3DCreate, (CUarray * pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *pAllocateArray))
NARROW(cuArray3DGetDescriptor, (CUDA_ARRAY3D_DESCRIPTOR_v1 * pArrayDescriptor, CUarray hArray))
NARROW(cuArrayCreate, (CUarray * pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *pAllocateArray))
NARROW(cuArrayGetDescriptor, (CUDA_ARRAY_DESCRIPTOR_v1 * pArrayDescriptor, CUarray hArray))
NARROW(cuMemAlloc, (CUdeviceptr_v1 * dptr, unsigned int bytesize))
NARROW(cuMemAllocHost, (void **pp, unsigned int bytesize))
NARROW(cuMemAllocPitch, (CUdeviceptr_v1 * dptr, unsigned int *pPitch, unsigned int WidthInBytes,
			 unsigned int Height, unsigned int ElementSizeBytes))
NARROW(cuMemFree, (CUdeviceptr_v1 dptr))
NARROW(cuMemGetAddressRange, (CUdeviceptr_v1 * pbase, unsigned int *psize, CUdeviceptr_v1 dptr))
NARROW(cuMemGetInfo, (unsigned int *free, unsigned int *total))
NARROW(cuMemHostGetDevicePointer, (CUdeviceptr_v1 * pdptr, void *p, unsigned int Flags))
NARROW(cuMemcpy2D, (const CUDA_MEMCPY2D_v1 *pCopy))
NARROW(cuMemcpy2DAsync, (const CUDA_MEMCPY2D_v1 *pCopy, CUstream hStream))
NARROW(cuMemcpy2DUnaligned, (const CUDA_MEMCPY2D_v1 *pCopy))
NARROW(cuMemcpy3D, (const CUDA_MEMCPY3D_v1 *pCopy))
NARROW(cuMemcpy3DAsync, (const CUDA_MEMCPY3D_v1 *pCopy, CUstream hStream))
NARROW(cuMemcpyAtoA, (CUarray dstArray, unsigned int dstOffset, CUarray srcArray,
		      unsigned int srcOffset, unsigned int ByteCount))
NARROW(cuMemcpyAtoD,
       (CUdeviceptr_v1 dstDevice, CUarray srcArray, unsigned int srcOffset, unsigned int ByteCount))
NARROW(cuMemcpyAtoH,
       (void *dstHost, CUarray srcArray, unsigned int srcOffset, unsigned int ByteCount))
NARROW(cuMemcpyAtoHAsync, (void *dstHost, CUarray srcArray, unsigned int srcOffset,
			   unsigned int ByteCount, CUstream hStream))
NARROW(cuMemcpyDtoA,
       (CUarray dstArray, unsigned int dstOffset, CUdeviceptr_v1 srcDevice, unsigned int ByteCount))
NARROW(cuMemcpyDtoD, (CUdeviceptr_v1 dstDevice, CUdeviceptr_v1 srcDevice, unsigned int ByteCount))
NARROW(cuMemcpyDtoDAsync, (CUdeviceptr_v1 dstDevice, CUdeviceptr_v1 srcDevice,
			   unsigned int ByteCount, CUstream hStream))
NARROW(cuMemcpyDtoH, (void *dstHost, CUdeviceptr_v1 srcDevice, unsigned int ByteCount))
NARROW(cuMemcpyDtoHAsync,
       (void *dstHost, CUdeviceptr_v1 srcDevice, unsigned int ByteCount, CUstream hStream))
NARROW(cuMemcpyHtoA,
       (CUarray dstArray, unsigned int dstOffset, const void *srcHost, unsigned int ByteCount))
NARROW(cuMemcpyHtoAAsync, (CUarray dstArray, unsigned int dstOffset, const void *srcHost,
			   unsigned int ByteCount, CUstream hStream))
NARROW(cuMemcpyHtoD, (CUdeviceptr_v1 dstDevice, const void *srcHost, unsigned int ByteCount))
NARROW(cuMemcpyHtoDAsync,
       (CUdeviceptr_v1 dstDevice, const void *srcHost, unsigned int ByteCount, CUstream hStream))
NARROW(cuMemsetD16, (CUdeviceptr_v1 dstDevice, unsigned short us, unsigned int N))
NARROW(cuMemsetD2D16, (CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned short us,
		       unsigned int Width, unsigned int Height))
NARROW(cuMemsetD2D32, (CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned int ui,
		       unsigned int Width, unsigned int Height))
NARROW(cuMemsetD2D8, (CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned char uc,
		      unsigned int Width, unsigned int Height))
NARROW(cuMemsetD32, (CUdeviceptr_v1 dstDevice, unsigned int ui, unsigned int N))
NARROW(cuMemsetD8, (CUdeviceptr_v1 dstDevice, unsigned char uc, unsigned int N))
NARROW(cuModuleGetGlobal,
       (CUdeviceptr_v1 * dptr, unsigned int *bytes, CUmodule hmod, const char *name))
