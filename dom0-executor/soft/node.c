/* SPDX-License-Identifier: MIT */
/* Graph nodes: making them, and changing what they hold. Reading is in node_get.c. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"
#include "dom0-executor/soft/event.h"
#include "dom0-executor/soft/host_func.h"
#include "dom0-executor/soft/launch.h"
#include "dom0-executor/soft/memop.h"
#include "dom0-executor/soft/node.h"

/* --- parameters to work ---------------------------------------------------------------------- */

static struct node_made made_with(CUresult result, struct soft_work *work)
{
	return (struct node_made){result, result == CUDA_SUCCESS ? work : NULL};
}

/* Of what makes work without an error of its own. */
static struct node_made made_of(struct soft_work *work)
{
	return made_with(work ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY, work);
}

struct node_made node_kernel_work(struct soft_context *ctx, const CUDA_KERNEL_NODE_PARAMS *params)
{
	struct soft_work *work = NULL;
	CUresult result;

	if (!params)
		return made_with(CUDA_ERROR_INVALID_VALUE, NULL);
	result = launch_work_new(
		ctx, params->func ? params->func : (CUfunction)params->kern,
		&(struct launch_shape){
			.grid = {params->gridDimX, params->gridDimY, params->gridDimZ},
			.block = {params->blockDimX, params->blockDimY, params->blockDimZ},
			.dynamic_shared = params->sharedMemBytes,
		},
		params->kernelParams, params->extra, &work);
	return made_with(result, work);
}

struct node_made node_copy_work(const CUDA_MEMCPY3D *params)
{
	struct soft_work *work = NULL;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	if (params && !(params->srcMemoryType == CU_MEMORYTYPE_ARRAY && !params->srcArray) &&
	    !(params->dstMemoryType == CU_MEMORYTYPE_ARRAY && !params->dstArray))
		result = copy_work_of(params, &work);

	return made_with(result, work);
}

struct node_made node_fill_work(const CUDA_MEMSET_NODE_PARAMS *params)
{
	CUresult result = params ? fill_check(params) : CUDA_ERROR_INVALID_VALUE;

	return result ? made_with(result, NULL) : made_of(fill_work(params));
}

struct node_made node_host_work(const CUDA_HOST_NODE_PARAMS *params)
{
	if (!params || !params->fn)
		return made_with(CUDA_ERROR_INVALID_VALUE, NULL);
	return made_of(host_work(params));
}

struct node_made node_event_work(CUgraphNodeType type, CUevent handle)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, handle);

	if (!event)
		return made_with(CUDA_ERROR_INVALID_HANDLE, NULL);
	return made_of(type == CU_GRAPH_NODE_TYPE_EVENT_RECORD ? event_record_work(event)
							       : event_wait_work(event));
}

struct node_made node_memop_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS *params)
{
	struct soft_work *work = NULL;
	CUresult result = params && !params->flags ? context_check(params->ctx)
						   : CUDA_ERROR_INVALID_VALUE;

	if (result == CUDA_SUCCESS)
		result = memop_work_new(params->paramArray, params->count, &work);
	return made_with(result, work);
}

static CUDA_KERNEL_NODE_PARAMS kernel_from_v3(const CUDA_KERNEL_NODE_PARAMS_v3 *v3)
{
	return (CUDA_KERNEL_NODE_PARAMS){
		.func = v3->func,
		.kern = v3->kern,
		.gridDimX = v3->gridDimX,
		.gridDimY = v3->gridDimY,
		.gridDimZ = v3->gridDimZ,
		.blockDimX = v3->blockDimX,
		.blockDimY = v3->blockDimY,
		.blockDimZ = v3->blockDimZ,
		.sharedMemBytes = v3->sharedMemBytes,
		.kernelParams = v3->kernelParams,
		.extra = v3->extra,
	};
}

CUDA_KERNEL_NODE_PARAMS node_kernel_from_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *v1)
{
	return (CUDA_KERNEL_NODE_PARAMS){
		.func = v1->func,
		.gridDimX = v1->gridDimX,
		.gridDimY = v1->gridDimY,
		.gridDimZ = v1->gridDimZ,
		.blockDimX = v1->blockDimX,
		.blockDimY = v1->blockDimY,
		.blockDimZ = v1->blockDimZ,
		.sharedMemBytes = v1->sharedMemBytes,
		.kernelParams = v1->kernelParams,
		.extra = v1->extra,
	};
}

static struct node_made any_fill(const CUDA_MEMSET_NODE_PARAMS_v2 *v2)
{
	return node_fill_work(&(CUDA_MEMSET_NODE_PARAMS){
		.dst = v2->dst,
		.pitch = v2->pitch,
		.value = v2->value,
		.elementSize = v2->elementSize,
		.width = v2->width,
		.height = v2->height,
	});
}

