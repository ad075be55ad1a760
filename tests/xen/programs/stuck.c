/* SPDX-License-Identifier: MIT */
/*
 * A program that gets stuck in a way of its own choosing, for those who look for the place. An ordinary CUDA program; one thread.
 *
 *   stuck full      A kernel does not end, and launches follow until nobody takes more of them: the program then waits
 *                   for room. SIGTERM ends the kernel, and the program as soon as all that was launched has been done.
 *   stuck asleep S  Waits for a kernel of S seconds. Who stops it meanwhile (SIGSTOP) has a program that does not take an answer.
 *   stuck never     Copies again and again, whatever the answers are, until SIGTERM. Says the first error.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/check.h"
#include "tests/programs/hold.ptx.h"

#define SIZE 4096u
/* Far more than a ring has room for. */
#define LAUNCHES 20000u

static volatile sig_atomic_t stop;
static volatile uint32_t *word;

static void on_term(int number)
{
	(void)number;
	stop = 1;
	if (word)
		*word = 1;
}

static void full(void)
{
	CUmodule module = module_load(hold_ptx);
	CUfunction until_set = module_function(module, "until_set");
	CUfunction until_later = module_function(module, "until_later");
	void *memory = NULL, *address;
	uint64_t at_once = 0;
	void *set[] = {&address}, *later[] = {&at_once};
	unsigned int count = 0;

	CU(cuMemHostAlloc(&memory, SIZE, CU_MEMHOSTALLOC_DEVICEMAP));
	memset(memory, 0, SIZE);
	address = memory;
	/* The first launch of a function asks for what it needs, and waits for that. */
	launch_1d(until_later, 1, 1, NULL, later);
	CU(cuCtxSynchronize());
	word = memory;
	launch_1d(until_set, 1, 1, NULL, set);
	printf("launching\n");
	while (count < LAUNCHES && !stop) {
		launch_1d(until_later, 1, 1, NULL, later);
		count++;
	}
	CU(cuCtxSynchronize());
	check_that(stop, "full", "%u launches behind the kernel", count);
	word = NULL;
	CU(cuMemFreeHost(memory));
}

static void asleep(const char *seconds)
{
	CUfunction until_later = module_function(module_load(hold_ptx), "until_later");
	uint64_t ns = strtoull(seconds, NULL, 10) * 1000000000u;
	void *params[] = {&ns};

	launch_1d(until_later, 1, 1, NULL, params);
	printf("waiting\n");
	check_result("asleep", cuCtxSynchronize(), CUDA_SUCCESS);
}

static void never(void)
{
	unsigned char bytes[SIZE] = {0};
	CUresult result, first = CUDA_SUCCESS;
	CUdeviceptr memory;

	CU(cuMemAlloc(&memory, SIZE));
	for (unsigned int i = 1; !stop; i++) {
		result = cuMemcpyHtoD(memory, bytes, SIZE);
		if (!first && result)
			printf("error: %s\n", result_name(result));
		else if (!first)
			printf("round %u\n", i);
		first = first ? first : result;
		usleep(100000);
	}
	check_that(true, "never", "%s", first ? result_name(first) : "no error");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	signal(SIGTERM, on_term);
	setvbuf(stdout, NULL, _IOLBF, 0);
	device_open();
	if (!strcmp(how, "full"))
		full();
	else if (!strcmp(how, "asleep") && argc > 2)
		asleep(argv[2]);
	else if (!strcmp(how, "never"))
		never();
	return check_end();
}
