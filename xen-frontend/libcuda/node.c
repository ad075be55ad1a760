/* SPDX-License-Identifier: MIT */
/*
 * Graph nodes: their parameters on the way over. Pointers of the program's are followed here, what they
 * lead to travels with the call; over there nothing of the program's memory is known but what is shared.
 * Runs in the program's threads.
 */
#include "xen-frontend/libcuda/node.h"

#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/callback.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/copy.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/params.h"

/* As many as the driver takes in one batch. */
#define BATCH_MAX 256u
/* CUDA 13 has at most two bodies (IF with else), or one for each case of a SWITCH. */
#define BODIES_MAX 1024u

/* A node's parameters as they travel. */
struct node {
	CUgraphNodeParams params; /* handles are the program's, pointers 0 */
	const void *data;
	size_t size;
	CUcontext ctx;    /* that the parameters name; NULL: the current one */
	uint64_t host_id; /* of a host node: to be dropped if it does not come to be */
	struct fe_params packed;
	bool entered;
};

static bool shape_is_empty(const CUDA_KERNEL_NODE_PARAMS_v3 *kernel)
{
	return !kernel->gridDimX || !kernel->gridDimY || !kernel->gridDimZ || !kernel->blockDimX ||
	       !kernel->blockDimY || !kernel->blockDimZ;
}

/* The function may be given as a kernel, in a field that counts only without it; over there the handle tells. */
static CUresult kernel_open(struct node *node, const CUgraphNodeParams *from)
{
	CUDA_KERNEL_NODE_PARAMS_v3 *kernel = &node->params.kernel;
	struct fe_function *function;
	CUresult result;

	*kernel = from->kernel;
	if (shape_is_empty(kernel))
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel->func)
		kernel->func = (CUfunction)kernel->kern;
	kernel->kern = NULL;
	kernel->kernelParams = kernel->extra = NULL;
	result = fe_function_get((uint64_t)kernel->func, &function);
	if (!result)
		result = fe_params_pack(&node->packed, function, from->kernel.kernelParams,
					from->kernel.extra);
	node->data = node->packed.data;
	node->size = node->packed.size;
	return result;
}

