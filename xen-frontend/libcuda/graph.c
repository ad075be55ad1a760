/* SPDX-License-Identifier: MIT */
/*
 * Graphs where the program's structures hold pointers: kernel and host nodes, instantiation and update
 * with results in a structure. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/callback.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/params.h"

CUresult fe_cuGraphInstantiateWithParams(CUgraphExec *phGraphExec, CUgraph hGraph,
					 CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	CUgraphNode error_node = NULL;
	CUgraphExec exec = NULL;
	unsigned int outcome = 0;
	CUresult result;

	if (!phGraphExec || !instantiateParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_vgGraphInstantiate(hGraph, instantiateParams->flags,
					instantiateParams->hUploadStream, &exec, &error_node,
					&outcome);
	/* A lost session gives no outcome. */
	if (result && !outcome)
		outcome = CUDA_GRAPH_INSTANTIATE_ERROR;
	instantiateParams->hErrNode_out = error_node;
	instantiateParams->result_out = (CUgraphInstantiateResult)outcome;
	if (!result)
		*phGraphExec = exec;
	return result;
}

/* Function and packed parameters of a kernel node. */
struct kernel_node {
	CUfunction func;
	struct fe_params params;
};

/* The function may be given as a kernel, in a field of its own. */
static CUresult kernel_node_open(struct kernel_node *node, const CUDA_KERNEL_NODE_PARAMS *from)
{
	struct fe_function *function;
	CUresult result;

	if (from->func && from->kern)
		return CUDA_ERROR_INVALID_VALUE;
	node->func = from->func ? from->func : (CUfunction)from->kern;
	if (!from->gridDimX || !from->gridDimY || !from->gridDimZ || !from->blockDimX ||
	    !from->blockDimY || !from->blockDimZ)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_function_get((uint64_t)node->func, &function);
	if (result)
		return result;
	return fe_params_pack(&node->params, function, from->kernelParams, from->extra);
}

CUresult fe_cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
				    const CUgraphNode *dependencies, size_t numDependencies,
				    const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct kernel_node node;
	bool entered;
	CUresult result;

	if (!phGraphNode || !nodeParams || (numDependencies && !dependencies))
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_context_enter(nodeParams->ctx, &entered);
	if (!result)
		result = kernel_node_open(&node, nodeParams);
	if (!result) {
		result = rpc_vgGraphAddKernelNode(phGraphNode, hGraph, numDependencies,
						  dependencies, node.func, nodeParams->gridDimX,
						  nodeParams->gridDimY, nodeParams->gridDimZ,
						  nodeParams->blockDimX, nodeParams->blockDimY,
						  nodeParams->blockDimZ, nodeParams->sharedMemBytes,
						  (unsigned int)node.params.size, node.params.data);
		fe_params_free(&node.params);
	}
	fe_context_exit(entered);
	return result;
}

CUresult fe_cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode,
					      const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	struct kernel_node node;
	bool entered;
	CUresult result;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_context_enter(nodeParams->ctx, &entered);
	if (!result)
		result = kernel_node_open(&node, nodeParams);
	if (!result) {
		result = rpc_vgGraphExecKernelNodeSet(
			hGraphExec, hNode, node.func, nodeParams->gridDimX, nodeParams->gridDimY,
			nodeParams->gridDimZ, nodeParams->blockDimX, nodeParams->blockDimY,
			nodeParams->blockDimZ, nodeParams->sharedMemBytes,
			(unsigned int)node.params.size, node.params.data);
		fe_params_free(&node.params);
	}
	fe_context_exit(entered);
	return result;
}

CUresult fe_cuGraphAddHostNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			       const CUgraphNode *dependencies, size_t numDependencies,
			       const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUresult result;
	uint64_t id;

	if (!phGraphNode || !nodeParams || !nodeParams->fn || (numDependencies && !dependencies))
		return CUDA_ERROR_INVALID_VALUE;
	/* Lives as long as the graph may be launched; the executor says when that is over. */
	id = fe_host_func_new(nodeParams->fn, nodeParams->userData);
	if (!id)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgGraphAddHostNode(phGraphNode, hGraph, numDependencies, dependencies, id);
	if (result)
		fe_host_func_drop(id);
	return result;
}

CUresult fe_cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
				 CUgraphExecUpdateResultInfo *resultInfo)
{
	unsigned int outcome = 0;
	CUgraphNode node = NULL, from = NULL;
	CUresult result;

	if (!resultInfo)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_vgGraphExecUpdate(hGraphExec, hGraph, &outcome, &node, &from);
	if (result && !outcome)
		outcome = CU_GRAPH_EXEC_UPDATE_ERROR;
	resultInfo->result = (CUgraphExecUpdateResult)outcome;
	resultInfo->errorNode = node;
	resultInfo->errorFromNode = from;
	return result;
}
