/* SPDX-License-Identifier: MIT */
/*
 * Graph nodes with parameters, in and out. They come as CUgraphNodeParams with the guest's handles in
 * it (cuda.api): a copy is made of the fields that are known, each handle looked up, each address
 * checked; no pointer of the guest's is ever taken over. Where the driver has a function for just
 * that type of node it is used, as programs do; otherwise the one for all types. Runs in lanes' threads.
 */
#include "dom0-executor/node.h"

#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

static CUresult context_in(struct ex_call *call, CUcontext guest, CUcontext *real)
{
	return ex_handle_in(call, VG_HANDLE_CUcontext, guest, EX_NULL_OK, real);
}

/* --- each type of node: from the guest's form to the driver's -------------------------------------- */

static CUresult kernel_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	CUDA_KERNEL_NODE_PARAMS_v3 *kernel = &node->params.kernel;
	uint64_t guest = (uintptr_t)from->kernel.func;
	bool is_kernel = vg_handle_type(guest) == VG_HANDLE_CUkernel;
	void *real = NULL;
	CUresult result;

	*kernel = from->kernel;
	kernel->extra = NULL;
	kernel->kernelParams = NULL;
	result = ex_handle_get(call, VG_HANDLE_CUfunction, guest, 0, &real);
	/* The driver makes no cooperative node of one whose parameters came packed. */
	if (!result)
		result = ex_params_pointers(call, real, is_kernel, node->data, node->size,
					    &kernel->kernelParams);
	if (!kernel->kernelParams)
		kernel->extra = ex_params_extra(&node->bytes, node->data, node->size);
	if (is_kernel) {
		kernel->kern = real;
		kernel->func = NULL;
	} else {
		kernel->func = real;
		kernel->kern = NULL;
	}
	return result ? result : context_in(call, from->kernel.ctx, &kernel->ctx);
}

/* One end of a copy: where it lies, how rows and slices follow. */
struct copy_end {
	CUmemorytype type;
	uint64_t host, device;
	CUarray array;
	size_t x, y, z, pitch, height;
};

