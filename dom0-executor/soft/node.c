/* SPDX-License-Identifier: MIT */
/* Graph nodes: making them, and reading and changing what they hold. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"
#include "dom0-executor/soft/event.h"
#include "dom0-executor/soft/host_func.h"
#include "dom0-executor/soft/launch.h"
#include "dom0-executor/soft/memop.h"
#include "dom0-executor/soft/node.h"

/* --- parameters to work ---------------------------------------------------------------------- */

CUresult node_kernel_work(struct soft_context *ctx, const CUDA_KERNEL_NODE_PARAMS *params,
			  struct soft_work **work)
{
	const struct launch_shape shape = {
		.grid = {params->gridDimX, params->gridDimY, params->gridDimZ},
		.block = {params->blockDimX, params->blockDimY, params->blockDimZ},
		.dynamic_shared = params->sharedMemBytes,
	};
	CUfunction function = params->func ? params->func : (CUfunction)params->kern;

	return launch_work_new(ctx, function, &shape, params->kernelParams, params->extra, work);
}

CUresult node_copy_work(const CUDA_MEMCPY3D *params, struct soft_work **work)
{
	return copy_work_of(params, work);
}

CUresult node_fill_work(const CUDA_MEMSET_NODE_PARAMS *params, struct soft_work **work)
{
	CUresult result = fill_check(params);

	if (result != CUDA_SUCCESS)
		return result;
	*work = fill_work(params);
	return *work ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult node_host_work(const CUDA_HOST_NODE_PARAMS *params, struct soft_work **work)
{
	if (!params->fn)
		return CUDA_ERROR_INVALID_VALUE;
	*work = host_work(params);
	return *work ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult node_event_work(CUgraphNodeType type, CUevent handle, struct soft_work **work)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, handle);

	if (!event)
		return CUDA_ERROR_INVALID_HANDLE;
	*work = type == CU_GRAPH_NODE_TYPE_EVENT_RECORD ? event_record_work(event)
							: event_wait_work(event);
	return *work ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
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

static CUDA_KERNEL_NODE_PARAMS kernel_from_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *v1)
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

static CUresult any_fill(const CUDA_MEMSET_NODE_PARAMS_v2 *v2, struct soft_work **work)
{
	const CUDA_MEMSET_NODE_PARAMS params = {
		.dst = v2->dst,
		.pitch = v2->pitch,
		.value = v2->value,
		.elementSize = v2->elementSize,
		.width = v2->width,
		.height = v2->height,
	};

	return node_fill_work(&params, work);
}

CUresult node_any_work(struct soft_context *ctx, const CUgraphNodeParams *params,
		       struct soft_work **work)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUDA_HOST_NODE_PARAMS host;

	*work = NULL;
	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = kernel_from_v3(&params->kernel);
		return node_kernel_work(ctx, &kernel, work);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return node_copy_work(&params->memcpy.copyParams, work);
	case CU_GRAPH_NODE_TYPE_MEMSET: return any_fill(&params->memset, work);
	case CU_GRAPH_NODE_TYPE_HOST:
		host = (CUDA_HOST_NODE_PARAMS){params->host.fn, params->host.userData};
		return node_host_work(&host, work);
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
		return node_event_work(params->type, params->eventWait.event, work);
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		return node_event_work(params->type, params->eventRecord.event, work);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		return memop_work_new(params->memOp.paramArray, params->memOp.count, work);
	case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
	default: return CUDA_ERROR_NOT_SUPPORTED;
	}
}

/* --- adding ---------------------------------------------------------------------------------- */

/* Add a node of handles; takes over `work`, and a reference of `child`. */
static CUresult add(CUgraphNode *out, CUgraph hGraph, const CUgraphNode *dependencies, size_t count,
		    CUgraphNodeType type, struct soft_work *work, struct soft_graph *child)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_node **before = NULL, *node = NULL;
	CUresult result;

	result = graph && out ? nodes_get(dependencies, count, &before) : CUDA_ERROR_INVALID_VALUE;
	if (result != CUDA_SUCCESS) {
		work_put(work);
		object_put(child);
		return result;
	}
	pthread_mutex_lock(&graph_lock);
	result = graph_add(graph, type, work, before, count, &node);
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

