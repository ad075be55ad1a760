/* SPDX-License-Identifier: MIT */
/*
 * Graphs, captured from streams (fork and join by events, copies, memsets, host functions) and
 * built node by node; launched many times, updated between launches; and what must not be done
 * while capturing. One thread, host nodes in one of the driver's.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define COUNT    5003u
#define LAUNCHES 10

struct data {
	CUfunction append, step;
	CUdeviceptr state, in, left, right;
	uint32_t *host_in, *host_out; /* pinned, COUNT each */
	_Atomic unsigned int host_calls;
};

static void CUDA_CB on_host_node(void *user)
{
	atomic_fetch_add((_Atomic unsigned int *)user, 1);
}

static void data_open(struct data *d, CUmodule module)
{
	memset(d, 0, sizeof(*d));
	d->append = module_function(module, "append");
	d->step = module_function(module, "step");
	CU(cuMemAlloc(&d->state, sizeof(uint64_t)));
	CU(cuMemAlloc(&d->in, COUNT * 4));
	CU(cuMemAlloc(&d->left, COUNT * 4));
	CU(cuMemAlloc(&d->right, COUNT * 4));
	CU(cuMemHostAlloc((void **)&d->host_in, COUNT * 4, 0));
	CU(cuMemHostAlloc((void **)&d->host_out, COUNT * 4, 0));
}

static void data_close(struct data *d)
{
	CU(cuMemFree(d->state));
	CU(cuMemFree(d->in));
	CU(cuMemFree(d->left));
	CU(cuMemFree(d->right));
	CU(cuMemFreeHost(d->host_in));
	CU(cuMemFreeHost(d->host_out));
}

static void launch_step(struct data *d, CUdeviceptr in, CUdeviceptr out, unsigned int id,
			CUstream stream)
{
	unsigned int n = COUNT;
	void *params[] = {&in, &out, &id, &n};

	launch_1d(d->step, (COUNT + 255) / 256, 256, stream, params);
}

/*
 * host_in -> in; in -> left by step 1 on `one`, in -> right by step 2 on `two`; joined:
 * left -> left by step 3 after both, right into left's tail word; left -> host_out; host node.
 */
static void enqueue_diamond(struct data *d, CUstream one, CUstream two)
{
	CUevent forked, joined;

	CU(cuEventCreate(&forked, CU_EVENT_DISABLE_TIMING));
	CU(cuEventCreate(&joined, CU_EVENT_DISABLE_TIMING));
	CU(cuMemsetD32Async(d->left, 0, COUNT, one));
	CU(cuMemcpyHtoDAsync(d->in, d->host_in, COUNT * 4, one));
	CU(cuEventRecord(forked, one));
	CU(cuStreamWaitEvent(two, forked, 0));
	launch_step(d, d->in, d->left, 1, one);
	launch_step(d, d->in, d->right, 2, two);
	CU(cuEventRecord(joined, two));
	CU(cuStreamWaitEvent(one, joined, 0));
	launch_step(d, d->left, d->left, 3, one);
	CU(cuMemcpyDtoDAsync(d->left + (COUNT - 1) * 4, d->right, 4, one));
	CU(cuMemcpyDtoHAsync(d->host_out, d->left, COUNT * 4, one));
	CU(cuLaunchHostFunc(one, on_host_node, &d->host_calls));
	CU(cuEventDestroy(forked));
	CU(cuEventDestroy(joined));
}

static unsigned int count_wrong(const struct data *d)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < COUNT - 1; i++)
		wrong += d->host_out[i] != (d->host_in[i] * 3 + 1) * 3 + 3;
	return wrong + (d->host_out[COUNT - 1] != d->host_in[0] * 3 + 2);
}

static void check_capture_state(CUstream one, bool wanted)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE, info = status;
	cuuint64_t id = 0;

	CU(cuStreamIsCapturing(one, &status));
	CU(cuStreamGetCaptureInfo(one, &info, &id, NULL, NULL, NULL, NULL));
	check_that((status == CU_STREAM_CAPTURE_STATUS_ACTIVE) == wanted && info == status &&
			   (!wanted || id != 0),
		   "capture-state", "%s, id %s", wanted ? "capturing" : "not capturing",
		   id ? "given" : "none");
}

static void run_graph(struct data *d, CUgraphExec exec, CUstream stream, const char *name)
{
	unsigned int wrong = 0;

	atomic_store(&d->host_calls, 0);
	for (uint64_t i = 0; i < LAUNCHES; i++) {
		fill_random(d->host_in, COUNT * 4, i);
		memset(d->host_out, 0, COUNT * 4);
		CU(cuGraphLaunch(exec, stream));
		CU(cuStreamSynchronize(stream));
		wrong += count_wrong(d);
	}
	check_that(wrong == 0 && atomic_load(&d->host_calls) == LAUNCHES, name,
		   "%d launches, %u values wrong, %u host calls", LAUNCHES, wrong,
		   atomic_load(&d->host_calls));
}

