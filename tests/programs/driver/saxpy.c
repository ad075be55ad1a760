/* SPDX-License-Identifier: MIT */
/*
 * The smallest whole use of CUDA: load PTX, copy in, launch, copy out, compare with the CPU. Both
 * ways to pass parameters (an array of pointers, a packed buffer), two precisions, and a size that
 * fills neither the last block nor a vector. One thread.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/saxpy.ptx.h"

#define N     ((1u << 20) + 3)
#define BLOCK 256u
#define GRID  ((N + BLOCK - 1) / BLOCK)

static void *must_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		exit(2);
	return p;
}

static void run_single(CUmodule module)
{
	float *x = must_malloc(N * sizeof(*x)), *y = must_malloc(N * sizeof(*y));
	float *got = must_malloc(N * sizeof(*got)), a = 2.75f;
	CUdeviceptr dx = 0, dy = 0;
	unsigned int n = N, wrong = 0;
	void *params[] = {&n, &a, &dx, &dy};

	for (unsigned int i = 0; i < N; i++) {
		x[i] = (float)(i % 1000) * 0.37f;
		y[i] = (float)(i % 777) * -1.21f;
	}
	CU(cuMemAlloc(&dx, N * sizeof(*x)));
	CU(cuMemAlloc(&dy, N * sizeof(*y)));
	CU(cuMemcpyHtoD(dx, x, N * sizeof(*x)));
	CU(cuMemcpyHtoD(dy, y, N * sizeof(*y)));
	launch_1d(module_function(module, "saxpy"), GRID, BLOCK, NULL, params);
	CU(cuMemcpyDtoH(got, dy, N * sizeof(*got)));
	for (unsigned int i = 0; i < N; i++)
		wrong += got[i] != fmaf(a, x[i], y[i]);
	check_that(wrong == 0, "saxpy", "%u elements, %u wrong", N, wrong);
	CU(cuMemFree(dx));
	CU(cuMemFree(dy));
	free(x);
	free(y);
	free(got);
}

/* The layout that a compiler gives (n, a, x, y): each at its own alignment. */
struct packed_params {
	unsigned int n;
	double a;
	CUdeviceptr x, y;
};

static void run_double_packed(CUmodule module)
{
	double *x = must_malloc(N * sizeof(*x)), *y = must_malloc(N * sizeof(*y));
	double *got = must_malloc(N * sizeof(*got));
	struct packed_params p = {.n = N, .a = -1.0 / 3.0};
	size_t size = sizeof(p);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &p, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			 CU_LAUNCH_PARAM_END};
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < N; i++) {
		x[i] = (double)i * 0.1;
		y[i] = 1.0 / (double)(i + 1);
	}
	CU(cuMemAlloc(&p.x, N * sizeof(*x)));
	CU(cuMemAlloc(&p.y, N * sizeof(*y)));
	CU(cuMemcpyHtoD(p.x, x, N * sizeof(*x)));
	CU(cuMemcpyHtoD(p.y, y, N * sizeof(*y)));
	CU(cuLaunchKernel(module_function(module, "daxpy"), GRID, 1, 1, BLOCK, 1, 1, 0, NULL, NULL,
			  extra));
	CU(cuMemcpyDtoH(got, p.y, N * sizeof(*got)));
	for (unsigned int i = 0; i < N; i++)
		wrong += got[i] != fma(p.a, x[i], y[i]);
	check_that(wrong == 0, "daxpy", "%u elements, packed parameters, %u wrong", N, wrong);
	CU(cuMemFree(p.x));
	CU(cuMemFree(p.y));
	free(x);
	free(y);
	free(got);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(saxpy_ptx);

	run_single(module);
	run_double_packed(module);
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
