/* SPDX-License-Identifier: MIT */
/* Nodes of graphs: how one of each type is made, and their parameters, good and bad. */
#include "tests/programs/differ/shapes.h"

#include <string.h>

CUDA_KERNEL_NODE_PARAMS *df_kernel_params(struct df_world *w, const char *fault)
{
	static CUDA_KERNEL_NODE_PARAMS p;

	p = (CUDA_KERNEL_NODE_PARAMS){.func = (CUfunction)df_get(w, DF_function),
				      .gridDimX = 1,
				      .gridDimY = 1,
				      .gridDimZ = 1,
				      .blockDimX = 1,
				      .blockDimY = 1,
				      .blockDimZ = 1,
				      .kernelParams = df_params(w)};
	if (df_is(fault, "nofunction"))
		p.func = NULL;
	else if (df_is(fault, "grid"))
		p.gridDimX = 0;
	else if (df_is(fault, "block"))
		p.blockDimX = 4096;
	else if (df_is(fault, "shared"))
		p.sharedMemBytes = 1u << 30;
	else if (df_is(fault, "noparams"))
		p.kernelParams = NULL;
	else if (df_is(fault, "both"))
		p.kern = (CUkernel)df_get(w, DF_kernel);
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_KERNEL_NODE_PARAMS_v1 *df_kernel_params_old(struct df_world *w, const char *fault)
{
	static CUDA_KERNEL_NODE_PARAMS_v1 old;
	const CUDA_KERNEL_NODE_PARAMS *p = df_kernel_params(w, fault);

	old = (CUDA_KERNEL_NODE_PARAMS_v1){.func = p->func,
					   .gridDimX = p->gridDimX,
					   .gridDimY = p->gridDimY,
					   .gridDimZ = p->gridDimZ,
					   .blockDimX = p->blockDimX,
					   .blockDimY = p->blockDimY,
					   .blockDimZ = p->blockDimZ,
					   .sharedMemBytes = p->sharedMemBytes,
					   .kernelParams = p->kernelParams};
	return &old;
}

CUDA_MEMSET_NODE_PARAMS *df_set_params(struct df_world *w, const char *fault)
{
	static CUDA_MEMSET_NODE_PARAMS p;

	p = (CUDA_MEMSET_NODE_PARAMS){.dst = (CUdeviceptr)df_get(w, DF_mem),
				      .pitch = 64,
				      .value = 1,
				      .elementSize = 4,
				      .width = 8,
				      .height = 1};
	if (df_is(fault, "element"))
		p.elementSize = 3;
	else if (df_is(fault, "zero"))
		p.width = 0;
	else if (df_is(fault, "odd"))
		p.dst++;
	else if (df_is(fault, "freed"))
		p.dst = (CUdeviceptr)df_gone(w, DF_mem);
	else if (df_is(fault, "null"))
		p.dst = 0;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_HOST_NODE_PARAMS *df_host_params(struct df_world *w, const char *fault)
{
	static CUDA_HOST_NODE_PARAMS p;

	p = (CUDA_HOST_NODE_PARAMS){.fn = df_host_function, .userData = w};
	if (df_is(fault, "nofunction"))
		p.fn = NULL;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_BATCH_MEM_OP_NODE_PARAMS *df_batch_params(struct df_world *w, const char *fault)
{
	static CUDA_BATCH_MEM_OP_NODE_PARAMS p;

	p = (CUDA_BATCH_MEM_OP_NODE_PARAMS){
		.ctx = w->ctx, .count = 1, .paramArray = df_memops(w, "")};
	if (df_is(fault, "nocontext"))
		p.ctx = NULL;
	else if (df_is(fault, "context"))
		p.ctx = (CUcontext)df_gone(w, DF_context);
	else if (df_is(fault, "count"))
		p.count = 100000;
	else if (df_is(fault, "nothing"))
		p.count = 0;
	else if (df_is(fault, "noarray"))
		p.paramArray = NULL;
	else if (df_is(fault, "flags"))
		p.flags = 0x80000000u;
	else if (df_is(fault, "operation"))
		p.paramArray = df_memops(w, "operation");
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEM_ALLOC_NODE_PARAMS *df_alloc_params(struct df_world *w, const char *fault)
{
	static CUDA_MEM_ALLOC_NODE_PARAMS p;

	p = (CUDA_MEM_ALLOC_NODE_PARAMS){.poolProps = *df_pool_props(w, ""), .bytesize = DF_SIZE};
	if (df_is(fault, "zero"))
		p.bytesize = 0;
	else if (df_is(fault, "huge"))
		p.bytesize = (size_t)1 << 50;
	else if (df_is(fault, "location"))
		p.poolProps.location.id = 1000;
	else if (df_is(fault, "type"))
		p.poolProps.allocType = (CUmemAllocationType)77;
	else if (df_is(fault, "noaccess"))
		p.accessDescCount = 1;
	else
		df_known(false, __func__, fault);
	return &p;
}

/* A kernel's, unless the fault is about the type. */
CUgraphNodeParams *df_node_params(struct df_world *w, const char *fault)
{
	static CUgraphNodeParams p;
	const CUDA_KERNEL_NODE_PARAMS *kernel;

	memset(&p, 0, sizeof(p));
	p.type = CU_GRAPH_NODE_TYPE_KERNEL;
	kernel = df_kernel_params(w,
				  df_is(fault, "grid") || df_is(fault, "nofunction") ? fault : "");
	memcpy(&p.kernel, kernel, sizeof(p.kernel));
	if (df_is(fault, "type"))
		p.type = (CUgraphNodeType)77;
	else if (df_is(fault, "reserved"))
		p.reserved0[0] = 1;
	else if (df_is(fault, "empty")) {
		memset(&p, 0, sizeof(p));
		p.type = CU_GRAPH_NODE_TYPE_EMPTY;
	} else
		df_known(df_is(fault, "grid") || df_is(fault, "nofunction"), __func__, fault);
	return &p;
}

/* Within the device. */
CUDA_MEMCPY3D *df_node_copy(struct df_world *w, const char *fault)
{
	CUDA_MEMCPY3D *p = df_copy3d(w, fault);

	if (p->srcMemoryType != CU_MEMORYTYPE_HOST)
		return p;
	p->srcMemoryType = CU_MEMORYTYPE_DEVICE;
	p->srcHost = NULL;
	p->srcDevice = (CUdeviceptr)df_get(w, DF_mem2);
	return p;
}

/* Two nodes of a kind, the second for edges. */
CUgraphNode *df_nodes(struct df_world *w, enum df_kind kind, bool gone)
{
	static CUgraphNode lists[DF_KINDS][2];
	CUgraphNode *p = lists[kind];

	p[0] = (CUgraphNode)(gone ? df_gone(w, kind) : df_get(w, kind));
	p[1] = p[0];
	return p;
}

CUgraphEdgeData *df_edges(struct df_world *w, const char *fault)
{
	static CUgraphEdgeData p[2];

	(void)w;
	memset(p, 0, sizeof(p));
	if (df_is(fault, "type"))
		p[0].type = 77;
	else if (df_is(fault, "port"))
		p[0].from_port = 77;
	else if (df_is(fault, "reserved"))
		p[0].reserved[0] = 1;
	else
		df_known(false, __func__, fault);
	return p;
}

static CUresult make_free_node(struct df_world *w, CUgraph graph, CUgraphNode *node)
{
	CUgraphNode alloc = NULL;
	CUDA_MEM_ALLOC_NODE_PARAMS *p = df_alloc_params(w, "");
	CUresult result = cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, p);

	return result ? result : cuGraphAddMemFreeNode(node, graph, &alloc, 1, p->dptr);
}

CUresult df_make_node(struct df_world *w, enum df_kind kind, uint64_t *made)
{
	CUgraph graph = (CUgraph)df_get(w, DF_graph);
	CUgraphNode *node = (CUgraphNode *)made;

	switch ((int)kind) {
	case DF_kernelnode:
		return cuGraphAddKernelNode_v2(node, graph, NULL, 0, df_kernel_params(w, ""));
	case DF_copynode:
		return cuGraphAddMemcpyNode(node, graph, NULL, 0, df_node_copy(w, ""), w->ctx);
	case DF_setnode:
		return cuGraphAddMemsetNode(node, graph, NULL, 0, df_set_params(w, ""), w->ctx);
	case DF_hostnode: return cuGraphAddHostNode(node, graph, NULL, 0, df_host_params(w, ""));
	case DF_childnode:
		return cuGraphAddChildGraphNode(node, graph, NULL, 0,
						(CUgraph)df_get(w, DF_graph2));
	case DF_recordnode:
		return cuGraphAddEventRecordNode(node, graph, NULL, 0,
						 (CUevent)df_get(w, DF_event));
	case DF_waitnode:
		return cuGraphAddEventWaitNode(node, graph, NULL, 0, (CUevent)df_get(w, DF_event));
	case DF_batchnode:
		return cuGraphAddBatchMemOpNode(node, graph, NULL, 0, df_batch_params(w, ""));
	case DF_allocnode:
		return cuGraphAddMemAllocNode(node, graph, NULL, 0, df_alloc_params(w, ""));
	case DF_freenode: return make_free_node(w, graph, node);
	default: return cuGraphAddEmptyNode(node, graph, NULL, 0);
	}
}
