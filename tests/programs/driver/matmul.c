/* SPDX-License-Identifier: MIT */
/*
 * Matrix product through tiles in shared memory: static and dynamic, two-dimensional grids, barriers
 * inside a loop, sizes that are no multiple of the tile. The values are small integers, so that
 * every sum is exact whatever its order. One thread.
 */
#include <stdlib.h>

#include "tests/programs/check.h"
#include "tests/programs/matmul.ptx.h"

struct shape {
	unsigned int m, n, k;
};

static float *random_matrix(unsigned int rows, unsigned int columns, uint64_t seed)
{
	size_t count = (size_t)rows * columns;
	float *matrix = calloc(count, sizeof(*matrix));

	if (!matrix)
		exit(2);
	for (size_t i = 0; i < count; i++)
		matrix[i] = (float)(random_next(&seed) % 17) - 8.0f;
	return matrix;
}

static unsigned int count_wrong(const struct shape *s, const float *a, const float *b,
				const float *c)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < s->m; i++) {
		for (unsigned int j = 0; j < s->n; j++) {
			float sum = 0;

			for (unsigned int l = 0; l < s->k; l++)
				sum += a[(size_t)i * s->k + l] * b[(size_t)l * s->n + j];
			wrong += sum != c[(size_t)i * s->n + j];
		}
	}
	return wrong;
}

static void multiply(CUfunction f, const char *name, unsigned int tile, unsigned int shared,
		     struct shape s)
{
	size_t size_a = sizeof(float) * s.m * s.k, size_b = sizeof(float) * s.k * s.n;
	size_t size_c = sizeof(float) * s.m * s.n;
	float *a = random_matrix(s.m, s.k, 1), *b = random_matrix(s.k, s.n, 2);
	float *c = random_matrix(s.m, s.n, 3);
	CUdeviceptr da = 0, db = 0, dc = 0;
	void *params[] = {&s.m, &s.n, &s.k, &da, &db, &dc};
	unsigned int wrong;

	CU(cuMemAlloc(&da, size_a));
	CU(cuMemAlloc(&db, size_b));
	CU(cuMemAlloc(&dc, size_c));
	CU(cuMemcpyHtoD(da, a, size_a));
	CU(cuMemcpyHtoD(db, b, size_b));
	CU(cuMemcpyHtoD(dc, c, size_c));
	CU(cuLaunchKernel(f, (s.n + tile - 1) / tile, (s.m + tile - 1) / tile, 1, tile, tile, 1,
			  shared, NULL, params, NULL));
	CU(cuMemcpyDtoH(c, dc, size_c));
	wrong = count_wrong(&s, a, b, c);
	check_that(wrong == 0, name, "%ux%ux%u, tile %u, %u of %u wrong", s.m, s.n, s.k, tile,
		   wrong, s.m * s.n);
	CU(cuMemFree(da));
	CU(cuMemFree(db));
	CU(cuMemFree(dc));
	free(a);
	free(b);
	free(c);
}

int main(void)
{
	static const struct shape shapes[] = {{1, 1, 1}, {64, 64, 64}, {97, 130, 51}};
	CUdevice dev = device_open();
	CUmodule module = module_load(matmul_ptx);
	CUfunction fixed = module_function(module, "matmul");
	CUfunction dynamic = module_function(module, "matmul_dynamic");

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		multiply(fixed, "matmul", 16, 0, shapes[i]);
		multiply(dynamic, "matmul-dynamic", 8, 2 * 8 * 8 * sizeof(float), shapes[i]);
		multiply(dynamic, "matmul-dynamic", 32, 2 * 32 * 32 * sizeof(float), shapes[i]);
	}
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
