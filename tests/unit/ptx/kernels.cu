// SPDX-License-Identifier: MIT
// Kernels for nvcc_test.c, which says what each must give. Compiled to PTX, for several targets and with -G.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cassert>
#include <cstdio>

namespace cg = cooperative_groups;

extern "C" __global__ void vector_add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

template <int N> __device__ void multiply(const float *a, const float *b, float *c, int n)
{
	__shared__ float as[N][N], bs[N][N];
	int x = threadIdx.x, y = threadIdx.y, column = blockIdx.x * N + x, row = blockIdx.y * N + y;
	float sum = 0;

	for (int k = 0; k < n; k += N) {
		as[y][x] = a[row * n + k + x];
		bs[y][x] = b[(k + y) * n + column];
		__syncthreads();
		for (int i = 0; i < N; i++)
			sum += as[y][i] * bs[i][x];
		__syncthreads();
	}
	c[row * n + column] = sum;
}

extern "C" __global__ void matmul(const float *a, const float *b, float *c, int n)
{
	multiply<16>(a, b, c, n);
}

extern "C" __global__ void reduce(const float *a, float *sum, int n)
{
	float s = 0;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		s += a[i];
	for (int d = 16; d; d >>= 1)
		s += __shfl_down_sync(~0u, s, d);
	if (threadIdx.x % 32 == 0)
		atomicAdd(sum, s);
}

extern "C" __global__ void print(int x)
{
	printf("%d %5.2f|%-6s|%c %llx %%\n", x, x * 1.5, "text", 'c', 0x123456789abcll);
	assert(x < 10);
}

struct Base {
	virtual __device__ int value(int x) = 0;
};
struct Adds : Base {
	int k;
	__device__ int value(int x) override
	{
		return x + k;
	}
};
struct Doubles : Base {
	__device__ int value(int x) override
	{
		return x * 2;
	}
};

extern "C" __global__ void virtual_call(int *out, int n)
{
	Adds adds;
	Doubles doubles;
	Base *base = threadIdx.x & 1 ? (Base *)&adds : (Base *)&doubles;

	adds.k = 5;
	out[threadIdx.x] = base->value(n);
}

