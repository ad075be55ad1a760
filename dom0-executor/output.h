/* SPDX-License-Identifier: MIT */
/*
 * What kernels print. The driver writes printf's text to standard output and a failed assertion's to
 * standard error; both belong to the guest's program. So the two descriptors of this process become
 * files in memory, from which the guest fetches (vgOutput) what its next waiting call announces. The driver
 * prints by the C library's stdout (seen with 580): that is made a stream that counts, so that a waiting call
 * need not ask the kernel whether there is something.
 * Log lines of our own go where standard error was before.
 */
#ifndef EX_OUTPUT_H
#define EX_OUTPUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct ex_lane;

#define EX_OUTPUT_STREAMS 2

struct ex_output {
	int fds[EX_OUTPUT_STREAMS];                 /* -1: not captured */
	uint64_t taken[EX_OUTPUT_STREAMS];          /* bytes fetched, under the lock */
	atomic_ullong announced[EX_OUTPUT_STREAMS]; /* sizes of which lanes have been told */
	atomic_ullong printed;                      /* bytes that came by stdout */
	atomic_ullong printed_announced;
	bool counts; /* stdout is ours */
	pthread_mutex_t lock;
};

/* Redirects descriptors 1 and 2. 0 or a negative errno, with nothing changed. */
int ex_output_open(struct ex_output *output);
/*
 * Before the answer to a call that may have waited for the device, with its result: a failed
 * assertion is one. Free until the session has launched something. The lane's thread.
 */
void ex_output_announce(struct ex_lane *lane, CUresult result);

#endif
