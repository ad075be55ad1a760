/* SPDX-License-Identifier: MIT */
/* Reading textures, reading and writing surfaces, for kernels: callbacks of the PTX engine. */
#ifndef SOFT_SAMPLE_H
#define SOFT_SAMPLE_H

#include "dom0-executor/soft/ptx/ptx.h"

enum ptx_texture_result sample_fetch(void *opaque, uint64_t handle, const struct ptx_fetch *fetch,
				     uint32_t texel[4]);
enum ptx_texture_result sample_surface(void *opaque, uint64_t handle,
				       const struct ptx_surface *access, void *bytes);

#endif
