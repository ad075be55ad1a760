/* SPDX-License-Identifier: MIT */
/*
 * Stream capture: see capture.h. The graphs' lock guards captures; what events remember of them is
 * under the scheduler's lock, taken inside. While nothing captures, the cost is one atomic load.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/event.h"
#include "dom0-executor/soft/graph.h"

#include <stdlib.h>
#include <string.h>

struct soft_capture {
	struct soft_object object; /* counted only, without a handle */
	unsigned long long id;
	CUstreamCaptureMode mode;
	CUstreamCaptureStatus status; /* NONE: it has ended */
	struct soft_graph *graph;     /* a reference */
	bool graph_is_callers;
	struct soft_stream *origin; /* to compare only */
	pthread_t thread;           /* that began it */
	struct soft_context *ctx;   /* to compare only */
	struct soft_capture *next;  /* all that have not ended; not references */
	CUgraphNode *told;          /* dependencies as last given to the application */
	CUgraphEdgeData *told_data;
};

static struct soft_capture *captures;
static atomic_uint capture_count; /* length of that list */
static unsigned long long last_id;

static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

/* --- life ------------------------------------------------------------------------------------ */

static void capture_destroy(struct soft_object *object)
{
	struct soft_capture *capture = (struct soft_capture *)object;

	object_put(capture->graph);
	free(capture->told);
	free(capture->told_data);
	free(capture);
}

void captured_clear(struct soft_captured *captured)
{
	object_put(captured->capture);
	nodes_put(captured->nodes, captured->count);
	*captured = (struct soft_captured){0};
}

void capture_leave(struct soft_stream *stream)
{
	object_put(stream->capture);
	nodes_put(stream->nodes, stream->node_count);
	stream->capture = NULL;
	stream->nodes = NULL;
	stream->node_count = 0;
}

static void invalidate(struct soft_capture *capture)
{
	if (capture->status == CU_STREAM_CAPTURE_STATUS_ACTIVE)
		capture->status = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
}

/* It is over: no stream finds it any more. */
static void capture_end(struct soft_capture *capture)
{
	for (struct soft_capture **at = &captures; *at; at = &(*at)->next) {
		if (*at == capture) {
			*at = capture->next;
			atomic_fetch_sub(&capture_count, 1);
			break;
		}
	}
	capture->status = CU_STREAM_CAPTURE_STATUS_NONE;
}

/* The stream's capture, if it has not ended meanwhile. The lock is held. */
static struct soft_capture *capture_of(struct soft_stream *stream)
{
	if (stream->capture && stream->capture->status == CU_STREAM_CAPTURE_STATUS_NONE)
		capture_leave(stream);
	return stream->capture;
}

void capture_abandon(struct soft_stream *stream)
{
	struct soft_capture *capture;

	if (!atomic_load(&capture_count))
		return;
	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	if (capture)
		invalidate(capture);
	if (capture && capture->origin == stream) {
		capture_end(capture);
		if (!capture->graph_is_callers)
			graph_retire(capture->graph);
		capture_leave(stream);
	}
	pthread_mutex_unlock(&graph_lock);
}

/* --- nodes out of work ----------------------------------------------------------------------- */

/* What the next node of the stream depends on is now this one node, or nothing. */
static CUresult set_nodes(struct soft_stream *stream, struct soft_node *const *nodes, size_t count)
{
	struct soft_node **copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < count; i++)
		copy[i] = object_ref(nodes[i]);
	nodes_put(stream->nodes, stream->node_count);
	stream->nodes = copy;
	stream->node_count = count;
	return CUDA_SUCCESS;
}

static bool has_node(const struct soft_stream *stream, const struct soft_node *node)
{
	for (size_t i = 0; i < stream->node_count; i++)
		if (stream->nodes[i] == node)
			return true;
	return false;
}

static CUresult merge_nodes(struct soft_stream *stream, struct soft_node *const *nodes,
			    size_t count)
{
	struct soft_node **grown =
		realloc(stream->nodes, (stream->node_count + count + 1) * sizeof(*grown));

	if (!grown)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stream->nodes = grown;
	for (size_t i = 0; i < count; i++)
		if (!has_node(stream, nodes[i]))
			grown[stream->node_count++] = object_ref(nodes[i]);
	return CUDA_SUCCESS;
}

