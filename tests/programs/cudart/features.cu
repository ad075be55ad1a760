/* SPDX-License-Identifier: MIT */
/*
 * What ordinary kernels are made of, each compared with the CPU: integers of 8 to 64 bits, half,
 * single and double precision, constant and local arrays, calls through pointers, recursion, votes
 * and matches, atomics on doubles, unstructured control flow, switch tables.
 */
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <cuda_fp16.h>

#include "report.cuh"

#define N 4099

__constant__ int table[16];
__device__ unsigned int visits;

/* The same source for both sides. Sums and products in 64 bits without a sign: defined for all. */
template <typename T> __host__ __device__ T mix_integers(T a, T b)
{
	typedef unsigned long long wide;
	T c = (T)((wide)a * (wide)b + (wide)(a ^ b)), d = b ? (T)(a / b) : a,
	  e = b ? (T)(a % b) : b;

	c = (T)((wide)c - ((wide)d << 1) + (wide)(T)(e >> 1));
	return (T)(c & (T)~b) > (T)(d | e) ? (T)((wide)c + 1) : (T)((wide)d - (wide)e);
}

template <typename T> __global__ void mix_kernel(const T *a, const T *b, T *c)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < N)
		c[i] = mix_integers(a[i], b[i]);
}

template <typename T> static void check_integers(const char *name)
{
	std::vector<T> a(N), b(N), c(N);
	T *da, *db, *dc;
	int wrong = 0;

	for (int i = 0; i < N; i++) {
		a[i] = (T)(0x9e3779b97f4a7c15ull * (uint64_t)(i + 1) >> 7);
		b[i] = i % 11 ? (T)(0xbf58476d1ce4e5b9ull * (uint64_t)(i + 3) >> (i % 60)) : (T)0;
		/* The one quotient that overflows. */
		if (b[i] == (T)-1)
			b[i] = 3;
	}
	RT(cudaMalloc(&da, N * sizeof(T)));
	RT(cudaMalloc(&db, N * sizeof(T)));
	RT(cudaMalloc(&dc, N * sizeof(T)));
	RT(cudaMemcpy(da, a.data(), N * sizeof(T), cudaMemcpyHostToDevice));
	RT(cudaMemcpy(db, b.data(), N * sizeof(T), cudaMemcpyHostToDevice));
	mix_kernel<T><<<(N + 127) / 128, 128>>>(da, db, dc);
	RT(cudaGetLastError());
	RT(cudaMemcpy(c.data(), dc, N * sizeof(T), cudaMemcpyDeviceToHost));
	for (int i = 0; i < N; i++)
		wrong += c[i] != mix_integers(a[i], b[i]);
	report(wrong == 0, name, "%d of %d wrong", wrong, N);
	RT(cudaFree(da));
	RT(cudaFree(db));
	RT(cudaFree(dc));
}

__global__ void float_kernel(const double *in, double *out, float *out_f, float *out_h)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= N)
		return;
	double x = in[i];
	out[i] = sqrt(x) * sin(x) + exp(-x) / (1.0 + log(x)) + fmod(x, 0.7) + floor(x * 3.0);
	float f = (float)x;
	out_f[i] = sqrtf(f) * sinf(f) + expf(-f) / (1.0f + logf(f)) + powf(f, 1.5f) + rintf(f);
	__half h = __float2half(f * 0.125f);
	out_h[i] = __half2float(__hadd(__hmul(h, h), __float2half(1.0f)));
}

