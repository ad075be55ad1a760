/* SPDX-License-Identifier: MIT */
/* A graph as text for Graphviz's dot. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/launch.h"

#include <stdio.h>

static const char *type_name(CUgraphNodeType type)
{
	switch ((int)type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: return "KERNEL";
	case CU_GRAPH_NODE_TYPE_MEMCPY: return "MEMCPY";
	case CU_GRAPH_NODE_TYPE_MEMSET: return "MEMSET";
	case CU_GRAPH_NODE_TYPE_HOST: return "HOST";
	case CU_GRAPH_NODE_TYPE_GRAPH: return "GRAPH";
	case CU_GRAPH_NODE_TYPE_EMPTY: return "EMPTY";
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return "WAIT_EVENT";
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return "EVENT_RECORD";
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return "MEM_ALLOC";
	case CU_GRAPH_NODE_TYPE_MEM_FREE: return "MEM_FREE";
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return "BATCH_MEM_OP";
	case CU_GRAPH_NODE_TYPE_CONDITIONAL: return "CONDITIONAL";
	default: return "?";
	}
}

/* Nodes are numbered as they were made, below their graph's number. */
static void write_graph(FILE *file, const struct soft_graph *graph, unsigned int *number)
{
	unsigned int own = (*number)++;

	fprintf(file, "subgraph cluster_%u {\nlabel=\"graph_%u\" graph[style=\"dashed\"];\n", own,
		own);
	for (size_t i = 0; i < graph->count; i++) {
		graph->nodes[i]->mark = i;
		fprintf(file, "\"graph_%u_node_%zu\"[label=\"%zu\\n%s\"];\n", own, i, i,
			type_name(graph->nodes[i]->type));
	}
	for (size_t i = 0; i < graph->count; i++)
		for (size_t j = 0; j < graph->nodes[i]->before_count; j++)
			fprintf(file, "\"graph_%u_node_%zu\" -> \"graph_%u_node_%zu\";\n", own,
				graph->nodes[i]->before[j]->mark, own, i);
	fprintf(file, "}\n");
	for (size_t i = 0; i < graph->count; i++)
		if (graph->nodes[i]->child)
			write_graph(file, graph->nodes[i]->child, number);
}

CUresult cuGraphDebugDotPrint(CUgraph hGraph, const char *path, unsigned int flags)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	unsigned int number = 0;
	FILE *file;

	ENTER_DRIVER();
	(void)flags; /* all that there is to tell is told */
	if (!graph || !path)
		return CUDA_ERROR_INVALID_VALUE;
	file = fopen(path, "we");
	if (!file)
		return CUDA_ERROR_OPERATING_SYSTEM;
	pthread_mutex_lock(&graph_lock);
	fprintf(file, "digraph dot {\n");
	write_graph(file, graph, &number);
	fprintf(file, "}\n");
	pthread_mutex_unlock(&graph_lock);
	return fclose(file) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}