static CUresult add_work(struct soft_stream *stream, struct soft_work *work)
{
	struct soft_node *node = NULL;
	CUresult result;

	result = graph_add(stream->capture->graph, work->type->node, work_ref(work), stream->nodes,
			   stream->node_count, &node);
	return result ? result : set_nodes(stream, &node, 1);
}

/* Whether a capture of a stream that the legacy stream would wait for is going on. */
static bool legacy_would_wait(const struct soft_stream *stream)
{
	bool waits = false;

	for (struct soft_capture *capture = captures; capture; capture = capture->next) {
		if (capture->ctx != stream->object.ctx ||
		    capture->origin->flags & CU_STREAM_NON_BLOCKING)
			continue;
		invalidate(capture);
		waits = true;
	}
	return waits;
}

bool capture_takes(struct soft_stream *stream, struct soft_work *work, enum soft_how how,
		   CUresult *result)
{
	struct soft_capture *capture;
	bool taken = true;

	if (!atomic_load(&capture_count))
		return false;
	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	if (!capture) {
		taken = stream->legacy && legacy_would_wait(stream);
		*result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	} else if (capture->status == CU_STREAM_CAPTURE_STATUS_INVALIDATED) {
		*result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	} else if (how == SOFT_WAIT) {
		invalidate(capture);
		*result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	} else {
		*result = add_work(stream, work);
	}
	pthread_mutex_unlock(&graph_lock);
	return taken;
}

bool capture_is_on(struct soft_stream *stream)
{
	bool on;

	if (!atomic_load(&capture_count))
		return false;
	pthread_mutex_lock(&graph_lock);
	on = capture_of(stream) != NULL;
	pthread_mutex_unlock(&graph_lock);
	return on;
}

