/* SPDX-License-Identifier: MIT */
/*
 * Conditional nodes: graphs that run, or do not, or again and again, by a value that kernels set. The
 * value belongs to a handle, which is a number. A node's bodies are graphs that programs fill until
 * the whole is instantiated. The graphs' lock guards the structure.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/node.h"

#include <stdlib.h>

#define BODIES_MAX 1024u

struct soft_conditional {
	struct soft_object object;
	struct soft_conditional *next; /* of the same graph */
	atomic_uint value;
	unsigned int default_value;
	bool has_default; /* assigned when a launch begins */
};

/* What a node holds: the program's view. */
struct conditional_work {
	struct soft_work work;
	struct soft_conditional *handle; /* a reference */
	CUDA_CONDITIONAL_NODE_PARAMS params;
	struct soft_graph **bodies; /* references */
	CUgraph graphs[];           /* their handles, which params.phGraph_out points to */
};

/* What an executable graph runs. */
struct choice_work {
	struct soft_work work;
	struct soft_conditional *handle; /* a reference */
	CUgraphConditionalNodeType type;
	unsigned int size;
	struct soft_work *bodies[]; /* references */
};

/* --- handles ------------------------------------------------------------------------------------ */

static void conditional_destroy(struct soft_object *object)
{
	free(object);
}

void conditionals_retire(struct soft_conditional *first)
{
	while (first) {
		struct soft_conditional *next = first->next;

		if (object_retire(first))
			object_put(first); /* the table's */
		object_put(first);         /* the graph's */
		first = next;
	}
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle *pHandle_out, CUgraph hGraph,
					CUcontext ctx, unsigned int defaultLaunchValue,
					unsigned int flags)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_conditional *conditional;
	CUresult result;

	ENTER_DRIVER();
	CHECK_CONTEXT_NAMED(ctx);
	if (!pHandle_out || !graph || flags & ~(unsigned int)CU_GRAPH_COND_ASSIGN_DEFAULT)
		return CUDA_ERROR_INVALID_VALUE;
	conditional = object_new(SOFT_CONDITIONAL, sizeof(*conditional), NULL, conditional_destroy);
	if (!conditional)
		return CUDA_ERROR_OUT_OF_MEMORY;
	conditional->default_value = defaultLaunchValue;
	conditional->has_default = flags & CU_GRAPH_COND_ASSIGN_DEFAULT;
	result = object_publish(object_ref(conditional));
	if (result != CUDA_SUCCESS) {
		object_put(conditional);
		return result;
	}
	pthread_mutex_lock(&graph_lock);
	conditional->next = graph->conditionals;
	graph->conditionals = conditional;
	pthread_mutex_unlock(&graph_lock);
	*pHandle_out = conditional->object.handle;
	return CUDA_SUCCESS;
}

bool conditional_set(uint64_t handle, unsigned int value)
{
	struct soft_conditional *conditional auto_put = object_get_number(SOFT_CONDITIONAL, handle);

	if (conditional)
		atomic_store(&conditional->value, value);
	return conditional != NULL;
}

/* --- nodes --------------------------------------------------------------------------------------- */

static CUresult node_only_run(struct soft_work *work, struct soft_stream *stream)
{
	(void)work;
	(void)stream;
	return CUDA_ERROR_ILLEGAL_STATE; /* only what is instantiated runs */
}

static void node_work_destroy(struct soft_work *work)
{
	struct conditional_work *node = (struct conditional_work *)work;

	for (unsigned int i = 0; node->bodies && i < node->params.size; i++) {
		if (node->bodies[i])
			graph_retire(node->bodies[i]);
		object_put(node->bodies[i]);
	}
	free(node->bodies);
	object_put(node->handle);
}

static const struct soft_work_type node_type = {
	.node = CU_GRAPH_NODE_TYPE_CONDITIONAL,
	.run = node_only_run,
	.destroy = node_work_destroy,
};

static bool params_are_valid(const CUDA_CONDITIONAL_NODE_PARAMS *params)
{
	switch ((int)params->type) {
	case CU_GRAPH_COND_TYPE_IF: return params->size == 1 || params->size == 2;
	case CU_GRAPH_COND_TYPE_WHILE: return params->size == 1;
	case CU_GRAPH_COND_TYPE_SWITCH: return params->size && params->size <= BODIES_MAX;
	default: return false;
	}
}

