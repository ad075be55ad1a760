/* SPDX-License-Identifier: MIT */
/*
 * Graph nodes of each type: made, asked for what they hold, changed in the graph and in the executable
 * graph, and run. What getters give back must be the program's own: its kernel and parameters, its
 * host function and user pointer, its addresses and events. One thread.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define WORDS 64u
#define BYTES (WORDS * 4)

struct data {
	CUcontext context;
	CUstream stream;
	CUfunction append;
	CUdeviceptr state;    /* of append: 64 bits */
	CUdeviceptr one, two; /* WORDS each */
	uint32_t *host;       /* pinned, WORDS */
};

static void data_open(struct data *d, CUmodule module)
{
	memset(d, 0, sizeof(*d));
	CU(cuCtxGetCurrent(&d->context));
	CU(cuStreamCreate(&d->stream, CU_STREAM_NON_BLOCKING));
	d->append = module_function(module, "append");
	CU(cuMemAlloc(&d->state, sizeof(uint64_t)));
	CU(cuMemAlloc(&d->one, BYTES));
	CU(cuMemAlloc(&d->two, BYTES));
	CU(cuMemHostAlloc((void **)&d->host, BYTES, 0));
}

static void data_close(struct data *d)
{
	CU(cuMemFree(d->state));
	CU(cuMemFree(d->one));
	CU(cuMemFree(d->two));
	CU(cuMemFreeHost(d->host));
	CU(cuStreamDestroy(d->stream));
}

static void run(struct data *d, CUgraphExec exec)
{
	CU(cuGraphLaunch(exec, d->stream));
	CU(cuStreamSynchronize(d->stream));
}

static uint32_t word_of(CUdeviceptr address)
{
	uint32_t word = 0;

	CU(cuMemcpyDtoH(&word, address, sizeof(word)));
	return word;
}

/* --- kernels ------------------------------------------------------------------------------------- */

static CUDA_KERNEL_NODE_PARAMS kernel_of(struct data *d, void **params)
{
	CUDA_KERNEL_NODE_PARAMS kernel;

	memset(&kernel, 0, sizeof(kernel));
	kernel.func = d->append;
	kernel.gridDimX = kernel.gridDimY = kernel.gridDimZ = 1;
	kernel.blockDimX = kernel.blockDimY = kernel.blockDimZ = 1;
	kernel.kernelParams = params;
	return kernel;
}

static bool kernel_is(struct data *d, CUgraphNode node, uint32_t id)
{
	CUDA_KERNEL_NODE_PARAMS got;

	memset(&got, 0xff, sizeof(got));
	CU(cuGraphKernelNodeGetParams(node, &got));
	/* Told as a function or as a kernel: which is the driver's choice. */
	return (got.func == d->append || got.kern) && got.gridDimX == 1 && got.blockDimZ == 1 &&
	       got.kernelParams && *(CUdeviceptr *)got.kernelParams[0] == d->state &&
	       *(uint32_t *)got.kernelParams[1] == id;
}

static uint64_t appended(struct data *d, CUgraphExec exec)
{
	uint64_t state = 1;

	CU(cuMemcpyHtoD(d->state, &state, sizeof(state)));
	run(d, exec);
	CU(cuMemcpyDtoH(&state, d->state, sizeof(state)));
	return state;
}

static void check_kernel(struct data *d)
{
	uint32_t id = 5;
	void *params[] = {&d->state, &id};
	CUDA_KERNEL_NODE_PARAMS kernel = kernel_of(d, params);
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddKernelNode(&node, graph, NULL, 0, &kernel));
	check_that(kernel_is(d, node, 5), "kernel-get", "function and parameters");
	id = 6;
	CU(cuGraphKernelNodeSetParams(node, &kernel));
	check_that(kernel_is(d, node, 6), "kernel-set", "id 6");
	CU(cuGraphInstantiate(&exec, graph, 0));
	check_that(appended(d, exec) == 3 + 6, "kernel-runs", "id 6");
	id = 7;
	CU(cuGraphExecKernelNodeSetParams(exec, node, &kernel));
	check_that(appended(d, exec) == 3 + 7 && kernel_is(d, node, 6), "kernel-exec-set",
		   "id 7 in the executable graph alone");
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* As programs from before CUDA 12 have them. */
typedef CUresult (*add_v1)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
			   const CUDA_KERNEL_NODE_PARAMS_v1 *);