static CUresult end_check(struct ex_call *call, const struct copy_end *end,
			  const CUDA_MEMCPY3D *copy)
{
	uint64_t address = end->type == CU_MEMORYTYPE_HOST ? end->host : end->device;
	uint64_t pitch = end->pitch ? end->pitch : vg_sat_add(end->x, copy->WidthInBytes);
	uint64_t height = end->height ? end->height : vg_sat_add(end->y, copy->Height);
	uint64_t slices, rows;
	int kind;

	if (!copy->WidthInBytes || !copy->Height || !copy->Depth)
		return CUDA_SUCCESS; /* nothing to copy: the driver's to judge */
	slices = vg_sat_mul(vg_sat_add(end->z, copy->Depth - 1), vg_sat_mul(pitch, height));
	rows = vg_sat_mul(vg_sat_add(end->y, copy->Height - 1), pitch);
	if (!ex_ranges_cover(&call->session->ranges, address,
			     vg_sat_add(vg_sat_add(slices, rows),
					vg_sat_add(end->x, copy->WidthInBytes)),
			     &kind))
		return CUDA_ERROR_INVALID_VALUE;
	if (end->type == CU_MEMORYTYPE_HOST && kind != EX_RANGE_REGION)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult end_in(struct ex_call *call, const struct copy_end *end, const CUDA_MEMCPY3D *copy,
		       CUarray *array)
{
	*array = NULL;
	switch ((int)end->type) {
	case CU_MEMORYTYPE_ARRAY:
		return ex_handle_in(call, VG_HANDLE_CUarray, end->array, 0, array);
	case CU_MEMORYTYPE_HOST:
	case CU_MEMORYTYPE_DEVICE:
	case CU_MEMORYTYPE_UNIFIED: return end_check(call, end, copy);
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult copy_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	CUDA_MEMCPY_NODE_PARAMS *params = &node->params.memcpy;
	CUDA_MEMCPY3D *copy = &params->copyParams;
	const CUDA_MEMCPY3D *wire = &from->memcpy.copyParams;
	const struct copy_end src = {wire->srcMemoryType, (uintptr_t)wire->srcHost,
				     wire->srcDevice,     wire->srcArray,
				     wire->srcXInBytes,   wire->srcY,
				     wire->srcZ,          wire->srcPitch,
				     wire->srcHeight};
	const struct copy_end dst = {wire->dstMemoryType, (uintptr_t)wire->dstHost,
				     wire->dstDevice,     wire->dstArray,
				     wire->dstXInBytes,   wire->dstY,
				     wire->dstZ,          wire->dstPitch,
				     wire->dstHeight};
	CUresult result;

	params->flags = from->memcpy.flags;
	*copy = *wire;
	copy->reserved0 = copy->reserved1 = NULL;
	result = end_in(call, &src, wire, &copy->srcArray);
	if (!result)
		result = end_in(call, &dst, wire, &copy->dstArray);
	return result ? result : context_in(call, from->memcpy.copyCtx, &params->copyCtx);
}

static CUresult fill_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	CUDA_MEMSET_NODE_PARAMS_v2 *fill = &node->params.memset;
	CUresult result;

	*fill = from->memset;
	result = ex_range_check(call, fill->dst,
				vg_rows(fill->height, fill->pitch,
					vg_sat_mul(fill->width, fill->elementSize)));
	return result ? result : context_in(call, from->memset.ctx, &fill->ctx);
}

static CUresult host_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	node->func =
		ex_host_func_new(&call->session->host_funcs, (uintptr_t)from->host.userData, false);
	node->params.host = (CUDA_HOST_NODE_PARAMS_v2){ex_host_func_run, node->func};
	return node->func ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult child_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	node->params.graph.ownership = from->graph.ownership;
	return ex_handle_in(call, VG_HANDLE_CUgraph, from->graph.graph, 0,
			    &node->params.graph.graph);
}

static CUresult event_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	/* Recording and waiting have the same one field. */
	return ex_handle_in(call, VG_HANDLE_CUevent, from->eventRecord.event, 0,
			    &node->params.eventRecord.event);
}

static CUresult alloc_in(const CUgraphNodeParams *from, struct ex_node *node)
{
	CUDA_MEM_ALLOC_NODE_PARAMS_v2 *alloc = &node->params.alloc;

	if (node->size % sizeof(CUmemAccessDesc))
		return CUDA_ERROR_INVALID_VALUE;
	*alloc = from->alloc;
	alloc->poolProps.win32SecurityAttributes = NULL;
	alloc->accessDescCount = node->size / sizeof(CUmemAccessDesc);
	alloc->accessDescs = alloc->accessDescCount ? node->data : NULL;
	alloc->dptr = 0;
	return CUDA_SUCCESS;
}

static CUresult free_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	node->params.free.dptr = from->free.dptr;
	return ex_range_check(call, from->free.dptr, 1);
}

static CUresult batch_in(struct ex_call *call, const CUgraphNodeParams *from, struct ex_node *node)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 *batch = &node->params.memOp;
	CUresult result;

	if (node->size % sizeof(CUstreamBatchMemOpParams) ||
	    from->memOp.count != node->size / sizeof(CUstreamBatchMemOpParams))
		return CUDA_ERROR_INVALID_VALUE;
	batch->count = from->memOp.count;
	batch->flags = from->memOp.flags;
	result = ex_memops_read(call, node->data, batch->count, &batch->paramArray);
	return result ? result : context_in(call, from->memOp.ctx, &batch->ctx);
}

static CUresult conditional_in(struct ex_call *call, const CUgraphNodeParams *from,
			       struct ex_node *node)
{
	CUDA_CONDITIONAL_NODE_PARAMS *conditional = &node->params.conditional;
	CUresult result;