__device__ __noinline__ int fibonacci(int n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

extern "C" __global__ void recursion(int *out, int n)
{
	out[threadIdx.x] = fibonacci(n + threadIdx.x);
}

__device__ __noinline__ int deep(int n)
{
	volatile int a[64];

	a[n & 63] = n;
	return n ? deep(n - 1) + a[n & 63] : 0;
}

extern "C" __global__ void deep_recursion(int *out, int n)
{
	*out = deep(n);
}

typedef int function(int);
__device__ int increment(int x)
{
	return x + 1;
}
__device__ int square(int x)
{
	return x * x;
}
__device__ function *functions[2] = {increment, square};

extern "C" __global__ void function_pointer(int *out, int first)
{
	out[threadIdx.x] = functions[(threadIdx.x + first) & 1](threadIdx.x);
}

extern "C" __global__ void switch_table(int *out, int n)
{
	switch (n) {
	case 0: *out = 5; break;
	case 1: *out = n * 7; break;
	case 2: *out = __brev(n); break;
	case 3: atomicAdd(out, 3); break;
	case 4: *out = __popc(n + 3); break;
	case 5:
		*out = 8;
		__syncthreads();
		break;
	default: *out = 9; break;
	}
}

extern "C" __global__ void local_array(int *out, int n)
{
	int a[64];

	for (int i = 0; i < 64; i++)
		a[i] = i * n;
	for (int i = 1; i < 64; i++)
		a[i * 7 & 63] += a[i - 1];
	out[threadIdx.x] = a[threadIdx.x & 63];
}

extern "C" __global__ void double_math(double *out, const double *in)
{
	double x = in[threadIdx.x], *o = out + threadIdx.x * 8;

	o[0] = sin(x);
	o[1] = cos(x);
	o[2] = exp(x);
	o[3] = log(fabs(x) + 1);
	o[4] = pow(fabs(x), 3.3);
	o[5] = tan(x);
	o[6] = atan2(x, 2.0);
	o[7] = cbrt(x);
}

extern "C" __global__ void float_math(float *out, const float *in)
{
	float x = in[threadIdx.x], *o = out + threadIdx.x * 8;

	o[0] = sinf(x);
	o[1] = cosf(x);
	o[2] = expf(x);
	o[3] = logf(fabsf(x) + 1);
	o[4] = powf(fabsf(x), 3.3f);
	o[5] = tanf(x);
	o[6] = erff(x);
	o[7] = fmodf(x, 0.3f);
}

extern "C" __global__ void half_math(__half2 *out, const __half2 *in)
{
	__half2 x = in[threadIdx.x];

	out[threadIdx.x] = __hfma2(x, x, __hadd2(x, __floats2half2_rn(1.0f, -0.5f)));
}

extern "C" __global__ void bfloat_math(__nv_bfloat16 *out, const __nv_bfloat16 *in)
{
	__nv_bfloat16 x = in[threadIdx.x];

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
	out[threadIdx.x] = __hfma(x, x, __float2bfloat16(0.25f));
#else
	out[threadIdx.x] = __float2bfloat16(__bfloat162float(x) * __bfloat162float(x) + 0.25f);
#endif
}

extern "C" __global__ void dynamic_shared(int *out)
{
	extern __shared__ int s[];

	s[threadIdx.x] = threadIdx.x * 3;
	__syncthreads();
	out[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void long_long(long long *o, long long a, int b)
{
	o[0] = a / b;
	o[1] = a % b;
	o[2] = __mul64hi(a, b);
	o[3] = (long long)__brevll(a);
	o[4] = __ffsll(a);
	o[5] = __clzll(a);
	o[6] = __popcll(a);
	o[7] = (long long)((unsigned __int128)(unsigned long long)a * (unsigned long long)a >> 64);
	o[8] = (unsigned long long)a >> (b & 63);
	o[9] = a << (b & 63);
}

extern "C" __global__ void groups(int *out)
{
	cg::thread_block block = cg::this_thread_block();
	cg::thread_block_tile<8> tile = cg::tiled_partition<8>(block);
	int v = threadIdx.x;

	for (int d = tile.size() / 2; d; d /= 2)
		v += tile.shfl_xor(v, d);
	block.sync();
	out[threadIdx.x] = v;
	if (threadIdx.x % 3 == 0) {
		cg::coalesced_group active = cg::coalesced_threads();

		out[threadIdx.x] += active.size() * 1000;
	}
}

extern "C" __global__ void grid_sync(int *out)
{
	cg::grid_group grid = cg::this_grid();

	out[grid.thread_rank()] = 1;
	grid.sync();
	if (grid.thread_rank() == 0) {
		int sum = 0;

		for (unsigned int i = 0; i < grid.size(); i++)
			sum += out[i];
		out[0] = sum;
	}
}

struct Big {
	int a[10];
	double d;
};

__device__ __noinline__ Big change(Big b, int k)
{
	b.a[k] += k;
	b.d *= 2;
	return b;
}

extern "C" __global__ void structs(Big *out, const __grid_constant__ Big b)
{
	out[threadIdx.x] = change(b, threadIdx.x);
}

__constant__ float table[16];
__device__ int counter = 5;

extern "C" __global__ void globals(float *out)
{
	out[threadIdx.x] = table[threadIdx.x & 15] + counter;
}

extern "C" __global__ void heap(int *out)
{
	int *p = (int *)malloc(10 * sizeof(int)), sum = 0;

	for (int i = 0; i < 10; i++)
		p[i] = i + threadIdx.x;
	for (int i = 0; i < 10; i++)
		sum += p[i];
	free(p);
	out[threadIdx.x] = sum;
}

extern "C" __global__ void votes(unsigned int *out)
{
	unsigned int lane = threadIdx.x;
	int all;

	out[lane] = __ballot_sync(~0u, lane & 1) ^ __match_any_sync(~0u, lane >> 2);
	out[lane] += __all_sync(~0u, lane < 32) + __any_sync(~0u, lane == 3) * 2;
	out[lane] += __match_all_sync(~0u, lane >> 5, &all) + all;
	out[lane] += __shfl_xor_sync(~0u, lane, 5) * 64 + __shfl_up_sync(~0u, lane, 3, 8) * 4096;
}

extern "C" __global__ void block_votes(int *out)
{
	out[threadIdx.x] = __syncthreads_count(threadIdx.x & 1) + __syncthreads_and(1) * 100 +
			   __syncthreads_or(threadIdx.x == 5) * 1000;
}

// Every thread takes a lock that threads of the same block hold: only fair scheduling ends it.
extern "C" __global__ void spin_lock(int *lock, int *sum)
{
	bool done = false;

	while (!done)
		if (atomicCAS(lock, 0, 1) == 0) {
			*(volatile int *)sum = *(volatile int *)sum + 1;
			__threadfence();
			atomicExch(lock, 0);
			done = true;
		}
}

extern "C" __global__ void endless(volatile int *flag)
{
	while (!*flag)
		;
}

extern "C" __global__ void wild(int *p)
{
	p[threadIdx.x] = 1;
}
