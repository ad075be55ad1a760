/* SPDX-License-Identifier: MIT */
/* From module images to the PTX texts in them. */
#ifndef SOFT_FATBIN_H
#define SOFT_FATBIN_H

#include <stddef.h>

#include "protocol/cuda_types.h"

/* Stands between the texts that the linker has put into one. */
#define SOFT_TEXT_BORDER "\n//# vgpu soft: next text\n"

struct soft_text {
	char *text; /* ends with a NUL */
	size_t length;
};

struct soft_texts {
	struct soft_text *at; /* all to be linked into one module */
	size_t count;
};

/*
 * The PTX texts of an image, as copies. CUDA_ERROR_INVALID_IMAGE: not an image, or damaged;
 * CUDA_ERROR_NO_BINARY_FOR_GPU: it has no PTX for compute capability 9.0 or lower.
 */
CUresult texts_of_image(const void *data, size_t limit, struct soft_texts *texts);

/* Append a copy of one text. */
CUresult texts_add(struct soft_texts *texts, const char *text, size_t length);

void texts_free(struct soft_texts *texts); /* may be called twice */

#endif
