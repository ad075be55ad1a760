/* SPDX-License-Identifier: MIT */
/*
 * CUDA's functions for one type of graph node each, in all their versions: into and out of the form for all
 * types. Runs in the program's threads.
 */
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/node.h"

#define PLACE(graph, deps, count) ((struct fe_node_place){graph, deps, NULL, count})

/* --- all types -------------------------------------------------------------------------------------- */

CUresult fe_cuGraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
			      const CUgraphNode *dependencies,
			      const CUgraphEdgeData *dependencyData, size_t numDependencies,
			      CUgraphNodeParams *nodeParams)
{
	return fe_node_add(phGraphNode,
			   (struct fe_node_place){hGraph, dependencies, dependencyData,
						  numDependencies},
			   nodeParams);
}

CUresult fe_cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			   const CUgraphNode *dependencies, size_t numDependencies,
			   CUgraphNodeParams *nodeParams)
{
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), nodeParams);
}

CUresult fe_cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
	return nodeParams ? fe_node_set(hNode, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

CUresult fe_cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
				     CUgraphNodeParams *nodeParams)
{
	return nodeParams ? fe_node_exec_set(hGraphExec, hNode, nodeParams)
			  : CUDA_ERROR_INVALID_VALUE;
}

/* --- kernels ---------------------------------------------------------------------------------------- */

static CUgraphNodeParams of_kernel(const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	return (CUgraphNodeParams){
		.type = CU_GRAPH_NODE_TYPE_KERNEL,
		.kernel = {kernel->func, kernel->gridDimX, kernel->gridDimY, kernel->gridDimZ,
			   kernel->blockDimX, kernel->blockDimY, kernel->blockDimZ,
			   kernel->sharedMemBytes, kernel->kernelParams, kernel->extra,
			   kernel->kern, kernel->ctx},
	};
}

static CUgraphNodeParams of_kernel_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *kernel)
{
	return (CUgraphNodeParams){
		.type = CU_GRAPH_NODE_TYPE_KERNEL,
		.kernel = {kernel->func, kernel->gridDimX, kernel->gridDimY, kernel->gridDimZ,
			   kernel->blockDimX, kernel->blockDimY, kernel->blockDimZ,
			   kernel->sharedMemBytes, kernel->kernelParams, kernel->extra, NULL, NULL},
	};
}

CUresult fe_cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
				    const CUgraphNode *dependencies, size_t numDependencies,
				    const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel(nodeParams);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel_v1(nodeParams);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_KERNEL, &params);
	_Static_assert(sizeof(*nodeParams) == sizeof(params.kernel), "kernel nodes");
	if (!result)
		memcpy(nodeParams, &params.kernel, sizeof(*nodeParams));
	return result;
}

CUresult fe_cuGraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_cuGraphKernelNodeGetParams_v2(hNode, &kernel);
	if (!result)
		*nodeParams = (CUDA_KERNEL_NODE_PARAMS_v1){
			kernel.func ? kernel.func : (CUfunction)kernel.kern,
			kernel.gridDimX,
			kernel.gridDimY,
			kernel.gridDimZ,
			kernel.blockDimX,
			kernel.blockDimY,
			kernel.blockDimZ,
			kernel.sharedMemBytes,
			kernel.kernelParams,
			kernel.extra,
		};
	return result;
}

CUresult fe_cuGraphKernelNodeSetParams_v2(CUgraphNode hNode,
					  const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel(nodeParams);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphKernelNodeSetParams(CUgraphNode hNode,
				       const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel_v1(nodeParams);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode,
					      const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel(nodeParams);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

CUresult fe_cuGraphExecKernelNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					   const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_kernel_v1(nodeParams);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

/* --- copies and fills: the context is an argument of its own ---------------------------------------- */

static CUgraphNodeParams of_copy(const CUDA_MEMCPY3D *copy, CUcontext ctx)
{
	return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMCPY,
				   .memcpy = {.copyCtx = ctx, .copyParams = *copy}};
}

CUresult fe_cuGraphAddMemcpyNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 const CUDA_MEMCPY3D *copyParams, CUcontext ctx)
{
	CUgraphNodeParams params;

	if (!copyParams)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		ctx = fe_context_current();
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	params = of_copy(copyParams, ctx);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D *nodeParams)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, &params);
	if (!result)
		*nodeParams = params.memcpy.copyParams;
	return result;
}

