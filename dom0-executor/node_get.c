/* SPDX-License-Identifier: MIT */
/*
 * What nodes hold, for the guest: handles in place of the driver's objects, contents in place of
 * pointers, ids in place of our own functions. Runs in lanes' threads.
 */
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/launch.h"

/* Where the contents of what the node points to go, as far as there is room. */
struct sink {
	uint8_t *data;
	size_t room, size;
};

static void sink_put(struct sink *sink, size_t at, const void *bytes, size_t size)
{
	size_t end = at + size;

	if (sink->data && end <= sink->room)
		memcpy(sink->data + at, bytes, size);
	if (end > sink->size)
		sink->size = end;
}

/* The driver's object as the guest names it, in the place of the driver's pointer. */
static void *handle_out(struct ex_call *call, enum vg_handle_type type, void *real)
{
	return (void *)(uintptr_t)ex_handle_put(call, type, real, 0);
}

/* Only one that the guest has: contexts are not made by asking. */
static CUcontext context_out(struct ex_call *call, CUcontext real)
{
	return (CUcontext)(uintptr_t)ex_handles_find(&call->session->handles, VG_HANDLE_CUcontext,
						     real);
}

/* --- kernels ------------------------------------------------------------------------------------- */

static CUfunction function_out(struct ex_call *call, const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	struct ex_handles *handles = &call->session->handles;
	void *real = kernel->func ? (void *)kernel->func : (void *)kernel->kern;
	uint64_t handle = ex_handles_find(handles, VG_HANDLE_CUkernel, real);

	if (!handle)
		handle = ex_handle_put(call, VG_HANDLE_CUfunction, real, 0);
	return (CUfunction)(uintptr_t)handle;
}

