/* SPDX-License-Identifier: MIT */
/* Graphs: what cannot be replayed as it stands. Runs in lanes' threads. */
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/launch.h"

/* --- capture ------------------------------------------------------------------------------------ */

struct capture {
	CUstreamCaptureStatus status;
	cuuint64_t id;
	CUgraph graph;
	const CUgraphNode *nodes; /* the driver's, until the stream's next call */
	const CUgraphEdgeData *edges;
	size_t count;
};

/* By the newest form that the driver has. */
static CUresult capture_read(CUstream stream, struct capture *capture)
{
	*capture = (struct capture){.status = CU_STREAM_CAPTURE_STATUS_NONE};
	if (ex_driver.cuStreamGetCaptureInfo_v3)
		return ex_driver.cuStreamGetCaptureInfo_v3(stream, &capture->status, &capture->id,
							   &capture->graph, &capture->nodes,
							   &capture->edges, &capture->count);
	if (ex_driver.cuStreamGetCaptureInfo_v2)
		return ex_driver.cuStreamGetCaptureInfo_v2(stream, &capture->status, &capture->id,
							   &capture->graph, &capture->nodes,
							   &capture->count);
	if (ex_driver.cuStreamGetCaptureInfo)
		return ex_driver.cuStreamGetCaptureInfo(stream, &capture->status, &capture->id);
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult ex_vgCaptureInfo(struct ex_call *call, CUstream stream, unsigned int room,
			  CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
			  unsigned int *count, CUgraphNode *nodes, CUgraphEdgeData *edges)
{
	struct capture capture;
	CUresult result = capture_read(stream, &capture);
	uint64_t parent;
	size_t some;

	if (result)
		return result;
	*status = capture.status;
	if (capture.status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
		return CUDA_SUCCESS;
	*id = capture.id;
	*graph = capture.graph;
	*count = (unsigned int)capture.count;
	some = capture.nodes ? vg_min(capture.count, room) : 0;
	/* Entered here, so that they end with their graph; the generated code finds them again. */
	parent = ex_handle_put(call, VG_HANDLE_CUgraph, capture.graph, 0);
	for (size_t i = 0; i < some && nodes; i++) {
		nodes[i] = capture.nodes[i];
		ex_handle_put(call, VG_HANDLE_CUgraphNode, nodes[i], parent);
	}
	if (edges && capture.edges)
		memcpy(edges, capture.edges, some * sizeof(*edges));
	return CUDA_SUCCESS;
}

/* --- instantiation and update ------------------------------------------------------------------- */

CUresult ex_vgGraphInstantiate(struct ex_call *call, CUgraph graph, uint64_t flags, CUstream upload,
			       CUgraphExec *exec, CUgraphNode *error_node, unsigned int *outcome)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS params = {.flags = flags, .hUploadStream = upload};
	CUresult result;

	(void)call;
	*exec = NULL;
	*error_node = NULL;
	if (!ex_driver.cuGraphInstantiateWithParams) {
		if (!ex_driver.cuGraphInstantiateWithFlags)
			return CUDA_ERROR_NOT_SUPPORTED;
		result = ex_driver.cuGraphInstantiateWithFlags(exec, graph, flags);
		*outcome = result ? CUDA_GRAPH_INSTANTIATE_ERROR : CUDA_GRAPH_INSTANTIATE_SUCCESS;
	} else {
		result = ex_driver.cuGraphInstantiateWithParams(exec, graph, &params);
		*error_node = params.hErrNode_out;
		*outcome = params.result_out;
	}
	if (result)
		*exec = NULL;
	return result;
}

CUresult ex_vgGraphExecUpdate(struct ex_call *call, CUgraphExec gexec, CUgraph graph,
			      unsigned int *outcome, CUgraphNode *node, CUgraphNode *from)
{
	CUgraphExecUpdateResultInfo info = {.result = CU_GRAPH_EXEC_UPDATE_SUCCESS};
	CUresult result;

	(void)call;
	*node = *from = NULL;
	if (!ex_driver.cuGraphExecUpdate_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphExecUpdate_v2(gexec, graph, &info);
	*outcome = info.result;
	*node = info.errorNode;
	*from = info.errorFromNode;
	return result;
}

/* --- nodes -------------------------------------------------------------------------------------- */

/* A kernel's node names a function or a library's kernel in different fields. */
static void node_function(struct ex_call *call, CUDA_KERNEL_NODE_PARAMS *node, CUfunction func)
{
	if (ex_handles_find(&call->session->handles, VG_HANDLE_CUkernel, func))
		node->kern = (CUkernel)func;
	else
		node->func = func;
}

CUresult ex_vgGraphAddKernelNode(struct ex_call *call, CUgraphNode *node, CUgraph graph,
				 size_t ndeps, const CUgraphNode *deps, CUfunction func,
				 unsigned int gridX, unsigned int gridY, unsigned int gridZ,
				 unsigned int blockX, unsigned int blockY, unsigned int blockZ,
				 unsigned int shared, unsigned int size, const void *params)
{
	struct ex_params bytes;
	CUDA_KERNEL_NODE_PARAMS own = {.gridDimX = gridX,
				       .gridDimY = gridY,
				       .gridDimZ = gridZ,
				       .blockDimX = blockX,
				       .blockDimY = blockY,
				       .blockDimZ = blockZ,
				       .sharedMemBytes = shared,
				       .extra = ex_params_extra(&bytes, params, size)};

	if (!ex_driver.cuGraphAddKernelNode_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	node_function(call, &own, func);
	return ex_driver.cuGraphAddKernelNode_v2(node, graph, deps, ndeps, &own);
}

CUresult ex_vgGraphExecKernelNodeSet(struct ex_call *call, CUgraphExec gexec, CUgraphNode node,
				     CUfunction func, unsigned int gridX, unsigned int gridY,
				     unsigned int gridZ, unsigned int blockX, unsigned int blockY,
				     unsigned int blockZ, unsigned int shared, unsigned int size,
				     const void *params)
{
	struct ex_params bytes;
	CUDA_KERNEL_NODE_PARAMS own = {.gridDimX = gridX,
				       .gridDimY = gridY,
				       .gridDimZ = gridZ,
				       .blockDimX = blockX,
				       .blockDimY = blockY,
				       .blockDimZ = blockZ,
				       .sharedMemBytes = shared,
				       .extra = ex_params_extra(&bytes, params, size)};

	if (!ex_driver.cuGraphExecKernelNodeSetParams_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	node_function(call, &own, func);
	return ex_driver.cuGraphExecKernelNodeSetParams_v2(gexec, node, &own);
}

CUresult ex_vgGraphAddHostNode(struct ex_call *call, CUgraphNode *node, CUgraph graph, size_t ndeps,
			       const CUgraphNode *deps, uint64_t id)
{
	CUDA_HOST_NODE_PARAMS params = {.fn = ex_host_func_run};
	struct ex_host_func *func;
	CUresult result;

	if (!ex_driver.cuGraphAddHostNode)
		return CUDA_ERROR_NOT_SUPPORTED;
	func = ex_host_func_new(&call->session->host_funcs, id, false);
	if (!func)
		return CUDA_ERROR_OUT_OF_MEMORY;
	params.userData = func;
	result = ex_driver.cuGraphAddHostNode(node, graph, deps, ndeps, &params);
	if (result)
		ex_host_func_cancel(func);
	return result;
}
