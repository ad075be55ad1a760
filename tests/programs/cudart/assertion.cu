/* SPDX-License-Identifier: MIT */
/*
 * A failed assert() in a kernel: its text on the error output, cudaErrorAssert from the next call
 * that waits, and from every call after it.
 */
#include <cassert>
#include <cstring>
#include <unistd.h>

#include "report.cuh"

__global__ void insist(int value)
{
	assert(value + (int)threadIdx.x < 10);
}

int main()
{
	char path[] = "/tmp/vgpu-assert-XXXXXX", text[8192] = "";
	int file = mkstemp(path), saved = dup(STDERR_FILENO);

	print_device();
	insist<<<1, 4>>>(3);
	RT(cudaDeviceSynchronize());
	report(true, "assert-holds", "no error");
	if (file < 0 || saved < 0 || dup2(file, STDERR_FILENO) < 0)
		return 2;
	insist<<<1, 4>>>(7);
	cudaError_t first = cudaDeviceSynchronize();
	void *p = nullptr;
	cudaError_t alloc = cudaMalloc(&p, 16);
	dup2(saved, STDERR_FILENO);
	ssize_t got = pread(file, text, sizeof(text) - 1, 0);
	unlink(path);
	report(first == cudaErrorAssert, "assert-fails", "%s", cudaGetErrorName(first));
	report(alloc == cudaErrorAssert, "assert-sticks", "%s", cudaGetErrorName(alloc));
	report(got > 0 && strstr(text, "value + (int)threadIdx.x < 10") && strstr(text, "insist") &&
		       strstr(text, "[3,0,0]"),
	       "assert-text", "%.*s", (int)strcspn(text, "\n"), text);
	return failures != 0;
}