/* Pageable memory is read and written when the graph runs: over there it is not to be had. */
static CUresult end_check(CUmemorytype type, const void *host, CUdeviceptr device, CUarray array)
{
	uint64_t address = type == CU_MEMORYTYPE_HOST ? (uint64_t)host : device;

	if (type == CU_MEMORYTYPE_ARRAY)
		return array ? fe_handle_check(VG_HANDLE_CUarray, (uint64_t)array, 0)
			     : CUDA_ERROR_INVALID_VALUE;
	if (!address || (unsigned int)type > CU_MEMORYTYPE_UNIFIED)
		return CUDA_ERROR_INVALID_VALUE;
	if (fe_memory_of(address) == FE_MEMORY_SHARED)
		return CUDA_SUCCESS;
	return type == CU_MEMORYTYPE_DEVICE ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult copy_open(struct node *node, const CUgraphNodeParams *from)
{
	const CUDA_MEMCPY3D *copy = &from->memcpy.copyParams;
	CUresult result;

	node->params.memcpy = from->memcpy;
	node->params.memcpy.reserved = 0;
	node->params.memcpy.copyParams.reserved0 = NULL;
	node->params.memcpy.copyParams.reserved1 = NULL;
	if (copy->reserved0 || copy->reserved1)
		return CUDA_ERROR_INVALID_VALUE;
	result = end_check(copy->srcMemoryType, copy->srcHost, copy->srcDevice, copy->srcArray);
	if (!result)
		result = end_check(copy->dstMemoryType, copy->dstHost, copy->dstDevice,
				   copy->dstArray);
	return result;
}

static CUresult host_open(struct node *node, const CUgraphNodeParams *from)
{
	if (!from->host.fn)
		return CUDA_ERROR_INVALID_VALUE;
	/* Lives as long as the graph may be launched: until the session ends. */
	node->host_id = fe_host_func_new(from->host.fn, from->host.userData);
	node->params.host.userData = (void *)node->host_id;
	return node->host_id ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult alloc_open(struct node *node, const CUgraphNodeParams *from)
{
	const CUDA_MEM_ALLOC_NODE_PARAMS_v2 *alloc = &from->alloc;

	if (alloc->accessDescCount && !alloc->accessDescs)
		return CUDA_ERROR_INVALID_VALUE;
	if (!alloc->bytesize || alloc->accessDescCount > 1024)
		return CUDA_ERROR_INVALID_VALUE;
	node->params.alloc = *alloc;
	node->params.alloc.poolProps.win32SecurityAttributes = NULL;
	node->params.alloc.accessDescs = NULL;
	node->data = alloc->accessDescs;
	node->size = alloc->accessDescCount * sizeof(*alloc->accessDescs);
	return CUDA_SUCCESS;
}

static CUresult batch_open(struct node *node, const CUgraphNodeParams *from)
{
	const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 *batch = &from->memOp;

	if (batch->count > BATCH_MAX || (batch->count && !batch->paramArray) || batch->flags)
		return CUDA_ERROR_INVALID_VALUE;
	node->params.memOp = *batch;
	node->params.memOp.paramArray = NULL;
	node->data = batch->paramArray;
	node->size = batch->count * sizeof(*batch->paramArray);
	return CUDA_SUCCESS;
}

static CUresult conditional_open(struct node *node, const CUgraphNodeParams *from)
{
	if (!from->conditional.size || from->conditional.size > BODIES_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	node->params.conditional = from->conditional;
	node->params.conditional.phGraph_out = NULL;
	return CUDA_SUCCESS;
}

/* The context is made known over there before its handle is named. */
static CUresult context_open(struct node *node)
{
	switch ((int)node->params.type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: node->ctx = node->params.kernel.ctx; break;
	case CU_GRAPH_NODE_TYPE_MEMCPY: node->ctx = node->params.memcpy.copyCtx; break;
	case CU_GRAPH_NODE_TYPE_MEMSET: node->ctx = node->params.memset.ctx; break;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: node->ctx = node->params.memOp.ctx; break;
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: node->ctx = node->params.conditional.ctx; break;
	default: break;
	}
	return fe_context_enter(node->ctx, &node->entered);
}

static CUresult params_open(struct node *node, const CUgraphNodeParams *from)
{
	switch ((int)from->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: return kernel_open(node, from);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return copy_open(node, from);
	case CU_GRAPH_NODE_TYPE_MEMSET: node->params.memset = from->memset; return CUDA_SUCCESS;
	case CU_GRAPH_NODE_TYPE_HOST: return host_open(node, from);
	case CU_GRAPH_NODE_TYPE_GRAPH:
		node->params.graph = from->graph;
		return fe_handle_check(VG_HANDLE_CUgraph, (uint64_t)from->graph.graph, 0);
	case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		node->params.eventRecord = from->eventRecord;
		return fe_handle_check(VG_HANDLE_CUevent, (uint64_t)from->eventRecord.event, 0);
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return alloc_open(node, from);
	case CU_GRAPH_NODE_TYPE_MEM_FREE: node->params.free = from->free; return CUDA_SUCCESS;
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return batch_open(node, from);
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: return conditional_open(node, from);
	/* Semaphores of graphics APIs. */
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT: return CUDA_ERROR_NOT_SUPPORTED;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult node_open(struct node *node, const CUgraphNodeParams *from)
{
	CUresult result;

	node->params = (CUgraphNodeParams){.type = from->type};
	node->data = NULL;
	node->size = 0;
	node->ctx = NULL;
	node->host_id = 0;
	node->packed.heap = NULL;
	node->entered = false;
	if (from->reserved0[0] || from->reserved0[1] || from->reserved0[2] || from->reserved2)
		return CUDA_ERROR_INVALID_VALUE;
	result = params_open(node, from);
	return result ? result : context_open(node);
}

/* What says nothing of its context is for the current one. changed: a node that has one already. */
static CUresult context_check(const CUgraphNodeParams *params, bool changed)
{
	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_MEMCPY:
	case CU_GRAPH_NODE_TYPE_MEMSET:
		if (changed)
			return CUDA_SUCCESS;
		break;
	case CU_GRAPH_NODE_TYPE_KERNEL:
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: break;
	default: return CUDA_SUCCESS;
	}
	return fe_context_needed();
}

/* result: what became of it. */
static CUresult node_close(struct node *node, CUresult result)
{
	if (result && node->host_id)
		fe_host_func_drop(node->host_id);
	fe_params_free(&node->packed);
	fe_context_exit(node->entered);
	return result;
}

/* The graphs of a conditional node stand in an array that belongs to the node. */
static CUresult bodies_tell(CUgraphNode node, CUgraph *bodies, CUgraphNodeParams *params)
{
	if (!fe_handle_replace_data((uint64_t)node, bodies)) {
		free(bodies);
		return CUDA_ERROR_UNKNOWN;
	}
	params->conditional.phGraph_out = bodies;
	return CUDA_SUCCESS;
}

static CUresult node_send(CUgraphNode *out, const struct fe_node_place *at, struct node *node,
			  CUgraphNodeParams *params)
{
	bool conditional = node->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
	unsigned int room = conditional ? node->params.conditional.size : 0;
	CUgraph *bodies = room ? calloc(room, sizeof(CUgraph)) : NULL;
	CUdeviceptr address = 0;
	CUresult result;

	if (room && !bodies)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgGraphNodeAdd(out, at->graph, at->ndeps, at->deps, at->edges ? at->ndeps : 0,
				    at->edges, &node->params, node->size, node->data, room,
				    &address, bodies);
	if (result) {
		free(bodies);
		return result;
	}
	if (node->params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
		params->alloc.dptr = address;
		fe_memory_of_graph(address, node->params.alloc.bytesize);
	}
	return conditional ? bodies_tell(*out, bodies, params) : CUDA_SUCCESS;
}

CUresult fe_node_add(CUgraphNode *out, struct fe_node_place place, CUgraphNodeParams *params)
{
	struct node node;
	CUresult result;

	if (!out || !params || (place.ndeps && !place.deps))
		return CUDA_ERROR_INVALID_VALUE;
	result = node_open(&node, params);
	if (!result)
		result = context_check(params, false);
	if (!result)
		result = node_send(out, &place, &node, params);
	return node_close(&node, result);
}

CUresult fe_node_set(CUgraphNode hNode, const CUgraphNodeParams *params)
{
	struct node node;
	CUresult result = node_open(&node, params);

	if (!result)
		result = context_check(params, true);
	if (!result)
		result = rpc_vgGraphNodeSet(hNode, &node.params, node.size, node.data);
	return node_close(&node, result);
}

CUresult fe_node_exec_set(CUgraphExec exec, CUgraphNode hNode, const CUgraphNodeParams *params)
{
	struct node node;
	CUresult result = node_open(&node, params);

	if (!result)
		result = context_check(params, false);
	if (!result)
		result = rpc_vgGraphExecNodeSet(exec, hNode, &node.params, node.size, node.data);
	return node_close(&node, result);
}
