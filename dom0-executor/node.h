/* SPDX-License-Identifier: MIT */
/* Parameters of graph nodes, as the guest sends them and as the driver wants them. */
#ifndef EX_NODE_H
#define EX_NODE_H

#include "dom0-executor/call.h"
#include "dom0-executor/launch.h"

struct ex_host_func;

/* In the driver's terms. Lives no longer than the call: `extra` of a kernel points into it. */
struct ex_node {
	CUgraphNodeParams params;
	struct ex_params bytes;
	const void *data; /* the call's */
	size_t size;
	struct ex_host_func *func; /* made for a host node: to be cancelled if the driver refuses */
};

/* Translated and checked; NOT_SUPPORTED for types that are not carried. func is set with errors too. */
CUresult ex_node_read(struct ex_call *call, const CUgraphNodeParams *from, const void *data,
		      size_t size, struct ex_node *node);

/* Operations on words, checked, in scratch memory. */
CUresult ex_memops_read(struct ex_call *call, const CUstreamBatchMemOpParams *ops,
			unsigned int count, CUstreamBatchMemOpParams **own);

#endif
