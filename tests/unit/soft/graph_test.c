/* SPDX-License-Identifier: MIT */
/* Graphs: built, captured, launched, changed; and what a capture forbids. */
#include "tests/unit/soft/soft_test.h"

static uint32_t read_word(CUdeviceptr memory)
{
	uint32_t word;

	ok(cuMemcpyDtoH_v2(&word, memory, 4));
	return word;
}

static CUDA_MEMSET_NODE_PARAMS fill_of(CUdeviceptr memory, unsigned int value)
{
	return (CUDA_MEMSET_NODE_PARAMS){
		.dst = memory, .value = value, .elementSize = 4, .width = 1, .height = 1};
}

static CUDA_KERNEL_NODE_PARAMS add_of(CUfunction function, void **params)
{
	return (CUDA_KERNEL_NODE_PARAMS){.func = function,
					 .gridDimX = 1,
					 .gridDimY = 1,
					 .gridDimZ = 1,
					 .blockDimX = 1,
					 .blockDimY = 1,
					 .blockDimZ = 1,
					 .kernelParams = params};
}

static void count_up(void *user)
{
	++*(int *)user;
}

static void built_graphs_run(void **state)
{
	uint32_t value = 5, count = 1;
	CUDA_HOST_NODE_PARAMS host = {.fn = count_up};
	CUDA_KERNEL_NODE_PARAMS add, got;
	CUDA_MEMSET_NODE_PARAMS fill, got_fill;
	CUgraphNode fill_node, add_node, host_node, nodes[8], from[8], to[8];
	CUgraphNodeType type;
	CUgraphExec exec;
	CUdeviceptr memory;
	CUfunction function;
	CUgraph graph;
	CUmodule module;
	CUcontext ctx;
	size_t number;
	int calls = 0;
	void *params[] = {&memory, &value, &count};

	(void)state;
	ok(cuCtxGetCurrent(&ctx));
	ok(cuMemAlloc_v2(&memory, 4));
	function = load_function(&module, "add");
	ok(cuGraphCreate(&graph, 0));
	fill = fill_of(memory, 100);
	add = add_of(function, params);
	host.userData = &calls;
	ok(cuGraphAddMemsetNode(&fill_node, graph, NULL, 0, &fill, ctx));
	ok(cuGraphAddKernelNode_v2(&add_node, graph, &fill_node, 1, &add));
	ok(cuGraphAddHostNode(&host_node, graph, &add_node, 1, &host));
	value = 77; /* parameters were copied */
	ok(cuGraphGetNodes(graph, NULL, &number));
	assert_int_equal(number, 3);
	number = 8;
	ok(cuGraphGetEdges(graph, from, to, &number));
	assert_int_equal(number, 2);
	assert_ptr_equal(from[0], fill_node);
	assert_ptr_equal(to[0], add_node);
	number = 8;
	ok(cuGraphGetRootNodes(graph, nodes, &number));
	assert_int_equal(number, 1);
	assert_ptr_equal(nodes[0], fill_node);
	ok(cuGraphNodeGetType(add_node, &type));
	assert_int_equal(type, CU_GRAPH_NODE_TYPE_KERNEL);
	ok(cuGraphKernelNodeGetParams_v2(add_node, &got));
	assert_int_equal(*(uint32_t *)got.kernelParams[1], 5);
	ok(cuGraphMemsetNodeGetParams(fill_node, &got_fill));
	assert_int_equal(got_fill.value, 100);
	fails(cuGraphMemsetNodeGetParams(add_node, &got_fill), CUDA_ERROR_INVALID_VALUE);

	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	for (int i = 0; i < 5; i++)
		ok(cuGraphLaunch(exec, NULL));
	ok(cuCtxSynchronize());
	assert_int_equal(read_word(memory), 105);
	assert_int_equal(calls, 5);

	value = 6; /* of the executable graph only, then of the graph */
	ok(cuGraphExecKernelNodeSetParams_v2(exec, add_node, &add));
	ok(cuGraphLaunch(exec, NULL));
	assert_int_equal(read_word(memory), 106);
	ok(cuGraphNodeSetEnabled(exec, add_node, 0));
	ok(cuGraphLaunch(exec, NULL));
	assert_int_equal(read_word(memory), 100);
	fails(cuGraphExecKernelNodeSetParams_v2(exec, fill_node, &add), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddDependencies(graph, &fill_node, &add_node, 1), CUDA_ERROR_INVALID_VALUE);
	ok(cuGraphAddDependencies(graph, &host_node, &fill_node, 1));
	fails(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_ERROR_INVALID_VALUE); /* a cycle */
	ok(cuGraphRemoveDependencies(graph, &host_node, &fill_node, 1));
	ok(cuGraphDestroyNode(host_node));
	fails(cuGraphNodeGetType(host_node, &type), CUDA_ERROR_INVALID_VALUE);
	ok(cuGraphExecDestroy(exec));
	ok(cuGraphDestroy(graph));
	fails(cuGraphNodeGetType(add_node, &type), CUDA_ERROR_INVALID_VALUE);
	ok(cuModuleUnload(module));
	ok(cuMemFree_v2(memory));
}

