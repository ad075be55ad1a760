/* SPDX-License-Identifier: MIT */
/*
 * Variants of calls for programs that are built with per-thread default streams: _ptsz and _ptds mean
 * that a NULL stream, named or implied, is the calling thread's own. VARIANT(call, suffix, parameters,
 * arguments).
 */
VARIANT(cuMemAllocFromPoolAsync, _ptsz,
	(CUdeviceptr * dptr, size_t bytesize, CUmemoryPool handle, CUstream hStream),
	(dptr, bytesize, handle, hStream))
VARIANT(cuMemAllocAsync, _ptsz, (CUdeviceptr * dptr, size_t bytesize, CUstream hStream),
	(dptr, bytesize, hStream))
VARIANT(cuMemFreeAsync, _ptsz, (CUdeviceptr dptr, CUstream hStream), (dptr, hStream))
VARIANT(cuGraphInstantiateWithParams, _ptsz,
	(CUgraphExec * phGraphExec, CUgraph hGraph,
	 CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams),
	(phGraphExec, hGraph, instantiateParams))
VARIANT(cuGraphUpload, _ptsz, (CUgraphExec hGraphExec, CUstream hStream), (hGraphExec, hStream))
VARIANT(cuGraphLaunch, _ptsz, (CUgraphExec hGraphExec, CUstream hStream), (hGraphExec, hStream))
VARIANT(cuEventRecord, _ptsz, (CUevent hEvent, CUstream hStream), (hEvent, hStream))
VARIANT(cuEventRecordWithFlags, _ptsz, (CUevent hEvent, CUstream hStream, unsigned int flags),
	(hEvent, hStream, flags))
VARIANT(cuStreamWaitEvent, _ptsz, (CUstream hStream, CUevent hEvent, unsigned int Flags),
	(hStream, hEvent, Flags))
VARIANT(cuMemcpyBatchAsync, _ptsz,
	(CUdeviceptr * dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
	 CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs, size_t *failIdx,
	 CUstream hStream),
	(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, hStream))
VARIANT(cuMemcpyBatchAsync_v2, _ptsz,
	(CUdeviceptr * dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
	 CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs, CUstream hStream),
	(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, hStream))
VARIANT(cuStreamBatchMemOp_v2, _ptsz,
	(CUstream hStream, unsigned int count, CUstreamBatchMemOpParams *paramArray,
	 unsigned int flags),
	(hStream, count, paramArray, flags))
VARIANT(cuStreamWaitValue32_v2, _ptsz,
	(CUstream hStream, CUdeviceptr addr, cuuint32_t value, unsigned int flags),
	(hStream, addr, value, flags))
VARIANT(cuStreamWaitValue64_v2, _ptsz,
	(CUstream hStream, CUdeviceptr addr, cuuint64_t value, unsigned int flags),
	(hStream, addr, value, flags))
VARIANT(cuStreamWriteValue32_v2, _ptsz,
	(CUstream hStream, CUdeviceptr addr, cuuint32_t value, unsigned int flags),
	(hStream, addr, value, flags))
VARIANT(cuStreamWriteValue64_v2, _ptsz,
	(CUstream hStream, CUdeviceptr addr, cuuint64_t value, unsigned int flags),
	(hStream, addr, value, flags))
VARIANT(cuLaunchKernel, _ptsz,
	(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
	 unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
	 unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra),
	(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, hStream,
	 kernelParams, extra))
VARIANT(cuLaunchCooperativeKernel, _ptsz,
	(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
	 unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
	 unsigned int sharedMemBytes, CUstream hStream, void **kernelParams),
	(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, hStream,
	 kernelParams))
VARIANT(cuLaunchKernelEx, _ptsz,
	(const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra),
	(config, f, kernelParams, extra))
VARIANT(cuMemsetD8_v2, _ptds, (CUdeviceptr dstDevice, unsigned char uc, size_t N),
	(dstDevice, uc, N))
VARIANT(cuMemsetD16_v2, _ptds, (CUdeviceptr dstDevice, unsigned short us, size_t N),
	(dstDevice, us, N))
VARIANT(cuMemsetD32_v2, _ptds, (CUdeviceptr dstDevice, unsigned int ui, size_t N),
	(dstDevice, ui, N))
VARIANT(cuMemsetD2D8_v2, _ptds,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width, size_t Height),
	(dstDevice, dstPitch, uc, Width, Height))
VARIANT(cuMemsetD2D16_v2, _ptds,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width, size_t Height),
	(dstDevice, dstPitch, us, Width, Height))
VARIANT(cuMemsetD2D32_v2, _ptds,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width, size_t Height),
	(dstDevice, dstPitch, ui, Width, Height))
