/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's entry: any bytes as a recording. What its reader makes of them is used as far as it says that it may be, and plans
 * to play it are made.
 */
#include <stdlib.h>

#include "protocol/crc32.h"
#include "protocol/trace_file.h"
#include "xen-frontend/replay/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void part_use(const struct vg_trace_command *command, enum vg_trace_part_kind kind,
		     uint64_t bytes)
{
	uint8_t *copy;

	if (!bytes || !(command->whole & 1u << kind))
		return;
	copy = malloc(bytes);
	if (!copy)
		abort(); /* a whole part is no longer than the file */
	vg_trace_part_copy(command, kind, copy);
	free(copy);
}

static void command_use(const struct vg_trace_recorded *session,
			const struct vg_trace_command *command)
{
	const struct vg_trace_call *call = &command->call;

	if (vg_trace_command_find(session, call->head.lane, call->number) != command)
		abort();
	part_use(command, VG_TRACE_ARGS, call->args);
	part_use(command, VG_TRACE_ANSWER, call->answer);
	part_use(command, VG_TRACE_BULK, call->bulk);
	for (uint32_t i = 0; i < command->count; i++)
		(void)vg_crc32(0, command->pieces[i].data, command->pieces[i].bytes);
}

static void plan_use(const struct vg_trace_recorded *session)
{
	char text[VG_TRACE_TEXT];
	struct rp_plan plan;

	if (rp_plan_make(&plan, session, text))
		return;
	for (size_t i = 0; i < session->count; i++) {
		const struct rp_command *command = &plan.commands[i];

		if (command->events > plan.events_count ||
		    command->number < rp_plan_after(&plan, 0))
			abort();
		(void)rp_plan_after(&plan, command->recorded->call.after);
	}
	rp_plan_dispose(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[VG_TRACE_TEXT];
	struct vg_trace trace;

	if (vg_trace_open_bytes(&trace, data, size, text))
		return 0;
	for (size_t i = 0; i < trace.count; i++) {
		const struct vg_trace_recorded *session = &trace.sessions[i];

		for (size_t j = 0; j < session->count; j++)
			command_use(session, session->by_time[j]);
		plan_use(session);
	}
	vg_trace_close(&trace);
	return 0;
}