typedef CUresult (*get_v1)(CUgraphNode, CUDA_KERNEL_NODE_PARAMS_v1 *);
typedef CUresult (*set_v1)(CUgraphNode, const CUDA_KERNEL_NODE_PARAMS_v1 *);
typedef CUresult (*exec_set_v1)(CUgraphExec, CUgraphNode, const CUDA_KERNEL_NODE_PARAMS_v1 *);
typedef CUresult (*instantiate_v1)(CUgraphExec *, CUgraph, CUgraphNode *, char *, size_t);
typedef CUresult (*update_v1)(CUgraphExec, CUgraph, CUgraphNode *, CUgraphExecUpdateResult *);

static void check_kernel_v1(struct data *d)
{
	add_v1 add = (add_v1)entry_of("cuGraphAddKernelNode", 10000);
	get_v1 get = (get_v1)entry_of("cuGraphKernelNodeGetParams", 10000);
	set_v1 set = (set_v1)entry_of("cuGraphKernelNodeSetParams", 10000);
	exec_set_v1 exec_set = (exec_set_v1)entry_of("cuGraphExecKernelNodeSetParams", 10010);
	instantiate_v1 instantiate = (instantiate_v1)entry_of("cuGraphInstantiate", 10000);
	update_v1 update = (update_v1)entry_of("cuGraphExecUpdate", 10020);
	CUgraphExecUpdateResult outcome = CU_GRAPH_EXEC_UPDATE_ERROR;
	CUDA_KERNEL_NODE_PARAMS_v1 kernel, got;
	uint32_t id = 5;
	void *params[] = {&d->state, &id};
	CUgraphNode node = NULL, error = NULL;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	char log[64] = "log";

	memset(&kernel, 0, sizeof(kernel));
	kernel.func = d->append;
	kernel.gridDimX = kernel.gridDimY = kernel.gridDimZ = 1;
	kernel.blockDimX = kernel.blockDimY = kernel.blockDimZ = 1;
	kernel.kernelParams = params;
	CU(cuGraphCreate(&graph, 0));
	CU(add(&node, graph, NULL, 0, &kernel));
	id = 8;
	CU(set(node, &kernel));
	CU(get(node, &got));
	check_that(got.func == d->append && *(uint32_t *)got.kernelParams[1] == 8, "kernel-v1",
		   "id %u", *(uint32_t *)got.kernelParams[1]);
	CU(instantiate(&exec, graph, &error, log, sizeof(log)));
	id = 9;
	CU(exec_set(exec, node, &kernel));
	check_that(appended(d, exec) == 3 + 9, "exec-v1", "id 9");
	CU(update(exec, graph, &error, &outcome));
	check_that(outcome == CU_GRAPH_EXEC_UPDATE_SUCCESS && appended(d, exec) == 3 + 8,
		   "update-v1", "outcome %d, as in the graph again", (int)outcome);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- copies and fills -------------------------------------------------------------------------------- */

static CUDA_MEMCPY3D copy_of(CUdeviceptr dst, const void *src, size_t bytes)
{
	CUDA_MEMCPY3D copy;

	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.srcHost = src;
	copy.srcPitch = bytes;
	copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	copy.dstDevice = dst;
	copy.dstPitch = bytes;
	copy.WidthInBytes = bytes;
	copy.Height = copy.Depth = 1;
	return copy;
}

static void check_copy(struct data *d)
{
	CUDA_MEMCPY3D copy = copy_of(d->one, d->host, BYTES), got;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	fill_random(d->host, BYTES, 1);
	CU(cuMemsetD8(d->one, 0, BYTES));
	CU(cuMemsetD8(d->two, 0, BYTES));
	CU(cuCtxSynchronize()); /* the graph's stream does not wait for the default one */
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, d->context));
	memset(&got, 0xff, sizeof(got));
	CU(cuGraphMemcpyNodeGetParams(node, &got));
	check_that(got.srcHost == d->host && got.dstDevice == d->one && got.WidthInBytes == BYTES &&
			   got.dstMemoryType == CU_MEMORYTYPE_DEVICE,
		   "copy-get", "%zu bytes", got.WidthInBytes);
	copy.WidthInBytes = 8;
	CU(cuGraphMemcpyNodeSetParams(node, &copy));
	CU(cuGraphInstantiate(&exec, graph, 0));
	run(d, exec);
	check_that(word_of(d->one + 4) == d->host[1] && word_of(d->one + 8) == 0, "copy-set",
		   "8 bytes");
	copy.dstDevice = d->two;
	CU(cuGraphExecMemcpyNodeSetParams(exec, node, &copy, d->context));
	run(d, exec);
	check_that(word_of(d->two) == d->host[0], "copy-exec-set", "to other memory");
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

