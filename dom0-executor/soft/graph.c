/* SPDX-License-Identifier: MIT */
/* Graphs and their structure: see graph.h. What nodes hold is in node.c, running in exec.c. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/node.h"

#include <stdlib.h>
#include <string.h>

pthread_mutex_t graph_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* --- life ------------------------------------------------------------------------------------ */

static void node_destroy(struct soft_object *object)
{
	struct soft_node *node = (struct soft_node *)object;

	work_put(node->work);
	object_put(node->child);
	object_put(node->origin);
	free(node->before);
	free(node->attributes);
	free(node);
}

static void graph_destroy(struct soft_object *object)
{
	struct soft_graph *graph = (struct soft_graph *)object;

	for (size_t i = 0; i < graph->count; i++) {
		graph->nodes[i]->graph = NULL;
		object_put(graph->nodes[i]);
	}
	held_put(&graph->held);
	conditionals_retire(graph->conditionals);
	free(graph->nodes);
	free(graph);
}

CUresult graph_create(struct soft_graph **graph)
{
	*graph = object_new(SOFT_GRAPH, sizeof(**graph), NULL, graph_destroy);
	return *graph ? object_publish(*graph) : CUDA_ERROR_OUT_OF_MEMORY;
}

static void node_retire(struct soft_node *node)
{
	if (node->child)
		graph_retire(node->child);
	if (object_retire(node))
		object_put(node); /* the table's */
}

void graph_retire(struct soft_graph *graph)
{
	pthread_mutex_lock(&graph_lock);
	for (size_t i = 0; i < graph->count; i++)
		node_retire(graph->nodes[i]);
	if (object_retire(graph))
		object_put(graph); /* the table's */
	pthread_mutex_unlock(&graph_lock);
}

void nodes_put(struct soft_node **nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		object_put(nodes[i]);
	free(nodes);
}

CUresult nodes_get(const CUgraphNode *handles, size_t count, struct soft_node ***out)
{
	struct soft_node **nodes = calloc(count ? count : 1, sizeof(*nodes));

	*out = NULL;
	if (count && !handles) {
		free(nodes);
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (!nodes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < count; i++) {
		nodes[i] = object_get(SOFT_NODE, handles[i]);
		if (!nodes[i]) {
			nodes_put(nodes, i);
			return CUDA_ERROR_INVALID_VALUE;
		}
	}
	*out = nodes;
	return CUDA_SUCCESS;
}

/* --- structure ------------------------------------------------------------------------------- */

static bool depends_on(const struct soft_node *node, const struct soft_node *before)
{
	for (size_t i = 0; i < node->before_count; i++)
		if (node->before[i] == before)
			return true;
	return false;
}

static CUresult add_edge(struct soft_node *node, struct soft_node *before)
{
	struct soft_node **grown;

	if (depends_on(node, before) || node == before || node->graph != before->graph ||
	    !node->graph)
		return CUDA_ERROR_INVALID_VALUE;
	grown = realloc(node->before, (node->before_count + 1) * sizeof(*grown));
	if (!grown)
		return CUDA_ERROR_OUT_OF_MEMORY;
	node->before = grown;
	grown[node->before_count++] = before;
	return CUDA_SUCCESS;
}

static void remove_edge(struct soft_node *node, const struct soft_node *before)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->before_count; i++)
		if (node->before[i] != before)
			node->before[kept++] = node->before[i];
	node->before_count = kept;
}

static CUresult append(struct soft_graph *graph, struct soft_node *node)
{
	struct soft_node **grown = realloc(graph->nodes, (graph->count + 1) * sizeof(*grown));

	if (!grown)
		return CUDA_ERROR_OUT_OF_MEMORY;
	graph->nodes = grown;
	grown[graph->count++] = object_ref(node);
	node->graph = graph;
	return CUDA_SUCCESS;
}

