/* SPDX-License-Identifier: MIT */
/* The executor's linker: what it links to, and how often it was asked. */
#ifndef TEST_FAKE_LINK_H
#define TEST_FAKE_LINK_H

#include <stdint.h>

#include "protocol/cuda_types.h"

struct fake_link {
	CUresult result; /* of a link's completion */
	const char *code;
	unsigned int completed, open;
	CUjitInputType type; /* of the last input */
	unsigned int options;
};

extern struct fake_link fake_link;

#endif
