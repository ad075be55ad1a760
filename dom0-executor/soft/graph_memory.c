/* SPDX-License-Identifier: MIT */
/*
 * Memory that graphs allocate. It is there from the node's making until the last graph or executable
 * graph with the node has gone, freed in between or not: its address is what CUDA promises, and more
 * memory than asked for is in use. What is freed is not taken away, so a use after that is not found out.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/memory.h"
#include "dom0-executor/soft/node.h"

#include <stdlib.h>
#include <string.h>

struct alloc_work {
	struct soft_work work;
	struct soft_device *device;
	CUDA_MEM_ALLOC_NODE_PARAMS params; /* accessDescs: owned */
	atomic_bool live;                  /* it has run, and nothing has freed it since */
};

struct graph_free_work {
	struct soft_work work;
	CUdeviceptr dptr;
};

static void graph_count(struct soft_device *device, size_t size, bool more)
{
	pthread_mutex_lock(&device->lock);
	device->graph_used += more ? size : -size;
	if (device->graph_used > device->graph_high)
		device->graph_high = device->graph_used;
	pthread_mutex_unlock(&device->lock);
}

static CUresult alloc_run(struct soft_work *work, struct soft_stream *stream)
{
	struct alloc_work *alloc = (struct alloc_work *)work;

	(void)stream;
	if (!atomic_exchange(&alloc->live, true))
		graph_count(alloc->device, alloc->params.bytesize, true);
	return CUDA_SUCCESS;
}

static void alloc_free(struct alloc_work *alloc)
{
	if (atomic_exchange(&alloc->live, false))
		graph_count(alloc->device, alloc->params.bytesize, false);
}

bool graph_memory_free(CUdeviceptr dptr)
{
	struct soft_range *range = range_pin(dptr);
	bool is = range && range->kind == RANGE_GRAPH && range->base == dptr;

	if (is)
		alloc_free(range->graph_alloc);
	range_unpin(range);
	return is;
}

static CUresult free_run(struct soft_work *work, struct soft_stream *stream)
{
	(void)stream;
	(void)graph_memory_free(((struct graph_free_work *)work)->dptr);
	return CUDA_SUCCESS;
}

static void alloc_destroy(struct soft_work *work)
{
	struct alloc_work *alloc = (struct alloc_work *)work;

	alloc_free(alloc);
	if (alloc->params.dptr)
		memory_free(range_take(alloc->params.dptr, RANGE_GRAPH));
	free((void *)alloc->params.accessDescs);
}

static const struct soft_work_type alloc_type = {
	.node = CU_GRAPH_NODE_TYPE_MEM_ALLOC,
	.run = alloc_run,
	.destroy = alloc_destroy,
};

static const struct soft_work_type graph_free_type = {
	.node = CU_GRAPH_NODE_TYPE_MEM_FREE,
	.run = free_run,
};