CUresult cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_kernel_work(ctx, nodeParams, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies,
			    CU_GRAPH_NODE_TYPE_KERNEL, work, NULL);
}

CUresult cuGraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = kernel_from_v1(nodeParams);
	return cuGraphAddKernelNode_v2(phGraphNode, hGraph, dependencies, numDependencies, &params);
}

CUresult cuGraphAddMemcpyNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_MEMCPY3D *copyParams, CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!copyParams)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	result = node_copy_work(copyParams, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies,
			    CU_GRAPH_NODE_TYPE_MEMCPY, work, NULL);
}

CUresult cuGraphAddMemsetNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!memsetParams)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	result = node_fill_work(memsetParams, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies,
			    CU_GRAPH_NODE_TYPE_MEMSET, work, NULL);
}

CUresult cuGraphAddHostNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			    const CUgraphNode *dependencies, size_t numDependencies,
			    const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_host_work(nodeParams, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies,
			    CU_GRAPH_NODE_TYPE_HOST, work, NULL);
}

CUresult cuGraphAddEmptyNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			     const CUgraphNode *dependencies, size_t numDependencies)
{
	ENTER_DRIVER();
	return add(phGraphNode, hGraph, dependencies, numDependencies, CU_GRAPH_NODE_TYPE_EMPTY,
		   NULL, NULL);
}

static CUresult add_event(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			  size_t count, CUgraphNodeType type, CUevent event)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	result = node_event_work(type, event, &work);
	return result ? result : add(phGraphNode, hGraph, dependencies, count, type, work, NULL);
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

CUresult cuGraphAddBatchMemOpNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				  const CUgraphNode *dependencies, size_t numDependencies,
				  const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!nodeParams || nodeParams->flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = memop_work_new(nodeParams->paramArray, nodeParams->count, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies,
			    CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, work, NULL);
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
		     NULL, object_ref(clone));
	if (result != CUDA_SUCCESS)
		graph_retire(clone);
	return result;
}

CUresult cuGraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
			   const CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData,
			   size_t numDependencies, CUgraphNodeParams *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; dependencyData && i < numDependencies; i++)
		if (dependencyData[i].from_port || dependencyData[i].type)
			return CUDA_ERROR_NOT_SUPPORTED;
	if (nodeParams->type == CU_GRAPH_NODE_TYPE_GRAPH)
		return cuGraphAddChildGraphNode(phGraphNode, hGraph, dependencies, numDependencies,
						nodeParams->graph.graph);
	result = node_any_work(ctx, nodeParams, &work);
	return result ? result
		      : add(phGraphNode, hGraph, dependencies, numDependencies, nodeParams->type,
			    work, NULL);
}

CUresult cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			size_t numDependencies, CUgraphNodeParams *nodeParams)
{
	return cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, NULL, numDependencies,
				 nodeParams);
}

/* --- reading --------------------------------------------------------------------------------- */

struct soft_work *node_work(CUgraphNode handle, CUgraphNodeType type)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, handle);
	struct soft_work *work = NULL;

	pthread_mutex_lock(&graph_lock);
	if (node && node->type == type)
		work = work_ref(node->work);
	pthread_mutex_unlock(&graph_lock);
	return work;
}

CUresult cuGraphNodeGetType(CUgraphNode hNode, CUgraphNodeType *type)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);

	ENTER_DRIVER();
	if (!node || !type)
		return CUDA_ERROR_INVALID_VALUE;
	*type = node->type;
	return CUDA_SUCCESS;
}

