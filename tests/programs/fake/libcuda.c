/* SPDX-License-Identifier: MIT */
/*
 * A libcuda.so.1 that vgpu-probe can be shown failing with: the calls that it makes, on memory of the
 * process, without a kernel. FAKE_FAIL=CALL answers that call with CUDA_ERROR_LAUNCH_FAILED,
 * FAKE_HANG=CALL never returns from it, FAKE_WRONG=1 computes wrongly, FAKE_EXIT=1 hangs at exit.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/cuda_proto.h"

#define FAKE  __attribute__((visibility("default")))
#define WORDS (256u * 256u)

static bool is(const char *variable, const char *call)
{
	const char *value = getenv(variable);

	return value && !strcmp(value, call);
}

static CUresult answer(const char *call)
{
	while (is("FAKE_HANG", call))
		pause();
	return is("FAKE_FAIL", call) ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

#define ANSWER return answer(__func__)

FAKE CUresult cuInit(unsigned int Flags)
{
	(void)Flags;
	ANSWER;
}

FAKE CUresult cuDriverGetVersion(int *driverVersion)
{
	*driverVersion = 12040;
	ANSWER;
}

FAKE CUresult cuDeviceGetCount(int *count)
{
	const char *devices = getenv("FAKE_DEVICES");

	*count = devices ? (int)strtol(devices, NULL, 10) : 2;
	ANSWER;
}

FAKE CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	*device = ordinal;
	ANSWER;
}

/* A name that would break a line of JSON, and as long as one can be. */
FAKE CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	memset(name, 'x', (size_t)len);
	name[len - 1] = '\0';
	snprintf(name, 24, "fake \"%d\"\n\\ \xc3\xa4", dev);
	name[strlen(name)] = 'x';
	ANSWER;
}

FAKE CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	memset(uuid, dev + 0xa0, sizeof(*uuid));
	ANSWER;
}

FAKE CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	(void)dev;
	*bytes = (size_t)3 << 30;
	ANSWER;
}

FAKE CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
	(void)dev;
	*pctx = NULL;
	ANSWER;
}

FAKE CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	(void)dev;
	ANSWER;
}

FAKE CUresult cuCtxSetCurrent(CUcontext ctx)
{
	(void)ctx;
	ANSWER;
}

FAKE CUresult cuCtxSynchronize(void)
{
	ANSWER;
}

FAKE CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
	*free = (size_t)2 << 30;
	*total = (size_t)3 << 30;
	ANSWER;
}

FAKE CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	*dptr = (CUdeviceptr)(uintptr_t)calloc(1, bytesize);
	ANSWER;
}

FAKE CUresult cuMemFree_v2(CUdeviceptr dptr)
{
	free((void *)(uintptr_t)dptr);
	ANSWER;
}

FAKE CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	memcpy((void *)(uintptr_t)dstDevice, srcHost, ByteCount);
	ANSWER;
}

FAKE CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
	memcpy(dstHost, (const void *)(uintptr_t)srcDevice, ByteCount);
	ANSWER;
}

FAKE CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
	(void)image;
	*module = NULL;
	ANSWER;
}

FAKE CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	(void)hmod;
	(void)name;
	*hfunc = NULL;
	ANSWER;
}

FAKE CUresult cuModuleUnload(CUmodule hmod)
{
	(void)hmod;
	ANSWER;
}

FAKE CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
			     unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
			     unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
			     void **kernelParams, void **extra)
{
	uint32_t *c = (uint32_t *)(uintptr_t) * (CUdeviceptr *)kernelParams[0];
	const uint32_t *a = (uint32_t *)(uintptr_t) * (CUdeviceptr *)kernelParams[1];
	const uint32_t *b = (uint32_t *)(uintptr_t) * (CUdeviceptr *)kernelParams[2];

	(void)f, (void)gridDimY, (void)gridDimZ, (void)blockDimY, (void)blockDimZ;
	(void)sharedMemBytes, (void)hStream, (void)extra;
	for (uint32_t i = 0; i < gridDimX * blockDimX && i < WORDS; i++)
		c[i] = a[i] + b[i] + (i == 700 && is("FAKE_WRONG", "1"));
	ANSWER;
}

__attribute__((destructor)) static void leave(void)
{
	while (is("FAKE_EXIT", "1"))
		pause();
}