	*conditional = from->conditional;
	conditional->phGraph_out = NULL;
	result = ex_number_check(call, VG_HANDLE_CUgraphConditionalHandle, conditional->handle);
	return result ? result : context_in(call, from->conditional.ctx, &conditional->ctx);
}

CUresult ex_node_read(struct ex_call *call, const CUgraphNodeParams *from, const void *data,
		      size_t size, struct ex_node *node)
{
	*node = (struct ex_node){.params = {.type = from->type}, .data = data, .size = size};
	switch ((int)from->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: return kernel_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return copy_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_MEMSET: return fill_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_HOST: return host_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_GRAPH: return child_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return event_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return alloc_in(from, node);
	case CU_GRAPH_NODE_TYPE_MEM_FREE: return free_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return batch_in(call, from, node);
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: return conditional_in(call, from, node);
	default: return CUDA_ERROR_NOT_SUPPORTED;
	}
}

/* --- adding ---------------------------------------------------------------------------------------- */

struct place {
	CUgraph graph;
	const CUgraphNode *deps;
	const CUgraphEdgeData *edges; /* NULL: plain ones */
	size_t ndeps;
};

static CUresult add_any(CUgraphNode *out, const struct place *at, struct ex_node *node)
{
	if (ex_driver.cuGraphAddNode_v2)
		return ex_driver.cuGraphAddNode_v2(out, at->graph, at->deps, at->edges, at->ndeps,
						   &node->params);
	if (ex_driver.cuGraphAddNode && !at->edges)
		return ex_driver.cuGraphAddNode(out, at->graph, at->deps, at->ndeps, &node->params);
	return CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult add_alloc(CUgraphNode *out, const struct place *at, struct ex_node *node)
{
	CUDA_MEM_ALLOC_NODE_PARAMS_v2 *alloc = &node->params.alloc;
	CUDA_MEM_ALLOC_NODE_PARAMS own = {alloc->poolProps, alloc->accessDescs,
					  alloc->accessDescCount, alloc->bytesize, 0};
	CUresult result;

	if (!ex_driver.cuGraphAddMemAllocNode)
		return add_any(out, at, node);
	result = ex_driver.cuGraphAddMemAllocNode(out, at->graph, at->deps, at->ndeps, &own);
	alloc->dptr = own.dptr;
	return result;
}

static CUresult add_copy(CUgraphNode *out, const struct place *at, struct ex_node *node)
{
	const CUDA_MEMCPY_NODE_PARAMS *copy = &node->params.memcpy;

	if (!ex_driver.cuGraphAddMemcpyNode || !copy->copyCtx || copy->flags)
		return add_any(out, at, node);
	return ex_driver.cuGraphAddMemcpyNode(out, at->graph, at->deps, at->ndeps,
					      &copy->copyParams, copy->copyCtx);
}

static CUDA_MEMSET_NODE_PARAMS fill_v1(const CUDA_MEMSET_NODE_PARAMS_v2 *fill)
{
	return (CUDA_MEMSET_NODE_PARAMS){fill->dst,         fill->pitch, fill->value,
					 fill->elementSize, fill->width, fill->height};
}

static CUresult add_fill(CUgraphNode *out, const struct place *at, struct ex_node *node)
{
	CUDA_MEMSET_NODE_PARAMS fill = fill_v1(&node->params.memset);

	if (!ex_driver.cuGraphAddMemsetNode || !node->params.memset.ctx)
		return add_any(out, at, node);
	return ex_driver.cuGraphAddMemsetNode(out, at->graph, at->deps, at->ndeps, &fill,
					      node->params.memset.ctx);
}

/* The structures of the functions for one type, where they do not differ but in name. */
static CUDA_KERNEL_NODE_PARAMS kernel_v2(const CUDA_KERNEL_NODE_PARAMS_v3 *kernel)
{
	CUDA_KERNEL_NODE_PARAMS own;

	_Static_assert(sizeof(own) == sizeof(*kernel), "kernel nodes");
	memcpy(&own, kernel, sizeof(own));
	return own;
}

static CUDA_BATCH_MEM_OP_NODE_PARAMS batch_v1(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 *batch)
{
	return (CUDA_BATCH_MEM_OP_NODE_PARAMS){batch->ctx, batch->count, batch->paramArray,
					       batch->flags};
}

static CUDA_HOST_NODE_PARAMS host_v1(const CUDA_HOST_NODE_PARAMS_v2 *host)
{
	return (CUDA_HOST_NODE_PARAMS){host->fn, host->userData};
}

static CUresult node_add(CUgraphNode *out, const struct place *at, struct ex_node *node)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_HOST_NODE_PARAMS host;

	if (at->edges)
		return add_any(out, at, node);
	switch ((int)node->params.type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = kernel_v2(&node->params.kernel);
		return ex_driver.cuGraphAddKernelNode_v2
			       ? ex_driver.cuGraphAddKernelNode_v2(out, at->graph, at->deps,
								   at->ndeps, &kernel)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_HOST:
		host = host_v1(&node->params.host);
		return ex_driver.cuGraphAddHostNode
			       ? ex_driver.cuGraphAddHostNode(out, at->graph, at->deps, at->ndeps,
							      &host)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_MEMCPY: return add_copy(out, at, node);
	case CU_GRAPH_NODE_TYPE_MEMSET: return add_fill(out, at, node);
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return add_alloc(out, at, node);
	default: return add_any(out, at, node);
	}
}

