/* SPDX-License-Identifier: MIT */
/*
 * One answer of xen-vgpud to `list`, as `vgpu top` keeps it. Everything in it is copied, bounded and cleaned:
 * most of it is guests' and executors' words.
 */
#ifndef VGPU_TOP_SAMPLE_H
#define VGPU_TOP_SAMPLE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_TOOK      40u /* powers of two of nanoseconds */
#define TOP_OPS       1024u
#define TOP_LANES_MAX 256u
#define TOP_TEXT      64u
#define TOP_DEVIDS    64u

/* Who a process is: what stays the same for as long as its executor lives, also over xen-vgpud's restarts. */
struct top_id {
	uint64_t domid, executor, pid;
	int64_t started;
};

/* What only grows. */
enum top_counter {
	TOP_CALLS,
	TOP_LAUNCHES,
	TOP_TO_GPU,
	TOP_FROM_GPU,
	TOP_ERRORS,
	TOP_COUNTERS
};

struct top_lane {
	uint64_t lane, taken, done, op;
	uint64_t commands_bytes, commands_unread, replies_bytes, replies_unread;
	bool waited;       /* the guest waits for a command that has begun */
	uint64_t begun_ms; /* ago */
	char guest_sleeps[8], executor_sleeps[8];
};

struct top_op {
	uint64_t op, count, timed, ns;
};

struct top_session {
	struct top_id id;
	uint64_t home; /* devid */
	uint64_t devids[TOP_DEVIDS];
	size_t devid_count;
	char program[TOP_TEXT], state[16];
	uint64_t counter[TOP_COUNTERS];
	uint64_t took[TOP_TOOK];
	uint64_t memory; /* bytes, of all vGPUs */
	uint64_t last_op, last_error, last_error_op, refused;
	struct top_lane *lanes; /* owned */
	size_t lane_count;
	struct top_op *ops; /* owned; by number */
	size_t op_count;
};

struct top_device {
	uint64_t domid, devid;
	bool connected;
	char gpu[TOP_TEXT], driver[TOP_TEXT];
	uint64_t mem, mem_used; /* bytes; mem 0: no quota */
};

struct top_sample {
	uint64_t at;                /* ms of our clock */
	int64_t now, started;       /* seconds since 1970, of xen-vgpud's */
	uint64_t daemon;            /* its process */
	struct top_device *devices; /* owned */
	size_t device_count;
	struct top_session *sessions; /* owned; each once, however many vGPUs it has */
	size_t session_count;
	struct top_session *ended; /* owned; oldest first */
	size_t ended_count;
};

/* 0 or -ENOMEM; then there is nothing to dispose of. */
int top_sample_read(struct top_sample *sample, struct json_object *answer, uint64_t at);
void top_sample_dispose(struct top_sample *sample);
void top_session_dispose(struct top_session *session);
bool top_id_same(const struct top_id *a, const struct top_id *b);

#endif