static void check_floats()
{
	std::vector<double> in(N), out(N);
	std::vector<float> out_f(N), out_h(N);
	double *din, *dout, worst = 0, worst_f = 0, worst_h = 0;
	float *df, *dh;

	for (int i = 0; i < N; i++)
		in[i] = 1.0 + i * 0.00731;
	RT(cudaMalloc(&din, N * sizeof(double)));
	RT(cudaMalloc(&dout, N * sizeof(double)));
	RT(cudaMalloc(&df, N * sizeof(float)));
	RT(cudaMalloc(&dh, N * sizeof(float)));
	RT(cudaMemcpy(din, in.data(), N * sizeof(double), cudaMemcpyHostToDevice));
	float_kernel<<<(N + 63) / 64, 64>>>(din, dout, df, dh);
	RT(cudaGetLastError());
	RT(cudaMemcpy(out.data(), dout, N * sizeof(double), cudaMemcpyDeviceToHost));
	RT(cudaMemcpy(out_f.data(), df, N * sizeof(float), cudaMemcpyDeviceToHost));
	RT(cudaMemcpy(out_h.data(), dh, N * sizeof(float), cudaMemcpyDeviceToHost));
	for (int i = 0; i < N; i++) {
		double x = in[i], f = (double)(float)x, h = f * 0.125;
		double w =
			sqrt(x) * sin(x) + exp(-x) / (1.0 + log(x)) + fmod(x, 0.7) + floor(x * 3.0);
		double wf = sqrt(f) * sin(f) + exp(-f) / (1.0 + log(f)) + pow(f, 1.5) + rint(f);
		double wh = h * h + 1.0;

		worst = fmax(worst, fabs(out[i] - w) / fabs(w));
		worst_f = fmax(worst_f, fabs(out_f[i] - wf) / fabs(wf));
		worst_h = fmax(worst_h, fabs(out_h[i] - wh) / fabs(wh));
	}
	report(worst < 1e-13, "double", "worst relative error %.2g", worst);
	report(worst_f < 2e-5, "single", "worst relative error %.2g", worst_f);
	report(worst_h < 3e-3, "half", "worst relative error %.2g", worst_h);
	RT(cudaFree(din));
	RT(cudaFree(dout));
	RT(cudaFree(df));
	RT(cudaFree(dh));
}

typedef int (*operation)(int, int);

__device__ __noinline__ int plus_table(int a, int b)
{
	return a + table[b & 15];
}

__device__ __noinline__ int minus_twice(int a, int b)
{
	return a - 2 * b;
}

__device__ __noinline__ int ackermann(int m, int n)
{
	if (m == 0)
		return n + 1;
	if (n == 0)
		return ackermann(m - 1, 1);
	return ackermann(m - 1, ackermann(m, n - 1));
}

__device__ operation operations[2] = {plus_table, minus_twice};

/* Local arrays with computed indices, a switch, break and continue, indirect calls, recursion. */
__global__ void control_kernel(int *out)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x, local[24], sum = 0;

	if (i >= N)
		return;
	for (int k = 0; k < 24; k++)
		local[k] = (i * 7 + k * 13) % 31;
	for (int k = 0; k < 24; k++) {
		int v = local[(local[k] + k) % 24];

		if (v == 30)
			break;
		if (v % 5 == 1)
			continue;
		switch (v % 7) {
		case 0: sum += 3; break;
		case 1: sum -= v; break;
		case 2: sum ^= 0x55; break;
		case 3: sum = sum * 3 + 1; break;
		case 5: sum += local[v % 24]; /* falls through */
		case 6: sum++; break;
		default: sum = -sum;
		}
	}
	sum = operations[i & 1](sum, i);
	out[i] = i % 97 == 0 ? sum + ackermann(2, i % 5) : sum;
	atomicInc(&visits, 0xffffffffu);
}

static int control_on_cpu(int i, const int *host_table)
{
	int local[24], sum = 0;

	for (int k = 0; k < 24; k++)
		local[k] = (i * 7 + k * 13) % 31;
	for (int k = 0; k < 24; k++) {
		int v = local[(local[k] + k) % 24];

		if (v == 30)
			break;
		if (v % 5 == 1)
			continue;
		switch (v % 7) {
		case 0: sum += 3; break;
		case 1: sum -= v; break;
		case 2: sum ^= 0x55; break;
		case 3: sum = sum * 3 + 1; break;
		case 5: sum += local[v % 24]; /* falls through */
		case 6: sum++; break;
		default: sum = -sum;
		}
	}
	sum = i & 1 ? sum - 2 * i : sum + host_table[i & 15];
	/* ackermann(2, n) = 2 n + 3 */
	return i % 97 == 0 ? sum + 2 * (i % 5) + 3 : sum;
}

static void check_control()
{
	std::vector<int> out(N);
	int host_table[16], *dout, wrong = 0;
	unsigned int seen = 0;

	for (int k = 0; k < 16; k++)
		host_table[k] = k * k - 40;
	RT(cudaMemcpyToSymbol(table, host_table, sizeof(host_table)));
	RT(cudaMemcpyToSymbol(visits, &seen, sizeof(seen)));
	RT(cudaMalloc(&dout, N * sizeof(int)));
	control_kernel<<<(N + 95) / 96, 96>>>(dout);
	RT(cudaGetLastError());
	RT(cudaMemcpy(out.data(), dout, N * sizeof(int), cudaMemcpyDeviceToHost));
	RT(cudaMemcpyFromSymbol(&seen, visits, sizeof(seen)));
	for (int i = 0; i < N; i++)
		wrong += out[i] != control_on_cpu(i, host_table);
	report(wrong == 0 && seen == N, "control-flow", "%d of %d wrong, %u threads counted", wrong,
	       N, seen);
	RT(cudaFree(dout));
}

