/* SPDX-License-Identifier: MIT */
/*
 * For the CUDA C++ programs: lines `PASS name detail` and `FAIL name detail`, and an exit status that
 * follows from them. These programs stand for what users compile: nothing here but the toolkit.
 */
#ifndef TESTS_PROGRAMS_CUDART_REPORT_CUH
#define TESTS_PROGRAMS_CUDART_REPORT_CUH

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

static int failures;

static inline void report(bool ok, const char *name, const char *format, ...)
{
	va_list args;

	failures += !ok;
	printf("%s %s ", ok ? "PASS" : "FAIL", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* Any call that must succeed for the program to go on. */
#define RT(call)                                                                             \
	do {                                                                                 \
		cudaError_t rt_error = (call);                                               \
		if (rt_error != cudaSuccess) {                                               \
			report(false, #call, "%s (%s) at %s:%d", cudaGetErrorName(rt_error), \
			       cudaGetErrorString(rt_error), __FILE__, __LINE__);            \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

static inline void print_device(void)
{
	cudaDeviceProp prop;
	int driver = 0, runtime = 0;

	RT(cudaDriverGetVersion(&driver));
	RT(cudaRuntimeGetVersion(&runtime));
	RT(cudaGetDeviceProperties(&prop, 0));
	printf("# device 0: %s, compute capability %d.%d, driver API %d, runtime %d\n", prop.name,
	       prop.major, prop.minor, driver, runtime);
}

#endif