/* Parameters in one piece lie there already. */
static void extra_out(void *const *extra, struct sink *sink)
{
	const void *bytes = NULL;
	const size_t *size = NULL;

	for (unsigned int i = 0; i < 8 && extra[2 * i] != CU_LAUNCH_PARAM_END; i++) {
		if (extra[2 * i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
			bytes = extra[2 * i + 1];
		else if (extra[2 * i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
			size = extra[2 * i + 1];
	}
	if (bytes && size)
		sink_put(sink, 0, bytes, *size);
}

static CUresult params_out(const CUDA_KERNEL_NODE_PARAMS *kernel, struct sink *sink)
{
	bool is_kernel = !kernel->func;
	void *real = is_kernel ? (void *)kernel->kern : (void *)kernel->func;

	if (!kernel->kernelParams) {
		if (kernel->extra)
			extra_out(kernel->extra, sink);
		return CUDA_SUCCESS;
	}
	for (size_t i = 0; i < EX_PARAMETERS_MAX; i++) {
		size_t offset = 0, size = 0;
		CUresult result = ex_function_param(real, is_kernel, i, &offset, &size);

		if (result == CUDA_ERROR_INVALID_VALUE)
			break; /* the one behind the last */
		if (result)
			return result;
		if (kernel->kernelParams[i])
			sink_put(sink, offset, kernel->kernelParams[i], size);
	}
	return CUDA_SUCCESS;
}

static CUresult kernel_get(struct ex_call *call, CUgraphNode node, CUgraphNodeParams *params,
			   struct sink *sink)
{
	CUDA_KERNEL_NODE_PARAMS kernel = {0};
	CUresult result;

	if (!ex_driver.cuGraphKernelNodeGetParams_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphKernelNodeGetParams_v2(node, &kernel);
	if (!result && (kernel.func || kernel.kern))
		result = params_out(&kernel, sink);
	if (result)
		return result;
	params->kernel = (CUDA_KERNEL_NODE_PARAMS_v3){
		.func = function_out(call, &kernel),
		.gridDimX = kernel.gridDimX,
		.gridDimY = kernel.gridDimY,
		.gridDimZ = kernel.gridDimZ,
		.blockDimX = kernel.blockDimX,
		.blockDimY = kernel.blockDimY,
		.blockDimZ = kernel.blockDimZ,
		.sharedMemBytes = kernel.sharedMemBytes,
		.ctx = context_out(call, kernel.ctx),
	};
	return CUDA_SUCCESS;
}

/* --- the others ---------------------------------------------------------------------------------- */

static CUresult copy_get(struct ex_call *call, CUgraphNode node, CUgraphNodeParams *params)
{
	CUDA_MEMCPY3D *copy = &params->memcpy.copyParams;
	CUresult result;

	if (!ex_driver.cuGraphMemcpyNodeGetParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphMemcpyNodeGetParams(node, copy);
	copy->reserved0 = copy->reserved1 = NULL;
	copy->srcArray = copy->srcMemoryType == CU_MEMORYTYPE_ARRAY
				 ? handle_out(call, VG_HANDLE_CUarray, copy->srcArray)
				 : NULL;
	copy->dstArray = copy->dstMemoryType == CU_MEMORYTYPE_ARRAY
				 ? handle_out(call, VG_HANDLE_CUarray, copy->dstArray)
				 : NULL;
	return result;
}

static CUresult fill_get(CUgraphNode node, CUgraphNodeParams *params)
{
	CUDA_MEMSET_NODE_PARAMS fill = {0};
	CUresult result;

	if (!ex_driver.cuGraphMemsetNodeGetParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphMemsetNodeGetParams(node, &fill);
	params->memset = (CUDA_MEMSET_NODE_PARAMS_v2){
		fill.dst, fill.pitch, fill.value, fill.elementSize, fill.width, fill.height, NULL};
	return result;
}

/* Every host function that the driver holds is one of ours. */
static CUresult host_get(struct ex_call *call, CUgraphNode node, CUgraphNodeParams *params)
{
	CUDA_HOST_NODE_PARAMS host = {0};
	uint64_t id = 0;
	CUresult result;

	if (!ex_driver.cuGraphHostNodeGetParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphHostNodeGetParams(node, &host);
	if (!result && !ex_host_func_id(&call->session->host_funcs, host.userData, &id))
		result = CUDA_ERROR_UNKNOWN;
	params->host.userData = (void *)(uintptr_t)id;
	return result;
}

static CUresult batch_get(struct ex_call *call, CUgraphNode node, CUgraphNodeParams *params,
			  struct sink *sink)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch = {0};
	CUresult result;

	if (!ex_driver.cuGraphBatchMemOpNodeGetParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphBatchMemOpNodeGetParams(node, &batch);
	if (result)
		return result;
	params->memOp = (CUDA_BATCH_MEM_OP_NODE_PARAMS_v2){
		.ctx = context_out(call, batch.ctx), .count = batch.count, .flags = batch.flags};
	if (batch.paramArray)
		sink_put(sink, 0, batch.paramArray, batch.count * sizeof(*batch.paramArray));
	return CUDA_SUCCESS;
}

static CUresult alloc_get(CUgraphNode node, CUgraphNodeParams *params, struct sink *sink)
{
	CUDA_MEM_ALLOC_NODE_PARAMS alloc = {0};
	CUresult result;

	if (!ex_driver.cuGraphMemAllocNodeGetParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphMemAllocNodeGetParams(node, &alloc);
	if (result)
		return result;
	if (alloc.accessDescs)
		sink_put(sink, 0, alloc.accessDescs,
			 alloc.accessDescCount * sizeof(*alloc.accessDescs));
	alloc.poolProps.win32SecurityAttributes = NULL;
	params->alloc = (CUDA_MEM_ALLOC_NODE_PARAMS_v2){.poolProps = alloc.poolProps,
							.accessDescCount = alloc.accessDescCount,
							.bytesize = alloc.bytesize,
							.dptr = alloc.dptr};
	return CUDA_SUCCESS;
}

CUresult ex_vgGraphNodeGet(struct ex_call *call, CUgraphNode node, size_t room,
			   CUgraphNodeParams *params, size_t *size, void *data)
{
	struct sink sink = {.data = data, .room = room};
	CUresult result;

	if (!ex_driver.cuGraphNodeGetType)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphNodeGetType(node, &params->type);
	if (result)
		return result;
	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: result = kernel_get(call, node, params, &sink); break;
	case CU_GRAPH_NODE_TYPE_MEMCPY: result = copy_get(call, node, params); break;
	case CU_GRAPH_NODE_TYPE_MEMSET: result = fill_get(node, params); break;
	case CU_GRAPH_NODE_TYPE_HOST: result = host_get(call, node, params); break;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: result = batch_get(call, node, params, &sink); break;
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC: result = alloc_get(node, params, &sink); break;
	default: break; /* nothing that the driver tells in this way */
	}
	*size = sink.size;
	return result;
}

/* --- attributes of kernel nodes ------------------------------------------------------------------- */

CUresult ex_cuGraphKernelNodeGetAttribute(struct ex_call *call, CUgraphNode hNode,
					  CUkernelNodeAttrID attr, CUkernelNodeAttrValue *value_out)
{
	(void)call;
	/* Its value is an object of the driver's for kernels to use. */
	if (attr == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE ||
	    !ex_driver.cuGraphKernelNodeGetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuGraphKernelNodeGetAttribute(hNode, attr, value_out);
}

CUresult ex_cuGraphKernelNodeSetAttribute(struct ex_call *call, CUgraphNode hNode,
					  CUkernelNodeAttrID attr,
					  const CUkernelNodeAttrValue *value)
{
	const CUlaunchAttribute wire = {.id = attr, .value = *value};
	CUlaunchAttribute *own;
	CUresult result;

	if (!ex_driver.cuGraphKernelNodeSetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	if ((int)attr < 0 || attr > CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_attributes_read(call, 1, &wire, &own);
	return result ? result : ex_driver.cuGraphKernelNodeSetAttribute(hNode, attr, &own->value);
}