static struct node_made any_conditional(CUDA_CONDITIONAL_NODE_PARAMS *params)
{
	struct soft_work *work = NULL;
	CUresult result = conditional_work(params, &work);

	return made_with(result, work);
}

struct node_made node_any_work(struct soft_context *ctx, CUgraphNodeParams *params)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_HOST_NODE_PARAMS host;

	if (params->reserved0[0] || params->reserved0[1] || params->reserved0[2] ||
	    params->reserved2)
		return made_with(CUDA_ERROR_INVALID_VALUE, NULL);
	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = kernel_from_v3(&params->kernel);
		return node_kernel_work(ctx, &kernel);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return node_copy_work(&params->memcpy.copyParams);
	case CU_GRAPH_NODE_TYPE_MEMSET: return any_fill(&params->memset);
	case CU_GRAPH_NODE_TYPE_HOST:
		host = (CUDA_HOST_NODE_PARAMS){params->host.fn, params->host.userData};
		return node_host_work(&host);
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
		return node_event_work(params->type, params->eventWait.event);
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		return node_event_work(params->type, params->eventRecord.event);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		return node_memop_work(&(CUDA_BATCH_MEM_OP_NODE_PARAMS){
			params->memOp.ctx, params->memOp.count, params->memOp.paramArray,
			params->memOp.flags});
	case CU_GRAPH_NODE_TYPE_EMPTY: return made_with(CUDA_SUCCESS, NULL);
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: return any_conditional(&params->conditional);
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT: return made_with(CUDA_ERROR_NOT_SUPPORTED, NULL);
	default: return made_with(CUDA_ERROR_INVALID_VALUE, NULL);
	}
}

/* --- adding ---------------------------------------------------------------------------------- */

/* Add a node of handles; takes over its work, and a reference of `child`. */
static CUresult add(CUgraphNode *out, CUgraph hGraph, const CUgraphNode *dependencies, size_t count,
		    CUgraphNodeType type, struct node_made made, struct soft_graph *child)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_node **before = NULL, *node = NULL;
	CUresult result = made.result;

	if (result == CUDA_SUCCESS)
		result = graph && out ? nodes_get(dependencies, count, &before)
				      : CUDA_ERROR_INVALID_VALUE;
	if (result != CUDA_SUCCESS) {
		work_put(made.work);
		object_put(child);
		return result;
	}
	pthread_mutex_lock(&graph_lock);
	result = graph_add(graph, type, made.work, before, count, &node);
	if (result == CUDA_SUCCESS) {
		node->child = child;
		*out = object_handle(node);
	} else {
		object_put(child);
	}
	pthread_mutex_unlock(&graph_lock);
	nodes_put(before, count);
	return result;
}

CUresult node_add(CUgraphNode *out, CUgraph hGraph, const CUgraphNode *dependencies, size_t count,
		  CUgraphNodeType type, struct node_made made)
{
	return add(out, hGraph, dependencies, count, type, made, NULL);
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	ENTER_CONTEXT(ctx);
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_KERNEL,
		   node_kernel_work(ctx, nodeParams), NULL);
}

CUresult cuGraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = node_kernel_from_v1(nodeParams);
	return cuGraphAddKernelNode_v2(phGraphNode, hGraph, dependencies, numDependencies, &params);
}

CUresult cuGraphAddMemcpyNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_MEMCPY3D *copyParams, CUcontext handle)
{
	ENTER_DRIVER();
	if (copyParams) {
		CUresult result = context_check(handle);

		if (result != CUDA_SUCCESS)
			return result;
	}
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_MEMCPY,
		   node_copy_work(copyParams), NULL);
}

CUresult cuGraphAddMemsetNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext handle)
{
	CUresult result = driver_enter();

	if (result == CUDA_SUCCESS && memsetParams)
		result = context_check(handle);
	if (result != CUDA_SUCCESS)
		return result;
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_MEMSET,
		   node_fill_work(memsetParams), NULL);
}

CUresult cuGraphAddHostNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			    const CUgraphNode *dependencies, size_t numDependencies,
			    const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_HOST,
		   node_host_work(nodeParams), NULL);
}

CUresult cuGraphAddEmptyNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			     const CUgraphNode *dependencies, size_t numDependencies)
{
	ENTER_DRIVER();
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_EMPTY,
		   made_with(CUDA_SUCCESS, NULL), NULL);
}

static CUresult add_event(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			  size_t count, CUgraphNodeType type, CUevent event)
{
	ENTER_DRIVER();
	return add(phGraphNode, hGraph, dependencies, count, type, node_event_work(type, event),
		   NULL);
}

CUresult cuGraphAddEventRecordNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				   const CUgraphNode *dependencies, size_t numDependencies,
				   CUevent event)
{
	return add_event(phGraphNode, hGraph, dependencies, numDependencies,
			 CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
}

CUresult cuGraphAddEventWaitNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 CUevent event)
{
	return add_event(phGraphNode, hGraph, dependencies, numDependencies,
			 CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
}

CUresult cuGraphAddChildGraphNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				  const CUgraphNode *dependencies, size_t numDependencies,
				  CUgraph childGraph)
{
	struct soft_graph *child auto_put = object_get(SOFT_GRAPH, childGraph);
	struct soft_graph *clone = NULL;
	CUresult result;

	ENTER_DRIVER();
	if (!child || childGraph == hGraph)
		return CUDA_ERROR_INVALID_VALUE;
	result = graph_clone(child, &clone);
	if (result != CUDA_SUCCESS)
		return result;
	result = add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_GRAPH,
		     made_with(CUDA_SUCCESS, NULL), object_ref(clone));
	if (result != CUDA_SUCCESS)
		graph_retire(clone);
	return result;
}

static CUresult add_alloc(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			  size_t numDependencies, CUDA_MEM_ALLOC_NODE_PARAMS_v2 *alloc)
{
	CUDA_MEM_ALLOC_NODE_PARAMS params = {alloc->poolProps, alloc->accessDescs,
					     alloc->accessDescCount, alloc->bytesize, 0};
	CUresult result =
		cuGraphAddMemAllocNode(phGraphNode, hGraph, dependencies, numDependencies, &params);

	alloc->dptr = params.dptr;
	return result;
}

CUresult cuGraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
			   const CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData,
			   size_t numDependencies, CUgraphNodeParams *nodeParams)
{
	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; dependencyData && i < numDependencies; i++)
		if (dependencyData[i].from_port || dependencyData[i].type)
			return CUDA_ERROR_NOT_SUPPORTED;
	if (nodeParams->type == CU_GRAPH_NODE_TYPE_GRAPH)
		return cuGraphAddChildGraphNode(phGraphNode, hGraph, dependencies, numDependencies,
						nodeParams->graph.graph);
	if (nodeParams->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC)
		return add_alloc(phGraphNode, hGraph, dependencies, numDependencies,
				 &nodeParams->alloc);
	if (nodeParams->type == CU_GRAPH_NODE_TYPE_MEM_FREE)
		return cuGraphAddMemFreeNode(phGraphNode, hGraph, dependencies, numDependencies,
					     nodeParams->free.dptr);
	return add(phGraphNode, hGraph, dependencies, numDependencies, nodeParams->type,
		   node_any_work(ctx, nodeParams), NULL);
}

CUresult cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			size_t numDependencies, CUgraphNodeParams *nodeParams)
{
	return cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, NULL, numDependencies,
				 nodeParams);
}

/* --- changing -------------------------------------------------------------------------------- */

/* Replace a node's work; takes the new one over. */
CUresult node_set_work(CUgraphNode handle, CUgraphNodeType type, struct node_made made)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, handle);
	struct soft_work *before = made.work;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	if (made.result != CUDA_SUCCESS)
		return made.result;
	pthread_mutex_lock(&graph_lock);
	if (node && node->type == type) {
		before = node->work;
		node->work = made.work;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	work_put(before);
	return result;
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	ENTER_CONTEXT(ctx);
	return node_set_work(hNode, CU_GRAPH_NODE_TYPE_KERNEL, node_kernel_work(ctx, nodeParams));
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = node_kernel_from_v1(nodeParams);
	return cuGraphKernelNodeSetParams_v2(hNode, &params);
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D *nodeParams)
{
	ENTER_DRIVER();
	return node_set_work(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, node_copy_work(nodeParams));
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return node_set_work(hNode, CU_GRAPH_NODE_TYPE_MEMSET, node_fill_work(nodeParams));
}

CUresult cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return node_set_work(hNode, CU_GRAPH_NODE_TYPE_HOST, node_host_work(nodeParams));
}

static CUresult set_event(CUgraphNode hNode, CUgraphNodeType type, CUevent event)
{
	ENTER_DRIVER();
	return node_set_work(hNode, type, node_event_work(type, event));
}

CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode hNode, CUevent event)
{
	return set_event(hNode, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
}

CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode hNode, CUevent event)
{
	return set_event(hNode, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
}

CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	return node_set_work(hNode, nodeParams->type, node_any_work(ctx, nodeParams));
}