static void remove_node(struct soft_graph *graph, struct soft_node *node)
{
	size_t kept = 0;

	for (size_t i = 0; i < graph->count; i++) {
		remove_edge(graph->nodes[i], node);
		if (graph->nodes[i] != node)
			graph->nodes[kept++] = graph->nodes[i];
	}
	graph->count = kept;
	node->graph = NULL;
	node_retire(node);
	object_put(node); /* the graph's */
}

CUresult graph_add(struct soft_graph *graph, CUgraphNodeType type, struct soft_work *work,
		   struct soft_node *const *before, size_t count, struct soft_node **out)
{
	struct soft_node *node = object_new(SOFT_NODE, sizeof(*node), NULL, node_destroy);
	CUresult result;

	if (!node) {
		work_put(work);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	node->type = type;
	node->work = work;
	result = append(graph, node);
	if (result != CUDA_SUCCESS) {
		object_put(node);
		return result;
	}
	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++)
		result = add_edge(node, before[i]);
	if (result == CUDA_SUCCESS)
		result = object_publish(node);
	else
		object_put(node);
	if (result != CUDA_SUCCESS) {
		remove_node(graph, node);
		return result;
	}
	if (out)
		*out = node;
	return CUDA_SUCCESS;
}

static struct soft_node *clone_of(const struct soft_graph *clone, const struct soft_node *node)
{
	for (size_t i = 0; i < clone->count; i++)
		if (clone->nodes[i]->origin == node)
			return clone->nodes[i];
	return NULL;
}

/* As CUDA documents: graphs with memory or conditional nodes are not cloned. */
static bool can_be_cloned(const struct soft_graph *graph)
{
	for (size_t i = 0; i < graph->count; i++) {
		switch ((int)graph->nodes[i]->type) {
		case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
		case CU_GRAPH_NODE_TYPE_MEM_FREE:
		case CU_GRAPH_NODE_TYPE_CONDITIONAL: return false;
		default: break;
		}
	}
	return true;
}

static struct soft_node *node_copy(struct soft_graph *clone, const struct soft_node *node,
				   CUresult *result)
{
	struct soft_node *made = NULL;

	*result = graph_add(clone, node->type, work_ref(node->work), NULL, 0, &made);
	if (*result == CUDA_SUCCESS && node->attributes)
		*result = node_attributes_copy(made, node);
	return made;
}

static CUresult clone_edges(const struct soft_graph *graph, const struct soft_graph *clone)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < graph->count; i++) {
		const struct soft_node *node = graph->nodes[i];

		for (size_t j = 0; j < node->before_count && result == CUDA_SUCCESS; j++)
			result = add_edge(clone->nodes[i], clone_of(clone, node->before[j]));
	}
	return result;
}

CUresult graph_clone(const struct soft_graph *graph, struct soft_graph **out)
{
	struct soft_graph *clone = NULL;
	struct soft_node *made;
	CUresult result;

	pthread_mutex_lock(&graph_lock);
	result = can_be_cloned(graph) ? graph_create(&clone) : CUDA_ERROR_NOT_SUPPORTED;
	for (size_t i = 0; result == CUDA_SUCCESS && i < graph->count; i++) {
		struct soft_node *node = graph->nodes[i];

		made = node_copy(clone, node, &result);
		if (result != CUDA_SUCCESS)
			break;
		made->origin = object_ref(node);
		if (node->child)
			result = graph_clone(node->child, &made->child);
		if (result == CUDA_SUCCESS && node->child)
			object_ref(made->child); /* the node's, besides the table's */
	}
	if (result == CUDA_SUCCESS)
		result = clone_edges(graph, clone);
	if (result == CUDA_SUCCESS)
		result = held_copy(&clone->held, &graph->held);
	if (result != CUDA_SUCCESS && clone)
		graph_retire(clone);
	pthread_mutex_unlock(&graph_lock);
	*out = clone;
	return result;
}

/* --- the calls: graphs ----------------------------------------------------------------------- */

