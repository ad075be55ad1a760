/* SPDX-License-Identifier: MIT */
/*
 * Sums by shuffles, shared memory and atomics, as templates over the type: 32- and 64-bit integers,
 * and double with a fixed order of additions that the CPU repeats, so that all compare exactly.
 */
#include <cstdint>
#include <vector>

#include "report.cuh"

template <typename T> __device__ T warp_sum(T value)
{
	for (int delta = 16; delta > 0; delta /= 2)
		value += __shfl_down_sync(0xffffffffu, value, delta);
	return value;
}

template <typename T> __device__ T block_sum(T value)
{
	__shared__ T partial[32];
	unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

	value = warp_sum(value);
	if (lane == 0)
		partial[warp] = value;
	__syncthreads();
	value = threadIdx.x < blockDim.x / 32 ? partial[lane] : T(0);
	if (warp == 0)
		value = warp_sum(value);
	return value;
}

template <typename T> __global__ void sum(const T *in, T *out, unsigned int n)
{
	T mine = 0;

	for (unsigned int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
	     i += gridDim.x * blockDim.x)
		mine += in[i];
	mine = block_sum(mine);
	if (threadIdx.x == 0)
		atomicAdd(out, mine);
}

template <typename T> static void check_integers(const char *name)
{
	const unsigned int n = 777777;
	std::vector<T> in(n);
	T wanted = 0, got = 0, *din, *dout;

	for (unsigned int i = 0; i < n; i++) {
		in[i] = (T)i * (T)2654435761u + (T)(i >> 3);
		wanted += in[i];
	}
	RT(cudaMalloc(&din, n * sizeof(T)));
	RT(cudaMalloc(&dout, sizeof(T)));
	RT(cudaMemcpy(din, in.data(), n * sizeof(T), cudaMemcpyHostToDevice));
	RT(cudaMemset(dout, 0, sizeof(T)));
	sum<T><<<30, 512>>>(din, dout, n);
	RT(cudaGetLastError());
	RT(cudaMemcpy(&got, dout, sizeof(T), cudaMemcpyDeviceToHost));
	report(got == wanted, name, "%u values: %llu, CPU %llu", n, (unsigned long long)got,
	       (unsigned long long)wanted);
	RT(cudaFree(din));
	RT(cudaFree(dout));
}

/* One block: a tree of fixed shape in shared memory. */
__global__ void tree(const double *in, double *out)
{
	extern __shared__ double values[];

	values[threadIdx.x] = in[threadIdx.x];
	for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half)
			values[threadIdx.x] += values[threadIdx.x + half];
	}
	if (threadIdx.x == 0)
		*out = values[0];
}

static void check_doubles()
{
	const unsigned int n = 1024;
	std::vector<double> in(n), cpu;
	double got = 0, *din, *dout;

	for (unsigned int i = 0; i < n; i++)
		in[i] = 1.0 / (i + 1.0);
	cpu = in;
	for (unsigned int half = n / 2; half > 0; half /= 2)
		for (unsigned int i = 0; i < half; i++)
			cpu[i] += cpu[i + half];
	RT(cudaMalloc(&din, n * sizeof(double)));
	RT(cudaMalloc(&dout, sizeof(double)));
	RT(cudaMemcpy(din, in.data(), n * sizeof(double), cudaMemcpyHostToDevice));
	tree<<<1, n, n * sizeof(double)>>>(din, dout);
	RT(cudaGetLastError());
	RT(cudaMemcpy(&got, dout, sizeof(double), cudaMemcpyDeviceToHost));
	report(got == cpu[0], "sum-double-tree", "%.17g, CPU %.17g", got, cpu[0]);
	RT(cudaFree(din));
	RT(cudaFree(dout));
}

int main()
{
	print_device();
	check_integers<unsigned int>("sum-u32");
	check_integers<unsigned long long>("sum-u64");
	check_doubles();
	return failures != 0;
}
