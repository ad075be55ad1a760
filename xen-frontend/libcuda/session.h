/* SPDX-License-Identifier: MIT */
/*
 * The process's one session with an executor: opened by cuInit, ended with the process.
 */
#ifndef FE_SESSION_H
#define FE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/log.h"
#include "protocol/session_info.h"
#include "protocol/wire.h"
#include "xen-frontend/channel.h"

struct fe_session {
	pthread_mutex_t lock; /* of the channel and of the ids below */
	struct fe_channel channel;
	bool lane_used[VG_LANES_MAX];
	uint64_t lane_number[VG_LANES_MAX]; /* commands sent so far on a lane of that id */
	bool region_used[VG_REGIONS_MAX];
	struct vg_session_info info;

	_Atomic int state; /* enum fe_session_state */
	_Atomic int lost;  /* CUresult that every call answers, once the session has ended */
	/* The order over threads (order.c). */
	struct fe_order {
		_Atomic uint64_t
			last_async; /* vg_after() of the last asynchronous command that is not onstream */
		atomic_uint lanes; /* ids below this have been used */
		struct {
			_Alignas(64) _Atomic uint64_t
				last; /* number of the last asynchronous command */
		} lane[VG_LANES_MAX];
	} order;
};

enum fe_session_state {
	FE_SESSION_NONE = 0, /* before cuInit, and in a child after fork */
	FE_SESSION_OPEN,
	FE_SESSION_LOST,
};

extern struct fe_session fe_session;

/* This process in log lines; level from VGPU_LOG. */
extern struct vg_log_who fe_who;

/* Says once why the session has ended; from then on every call answers result. */
void fe_session_lose(CUresult result, const char *why);

/* An id that is not in use, or -ENOSPC. Under the lock. */
int fe_session_id_take(bool *used, unsigned int count);

/* Functions of parts that keep state of a session: called in a child after fork, in this order. */
void fe_lane_reset(void);
void fe_callback_reset(void);
void fe_device_reset(void);
void fe_context_reset(void);
void fe_notification_reset(void);
void fe_coredump_reset(void);

#endif
