/* SPDX-License-Identifier: MIT */
/*
 * Device memory: made and freed over there, its addresses remembered here (memory.h).
 */
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/library_code.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/session.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/arena.h"

/* Remembers what the executor has given. A double or overlapping address is its fault and only logged. */
static CUresult range_remember(CUdeviceptr base, uint64_t size, enum fe_range_kind kind)
{
	struct fe_range range = {
		.base = base, .size = size, .kind = kind, .context = fe_context_current()};
	int rc;

	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	rc = fe_range_add(&range);
	if (rc)
		vg_warn(&fe_who, "event=range-clash base=0x%llx size=%llu error=\"%s\"",
			(unsigned long long)base, (unsigned long long)size, strerror(-rc));
	return CUDA_SUCCESS;
}

static bool range_take(CUdeviceptr base, enum fe_range_kind kind, struct fe_range *range)
{
	if (!fe_range_find(base, range) || range->base != base || range->kind != kind ||
	    range->owner)
		return false;
	/* Gone before the executor is told: the address may be another thread's right after. */
	return fe_range_remove(base, range);
}

/* It stays if that failed, or if it was imported more often than it was freed. */
static void range_freed(struct fe_range *range, CUresult result)
{
	if (!result && range->opens <= 1)
		return;
	if (!result)
		range->opens--;
	fe_range_add(range);
}

/*
 * Device addresses are the executor's process's: one may be where this process has something of its
 * own. Such an allocation is kept aside while another is asked for, then freed.
 */
#define CLAIM_TRIES 16

typedef CUresult (*alloc_fn)(CUdeviceptr *dptr, void *arguments);

static CUresult alloc_placed(alloc_fn alloc, CUresult (*release)(CUdeviceptr, void *),
			     void *arguments, CUdeviceptr *dptr, const uint64_t *bytes)
{
	CUdeviceptr aside[CLAIM_TRIES];
	unsigned int clashes = 0;
	CUresult result;

	for (;;) {
		result = alloc(dptr, arguments);
		if (result || fe_arena_claim(*dptr, *bytes))
			break;
		aside[clashes++] = *dptr;
		vg_info(&fe_who, "event=address-clash base=0x%llx", (unsigned long long)*dptr);
		if (clashes == CLAIM_TRIES) {
			vg_error(&fe_who,
				 "event=no-address why=\"the device's memory lies where this "
				 "program has memory of its own\"");
			result = CUDA_ERROR_OUT_OF_MEMORY;
			break;
		}
	}
	while (clashes)
		release(aside[--clashes], arguments);
	return result;
}

static CUresult alloc_claimed(alloc_fn alloc, CUresult (*release)(CUdeviceptr, void *),
			      void *arguments, CUdeviceptr *dptr, const uint64_t *bytes)
{
	CUresult result = alloc_placed(alloc, release, arguments, dptr, bytes);

	return result ? result : range_remember(*dptr, *bytes, FE_RANGE_DEVICE);
}

static CUresult plain_alloc(CUdeviceptr *dptr, void *arguments)
{
	return rpc_cuMemAlloc_v2(dptr, *(const uint64_t *)arguments);
}

static CUresult plain_free(CUdeviceptr dptr, void *arguments)
{
	(void)arguments;
	return rpc_cuMemFree_v2(dptr);
}

CUresult fe_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	uint64_t bytes = bytesize;

	if (!dptr || !bytesize)
		return CUDA_ERROR_INVALID_VALUE;
	return alloc_claimed(plain_alloc, plain_free, &bytes, dptr, &bytes);
}

struct managed_arguments {
	uint64_t bytes;
	unsigned int flags;
};

static CUresult managed_alloc(CUdeviceptr *dptr, void *arguments)
{
	struct managed_arguments *a = arguments;

	return rpc_cuMemAllocManaged(dptr, a->bytes, a->flags);
}

