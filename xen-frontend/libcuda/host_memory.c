/* SPDX-License-Identifier: MIT */
/*
 * Pinned host memory. Each allocation is a region: pages shared with the executor, which registers
 * them with the driver, at one address on both sides. Where no page is to be had, or the driver does not
 * take them, ordinary memory stands in ("shadow"): its copies are staged, and kernels cannot see it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/host_memory.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/session.h"

#define HOST_ALLOC_FLAGS \
	(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED)
#define HOST_REGISTER_FLAGS                                           \
	(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | \
	 CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY)

static struct fe_share regions[VG_REGIONS_MAX]; /* by id, under the session's lock */

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + VG_PAGE_SIZE - 1) / VG_PAGE_SIZE;
}

int fe_region_share(uint64_t address, uint64_t at, uint64_t bytes)
{
	struct vg_control_share want = {
		.kind = VG_SHARE_REGION, .pages = (uint32_t)pages_of(bytes), .address = address};
	char text[VG_TEXT_MAX] = "";
	int id, rc;

	if (pages_of(bytes) > UINT32_MAX)
		return -ENOMEM;
	pthread_mutex_lock(&fe_session.lock);
	id = fe_session_id_take(fe_session.region_used, VG_REGIONS_MAX);
	rc = id;
	if (id >= 0) {
		want.id = (uint32_t)id;
		rc = fe_channel_share_at(&fe_session.channel, &want, at, &regions[id], text);
		if (rc)
			fe_session.region_used[id] = false;
	}
	pthread_mutex_unlock(&fe_session.lock);
	if (rc < 0) {
		vg_data(&fe_who, "event=no-region pages=%llu error=\"%s\" why=\"%s\"",
			(unsigned long long)pages_of(bytes), strerror(-rc), text);
		return rc;
	}
	madvise(regions[id].base, regions[id].bytes, MADV_DONTFORK);
	return id;
}

void fe_region_unshare(uint32_t id)
{
	pthread_mutex_lock(&fe_session.lock);
	fe_channel_unshare(&fe_session.channel, &regions[id]);
	fe_session.region_used[id] = false;
	pthread_mutex_unlock(&fe_session.lock);
}

/*
 * With unified addresses what is allocated is every context's, on every device, whatever the flags say; what
 * is registered is not.
 */
int fe_pinned_alloc(struct fe_range *range)
{
	uint64_t address;
	int id;

	if (!fe_session.info.regions_pinned)
		return -ENOTSUP;
	address = fe_arena_take(range->size);
	if (!address)
		return -ENOMEM;
	id = fe_region_share(address, address, range->size);
	if (id < 0) {
		fe_arena_give(address, range->size);
		return id;
	}
	if (rpc_vgHostRegister((unsigned int)id, address, pages_of(range->size) * VG_PAGE_SIZE,
			       range->flags | CU_MEMHOSTREGISTER_PORTABLE |
				       CU_MEMHOSTREGISTER_DEVICEMAP)) {
		fe_region_unshare((uint32_t)id);
		fe_arena_give(address, range->size);
		return -ENOTSUP;
	}
	range->base = address;
	range->region = (uint32_t)id;
	range->kind = FE_RANGE_PINNED;
	return 0;
}

void fe_pinned_free(const struct fe_range *range)
{
	rpc_vgHostUnregister(range->region);
	fe_region_unshare(range->region);
	fe_arena_give(range->base, range->size);
}

