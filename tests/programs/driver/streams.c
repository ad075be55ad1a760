/* SPDX-License-Identifier: MIT */
/*
 * What streams and events tell of themselves and can be set to; captures from their beginning to what they depend on; in the
 * older forms too. One thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

struct data {
	CUdevice dev;
	CUcontext context;
	CUfunction append;
	CUdeviceptr state;
};

static void append(struct data *d, CUstream stream, uint32_t id)
{
	void *params[] = {&d->state, &id};

	launch_1d(d->append, 1, 1, stream, params);
}

/* --- attributes -------------------------------------------------------------------------------------------- */

static void check_told(struct data *d)
{
	int least = 0, greatest = 0, priority = 77;
	unsigned long long id = 0, other_id = 0;
	CUcontext context = NULL;
	CUstream stream = NULL, other = NULL;
	unsigned int flags = 77;
	CUdevice dev = -1;

	CU(cuCtxGetStreamPriorityRange(&least, &greatest));
	CU(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, greatest));
	CU(cuStreamCreate(&other, CU_STREAM_DEFAULT));
	CU(cuStreamGetPriority(stream, &priority));
	check_that(priority == greatest, "priority", "%d of %d to %d", priority, least, greatest);
	CU(cuStreamGetFlags(stream, &flags));
	check_that(flags == CU_STREAM_NON_BLOCKING, "flags", "%u", flags);
	CU(cuStreamGetId(stream, &id));
	CU(cuStreamGetId(other, &other_id));
	check_that(id && id != other_id, "id", "%llu and %llu", id, other_id);
	CU(cuStreamGetCtx(stream, &context));
	check_that(context == d->context, "context", "the current one");
	CU(cuStreamGetDevice(stream, &dev));
	check_that(dev == d->dev, "device", "%d", dev);
	append(d, stream, 1);
	CU(cuStreamSynchronize(stream));
	check_result("query", cuStreamQuery(stream), CUDA_SUCCESS);
	CU(cuStreamDestroy(stream));
	CU(cuStreamDestroy(other));
}

static void check_attributes(void)
{
	CUstreamAttrValue set, got;
	CUstream stream = NULL, other = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	memset(&set, 0, sizeof(set));
	set.syncPolicy = CU_SYNC_POLICY_YIELD;
	CU(cuStreamSetAttribute(stream, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, &set));
	CU(cuStreamCopyAttributes(other, stream));
	memset(&got, 0, sizeof(got));
	CU(cuStreamGetAttribute(other, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, &got));
	check_that(got.syncPolicy == CU_SYNC_POLICY_YIELD, "attribute", "policy %d, copied",
		   (int)got.syncPolicy);
	CU(cuStreamDestroy(stream));
	CU(cuStreamDestroy(other));
}

typedef CUresult (*elapsed_v1)(float *, CUevent, CUevent);

static void check_events(struct data *d)
{
	elapsed_v1 older = (elapsed_v1)entry_of("cuEventElapsedTime", 2000);
	float now = -1, then = -1;
	CUevent first = NULL, second = NULL;
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&first, CU_EVENT_DEFAULT));
	CU(cuEventCreate(&second, CU_EVENT_BLOCKING_SYNC));
	CU(cuEventRecordWithFlags(first, stream, CU_EVENT_RECORD_DEFAULT));
	append(d, stream, 1);
	CU(cuEventRecord(second, stream));
	CU(cuStreamWaitEvent(stream, second, 0));
	CU(cuEventSynchronize(second));
	CU(cuEventElapsedTime(&now, first, second));
	CU(older(&then, first, second));
	check_that(now >= 0 && now < 10000 && then >= 0 && then < 10000, "elapsed", "%g and %g ms",
		   (double)now, (double)then);
	CU(cuEventDestroy(first));
	CU(cuEventDestroy(second));
	CU(cuStreamDestroy(stream));
}

/* --- captures ------------------------------------------------------------------------------------------------ */

