/* SPDX-License-Identifier: MIT */
/*
 * What devices, contexts, functions and libraries tell of themselves and can be set to; the linker from text and from a file;
 * occupancy; the profiler's switch; tensor maps. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"
#ifdef HAVE_CUDA_H
#include <cudaProfiler.h>
#endif

/* Deprecated calls are here on purpose. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* --- devices ---------------------------------------------------------------------------------------------- */

typedef CUresult (*uuid_fn)(CUuuid *, CUdevice);

static void check_device(CUdevice dev)
{
	uuid_fn older = (uuid_fn)entry_of("cuDeviceGetUuid", 9020);
	char bus[32] = "";
	CUdevice found = -1;
	CUuuid uuid, same;
	CUdevprop prop;
	int major = 0, minor = 0, affinity = -1, value = -1;
	size_t width = 0;

	CU(cuDeviceGetPCIBusId(bus, sizeof(bus), dev));
	CU(cuDeviceGetByPCIBusId(&found, bus));
	check_that(found == dev, "bus-id", "%s", bus);
	CU(older(&uuid, dev));
	CU(cuDeviceGetUuid(&same, dev));
	check_that(!memcmp(&uuid, &same, sizeof(uuid)), "uuid", "the same in both forms");
	CU(cuDeviceComputeCapability(&major, &minor, dev));
	check_that(major == device_attribute(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
		   "capability", "%d.%d", major, minor);
	CU(cuDeviceGetProperties(&prop, dev));
	check_that(prop.maxThreadsPerBlock ==
			   device_attribute(dev, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
		   "properties", "%d threads a block", prop.maxThreadsPerBlock);
	CU(cuDeviceGetExecAffinitySupport(&affinity, CU_EXEC_AFFINITY_TYPE_SM_COUNT, dev));
	CU(cuDeviceGetTexture1DLinearMaxWidth(&width, CU_AD_FORMAT_FLOAT, 1, dev));
	check_that(affinity >= 0 && width > 0, "limits", "%zu texels in a line", width);
	CU(cuDeviceCanAccessPeer(&value, dev, dev));
	check_that(value == 0, "own-peer", "%d", value);
	check_result("own-attribute",
		     cuDeviceGetP2PAttribute(&value, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, dev,
					     dev),
		     CUDA_ERROR_INVALID_DEVICE);
}

/* --- contexts ------------------------------------------------------------------------------------------------ */

typedef CUresult (*ctx_one)(CUcontext);
typedef CUresult (*ctx_out)(CUcontext *);
typedef CUresult (*ctx_create)(CUcontext *, unsigned int, CUdevice);
typedef CUresult (*dev_flags)(CUdevice, unsigned int);
typedef CUresult (*dev_one)(CUdevice);
typedef CUresult (*event_one)(CUevent);
typedef CUresult (*stream_one)(CUstream);

static void check_context(CUdevice dev)
{
	CUfunc_cache cache = CU_FUNC_CACHE_PREFER_NONE;
	CUcontext made = NULL, popped = NULL, before = NULL;
	unsigned long long id = 0;
	unsigned int flags = 77;
	CUdevice device = -1;
	CUsharedconfig banks;
	size_t stack = 0;

	CU(cuCtxGetCurrent(&before));
	CU(cuCtxCreate(&made, NULL, CU_CTX_SCHED_YIELD, dev));
	CU(cuCtxGetDevice(&device));
	CU(cuCtxGetFlags(&flags));
	CU(cuCtxGetId(made, &id));
	check_that(device == dev && (flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_YIELD && id,
		   "context", "flags 0x%x, id %llu", flags, id);
	CU(cuCtxSetFlags(CU_CTX_SCHED_SPIN));
	CU(cuCtxGetFlags(&flags));
	check_that((flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_SPIN, "context-flags", "0x%x",
		   flags);
	CU(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
	CU(cuCtxGetLimit(&stack, CU_LIMIT_STACK_SIZE));
	check_that(stack >= 4096, "stack-limit", "%zu", stack);
	CU(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
	CU(cuCtxGetCacheConfig(&cache));
	CU(cuCtxGetSharedMemConfig(&banks));
	CU(cuCtxSetSharedMemConfig(banks));
	CU(cuCtxResetPersistingL2Cache());
	CU(cuCtxPopCurrent(&popped));
	check_that(popped == made, "popped", "the one that was made");
	CU(cuCtxPushCurrent(made));
	CU(cuCtxDestroy(made));
	CU(cuCtxSetCurrent(before));
}

/* The first versions do the same. */
static void check_context_v1(CUdevice dev)
{
	ctx_create create = (ctx_create)entry_of("cuCtxCreate", 2000);
	ctx_create second = (ctx_create)entry_of("cuCtxCreate", 3020);
	ctx_one destroy = (ctx_one)entry_of("cuCtxDestroy", 2000);
	ctx_one push = (ctx_one)entry_of("cuCtxPushCurrent", 2000);
	ctx_out pop = (ctx_out)entry_of("cuCtxPopCurrent", 2000);
	event_one event_destroy = (event_one)entry_of("cuEventDestroy", 2000);
	stream_one stream_destroy = (stream_one)entry_of("cuStreamDestroy", 2000);
	CUcontext before = NULL, made = NULL, popped = NULL;
	CUstream stream = NULL;
	CUevent event = NULL;
	CUresult result;

	CU(cuCtxGetCurrent(&before));
	CU(second(&made, 0, dev));
	CU(cuStreamCreate(&stream, 0));
	CU(cuEventCreate(&event, 0));
	CU(stream_destroy(stream));
	CU(event_destroy(event));
	CU(pop(&popped));
	CU(push(made));
	CU(destroy(made));
	check_that(popped == made, "context-v1", "made, popped, pushed, destroyed");
	result = create(&made, 0, dev);
	if (result == CUDA_SUCCESS)
		CU(cuCtxDestroy(made));
	else
		check_skip("context-create-v1", "%s", result_name(result));
	CU(cuCtxSetCurrent(before));
}

static void check_primary(CUdevice dev)
{
	dev_flags older = (dev_flags)entry_of("cuDevicePrimaryCtxSetFlags", 7000);
	dev_one release = (dev_one)entry_of("cuDevicePrimaryCtxRelease", 7000);
	unsigned int flags = 77;
	CUcontext context = NULL;
	int active = -1;
	CUresult result;

	CU(cuDevicePrimaryCtxGetState(dev, &flags, &active));
	check_that(active == 1, "primary-state", "active %d, flags 0x%x", active, flags);
	CU(cuDevicePrimaryCtxSetFlags(dev, flags));
	result = older(dev, flags);
	check_that(result == CUDA_SUCCESS || result == CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE,
		   "primary-flags-v1", "%s", result_name(result));
	CU(cuDevicePrimaryCtxRetain(&context, dev));
	CU(release(dev));
	CU(cuDevicePrimaryCtxGetState(dev, &flags, &active));
	check_that(active == 1, "primary-retained", "active %d", active);
}

/* --- functions and libraries --------------------------------------------------------------------------------- */

static void check_function(void)
{
	CUmodule module = module_load(chain_ptx), owner = NULL;
	CUfunction f = module_function(module, "append"), all[8];
	CUfunctionLoadingState state = CU_FUNCTION_LOADING_STATE_UNLOADED;
	unsigned int count = 0;
	size_t offset = 0, size = 0;
	const char *name = "";
	int grid = 0, block = 0, blocks = 0;

	CU(cuFuncGetName(&name, f));
	CU(cuFuncGetParamInfo(f, 1, &offset, &size));
	check_that(!strcmp(name, "append") && offset == 8 && size == 4, "function",
		   "%s, %zu bytes at %zu", name, size, offset);
	CU(cuFuncGetModule(&owner, f));
	CU(cuFuncLoad(f));
	CU(cuFuncIsLoaded(&state, f));
	check_that(owner == module && state == CU_FUNCTION_LOADING_STATE_LOADED, "loaded", "%d",
		   (int)state);
	CU(cuFuncSetCacheConfig(f, CU_FUNC_CACHE_PREFER_SHARED));
	CU(cuFuncSetSharedMemConfig(f, CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE));
	CU(cuModuleGetFunctionCount(&count, module));
	CU(cuModuleEnumerateFunctions(all, count < 8 ? count : 8, module));
	check_that(count == 3 && all[0], "functions", "%u", count);
	CU(cuOccupancyMaxPotentialBlockSizeWithFlags(&grid, &block, f, NULL, 0, 0,
						     CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE));
	CU(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
		&blocks, f, 128, 0, CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE));
	check_that(grid > 0 && block > 0 && blocks > 0, "occupancy", "%d blocks of %d", grid,
		   block);
	CU(cuModuleUnload(module));
}

static void check_clusters(CUdevice dev)
{
	CUmodule module = module_load(chain_ptx);
	CUlaunchAttribute cluster;
	CUlaunchConfig config;
	int size = 0, active = -1;
	CUresult result;

	memset(&cluster, 0, sizeof(cluster));
	cluster.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
	cluster.value.clusterDim.x = cluster.value.clusterDim.y = cluster.value.clusterDim.z = 1;
	memset(&config, 0, sizeof(config));
	config.gridDimX = 8;
	config.gridDimY = config.gridDimZ = 1;
	config.blockDimX = 32;
	config.blockDimY = config.blockDimZ = 1;
	config.attrs = &cluster;
	config.numAttrs = 1;
	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH)) {
		check_skip("clusters", "no clusters on this device");
	} else {
		result = cuOccupancyMaxPotentialClusterSize(
			&size, module_function(module, "append"), &config);
		CU(result);
		CU(cuOccupancyMaxActiveClusters(&active, module_function(module, "append"),
						&config));
		check_that(size >= 1 && active >= 1, "clusters", "%d active, of up to %d blocks",
			   active, size);
	}
	CU(cuModuleUnload(module));
}

static void check_library(CUdevice dev, const char *path)
{
	CUlibrary library = NULL, owner = NULL;
	CUkernel kernel = NULL, all[8];
	size_t offset = 0, size = 0;
	const char *name = "";
	unsigned int count = 0;
	void *address = NULL;
	int threads = 0;

	CU(cuLibraryLoadFromFile(&library, path, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetKernelCount(&count, library));
	CU(cuLibraryEnumerateKernels(all, count < 8 ? count : 8, library));
	CU(cuLibraryGetKernel(&kernel, library, "append"));
	CU(cuKernelGetLibrary(&owner, kernel));
	CU(cuKernelGetName(&name, kernel));
	CU(cuKernelGetParamInfo(kernel, 1, &offset, &size));
	check_that(count == 3 && all[0] && owner == library && !strcmp(name, "append") &&
			   offset == 8 && size == 4,
		   "library", "%u kernels", count);
	CU(cuKernelGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernel, dev));
	CU(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50, kernel,
				dev));
	CU(cuKernelSetCacheConfig(kernel, CU_FUNC_CACHE_PREFER_L1, dev));
	check_that(threads > 0, "kernel", "%d threads a block", threads);
	check_that(cuLibraryGetUnifiedFunction(&address, library, "append") != CUDA_SUCCESS,
		   "unified", "no such function here");
	CU(cuLibraryUnload(library));
}

/* --- the linker and files -------------------------------------------------------------------------------------- */

typedef CUresult (*link_create)(unsigned int, CUjit_option *, void **, CUlinkState *);
typedef CUresult (*link_data)(CUlinkState, CUjitInputType, void *, size_t, const char *,
			      unsigned int, CUjit_option *, void **);
typedef CUresult (*link_file)(CUlinkState, CUjitInputType, const char *, unsigned int,
			      CUjit_option *, void **);

static void linked_check(CUlinkState state, const char *name)
{
	CUfunction f = NULL;
	CUmodule module = NULL;
	void *image = NULL;
	size_t size = 0;

	CU(cuLinkComplete(state, &image, &size));
	CU(cuModuleLoadData(&module, image));
	CU(cuModuleGetFunction(&f, module, "append"));
	check_that(f && size, name, "%zu bytes", size);
	CU(cuModuleUnload(module));
	CU(cuLinkDestroy(state));
}

static void check_linker(const char *path)
{
	link_create create = (link_create)entry_of("cuLinkCreate", 5050);
	link_data data = (link_data)entry_of("cuLinkAddData", 5050);
	link_file file = (link_file)entry_of("cuLinkAddFile", 5050);
	CUlinkState state = NULL;
	CUmodule module = NULL;
	CUfunction f = NULL;

	CU(cuLinkCreate(0, NULL, NULL, &state));
	CU(cuLinkAddData(state, CU_JIT_INPUT_PTX, (void *)chain_ptx, sizeof(chain_ptx), "chain", 0,
			 NULL, NULL));
	linked_check(state, "linked");
	CU(cuLinkCreate(0, NULL, NULL, &state));
	CU(cuLinkAddFile(state, CU_JIT_INPUT_PTX, path, 0, NULL, NULL));
	linked_check(state, "linked-file");
	CU(create(0, NULL, NULL, &state));
	CU(data(state, CU_JIT_INPUT_PTX, (void *)chain_ptx, sizeof(chain_ptx), "chain", 0, NULL,
		NULL));
	linked_check(state, "linked-v1");
	CU(create(0, NULL, NULL, &state));
	CU(file(state, CU_JIT_INPUT_PTX, path, 0, NULL, NULL));
	linked_check(state, "linked-file-v1");
	CU(cuModuleLoad(&module, path));
	CU(cuModuleGetFunction(&f, module, "append"));
	check_that(f != NULL, "module-file", "%s", path);
	CU(cuModuleUnload(module));
}

/* The PTX as a file; "" where there is no room for one. */
static void file_make(char *path)
{
	int fd = mkstemps(path, 4);

	if (fd < 0 || write(fd, chain_ptx, sizeof(chain_ptx) - 1) != (ssize_t)sizeof(chain_ptx) - 1)
		path[0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* --- tensor maps --------------------------------------------------------------------------------------------- */

typedef CUresult (*replace_fn)(CUtensorMap *, void *);
typedef CUresult (*tiled_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
			     const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
			     const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
			     CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
typedef CUresult (*im2col_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
			      const cuuint64_t *, const cuuint64_t *, const int *, const int *,
			      cuuint32_t, cuuint32_t, const cuuint32_t *, CUtensorMapInterleave,
			      CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static void check_tensor_maps(void)
{
	tiled_fn tiled = (tiled_fn)entry_of("cuTensorMapEncodeTiled", 12000);
	replace_fn replace = (replace_fn)entry_of("cuTensorMapReplaceAddress", 12000);
	im2col_fn im2col = (im2col_fn)entry_of("cuTensorMapEncodeIm2col", 12000);
	const cuuint64_t dims[4] = {64, 32, 16, 8}, strides[3] = {128, 4096, 65536};
	const cuuint32_t box[4] = {32, 8, 4, 2}, steps[4] = {1, 1, 1, 1};
	const int lower[2] = {-1, -1}, upper[2] = {0, 0};
	CUtensorMap map, before;
	CUdeviceptr memory = 0;
	CUresult result;

	CU(cuMemAlloc(&memory, 1 << 20));
	memset(&map, 0, sizeof(map));
	result = tiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4, (void *)(uintptr_t)memory, dims,
		       strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
		       CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
		       CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	if (result != CUDA_SUCCESS) {
		check_skip("tensor-maps", "%s", result_name(result));
		CU(cuMemFree(memory));
		return;
	}
	before = map;
	CU(replace(&map, (void *)(uintptr_t)(memory + 65536)));
	check_that(memcmp(&map, &before, sizeof(map)) != 0, "tensor-map", "another address");
	CU(replace(&map, (void *)(uintptr_t)memory));
	check_that(!memcmp(&map, &before, sizeof(map)), "tensor-map-back", "the same as before");
	CU(im2col(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4, (void *)(uintptr_t)memory, dims,
		  strides, lower, upper, 32, 16, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
		  CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
		  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
	check_that(memcmp(&map, &before, sizeof(map)) != 0, "tensor-map-im2col", "made");
	CU(cuMemFree(memory));
}

int main(void)
{
	char path[] = "/tmp/chain-XXXXXX.ptx";
	CUdevice dev = device_open();

	file_make(path);
	check_device(dev);
	check_context(dev);
	check_context_v1(dev);
	check_primary(dev);
	check_function();
	check_clusters(dev);
	check_library(dev, path);
	check_linker(path);
	check_tensor_maps();
	CU(cuProfilerStart());
	CU(cuProfilerStop());
	unlink(path);
	device_close(dev);
	return check_end();
}
