/* SPDX-License-Identifier: MIT */
/*
 * Executable graphs: an order of work, run as one piece of work of a stream. Nodes of one graph run
 * one after the other, which every graph allows; the graphs' lock guards the order.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/launch.h"
#include "dom0-executor/soft/node.h"

#include <stdlib.h>

#define INSTANTIATE_FLAGS                                                                       \
	(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | \
	 CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)

static void exec_destroy(struct soft_object *object)
{
	struct soft_exec *exec = (struct soft_exec *)object;

	order_free(&exec->order);
	held_put(&exec->held);
	object_put(exec->last.stream);
	free(exec);
}

static CUresult exec_create(CUgraph hGraph, unsigned long long flags, CUgraphExec *handle)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_exec *exec;
	CUresult result;

	if (!graph || !handle || flags & ~(unsigned long long)INSTANTIATE_FLAGS)
		return flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH ? CUDA_ERROR_NOT_SUPPORTED
									 : CUDA_ERROR_INVALID_VALUE;
	exec = object_new(SOFT_EXEC, sizeof(*exec), NULL, exec_destroy);
	if (!exec)
		return CUDA_ERROR_OUT_OF_MEMORY;
	exec->flags = flags;
	pthread_mutex_lock(&graph_lock);
	result = order_make(graph, &exec->order);
	if (result == CUDA_SUCCESS)
		result = held_copy(&exec->held, &graph->held);
	pthread_mutex_unlock(&graph_lock);
	if (result != CUDA_SUCCESS) {
		object_put(exec);
		return result;
	}
	result = object_publish(exec);
	if (result == CUDA_SUCCESS)
		*handle = object_handle(exec);
	return result;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph,
				     unsigned long long flags)
{
	ENTER_DRIVER();
	return exec_create(hGraph, flags, phGraphExec);
}

/* Before 12.0: an error node and a log instead of flags. */
static CUresult instantiate_old(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode,
				char *logBuffer, size_t bufferSize)
{
	ENTER_DRIVER();
	if (phErrorNode)
		*phErrorNode = NULL;
	if (logBuffer && bufferSize)
		*logBuffer = '\0';
	return exec_create(hGraph, 0, phGraphExec);
}

CUresult cuGraphInstantiate(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode,
			    char *logBuffer, size_t bufferSize)
{
	return instantiate_old(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize);
}

CUresult cuGraphInstantiate_v2(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode,
			       char *logBuffer, size_t bufferSize)
{
	return instantiate_old(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *phGraphExec, CUgraph hGraph,
				      CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	struct soft_context *ctx auto_put = NULL;
	struct soft_stream *stream auto_put = NULL;
	CUresult result;

	ENTER_DRIVER();
	if (!instantiateParams)
		return CUDA_ERROR_INVALID_VALUE;
	result = stream_enter(instantiateParams->hUploadStream, &stream, &ctx);
	if (result != CUDA_SUCCESS)
		return result;
	instantiateParams->hErrNode_out = NULL;
	result = exec_create(hGraph, instantiateParams->flags, phGraphExec);
	instantiateParams->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS
							       : CUDA_GRAPH_INSTANTIATE_ERROR;
	return result;
}

CUresult cuGraphExecDestroy(CUgraphExec hGraphExec)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);

	ENTER_DRIVER();
	if (!exec || !object_retire(exec))
		return CUDA_ERROR_INVALID_VALUE;
	object_put(exec); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuGraphExecGetFlags(CUgraphExec hGraphExec, cuuint64_t *flags)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);

	ENTER_DRIVER();
	if (!exec || !flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = exec->flags;
	return CUDA_SUCCESS;
}

/* --- launching ------------------------------------------------------------------------------- */

CUresult cuGraphUpload(CUgraphExec hGraphExec, CUstream hStream)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);

	ENTER_STREAM(ctx, stream, hStream);
	return exec ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; /* there is nowhere to upload to */
}

/* One launch of a graph ends before its next begins, in whatever stream. */
static CUresult wait_for_last(struct soft_exec *exec, struct soft_stream *stream)
{
	CUresult result = CUDA_SUCCESS;
	struct soft_point last;

	pthread_mutex_lock(&sched_lock);
	last = exec->last;
	object_ref(last.stream);
	pthread_mutex_unlock(&sched_lock);
	if (last.stream && last.stream != stream)
		result = stream_wait_point(stream, &last);
	object_put(last.stream);
	return result;
}