CUresult conditional_work(CUDA_CONDITIONAL_NODE_PARAMS *params, struct soft_work **out)
{
	struct conditional_work *node;
	CUresult result = CUDA_SUCCESS;

	if (!params_are_valid(params))
		return CUDA_ERROR_INVALID_VALUE;
	node = work_new(&node_type, sizeof(*node) + params->size * sizeof(node->graphs[0]));
	if (!node)
		return CUDA_ERROR_OUT_OF_MEMORY;
	node->params = *params;
	node->handle = object_get_number(SOFT_CONDITIONAL, params->handle);
	node->bodies = calloc(params->size, sizeof(struct soft_graph *));
	if (!node->handle)
		result = CUDA_ERROR_INVALID_VALUE;
	else if (!node->bodies)
		result = CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int i = 0; i < params->size && result == CUDA_SUCCESS; i++) {
		result = graph_create(&node->bodies[i]);
		if (result == CUDA_SUCCESS)
			node->graphs[i] = object_handle(object_ref(node->bodies[i]));
		else
			node->bodies[i] = NULL;
	}
	if (result != CUDA_SUCCESS) {
		work_put(&node->work);
		return result;
	}
	params->phGraph_out = node->params.phGraph_out = node->graphs;
	*out = &node->work;
	return CUDA_SUCCESS;
}

/* --- running ------------------------------------------------------------------------------------- */

static CUresult body_run(struct choice_work *choice, unsigned int which, struct soft_stream *stream)
{
	if (which >= choice->size)
		return CUDA_SUCCESS;
	return choice->bodies[which]->type->run(choice->bodies[which], stream);
}

static CUresult while_run(struct choice_work *choice, struct soft_stream *stream)
{
	CUresult result = CUDA_SUCCESS;

	while (result == CUDA_SUCCESS && atomic_load(&choice->handle->value)) {
		result = body_run(choice, 0, stream);
		if (result == CUDA_SUCCESS)
			result = context_error(stream->object.ctx);
		if (!atomic_load(&stream->object.ctx->alive))
			return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	}
	return result;
}

static CUresult choice_run(struct soft_work *work, struct soft_stream *stream)
{
	struct choice_work *choice = (struct choice_work *)work;
	unsigned int value = atomic_load(&choice->handle->value);

	switch ((int)choice->type) {
	case CU_GRAPH_COND_TYPE_IF: return body_run(choice, value ? 0 : 1, stream);
	case CU_GRAPH_COND_TYPE_WHILE: return while_run(choice, stream);
	default: return body_run(choice, value, stream);
	}
}

static void choice_destroy(struct soft_work *work)
{
	struct choice_work *choice = (struct choice_work *)work;

	for (unsigned int i = 0; i < choice->size; i++)
		work_put(choice->bodies[i]);
	object_put(choice->handle);
}

static const struct soft_work_type choice_type = {
	.node = CU_GRAPH_NODE_TYPE_CONDITIONAL,
	.run = choice_run,
	.destroy = choice_destroy,
};

void conditional_reset(struct soft_work *work)
{
	struct choice_work *choice = (struct choice_work *)work;

	if (choice->handle->has_default)
		atomic_store(&choice->handle->value, choice->handle->default_value);
	for (unsigned int i = 0; i < choice->size; i++)
		order_reset(choice->bodies[i]);
}

CUresult conditional_instantiate(struct soft_work *work, struct soft_work **out)
{
	struct conditional_work *node = (struct conditional_work *)work;
	unsigned int size = node->params.size;
	struct choice_work *choice =
		work_new(&choice_type, sizeof(*choice) + size * sizeof(choice->bodies[0]));
	CUresult result = CUDA_SUCCESS;

	if (!choice)
		return CUDA_ERROR_OUT_OF_MEMORY;
	choice->type = node->params.type;
	choice->handle = object_ref(node->handle);
	choice->size = size;
	for (unsigned int i = 0; i < size && result == CUDA_SUCCESS; i++) {
		struct soft_order order;

		result = order_make(node->bodies[i], &order);
		if (result != CUDA_SUCCESS)
			break;
		choice->bodies[i] = order_work(&order, NULL);
		order_free(&order);
		if (!choice->bodies[i])
			result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result != CUDA_SUCCESS) {
		work_put(&choice->work);
		return result;
	}
	*out = &choice->work;
	return CUDA_SUCCESS;
}
