/* SPDX-License-Identifier: MIT */
/*
 * Kernels that fail. The error comes with the next call that waits, stays with the context, and
 * harms no other process: each fault is brought about in a process of its own, and the first one
 * works on afterwards. One thread a process.
 *
 *     faults           all cases, each in a child
 *     faults CASE      that one, in this process
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"
#include "tests/programs/grid.ptx.h"

struct fault {
	const char *name, *kernel;
	CUdeviceptr address;
	CUresult wanted;
};

static const struct fault faults[] = {
	{"null-pointer", "write_to", 0, CUDA_ERROR_ILLEGAL_ADDRESS},
	{"wild-pointer", "write_to", 0x2a3456789000, CUDA_ERROR_ILLEGAL_ADDRESS},
	{"trap", "stop", 0, CUDA_ERROR_LAUNCH_FAILED},
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* Three verdicts on one fault, in this process. */
static int run_fault(const struct fault *fault)
{
	CUdeviceptr address = fault->address, d = 0;
	void *params[] = {&address};
	CUfunction f;
	char name[64];

	device_open();
	f = module_function(module_load(grid_ptx), fault->kernel);
	CU(cuMemAlloc(&d, 4));
	CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	snprintf(name, sizeof(name), "%s-sync", fault->name);
	check_result(name, cuCtxSynchronize(), fault->wanted);
	snprintf(name, sizeof(name), "%s-sticky", fault->name);
	check_result(name, cuMemsetD8(d, 0, 4), fault->wanted);
	snprintf(name, sizeof(name), "%s-sticky-alloc", fault->name);
	check_result(name, cuMemAlloc(&d, 4), fault->wanted);
	return check_end();
}

/* The exit status of `program CASE`, whose lines go to our output. */
static int run_child(const char *program, const char *name)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl(program, "faults", name, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* *state = *state * 3 + 7, and compare: does this process's context still work? */
static void check_alive(CUfunction append, CUdeviceptr state, uint64_t *value, const char *after)
{
	unsigned int id = 7;
	uint64_t got = 0;
	void *params[] = {&state, &id};

	*value = *value * 3 + 7;
	launch_1d(append, 1, 1, NULL, params);
	CU(cuMemcpyDtoH(&got, state, sizeof(got)));
	check_that(got == *value, "unharmed", "this process works on after another's %s", after);
}

int main(int argc, char **argv)
{
	CUfunction append;
	CUdeviceptr state = 0;
	uint64_t value = 1;
	CUdevice dev;

	for (size_t i = 0; argc > 1 && i < FAULTS; i++)
		if (strcmp(argv[1], faults[i].name) == 0)
			return run_fault(&faults[i]);
	if (argc > 1) {
		fprintf(stderr, "faults: no case '%s'\n", argv[1]);
		return 2;
	}
	dev = device_open();
	append = module_function(module_load(chain_ptx), "append");
	CU(cuMemAlloc(&state, sizeof(value)));
	CU(cuMemcpyHtoD(state, &value, sizeof(value)));
	for (size_t i = 0; i < FAULTS; i++) {
		int status = run_child("/proc/self/exe", faults[i].name);

		check_that(status == 0, faults[i].name, "its process exited with %d", status);
		check_alive(append, state, &value, faults[i].name);
	}
	CU(cuMemFree(state));
	device_close(dev);
	return check_end();
}
