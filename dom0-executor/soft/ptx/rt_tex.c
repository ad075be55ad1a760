/* SPDX-License-Identifier: MIT */
/* Textures and surfaces at run time: what the instruction says, as the host wants it; faults. */
#include "sched.h"

#include <string.h>

static const struct ptx_callbacks *callbacks_of(const struct ptx_thread *t)
{
	return &t->block->worker->run->callbacks;
}

/* A layer comes before the coordinates. */
PTX_SWITCHES void ptx_rt_tex(struct ptx_thread *t, uint64_t handle, uint32_t flags, uint32_t *at,
			     uint32_t lod, uint32_t *texel)
{
	const struct ptx_callbacks *callbacks = callbacks_of(t);
	struct ptx_fetch fetch = {.dims = flags & PTX_TEX_DIMS,
				  .is_layered = flags & PTX_TEX_LAYERED,
				  .is_int = flags & PTX_TEX_INT};
	unsigned int first = fetch.is_layered ? 1 : 0;

	fetch.layer = first ? at[0] : 0;
	memcpy(&fetch.lod, &lod, sizeof(lod));
	for (uint32_t i = 0; i < fetch.dims; i++)
		fetch.at[i] = at[first + i];
	if (!callbacks->fetch ||
	    callbacks->fetch(callbacks->opaque, handle, &fetch, texel) != PTX_TEXTURE_OK)
		ptx_fault_raise(t, PTX_FAULT_ADDRESS, handle, "tex of an unknown texture");
}

PTX_SWITCHES void ptx_rt_surface(struct ptx_thread *t, uint64_t handle, uint32_t flags,
				 uint32_t *at, void *bytes)
{
	const struct ptx_callbacks *callbacks = callbacks_of(t);
	struct ptx_surface access = {.dims = flags & PTX_TEX_DIMS,
				     .is_layered = flags & PTX_TEX_LAYERED,
				     .is_write = flags & PTX_TEX_WRITE,
				     .bytes = flags >> PTX_TEX_BYTES};
	unsigned int first = access.is_layered ? 1 : 0;
	enum ptx_texture_result result = PTX_TEXTURE_NONE;

	access.layer = first ? at[0] : 0;
	for (uint32_t i = 0; i < access.dims; i++)
		access.at[i] = (int32_t)at[first + i];
	if (callbacks->surface)
		result = callbacks->surface(callbacks->opaque, handle, &access, bytes);
	if (result == PTX_TEXTURE_NONE || (result == PTX_TEXTURE_OUTSIDE && flags & PTX_TEX_TRAP))
		ptx_fault_raise(t, PTX_FAULT_ADDRESS, handle,
				result == PTX_TEXTURE_NONE ? "an unknown surface"
							   : "outside of a surface");
	else if (result == PTX_TEXTURE_OUTSIDE && !access.is_write)
		memset(bytes, 0, access.bytes);
}
