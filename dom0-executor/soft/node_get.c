/* SPDX-License-Identifier: MIT */
/*
 * What graph nodes hold, told to callers; batches of operations on words; attributes of kernel nodes.
 * Attributes are kept and told; how a kernel runs here does not depend on them.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/copy.h"
#include "dom0-executor/soft/event.h"
#include "dom0-executor/soft/host_func.h"
#include "dom0-executor/soft/launch.h"
#include "dom0-executor/soft/memop.h"
#include "dom0-executor/soft/node.h"

#include <stdlib.h>
#include <string.h>

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
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_KERNEL);
	const struct launch_work *launch = launch_of_work(work);
	bool is_kernel;

	if (!work || !nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
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
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_MEMCPY);

	if (!work || !nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	*nodeParams = *copy_of_work(work);
	return CUDA_SUCCESS;
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_MEMSET);

	if (!work || !nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	*nodeParams = *fill_of_work(work);
	return CUDA_SUCCESS;
}

CUresult cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS *nodeParams)
{
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_HOST);

	if (!work || !nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	*nodeParams = *host_of_work(work);
	return CUDA_SUCCESS;
}

static CUresult get_event(CUgraphNode hNode, CUgraphNodeType type, CUevent *event)
{
	struct soft_work *work auto_work_put = node_work(hNode, type);

	if (!work || !event)
		return CUDA_ERROR_INVALID_VALUE;
	*event = object_handle(event_of_work(work));
	return CUDA_SUCCESS;
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

/* --- batches ------------------------------------------------------------------------------------ */

CUresult cuGraphAddBatchMemOpNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				  const CUgraphNode *dependencies, size_t numDependencies,
				  const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return node_add(phGraphNode, hGraph, dependencies, numDependencies,
			CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, node_memop_work(nodeParams));
}

CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode hNode,
					CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams_out)
{
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP);

	CUcontext current = NULL;

	ENTER_DRIVER();
	if (!work || !nodeParams_out)
		return CUDA_ERROR_INVALID_VALUE;
	cuCtxGetCurrent(&current);
	*nodeParams_out = (CUDA_BATCH_MEM_OP_NODE_PARAMS){.ctx = current};
	nodeParams_out->paramArray =
		(CUstreamBatchMemOpParams *)memop_of_work(work, &nodeParams_out->count);
	return CUDA_SUCCESS;
}

CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode hNode,
					const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return node_set_work(hNode, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, node_memop_work(nodeParams));
}

CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					    const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	/* As many as there were, and those were some. */
	if (nodeParams && !nodeParams->count)
		return CUDA_ERROR_INVALID_VALUE;
	return node_exec_set_work(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
				  node_memop_work(nodeParams));
}

/* --- attributes --------------------------------------------------------------------------------- */

#define ATTRIBUTES ((size_t)CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT + 1)

static bool is_node_attribute(CUkernelNodeAttrID attr)
{
	switch ((int)attr) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return true;
	default: return false;
	}
}

static bool attributes_make(struct soft_node *node)
{
	if (!node->attributes)
		node->attributes = calloc(ATTRIBUTES, sizeof(*node->attributes));
	return node->attributes != NULL;
}

CUresult node_attributes_copy(struct soft_node *to, const struct soft_node *from)
{
	if (!attributes_make(to))
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (from->attributes)
		memcpy(to->attributes, from->attributes, ATTRIBUTES * sizeof(*to->attributes));
	else
		memset(to->attributes, 0, ATTRIBUTES * sizeof(*to->attributes));
	return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
				       CUkernelNodeAttrValue *value_out)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);

	ENTER_DRIVER();
	if (!node || node->type != CU_GRAPH_NODE_TYPE_KERNEL || !value_out ||
	    !is_node_attribute(attr))
		return CUDA_ERROR_INVALID_VALUE;
	memset(value_out, 0, sizeof(*value_out));
	pthread_mutex_lock(&graph_lock);
	if (node->attributes)
		*value_out = node->attributes[attr];
	pthread_mutex_unlock(&graph_lock);
	return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
				       const CUkernelNodeAttrValue *value)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	ENTER_DRIVER();
	if (!node || node->type != CU_GRAPH_NODE_TYPE_KERNEL || !value || !is_node_attribute(attr))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	if (attributes_make(node)) {
		node->attributes[attr] = *value;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src)
{
	struct soft_node *to auto_put = object_get(SOFT_NODE, dst);
	struct soft_node *from auto_put = object_get(SOFT_NODE, src);
	CUresult result;

	ENTER_DRIVER();
	if (!to || !from || to->type != CU_GRAPH_NODE_TYPE_KERNEL ||
	    from->type != CU_GRAPH_NODE_TYPE_KERNEL)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	result = node_attributes_copy(to, from);
	pthread_mutex_unlock(&graph_lock);
	return result;
}
