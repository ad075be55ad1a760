/* SPDX-License-Identifier: MIT */
/*
 * Graphs: nodes that hold work, and what must come before each. One lock, the graphs', guards the
 * structure of all graphs and captures; it may be held when the scheduler's is taken, not the other
 * way round.
 */
#ifndef SOFT_GRAPH_H
#define SOFT_GRAPH_H

#include "dom0-executor/soft/stream.h"
#include "dom0-executor/soft/user_object.h"

struct soft_node {
	struct soft_object object;
	CUgraphNodeType type;
	struct soft_graph *graph;  /* its owner; NULL once that is gone */
	struct soft_work *work;    /* a reference; NULL: an empty node, or a child graph */
	struct soft_graph *child;  /* a reference; of a child graph's node */
	struct soft_node *origin;  /* a reference: what it is a clone of, or NULL */
	struct soft_node **before; /* what it depends on: nodes of the same graph */
	size_t before_count;
	size_t mark;                        /* scratch: its place in an order */
	CUlaunchAttributeValue *attributes; /* by id; owned; NULL: none was set */
};

struct soft_graph {
	struct soft_object object;
	struct soft_node **nodes; /* references, in the order of their making */
	size_t count;
	struct soft_held held;
	struct soft_conditional *conditionals; /* that were made for it; owned references, linked */
};

/* A graph's work in an order that can run, flat: child graphs' in the place of their nodes. */
struct soft_item {
	struct soft_node *node; /* a reference */
	struct soft_work *work; /* a reference, or NULL */
	CUgraphNodeType type;
	size_t *before; /* places in the order */
	size_t before_count;
	bool disabled;
};

struct soft_order {
	struct soft_item *items;
	size_t count;
};

struct soft_exec {
	struct soft_object object;
	unsigned long long flags;
	struct soft_held held;
	struct soft_order order; /* the graphs' lock guards it */
	struct soft_point last;  /* of its last launch; the scheduler's lock guards it */
};

extern pthread_mutex_t graph_lock; /* recursive */

CUresult graph_create(struct soft_graph **graph); /* published; the table has its only reference */
void graph_retire(struct soft_graph *graph);      /* handles of it and its nodes go */

/*
 * Add a node; takes over `work`, also when it fails. The nodes of `before` must be of the graph.
 * The lock is held. *out: NULL, or where to put the node, without a reference.
 */
CUresult graph_add(struct soft_graph *graph, CUgraphNodeType type, struct soft_work *work,
		   struct soft_node *const *before, size_t count, struct soft_node **out);

/* Nodes of handles, each with a reference; all or none. */
CUresult nodes_get(const CUgraphNode *handles, size_t count, struct soft_node ***out);
void nodes_put(struct soft_node **nodes, size_t count);

/* The order of a graph; CUDA_ERROR_INVALID_VALUE: it has a cycle. The lock is held. */
CUresult order_make(const struct soft_graph *graph, struct soft_order *order);
void order_free(struct soft_order *order);

/* conditional_reset() for those in such work. */
void order_reset(struct soft_work *work);

/* Work that runs an order as it is now; takes over nothing. NULL without memory. */
struct soft_work *order_work(const struct soft_order *order, struct soft_exec *exec);

/* Graphs' own allocations (graph_memory.c). A node of it, in a capture: *dptr is its address. */
CUresult graph_alloc_work(struct soft_device *device, const CUDA_MEM_ALLOC_NODE_PARAMS *params,
			  struct soft_work **work, CUdeviceptr *dptr);
struct soft_work *graph_free_work(CUdeviceptr dptr);
bool memory_is_graphs(CUdeviceptr dptr);  /* it begins one */
bool graph_memory_free(CUdeviceptr dptr); /* the same, and it is free from now on */

/* Conditional nodes (conditional.c). */
CUresult conditional_work(CUDA_CONDITIONAL_NODE_PARAMS *params, struct soft_work **out);
/* For one instantiation: the bodies as they are now. */
CUresult conditional_instantiate(struct soft_work *work, struct soft_work **out);
/* A launch begins: what it and those within it decide by has its default value. */
void conditional_reset(struct soft_work *work);
void conditionals_retire(struct soft_conditional *first);
/* From a kernel (ptx): false: no such handle. */
bool conditional_set(uint64_t handle, unsigned int value);

CUresult graph_clone(const struct soft_graph *graph, struct soft_graph **out);

#endif