/* Without parameters nothing is added and nothing changes, whichever the context. */
static void missing_parameters_are_refused(void **state)
{
	CUDA_HOST_NODE_PARAMS host = {.fn = count_up}, got;
	CUgraphNode node, none;
	CUgraphExec exec;
	CUgraph graph;
	CUcontext ctx;
	size_t number;

	(void)state;
	ok(cuCtxGetCurrent(&ctx));
	ok(cuGraphCreate(&graph, 0));
	ok(cuGraphAddHostNode(&node, graph, NULL, 0, &host));
	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	fails(cuGraphAddKernelNode(&none, graph, NULL, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddKernelNode_v2(&none, graph, NULL, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddMemcpyNode(&none, graph, NULL, 0, NULL, ctx), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddMemsetNode(&none, graph, NULL, 0, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddHostNode(&none, graph, NULL, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddEventRecordNode(&none, graph, NULL, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphAddNode(&none, graph, NULL, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphKernelNodeSetParams_v2(node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphMemcpyNodeSetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphMemsetNodeSetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphHostNodeSetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphNodeSetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphExecHostNodeSetParams(exec, node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphExecMemcpyNodeSetParams(exec, node, NULL, ctx), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphExecMemsetNodeSetParams(exec, node, NULL, ctx), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphExecKernelNodeSetParams_v2(exec, node, NULL), CUDA_ERROR_INVALID_VALUE);
	fails(cuGraphHostNodeGetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuGraphHostNodeGetParams(node, &got));
	assert_true(got.fn == count_up);
	ok(cuGraphGetNodes(graph, NULL, &number));
	assert_int_equal(number, 1);
	ok(cuGraphExecDestroy(exec));
	ok(cuGraphDestroy(graph));
}

static void graphs_are_cloned_nested_and_updated(void **state)
{
	CUgraph graph, child, clone, inside;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUgraphNode first, second, nested, found;
	CUgraphExecUpdateResultInfo info;
	CUgraphExec exec;
	CUdeviceptr memory;
	CUcontext ctx;

	(void)state;
	ok(cuCtxGetCurrent(&ctx));
	ok(cuMemAlloc_v2(&memory, 8));
	ok(cuMemsetD32_v2(memory, 0, 2));
	ok(cuGraphCreate(&child, 0));
	fill = fill_of(memory, 3);
	ok(cuGraphAddMemsetNode(&first, child, NULL, 0, &fill, ctx));
	ok(cuGraphCreate(&graph, 0));
	ok(cuGraphAddChildGraphNode(&nested, graph, NULL, 0, child));
	fill = fill_of(memory, 4);
	ok(cuGraphAddMemsetNode(&second, graph, &nested, 1, &fill, ctx));
	ok(cuGraphChildGraphNodeGetGraph(nested, &inside));
	assert_ptr_not_equal(inside, child);
	ok(cuGraphDestroy(child));
	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	ok(cuGraphLaunch(exec, NULL));
	assert_int_equal(read_word(memory), 4);

	ok(cuGraphClone(&clone, graph));
	ok(cuGraphNodeFindInClone(&found, second, clone));
	fill = fill_of(memory, 9);
	ok(cuGraphMemsetNodeSetParams(found, &fill));
	ok(cuGraphExecUpdate_v2(exec, clone, &info));
	assert_int_equal(info.result, CU_GRAPH_EXEC_UPDATE_SUCCESS);
	ok(cuGraphLaunch(exec, NULL));
	assert_int_equal(read_word(memory), 9);
	ok(cuGraphAddEmptyNode(&found, clone, NULL, 0));
	fails(cuGraphExecUpdate_v2(exec, clone, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
	assert_int_equal(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
	ok(cuGraphDestroy(clone));
	ok(cuGraphDestroy(graph));
	ok(cuGraphLaunch(exec, NULL)); /* it needs neither any more */
	ok(cuCtxSynchronize());
	ok(cuGraphExecDestroy(exec));
	fails(cuGraphLaunch(exec, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuMemFree_v2(memory));
}

static void captured_streams_become_graphs(void **state)
{
	CUstreamCaptureStatus status;
	const CUgraphNode *last;
	CUstream one, two;
	CUdeviceptr memory;
	CUgraphExec exec;
	cuuint64_t id;
	CUgraph graph, same;
	CUevent fork, join;
	size_t number;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 8));
	ok(cuMemsetD32_v2(memory, 0, 2));
	ok(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	ok(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	ok(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
	ok(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
	ok(cuStreamSynchronize(NULL));

	ok(cuStreamBeginCapture_v2(one, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	ok(cuMemsetD32Async(memory, 1, 1, one));
	ok(cuEventRecord(fork, one));
	ok(cuStreamWaitEvent(two, fork, 0));
	ok(cuStreamIsCapturing(two, &status));
	assert_int_equal(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
	ok(cuMemcpyDtoDAsync_v2(memory + 4, memory, 4, two));
	ok(cuEventRecord(join, two));
	ok(cuMemsetD32Async(memory, 2, 1, one));
	ok(cuStreamWaitEvent(one, join, 0));
	ok(cuStreamGetCaptureInfo_v3(one, &status, &id, &graph, &last, NULL, &number));
	assert_int_equal(number, 2);
	fails(cuStreamEndCapture(two, &same), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
	ok(cuStreamEndCapture(one, &same));
	assert_ptr_equal(graph, same);
	ok(cuGraphGetNodes(graph, NULL, &number));
	assert_int_equal(number, 3);
	assert_int_equal(read_word(memory), 0); /* nothing has run */

	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	ok(cuGraphLaunch(exec, two));
	ok(cuStreamSynchronize(two));
	assert_int_equal(read_word(memory), 2);
	ok(cuGraphExecDestroy(exec));
	ok(cuGraphDestroy(graph));
	ok(cuStreamIsCapturing(two, &status));
	assert_int_equal(status, CU_STREAM_CAPTURE_STATUS_NONE);
	ok(cuStreamDestroy_v2(one));
	ok(cuStreamDestroy_v2(two));
	ok(cuEventDestroy_v2(fork));
	ok(cuEventDestroy_v2(join));
	ok(cuMemFree_v2(memory));
}

static void captures_forbid_what_would_wait(void **state)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUstream stream, other;
	CUdeviceptr memory, more;
	CUevent event;
	CUgraph graph;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuStreamCreate(&stream, 0));
	ok(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	ok(cuEventCreate(&event, 0));
	fails(cuStreamBeginCapture_v2(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL),
	      CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_ILLEGAL_STATE);

	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	fails(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL),
	      CUDA_ERROR_ILLEGAL_STATE);
	fails(cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	fails(cuMemsetD32Async(memory, 1, 1, stream), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	assert_null(graph);
	ok(cuMemsetD32Async(memory, 1, 1, stream));

	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	fails(cuMemAlloc_v2(&more, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	fails(cuMemsetD32_v2(memory, 1, 1), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	ok(cuMemAlloc_v2(&more, 4));
	ok(cuEventRecord(event, other));
	fails(cuStreamWaitEvent(stream, event, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	ok(cuMemFree_v2(more));

	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	ok(cuThreadExchangeStreamCaptureMode(&mode));
	assert_int_equal(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
	ok(cuMemAlloc_v2(&more, 4)); /* the thread says that it knows */
	ok(cuThreadExchangeStreamCaptureMode(&mode));
	ok(cuEventRecord(event, stream));
	ok(cuStreamWaitEvent(other, event, 0));
	ok(cuMemsetD32Async(memory, 1, 1, other));
	fails(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
	ok(cuMemFree_v2(more));
	ok(cuStreamSynchronize(other));
	ok(cuStreamDestroy_v2(stream));
	ok(cuStreamDestroy_v2(other));
	ok(cuEventDestroy_v2(event));
	ok(cuMemFree_v2(memory));
}

static void a_captured_graph_outlives_its_stream(void **state)
{
	CUstream stream;
	CUgraphExec exec;
	CUgraph graph;
	int calls = 0;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	ok(cuLaunchHostFunc(stream, count_up, &calls));
	ok(cuStreamDestroy_v2(stream)); /* in the middle: the capture is gone */
	ok(cuStreamCreate(&stream, 0));
	ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	ok(cuLaunchHostFunc(stream, count_up, &calls));
	ok(cuStreamEndCapture(stream, &graph));
	ok(cuStreamDestroy_v2(stream));
	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	ok(cuGraphDestroy(graph));
	ok(cuGraphLaunch(exec, CU_STREAM_PER_THREAD));
	ok(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	assert_int_equal(calls, 1);
	ok(cuGraphExecDestroy(exec));
}

static void memory_freed_under_a_graph_is_a_fault(void **state)
{
	CUDA_MEMSET_NODE_PARAMS fill;
	CUdeviceptr memory;
	CUgraphNode node;
	CUgraphExec exec;
	CUgraph graph;
	CUcontext ctx;

	(void)state;
	ok(cuCtxGetCurrent(&ctx));
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuGraphCreate(&graph, 0));
	fill = fill_of(memory, 1);
	ok(cuGraphAddMemsetNode(&node, graph, NULL, 0, &fill, ctx));
	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	ok(cuMemFree_v2(memory));
	ok(cuGraphLaunch(exec, NULL));
	fails(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
	ok(cuGraphExecDestroy(exec));
	ok(cuGraphDestroy(graph));
}

static void user_objects_live_while_held(void **state)
{
	CUuserObject object;
	CUgraphExec exec;
	CUgraph graph, clone;
	int destroyed = 0;

	(void)state;
	ok(cuGraphCreate(&graph, 0));
	ok(cuUserObjectCreate(&object, &destroyed, count_up, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
	fails(cuUserObjectRelease(object, 3), CUDA_ERROR_INVALID_VALUE);
	ok(cuGraphRetainUserObject(graph, object, 2, CU_GRAPH_USER_OBJECT_MOVE));
	fails(cuUserObjectRelease(object, 1), CUDA_ERROR_INVALID_VALUE); /* the handle is gone */
	ok(cuGraphClone(&clone, graph));
	ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
	ok(cuGraphDestroy(graph));
	ok(cuGraphDestroy(clone));
	assert_int_equal(destroyed, 0);
	ok(cuGraphExecDestroy(exec));
	assert_int_equal(destroyed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(built_graphs_run),
		test(missing_parameters_are_refused),
		test(graphs_are_cloned_nested_and_updated),
		test(captured_streams_become_graphs),
		test(captures_forbid_what_would_wait),
		test(a_captured_graph_outlives_its_stream),
		test(memory_freed_under_a_graph_is_a_fault),
		test(user_objects_live_while_held),
	};

	setenv("VGPU_SOFT_MEM", "64M", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
