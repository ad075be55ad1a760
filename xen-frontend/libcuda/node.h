/* SPDX-License-Identifier: MIT */
/*
 * Graph nodes with parameters. Every form that CUDA has for them, for one type of node or for all, comes
 * down to CUgraphNodeParams and to these.
 */
#ifndef FE_NODE_H
#define FE_NODE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

/* Where a new node goes. */
struct fe_node_place {
	CUgraph graph;
	const CUgraphNode *deps;
	const CUgraphEdgeData *edges; /* NULL: plain ones */
	size_t ndeps;
};

/*
 * What of the parameters is the call's to give (the address of an allocation, the graphs of a conditional
 * node) is written into them.
 */
CUresult fe_node_add(CUgraphNode *out, struct fe_node_place place, CUgraphNodeParams *params);
CUresult fe_node_set(CUgraphNode hNode, const CUgraphNodeParams *params);
CUresult fe_node_exec_set(CUgraphExec exec, CUgraphNode hNode, const CUgraphNodeParams *params);

/*
 * What the node holds; CUDA_ERROR_INVALID_VALUE if it is of another type. What pointers in it lead to belongs to the
 * node's handle and stays until it is asked again after a change.
 */
CUresult fe_node_get(CUgraphNode node, CUgraphNodeType type, CUgraphNodeParams *params);

#endif