/* Graphs that belong to a conditional node: their handles end with its own. */
static void bodies_enter(struct ex_call *call, CUgraphNode node, CUgraph graph,
			 const CUDA_CONDITIONAL_NODE_PARAMS *params, unsigned int room,
			 CUgraph *bodies)
{
	uint64_t parent = ex_handles_find(&call->session->handles, VG_HANDLE_CUgraph, graph);
	uint64_t handle = ex_handle_put(call, VG_HANDLE_CUgraphNode, node, parent);

	for (unsigned int i = 0; i < room && i < params->size && params->phGraph_out; i++) {
		bodies[i] = params->phGraph_out[i];
		ex_handle_put(call, VG_HANDLE_CUgraph, bodies[i], handle);
	}
}

CUresult ex_vgGraphNodeAdd(struct ex_call *call, CUgraphNode *node, CUgraph graph, size_t ndeps,
			   const CUgraphNode *deps, size_t nedges, const CUgraphEdgeData *edges,
			   const CUgraphNodeParams *params, size_t size, const void *data,
			   unsigned int room, CUdeviceptr *address, CUgraph *bodies)
{
	const struct place at = {graph, deps, nedges ? edges : NULL, ndeps};
	struct ex_node own;
	CUresult result;

	if (nedges && nedges != ndeps)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_node_read(call, params, data, size, &own);
	if (!result)
		result = node_add(node, &at, &own);
	if (result && own.func)
		ex_host_func_cancel(own.func);
	if (result)
		return result;
	if (own.params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
		*address = own.params.alloc.dptr;
		result = ex_range_add(call, *address, own.params.alloc.bytesize, EX_RANGE_GRAPH);
	}
	if (own.params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL && bodies)
		bodies_enter(call, *node, graph, &own.params.conditional, room, bodies);
	return result;
}

/* --- changing -------------------------------------------------------------------------------------- */

