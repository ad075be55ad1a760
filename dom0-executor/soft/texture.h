/* SPDX-License-Identifier: MIT */
/* Mipmapped arrays, and texture and surface objects over them, single arrays or memory. */
#ifndef SOFT_TEXTURE_H
#define SOFT_TEXTURE_H

#include "dom0-executor/soft/array.h"

struct soft_mipmap {
	struct soft_object object;
	CUDA_ARRAY3D_DESCRIPTOR descriptor;
	unsigned int levels;
	struct soft_array *arrays[]; /* references */
};

/* A texture or, without `texture` and `view`, a surface. */
struct soft_texture {
	struct soft_object object;
	CUDA_RESOURCE_DESC resource;
	CUDA_TEXTURE_DESC texture;
	CUDA_RESOURCE_VIEW_DESC view;
	bool has_view;
	struct soft_array
		*array; /* a reference: the array, or a mipmap's first level; NULL: memory */
	struct soft_mipmap *mipmap; /* a reference, or NULL */
};

#endif
