/* SPDX-License-Identifier: MIT */
/* Recordings made by hand, for tests: records are put one after the other. The first failure of malloc ends the program. */
#ifndef TRACE_BUILD_H
#define TRACE_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/trace.h"

struct trace_build {
	uint8_t *bytes;
	size_t size, room;
	uint32_t executor; /* of the records that follow */
};

/* Begins with a head of this version. */
void trace_build_begin(struct trace_build *build, uint32_t executor);
void trace_build_end(struct trace_build *build);
/* Any bytes, padded with zeros to a multiple of 8. */
void trace_build_put(struct trace_build *build, const void *data, size_t size);

void trace_build_session(struct trace_build *build, uint32_t flags, uint64_t spec_hash);
void trace_build_lane(struct trace_build *build, uint16_t lane, uint32_t open);
void trace_build_part(struct trace_build *build, uint16_t lane, uint64_t number,
		      enum vg_trace_part_kind kind, uint64_t offset, const void *data,
		      uint32_t bytes);
/* head is filled in. */
void trace_build_call(struct trace_build *build, uint16_t lane, struct vg_trace_call call);

#endif