CUresult capture_forbids(struct soft_context *ctx, struct soft_stream *stream)
{
	CUresult result = CUDA_SUCCESS;

	if (!atomic_load(&capture_count))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&graph_lock);
	for (struct soft_capture *capture = captures; capture; capture = capture->next) {
		bool mine = pthread_equal(capture->thread, pthread_self());
		bool global = capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
			      thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
		bool local = mine && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
		bool named = stream && capture_of(stream) == capture;

		if (!named && (stream || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED ||
			       (!global && !local)))
			continue;
		if (capture->ctx != ctx && !named)
			continue;
		invalidate(capture);
		result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

/* --- events ---------------------------------------------------------------------------------- */

static CUresult record(struct soft_stream *stream, struct soft_event *event)
{
	struct soft_captured captured = {.count = stream->node_count}, before;

	captured.nodes = calloc(captured.count ? captured.count : 1, sizeof(*captured.nodes));
	if (!captured.nodes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	captured.capture = object_ref(stream->capture);
	for (size_t i = 0; i < captured.count; i++)
		captured.nodes[i] = object_ref(stream->nodes[i]);
	pthread_mutex_lock(&sched_lock);
	before = event->captured;
	event->captured = captured;
	pthread_mutex_unlock(&sched_lock);
	captured_clear(&before);
	return CUDA_SUCCESS;
}

bool capture_records(struct soft_stream *stream, struct soft_event *event, CUresult *result)
{
	struct soft_capture *capture;

	if (!atomic_load(&capture_count))
		return false;
	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	if (capture)
		*result = capture->status == CU_STREAM_CAPTURE_STATUS_ACTIVE
				  ? record(stream, event)
				  : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	pthread_mutex_unlock(&graph_lock);
	return capture != NULL;
}

/* The stream waits for an event of a capture: it joins it, or already takes part. */
static CUresult join(struct soft_stream *stream, struct soft_event *event)
{
	const struct soft_captured *captured = &event->captured;

	if (captured->capture->status == CU_STREAM_CAPTURE_STATUS_NONE)
		return CUDA_ERROR_CAPTURED_EVENT;
	if (captured->capture->status == CU_STREAM_CAPTURE_STATUS_INVALIDATED)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	if (stream->legacy) {
		invalidate(captured->capture);
		return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	}
	if (!stream->capture)
		stream->capture = object_ref(captured->capture);
	if (stream->capture != captured->capture) {
		invalidate(captured->capture);
		invalidate(stream->capture);
		return CUDA_ERROR_STREAM_CAPTURE_MERGE;
	}
	return merge_nodes(stream, captured->nodes, captured->count);
}

bool capture_waits(struct soft_stream *stream, struct soft_event *event, unsigned int flags,
		   CUresult *result)
{
	struct soft_capture *capture;
	bool taken = true;

	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	if (capture && flags & CU_EVENT_WAIT_EXTERNAL) {
		struct soft_work *work = event_wait_work(event);

		*result = work ? add_work(stream, work) : CUDA_ERROR_OUT_OF_MEMORY;
		work_put(work);
	} else {
		/* Events change what they captured with both locks held, or with none but their own. */
		pthread_mutex_lock(&sched_lock);
		if (event->captured.capture) {
			*result = join(stream, event);
		} else if (capture && event->recorded) {
			invalidate(capture);
			*result = CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
		} else {
			taken = capture != NULL;
			*result = CUDA_SUCCESS;
		}
		pthread_mutex_unlock(&sched_lock);
	}
	pthread_mutex_unlock(&graph_lock);
	return taken;
}

/* --- the calls ------------------------------------------------------------------------------- */

static CUresult begin(struct soft_stream *stream, CUstreamCaptureMode mode,
		      struct soft_graph *graph, bool graph_is_callers)
{
	struct soft_capture *capture =
		object_new(SOFT_CAPTURE, sizeof(*capture), NULL, capture_destroy);

	if (!capture)
		return CUDA_ERROR_OUT_OF_MEMORY;
	capture->id = ++last_id;
	capture->mode = mode;
	capture->status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
	capture->graph = object_ref(graph);
	capture->graph_is_callers = graph_is_callers;
	capture->origin = stream;
	capture->ctx = stream->object.ctx;
	capture->thread = pthread_self();
	capture->next = captures;
	captures = capture;
	atomic_fetch_add(&capture_count, 1);
	stream->capture = capture;
	return CUDA_SUCCESS;
}

CUresult cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph,
				     const CUgraphNode *dependencies,
				     const CUgraphEdgeData *dependencyData, size_t numDependencies,
				     CUstreamCaptureMode mode)
{
	struct soft_graph *graph auto_put = NULL;
	struct soft_node **nodes = NULL;
	bool callers = hGraph != NULL;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	(void)dependencyData;
	if ((int)mode < 0 || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	result = nodes_get(dependencies, numDependencies, &nodes);
	if (result == CUDA_SUCCESS && stream->legacy) {
		nodes_put(nodes, numDependencies);
		result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&graph_lock);
	if (callers)
		graph = object_get(SOFT_GRAPH, hGraph);
	else if (graph_create(&graph) == CUDA_SUCCESS)
		object_ref(graph); /* ours, besides the table's */
	if (!graph || capture_of(stream))
		result = graph ? CUDA_ERROR_ILLEGAL_STATE : CUDA_ERROR_INVALID_VALUE;
	else
		result = begin(stream, mode, graph, callers);
	if (result == CUDA_SUCCESS)
		result = set_nodes(stream, nodes, numDependencies);
	else if (graph && !callers)
		graph_retire(graph);
	pthread_mutex_unlock(&graph_lock);
	nodes_put(nodes, numDependencies);
	return result;
}

CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
	return cuStreamBeginCaptureToGraph(hStream, NULL, NULL, NULL, 0, mode);
}

CUresult cuStreamBeginCapture(CUstream hStream)
{
	return cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

/* Whether a node that nothing depends on is not among the origin's last: a stream did not come back. */
static bool is_unjoined(const struct soft_stream *stream, const struct soft_graph *graph)
{
	for (size_t i = 0; i < graph->count; i++)
		graph->nodes[i]->mark = 0;
	for (size_t i = 0; i < graph->count; i++)
		for (size_t j = 0; j < graph->nodes[i]->before_count; j++)
			graph->nodes[i]->before[j]->mark = 1;
	for (size_t i = 0; i < graph->count; i++)
		if (!graph->nodes[i]->mark && !has_node(stream, graph->nodes[i]))
			return true;
	return false;
}

static CUresult end(struct soft_stream *stream, CUgraph *phGraph)
{
	struct soft_capture *capture = capture_of(stream);
	CUresult result = CUDA_SUCCESS;

	if (!capture)
		return CUDA_ERROR_ILLEGAL_STATE;
	if (capture->origin != stream)
		return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
	    !pthread_equal(capture->thread, pthread_self()))
		return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	if (capture->status == CU_STREAM_CAPTURE_STATUS_INVALIDATED)
		result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	else if (!capture->graph_is_callers && is_unjoined(stream, capture->graph))
		result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
	capture_end(capture);
	*phGraph = result ? NULL : object_handle(capture->graph);
	if (result != CUDA_SUCCESS && !capture->graph_is_callers)
		graph_retire(capture->graph);
	capture_leave(stream);
	return result;
}

CUresult cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
	CUresult result;

	ENTER_STREAM_ALONE(ctx, stream, hStream);
	if (!phGraph)
		return capture_is_on(stream) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_ILLEGAL_STATE;
	pthread_mutex_lock(&graph_lock);
	result = end(stream, phGraph);
	pthread_mutex_unlock(&graph_lock);
	return result;
}