CUresult cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	bool captured;
	struct soft_work *work;
	CUresult result;

	ENTER_STREAM_ALONE(ctx, stream, hStream);
	if (!exec)
		return CUDA_ERROR_INVALID_VALUE;
	captured = capture_is_on(stream);
	if (!captured) {
		result = wait_for_last(exec, stream);
		if (result != CUDA_SUCCESS)
			return result;
	}
	pthread_mutex_lock(&graph_lock);
	work = order_work(&exec->order, captured ? NULL : exec);
	pthread_mutex_unlock(&graph_lock);
	return stream_submit(stream, work, SOFT_QUEUE);
}

/* --- changing -------------------------------------------------------------------------------- */

/* The item of a node; NULL: none of this type. The lock is held. */
static struct soft_item *item_of(struct soft_exec *exec, CUgraphNode handle)
{
	struct soft_node *node auto_put = object_get(SOFT_NODE, handle);

	for (size_t i = 0; node && i < exec->order.count; i++)
		if (exec->order.items[i].node == node)
			return &exec->order.items[i];
	return NULL;
}

/* Replace the work of a node in the executable graph; takes it over. */
CUresult node_exec_set_work(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeType type,
			    struct node_made made)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	struct soft_work *before = made.work;
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	struct soft_item *item;

	if (made.result != CUDA_SUCCESS)
		return made.result;
	pthread_mutex_lock(&graph_lock);
	item = exec ? item_of(exec, hNode) : NULL;
	if (item && item->type == type) {
		before = item->work;
		item->work = made.work;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	work_put(before);
	return result;
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode,
					   const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	ENTER_CONTEXT(ctx);
	return node_exec_set_work(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_KERNEL,
				  node_kernel_work(ctx, nodeParams));
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS params;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	params = node_kernel_from_v1(nodeParams);
	return cuGraphExecKernelNodeSetParams_v2(hGraphExec, hNode, &params);
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					const CUDA_MEMCPY3D *copyParams, CUcontext handle)
{
	ENTER_DRIVER();
	CHECK_CONTEXT_NAMED(handle);
	return node_exec_set_work(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_MEMCPY,
				  node_copy_work(copyParams));
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					const CUDA_MEMSET_NODE_PARAMS *memsetParams,
					CUcontext handle)
{
	ENTER_DRIVER();
	CHECK_CONTEXT_NAMED(handle);
	return node_exec_set_work(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_MEMSET,
				  node_fill_work(memsetParams));
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
				      const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	ENTER_DRIVER();
	return node_exec_set_work(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_HOST,
				  node_host_work(nodeParams));
}

static CUresult set_event(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeType type,
			  CUevent event)
{
	ENTER_DRIVER();
	return node_exec_set_work(hGraphExec, hNode, type, node_event_work(type, event));
}

CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode,
					    CUevent event)
{
	return set_event(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
}

CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event)
{
	return set_event(hGraphExec, hNode, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
}

/* A child's nodes are items of their own: the new graph must have the same ones, in the same order. */
static CUresult take_child(struct soft_exec *exec, const struct soft_item *end,
			   struct soft_order *order)
{
	size_t at = (size_t)(end - exec->order.items);

	if (order->count > at)
		return CUDA_ERROR_INVALID_VALUE;
	at -= order->count;
	for (size_t i = 0; i < order->count; i++)
		if (exec->order.items[at + i].type != order->items[i].type)
			return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < order->count; i++) {
		struct soft_work *work = exec->order.items[at + i].work;

		exec->order.items[at + i].work = order->items[i].work;
		order->items[i].work = work;
	}
	return CUDA_SUCCESS;
}

