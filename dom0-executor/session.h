/* SPDX-License-Identifier: MIT */
/*
 * The one session of an executor: what a guest process has over here.
 *
 * The main thread serves the control socket (session.c) and is the only one that adds and removes
 * lanes and regions; each lane has a thread of its own (lane.c). A lane that finds a breach
 * says so with ex_session_breach and stops; the main thread ends the session.
 */
#ifndef EX_SESSION_H
#define EX_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/control.h"
#include "protocol/log.h"
#include "protocol/log_rate.h"

#include "dom0-executor/account.h"
#include "dom0-executor/channel.h"
#include "dom0-executor/gpus.h"
#include "dom0-executor/green.h"
#include "dom0-executor/handle.h"
#include "dom0-executor/handover.h"
#include "dom0-executor/host_func.h"
#include "dom0-executor/ipc.h"
#include "dom0-executor/nvml.h"
#include "dom0-executor/order.h"
#include "dom0-executor/output.h"
#include "dom0-executor/pool.h"
#include "dom0-executor/primary.h"
#include "dom0-executor/range.h"
#include "dom0-executor/settings.h"
#include "dom0-executor/stats.h"
#include "dom0-executor/trace.h"
#include "dom0-executor/usage.h"

struct ex_lane;
struct ex_link;

/* A region of pinned memory shared with the guest. Guarded by ex_session.region_lock. */
struct ex_region {
	bool used;
	struct ex_share share;
	uint64_t pinned; /* address registered with the driver, 0: none */
	void *context;   /* CUcontext that was current then */
	/* While recorded with data (trace_pinned.c). */
	uint8_t *shadow; /* as large: what is in the recording; NULL: zeros. Owned */
	bool stage;      /* of copies, which the guest's library fills for each */
};

/* Our own stream in one of the guest's contexts (managed.c). */
#define EX_MANAGED_STREAMS 8u
struct ex_managed_stream {
	void *context; /* CUcontext, NULL: none */
	void *stream;  /* CUstream */
};

struct ex_session {
	struct ex_order order; /* aligned: first */
	struct vg_log_who who;
	const struct ex_settings *settings;
	struct ex_channel *channel; /* the session's */
	struct ex_stats stats;
	struct ex_gpus gpus;
	struct ex_pools pools;
	struct ex_usage usage;
	struct ex_ipc ipc;
	struct ex_handover handover;
	struct ex_nvml nvml;
	bool soft;          /* the driver is libcuda-soft, whose device is this process's own */
	int control_fd;     /* -1 while nobody is there */
	uint32_t peer;      /* counts who has been at its other end */
	uid_t owner;        /* who started us, and may adopt us */
	uint64_t adopt_by;  /* ms; alone since the peer has gone, until then. 0: not alone */
	uint32_t guest_uid; /* the guest's words, for whoever adopts us */
	int64_t started;    /* seconds since the epoch */
	char comm[VG_COMM_MAX];
	uint32_t jit; /* VG_JIT_*, of OPEN */
	int wake_fd;  /* eventfd: a lane has ended, or there was a breach */
	bool opened;
	bool closing; /* CLOSE was seen, or the end of a socket that nobody follows */

	atomic_uint want; /* VG_WANT_* of the last LOOK */
	struct ex_trace trace;
	atomic_bool ending; /* waits of every kind end when they see it */
	pthread_mutex_t breach_lock;
	int breach_status; /* negative errno, 0: none */
	char breach_text[VG_TEXT_MAX];

	uint64_t arena_base;
	uint64_t arena_size;

	struct ex_lane *lanes[VG_LANES_MAX]; /* owned; the main thread's */
	unsigned int lanes_open;
	unsigned int places_refused; /* share.c */

	pthread_mutex_t region_lock;
	struct ex_region regions[VG_REGIONS_MAX];
	uint64_t region_pages;

	struct ex_handles handles;
	struct ex_ranges ranges;   /* what the guest may name as device memory */
	struct ex_ranges reserved; /* reserved addresses (cuMemAddressReserve) */
	struct ex_primary primary;
	struct ex_host_funcs host_funcs;
	struct ex_resources resources;
	struct ex_output output;
	struct vg_log_rate log_rate; /* of lines about calls */
	atomic_ullong bulk_bytes;    /* private memory that holds bulk parts now */

	pthread_mutex_t link_lock;
	struct ex_link *links;
	unsigned int links_count;

	pthread_mutex_t managed_lock;
	struct ex_managed_stream managed_streams[EX_MANAGED_STREAMS];
	unsigned int managed_next;
	atomic_uint logs_epoch; /* counts the guest's beginnings to listen (logs.c) */

	pthread_mutex_t probe_lock;
	int regions_pinned; /* -1: not probed yet */
	/* The driver may read pageable memory by DMA after an asynchronous copy has returned. */
	bool pageable_is_async;
};

/* Reserves the arena; without one (logged) no region can be shared. 0 or a negative errno. */
int ex_session_init(struct ex_session *session, const struct ex_settings *settings,
		    struct ex_channel *channel);
/*
 * Serves the control socket until the session ends. driver_error: NULL, or why there is no driver;
 * it is what the guest's OPEN is answered with. Returns the process's exit status.
 */
int ex_session_serve(struct ex_session *session, const char *driver_error);
/* False: a lane's thread is stuck in the driver and still uses the session; leave with _exit. */
bool ex_session_end(struct ex_session *session);
/* All but what the driver's threads may still come by with (ex_host_funcs_dispose). */
void ex_session_dispose(struct ex_session *session);

/* From any thread: the first caller's reason is what the log and the guest hear. */
void ex_session_breach(struct ex_session *session, int status, const char *why);
/* From a lane's thread as it ends. */
void ex_session_wake(struct ex_session *session);

/* Regions, for lanes (host_memory.c). */
void ex_region_unpin(struct ex_region *region);

#endif