/* Votes and matches among the lanes of a warp, and a diverged warp that meets again. */
__global__ void warp_kernel(unsigned int *out)
{
	unsigned int lane = threadIdx.x % 32, me = blockIdx.x * blockDim.x + threadIdx.x, v = 0;

	if (lane % 3 == 0)
		v |= __ballot_sync(0x49249249u, lane % 2);
	__syncwarp();
	v ^= __any_sync(0xffffffffu, lane == 31) << 8;
	v ^= __all_sync(0xffffffffu, lane < 32) << 9;
	v ^= __match_any_sync(0xffffffffu, lane / 4);
	v += __shfl_xor_sync(0xffffffffu, me, 5) + __shfl_sync(0xffffffffu, me, 7, 16) +
	     __shfl_up_sync(0xffffffffu, me, 3);
	v += __popc(__activemask()) * 1000 + __clz(me | 1) + __brev(me) % 77 + __ffs(me);
	out[me] = v;
}

static void check_warps()
{
	unsigned int out[128], *dout, wrong = 0;

	RT(cudaMalloc(&dout, sizeof(out)));
	warp_kernel<<<2, 64>>>(dout);
	RT(cudaGetLastError());
	RT(cudaMemcpy(out, dout, sizeof(out), cudaMemcpyDeviceToHost));
	for (unsigned int me = 0; me < 128; me++) {
		unsigned int lane = me % 32, base = me - lane, v = 0, reversed = 0;

		for (unsigned int l = 0; lane % 3 == 0 && l < 32; l += 3)
			v |= (l % 2) << l;
		v ^= 1u << 8 ^ 1u << 9 ^ 0xfu << (lane / 4 * 4);
		v += base + (lane ^ 5);
		v += base + (lane & 16) + 7;
		v += lane >= 3 ? me - 3 : me;
		for (int bit = 0; bit < 32; bit++)
			reversed |= (me >> bit & 1) << (31 - bit);
		v += 32000 + (unsigned int)__builtin_clz(me | 1) + reversed % 77 +
		     (unsigned int)__builtin_ffs((int)me);
		wrong += out[me] != v;
	}
	report(wrong == 0, "warp-operations", "%u of 128 wrong", wrong);
	RT(cudaFree(dout));
}

__global__ void atomic_kernel(double *sum, float *sum_f, unsigned long long *most, int *swaps)
{
	unsigned int me = blockIdx.x * blockDim.x + threadIdx.x;

	atomicAdd(sum, (double)me);
	atomicAdd(sum_f, 1.0f);
	atomicMax(most, (unsigned long long)me << 33);
	atomicSub(&swaps[me % 3], 2);
	atomicExch(&swaps[3], 7);
	atomicOr((unsigned int *)&swaps[4], 1u << me % 32);
}

static void check_atomics()
{
	struct {
		double sum;
		unsigned long long most;
		float sum_f;
		int swaps[5];
	} h = {}, *d;
	const unsigned int n = 24 * 128;

	RT(cudaMalloc(&d, sizeof(h)));
	RT(cudaMemcpy(d, &h, sizeof(h), cudaMemcpyHostToDevice));
	atomic_kernel<<<24, 128>>>(&d->sum, &d->sum_f, &d->most, d->swaps);
	RT(cudaGetLastError());
	RT(cudaMemcpy(&h, d, sizeof(h), cudaMemcpyDeviceToHost));
	report(h.sum == n * (n - 1) / 2.0 && h.sum_f == n &&
		       h.most == (unsigned long long)(n - 1) << 33 &&
		       h.swaps[0] == -2 * (int)n / 3 && h.swaps[2] == -2 * (int)n / 3 &&
		       h.swaps[3] == 7 && h.swaps[4] == -1,
	       "atomics", "double %.0f, float %.0f, max %llu, %d, %d, %#x", h.sum, (double)h.sum_f,
	       h.most, h.swaps[0], h.swaps[3], (unsigned int)h.swaps[4]);
	RT(cudaFree(d));
}

int main()
{
	print_device();
	check_integers<int8_t>("int8");
	check_integers<uint8_t>("uint8");
	check_integers<int16_t>("int16");
	check_integers<uint16_t>("uint16");
	check_integers<int32_t>("int32");
	check_integers<uint32_t>("uint32");
	check_integers<int64_t>("int64");
	check_integers<uint64_t>("uint64");
	check_floats();
	check_control();
	check_warps();
	check_atomics();
	return failures != 0;
}
