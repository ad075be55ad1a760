/* SPDX-License-Identifier: MIT */
#include "tests/unit/trace_build.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

void trace_build_put(struct trace_build *build, const void *data, size_t size)
{
	size_t padded = vg_pad8(size);

	while (build->size + padded > build->room) {
		build->room = build->room ? build->room * 2 : 4096;
		build->bytes = realloc(build->bytes, build->room);
		if (!build->bytes)
			abort();
	}
	memset(build->bytes + build->size, 0, padded);
	memcpy(build->bytes + build->size, data, size);
	build->size += padded;
}

void trace_build_begin(struct trace_build *build, uint32_t executor)
{
	struct vg_trace_file head = {
		.magic = VG_TRACE_MAGIC,
		.version = VG_TRACE_VERSION,
		.protocol = VG_PROTOCOL_VERSION,
	};

	*build = (struct trace_build){.executor = executor};
	trace_build_put(build, &head, sizeof(head));
}

void trace_build_end(struct trace_build *build)
{
	free(build->bytes);
	*build = (struct trace_build){0};
}

static struct vg_trace_head record_head(const struct trace_build *build, enum vg_trace_type type,
					uint16_t lane, size_t bytes)
{
	return (struct vg_trace_head){
		.type = (uint16_t)type,
		.lane = lane,
		.bytes = (uint32_t)vg_pad8(bytes),
		.executor = build->executor,
	};
}

void trace_build_session(struct trace_build *build, uint32_t flags, uint64_t spec_hash)
{
	struct vg_trace_session session = {
		.head = record_head(build, VG_TRACE_SESSION, 0, sizeof(session)),
		.at = 1,
		.flags = flags,
		.protocol = VG_PROTOCOL_VERSION,
		.spec_hash = spec_hash,
		.domid = -1,
		.comm = "program",
	};

	trace_build_put(build, &session, sizeof(session));
}

void trace_build_lane(struct trace_build *build, uint16_t lane, uint32_t open)
{
	struct vg_trace_share share = {
		.head = record_head(build, VG_TRACE_LANE, lane, sizeof(share)),
		.at = 1,
		.open = open,
		.cmd_bytes = 64 * 1024,
		.reply_bytes = 64 * 1024,
	};

	trace_build_put(build, &share, sizeof(share));
}

void trace_build_part(struct trace_build *build, uint16_t lane, uint64_t number,
		      enum vg_trace_part_kind kind, uint64_t offset, const void *data,
		      uint32_t bytes)
{
	struct vg_trace_part part = {
		.head = record_head(build, VG_TRACE_PART, lane, sizeof(part) + bytes),
		.number = number,
		.offset = offset,
		.kind = kind,
		.bytes = bytes,
	};

	trace_build_put(build, &part, sizeof(part));
	trace_build_put(build, data, bytes);
}

void trace_build_call(struct trace_build *build, uint16_t lane, struct vg_trace_call call)
{
	call.head = record_head(build, VG_TRACE_CALL, lane, sizeof(call));
	trace_build_put(build, &call, sizeof(call));
}