static void check_fill(struct data *d)
{
	CUDA_MEMSET_NODE_PARAMS fill, got;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	memset(&fill, 0, sizeof(fill));
	fill.dst = d->one;
	fill.elementSize = 4;
	fill.width = 2;
	fill.height = 1;
	fill.pitch = 8;
	fill.value = 11;
	CU(cuMemsetD8(d->one, 0, BYTES));
	CU(cuCtxSynchronize());
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddMemsetNode(&node, graph, NULL, 0, &fill, d->context));
	memset(&got, 0xff, sizeof(got));
	CU(cuGraphMemsetNodeGetParams(node, &got));
	check_that(got.dst == d->one && got.value == 11 && got.elementSize == 4 && got.width == 2,
		   "fill-get", "value %u", got.value);
	fill.value = 12;
	CU(cuGraphMemsetNodeSetParams(node, &fill));
	CU(cuGraphInstantiate(&exec, graph, 0));
	run(d, exec);
	check_that(word_of(d->one + 4) == 12 && word_of(d->one + 8) == 0, "fill-set", "value 12");
	fill.value = 13;
	CU(cuGraphExecMemsetNodeSetParams(exec, node, &fill, d->context));
	run(d, exec);
	check_that(word_of(d->one) == 13, "fill-exec-set", "value 13");
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- host functions ------------------------------------------------------------------------------------ */

static void CUDA_CB count_up(void *user)
{
	atomic_fetch_add((_Atomic unsigned int *)user, 1);
}

static void CUDA_CB count_ten(void *user)
{
	atomic_fetch_add((_Atomic unsigned int *)user, 10);
}

static void check_host(struct data *d)
{
	_Atomic unsigned int first = 0, second = 0;
	CUDA_HOST_NODE_PARAMS host, got;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	memset(&host, 0, sizeof(host));
	host.fn = count_up;
	host.userData = (void *)&first;
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddHostNode(&node, graph, NULL, 0, &host));
	memset(&got, 0, sizeof(got));
	CU(cuGraphHostNodeGetParams(node, &got));
	check_that(got.fn == count_up && got.userData == (void *)&first, "host-get",
		   "function and pointer");
	host.fn = count_ten;
	CU(cuGraphHostNodeSetParams(node, &host));
	CU(cuGraphHostNodeGetParams(node, &got));
	CU(cuGraphInstantiate(&exec, graph, 0));
	run(d, exec);
	check_that(got.fn == count_ten && atomic_load(&first) == 10, "host-set", "%u",
		   atomic_load(&first));
	host.userData = (void *)&second;
	CU(cuGraphExecHostNodeSetParams(exec, node, &host));
	run(d, exec);
	run(d, exec);
	check_that(atomic_load(&first) == 10 && atomic_load(&second) == 20, "host-exec-set",
		   "%u and %u", atomic_load(&first), atomic_load(&second));
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- events ------------------------------------------------------------------------------------------- */

static void check_events(struct data *d)
{
	CUgraphNode record = NULL, wait = NULL;
	CUevent events[3], got = NULL, waited = NULL;
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;

	for (int i = 0; i < 3; i++)
		CU(cuEventCreate(&events[i], CU_EVENT_DISABLE_TIMING));
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddEventRecordNode(&record, graph, NULL, 0, events[0]));
	CU(cuGraphAddEventWaitNode(&wait, graph, &record, 1, events[0]));
	CU(cuGraphEventRecordNodeGetEvent(record, &got));
	CU(cuGraphEventWaitNodeGetEvent(wait, &waited));
	check_that(got == events[0] && waited == events[0], "event-get", "the event itself");
	CU(cuGraphEventRecordNodeSetEvent(record, events[1]));
	CU(cuGraphEventWaitNodeSetEvent(wait, events[2]));
	CU(cuGraphEventRecordNodeGetEvent(record, &got));
	CU(cuGraphEventWaitNodeGetEvent(wait, &waited));
	check_that(got == events[1] && waited == events[2], "event-set", "another");
	CU(cuGraphInstantiate(&exec, graph, 0));
	CU(cuGraphExecEventRecordNodeSetEvent(exec, record, events[2]));
	CU(cuGraphExecEventWaitNodeSetEvent(exec, wait, events[1]));
	run(d, exec);
	check_result("event-recorded", cuEventQuery(events[2]), CUDA_SUCCESS);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	for (int i = 0; i < 3; i++)
		CU(cuEventDestroy(events[i]));
}