/* What pointers in the answer refer to lives as long as the node holds this work. */
CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct soft_work *work = node_work(hNode, CU_GRAPH_NODE_TYPE_KERNEL);
	const struct launch_work *launch = launch_of_work(work);
	bool is_kernel;

	if (!work || !nodeParams) {
		work_put(work);
		return CUDA_ERROR_INVALID_VALUE;
	}
	is_kernel = object_kind_of(launch->handle) == SOFT_KERNEL;
	*nodeParams = (CUDA_KERNEL_NODE_PARAMS){
		.func = is_kernel ? NULL : launch->handle,
		.kern = is_kernel ? (CUkernel)launch->handle : NULL,
		.ctx = object_handle(launch->function->object.ctx),
		.gridDimX = launch->shape.grid[0],
		.gridDimY = launch->shape.grid[1],
		.gridDimZ = launch->shape.grid[2],
		.blockDimX = launch->shape.block[0],
		.blockDimY = launch->shape.block[1],
		.blockDimZ = launch->shape.block[2],
		.sharedMemBytes = launch->shape.dynamic_shared,
		.kernelParams = launch->pointers,
	};
	work_put(work);
	return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = cuGraphKernelNodeGetParams_v2(hNode, &params);
	if (result == CUDA_SUCCESS)
		*nodeParams = (CUDA_KERNEL_NODE_PARAMS_v1){
			.func = params.func ? params.func : (CUfunction)params.kern,
			.gridDimX = params.gridDimX,
			.gridDimY = params.gridDimY,
			.gridDimZ = params.gridDimZ,
			.blockDimX = params.blockDimX,
			.blockDimY = params.blockDimY,
			.blockDimZ = params.blockDimZ,
			.sharedMemBytes = params.sharedMemBytes,
			.kernelParams = params.kernelParams,
		};
	return result;
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D *nodeParams)
{
	struct soft_work *work = node_work(hNode, CU_GRAPH_NODE_TYPE_MEMCPY);

	if (work && nodeParams)
		*nodeParams = *copy_of_work(work);
	work_put(work);
	return work && nodeParams ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	struct soft_work *work = node_work(hNode, CU_GRAPH_NODE_TYPE_MEMSET);

	if (work && nodeParams)
		*nodeParams = *fill_of_work(work);
	work_put(work);
	return work && nodeParams ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS *nodeParams)
{
	struct soft_work *work = node_work(hNode, CU_GRAPH_NODE_TYPE_HOST);

	if (work && nodeParams)
		*nodeParams = *host_of_work(work);
	work_put(work);
	return work && nodeParams ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult get_event(CUgraphNode hNode, CUgraphNodeType type, CUevent *event)
{
	struct soft_work *work = node_work(hNode, type);

	if (work && event)
		*event = object_handle(event_of_work(work));
	work_put(work);
	return work && event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode hNode, CUevent *event_out)
{
	return get_event(hNode, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event_out);
}

CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode hNode, CUevent *event_out)
{
	return get_event(hNode, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event_out);
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph *phGraph)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);

	ENTER_DRIVER();
	if (!node || !node->child || !phGraph)
		return CUDA_ERROR_INVALID_VALUE;
	*phGraph = object_handle(node->child);
	return CUDA_SUCCESS;
}

/* --- changing -------------------------------------------------------------------------------- */

/* Replace a node's work; takes the new one over. */
static CUresult set_work(CUgraphNode handle, CUgraphNodeType type, struct soft_work *work)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, handle);
	struct soft_work *before = work;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&graph_lock);
	if (node && node->type == type) {
		before = node->work;
		node->work = work;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	work_put(before);
	return result;
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_kernel_work(ctx, nodeParams, &work);
	return result ? result : set_work(hNode, CU_GRAPH_NODE_TYPE_KERNEL, work);
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = kernel_from_v1(nodeParams);
	return cuGraphKernelNodeSetParams_v2(hNode, &params);
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_copy_work(nodeParams, &work);
	return result ? result : set_work(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, work);
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_fill_work(nodeParams, &work);
	return result ? result : set_work(hNode, CU_GRAPH_NODE_TYPE_MEMSET, work);
}

CUresult cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_host_work(nodeParams, &work);
	return result ? result : set_work(hNode, CU_GRAPH_NODE_TYPE_HOST, work);
}

static CUresult set_event(CUgraphNode hNode, CUgraphNodeType type, CUevent event)
{
	struct soft_work *work;
	CUresult result;

	ENTER_DRIVER();
	result = node_event_work(type, event, &work);
	return result ? result : set_work(hNode, type, work);
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
	struct soft_work *work;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = node_any_work(ctx, nodeParams, &work);
	return result ? result : set_work(hNode, nodeParams->type, work);
}