CUresult cuGraphCreate(CUgraph *phGraph, unsigned int flags)
{
	struct soft_graph *graph;
	CUresult result;

	ENTER_DRIVER();
	if (!phGraph || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = graph_create(&graph);
	if (result == CUDA_SUCCESS)
		*phGraph = object_handle(graph);
	return result;
}

CUresult cuGraphDestroy(CUgraph hGraph)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);

	ENTER_DRIVER();
	if (!graph)
		return CUDA_ERROR_INVALID_VALUE;
	graph_retire(graph);
	return CUDA_SUCCESS;
}

CUresult cuGraphClone(CUgraph *phGraphClone, CUgraph originalGraph)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, originalGraph);
	struct soft_graph *clone = NULL;
	CUresult result;

	ENTER_DRIVER();
	if (!phGraphClone || !graph)
		return CUDA_ERROR_INVALID_VALUE;
	result = graph_clone(graph, &clone);
	if (result == CUDA_SUCCESS)
		*phGraphClone = object_handle(clone);
	return result;
}

CUresult cuGraphNodeFindInClone(CUgraphNode *phNode, CUgraphNode hOriginalNode,
				CUgraph hClonedGraph)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hClonedGraph);
	struct soft_node *node auto_put = object_get(SOFT_NODE, hOriginalNode);
	struct soft_node *found;

	ENTER_DRIVER();
	if (!phNode || !graph || !node)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	found = clone_of(graph, node);
	if (found)
		*phNode = object_handle(found);
	pthread_mutex_unlock(&graph_lock);
	return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Fill what the caller has room for; NULL asks for the number only. */
static void give_nodes(struct soft_node *const *nodes, size_t have, CUgraphNode *out, size_t *count)
{
	for (size_t i = 0; out && i < *count; i++)
		out[i] = i < have ? object_handle(nodes[i]) : NULL;
	if (!out || have < *count)
		*count = have;
}

CUresult cuGraphGetNodes(CUgraph hGraph, CUgraphNode *nodes, size_t *numNodes)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);

	ENTER_DRIVER();
	if (!graph || !numNodes)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	give_nodes(graph->nodes, graph->count, nodes, numNodes);
	pthread_mutex_unlock(&graph_lock);
	return CUDA_SUCCESS;
}

/* Those nodes of the graph that depend on `on`, or on nothing where it is NULL. */
static CUresult nodes_after(const struct soft_graph *graph, const struct soft_node *on,
			    CUgraphNode *out, size_t *count)
{
	struct soft_node **found = calloc(graph->count + 1, sizeof(*found));
	size_t have = 0;

	if (!found)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < graph->count; i++) {
		struct soft_node *node = graph->nodes[i];

		if (on ? depends_on(node, on) : !node->before_count)
			found[have++] = node;
	}
	give_nodes(found, have, out, count);
	free(found);
	return CUDA_SUCCESS;
}

CUresult cuGraphGetRootNodes(CUgraph hGraph, CUgraphNode *rootNodes, size_t *numRootNodes)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	CUresult result;

	ENTER_DRIVER();
	if (!graph || !numRootNodes)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	result = nodes_after(graph, NULL, rootNodes, numRootNodes);
	pthread_mutex_unlock(&graph_lock);
	return result;
}

/* --- the calls: edges. All edges are full dependencies, whose data is zero. -------------------- */

CUresult cuGraphGetEdges_v2(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to,
			    CUgraphEdgeData *edgeData, size_t *numEdges)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	size_t have = 0;

	ENTER_DRIVER();
	if (!graph || !numEdges || !from != !to)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	for (size_t i = 0; i < graph->count; i++) {
		for (size_t j = 0; j < graph->nodes[i]->before_count; j++, have++) {
			if (!from || have >= *numEdges)
				continue;
			from[have] = object_handle(graph->nodes[i]->before[j]);
			to[have] = object_handle(graph->nodes[i]);
		}
	}
	pthread_mutex_unlock(&graph_lock);
	for (size_t i = 0; from && i < *numEdges; i++) {
		if (i >= have)
			from[i] = to[i] = NULL;
		if (edgeData)
			edgeData[i] = (CUgraphEdgeData){0};
	}
	if (!from || have < *numEdges)
		*numEdges = have;
	return CUDA_SUCCESS;
}