CUresult fe_cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_copy(nodeParams, NULL);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					   const CUDA_MEMCPY3D *copyParams, CUcontext ctx)
{
	CUgraphNodeParams params;

	if (!copyParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_copy(copyParams, ctx);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

static CUgraphNodeParams of_fill(const CUDA_MEMSET_NODE_PARAMS *fill, CUcontext ctx)
{
	return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMSET,
				   .memset = {fill->dst, fill->pitch, fill->value,
					      fill->elementSize, fill->width, fill->height, ctx}};
}

CUresult fe_cuGraphAddMemsetNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				 const CUgraphNode *dependencies, size_t numDependencies,
				 const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx)
{
	CUgraphNodeParams params;

	if (!memsetParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_fill(memsetParams, ctx);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_MEMSET, &params);
	if (!result)
		*nodeParams = (CUDA_MEMSET_NODE_PARAMS){
			params.memset.dst,         params.memset.pitch, params.memset.value,
			params.memset.elementSize, params.memset.width, params.memset.height};
	return result;
}

CUresult fe_cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_fill(nodeParams, NULL);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					   const CUDA_MEMSET_NODE_PARAMS *memsetParams,
					   CUcontext ctx)
{
	CUgraphNodeParams params;

	if (!memsetParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_fill(memsetParams, ctx);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

/* --- host functions, batches of operations, memory --------------------------------------------------- */

static CUgraphNodeParams of_host(const CUDA_HOST_NODE_PARAMS *host)
{
	return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_HOST,
				   .host = {host->fn, host->userData}};
}

static CUgraphNodeParams of_batch(const CUDA_BATCH_MEM_OP_NODE_PARAMS *batch)
{
	return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
				   .memOp = {batch->ctx, batch->count, batch->paramArray,
					     batch->flags}};
}

CUresult fe_cuGraphAddHostNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			       const CUgraphNode *dependencies, size_t numDependencies,
			       const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_host(nodeParams);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_HOST, &params);
	if (!result)
		*nodeParams = (CUDA_HOST_NODE_PARAMS){params.host.fn, params.host.userData};
	return result;
}

CUresult fe_cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_host(nodeParams);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphExecHostNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					 const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_host(nodeParams);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

CUresult fe_cuGraphAddBatchMemOpNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				     const CUgraphNode *dependencies, size_t numDependencies,
				     const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_batch(nodeParams);
	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}

CUresult fe_cuGraphBatchMemOpNodeGetParams(CUgraphNode hNode,
					   CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams_out)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!nodeParams_out)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, &params);
	if (!result)
		*nodeParams_out = (CUDA_BATCH_MEM_OP_NODE_PARAMS){params.memOp.ctx,
								  params.memOp.count,
								  params.memOp.paramArray,
								  params.memOp.flags};
	return result;
}

CUresult fe_cuGraphBatchMemOpNodeSetParams(CUgraphNode hNode,
					   const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_batch(nodeParams);
	return fe_node_set(hNode, &params);
}

CUresult fe_cuGraphExecBatchMemOpNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					       const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = of_batch(nodeParams);
	return fe_node_exec_set(hGraphExec, hNode, &params);
}

CUresult fe_cuGraphAddMemAllocNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				   const CUgraphNode *dependencies, size_t numDependencies,
				   CUDA_MEM_ALLOC_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC};
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params.alloc = (CUDA_MEM_ALLOC_NODE_PARAMS_v2){nodeParams->poolProps,
						       nodeParams->accessDescs,
						       nodeParams->accessDescCount,
						       nodeParams->bytesize, 0};
	result = fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
	if (!result)
		nodeParams->dptr = params.alloc.dptr;
	return result;
}

CUresult fe_cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS *params_out)
{
	CUgraphNodeParams params;
	CUresult result;

	if (!params_out)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_node_get(hNode, CU_GRAPH_NODE_TYPE_MEM_ALLOC, &params);
	if (!result)
		*params_out = (CUDA_MEM_ALLOC_NODE_PARAMS){
			params.alloc.poolProps, params.alloc.accessDescs,
			params.alloc.accessDescCount, params.alloc.bytesize, params.alloc.dptr};
	return result;
}

CUresult fe_cuGraphAddMemFreeNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				  const CUgraphNode *dependencies, size_t numDependencies,
				  CUdeviceptr dptr)
{
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free = {dptr}};

	return fe_node_add(phGraphNode, PLACE(hGraph, dependencies, numDependencies), &params);
}