static int shadow_alloc(struct fe_range *range)
{
	void *memory = mmap(NULL, pages_of(range->size) * VG_PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	range->base = (uint64_t)memory;
	range->kind = FE_RANGE_SHADOW;
	vg_info(&fe_who, "event=pinned-staged bytes=%llu", (unsigned long long)range->size);
	return 0;
}

CUresult fe_cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
	struct fe_range range = {.size = bytesize, .flags = Flags, .context = fe_context_current()};
	CUresult result;

	if (!pp || (Flags & ~(unsigned int)HOST_ALLOC_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if (!range.context)
		return CUDA_ERROR_INVALID_CONTEXT;
	*pp = NULL;
	if (!bytesize)
		return CUDA_SUCCESS;
	result = fe_capture_allows();
	if (result)
		return result;
	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	if (fe_pinned_alloc(&range) && shadow_alloc(&range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (fe_range_add(&range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pp = (void *)range.base;
	return CUDA_SUCCESS;
}

CUresult fe_cuMemAllocHost_v2(void **pp, size_t bytesize)
{
	return fe_cuMemHostAlloc(pp, bytesize, 0);
}

CUresult fe_cuMemFreeHost(void *p)
{
	struct fe_range range;
	CUresult result;

	if (!p)
		return CUDA_SUCCESS;
	result = fe_capture_allows();
	if (result)
		return result;
	if (!fe_range_find((uint64_t)p, &range) || range.base != (uint64_t)p || range.registered ||
	    (range.kind != FE_RANGE_PINNED && range.kind != FE_RANGE_SHADOW) ||
	    !fe_range_remove((uint64_t)p, &range))
		return CUDA_ERROR_INVALID_VALUE;
	if (range.kind == FE_RANGE_SHADOW) {
		munmap(p, pages_of(range.size) * VG_PAGE_SIZE);
		return CUDA_SUCCESS;
	}
	fe_pinned_free(&range);
	return CUDA_SUCCESS;
}

CUresult fe_cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
	struct fe_range range;

	if (!pdptr || Flags || !fe_range_find((uint64_t)p, &range))
		return CUDA_ERROR_INVALID_VALUE;
	if (range.kind == FE_RANGE_SHADOW) {
		vg_warn(&fe_who,
			"event=not-mapped address=%p why=\"it is not in shared pages: none were to be "
			"had, or the memory's own cannot be replaced\"",
			p);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (range.kind != FE_RANGE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	*pdptr = (CUdeviceptr)p;
	return CUDA_SUCCESS;
}

CUresult fe_cuMemHostGetFlags(unsigned int *pFlags, void *p)
{
	struct fe_range range;

	if (!pFlags || !fe_range_find((uint64_t)p, &range) ||
	    (range.kind != FE_RANGE_PINNED && range.kind != FE_RANGE_SHADOW))
		return CUDA_ERROR_INVALID_VALUE;
	/* Under unified addressing all pinned memory is mapped. */
	*pFlags = range.flags | CU_MEMHOSTALLOC_DEVICEMAP;
	return CUDA_SUCCESS;
}

/* CUDA's answer where a range is in the way: memory of its own cannot be registered. */
static CUresult already(const struct fe_range *wanted)
{
	struct fe_range there;

	return fe_range_find(wanted->base, &there) && !there.registered
		       ? CUDA_ERROR_INVALID_VALUE
		       : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
}

/*
 * Memory that the program has already. Where its pages can be replaced by shared ones it is a region like
 * any other; otherwise its copies are staged.
 */
CUresult fe_cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
{
	struct fe_range range = {.base = (uint64_t)p,
				 .size = bytesize,
				 .kind = FE_RANGE_SHADOW,
				 .flags = Flags,
				 .registered = true,
				 .context = fe_context_current()};
	CUresult result;

	if (!p || !bytesize || (Flags & ~(unsigned int)HOST_REGISTER_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if (!range.context)
		return CUDA_ERROR_INVALID_CONTEXT;
	result = fe_capture_allows();
	if (result)
		return result;
	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	/* Entered first: of two threads that register the same memory one is refused. */
	switch (fe_range_add(&range)) {
	case 0: break;
	case -EEXIST: return already(&range);
	default: return CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (fe_session.info.regions_pinned && !fe_register_in_place(&range)) {
		struct fe_range old;

		fe_range_remove(range.base, &old);
		if (fe_range_add(&range)) {
			fe_unregister_in_place(&range);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	return CUDA_SUCCESS;
}

/* The call of before CUDA 6.5 knows fewer flags, and looks at no others. */
CUresult fe_cuMemHostRegister(void *p, size_t bytesize, unsigned int Flags)
{
	return fe_cuMemHostRegister_v2(
		p, bytesize, Flags & (CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP));
}

CUresult fe_cuMemHostUnregister(void *p)
{
	struct fe_range range;
	CUresult result;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_capture_allows();
	if (result)
		return result;
	if (!fe_range_find((uint64_t)p, &range))
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	if (!range.registered || range.base != (uint64_t)p)
		return CUDA_ERROR_INVALID_VALUE;
	if (!fe_range_remove((uint64_t)p, &range))
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	if (range.kind == FE_RANGE_PINNED)
		fe_unregister_in_place(&range);
	return CUDA_SUCCESS;
}