/* Managed memory's pages on this side, and its range. */
static CUresult managed_enter(CUdeviceptr base, uint64_t size, unsigned int flags, uint64_t owner)
{
	struct fe_range range = {.base = base,
				 .size = size,
				 .kind = FE_RANGE_MANAGED,
				 .flags = flags,
				 .owner = owner,
				 .context = fe_context_current()};

	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	if (fe_managed_add(&range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!fe_range_add(&range))
		return CUDA_SUCCESS;
	fe_managed_remove(&range);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult fe_cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
	struct managed_arguments a = {bytesize, flags};
	CUresult result;

	if (!dptr || !bytesize || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	result = alloc_placed(managed_alloc, plain_free, &a, dptr, &a.bytes);
	if (result)
		return result;
	result = managed_enter(*dptr, bytesize, flags, 0);
	if (result)
		rpc_cuMemFree_v2(*dptr);
	return result;
}

struct pitch_arguments {
	size_t pitch, width, height;
	unsigned int element;
	uint64_t bytes;
};

static CUresult pitch_alloc(CUdeviceptr *dptr, void *arguments)
{
	struct pitch_arguments *a = arguments;
	CUresult result = rpc_cuMemAllocPitch_v2(dptr, &a->pitch, a->width, a->height, a->element);

	a->bytes = vg_sat_mul(a->pitch, a->height);
	return result;
}

CUresult fe_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes,
			       size_t Height, unsigned int ElementSizeBytes)
{
	struct pitch_arguments a = {0, WidthInBytes, Height, ElementSizeBytes, 0};
	CUresult result;

	if (!dptr || !pPitch || !WidthInBytes || !Height || WidthInBytes > INT_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	result = alloc_claimed(pitch_alloc, plain_free, &a, dptr, &a.bytes);
	*pPitch = a.pitch;
	return result;
}

void fe_memory_of_graph(CUdeviceptr address, uint64_t size)
{
	if (!fe_arena_claim(address, size))
		vg_warn(&fe_who, "event=address-clash base=0x%llx", (unsigned long long)address);
	range_remember(address, size, FE_RANGE_GRAPH);
}

static bool range_is_graphs(CUdeviceptr base)
{
	struct fe_range range;

	return fe_range_find(base, &range) && range.base == base && range.kind == FE_RANGE_GRAPH;
}

CUresult fe_cuMemFree_v2(CUdeviceptr dptr)
{
	struct fe_range range;
	CUresult result;

	if (!dptr)
		return CUDA_SUCCESS;
	if (fe_range_find(dptr, &range) && range.owner) /* a variable's */
		return CUDA_ERROR_INVALID_VALUE;
	if (range_take(dptr, FE_RANGE_MANAGED, &range)) {
		fe_managed_remove(&range);
		return rpc_cuMemFree_v2(dptr);
	}
	if (range_is_graphs(dptr))
		return rpc_cuMemFree_v2(dptr);
	if (!range_take(dptr, FE_RANGE_DEVICE, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemFree_v2(dptr);
	range_freed(&range, result);
	return result;
}

CUresult fe_cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
	struct fe_range range;
	CUresult result;

	if (!pbase && !psize)
		return CUDA_SUCCESS;
	result = fe_context_needed();
	if (result)
		return result;
	if (!fe_range_find(dptr, &range) || range.kind == FE_RANGE_SHADOW)
		return CUDA_ERROR_NOT_FOUND;
	if (range.kind != FE_RANGE_DEVICE && (range.kind != FE_RANGE_MANAGED || range.owner))
		return rpc_cuMemGetAddressRange_v2(pbase, psize, dptr);
	if (pbase)
		*pbase = range.base;
	if (psize)
		*psize = range.size;
	return CUDA_SUCCESS;
}

struct async_arguments {
	uint64_t bytes;
	CUmemoryPool pool; /* NULL: the device's */
	CUstream stream;
};

static CUresult async_alloc(CUdeviceptr *dptr, void *arguments)
{
	struct async_arguments *a = arguments;

	if (a->pool)
		return rpc_cuMemAllocFromPoolAsync(dptr, a->bytes, a->pool, a->stream);
	return rpc_cuMemAllocAsync(dptr, a->bytes, a->stream);
}

static CUresult async_free(CUdeviceptr dptr, void *arguments)
{
	struct async_arguments *a = arguments;

	return rpc_cuMemFreeAsync(dptr, a->stream);
}

/* True from the process's first capture on: until then nothing need be asked about streams. */
static atomic_bool captures;

void fe_memory_capture_begins(void)
{
	atomic_store(&captures, true);
}

static bool is_captured(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return atomic_load(&captures) && !rpc_cuStreamIsCapturing(stream, &status) &&
	       status != CU_STREAM_CAPTURE_STATUS_NONE;
}

static CUresult stream_alloc(struct async_arguments *a, CUdeviceptr *dptr)
{
	CUresult result;

	if (!a->bytes) {
		*dptr = 0;
		result = fe_handle_check(VG_HANDLE_CUmemoryPool, (uint64_t)a->pool, FE_NULL_OK);
		return result ? result
			      : fe_handle_check(VG_HANDLE_CUstream, (uint64_t)a->stream, 0);
	}
	if (!is_captured(a->stream))
		return alloc_claimed(async_alloc, async_free, a, dptr, &a->bytes);
	result = async_alloc(dptr, a);
	if (!result)
		fe_memory_of_graph(*dptr, a->bytes);
	return result;
}

CUresult fe_cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
	struct async_arguments a = {bytesize, NULL, hStream};

	if (!dptr)
		return CUDA_ERROR_INVALID_VALUE;
	return stream_alloc(&a, dptr);
}

CUresult fe_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool,
				    CUstream hStream)
{
	struct async_arguments a = {bytesize, pool, hStream};

	if (!dptr || !pool)
		return CUDA_ERROR_INVALID_VALUE;
	return stream_alloc(&a, dptr);
}

CUresult fe_cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
	struct fe_range range;
	CUresult result;

	if (!dptr)
		return fe_handle_check(VG_HANDLE_CUstream, (uint64_t)hStream, 0);
	if (range_is_graphs(dptr))
		return rpc_cuMemFreeAsync(dptr, hStream);
	if (!range_take(dptr, FE_RANGE_DEVICE, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemFreeAsync(dptr, hStream);
	range_freed(&range, result);
	return result;
}

CUresult fe_cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
				unsigned long long flags)
{
	CUresult result;

	if (!ptr || !size)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAddressReserve(ptr, size, alignment, addr, flags);
	if (result)
		return result;
	if (!fe_arena_claim(*ptr, size))
		vg_warn(&fe_who, "event=address-clash base=0x%llx", (unsigned long long)*ptr);
	return range_remember(*ptr, size, FE_RANGE_RESERVED);
}

CUresult fe_cuMemAddressFree(CUdeviceptr ptr, size_t size)
{
	struct fe_range range;
	CUresult result;

	if (!range_take(ptr, FE_RANGE_RESERVED, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAddressFree(ptr, size);
	if (result)
		fe_range_add(&range);
	return result;
}

static atomic_bool any_variable; /* some module has, or had, a __managed__ one */

static bool is_managed(CUdeviceptr address)
{
	CUpointer_attribute attribute = CU_POINTER_ATTRIBUTE_IS_MANAGED;
	uint8_t value[16] = {0};
	uint32_t code = 0;

	return !rpc_vgPointerAttributes(address, 1, &attribute, &code, value) && !code && value[0];
}

/* A __managed__ variable is where the driver has put it: there it must be here too. */
static CUresult global_enter(CUdeviceptr address, size_t size, uint64_t owner)
{
	CUresult result;

	if (!size || !is_managed(address))
		return range_remember(address, size, FE_RANGE_GLOBAL);
	if (!fe_arena_claim(address, size)) {
		vg_error(
			&fe_who,
			"event=no-address base=0x%llx why=\"a __managed__ variable lies where this "
			"program has memory of its own; start it again\"",
			(unsigned long long)address);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	result = managed_enter(address, size, CU_MEM_ATTACH_GLOBAL, owner);
	if (!result)
		atomic_store(&any_variable, true);
	return result;
}

/* The next module's variables may lie where this one's did, with other contents. */
static CUresult globals_forget(CUresult result, uint64_t owner)
{
	struct fe_range range;

	while (!result && atomic_load(&any_variable) && fe_range_remove_owned(owner, &range))
		fe_managed_remove(&range);
	return result;
}

CUresult fe_cuModuleUnload(CUmodule hmod)
{
	return globals_forget(rpc_cuModuleUnload(hmod), (uint64_t)hmod);
}

CUresult fe_cuLibraryUnload(CUlibrary library)
{
	fe_library_forget(library);
	return globals_forget(rpc_cuLibraryUnload(library), (uint64_t)library);
}

/*
 * What the driver said of a variable, for the program's two places. The address stays what it is
 * while the variable's module lives, so asking twice finds it known.
 */
static CUresult global_tell(CUresult result, uint64_t owner, CUdeviceptr address, size_t size,
			    CUdeviceptr *dptr, size_t *bytes)
{
	struct fe_range range;

	if (result)
		return result;
	if (!fe_range_find(address, &range) || range.base != address || range.size != size)
		result = global_enter(address, size, owner);
	if (result)
		return result;
	if (dptr)
		*dptr = address;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}

CUresult fe_cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result = rpc_cuModuleGetGlobal_v2(&address, &size, hmod, name);

	return global_tell(result, (uint64_t)hmod, address, size, dptr, bytes);
}

CUresult fe_cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library,
			       const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result = rpc_cuLibraryGetGlobal(&address, &size, library, name);

	return global_tell(result, (uint64_t)library, address, size, dptr, bytes);
}

CUresult fe_cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library,
				const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result = rpc_cuLibraryGetManaged(&address, &size, library, name);

	return global_tell(result, (uint64_t)library, address, size, dptr, bytes);
}