static bool same_count(const struct soft_item *end, const struct soft_graph *graph)
{
	return end->node->child && end->node->child->count == graph->count;
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
					    CUgraph childGraph)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	struct soft_graph *child auto_put = object_get(SOFT_GRAPH, childGraph);
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	struct soft_order order;
	struct soft_item *item;

	ENTER_DRIVER();
	if (!exec || !child)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	item = item_of(exec, hNode);
	if (item && item->type == CU_GRAPH_NODE_TYPE_GRAPH && same_count(item, child))
		result = order_make(child, &order);
	if (result == CUDA_SUCCESS) {
		result = take_child(exec, item, &order);
		order_free(&order);
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
				  CUgraphNodeParams *nodeParams)
{
	ENTER_CONTEXT(ctx);
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	if (nodeParams->type == CU_GRAPH_NODE_TYPE_GRAPH)
		return cuGraphExecChildGraphNodeSetParams(hGraphExec, hNode,
							  nodeParams->graph.graph);
	return node_exec_set_work(hGraphExec, hNode, nodeParams->type,
				  node_any_work(ctx, nodeParams));
}

CUresult cuGraphNodeSetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	struct soft_item *item;

	ENTER_DRIVER();
	pthread_mutex_lock(&graph_lock);
	item = exec ? item_of(exec, hNode) : NULL;
	if (item &&
	    (item->type == CU_GRAPH_NODE_TYPE_KERNEL || item->type == CU_GRAPH_NODE_TYPE_MEMCPY ||
	     item->type == CU_GRAPH_NODE_TYPE_MEMSET)) {
		item->disabled = !isEnabled;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuGraphNodeGetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int *isEnabled)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	struct soft_item *item;

	ENTER_DRIVER();
	pthread_mutex_lock(&graph_lock);
	item = exec && isEnabled ? item_of(exec, hNode) : NULL;
	if (item)
		*isEnabled = !item->disabled;
	pthread_mutex_unlock(&graph_lock);
	return item ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* --- updating -------------------------------------------------------------------------------- */

static bool same_place(const struct soft_item *a, const struct soft_item *b)
{
	if (a->type != b->type || a->before_count != b->before_count)
		return false;
	for (size_t i = 0; i < a->before_count; i++)
		if (a->before[i] != b->before[i])
			return false;
	return true;
}

/* Whether the new order can take the old one's place, and if not, why and where. */
static CUgraphExecUpdateResult compare(const struct soft_order *old, const struct soft_order *new,
				       CUgraphNode *where)
{
	*where = NULL;
	if (old->count != new->count)
		return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
	for (size_t i = 0; i < old->count; i++) {
		*where = object_handle(new->items[i].node);
		if (old->items[i].type != new->items[i].type)
			return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
		if (!same_place(&old->items[i], &new->items[i]))
			return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
	}
	*where = NULL;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

static void take_works(struct soft_order *old, struct soft_order *new)
{
	for (size_t i = 0; i < old->count; i++) {
		struct soft_work *work = old->items[i].work;

		old->items[i].work = new->items[i].work;
		new->items[i].work = work;
	}
}

CUresult cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
			      CUgraphExecUpdateResultInfo *resultInfo)
{
	struct soft_exec *exec auto_put = object_get(SOFT_EXEC, hGraphExec);
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	CUgraphExecUpdateResultInfo unasked;
	struct soft_order order;
	CUgraphNode where;
	CUresult result;

	ENTER_DRIVER();
	if (!exec || !graph)
		return CUDA_ERROR_INVALID_VALUE;
	if (!resultInfo)
		resultInfo = &unasked;
	*resultInfo = (CUgraphExecUpdateResultInfo){.result = CU_GRAPH_EXEC_UPDATE_ERROR};
	pthread_mutex_lock(&graph_lock);
	result = order_make(graph, &order);
	if (result == CUDA_SUCCESS) {
		resultInfo->result = compare(&exec->order, &order, &where);
		resultInfo->errorNode = where;
		if (resultInfo->result == CU_GRAPH_EXEC_UPDATE_SUCCESS)
			take_works(&exec->order, &order);
		else
			result = CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
		order_free(&order);
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
			   CUgraphExecUpdateResult *updateResult_out)
{
	CUgraphExecUpdateResultInfo info = {0};
	CUresult result;

	result = cuGraphExecUpdate_v2(hGraphExec, hGraph, &info);
	if (updateResult_out)
		*updateResult_out = info.result;
	if (hErrorNode_out)
		*hErrorNode_out = info.errorNode;
	return result;
}
