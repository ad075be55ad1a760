/* SPDX-License-Identifier: MIT */
/*
 * printf from a kernel: the lines appear on the process's own output when it synchronizes, whole,
 * each once, and a thread's in its order. The program reads its own output back to check.
 */
#include <algorithm>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "report.cuh"

__global__ void speak(const char *greeting)
{
	unsigned int me = blockIdx.x * blockDim.x + threadIdx.x;

	printf("kernel %s from %u: %d %5.2f %lld %c %#x %%\n", greeting, me, -(int)me, me * 0.25,
	       1234567890123ll * me, 'a' + (int)me % 26, me * 17);
	printf("second line of %03u\n", me);
}

static std::vector<std::string> captured_lines(const char *device_text, unsigned int blocks,
					       unsigned int threads)
{
	char path[] = "/tmp/vgpu-printf-XXXXXX";
	int file = mkstemp(path), saved = dup(STDOUT_FILENO);
	std::vector<std::string> lines;
	std::string line;

	fflush(stdout);
	if (file < 0 || saved < 0 || dup2(file, STDOUT_FILENO) < 0) {
		report(false, "capture", "cannot redirect the output");
		exit(2);
	}
	speak<<<blocks, threads>>>(device_text);
	cudaError_t error = cudaDeviceSynchronize();
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(file);
	RT(error);
	std::ifstream input(path);
	while (std::getline(input, line))
		lines.push_back(line);
	unlink(path);
	return lines;
}

int main()
{
	const unsigned int blocks = 3, threads = 40;
	const char greeting[] = "hello";
	char *device_text;
	unsigned int missing = 0, disordered = 0;

	print_device();
	RT(cudaMalloc(&device_text, sizeof(greeting)));
	RT(cudaMemcpy(device_text, greeting, sizeof(greeting), cudaMemcpyHostToDevice));
	std::vector<std::string> lines = captured_lines(device_text, blocks, threads);
	for (unsigned int me = 0; me < blocks * threads; me++) {
		char first[128], second[64];

		snprintf(first, sizeof(first), "kernel hello from %u: %d %5.2f %lld %c %#x %%", me,
			 -(int)me, me * 0.25, 1234567890123ll * me, 'a' + (int)me % 26, me * 17);
		snprintf(second, sizeof(second), "second line of %03u", me);
		auto one = std::find(lines.begin(), lines.end(), first);
		auto two = std::find(lines.begin(), lines.end(), second);
		missing += (one == lines.end()) + (two == lines.end());
		disordered += one > two;
	}
	report(lines.size() == 2 * blocks * threads && !missing && !disordered, "printf",
	       "%zu lines of %u, %u missing, %u out of order", lines.size(), 2 * blocks * threads,
	       missing, disordered);
	if (!lines.empty())
		printf("# first line: %s\n", lines[0].c_str());
	RT(cudaFree(device_text));
	return failures != 0;
}