static bool access_is_valid(const CUDA_MEM_ALLOC_NODE_PARAMS *params)
{
	if (params->accessDescCount > SOFT_DEVICES_MAX ||
	    (params->accessDescCount && !params->accessDescs))
		return false;
	for (size_t i = 0; i < params->accessDescCount; i++)
		if (params->accessDescs[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
		    !device_of(params->accessDescs[i].location.id))
			return false;
	return true;
}

static CUresult alloc_fill(struct alloc_work *alloc, const CUDA_MEM_ALLOC_NODE_PARAMS *params)
{
	size_t bytes = params->accessDescCount * sizeof(*params->accessDescs);
	struct soft_range *range;
	CUresult result;

	alloc->params = *params;
	alloc->params.accessDescs = NULL;
	alloc->params.dptr = 0;
	if (bytes) {
		CUmemAccessDesc *copy = malloc(bytes);

		if (!copy)
			return CUDA_ERROR_OUT_OF_MEMORY;
		memcpy(copy, params->accessDescs, bytes);
		alloc->params.accessDescs = copy;
	}
	result = memory_alloc(alloc->device, NULL, RANGE_GRAPH, params->bytesize, 0, &range);
	if (result == CUDA_SUCCESS) {
		range->graph_alloc = alloc;
		alloc->params.dptr = range->base;
	}
	return result;
}

CUresult graph_alloc_work(struct soft_device *device, const CUDA_MEM_ALLOC_NODE_PARAMS *params,
			  struct soft_work **work, CUdeviceptr *dptr)
{
	struct alloc_work *alloc;
	CUresult result;

	if (!params->bytesize || !access_is_valid(params))
		return CUDA_ERROR_INVALID_VALUE;
	alloc = work_new(&alloc_type, sizeof(*alloc));
	if (!alloc)
		return CUDA_ERROR_OUT_OF_MEMORY;
	alloc->device = device;
	result = alloc_fill(alloc, params);
	if (result != CUDA_SUCCESS) {
		work_put(&alloc->work);
		return result;
	}
	*work = &alloc->work;
	*dptr = alloc->params.dptr;
	return CUDA_SUCCESS;
}

struct soft_work *graph_free_work(CUdeviceptr dptr)
{
	struct graph_free_work *work = work_new(&graph_free_type, sizeof(*work));

	if (!work)
		return NULL;
	work->dptr = dptr;
	return &work->work;
}

bool memory_is_graphs(CUdeviceptr dptr)
{
	struct soft_range *range = range_pin(dptr);
	bool is = range && range->kind == RANGE_GRAPH && range->base == dptr;

	range_unpin(range);
	return is;
}

/* --- the calls --------------------------------------------------------------------------------- */

CUresult cuGraphAddMemAllocNode(CUgraphNode *phGraphNode, CUgraph hGraph,
				const CUgraphNode *dependencies, size_t numDependencies,
				CUDA_MEM_ALLOC_NODE_PARAMS *nodeParams)
{
	struct node_made made = {CUDA_ERROR_INVALID_VALUE, NULL};
	struct soft_device *device;

	ENTER_DRIVER();
	if (!nodeParams || nodeParams->poolProps.allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
	    nodeParams->poolProps.location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	if (nodeParams->poolProps.handleTypes != CU_MEM_HANDLE_TYPE_NONE)
		return CUDA_ERROR_NOT_SUPPORTED;
	device = device_of(nodeParams->poolProps.location.id);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	made.result = graph_alloc_work(device, nodeParams, &made.work, &nodeParams->dptr);
	return node_add(phGraphNode, hGraph, dependencies, numDependencies,
			CU_GRAPH_NODE_TYPE_MEM_ALLOC, made);
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS *params_out)
{
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_MEM_ALLOC);

	if (!work || !params_out)
		return CUDA_ERROR_INVALID_VALUE;
	*params_out = ((struct alloc_work *)work)->params;
	return CUDA_SUCCESS;
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *phGraphNode, CUgraph hGraph,
			       const CUgraphNode *dependencies, size_t numDependencies,
			       CUdeviceptr dptr)
{
	struct node_made made = {CUDA_SUCCESS, NULL};

	ENTER_DRIVER();
	if (!memory_is_graphs(dptr))
		return CUDA_ERROR_INVALID_VALUE;
	made.work = graph_free_work(dptr);
	if (!made.work)
		made.result = CUDA_ERROR_OUT_OF_MEMORY;
	return node_add(phGraphNode, hGraph, dependencies, numDependencies,
			CU_GRAPH_NODE_TYPE_MEM_FREE, made);
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode hNode, CUdeviceptr *dptr_out)
{
	struct soft_work *work auto_work_put = node_work(hNode, CU_GRAPH_NODE_TYPE_MEM_FREE);

	if (!work || !dptr_out)
		return CUDA_ERROR_INVALID_VALUE;
	*dptr_out = ((struct graph_free_work *)work)->dptr;
	return CUDA_SUCCESS;
}

/* Nothing is held in reserve, so what is reserved is what is used. */
CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value)
{
	struct soft_device *of = device_of(device);
	cuuint64_t *out = value;

	ENTER_DRIVER();
	if (!of)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!value || (unsigned int)attr > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&of->lock);
	*out = attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH ||
			       attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH
		       ? of->graph_high
		       : of->graph_used;
	pthread_mutex_unlock(&of->lock);
	return CUDA_SUCCESS;
}

/* The highs can be set back, to what there is now. */
CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void *value)
{
	struct soft_device *of = device_of(device);

	ENTER_DRIVER();
	if (!of)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!value || *(cuuint64_t *)value ||
	    (attr != CU_GRAPH_MEM_ATTR_USED_MEM_HIGH &&
	     attr != CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&of->lock);
	of->graph_high = of->graph_used;
	pthread_mutex_unlock(&of->lock);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGraphMemTrim(CUdevice device)
{
	ENTER_DRIVER();
	return device_of(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
