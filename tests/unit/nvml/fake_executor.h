/* SPDX-License-Identifier: MIT */
/*
 * An executor for the guest's NVML that is played by threads: it answers with as many letters as there is room
 * for, a list of GROUPS processes, and that there are DEVICES; or it lies.
 */
#ifndef FAKE_EXECUTOR_H
#define FAKE_EXECUTOR_H

#include <pthread.h>
#include <stdatomic.h>

#define DEVICES 2
#define GROUPS  3 /* of processes that vgProcesses tells */

/* How the next answers are wrong. */
enum lie {
	TRUTH,
	LIE_OP,
	LIE_NUMBER,
	LIE_RESULT,
	LIE_BULK,
	LIE_HEAD,     /* too short for an answer's head */
	LIE_ROOM,     /* longer than there is room for */
	LIE_LENGTHS,  /* the reply's length and the answer's do not fit */
	LIE_ANSWERED, /* more is said to be answered than was sent */
	LIE_FEW,      /* parts are missing */
	LIE_ITEMS,    /* a list of more than was asked for */
	LIE_COUNT,    /* of fewer than it says */
	LIE_INDEX,    /* the ring's index */
	LIE_GONE,     /* the session ends instead */
	LIE_END,
};

struct fake_service {
	char folder[64], path[96];
	int listener;
	pthread_t thread;
	atomic_int lie, status, refuse;
	atomic_uint opens, closes, calls;
	atomic_int last_op;
};
extern struct fake_service service;

/* Setup and teardown of a group of tests; VGPU_SOCKET leads here. */
int service_start(void **state);
int service_stop(void **state);

#endif
