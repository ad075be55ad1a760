/* SPDX-License-Identifier: MIT */
/*
 * cuStreamGetCaptureInfo: the arrays that it hands out belong to the driver, so they are kept here,
 * per thread, until the thread asks again. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/memory.h"

/* What one answer may hold: a reply has 1 MiB. */
#define NODES_MAX 32768

struct arrays {
	CUgraphNode *nodes;
	CUgraphEdgeData *edges;
	unsigned int room;
};

struct info {
	CUstreamCaptureStatus status;
	cuuint64_t id;
	CUgraph graph;
	unsigned int count;
};

static __thread struct arrays arrays;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

/* At the thread's end. */
static void arrays_free(void *arg)
{
	(void)arg;
	free(arrays.nodes);
	free(arrays.edges);
	arrays = (struct arrays){0};
}

static void key_create(void)
{
	(void)pthread_key_create(&key, arrays_free);
}

static CUresult arrays_grow(unsigned int room)
{
	CUgraphNode *nodes;
	CUgraphEdgeData *edges;

	if (room > NODES_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	nodes = reallocarray(arrays.nodes, room, sizeof(*nodes));
	if (nodes)
		arrays.nodes = nodes;
	edges = reallocarray(arrays.edges, room, sizeof(*edges));
	if (edges)
		arrays.edges = edges;
	if (!nodes || !edges)
		return CUDA_ERROR_OUT_OF_MEMORY;
	arrays.room = room;
	pthread_once(&once, key_create);
	pthread_setspecific(key, &arrays);
	return CUDA_SUCCESS;
}

/* Asks, and asks again with more room where there was too little. */
static CUresult info_get(CUstream stream, struct info *info)
{
	unsigned int room = 16;
	CUresult result;

	do {
		result = arrays.room < room ? arrays_grow(room) : CUDA_SUCCESS;
		if (result)
			return result;
		*info = (struct info){0};
		memset(arrays.edges, 0, arrays.room * sizeof(*arrays.edges));
		result = rpc_vgCaptureInfo(stream, arrays.room, &info->status, &info->id,
					   &info->graph, &info->count, arrays.nodes, arrays.edges);
		room = info->count;
	} while (!result && info->count > arrays.room);
	return result;
}

/* Edges that say more than "after" must not be lost on those who do not ask for them. */
static bool edges_are_plain(const struct info *info)
{
	static const CUgraphEdgeData plain;

	for (unsigned int i = 0; i < info->count; i++) {
		if (memcmp(&arrays.edges[i], &plain, sizeof(plain)) != 0)
			return false;
	}
	return true;
}

CUresult fe_cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				      cuuint64_t *id_out, CUgraph *graph_out,
				      const CUgraphNode **dependencies_out,
				      const CUgraphEdgeData **edgeData_out,
				      size_t *numDependencies_out)
{
	struct info info;
	CUresult result;

	if (!captureStatus_out)
		return CUDA_ERROR_INVALID_VALUE;
	result = info_get(hStream, &info);
	if (result)
		return result;
	*captureStatus_out = info.status;
	if (info.status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
		return CUDA_SUCCESS;
	if (dependencies_out && !edgeData_out && !edges_are_plain(&info))
		return CUDA_ERROR_LOSSY_QUERY;
	if (id_out)
		*id_out = info.id;
	if (graph_out)
		*graph_out = info.graph;
	if (dependencies_out)
		*dependencies_out = arrays.nodes;
	if (edgeData_out)
		*edgeData_out = arrays.edges;
	if (numDependencies_out)
		*numDependencies_out = info.count;
	return CUDA_SUCCESS;
}

atomic_int fe_captures;

static CUresult begun(CUresult result)
{
	if (!result)
		atomic_fetch_add(&fe_captures, 1);
	return result;
}

CUresult fe_cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
	fe_memory_capture_begins();
	return begun(rpc_cuStreamBeginCapture_v2(hStream, mode));
}

CUresult fe_cuStreamBeginCapture(CUstream hStream)
{
	return fe_cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult fe_cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph,
					const CUgraphNode *dependencies,
					const CUgraphEdgeData *dependencyData,
					size_t numDependencies, CUstreamCaptureMode mode)
{
	fe_memory_capture_begins();
	return begun(rpc_cuStreamBeginCaptureToGraph(hStream, hGraph, dependencies, dependencyData,
						     numDependencies, mode));
}

/* Whether it succeeds or not, the capture has ended, unless it was none. */
CUresult fe_cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
	CUresult result = rpc_cuStreamEndCapture(hStream, phGraph);
	int count = atomic_load(&fe_captures);

	switch (result) {
	case CUDA_SUCCESS:
	case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
	case CUDA_ERROR_STREAM_CAPTURE_UNJOINED:
	case CUDA_ERROR_STREAM_CAPTURE_UNMATCHED:
		while (count > 0 && !atomic_compare_exchange_weak(&fe_captures, &count, count - 1))
			;
		break;
	default: break;
	}
	return result;
}

CUresult fe_capture_allows(void)
{
	CUdeviceptr probe;
	CUresult result;

	/* A thread without a context cannot ask, and what it frees is nobody's capture. */
	if (!atomic_load(&fe_captures) || fe_context_needed())
		return CUDA_SUCCESS;
	result = rpc_cuMemAlloc_v2(&probe, 1);
	return result ? result : rpc_cuMemFree_v2(probe);
}

CUresult fe_capture_refuses(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
	CUresult result;

	if (!atomic_load(&fe_captures))
		return CUDA_SUCCESS;
	result = rpc_cuStreamIsCapturing(stream, &status);
	if (result || status == CU_STREAM_CAPTURE_STATUS_NONE)
		return result;
	return rpc_cuStreamSynchronize(stream);
}

CUresult fe_cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				      cuuint64_t *id_out, CUgraph *graph_out,
				      const CUgraphNode **dependencies_out,
				      size_t *numDependencies_out)
{
	return fe_cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out,
					    dependencies_out, NULL, numDependencies_out);
}

CUresult fe_cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				   cuuint64_t *id_out)
{
	return fe_cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, NULL, NULL, NULL,
					    NULL);
}
