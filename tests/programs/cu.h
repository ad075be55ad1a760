/* SPDX-License-Identifier: MIT */
/*
 * The CUDA driver API for the test programs: the toolkit's own cuda.h where there is one, since that
 * is what real programs are compiled with, otherwise the project's declarations of the same calls.
 */
#ifndef TESTS_PROGRAMS_CU_H
#define TESTS_PROGRAMS_CU_H

#ifdef HAVE_CUDA_H
#include <cuda.h>
#else
#include "protocol/cuda_types.h"
#include "protocol/cuda_proto.h"

#define CUDA_CB

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				   const CUgraphEdgeData *edges, size_t count);

/* What the names mean to a program compiled today: as in the cuda.h of CUDA 13. */
#define cuCtxCreate                    cuCtxCreate_v4
#define cuCtxDestroy                   cuCtxDestroy_v2
#define cuCtxPushCurrent               cuCtxPushCurrent_v2
#define cuDevicePrimaryCtxRelease      cuDevicePrimaryCtxRelease_v2
#define cuDeviceTotalMem               cuDeviceTotalMem_v2
#define cuEventDestroy                 cuEventDestroy_v2
#define cuEventElapsedTime             cuEventElapsedTime_v2
#define cuGetProcAddress               cuGetProcAddress_v2
#define cuGraphAddDependencies         cuGraphAddDependencies_v2
#define cuGraphAddKernelNode           cuGraphAddKernelNode_v2
#define cuGraphExecKernelNodeSetParams cuGraphExecKernelNodeSetParams_v2
#define cuGraphInstantiate             cuGraphInstantiateWithFlags
#define cuArray3DCreate                cuArray3DCreate_v2
#define cuArrayCreate                  cuArrayCreate_v2
#define cuIpcOpenMemHandle             cuIpcOpenMemHandle_v2
#define cuMemAdvise                    cuMemAdvise_v2
#define cuMemAlloc                     cuMemAlloc_v2
#define cuMemAllocHost                 cuMemAllocHost_v2
#define cuMemAllocPitch                cuMemAllocPitch_v2
#define cuMemFree                      cuMemFree_v2
#define cuMemGetAddressRange           cuMemGetAddressRange_v2
#define cuMemGetInfo                   cuMemGetInfo_v2
#define cuMemHostGetDevicePointer      cuMemHostGetDevicePointer_v2
#define cuMemHostRegister              cuMemHostRegister_v2
#define cuMemPrefetchAsync             cuMemPrefetchAsync_v2
#define cuMemcpy2D                     cuMemcpy2D_v2
#define cuMemcpy2DAsync                cuMemcpy2DAsync_v2
#define cuMemcpy2DUnaligned            cuMemcpy2DUnaligned_v2
#define cuMemcpy3D                     cuMemcpy3D_v2
#define cuMemcpy3DAsync                cuMemcpy3DAsync_v2
#define cuMemcpyDtoD                   cuMemcpyDtoD_v2
#define cuMemcpyDtoDAsync              cuMemcpyDtoDAsync_v2
#define cuMemcpyDtoH                   cuMemcpyDtoH_v2
#define cuMemcpyDtoHAsync              cuMemcpyDtoHAsync_v2
#define cuMemcpyHtoD                   cuMemcpyHtoD_v2
#define cuMemcpyHtoDAsync              cuMemcpyHtoDAsync_v2
#define cuMemsetD16                    cuMemsetD16_v2
#define cuMemsetD2D16                  cuMemsetD2D16_v2
#define cuMemsetD2D32                  cuMemsetD2D32_v2
#define cuMemsetD2D8                   cuMemsetD2D8_v2
#define cuMemsetD32                    cuMemsetD32_v2
#define cuMemsetD8                     cuMemsetD8_v2
#define cuModuleGetGlobal              cuModuleGetGlobal_v2
#define cuStreamBeginCapture           cuStreamBeginCapture_v2
#define cuStreamDestroy                cuStreamDestroy_v2
#define cuStreamGetCaptureInfo         cuStreamGetCaptureInfo_v3
#endif

#endif
