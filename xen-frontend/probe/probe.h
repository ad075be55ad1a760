/* SPDX-License-Identifier: MIT */
/*
 * vgpu-probe: what a CUDA program does at its simplest, a stage after the other, each timed. One
 * thread makes the calls (run.c) and may hang in any of them; main's waits, and tells (report.c).
 */
#ifndef PROBE_H
#define PROBE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PROBE_DEVICES 64
#define PROBE_TEXT    128
#define PROBE_BRIEF   160 /* characters of --brief's line at most */
/* Of what is told as a median: so many, fewer where they take longer than that together. */
#define PROBE_ROUNDS     100
#define PROBE_ROUNDS_MIN 5
#define PROBE_ROUNDS_US  1e6

enum probe_stage {
	PROBE_DRIVER, /* libcuda.so.1 is found and has what we call */
	PROBE_INIT,
	PROBE_DEVICE, /* its name and numbers */
	PROBE_CONTEXT,
	PROBE_ALLOC,
	PROBE_LOAD, /* the module from PTX */
	PROBE_COPY_IN,
	PROBE_LAUNCH, /* and wait for it; the median */
	PROBE_COPY_OUT,
	PROBE_CHECK,
	PROBE_ROUND_TRIP, /* a copy of 4 bytes from the device; the median */
	PROBE_FREE,
	PROBE_STAGES,
};

struct probe_device {
	char name[PROBE_TEXT];
	char uuid[48];
	uint64_t memory_total, memory_free;
	int driver;              /* as cuDriverGetVersion has it */
	double us[PROBE_STAGES]; /* negative: not reached */
};

/* Written by the one thread, read by the other, below `lock`. */
struct probe_report {
	pthread_mutex_t lock;
	pthread_cond_t ended; /* of CLOCK_MONOTONIC */
	bool done;
	enum probe_stage stage; /* that runs, or failed */
	bool failed;
	char error[PROBE_TEXT]; /* CUDA's name for it, or, where CUDA has said nothing, a text */
	struct probe_device devices[PROBE_DEVICES];
	int count; /* of devices that were begun */
};

/* Of one device, or of all with -1. Sets `done` at the end, come what may. */
void probe_run(struct probe_report *report, int device);

const char *probe_stage_name(enum probe_stage stage);

/* All but `hangs` with the lock held; hangs: not done in so many seconds; 0: it is done. */
void probe_tell(const struct probe_report *report, unsigned int hangs);
void probe_tell_brief(const struct probe_report *report, unsigned int hangs);
void probe_tell_json(const struct probe_report *report, unsigned int hangs);

#endif
