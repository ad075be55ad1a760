/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous launches whose wakes somebody else counts, and sessions that do nothing. An ordinary program of the
 * driver API.
 *
 * usage: launch_bench launches COUNT     "ready 0"; at each SIGUSR1 COUNT launches without waiting and
 *                                        "sent N US", at the next it waits for them and says "ready N"
 *        launch_bench session            opens a session with a lane, closes it in order
 *        launch_bench nothing            what of that is none of the session's
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/clock.h"
#include "tests/bench/cuda.h"

static void context_open(void)
{
	CUcontext context;

	CU(cuInit(0));
	CU(cuDevicePrimaryCtxRetain(&context, 0));
	CU(cuCtxSetCurrent(context));
}

static void signal_await(const sigset_t *set)
{
	int number;

	if (sigwait(set, &number))
		exit(1);
}

/* Until it is killed. */
static void launches(const sigset_t *set, unsigned int count)
{
	CUmodule module;
	CUfunction empty;
	CUstream stream;

	context_open();
	CU(cuModuleLoadData(&module, BENCH_EMPTY_PTX));
	CU(cuModuleGetFunction(&empty, module, "empty"));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	/* Not the first of its kind. */
	bench_launch(empty, stream);
	for (unsigned int round = 0;; round++) {
		double began;

		CU(cuStreamSynchronize(stream));
		printf("ready %u\n", round);
		fflush(stdout);
		signal_await(set);
		began = bench_now();
		for (unsigned int i = 0; i < count; i++)
			bench_launch(empty, stream);
		printf("sent %u %.2f\n", round, (bench_now() - began) / count * 1e6);
		fflush(stdout);
		signal_await(set);
	}
}

int main(int argc, char **argv)
{
	sigset_t set;

	/* In all threads. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (argc == 3 && !strcmp(argv[1], "launches")) {
		launches(&set, bench_number(argv[2]));
	} else if (argc == 2 && !strcmp(argv[1], "session")) {
		context_open();
		CU(cuDevicePrimaryCtxRelease_v2(0));
	} else if (argc != 2 || strcmp(argv[1], "nothing") != 0) {
		fprintf(stderr, "usage: launch_bench launches COUNT | session | nothing\n");
		return 2;
	}
	return 0;
}