static void check_captured(struct data *d, CUstream one, CUstream two, CUstreamCaptureMode mode)
{
	CUgraph graph = NULL, clone = NULL;
	CUgraphExec exec = NULL;
	size_t nodes = 0, cloned = 0, roots = 0;

	check_capture_state(one, false);
	CU(cuStreamBeginCapture(one, mode));
	check_capture_state(one, true);
	enqueue_diamond(d, one, two);
	CU(cuStreamEndCapture(one, &graph));
	check_capture_state(one, false);
	CU(cuGraphGetNodes(graph, NULL, &nodes));
	CU(cuGraphGetRootNodes(graph, NULL, &roots));
	check_that(nodes == 8 && roots == 1, "captured-nodes", "%zu nodes, %zu roots", nodes,
		   roots);
	CU(cuGraphClone(&clone, graph));
	CU(cuGraphGetNodes(clone, NULL, &cloned));
	check_that(cloned == nodes, "cloned-nodes", "%zu", cloned);
	CU(cuGraphInstantiate(&exec, graph, 0));
	CU(cuGraphDestroy(graph));
	CU(cuGraphDestroy(clone));
	CU(cuGraphUpload(exec, one));
	run_graph(d, exec, one, "captured-graph");
	CU(cuGraphExecDestroy(exec));
}

/* While a stream captures, waiting for it is refused, and that breaks the capture off. */
static void check_forbidden(struct data *d, CUstream one)
{
	CUgraph graph = NULL;

	CU(cuStreamBeginCapture(one, CU_STREAM_CAPTURE_MODE_RELAXED));
	launch_step(d, d->in, d->left, 1, one);
	check_result("capture-synchronize", cuStreamSynchronize(one),
		     CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	check_result("capture-broken", cuStreamEndCapture(one, &graph),
		     CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	check_that(!graph, "capture-no-graph", "%p", (void *)graph);
	check_result("capture-not-begun", cuStreamEndCapture(one, &graph),
		     CUDA_ERROR_ILLEGAL_STATE);
}

/* What is captured may be set to other addresses before it is launched: none is looked at yet. */
static void check_any_address(CUstream one)
{
	CUgraph graph = NULL;
	size_t nodes = 0;

	CU(cuStreamBeginCapture(one, CU_STREAM_CAPTURE_MODE_RELAXED));
	check_result("capture-any-address", cuMemsetD8Async(0x80, 0, 4096, one), CUDA_SUCCESS);
	CU(cuStreamEndCapture(one, &graph));
	CU(cuGraphGetNodes(graph, NULL, &nodes));
	check_that(nodes == 1, "capture-any-address-node", "%zu nodes", nodes);
	CU(cuGraphDestroy(graph));
}

/* Node by node: memset state; append 1; then append 2 and 3 in order. Then other parameters. */
static void check_built(struct data *d, CUstream stream)
{
	CUDA_MEMSET_NODE_PARAMS set = {
		.dst = d->state, .elementSize = 4, .width = 2, .height = 1, .pitch = 8};
	CUDA_HOST_NODE_PARAMS host = {.fn = on_host_node, .userData = &d->host_calls};
	unsigned int ids[3] = {1, 2, 3}, changed = 9;
	void *params[3][2] = {{&d->state, &ids[0]}, {&d->state, &ids[1]}, {&d->state, &ids[2]}};
	CUDA_KERNEL_NODE_PARAMS kernel = {.func = d->append,
					  .gridDimX = 1,
					  .gridDimY = 1,
					  .gridDimZ = 1,
					  .blockDimX = 1,
					  .blockDimY = 1,
					  .blockDimZ = 1};
	CUgraphNode nodes[5], *last = &nodes[3];
	CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
	CUcontext context = NULL;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	uint64_t got = 0;

	CU(cuCtxGetCurrent(&context));
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddMemsetNode(&nodes[0], graph, NULL, 0, &set, context));
	for (int i = 0; i < 3; i++) {
		kernel.kernelParams = params[i];
		/* The last is tied to its predecessor afterwards. */
		CU(cuGraphAddKernelNode(&nodes[i + 1], graph, &nodes[i], i < 2, &kernel));
	}
	CU(cuGraphAddDependencies(graph, &nodes[2], &nodes[3], NULL, 1));
	CU(cuGraphAddHostNode(&nodes[4], graph, last, 1, &host));
	CU(cuGraphNodeGetType(nodes[4], &type));
	check_that(type == CU_GRAPH_NODE_TYPE_HOST, "node-type", "%d", (int)type);
	CU(cuGraphInstantiate(&exec, graph, 0));
	atomic_store(&d->host_calls, 0);
	CU(cuGraphLaunch(exec, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&got, d->state, sizeof(got)));
	check_that(got == (1 * 3 + 2) * 3 + 3 && atomic_load(&d->host_calls) == 1, "built-graph",
		   "state %llu, %u host calls", (unsigned long long)got,
		   atomic_load(&d->host_calls));
	kernel.kernelParams = (void *[]){&d->state, &changed};
	CU(cuGraphExecKernelNodeSetParams(exec, nodes[2], &kernel));
	CU(cuGraphLaunch(exec, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&got, d->state, sizeof(got)));
	check_that(got == (1 * 3 + 9) * 3 + 3, "updated-graph", "state %llu",
		   (unsigned long long)got);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	CUstream one = NULL, two = NULL;
	struct data data;

	CU(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	data_open(&data, module);
	check_captured(&data, one, two, CU_STREAM_CAPTURE_MODE_GLOBAL);
	check_captured(&data, one, two, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
	check_forbidden(&data, one);
	check_any_address(one);
	check_built(&data, one);
	data_close(&data);
	CU(cuStreamDestroy(one));
	CU(cuStreamDestroy(two));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
