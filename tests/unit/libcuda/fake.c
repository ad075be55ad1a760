/* SPDX-License-Identifier: MIT */
/* See fake.h: the generated stubs' place, and what session.c and call.c would define. */
#include "tests/unit/libcuda/fake.h"

#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/handle.h"
#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/session.h"

struct fake fake;
struct fe_session fe_session;
struct vg_log_who fe_who;
__thread bool fe_ptds __attribute__((tls_model("initial-exec")));

static uint32_t next_slot = 16;

/* A handle as the executor makes them. */
static uint64_t executor_handle(enum vg_handle_type type)
{
	uint64_t handle = vg_handle_make(type, 1, VG_HANDLE_EXECUTOR | next_slot++);

	fe_handle_note(type, handle);
	return handle;
}

void fake_reset(int devices)
{
	fe_context_reset();
	fe_device_reset();
	fe_handle_reset();
	memset(&fake, 0, sizeof(fake));
	fake.name = "kernel";
	fe_session.info.device_count = devices;
	fe_session.info.loading_mode = CU_MODULE_LAZY_LOADING;
}

void fe_call_forgive(CUcontext context)
{
	(void)context;
	fake.forgiven++;
}

CUresult rpc_vgDeviceInfo(void *info, size_t size, CUdevice dev)
{
	fake.device_infos++;
	memcpy(info, &fake.info, size);
	((struct vg_device_info *)info)->uuid[0] = (uint8_t)dev;
	return CUDA_SUCCESS;
}

CUresult rpc_vgCtxSetCurrent(uint64_t ctx, int primary)
{
	fake.set_currents++;
	fake.current = ctx;
	fake.current_primary = primary;
	return CUDA_SUCCESS;
}

CUresult rpc_cuStreamGetCtx(CUstream hStream, CUcontext *pctx)
{
	(void)hStream;
	*pctx = fake.stream_context;
	return CUDA_SUCCESS;
}

CUresult rpc_vgPrimaryRetain(CUdevice dev, uint64_t ctx)
{
	(void)dev;
	(void)ctx;
	fake.retains++;
	return fake.retain_result;
}

CUresult rpc_vgPrimaryRelease(CUdevice dev, int reset)
{
	(void)dev;
	fake.releases++;
	fake.resets += reset ? 1 : 0;
	return CUDA_SUCCESS;
}

CUresult rpc_cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	(void)dev;
	return flags & ~(unsigned int)CU_CTX_FLAGS_MASK ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult rpc_vgCtxCreate(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	(void)flags;
	(void)dev;
	fake.creates++;
	*ctx = (CUcontext)executor_handle(VG_HANDLE_CUcontext);
	return CUDA_SUCCESS;
}

CUresult rpc_cuCtxDestroy_v2(CUcontext ctx)
{
	fake.destroys++;
	fe_handle_drop(VG_HANDLE_CUcontext, (uint64_t)ctx);
	return CUDA_SUCCESS;
}

CUresult rpc_vgCtxSynchronize(void)
{
	static uint64_t sent;
	CUresult result = fe_context_bind(&sent);

	fake.synchronizes += result ? 0 : 1;
	return result;
}

CUresult rpc_vgFuncLayout(uint64_t func, unsigned int room, unsigned int name_room,
			  unsigned int *count, uint32_t *offsets, uint32_t *sizes, void *name)
{
	unsigned int n = fake.param_count < room ? fake.param_count : room;
	size_t length = strlen(fake.name);

	(void)func;
	fake.layouts++;
	*count = fake.param_count;
	memcpy(offsets, fake.offsets, n * sizeof(*offsets));
	memcpy(sizes, fake.sizes, n * sizeof(*sizes));
	/* Cut, with a NUL, as the executor does it. */
	memcpy(name, fake.name, length < name_room ? length : name_room - 1);
	return CUDA_SUCCESS;
}

CUresult rpc_cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
	(void)hfunc;
	fake.attribute_gets++;
	*pi = fake.attributes[attrib];
	return CUDA_SUCCESS;
}

