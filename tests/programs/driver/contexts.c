/* SPDX-License-Identifier: MIT */
/*
 * Contexts beside the ordinary: green ones on parts of a device, events of whole contexts, counts of users; launches as before
 * CUDA 4; what a device and the driver tell of themselves. What is not there is skipped. One thread.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

/* *state * 3 + id, in the current context. */
static uint64_t append_on(CUstream stream, uint32_t id)
{
	CUmodule module = module_load(chain_ptx);
	CUdeviceptr memory = 0;
	uint64_t state = 1;
	void *params[] = {&memory, &id};

	CU(cuMemAlloc(&memory, sizeof(state)));
	CU(cuMemcpyHtoD(memory, &state, sizeof(state)));
	launch_1d(module_function(module, "append"), 1, 1, stream, params);
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&state, memory, sizeof(state)));
	CU(cuMemFree(memory));
	CU(cuModuleUnload(module));
	return state;
}

/* --- green contexts ------------------------------------------------------------------------------------- */

static void green_use(CUdevice dev, CUgreenCtx green, CUdevResource *part)
{
	CUcontext context = NULL, again = NULL, of_stream = NULL, before = NULL;
	CUgreenCtx found = NULL, also = NULL;
	CUdevResource own, whole;
	unsigned long long id = 0;
	CUstream stream = NULL;
	CUevent event = NULL;

	CU(cuCtxGetCurrent(&before));
	CU(cuGreenCtxGetDevResource(green, &own, CU_DEV_RESOURCE_TYPE_SM));
	check_that(own.sm.smCount == part->sm.smCount, "green-resource", "%u multiprocessors",
		   own.sm.smCount);
	CU(cuGreenCtxGetId(green, &id));
	CU(cuCtxFromGreenCtx(&context, green));
	CU(cuCtxFromGreenCtx(&again, green));
	check_that(context && context == again && id, "green-context", "one, id %llu", id);
	CU(cuCtxGetDevResource(context, &whole, CU_DEV_RESOURCE_TYPE_SM));
	CU(cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, 0));
	CU(cuCtxSetCurrent(context));
	check_that(append_on(stream, 4) == 3 + 4, "green-runs", "a kernel on its stream");
	CU(cuStreamGetCtx_v2(stream, &of_stream, &also));
	CU(cuStreamGetGreenCtx(stream, &found));
	check_that(found == green, "green-of-stream", "the green context itself");
	CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	CU(cuGreenCtxRecordEvent(green, event));
	CU(cuEventSynchronize(event));
	CU(cuGreenCtxWaitEvent(green, event));
	CU(cuCtxSynchronize());
	check_result("green-event", cuEventQuery(event), CUDA_SUCCESS);
	CU(cuEventDestroy(event));
	CU(cuStreamDestroy(stream));
	CU(cuCtxSetCurrent(before));
	(void)dev;
}

static void check_green(CUdevice dev)
{
	CUdevResource all, parts[1], rest, forged;
	CUdevResourceDesc desc = NULL;
	CUgreenCtx green = NULL;
	unsigned int count = 0;
	CUresult result = cuDeviceGetDevResource(dev, &all, CU_DEV_RESOURCE_TYPE_SM);

	if (result != CUDA_SUCCESS) {
		check_skip("green", "no parts of this device: %s", result_name(result));
		return;
	}
	check_that((int)all.sm.smCount ==
			   device_attribute(dev, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
		   "device-resource", "%u multiprocessors", all.sm.smCount);
	CU(cuDevSmResourceSplitByCount(NULL, &count, &all, NULL, 0, 1));
	check_that(count >= 1, "split-count", "%u parts", count);
	count = 1;
	CU(cuDevSmResourceSplitByCount(parts, &count, &all, &rest, 0, 1));
	check_that(count == 1 && parts[0].sm.smCount >= 1 &&
			   parts[0].sm.smCount + rest.sm.smCount == all.sm.smCount,
		   "split", "%u and %u", parts[0].sm.smCount, rest.sm.smCount);
	memset(&forged, 0x5a, sizeof(forged));
	check_that(cuDevResourceGenerateDesc(&desc, &forged, 1) != CUDA_SUCCESS, "forged",
		   "refused");
	CU(cuDevResourceGenerateDesc(&desc, parts, 1));
	CU(cuGreenCtxCreate(&green, desc, dev, CU_GREEN_CTX_DEFAULT_STREAM));
	green_use(dev, green, &parts[0]);
	CU(cuGreenCtxDestroy(green));
}

/* --- events of contexts, users of contexts ---------------------------------------------------------------- */

static void check_context_events(void)
{
	CUcontext context = NULL;
	CUevent event = NULL;
	CUresult result;

	CU(cuCtxGetCurrent(&context));
	CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	result = cuCtxRecordEvent(context, event);
	if (result != CUDA_SUCCESS) {
		check_skip("context-event", "not in this context: %s", result_name(result));
	} else {
		CU(result);
		CU(cuEventSynchronize(event));
		CU(cuCtxWaitEvent(context, event));
		CU(cuCtxSynchronize());
		check_result("context-event", cuEventQuery(event), CUDA_SUCCESS);
	}
	CU(cuEventDestroy(event));
}

typedef CUresult (*create_v1)(CUcontext *, unsigned int, CUdevice);
typedef CUresult (*create_v3)(CUcontext *, CUexecAffinityParam *, int, unsigned int, CUdevice);
typedef CUresult (*attach_fn)(CUcontext *, unsigned int);
typedef CUresult (*detach_fn)(CUcontext);

static void check_users(CUdevice dev)
{
	create_v3 create = (create_v3)entry_of("cuCtxCreate", 11040);
	attach_fn attach = (attach_fn)entry_of("cuCtxAttach", 2000);
	detach_fn detach = (detach_fn)entry_of("cuCtxDetach", 2000);
	CUcontext before = NULL, made = NULL, attached = NULL, now = NULL;
	CUresult result;

	CU(cuCtxGetCurrent(&before));
	CU(create(&made, NULL, 0, 0, dev));
	result = attach(&attached, 0);
	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("users", "not in this driver");
		CU(cuCtxDestroy(made));
	} else {
		CU(result);
		check_that(attached == made, "attach", "the current one");
		CU(detach(made));
		CU(cuCtxGetCurrent(&now));
		check_that(now == made, "detach", "one user is left");
		CU(detach(made));
		check_that(append_on(NULL, 0) != 0, "detached", "the one before is current again");
	}
	CU(cuCtxSetCurrent(before));
}

