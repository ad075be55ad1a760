/* SPDX-License-Identifier: MIT */
/* From CUDA's parameters of nodes to work. Each checks, and needs the thread's context. */
#ifndef SOFT_NODE_H
#define SOFT_NODE_H

#include "dom0-executor/soft/graph.h"

CUresult node_kernel_work(struct soft_context *ctx, const CUDA_KERNEL_NODE_PARAMS *params,
			  struct soft_work **work);
CUresult node_copy_work(const CUDA_MEMCPY3D *params, struct soft_work **work);
CUresult node_fill_work(const CUDA_MEMSET_NODE_PARAMS *params, struct soft_work **work);
CUresult node_host_work(const CUDA_HOST_NODE_PARAMS *params, struct soft_work **work);
CUresult node_event_work(CUgraphNodeType type, CUevent handle, struct soft_work **work);

/* The same from the parameters that serve every type. A child graph has no work. */
CUresult node_any_work(struct soft_context *ctx, const CUgraphNodeParams *params,
		       struct soft_work **work);

/* The work of a node of this type, with a reference; NULL: it is none. */
struct soft_work *node_work(CUgraphNode handle, CUgraphNodeType type);

#endif
