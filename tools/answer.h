/* SPDX-License-Identifier: MIT */
/* What stands where in xen-vgpud's answers (docs/control-socket.md). */
#ifndef VGPU_ANSWER_H
#define VGPU_ANSWER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A device in the answer to `list`; NULL: it is not there, or there is no answer. */
struct json_object *vgpu_answer_device(struct json_object *answer, uint64_t domid, uint64_t devid);

/* Its executor has been asked to look and has not answered that; an answer is at most as old as its question. */
bool vgpu_answer_pending(struct json_object *session);

struct vgpu_call {
	unsigned int op;
	uint64_t count;
	uint64_t mean_ns; /* of those that were timed; 0: none was */
};

/* The calls of a session, those made most first. For the caller to free; NULL: no memory. */
struct vgpu_call *vgpu_answer_calls(struct json_object *session, size_t *count);

#endif