/* --- launches as they were ---------------------------------------------------------------------------------- */

typedef CUresult (*set_shape)(CUfunction, int, int, int);
typedef CUresult (*set_size)(CUfunction, unsigned int);
typedef CUresult (*set_int)(CUfunction, int, unsigned int);
typedef CUresult (*set_float)(CUfunction, int, float);
typedef CUresult (*set_bytes)(CUfunction, int, void *, unsigned int);
typedef CUresult (*launch_one)(CUfunction);
typedef CUresult (*launch_grid)(CUfunction, int, int);
typedef CUresult (*launch_on)(CUfunction, int, int, CUstream);

static void check_old_launch(void)
{
	set_shape shape = (set_shape)entry_of("cuFuncSetBlockShape", 2000);
	set_size shared = (set_size)entry_of("cuFuncSetSharedSize", 2000);
	set_size size = (set_size)entry_of("cuParamSetSize", 2000);
	set_int put_int = (set_int)entry_of("cuParamSeti", 2000);
	set_float put_float = (set_float)entry_of("cuParamSetf", 2000);
	set_bytes put_bytes = (set_bytes)entry_of("cuParamSetv", 2000);
	launch_one one = (launch_one)entry_of("cuLaunch", 2000);
	launch_grid grid = (launch_grid)entry_of("cuLaunchGrid", 2000);
	launch_on on = (launch_on)entry_of("cuLaunchGridAsync", 2000);
	CUmodule module = module_load(chain_ptx);
	CUfunction f = module_function(module, "append");
	CUdeviceptr memory = 0;
	uint64_t state = 1;
	CUresult result = shape(f, 1, 1, 1);

	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("old-launch", "not in this driver");
		CU(cuModuleUnload(module));
		return;
	}
	CU(result);
	CU(cuMemAlloc(&memory, sizeof(state)));
	CU(cuMemcpyHtoD(memory, &state, sizeof(state)));
	CU(shared(f, 0));
	CU(put_float(f, 8, 1.5f)); /* overwritten by the next */
	CU(put_bytes(f, 0, &memory, sizeof(memory)));
	CU(put_int(f, 8, 5));
	CU(size(f, 12));
	CU(one(f));
	CU(put_int(f, 8, 6));
	CU(grid(f, 1, 1));
	CU(put_int(f, 8, 7));
	CU(on(f, 1, 1, NULL));
	CU(cuMemcpyDtoH(&state, memory, sizeof(state)));
	check_that(state == ((3 + 5) * 3 + 6) * 3 + 7, "old-launch", "state %llu",
		   (unsigned long long)state);
	check_result("old-shape", shape(f, 0, 1, 1), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree(memory));
	CU(cuModuleUnload(module));
}

/* --- what is told ------------------------------------------------------------------------------------------------ */

static void check_device(CUdevice dev)
{
	const CUatomicOperation operations[] = {CU_ATOMIC_OPERATION_INTEGER_ADD,
						CU_ATOMIC_OPERATION_EXCHANGE};
	unsigned int capabilities[] = {~0u, ~0u}, mask = 0;
	CUexecAffinityParam affinity;
	char luid[8];
	CUresult result;

	result = cuDeviceGetHostAtomicCapabilities(capabilities, operations, 2, dev);
	if (result == CUDA_SUCCESS)
		check_that(capabilities[0] != ~0u && capabilities[1] != ~0u, "atomics",
			   "0x%x, 0x%x", capabilities[0], capabilities[1]);
	else
		check_skip("atomics", "%s", result_name(result));
	/* Names of adapters are Windows'. */
	result = cuDeviceGetLuid(luid, &mask, dev);
	check_that(result == CUDA_ERROR_NOT_SUPPORTED || result == CUDA_SUCCESS, "luid", "%s",
		   result_name(result));
	result = cuCtxGetExecAffinity(&affinity, CU_EXEC_AFFINITY_TYPE_SM_COUNT);
	check_that(result == CUDA_SUCCESS || result == CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY,
		   "affinity", "%s", result_name(result));
	result = cuFlushGPUDirectRDMAWrites(CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX,
					    CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER);
	check_that(result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_SUPPORTED, "flush", "%s",
		   result_name(result));
}

static void check_logs(void)
{
	char text[4096], path[] = "/tmp/cuda-log-XXXXXX";
	CUlogIterator at = 0;
	size_t size = sizeof(text);
	int fd = mkstemp(path);
	CUresult result = cuLogsCurrent(&at, 0);

	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("logs", "this driver keeps none");
	} else {
		CU(result);
		CU(cuLogsDumpToMemory(&at, text, &size, 0));
		check_that(size < sizeof(text) && !text[size], "logs", "%zu bytes", size);
		CU(cuLogsDumpToFile(NULL, path, 0));
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	CUdevice dev = device_open();

	check_green(dev);
	check_context_events();
	check_users(dev);
	check_old_launch();
	check_device(dev);
	check_logs();
	device_close(dev);
	return check_end();
}
