/* SPDX-License-Identifier: MIT */
/*
 * What is counted of a vGPU over all its sessions, those included that have ended, and of a GPU over all its
 * vGPUs, those included that have gone: it only grows as long as xen-vgpud runs (metrics.c shows it).
 */
#ifndef BE_COUNTS_H
#define BE_COUNTS_H

#include <stdint.h>

/* Executors' counters that only grow (struct vg_stats). */
enum be_count {
	BE_COMMANDS,
	BE_COMMANDS_ASYNC,
	BE_ERRORS,
	BE_LAUNCHES,
	BE_BYTES_HTOD,
	BE_BYTES_DTOH,
	BE_WAKES,
	BE_RINGS,
	BE_COUNTS
};

/* Why a session was not opened. */
enum be_refused {
	BE_REFUSED_LIMIT,    /* max-sessions, max-executors */
	BE_REFUSED_PROTOCOL, /* another release in the guest */
	BE_REFUSED_REQUEST,  /* what was asked for cannot be had */
	BE_REFUSED_HOST,     /* out of memory, no executor could be started */
	BE_REFUSED_EXECUTOR, /* it said no, or ended first: no GPU, no driver */
	BE_REFUSED_COUNT
};

/* How a session ended that had been open. */
enum be_ended {
	BE_ENDED_CLOSED,   /* by the program, or with it */
	BE_ENDED_DETACHED, /* the vGPU went */
	BE_ENDED_EXECUTOR, /* its executor was killed or crashed */
	BE_ENDED_TIMEOUT,
	BE_ENDED_BREACH, /* of the protocol */
	BE_ENDED_OTHER,
	BE_ENDED_COUNT
};

struct be_totals {
	uint64_t count[BE_COUNTS];
	uint64_t opened;
	uint64_t refused[BE_REFUSED_COUNT];
	uint64_t ended[BE_ENDED_COUNT];
};

/* Of one session: the highest that its executor has said, and what was believed of it. */
struct be_counted {
	uint64_t seen[BE_COUNTS];
	uint64_t believed[BE_COUNTS];
	uint64_t at; /* ms; of the last look */
};

#define BE_GPU_MAX 64 /* as many as vg_settings has room for */

/* What vGPUs name in gpu=. */
struct be_gpu {
	char name[BE_GPU_MAX];
	struct be_totals totals;
};

struct be_daemon;
struct be_device;
struct be_session;

/* From here on: what the counters say now has been counted by an earlier xen-vgpud. */
void be_counts_begin(struct be_session *session);
/* Looks at the executor's counters and adds what is new. */
void be_counts_take(struct be_session *session);
void be_counts_opened(struct be_session *session);
/* A program got no session. Of one that its executor refused, be_counts_ended() says so. */
void be_counts_refused(struct be_device *device, int32_t status, const char *why);
/* For all reasons together. */
uint64_t be_counts_refusals(const struct be_device *device);
/* Of a session that was reaped. */
void be_counts_ended(struct be_session *session);
/* The GPU that it names; NULL: it names none yet, or there are too many. */
struct be_gpu *be_gpu_of(const struct be_device *device);

const char *be_refused_name(enum be_refused reason);
const char *be_ended_name(enum be_ended reason);

#endif
