/* SPDX-License-Identifier: MIT */
/*
 * Conditional nodes whose condition a kernel sets: a loop that runs until a counter has come down, and a branch. Compiled
 * with relocatable device code, since cudaGraphSetConditional is a function of the device runtime's library.
 */
#include "report.cuh"

__global__ void count_down(int *counter, int *rounds, cudaGraphConditionalHandle handle)
{
	++*rounds;
	cudaGraphSetConditional(handle, --*counter > 0);
}

__global__ void decide(int value, cudaGraphConditionalHandle handle)
{
	cudaGraphSetConditional(handle, value > 10);
}

__global__ void mark(int *place)
{
	*place = 77;
}

static void add_kernel(cudaGraphNode_t *node, cudaGraph_t graph, void *kernel, void **params)
{
	cudaKernelNodeParams kernel_params = {};

	kernel_params.func = kernel;
	kernel_params.gridDim = dim3(1);
	kernel_params.blockDim = dim3(1);
	kernel_params.kernelParams = params;
	RT(cudaGraphAddKernelNode(node, graph, nullptr, 0, &kernel_params));
}

static cudaGraph_t add_body(cudaGraph_t graph, const cudaGraphNode_t *after,
			    cudaGraphConditionalHandle handle, cudaGraphConditionalNodeType type)
{
	cudaGraphNodeParams params = {};
	cudaGraphNode_t node;

	params.type = cudaGraphNodeTypeConditional;
	params.conditional.handle = handle;
	params.conditional.type = type;
	params.conditional.size = 1;
	RT(cudaGraphAddNode(&node, graph, after, nullptr, after ? 1 : 0, &params));
	return params.conditional.phGraph_out[0];
}

static void launch(cudaGraph_t graph)
{
	cudaGraphExec_t exec;

	RT(cudaGraphInstantiate(&exec, graph, 0));
	RT(cudaGraphLaunch(exec, nullptr));
	RT(cudaDeviceSynchronize());
	RT(cudaGraphExecDestroy(exec));
}

static int loop_rounds(int *memory, int count)
{
	int *rounds = memory + 1, host[2] = {count, 0};
	cudaGraphConditionalHandle handle;
	cudaGraphNode_t node;
	cudaGraph_t graph;
	void *params[] = {&memory, &rounds, &handle};

	RT(cudaMemcpy(memory, host, sizeof(host), cudaMemcpyHostToDevice));
	RT(cudaGraphCreate(&graph, 0));
	RT(cudaGraphConditionalHandleCreate(&handle, graph, 1, cudaGraphCondAssignDefault));
	add_kernel(&node, add_body(graph, nullptr, handle, cudaGraphCondTypeWhile),
		   (void *)count_down, params);
	launch(graph);
	RT(cudaGraphDestroy(graph));
	RT(cudaMemcpy(host, memory, sizeof(host), cudaMemcpyDeviceToHost));
	return host[1];
}

static int branch_mark(int *memory, int value)
{
	cudaGraphConditionalHandle handle;
	cudaGraphNode_t first, node;
	cudaGraph_t graph;
	int got = 0;
	void *deciding[] = {&value, &handle}, *marking[] = {&memory};

	RT(cudaMemset(memory, 0, sizeof(int)));
	RT(cudaGraphCreate(&graph, 0));
	RT(cudaGraphConditionalHandleCreate(&handle, graph, 0, 0));
	add_kernel(&first, graph, (void *)decide, deciding);
	add_kernel(&node, add_body(graph, &first, handle, cudaGraphCondTypeIf), (void *)mark,
		   marking);
	launch(graph);
	RT(cudaGraphDestroy(graph));
	RT(cudaMemcpy(&got, memory, sizeof(got), cudaMemcpyDeviceToHost));
	return got;
}

int main()
{
	int *memory, rounds, yes, no;

	print_device();
	RT(cudaMalloc(&memory, 2 * sizeof(int)));
	rounds = loop_rounds(memory, 12);
	report(rounds == 12, "loop", "%d rounds", rounds);
	yes = branch_mark(memory, 11);
	no = branch_mark(memory, 10);
	report(yes == 77 && no == 0, "branch", "%d and %d", yes, no);
	RT(cudaFree(memory));
	return failures != 0;
}