VARIANT(cuMemsetD8Async, _ptsz,
	(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream),
	(dstDevice, uc, N, hStream))
VARIANT(cuMemsetD16Async, _ptsz,
	(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream),
	(dstDevice, us, N, hStream))
VARIANT(cuMemsetD32Async, _ptsz,
	(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream),
	(dstDevice, ui, N, hStream))
VARIANT(cuMemsetD2D8Async, _ptsz,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width, size_t Height,
	 CUstream hStream),
	(dstDevice, dstPitch, uc, Width, Height, hStream))
VARIANT(cuMemsetD2D16Async, _ptsz,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width, size_t Height,
	 CUstream hStream),
	(dstDevice, dstPitch, us, Width, Height, hStream))
VARIANT(cuMemsetD2D32Async, _ptsz,
	(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width, size_t Height,
	 CUstream hStream),
	(dstDevice, dstPitch, ui, Width, Height, hStream))
VARIANT(cuStreamQuery, _ptsz, (CUstream hStream), (hStream))
VARIANT(cuStreamSynchronize, _ptsz, (CUstream hStream), (hStream))
VARIANT(cuStreamGetPriority, _ptsz, (CUstream hStream, int *priority), (hStream, priority))
VARIANT(cuStreamGetFlags, _ptsz, (CUstream hStream, unsigned int *flags), (hStream, flags))
VARIANT(cuStreamGetId, _ptsz, (CUstream hStream, unsigned long long *streamId), (hStream, streamId))
VARIANT(cuStreamGetDevice, _ptsz, (CUstream hStream, CUdevice *device), (hStream, device))
VARIANT(cuStreamGetCtx, _ptsz, (CUstream hStream, CUcontext *pctx), (hStream, pctx))
VARIANT(cuStreamGetCtx_v2, _ptsz, (CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx),
	(hStream, pCtx, pGreenCtx))
VARIANT(cuStreamAttachMemAsync, _ptsz,
	(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags),
	(hStream, dptr, length, flags))
VARIANT(cuStreamGetAttribute, _ptsz,
	(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value_out),
	(hStream, attr, value_out))
VARIANT(cuStreamSetAttribute, _ptsz,
	(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *value),
	(hStream, attr, value))
VARIANT(cuStreamCopyAttributes, _ptsz, (CUstream dst, CUstream src), (dst, src))
VARIANT(cuMemcpy, _ptds, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount),
	(dst, src, ByteCount))
VARIANT(cuMemcpyAsync, _ptsz,
	(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream),
	(dst, src, ByteCount, hStream))
VARIANT(cuMemcpyHtoD_v2, _ptds, (CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount),
	(dstDevice, srcHost, ByteCount))
VARIANT(cuMemcpyDtoH_v2, _ptds, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount),
	(dstHost, srcDevice, ByteCount))
VARIANT(cuMemcpyDtoD_v2, _ptds, (CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount),
	(dstDevice, srcDevice, ByteCount))
VARIANT(cuMemcpyHtoDAsync_v2, _ptsz,
	(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount, CUstream hStream),
	(dstDevice, srcHost, ByteCount, hStream))
