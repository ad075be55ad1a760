/* SPDX-License-Identifier: MIT */
/*
 * Stands for the lane and the executor in tests of libcuda's hand-written halves: answers what a
 * test has put here and notes what it was asked. One thread.
 */
#ifndef TEST_FAKE_H
#define TEST_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/session_info.h"

#define FAKE_PARAMS_MAX 128

struct fake {
	/* What was asked. */
	unsigned int device_infos, set_currents, retains, releases, resets, creates, destroys,
		synchronizes, layouts, attribute_gets, attribute_sets, functions_got, launches,
		stream_waits, forgiven, occupancies;
	uint64_t current; /* of the last vgCtxSetCurrent */
	int current_primary;

	/* What is answered. */
	struct vg_device_info info;
	CUresult retain_result, load_result;
	unsigned int param_count;
	uint32_t offsets[FAKE_PARAMS_MAX], sizes[FAKE_PARAMS_MAX];
	const char *name;
	int attributes[CU_FUNC_ATTRIBUTE_MAX];
	bool capturing;
	CUcontext stream_context;
	CUresult (*on_wait)(
		CUstream stream); /* of cuStreamSynchronize; NULL: it tells a kernel's error */
	int blocks;               /* active blocks a multiprocessor, unless: */
	int (*blocks_of)(int block, size_t shared);

	/* The last launch. */
	CUlaunchConfig launch;
	CUfunction launch_function;
	CUlaunchAttribute launch_attributes[4];
	uint8_t launch_params[40000];
	unsigned int launch_size;

	/* The last image load: what went over, and what comes back. */
	unsigned int jit_count;
	CUjit_option jit_options[64];
	uint64_t jit_values[64], jit_results[64];
	size_t info_room, error_room, image_size;
	uint8_t image[4096];
	const char *info_text, *error_text;
};

extern struct fake fake;

/* Everything as in a new process with that many devices. */
void fake_reset(int devices);

#endif
