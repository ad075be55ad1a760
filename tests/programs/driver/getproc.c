/* SPDX-License-Identifier: MIT */
/*
 * cuGetProcAddress, the door that every CUDA runtime comes through: which function a name means at
 * a version and for a stream mode, what is answered for unknown names and versions, and that a
 * function found so works. The exported symbols, found by dlsym, say which answer is right.
 * One thread.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "tests/programs/check.h"

struct lookup {
	const char *name;
	int version;
	cuuint64_t flags;
	const char *symbol; /* NULL: there is none at this version */
};

#define LEGACY     CU_GET_PROC_ADDRESS_LEGACY_STREAM
#define PER_THREAD CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM

static const struct lookup lookups[] = {
	{"cuInit", 2000, 0, "cuInit"},
	{"cuInit", 13000, PER_THREAD, "cuInit"},
	{"cuDeviceTotalMem", 2000, 0, "cuDeviceTotalMem"},
	{"cuDeviceTotalMem", 3020, 0, "cuDeviceTotalMem_v2"},
	{"cuCtxCreate", 2000, 0, "cuCtxCreate"},
	{"cuCtxCreate", 3020, 0, "cuCtxCreate_v2"},
	{"cuCtxCreate", 11040, 0, "cuCtxCreate_v3"},
	{"cuCtxDestroy", 4000, 0, "cuCtxDestroy_v2"},
	{"cuCtxPushCurrent", 4000, 0, "cuCtxPushCurrent_v2"},
	{"cuMemAlloc", 2000, 0, "cuMemAlloc"},
	{"cuMemAlloc", 3020, 0, "cuMemAlloc_v2"},
	{"cuMemAlloc", 12000, PER_THREAD, "cuMemAlloc_v2"},
	{"cuMemFree", 13000, LEGACY, "cuMemFree_v2"},
	{"cuMemcpyHtoD", 3020, 0, "cuMemcpyHtoD_v2"},
	{"cuMemcpyHtoD", 7000, PER_THREAD, "cuMemcpyHtoD_v2_ptds"},
	{"cuMemcpyHtoDAsync", 7000, LEGACY, "cuMemcpyHtoDAsync_v2"},
	{"cuMemcpyHtoDAsync", 7000, PER_THREAD, "cuMemcpyHtoDAsync_v2_ptsz"},
	{"cuMemcpyAsync", 7000, PER_THREAD, "cuMemcpyAsync_ptsz"},
	{"cuMemcpy3D", 7000, PER_THREAD, "cuMemcpy3D_v2_ptds"},
	{"cuMemsetD8", 7000, PER_THREAD, "cuMemsetD8_v2_ptds"},
	{"cuLaunchKernel", 3020, 0, NULL},
	{"cuLaunchKernel", 4000, 0, "cuLaunchKernel"},
	{"cuLaunchKernel", 13000, PER_THREAD, "cuLaunchKernel_ptsz"},
	{"cuLaunchKernelEx", 11040, 0, NULL},
	{"cuLaunchKernelEx", 11060, 0, "cuLaunchKernelEx"},
	{"cuLaunchKernelEx", 11060, PER_THREAD, "cuLaunchKernelEx_ptsz"},
	{"cuLaunchHostFunc", 10000, PER_THREAD, "cuLaunchHostFunc_ptsz"},
	{"cuStreamSynchronize", 7000, PER_THREAD, "cuStreamSynchronize_ptsz"},
	{"cuStreamDestroy", 4000, PER_THREAD, "cuStreamDestroy_v2"},
	{"cuStreamBeginCapture", 10000, 0, "cuStreamBeginCapture"},
	{"cuStreamBeginCapture", 10010, 0, "cuStreamBeginCapture_v2"},
	{"cuEventRecord", 7000, PER_THREAD, "cuEventRecord_ptsz"},
	{"cuEventElapsedTime", 2000, 0, "cuEventElapsedTime"},
	{"cuEventElapsedTime", 12080, 0, "cuEventElapsedTime_v2"},
	{"cuMemAllocAsync", 11010, 0, NULL},
	{"cuMemAllocAsync", 11020, PER_THREAD, "cuMemAllocAsync_ptsz"},
	{"cuLibraryLoadData", 11080, 0, NULL},
	{"cuLibraryLoadData", 12000, 0, "cuLibraryLoadData"},
	{"cuLibraryGetKernel", 12000, 0, "cuLibraryGetKernel"},
	{"cuModuleGetGlobal", 2000, 0, "cuModuleGetGlobal"},
	{"cuModuleGetGlobal", 3020, 0, "cuModuleGetGlobal_v2"},
	{"cuGraphLaunch", 10000, PER_THREAD, "cuGraphLaunch_ptsz"},
	{"cuGetProcAddress", 11030, 0, "cuGetProcAddress"},
	{"cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2"},
};

static void check_lookup(void *library, const struct lookup *l)
{
	CUdriverProcAddressQueryResult status = (CUdriverProcAddressQueryResult)99;
	void *found = (void *)1, *wanted = l->symbol ? dlsym(library, l->symbol) : NULL;
	CUresult result = cuGetProcAddress(l->name, &found, l->version, l->flags, &status);
	char name[128];
	bool ok;

	snprintf(name, sizeof(name), "%s-%d%s", l->name, l->version,
		 l->flags == PER_THREAD ? "-per-thread" : "");
	if (l->symbol)
		ok = result == CUDA_SUCCESS && wanted && found == wanted &&
		     status == CU_GET_PROC_ADDRESS_SUCCESS;
	else
		ok = !found && status == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
	check_that(ok, name, "%s, status %d, %s %s", result_name(result), (int)status,
		   !found            ? "no function"
		   : found == wanted ? "the function of"
				     : "another function than",
		   l->symbol ? l->symbol : "");
}

static void check_unknown(void)
{
	CUdriverProcAddressQueryResult status = (CUdriverProcAddressQueryResult)99;
	void *found = (void *)1;

	/* The result was CUDA_ERROR_NOT_FOUND in some drivers and success in others. */
	cuGetProcAddress("cuNoSuchFunction", &found, 12000, 0, &status);
	check_that(!found && status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, "unknown-name",
		   "status %d, pointer %p", (int)status, found);
	/* NULL as name or result is not tried: driver 580 crashes on it. */
}

static void check_works(void)
{
	CUresult (*get_name)(char *, int, CUdevice) = NULL;
	void *found = NULL;
	char one[256] = "", two[256] = "";

	CU(cuGetProcAddress("cuDeviceGetName", &found, 12000, 0, NULL));
	/* POSIX's way to make a function of what dlsym and the like return. */
	memcpy(&get_name, &found, sizeof(found));
	CU(get_name(one, sizeof(one), 0));
	CU(cuDeviceGetName(two, sizeof(two), 0));
	check_that(one[0] && strcmp(one, two) == 0, "found-function-works", "%s", one);
}

int main(void)
{
	CUdevice dev = device_open();
	void *library = dlopen("libcuda.so.1", RTLD_NOW);

	if (!library) {
		check_that(false, "libcuda.so.1", "%s", dlerror());
		return 1;
	}
	for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++)
		check_lookup(library, &lookups[i]);
	check_unknown();
	check_works();
	dlclose(library);
	device_close(dev);
	return check_end();
}
