/* SPDX-License-Identifier: MIT */
/* The first CUDA program of everybody: c = a + b. */
#include <vector>

#include "report.cuh"

__global__ void add(const float *a, const float *b, float *c, size_t n)
{
	size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

int main()
{
	const size_t n = 1000003;
	std::vector<float> a(n), b(n), c(n);
	float *da, *db, *dc;
	size_t wrong = 0;

	print_device();
	for (size_t i = 0; i < n; i++) {
		a[i] = (float)i * 0.5f;
		b[i] = (float)(n - i) * 0.25f;
	}
	RT(cudaMalloc(&da, n * sizeof(float)));
	RT(cudaMalloc(&db, n * sizeof(float)));
	RT(cudaMalloc(&dc, n * sizeof(float)));
	RT(cudaMemcpy(da, a.data(), n * sizeof(float), cudaMemcpyHostToDevice));
	RT(cudaMemcpy(db, b.data(), n * sizeof(float), cudaMemcpyHostToDevice));
	add<<<(unsigned int)((n + 255) / 256), 256>>>(da, db, dc, n);
	RT(cudaGetLastError());
	RT(cudaMemcpy(c.data(), dc, n * sizeof(float), cudaMemcpyDeviceToHost));
	for (size_t i = 0; i < n; i++)
		wrong += c[i] != a[i] + b[i];
	report(wrong == 0, "vectoradd", "%zu elements, %zu wrong", n, wrong);
	RT(cudaFree(da));
	RT(cudaFree(db));
	RT(cudaFree(dc));
	return failures != 0;
}