/* Handles of what the next node depends on, kept until the next such question. */
static CUresult tell_nodes(struct soft_stream *stream, const CUgraphNode **nodes,
			   const CUgraphEdgeData **data)
{
	struct soft_capture *capture = stream->capture;
	size_t count = stream->node_count + 1;
	CUgraphNode *told = realloc(capture->told, count * sizeof(*told));
	CUgraphEdgeData *told_data = realloc(capture->told_data, count * sizeof(*told_data));

	if (told)
		capture->told = told;
	if (told_data)
		capture->told_data = told_data;
	if (!told || !told_data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memset(told_data, 0, count * sizeof(*told_data));
	for (size_t i = 0; i < stream->node_count; i++)
		told[i] = object_handle(stream->nodes[i]);
	if (nodes)
		*nodes = told;
	if (data)
		*data = told_data;
	return CUDA_SUCCESS;
}

CUresult cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				   cuuint64_t *id_out, CUgraph *graph_out,
				   const CUgraphNode **dependencies_out,
				   const CUgraphEdgeData **edgeData_out,
				   size_t *numDependencies_out)
{
	struct soft_capture *capture;
	CUresult result = CUDA_SUCCESS;

	ENTER_STREAM(ctx, stream, hStream);
	if (!captureStatus_out)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	*captureStatus_out = capture ? capture->status : CU_STREAM_CAPTURE_STATUS_NONE;
	if (stream->legacy && legacy_would_wait(stream)) {
		result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	} else if (capture && capture->status == CU_STREAM_CAPTURE_STATUS_ACTIVE) {
		if (id_out)
			*id_out = capture->id;
		if (graph_out)
			*graph_out = object_handle(capture->graph);
		if (numDependencies_out)
			*numDependencies_out = stream->node_count;
		if (dependencies_out || edgeData_out)
			result = tell_nodes(stream, dependencies_out, edgeData_out);
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				   cuuint64_t *id_out, CUgraph *graph_out,
				   const CUgraphNode **dependencies_out,
				   size_t *numDependencies_out)
{
	return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out,
					 dependencies_out, NULL, numDependencies_out);
}

CUresult cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
				cuuint64_t *id_out)
{
	return cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, NULL, NULL, NULL,
					 NULL);
}

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus)
{
	return cuStreamGetCaptureInfo_v3(hStream, captureStatus, NULL, NULL, NULL, NULL, NULL);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode *dependencies,
					      const CUgraphEdgeData *dependencyData,
					      size_t numDependencies, unsigned int flags)
{
	struct soft_node **nodes = NULL;
	struct soft_capture *capture;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	(void)dependencyData;
	if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES)
		return CUDA_ERROR_INVALID_VALUE;
	if (!capture_is_on(stream))
		return CUDA_ERROR_ILLEGAL_STATE;
	result = nodes_get(dependencies, numDependencies, &nodes);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&graph_lock);
	capture = capture_of(stream);
	for (size_t i = 0; capture && i < numDependencies; i++)
		if (nodes[i]->graph != capture->graph)
			result = CUDA_ERROR_INVALID_VALUE;
	if (!capture)
		result = CUDA_ERROR_ILLEGAL_STATE;
	else if (result == CUDA_SUCCESS && flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES)
		result = set_nodes(stream, nodes, numDependencies);
	else if (result == CUDA_SUCCESS)
		result = merge_nodes(stream, nodes, numDependencies);
	pthread_mutex_unlock(&graph_lock);
	nodes_put(nodes, numDependencies);
	return result;
}

CUresult cuStreamUpdateCaptureDependencies(CUstream hStream, CUgraphNode *dependencies,
					   size_t numDependencies, unsigned int flags)
{
	return cuStreamUpdateCaptureDependencies_v2(hStream, dependencies, NULL, numDependencies,
						    flags);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	CUstreamCaptureMode before = thread_mode;

	ENTER_DRIVER();
	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	thread_mode = *mode;
	*mode = before;
	return CUDA_SUCCESS;
}
