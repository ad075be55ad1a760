/* SPDX-License-Identifier: MIT */
/*
 * Stream callbacks by the runtime: cudaLaunchHostFunc and cudaStreamAddCallback, many in flight on
 * two streams, each after its kernel and copy, in order; an event times the whole.
 */
#include <atomic>

#include "report.cuh"

__global__ void advance(unsigned int *value, unsigned int by)
{
	*value = *value * 5 + by;
}

struct Line {
	cudaStream_t stream;
	unsigned int *device, *host; /* host: pinned */
	unsigned int next, wrong;
};

struct Call {
	Line *line;
	unsigned int number, wanted;
};

static std::atomic<unsigned int> calls;

static void note(Call *c)
{
	c->line->wrong += c->line->next != c->number ||
			  *(volatile unsigned int *)c->line->host != c->wanted;
	c->line->next = c->number + 1;
	calls++;
}

static void CUDART_CB on_function(void *user)
{
	note((Call *)user);
}

static void CUDART_CB on_callback(cudaStream_t stream, cudaError_t status, void *user)
{
	Call *c = (Call *)user;

	c->line->wrong += status != cudaSuccess || stream != c->line->stream;
	note(c);
}

int main()
{
	const unsigned int count = 200;
	static Call call[2][count];
	Line line[2] = {};
	cudaEvent_t begin, end;
	float ms = -1;

	print_device();
	RT(cudaEventCreate(&begin));
	RT(cudaEventCreate(&end));
	for (Line &l : line) {
		RT(cudaStreamCreate(&l.stream));
		RT(cudaMalloc(&l.device, sizeof(*l.device)));
		RT(cudaMallocHost(&l.host, sizeof(*l.host)));
		RT(cudaMemset(l.device, 0, sizeof(*l.device)));
	}
	RT(cudaEventRecord(begin, line[0].stream));
	for (int s = 0; s < 2; s++) {
		Line &l = line[s];
		unsigned int value = 0;

		for (unsigned int i = 0; i < count; i++) {
			value = value * 5 + i;
			call[s][i] = {&l, i, value};
			advance<<<1, 1, 0, l.stream>>>(l.device, i);
			RT(cudaMemcpyAsync(l.host, l.device, sizeof(*l.host),
					   cudaMemcpyDeviceToHost, l.stream));
			if (i % 2)
				RT(cudaLaunchHostFunc(l.stream, on_function, &call[s][i]));
			else
				RT(cudaStreamAddCallback(l.stream, on_callback, &call[s][i], 0));
		}
	}
	RT(cudaEventRecord(end, line[0].stream));
	RT(cudaDeviceSynchronize());
	RT(cudaEventElapsedTime(&ms, begin, end));
	report(calls == 2 * count && !line[0].wrong && !line[1].wrong, "callbacks",
	       "%u of %u calls, %u wrong", calls.load(), 2 * count, line[0].wrong + line[1].wrong);
	report(ms > 0, "elapsed", "%s", ms > 0 ? "time passed" : "no time passed");
	for (Line &l : line) {
		RT(cudaStreamDestroy(l.stream));
		RT(cudaFree(l.device));
		RT(cudaFreeHost(l.host));
	}
	return failures != 0;
}
