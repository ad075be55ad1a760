/* SPDX-License-Identifier: MIT */
/*
 * What else graphs have: the form of nodes for all types, clones, nodes switched off, attributes of kernel
 * nodes, memory that a graph allocates, user objects, conditional nodes, a drawn graph. One thread;
 * destructors of user objects in one of the driver's.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

struct data {
	CUdevice dev;
	CUcontext context;
	CUstream stream;
	CUfunction append;
	CUdeviceptr state; /* 64 bits */
};

static void run(struct data *d, CUgraphExec exec)
{
	CU(cuGraphLaunch(exec, d->stream));
	CU(cuStreamSynchronize(d->stream));
}

/* What the state is after a launch that begins with 1. */
static uint64_t appended(struct data *d, CUgraphExec exec)
{
	uint64_t state = 1;

	CU(cuMemcpyHtoD(d->state, &state, sizeof(state)));
	run(d, exec);
	CU(cuMemcpyDtoH(&state, d->state, sizeof(state)));
	return state;
}

static CUgraphNodeParams params_of(struct data *d, void **params)
{
	CUgraphNodeParams node;

	memset(&node, 0, sizeof(node));
	node.type = CU_GRAPH_NODE_TYPE_KERNEL;
	node.kernel.func = d->append;
	node.kernel.gridDimX = node.kernel.gridDimY = node.kernel.gridDimZ = 1;
	node.kernel.blockDimX = node.kernel.blockDimY = node.kernel.blockDimZ = 1;
	node.kernel.kernelParams = params;
	return node;
}

static CUgraphNode append_node(struct data *d, CUgraph graph, const CUgraphNode *after, uint32_t id)
{
	void *params[] = {&d->state, &id};
	CUgraphNodeParams node = params_of(d, params);
	CUgraphNode made = NULL;

	CU(cuGraphAddNode(&made, graph, after, NULL, after ? 1 : 0, &node));
	return made;
}

static CUgraphExec instantiate(CUgraph graph)
{
	CUgraphExec exec = NULL;

	CU(cuGraphInstantiate(&exec, graph, 0));
	return exec;
}

/* --- the form for all types --------------------------------------------------------------------------- */

typedef CUresult (*add_node_v1)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
				CUgraphNodeParams *);

