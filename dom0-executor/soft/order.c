/* SPDX-License-Identifier: MIT */
/* A graph as a list that can be run from front to back. The graphs' lock is held by the callers. */
#include "dom0-executor/soft/graph.h"

#include <stdlib.h>

#define NOT_PLACED SIZE_MAX

void order_free(struct soft_order *order)
{
	for (size_t i = 0; i < order->count; i++) {
		object_put(order->items[i].node);
		work_put(order->items[i].work);
		free(order->items[i].before);
	}
	free(order->items);
	*order = (struct soft_order){0};
}

static struct soft_item *append(struct soft_order *order)
{
	struct soft_item *grown = realloc(order->items, (order->count + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	order->items = grown;
	grown[order->count] = (struct soft_item){0};
	return &grown[order->count++];
}

static bool is_ready(const struct soft_node *node)
{
	for (size_t i = 0; i < node->before_count; i++)
		if (node->before[i]->mark == NOT_PLACED)
			return false;
	return true;
}

static CUresult place(struct soft_node *node, struct soft_order *order);

/* A child graph's nodes come in its node's place; the node itself marks their end. */
static CUresult place_child(const struct soft_graph *child, struct soft_order *order)
{
	size_t placed = 0, before;
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < child->count; i++)
		child->nodes[i]->mark = NOT_PLACED;
	do {
		before = placed;
		for (size_t i = 0; i < child->count && result == CUDA_SUCCESS; i++) {
			struct soft_node *node = child->nodes[i];

			if (node->mark != NOT_PLACED || !is_ready(node))
				continue;
			result = place(node, order);
			placed++;
		}
	} while (placed > before && placed < child->count && result == CUDA_SUCCESS);
	if (result == CUDA_SUCCESS && placed < child->count)
		return CUDA_ERROR_INVALID_VALUE; /* a cycle */
	return result;
}

static CUresult place(struct soft_node *node, struct soft_order *order)
{
	CUresult result = node->child ? place_child(node->child, order) : CUDA_SUCCESS;
	struct soft_item *item = result ? NULL : append(order);

	if (!item)
		return result ? result : CUDA_ERROR_OUT_OF_MEMORY;
	item->node = object_ref(node);
	if (node->type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
		result = conditional_instantiate(node->work, &item->work);
	else
		item->work = work_ref(node->work);
	if (result != CUDA_SUCCESS)
		return result;
	item->type = node->type;
	item->before = calloc(node->before_count + 1, sizeof(*item->before));
	if (!item->before)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < node->before_count; i++)
		item->before[item->before_count++] = node->before[i]->mark;
	node->mark = order->count - 1;
	return CUDA_SUCCESS;
}

CUresult order_make(const struct soft_graph *graph, struct soft_order *order)
{
	CUresult result;

	*order = (struct soft_order){0};
	result = place_child(graph, order);
	if (result != CUDA_SUCCESS)
		order_free(order);
	return result;
}

/* --- as work --------------------------------------------------------------------------------- */

struct order_work {
	struct soft_work work;
	struct soft_exec *exec; /* a reference, or NULL */
	size_t count;
	struct soft_work *works[]; /* references */
};

void order_reset(struct soft_work *work)
{
	struct order_work *order = (struct order_work *)work;

	for (size_t i = 0; i < order->count; i++)
		if (order->works[i]->type->node == CU_GRAPH_NODE_TYPE_CONDITIONAL)
			conditional_reset(order->works[i]);
}

static CUresult order_run(struct soft_work *work, struct soft_stream *stream)
{
	struct order_work *order = (struct order_work *)work;
	CUresult result = CUDA_SUCCESS;

	/* Bodies of conditional nodes run as orders too, but are no launch. */
	if (order->exec)
		order_reset(work);
	for (size_t i = 0; i < order->count && result == CUDA_SUCCESS; i++)
		result = order->works[i]->type->run(order->works[i], stream);
	return result;
}

/* Events of the graph stand for the whole launch; so does the next launch's wait. */
static void order_queued(struct soft_work *work, struct soft_stream *stream, uint64_t seq)
{
	struct order_work *order = (struct order_work *)work;

	for (size_t i = 0; i < order->count; i++)
		if (order->works[i]->type->queued)
			order->works[i]->type->queued(order->works[i], stream, seq);
	if (order->exec) {
		struct soft_stream *before = order->exec->last.stream;

		order->exec->last = (struct soft_point){object_ref(stream), seq};
		object_put(before);
	}
}

static void order_destroy(struct soft_work *work)
{
	struct order_work *order = (struct order_work *)work;

	for (size_t i = 0; i < order->count; i++)
		work_put(order->works[i]);
	object_put(order->exec);
}

static const struct soft_work_type order_type = {
	.node = CU_GRAPH_NODE_TYPE_GRAPH,
	.run = order_run,
	.queued = order_queued,
	.destroy = order_destroy,
};

struct soft_work *order_work(const struct soft_order *order, struct soft_exec *exec)
{
	struct order_work *work =
		work_new(&order_type, sizeof(*work) + order->count * sizeof(work->works[0]));

	if (!work)
		return NULL;
	work->exec = object_ref(exec);
	for (size_t i = 0; i < order->count; i++)
		if (order->items[i].work && !order->items[i].disabled)
			work->works[work->count++] = work_ref(order->items[i].work);
	return &work->work;
}