CUresult cuGraphGetEdges(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges)
{
	return cuGraphGetEdges_v2(hGraph, from, to, NULL, numEdges);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode hNode, CUgraphNode *dependencies,
				       CUgraphEdgeData *edgeData, size_t *numDependencies)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);

	ENTER_DRIVER();
	if (!node || !numDependencies)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; dependencies && edgeData && i < *numDependencies; i++)
		edgeData[i] = (CUgraphEdgeData){0};
	pthread_mutex_lock(&graph_lock);
	give_nodes(node->before, node->before_count, dependencies, numDependencies);
	pthread_mutex_unlock(&graph_lock);
	return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode *dependencies,
				    size_t *numDependencies)
{
	return cuGraphNodeGetDependencies_v2(hNode, dependencies, NULL, numDependencies);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode hNode, CUgraphNode *dependentNodes,
					 CUgraphEdgeData *edgeData, size_t *numDependentNodes)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	ENTER_DRIVER();
	if (!node || !numDependentNodes)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; dependentNodes && edgeData && i < *numDependentNodes; i++)
		edgeData[i] = (CUgraphEdgeData){0};
	pthread_mutex_lock(&graph_lock);
	if (node->graph)
		result = nodes_after(node->graph, node, dependentNodes, numDependentNodes);
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode *dependentNodes,
				      size_t *numDependentNodes)
{
	return cuGraphNodeGetDependentNodes_v2(hNode, dependentNodes, NULL, numDependentNodes);
}

static bool edges_are_plain(const CUgraphEdgeData *data, size_t count)
{
	for (size_t i = 0; data && i < count; i++)
		if (data[i].from_port || data[i].to_port || data[i].type)
			return false;
	return true;
}

static CUresult change_edges(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
			     size_t count, bool add)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_node **befores = NULL, **afters = NULL;
	CUresult result;

	if (!graph)
		return CUDA_ERROR_INVALID_VALUE;
	result = nodes_get(from, count, &befores);
	if (result == CUDA_SUCCESS)
		result = nodes_get(to, count, &afters);
	pthread_mutex_lock(&graph_lock);
	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		if (befores[i]->graph != graph || afters[i]->graph != graph)
			result = CUDA_ERROR_INVALID_VALUE;
		else if (add)
			result = add_edge(afters[i], befores[i]);
		else if (!depends_on(afters[i], befores[i]))
			result = CUDA_ERROR_INVALID_VALUE;
		else
			remove_edge(afters[i], befores[i]);
	}
	pthread_mutex_unlock(&graph_lock);
	nodes_put(befores, befores ? count : 0);
	nodes_put(afters, afters ? count : 0);
	return result;
}

CUresult cuGraphAddDependencies_v2(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
				   const CUgraphEdgeData *edgeData, size_t numDependencies)
{
	ENTER_DRIVER();
	if (!edges_are_plain(edgeData, numDependencies))
		return CUDA_ERROR_NOT_SUPPORTED;
	return change_edges(hGraph, from, to, numDependencies, true);
}

CUresult cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
				size_t numDependencies)
{
	return cuGraphAddDependencies_v2(hGraph, from, to, NULL, numDependencies);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph hGraph, const CUgraphNode *from,
				      const CUgraphNode *to, const CUgraphEdgeData *edgeData,
				      size_t numDependencies)
{
	ENTER_DRIVER();
	if (!edges_are_plain(edgeData, numDependencies))
		return CUDA_ERROR_INVALID_VALUE;
	return change_edges(hGraph, from, to, numDependencies, false);
}

CUresult cuGraphRemoveDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
				   size_t numDependencies)
{
	return cuGraphRemoveDependencies_v2(hGraph, from, to, NULL, numDependencies);
}

CUresult cuGraphDestroyNode(CUgraphNode hNode)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, hNode);
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	ENTER_DRIVER();
	if (!node)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	if (node->graph) {
		remove_node(node->graph, node);
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}