typedef CUresult (*begin_v1)(CUstream);
typedef CUresult (*info_v1)(CUstream, CUstreamCaptureStatus *, cuuint64_t *);
typedef CUresult (*info_v2)(CUstream, CUstreamCaptureStatus *, cuuint64_t *, CUgraph *,
			    const CUgraphNode **, size_t *);
typedef CUresult (*depend_v1)(CUstream, CUgraphNode *, size_t, unsigned int);

static void check_capture(struct data *d, CUstream stream)
{
	begin_v1 begin = (begin_v1)entry_of("cuStreamBeginCapture", 10000);
	info_v1 info1 = (info_v1)entry_of("cuStreamGetCaptureInfo", 10010);
	info_v2 info2 = (info_v2)entry_of("cuStreamGetCaptureInfo", 11030);
	depend_v1 depend = (depend_v1)entry_of("cuStreamUpdateCaptureDependencies", 11030);
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE, again = status;
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	const CUgraphNode *nodes = NULL;
	CUgraphNode node = NULL;
	CUgraph graph = NULL, captured = NULL;
	cuuint64_t id = 0, same = 0;
	size_t count = 0;

	CU(cuThreadExchangeStreamCaptureMode(&mode));
	CU(cuThreadExchangeStreamCaptureMode(&mode));
	check_that(mode == CU_STREAM_CAPTURE_MODE_RELAXED, "exchange", "mode %d", (int)mode);
	CU(begin(stream));
	append(d, stream, 1);
	CU(info1(stream, &status, &id));
	CU(info2(stream, &again, &same, &captured, &nodes, &count));
	check_that(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && again == status && id == same &&
			   captured && count == 1,
		   "capture-info", "%zu nodes", count);
	node = nodes[0];
	CU(depend(stream, NULL, 0, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
	CU(cuStreamUpdateCaptureDependencies(stream, &node, NULL, 1,
					     CU_STREAM_ADD_CAPTURE_DEPENDENCIES));
	append(d, stream, 2);
	CU(cuStreamIsCapturing(stream, &status));
	CU(cuStreamEndCapture(stream, &graph));
	count = 0;
	CU(cuGraphGetEdges(graph, NULL, NULL, NULL, &count));
	check_that(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && graph == captured && count == 1,
		   "captured", "%zu edges", count);
	CU(cuGraphDestroy(graph));
}

/* XLA captures in this way: into a graph that is there, behind nodes of it. */
static void check_capture_into(struct data *d, CUstream stream)
{
	CUgraphNode first = NULL;
	CUgraph graph = NULL, captured = NULL;
	CUgraphExec exec = NULL;
	uint64_t state = 1;
	size_t nodes = 0;

	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddEmptyNode(&first, graph, NULL, 0));
	CU(cuStreamBeginCaptureToGraph(stream, graph, &first, NULL, 1,
				       CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	append(d, stream, 5);
	append(d, stream, 6);
	CU(cuStreamEndCapture(stream, &captured));
	CU(cuGraphGetNodes(graph, NULL, &nodes));
	check_that(captured == graph && nodes == 3, "capture-into", "%zu nodes", nodes);
	CU(cuGraphInstantiate(&exec, graph, 0));
	CU(cuMemcpyHtoD(d->state, &state, sizeof(state)));
	CU(cuCtxSynchronize());
	CU(cuGraphLaunch(exec, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&state, d->state, sizeof(state)));
	check_that(state == (3 + 5) * 3 + 6, "captured-runs", "state %llu",
		   (unsigned long long)state);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- edges ------------------------------------------------------------------------------------------------------ */

typedef CUresult (*change_v1)(CUgraph, const CUgraphNode *, const CUgraphNode *, size_t);
typedef CUresult (*edges_v1)(CUgraph, CUgraphNode *, CUgraphNode *, size_t *);
typedef CUresult (*around_v1)(CUgraphNode, CUgraphNode *, size_t *);

/* Three nodes: 0 -> 1, 0 -> 2, 1 -> 2. */
static void check_edges(void)
{
	change_v1 add = (change_v1)entry_of("cuGraphAddDependencies", 10000);
	change_v1 cut = (change_v1)entry_of("cuGraphRemoveDependencies", 10000);
	edges_v1 edges = (edges_v1)entry_of("cuGraphGetEdges", 10000);
	around_v1 before = (around_v1)entry_of("cuGraphNodeGetDependencies", 10000);
	around_v1 behind = (around_v1)entry_of("cuGraphNodeGetDependentNodes", 10000);
	CUgraphNode n[3], from[4], to[4];
	CUgraph graph = NULL;
	size_t count = 4;

	CU(cuGraphCreate(&graph, 0));
	for (int i = 0; i < 3; i++)
		CU(cuGraphAddEmptyNode(&n[i], graph, NULL, 0));
	CU(add(graph, (CUgraphNode[]){n[0], n[0]}, (CUgraphNode[]){n[1], n[2]}, 2));
	CU(cuGraphAddDependencies(graph, &n[1], &n[2], NULL, 1));
	CU(edges(graph, from, to, &count));
	check_that(count == 3, "edges-v1", "%zu", count);
	count = 4;
	CU(cuGraphGetEdges(graph, from, to, NULL, &count));
	check_that(count == 3, "edges", "%zu", count);
	count = 4;
	CU(before(n[2], from, &count));
	check_that(count == 2, "before-v1", "%zu", count);
	CU(cuGraphNodeGetDependencies(n[1], from, NULL, (count = 4, &count)));
	check_that(count == 1 && from[0] == n[0], "before", "%zu", count);
	count = 4;
	CU(behind(n[0], to, &count));
	check_that(count == 2, "behind-v1", "%zu", count);
	count = 4;
	CU(cuGraphNodeGetDependentNodes(n[1], to, NULL, &count));
	check_that(count == 1 && to[0] == n[2], "behind", "%zu", count);
	CU(cut(graph, &n[0], &n[2], 1));
	CU(cuGraphRemoveDependencies(graph, &n[1], &n[2], NULL, 1));
	CU(cuGraphDestroyNode(n[1]));
	count = 4;
	CU(cuGraphGetNodes(graph, from, &count));
	check_that(count == 2, "node-destroyed", "%zu nodes left", count);
	CU(cuGraphDestroy(graph));
}

/* --- instantiation and update in their last forms ------------------------------------------------------------- */

static void check_instantiate(struct data *d, CUstream stream)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS params;
	CUgraphExecUpdateResultInfo info;
	CUgraph graph = NULL, other = NULL;
	CUgraphExec exec = NULL;
	CUgraphNode node = NULL;

	CU(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	append(d, stream, 1);
	CU(cuStreamEndCapture(stream, &graph));
	memset(&params, 0, sizeof(params));
	params.flags = CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
	params.hUploadStream = stream;
	CU(cuGraphInstantiateWithParams(&exec, graph, &params));
	check_that(params.result_out == CUDA_GRAPH_INSTANTIATE_SUCCESS, "instantiated",
		   "outcome %d", (int)params.result_out);
	CU(cuGraphUpload(exec, stream));
	memset(&info, 0, sizeof(info));
	CU(cuGraphExecUpdate(exec, graph, &info));
	check_that(info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS, "updated", "outcome %d",
		   (int)info.result);
	CU(cuGraphCreate(&other, 0));
	CU(cuGraphAddEmptyNode(&node, other, NULL, 0));
	CU(cuGraphAddEmptyNode(&node, other, NULL, 0));
	check_result("not-updated", cuGraphExecUpdate(exec, other, &info),
		     CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
	CU(cuStreamSynchronize(stream));
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	CU(cuGraphDestroy(other));
}

/* --- beside a capture, and without a context ----------------------------------------------------------- */

/* What this thread captures on one stream does not notice a copy of pageable memory on another. */
static void check_beside(struct data *d, CUstream stream)
{
	CUstream other = NULL;
	CUgraph graph = NULL;
	uint64_t value = 0;

	CU(cuMemsetD8(d->state, 0x21, sizeof(value)));
	CU(cuCtxSynchronize());
	CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	CU(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	append(d, stream, 1);
	check_result("copy-beside", cuMemcpyDtoHAsync(&value, d->state, sizeof(value), other),
		     CUDA_SUCCESS);
	check_result("capture-beside", cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
	CU(cuStreamSynchronize(other));
	check_that(value == 0x2121212121212121, "copied-beside", "%#llx",
		   (unsigned long long)value);
	CU(cuGraphDestroy(graph));
	CU(cuStreamDestroy(other));
}

static void *free_pinned(void *memory)
{
	static CUresult result;

	result = cuMemFreeHost(memory);
	return &result;
}

/* A thread without a context frees what it will, whatever another one captures for itself. */
static void check_free_beside(struct data *d, CUstream stream)
{
	void *memory = NULL, *result = NULL;
	CUgraph graph = NULL;
	pthread_t thread;

	CU(cuMemHostAlloc(&memory, 4096, 0));
	CU(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	append(d, stream, 1);
	if (pthread_create(&thread, NULL, free_pinned, memory))
		exit(1);
	pthread_join(thread, &result);
	check_result("free-beside", *(CUresult *)result, CUDA_SUCCESS);
	check_result("capture-beside-free", cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
	CU(cuGraphDestroy(graph));
}

struct lone {
	CUcontext context; /* destroyed between the two meetings */
	CUstream stream;
	CUdeviceptr at;
	pthread_barrier_t meeting;
	CUresult in_it, on_stream;
};

static void *work_alone(void *argument)
{
	struct lone *lone = argument;

	CU(cuCtxSetCurrent(lone->context));
	pthread_barrier_wait(&lone->meeting);
	pthread_barrier_wait(&lone->meeting);
	lone->in_it = cuCtxSynchronize();
	lone->on_stream = cuMemsetD8Async(lone->at, 0x5a, sizeof(uint64_t), lone->stream);
	if (!lone->on_stream)
		lone->on_stream = cuStreamSynchronize(lone->stream);
	return NULL;
}

/* A thread whose context has been destroyed works on in its streams'. */
static void check_alone(struct data *d, CUstream stream)
{
	struct lone lone = {.stream = stream, .at = d->state};
	uint64_t value = 0;
	pthread_t thread;

	CU(cuCtxCreate(&lone.context, NULL, 0, d->dev));
	CU(cuCtxPopCurrent(NULL));
	pthread_barrier_init(&lone.meeting, NULL, 2);
	if (pthread_create(&thread, NULL, work_alone, &lone))
		exit(1);
	pthread_barrier_wait(&lone.meeting);
	CU(cuCtxDestroy(lone.context));
	pthread_barrier_wait(&lone.meeting);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&lone.meeting);
	check_result("destroyed-context", lone.in_it, CUDA_ERROR_CONTEXT_IS_DESTROYED);
	check_result("stream-alone", lone.on_stream, CUDA_SUCCESS);
	CU(cuMemcpyDtoH(&value, d->state, sizeof(value)));
	check_that(value == 0x5a5a5a5a5a5a5a5a, "filled-alone", "%#llx", (unsigned long long)value);
}

int main(void)
{
	CUstream stream = NULL;
	CUmodule module;
	struct data data;

	memset(&data, 0, sizeof(data));
	data.dev = device_open();
	CU(cuCtxGetCurrent(&data.context));
	module = module_load(chain_ptx);
	data.append = module_function(module, "append");
	CU(cuMemAlloc(&data.state, sizeof(uint64_t)));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	check_told(&data);
	check_attributes();
	check_events(&data);
	check_capture(&data, stream);
	check_capture_into(&data, stream);
	check_edges();
	check_instantiate(&data, stream);
	check_beside(&data, stream);
	check_free_beside(&data, stream);
	check_alone(&data, stream);
	CU(cuStreamDestroy(stream));
	CU(cuMemFree(data.state));
	CU(cuModuleUnload(module));
	device_close(data.dev);
	return check_end();
}
