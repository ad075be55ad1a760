/* SPDX-License-Identifier: MIT */
/*
 * Several processes at once on one device: four that compute, one that is killed in the middle of its
 * work, and afterwards the parent itself. Each verifies its own results; what one does or suffers is
 * nobody else's business. The parent touches CUDA only after its children, as fork demands.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/check.h"
#include "tests/programs/saxpy.ptx.h"

#define N        (1u << 16)
#define CHILDREN 4
#define ROUNDS   50u

/* y = a x + y, again and again; exact in single precision for these values. */
static unsigned int compute(unsigned int seed, unsigned int rounds)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(saxpy_ptx);
	CUfunction saxpy = module_function(module, "saxpy");
	float *x = malloc(N * sizeof(*x)), *y = calloc(N, sizeof(*y)), a = (float)seed;
	unsigned int n = N, wrong = 0;
	CUdeviceptr dx = 0, dy = 0;
	void *params[] = {&n, &a, &dx, &dy};

	if (!x || !y)
		exit(2);
	for (unsigned int i = 0; i < N; i++)
		x[i] = (float)(i % 64);
	CU(cuMemAlloc(&dx, N * sizeof(*x)));
	CU(cuMemAlloc(&dy, N * sizeof(*y)));
	CU(cuMemcpyHtoD(dx, x, N * sizeof(*x)));
	CU(cuMemcpyHtoD(dy, y, N * sizeof(*y)));
	for (unsigned int r = 0; r < rounds; r++)
		launch_1d(saxpy, N / 256, 256, NULL, params);
	CU(cuMemcpyDtoH(y, dy, N * sizeof(*y)));
	for (unsigned int i = 0; i < N; i++)
		wrong += y[i] != (float)(rounds * seed * (i % 64));
	CU(cuMemFree(dx));
	CU(cuMemFree(dy));
	CU(cuModuleUnload(module));
	device_close(dev);
	free(x);
	free(y);
	return wrong;
}

static pid_t child_start(unsigned int seed)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(compute(seed, ROUNDS) ? 1 : 0);
	return pid;
}

/* Tells the parent when it is at work, then works until it is killed. */
static pid_t victim_start(int *ready)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		exit(2);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		compute(9, 1);
		if (write(fds[1], "r", 1) != 1)
			_exit(2);
		for (;;)
			compute(9, 10);
	}
	close(fds[1]);
	*ready = fds[0];
	return pid;
}

int main(void)
{
	pid_t children[CHILDREN], victim;
	int status, ready;
	char byte;

	victim = victim_start(&ready);
	for (unsigned int i = 0; i < CHILDREN; i++)
		children[i] = child_start(i + 1);
	if (read(ready, &byte, 1) != 1)
		byte = 0;
	kill(victim, SIGKILL);
	waitpid(victim, &status, 0);
	check_that(byte == 'r' && WIFSIGNALED(status), "victim", "killed while it computes");
	for (unsigned int i = 0; i < CHILDREN; i++) {
		status = -1;
		waitpid(children[i], &status, 0);
		check_that(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child",
			   "%u of %d, %u launches of %u elements", i + 1, CHILDREN, ROUNDS, N);
	}
	check_that(compute(7, ROUNDS) == 0, "parent", "after all of them");
	return check_end();
}
