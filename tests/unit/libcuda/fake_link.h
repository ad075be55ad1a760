/* SPDX-License-Identifier: MIT */
/* The executor's linker: what it links to, and how often it was asked. */
#ifndef TEST_FAKE_LINK_H
#define TEST_FAKE_LINK_H

#include <stdint.h>

#include "protocol/cuda_types.h"

struct fake_link {
	CUresult result;       /* of a link's completion */
	unsigned int failures; /* how many fail before one has that result */
	const char *code;
	unsigned int completed, open;
	CUjitInputType type; /* of the last input */
	unsigned int options;
	uint64_t target; /* CU_JIT_TARGET of the last one, 0: none */
};

extern struct fake_link fake_link;

#endif