static void check_any_form(struct data *d)
{
	add_node_v1 add = (add_node_v1)entry_of("cuGraphAddNode", 12020);
	uint32_t id = 2;
	void *params[] = {&d->state, &id};
	CUgraphNodeParams kernel = params_of(d, params), empty;
	CUgraphNode node, after = NULL;
	CUgraph graph = NULL;
	CUgraphExec exec;

	memset(&empty, 0, sizeof(empty));
	empty.type = CU_GRAPH_NODE_TYPE_EMPTY;
	CU(cuGraphCreate(&graph, 0));
	node = append_node(d, graph, NULL, 1);
	CU(add(&after, graph, &node, 1, &empty));
	CU(cuGraphNodeSetParams(node, &kernel));
	exec = instantiate(graph);
	check_that(appended(d, exec) == 3 + 2, "any-set", "id 2");
	id = 3;
	CU(cuGraphExecNodeSetParams(exec, node, &kernel));
	check_that(appended(d, exec) == 3 + 3, "any-exec-set", "id 3");
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- clones, and nodes that are switched off --------------------------------------------------------- */

static void check_clone(struct data *d)
{
	CUgraph graph = NULL, clone = NULL;
	CUgraphNode node, found = NULL;
	CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
	cuuint64_t flags = 77;
	unsigned int on = 7;
	CUgraphExec exec;

	CU(cuGraphCreate(&graph, 0));
	node = append_node(d, graph, NULL, 1);
	append_node(d, graph, &node, 2);
	CU(cuGraphClone(&clone, graph));
	CU(cuGraphNodeFindInClone(&found, node, clone));
	CU(cuGraphNodeGetType(found, &type));
	check_that(found && found != node && type == CU_GRAPH_NODE_TYPE_KERNEL, "find-in-clone",
		   "type %d", (int)type);
	check_result("find-nothing", cuGraphNodeFindInClone(&found, node, graph),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuGraphInstantiate(&exec, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
	CU(cuGraphExecGetFlags(exec, &flags));
	check_that(flags == CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH, "exec-flags", "%llu",
		   (unsigned long long)flags);
	CU(cuGraphNodeSetEnabled(exec, node, 0));
	CU(cuGraphNodeGetEnabled(exec, node, &on));
	check_that(on == 0 && appended(d, exec) == 3 + 2, "node-off", "enabled %u", on);
	CU(cuGraphNodeSetEnabled(exec, node, 1));
	CU(cuGraphNodeGetEnabled(exec, node, &on));
	check_that(on == 1 && appended(d, exec) == (3 + 1) * 3 + 2, "node-on", "enabled %u", on);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	CU(cuGraphDestroy(clone));
}

static void check_attributes(struct data *d)
{
	CUkernelNodeAttrValue set, got;
	CUgraphNode node, other;
	CUgraph graph = NULL;

	CU(cuGraphCreate(&graph, 0));
	node = append_node(d, graph, NULL, 1);
	other = append_node(d, graph, &node, 2);
	memset(&set, 0, sizeof(set));
	set.cooperative = 1;
	CU(cuGraphKernelNodeSetAttribute(node, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &set));
	memset(&got, 0, sizeof(got));
	CU(cuGraphKernelNodeGetAttribute(node, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &got));
	check_that(got.cooperative == 1, "attribute", "cooperative %d", got.cooperative);
	CU(cuGraphKernelNodeCopyAttributes(other, node));
	memset(&got, 0, sizeof(got));
	CU(cuGraphKernelNodeGetAttribute(other, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &got));
	check_that(got.cooperative == 1, "attributes-copied", "cooperative %d", got.cooperative);
	CU(cuGraphDestroy(graph));
}

/* --- memory --------------------------------------------------------------------------------------------- */

static cuuint64_t graph_memory(struct data *d, CUgraphMem_attribute attr)
{
	cuuint64_t value = 0;

	CU(cuDeviceGetGraphMemAttribute(d->dev, attr, &value));
	return value;
}

/* alloc -> fill -> copy to `state` -> free */
static void check_memory(struct data *d)
{
	CUmemAccessDesc access;
	CUDA_MEM_ALLOC_NODE_PARAMS alloc, got;
	CUDA_MEMSET_NODE_PARAMS fill;
	CUDA_MEMCPY3D copy;
	CUgraphNode nodes[4] = {NULL};
	cuuint64_t zero = 0;
	CUdeviceptr freed = 0;
	CUgraph graph = NULL;
	CUgraphExec exec;
	uint64_t state = 0;

	memset(&access, 0, sizeof(access));
	access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	access.location.id = d->dev;
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	memset(&alloc, 0, sizeof(alloc));
	alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
	alloc.poolProps.location = access.location;
	alloc.bytesize = 1 << 20;
	alloc.accessDescs = &access;
	alloc.accessDescCount = 1;
	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphAddMemAllocNode(&nodes[0], graph, NULL, 0, &alloc));
	memset(&got, 0, sizeof(got));
	CU(cuGraphMemAllocNodeGetParams(nodes[0], &got));
	check_that(alloc.dptr && got.dptr == alloc.dptr && got.bytesize == alloc.bytesize &&
			   got.accessDescCount == 1 && got.accessDescs &&
			   got.accessDescs[0].location.id == d->dev,
		   "alloc-get", "%zu bytes", got.bytesize);
	memset(&fill, 0, sizeof(fill));
	fill.dst = alloc.dptr;
	fill.elementSize = 4;
	fill.width = alloc.bytesize / 4;
	fill.height = 1;
	fill.pitch = alloc.bytesize;
	fill.value = 0x01010101;
	CU(cuGraphAddMemsetNode(&nodes[1], graph, &nodes[0], 1, &fill, d->context));
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	copy.srcDevice = alloc.dptr + alloc.bytesize - 8;
	copy.dstDevice = d->state;
	copy.WidthInBytes = 8;
	copy.Height = copy.Depth = 1;
	CU(cuGraphAddMemcpyNode(&nodes[2], graph, &nodes[1], 1, &copy, d->context));
	CU(cuGraphAddMemFreeNode(&nodes[3], graph, &nodes[2], 1, alloc.dptr));
	CU(cuGraphMemFreeNodeGetParams(nodes[3], &freed));
	check_that(freed == alloc.dptr, "free-get", "the same address");
	exec = instantiate(graph);
	run(d, exec);
	run(d, exec);
	CU(cuMemcpyDtoH(&state, d->state, sizeof(state)));
	check_that(state == 0x0101010101010101u, "alloc-runs", "%llx", (unsigned long long)state);
	check_that(graph_memory(d, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH) >= alloc.bytesize,
		   "graph-memory", "%llu bytes at most",
		   (unsigned long long)graph_memory(d, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH));
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	CU(cuDeviceSetGraphMemAttribute(d->dev, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &zero));
	CU(cuDeviceGraphMemTrim(d->dev));
	check_that(graph_memory(d, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT) == 0, "graph-memory-gone",
		   "none used");
}

/* The graph allocates; the program frees after the launch. */
static void check_captured_memory(struct data *d)
{
	CUdeviceptr memory = 0;
	CUgraph graph = NULL;
	uint32_t word = 0;
	CUgraphExec exec;

	CU(cuStreamBeginCapture(d->stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	CU(cuMemAllocAsync(&memory, 4096, d->stream));
	CU(cuMemsetD32Async(memory, 99, 1024, d->stream));
	CU(cuStreamEndCapture(d->stream, &graph));
	exec = instantiate(graph);
	for (int i = 0; i < 2; i++) {
		run(d, exec);
		CU(cuMemcpyDtoH(&word, memory + 4092, sizeof(word)));
		check_that(word == 99, "captured-alloc", "%u", word);
		CU(cuMemFreeAsync(memory, d->stream));
		CU(cuStreamSynchronize(d->stream));
	}
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

/* --- user objects ---------------------------------------------------------------------------------------- */

static void CUDA_CB count_up(void *user)
{
	atomic_fetch_add((_Atomic unsigned int *)user, 1);
}

/* Destructors run when the driver comes to it. */
static bool comes_to(_Atomic unsigned int *count, unsigned int wanted)
{
	double end = seconds_now() + 10;

	while (atomic_load(count) < wanted && seconds_now() < end)
		usleep(1000);
	return atomic_load(count) == wanted;
}

static void check_user_objects(struct data *d)
{
	_Atomic unsigned int gone = 0, kept = 0;
	CUuserObject object = NULL, second = NULL;
	CUgraph graph = NULL;
	CUgraphExec exec;

	CU(cuUserObjectCreate(&object, (void *)&gone, count_up, 1,
			      CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
	CU(cuUserObjectRetain(object, 2));
	CU(cuUserObjectRelease(object, 2));
	check_that(atomic_load(&gone) == 0, "user-object-held", "one reference");
	CU(cuUserObjectRelease(object, 1));
	check_that(comes_to(&gone, 1), "user-object-gone", "destructor called once");
	CU(cuUserObjectCreate(&second, (void *)&kept, count_up, 2,
			      CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
	CU(cuGraphCreate(&graph, 0));
	append_node(d, graph, NULL, 1);
	CU(cuGraphRetainUserObject(graph, second, 1, CU_GRAPH_USER_OBJECT_MOVE));
	CU(cuGraphRetainUserObject(graph, second, 1, 0));
	CU(cuGraphReleaseUserObject(graph, second, 1));
	CU(cuUserObjectRelease(second, 1));
	exec = instantiate(graph);
	CU(cuGraphDestroy(graph));
	run(d, exec);
	usleep(20000);
	check_that(atomic_load(&kept) == 0, "user-object-of-graph", "the executable graph has it");
	CU(cuGraphExecDestroy(exec));
	check_that(comes_to(&kept, 1), "user-object-with-graph", "destructor called once");
	check_result("user-object-flags", cuUserObjectCreate(&object, NULL, count_up, 1, 0),
		     CUDA_ERROR_INVALID_VALUE);
}

/* --- conditional nodes ----------------------------------------------------------------------------------- */

/* A graph whose only node decides by `value` which of `size` bodies runs; body i appends i + 1. */
static uint64_t decided(struct data *d, CUgraphConditionalNodeType type, unsigned int size,
			unsigned int value)
{
	CUgraphConditionalHandle handle = 0;
	CUgraphNodeParams params;
	CUgraphNode node = NULL;
	CUgraph graph = NULL;
	CUgraphExec exec;
	uint64_t state;

	CU(cuGraphCreate(&graph, 0));
	CU(cuGraphConditionalHandleCreate(&handle, graph, d->context, value,
					  CU_GRAPH_COND_ASSIGN_DEFAULT));
	memset(&params, 0, sizeof(params));
	params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
	params.conditional.handle = handle;
	params.conditional.type = type;
	params.conditional.size = size;
	params.conditional.ctx = d->context;
	CU(cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
	for (unsigned int i = 0; i < size; i++)
		append_node(d, params.conditional.phGraph_out[i], NULL, i + 1);
	exec = instantiate(graph);
	state = appended(d, exec);
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
	return state;
}

static void check_conditional(struct data *d)
{
	int version = 0;

	CU(cuDriverGetVersion(&version));
	if (version < 12080) {
		check_skip("conditional", "driver API %d", version);
		return;
	}
	check_that(decided(d, CU_GRAPH_COND_TYPE_IF, 1, 1) == 3 + 1, "if-true", "body ran");
	check_that(decided(d, CU_GRAPH_COND_TYPE_IF, 1, 0) == 1, "if-false", "nothing ran");
	check_that(decided(d, CU_GRAPH_COND_TYPE_IF, 2, 0) == 3 + 2, "if-else", "second body ran");
	check_that(decided(d, CU_GRAPH_COND_TYPE_WHILE, 1, 0) == 1, "while-false", "nothing ran");
	check_that(decided(d, CU_GRAPH_COND_TYPE_SWITCH, 4, 2) == 3 + 3, "switch",
		   "third body ran");
	check_that(decided(d, CU_GRAPH_COND_TYPE_SWITCH, 2, 5) == 1, "switch-none", "nothing ran");
}

/* --- drawing ----------------------------------------------------------------------------------------------- */

static void check_drawing(struct data *d)
{
	char path[] = "/tmp/graph-XXXXXX", text[4096];
	CUgraph graph = NULL;
	CUgraphNode node;
	size_t size = 0;
	FILE *file;
	int fd = mkstemp(path);

	CU(cuGraphCreate(&graph, 0));
	node = append_node(d, graph, NULL, 1);
	append_node(d, graph, &node, 2);
	CU(cuGraphDebugDotPrint(graph, path, 0));
	file = fdopen(fd, "r");
	if (file) {
		size = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[size] = '\0';
	check_that(strstr(text, "digraph") && strstr(text, "->"), "drawn", "%zu bytes", size);
	unlink(path);
	check_that(cuGraphDebugDotPrint(graph, "/no/such/folder/file", 0) != CUDA_SUCCESS,
		   "drawn-nowhere", "refused");
	CU(cuGraphDestroy(graph));
}

int main(void)
{
	struct data data;
	CUmodule module;

	memset(&data, 0, sizeof(data));
	data.dev = device_open();
	module = module_load(chain_ptx);
	data.append = module_function(module, "append");
	CU(cuCtxGetCurrent(&data.context));
	CU(cuStreamCreate(&data.stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&data.state, sizeof(uint64_t)));
	check_any_form(&data);
	check_clone(&data);
	check_attributes(&data);
	check_memory(&data);
	check_captured_memory(&data);
	check_user_objects(&data);
	check_conditional(&data);
	check_drawing(&data);
	CU(cuMemFree(data.state));
	CU(cuStreamDestroy(data.stream));
	CU(cuModuleUnload(module));
	device_close(data.dev);
	return check_end();
}
