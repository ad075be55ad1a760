/* SPDX-License-Identifier: MIT */
/* CUDA arrays: device memory with an extent and a format, stored row after row without padding. */
#ifndef SOFT_ARRAY_H
#define SOFT_ARRAY_H

#include "dom0-executor/soft/object.h"

struct soft_array {
	struct soft_object object;
	CUDA_ARRAY3D_DESCRIPTOR descriptor;
	uint64_t base; /* of its range */
	size_t row;    /* bytes */
	size_t rows;   /* at least 1 */
	size_t slices; /* depth or layers, at least 1 */
};

#endif
