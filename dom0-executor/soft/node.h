/* SPDX-License-Identifier: MIT */
/*
 * From CUDA's parameters of nodes to work. Each checks (NULL is CUDA_ERROR_INVALID_VALUE), and needs
 * the thread's context.
 */
#ifndef SOFT_NODE_H
#define SOFT_NODE_H

#include "dom0-executor/soft/graph.h"

/* With an error there is no work. Whom it is given to takes the reference over. */
struct node_made {
	CUresult result;
	struct soft_work *work;
};

struct node_made node_kernel_work(struct soft_context *ctx, const CUDA_KERNEL_NODE_PARAMS *params);
struct node_made node_copy_work(const CUDA_MEMCPY3D *params);
struct node_made node_fill_work(const CUDA_MEMSET_NODE_PARAMS *params);
struct node_made node_host_work(const CUDA_HOST_NODE_PARAMS *params);
struct node_made node_event_work(CUgraphNodeType type, CUevent handle);
CUDA_KERNEL_NODE_PARAMS node_kernel_from_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *v1);

/* The same from the parameters that serve every type. A child graph has no work. */
struct node_made node_any_work(struct soft_context *ctx, CUgraphNodeParams *params);
/* Of a node of this type; takes the new work over. */
CUresult node_set_work(CUgraphNode handle, CUgraphNodeType type, struct node_made made);
CUresult node_exec_set_work(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeType type,
			    struct node_made made);
struct node_made node_memop_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS *params);

/* Adds a node by handles; takes the work over. */
CUresult node_add(CUgraphNode *out, CUgraph hGraph, const CUgraphNode *dependencies, size_t count,
		  CUgraphNodeType type, struct node_made made);

CUresult node_attributes_copy(struct soft_node *to, const struct soft_node *from);

/* The work of a node of this type, with a reference; NULL: it is none. */
struct soft_work *node_work(CUgraphNode handle, CUgraphNodeType type);

#endif
