/* SPDX-License-Identifier: MIT */
/* A job: one command that the host asked for, with its three pipes. */
#ifndef XENTEST_JOB_H
#define XENTEST_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame.h"

struct job {
	bool used;
	uint16_t channel;
	pid_t pid;        /* 0 once reaped */
	int in, out, err; /* our ends of the pipes, -1 when closed */
	bool in_eof;      /* the host has ended the input */
	uint8_t *input;   /* owned: input that the job has not taken yet, FRAME_WINDOW bytes */
	size_t input_have;
	long credit; /* bytes of output that may still be sent */
};

/* Starts what a FRAME_RUN's payload asks for; negative errno, *why names the step that failed. */
int job_start(struct job *job, const struct frame *run, const char **why);

/* Takes input for the job; the host keeps within FRAME_WINDOW, what exceeds it is dropped. */
void job_input(struct job *job, const uint8_t *data, size_t len);

/* Hands kept input to the job as far as its pipe takes it; returns the bytes taken. */
size_t job_feed(struct job *job);

void job_dispose(struct job *job);

#endif
