/* SPDX-License-Identifier: MIT */
/*
 * A graph captured from streams by the runtime: copies, three kernels that fork and join, a host
 * function; launched twenty times with other data.
 */
#include <vector>

#include "report.cuh"

__global__ void scale(const int *in, int *out, int factor, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = in[i] * factor;
}

__global__ void add(const int *a, const int *b, int *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

static void CUDART_CB count_up(void *user)
{
	++*(int *)user;
}

int main()
{
	const int n = 30011, launches = 20, blocks = (n + 255) / 256;
	int *in, *out, *din, *da, *db, *dout, calls = 0;
	cudaStream_t one, two;
	cudaEvent_t forked, joined;
	cudaGraph_t graph;
	cudaGraphExec_t exec;
	size_t nodes = 0;
	long wrong = 0;

	print_device();
	RT(cudaMallocHost(&in, n * sizeof(int)));
	RT(cudaMallocHost(&out, n * sizeof(int)));
	RT(cudaMalloc(&din, n * sizeof(int)));
	RT(cudaMalloc(&da, n * sizeof(int)));
	RT(cudaMalloc(&db, n * sizeof(int)));
	RT(cudaMalloc(&dout, n * sizeof(int)));
	RT(cudaStreamCreate(&one));
	RT(cudaStreamCreate(&two));
	RT(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
	RT(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));

	RT(cudaStreamBeginCapture(one, cudaStreamCaptureModeGlobal));
	RT(cudaMemcpyAsync(din, in, n * sizeof(int), cudaMemcpyHostToDevice, one));
	RT(cudaEventRecord(forked, one));
	RT(cudaStreamWaitEvent(two, forked, 0));
	scale<<<blocks, 256, 0, one>>>(din, da, 3, n);
	scale<<<blocks, 256, 0, two>>>(din, db, 7, n);
	RT(cudaEventRecord(joined, two));
	RT(cudaStreamWaitEvent(one, joined, 0));
	add<<<blocks, 256, 0, one>>>(da, db, dout, n);
	RT(cudaMemcpyAsync(out, dout, n * sizeof(int), cudaMemcpyDeviceToHost, one));
	RT(cudaLaunchHostFunc(one, count_up, &calls));
	RT(cudaStreamEndCapture(one, &graph));
	RT(cudaGraphGetNodes(graph, nullptr, &nodes));
	report(nodes == 6 && calls == 0, "captured", "%zu nodes, nothing ran", nodes);

	RT(cudaGraphInstantiate(&exec, graph, 0));
	for (int round = 0; round < launches; round++) {
		for (int i = 0; i < n; i++)
			in[i] = i * (round + 1) - 5000;
		RT(cudaGraphLaunch(exec, one));
		RT(cudaStreamSynchronize(one));
		for (int i = 0; i < n; i++)
			wrong += out[i] != in[i] * 10;
	}
	report(wrong == 0 && calls == launches, "launched",
	       "%d launches, %ld values wrong, %d calls", launches, wrong, calls);
	RT(cudaGraphExecDestroy(exec));
	RT(cudaGraphDestroy(graph));
	RT(cudaDeviceReset());
	return failures != 0;
}
