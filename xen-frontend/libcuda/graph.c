/* SPDX-License-Identifier: MIT */
/*
 * Graphs where the program's structures hold pointers, or what comes back goes elsewhere than over there:
 * instantiation and update, the drawn graph, user objects. Nodes are in node.c. Runs in the program's threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/callback.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"

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

CUresult fe_cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
				 CUgraphExecUpdateResultInfo *resultInfo)
{
	unsigned int outcome = 0;
	CUgraphNode node = NULL, from = NULL;
	CUresult result;

	result = rpc_vgGraphExecUpdate(hGraphExec, hGraph, &outcome, &node, &from);
	if (result && !outcome)
		outcome = CU_GRAPH_EXEC_UPDATE_ERROR;
	if (!resultInfo)
		return result;
	resultInfo->result = (CUgraphExecUpdateResult)outcome;
	resultInfo->errorNode = node;
	resultInfo->errorFromNode = from;
	return result;
}

CUresult fe_cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
			      CUgraphExecUpdateResult *updateResult_out)
{
	CUgraphExecUpdateResultInfo info = {0};
	CUresult result;

	result = fe_cuGraphExecUpdate_v2(hGraphExec, hGraph, &info);
	if (updateResult_out)
		*updateResult_out = info.result;
	if (hErrorNode_out)
		*hErrorNode_out = info.errorNode;
	return result;
}

/* Before CUDA 12: a node that is at fault and a log, which later forms no longer fill. */
CUresult fe_cuGraphInstantiate(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode,
			       char *logBuffer, size_t bufferSize)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS params = {0};
	CUresult result;

	if (logBuffer && bufferSize)
		*logBuffer = '\0';
	result = fe_cuGraphInstantiateWithParams(phGraphExec, hGraph, &params);
	if (phErrorNode)
		*phErrorNode = params.hErrNode_out;
	return result;
}

CUresult fe_cuGraphConditionalHandleCreate(CUgraphConditionalHandle *pHandle_out, CUgraph hGraph,
					   CUcontext ctx, unsigned int defaultLaunchValue,
					   unsigned int flags)
{
	bool entered;
	CUresult result = fe_context_enter(ctx, &entered);

	if (!result)
		result = rpc_cuGraphConditionalHandleCreate(pHandle_out, hGraph, ctx,
							    defaultLaunchValue, flags);
	fe_context_exit(entered);
	return result;
}

/* --- text: the file is this program's ------------------------------------------------------------- */

static CUresult dot_fetch(CUgraph graph, unsigned int flags, char **text, size_t *size)
{
	CUresult result = rpc_vgGraphDot(graph, flags, size);

	if (result)
		return result;
	*text = malloc(*size + 1);
	if (!*text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	return rpc_vgTextFetch(*size, *text);
}

CUresult fe_cuGraphDebugDotPrint(CUgraph hGraph, const char *path, unsigned int flags)
{
	char *text = NULL;
	size_t size = 0;
	CUresult result;
	FILE *file;
	bool good;

	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	result = dot_fetch(hGraph, flags, &text, &size);
	if (!result) {
		file = fopen(path, "we");
		good = file && fwrite(text, 1, size, file) == size;
		if (file && fclose(file))
			good = false;
		result = good ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
	}
	free(text);
	return result;
}

/* --- user objects: the destructor is called by this process's callback thread ---------------------- */

CUresult fe_cuUserObjectCreate(CUuserObject *object_out, void *ptr, CUhostFn destroy,
			       unsigned int initialRefcount, unsigned int flags)
{
	CUresult result;
	uint64_t id;

	if (!object_out || !destroy || !initialRefcount ||
	    flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
		return CUDA_ERROR_INVALID_VALUE;
	id = fe_host_func_new(destroy, ptr);
	if (!id)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgUserObjectCreate(object_out, id, initialRefcount, flags);
	if (result)
		fe_host_func_drop(id);
	return result;
}

/* --- memory of graphs -------------------------------------------------------------------------------- */

CUresult fe_cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value)
{
	CUresult result = fe_device_check(device);
	uint64_t got = 0;

	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = rpc_vgGraphMemGet(device, attr, &got);
	if (!result)
		memcpy(value, &got, sizeof(got));
	return result;
}

CUresult fe_cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value)
{
	CUresult result = fe_device_check(device);
	uint64_t wanted;

	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&wanted, value, sizeof(wanted));
	return result ? result : rpc_vgGraphMemSet(device, attr, wanted);
}
