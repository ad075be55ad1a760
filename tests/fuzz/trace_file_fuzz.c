/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry: any bytes as a recording, and what its reader makes of them is used as far as it says that it may be. */
#include <stdlib.h>

#include "protocol/trace_file.h"

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
	volatile uint8_t sum = 0;

	if (vg_trace_command_find(session, call->head.lane, call->number) != command)
		abort();
	part_use(command, VG_TRACE_ARGS, call->args);
	part_use(command, VG_TRACE_ANSWER, call->answer);
	part_use(command, VG_TRACE_BULK, call->bulk);
	for (uint32_t i = 0; i < command->count; i++)
		for (uint32_t j = 0; j < command->pieces[i].bytes; j++)
			sum ^= command->pieces[i].data[j];
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
	}
	vg_trace_close(&trace);
	return 0;
}
