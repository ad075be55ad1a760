/* SPDX-License-Identifier: MIT */
/*
 * printf and assert from kernels: their text comes from the executor when a call has waited for the
 * device, and goes to the program's own standard output and error, behind what the program
 * itself has printed so far. The program's thread that waited.
 */
#include "xen-frontend/libcuda/output.h"

#include <stdio.h>

#include "xen-frontend/libcuda/calls.h"

#define ROOM 16384u

static void stream_fetch(unsigned int stream, FILE *file)
{
	char text[ROOM];
	unsigned int size;

	while (!rpc_vgOutput(stream, ROOM, &size, text) && size && size <= ROOM)
		fwrite(text, 1, size, file);
	fflush(file);
}

void fe_output_fetch(struct fe_lane *lane)
{
	uint32_t count = __atomic_load_n(&lane->shared->output_count, __ATOMIC_ACQUIRE);

	if (count == lane->output_seen)
		return;
	lane->output_seen = count;
	stream_fetch(1, stdout);
	stream_fetch(2, stderr);
}