/* --- graphs in graphs --------------------------------------------------------------------------------- */

static CUgraph child_of(struct data *d, uint32_t *id, CUgraphNode *node)
{
	void *params[] = {&d->state, id};
	CUDA_KERNEL_NODE_PARAMS kernel = kernel_of(d, params);
	CUgraph child = NULL;

	CU(cuGraphCreate(&child, 0));
	CU(cuGraphAddKernelNode(node, child, NULL, 0, &kernel));
	return child;
}

static void check_child(struct data *d)
{
	CUgraphNode inner = NULL, other = NULL, node = NULL, nodes[2];
	uint32_t ids[] = {3, 4};
	CUgraph graph = NULL, got = NULL, child = child_of(d, &ids[0], &inner),
		second = child_of(d, &ids[1], &other);
	CUgraphExec exec = NULL;
	size_t count = 2;

	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddChildGraphNode(&node, graph, NULL, 0, child));
	CU(cuGraphChildGraphNodeGetGraph(node, &got));
	CU(cuGraphGetNodes(got, nodes, &count));
	check_that(got != child && count == 1 && nodes[0] != inner && kernel_is(d, nodes[0], 3),
		   "child-get", "a copy with %zu nodes", count);
	CU(cuGraphInstantiate(&exec, graph, 0));
	check_that(appended(d, exec) == 3 + 3, "child-runs", "id 3");
	CU(cuGraphExecChildGraphNodeSetParams(exec, node, second));
	check_that(appended(d, exec) == 3 + 4, "child-exec-set", "id 4");
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	CU(cuGraphDestroy(child));
	CU(cuGraphDestroy(second));
}

/* --- operations on words ------------------------------------------------------------------------------- */

static void check_batch(struct data *d, CUdevice dev)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch, got;
	CUstreamBatchMemOpParams ops[2];
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS)) {
		check_skip("batch", "no stream memory operations here");
		return;
	}
	memset(ops, 0, sizeof(ops));
	for (int i = 0; i < 2; i++) {
		ops[i].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
		ops[i].writeValue.address = d->one + (size_t)i * 4;
		ops[i].writeValue.value = 21 + (uint32_t)i;
	}
	memset(&batch, 0, sizeof(batch));
	batch.ctx = d->context;
	batch.count = 2;
	batch.paramArray = ops;
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddBatchMemOpNode(&node, graph, NULL, 0, &batch));
	memset(&got, 0, sizeof(got));
	CU(cuGraphBatchMemOpNodeGetParams(node, &got));
	check_that(got.count == 2 && got.paramArray && got.paramArray != ops &&
			   got.paramArray[1].writeValue.address == d->one + 4 &&
			   got.paramArray[1].writeValue.value == 22,
		   "batch-get", "%u operations", got.count);
	ops[1].writeValue.value = 23;
	CU(cuGraphBatchMemOpNodeSetParams(node, &batch));
	CU(cuGraphInstantiate(&exec, graph, 0));
	run(d, exec);
	check_that(word_of(d->one) == 21 && word_of(d->one + 4) == 23, "batch-set", "%u",
		   word_of(d->one + 4));
	ops[0].writeValue.value = 24;
	CU(cuGraphExecBatchMemOpNodeSetParams(exec, node, &batch));
	run(d, exec);
	check_that(word_of(d->one) == 24, "batch-exec-set", "%u", word_of(d->one));
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- wrong ones ----------------------------------------------------------------------------------------- */

static void check_wrong(struct data *d)
{
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_KERNEL_NODE_PARAMS kernel;
	CUgraph graph = NULL;
	CUgraphNode node = NULL;

	(void)d;
	memset(&fill, 0, sizeof(fill));
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddEmptyNode(&node, graph, NULL, 0));
	check_result("get-other-type", cuGraphKernelNodeGetParams(node, &kernel),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("get-null", cuGraphMemsetNodeGetParams(node, NULL), CUDA_ERROR_INVALID_VALUE);
	check_result("set-other-type", cuGraphMemsetNodeSetParams(node, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("add-null", cuGraphAddHostNode(&node, graph, NULL, 0, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuGraphDestroy(graph));
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	struct data data;

	data_open(&data, module);
	check_kernel(&data);
	check_kernel_v1(&data);
	check_copy(&data);
	check_fill(&data);
	check_host(&data);
	check_events(&data);
	check_child(&data);
	check_batch(&data, dev);
	check_wrong(&data);
	data_close(&data);
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