static CUresult set_any(CUgraphNode node, struct ex_node *own)
{
	return ex_driver.cuGraphNodeSetParams ? ex_driver.cuGraphNodeSetParams(node, &own->params)
					      : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult node_set(CUgraphNode node, struct ex_node *own)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch;
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_HOST_NODE_PARAMS host;

	switch ((int)own->params.type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = kernel_v2(&own->params.kernel);
		return ex_driver.cuGraphKernelNodeSetParams_v2
			       ? ex_driver.cuGraphKernelNodeSetParams_v2(node, &kernel)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		if (own->params.memcpy.copyCtx || !ex_driver.cuGraphMemcpyNodeSetParams)
			return set_any(node, own);
		return ex_driver.cuGraphMemcpyNodeSetParams(node, &own->params.memcpy.copyParams);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		fill = fill_v1(&own->params.memset);
		if (own->params.memset.ctx || !ex_driver.cuGraphMemsetNodeSetParams)
			return set_any(node, own);
		return ex_driver.cuGraphMemsetNodeSetParams(node, &fill);
	case CU_GRAPH_NODE_TYPE_HOST:
		host = host_v1(&own->params.host);
		return ex_driver.cuGraphHostNodeSetParams
			       ? ex_driver.cuGraphHostNodeSetParams(node, &host)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		batch = batch_v1(&own->params.memOp);
		return ex_driver.cuGraphBatchMemOpNodeSetParams
			       ? ex_driver.cuGraphBatchMemOpNodeSetParams(node, &batch)
			       : CUDA_ERROR_NOT_SUPPORTED;
	default: return set_any(node, own);
	}
}

CUresult ex_vgGraphNodeSet(struct ex_call *call, CUgraphNode node, const CUgraphNodeParams *params,
			   size_t size, const void *data)
{
	struct ex_node own;
	CUresult result = ex_node_read(call, params, data, size, &own);

	if (!result)
		result = node_set(node, &own);
	if (result && own.func)
		ex_host_func_cancel(own.func);
	return result;
}

static CUresult exec_set_any(CUgraphExec gexec, CUgraphNode node, struct ex_node *own)
{
	return ex_driver.cuGraphExecNodeSetParams
		       ? ex_driver.cuGraphExecNodeSetParams(gexec, node, &own->params)
		       : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult exec_set(CUgraphExec gexec, CUgraphNode node, struct ex_node *own)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch;
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_HOST_NODE_PARAMS host;

	switch ((int)own->params.type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = kernel_v2(&own->params.kernel);
		return ex_driver.cuGraphExecKernelNodeSetParams_v2
			       ? ex_driver.cuGraphExecKernelNodeSetParams_v2(gexec, node, &kernel)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		if (!own->params.memcpy.copyCtx || !ex_driver.cuGraphExecMemcpyNodeSetParams)
			return exec_set_any(gexec, node, own);
		return ex_driver.cuGraphExecMemcpyNodeSetParams(
			gexec, node, &own->params.memcpy.copyParams, own->params.memcpy.copyCtx);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		fill = fill_v1(&own->params.memset);
		if (!own->params.memset.ctx || !ex_driver.cuGraphExecMemsetNodeSetParams)
			return exec_set_any(gexec, node, own);
		return ex_driver.cuGraphExecMemsetNodeSetParams(gexec, node, &fill,
								own->params.memset.ctx);
	case CU_GRAPH_NODE_TYPE_HOST:
		host = host_v1(&own->params.host);
		return ex_driver.cuGraphExecHostNodeSetParams
			       ? ex_driver.cuGraphExecHostNodeSetParams(gexec, node, &host)
			       : CUDA_ERROR_NOT_SUPPORTED;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		batch = batch_v1(&own->params.memOp);
		return ex_driver.cuGraphExecBatchMemOpNodeSetParams
			       ? ex_driver.cuGraphExecBatchMemOpNodeSetParams(gexec, node, &batch)
			       : CUDA_ERROR_NOT_SUPPORTED;
	default: return exec_set_any(gexec, node, own);
	}
}

CUresult ex_vgGraphExecNodeSet(struct ex_call *call, CUgraphExec gexec, CUgraphNode node,
			       const CUgraphNodeParams *params, size_t size, const void *data)
{
	struct ex_node own;
	CUresult result = ex_node_read(call, params, data, size, &own);

	if (!result)
		result = exec_set(gexec, node, &own);
	if (result && own.func)
		ex_host_func_cancel(own.func);
	return result;
}