VARIANT(cuMemcpyDtoHAsync_v2, _ptsz,
	(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
	(dstHost, srcDevice, ByteCount, hStream))
VARIANT(cuMemcpyDtoDAsync_v2, _ptsz,
	(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
	(dstDevice, srcDevice, ByteCount, hStream))
VARIANT(cuMemcpyPeer, _ptds,
	(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext,
	 size_t ByteCount),
	(dstDevice, dstContext, srcDevice, srcContext, ByteCount))
VARIANT(cuMemcpyPeerAsync, _ptsz,
	(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext,
	 size_t ByteCount, CUstream hStream),
	(dstDevice, dstContext, srcDevice, srcContext, ByteCount, hStream))
VARIANT(cuMemcpy2D_v2, _ptds, (const CUDA_MEMCPY2D *pCopy), (pCopy))
VARIANT(cuMemcpy2DUnaligned_v2, _ptds, (const CUDA_MEMCPY2D *pCopy), (pCopy))
VARIANT(cuMemcpy2DAsync_v2, _ptsz, (const CUDA_MEMCPY2D *pCopy, CUstream hStream), (pCopy, hStream))
VARIANT(cuMemcpy3D_v2, _ptds, (const CUDA_MEMCPY3D *pCopy), (pCopy))
VARIANT(cuMemcpy3DAsync_v2, _ptsz, (const CUDA_MEMCPY3D *pCopy, CUstream hStream), (pCopy, hStream))
VARIANT(cuMemcpy3DPeer, _ptds, (const CUDA_MEMCPY3D_PEER *pCopy), (pCopy))
VARIANT(cuMemcpy3DPeerAsync, _ptsz, (const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream),
	(pCopy, hStream))
VARIANT(cuMemcpyDtoA_v2, _ptds,
	(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount),
	(dstArray, dstOffset, srcDevice, ByteCount))
VARIANT(cuMemcpyAtoD_v2, _ptds,
	(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount),
	(dstDevice, srcArray, srcOffset, ByteCount))
VARIANT(cuMemcpyHtoA_v2, _ptds,
	(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount),
	(dstArray, dstOffset, srcHost, ByteCount))
VARIANT(cuMemcpyAtoH_v2, _ptds,
	(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount),
	(dstHost, srcArray, srcOffset, ByteCount))
VARIANT(cuMemcpyHtoAAsync_v2, _ptsz,
	(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount,
	 CUstream hStream),
	(dstArray, dstOffset, srcHost, ByteCount, hStream))
VARIANT(cuMemcpyAtoHAsync_v2, _ptsz,
	(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream hStream),
	(dstHost, srcArray, srcOffset, ByteCount, hStream))
VARIANT(cuMemcpyAtoA_v2, _ptds,
	(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset, size_t ByteCount),
	(dstArray, dstOffset, srcArray, srcOffset, ByteCount))
VARIANT(cuLaunchHostFunc, _ptsz, (CUstream hStream, CUhostFn fn, void *userData),
	(hStream, fn, userData))
VARIANT(cuStreamAddCallback, _ptsz,
	(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags),
	(hStream, callback, userData, flags))
VARIANT(cuStreamBeginCaptureToGraph, _ptsz,
	(CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,
	 const CUgraphEdgeData *dependencyData, size_t numDependencies, CUstreamCaptureMode mode),
	(hStream, hGraph, dependencies, dependencyData, numDependencies, mode))
VARIANT(cuStreamBeginCapture_v2, _ptsz, (CUstream hStream, CUstreamCaptureMode mode),
	(hStream, mode))
VARIANT(cuStreamBeginCapture, _ptsz, (CUstream hStream), (hStream))
VARIANT(cuStreamEndCapture, _ptsz, (CUstream hStream, CUgraph *phGraph), (hStream, phGraph))
VARIANT(cuStreamIsCapturing, _ptsz, (CUstream hStream, CUstreamCaptureStatus *captureStatus),
	(hStream, captureStatus))
VARIANT(cuStreamGetCaptureInfo_v3, _ptsz,
	(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
	 CUgraph *graph_out, const CUgraphNode **dependencies_out,
	 const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out),
	(hStream, captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out,
	 numDependencies_out))
VARIANT(cuStreamGetCaptureInfo_v2, _ptsz,
	(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
	 CUgraph *graph_out, const CUgraphNode **dependencies_out, size_t *numDependencies_out),
	(hStream, captureStatus_out, id_out, graph_out, dependencies_out, numDependencies_out))
VARIANT(cuStreamGetCaptureInfo, _ptsz,
	(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out),
	(hStream, captureStatus_out, id_out))
VARIANT(cuStreamUpdateCaptureDependencies_v2, _ptsz,
	(CUstream hStream, CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData,
	 size_t numDependencies, unsigned int flags),
	(hStream, dependencies, dependencyData, numDependencies, flags))
VARIANT(cuStreamUpdateCaptureDependencies, _ptsz,
	(CUstream hStream, CUgraphNode *dependencies, size_t numDependencies, unsigned int flags),
	(hStream, dependencies, numDependencies, flags))
VARIANT(cuMemPrefetchAsync, _ptsz,
	(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream),
	(devPtr, count, dstDevice, hStream))
VARIANT(cuMemPrefetchAsync_v2, _ptsz,
	(CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags,
	 CUstream hStream),
	(devPtr, count, location, flags, hStream))
VARIANT(cuMemPrefetchBatchAsync, _ptsz,
	(CUdeviceptr * dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs,
	 size_t *prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags,
	 CUstream hStream),
	(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream))
VARIANT(cuMemDiscardBatchAsync, _ptsz,
	(CUdeviceptr * dptrs, size_t *sizes, size_t count, unsigned long long flags,
	 CUstream hStream),
	(dptrs, sizes, count, flags, hStream))
VARIANT(cuMemDiscardAndPrefetchBatchAsync, _ptsz,
	(CUdeviceptr * dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs,
	 size_t *prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags,
	 CUstream hStream),
	(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream))