CUresult rpc_cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel,
				  CUdevice dev)
{
	(void)dev;
	return rpc_cuFuncGetAttribute(pi, attrib, (CUfunction)kernel);
}

CUresult rpc_cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
	(void)hfunc;
	fake.attribute_sets++;
	fake.attributes[attrib] = value;
	return CUDA_SUCCESS;
}

CUresult rpc_cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel,
				  CUdevice dev)
{
	(void)dev;
	return rpc_cuFuncSetAttribute((CUfunction)kernel, attrib, val);
}

CUresult rpc_cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
	(void)kernel;
	fake.functions_got++;
	*pFunc = (CUfunction)executor_handle(VG_HANDLE_CUfunction);
	return CUDA_SUCCESS;
}

CUresult rpc_cuOccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func,
							 int blockSize, size_t dynamicSMemSize)
{
	(void)func;
	fake.occupancies++;
	*numBlocks = fake.blocks_of ? fake.blocks_of(blockSize, dynamicSMemSize) : fake.blocks;
	return CUDA_SUCCESS;
}

CUresult rpc_vgLaunch(CUfunction func, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
		      unsigned int blockX, unsigned int blockY, unsigned int blockZ,
		      unsigned int shared, CUstream stream, unsigned int count,
		      const CUlaunchAttribute *attrs, unsigned int size, const void *params)
{
	fake.launches++;
	fake.launch_function = func;
	fake.launch = (CUlaunchConfig){
		.gridDimX = gridX,
		.gridDimY = gridY,
		.gridDimZ = gridZ,
		.blockDimX = blockX,
		.blockDimY = blockY,
		.blockDimZ = blockZ,
		.sharedMemBytes = shared,
		.hStream = stream,
		.numAttrs = count,
	};
	if (count)
		memcpy(fake.launch_attributes, attrs, count * sizeof(*attrs));
	if (size)
		memcpy(fake.launch_params, params, size);
	fake.launch_size = size;
	return CUDA_SUCCESS;
}

static void text_put(void *out, size_t room, const char *text)
{
	if (text && room) {
		size_t n = strlen(text) < room ? strlen(text) : room;

		memcpy(out, text, n); /* without a NUL where it does not fit */
	}
}

CUresult rpc_vgModuleLoad(CUmodule *module, const void *image, size_t size, unsigned int count,
			  const CUjit_option *options, const uint64_t *values, size_t info_room,
			  size_t error_room, void *info, void *error, uint64_t *results)
{
	fake.jit_count = count;
	if (count) {
		memcpy(fake.jit_options, options, count * sizeof(*options));
		memcpy(fake.jit_values, values, count * sizeof(*values));
		memcpy(results, fake.jit_results, count * sizeof(*results));
	}
	fake.info_room = info_room;
	fake.error_room = error_room;
	fake.image_size = size;
	memcpy(fake.image, image, size < sizeof(fake.image) ? size : sizeof(fake.image));
	text_put(info, info_room, fake.info_text);
	text_put(error, error_room, fake.error_text);
	*module = fake.load_result ? NULL : (CUmodule)executor_handle(VG_HANDLE_CUmodule);
	return fake.load_result;
}

CUresult rpc_cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus)
{
	(void)hStream;
	*captureStatus = fake.capturing ? CU_STREAM_CAPTURE_STATUS_ACTIVE
					: CU_STREAM_CAPTURE_STATUS_NONE;
	return CUDA_SUCCESS;
}

CUresult rpc_cuStreamSynchronize(CUstream hStream)
{
	fake.stream_waits++;
	if (fake.on_wait)
		return fake.on_wait(hStream);
	return CUDA_ERROR_ILLEGAL_ADDRESS; /* as after a kernel that failed */
}

/* Nothing is managed here. */
void fe_managed_launch(CUstream stream)
{
	(void)stream;
}

void fe_managed_launched(void)
{
}

void fe_managed_synced(void)
{
}
