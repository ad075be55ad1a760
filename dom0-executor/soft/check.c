/* SPDX-License-Identifier: MIT */
/* The checks of the generated front: what is asked of the driver's state before a call is made. Any thread. */
#include "dom0-executor/soft/check.h"

#include "dom0-executor/soft/context.h"

CUresult check_init(void)
{
	return driver_enter();
}

CUresult check_context_needed(void)
{
	struct soft_context *ctx auto_put = NULL;

	return context_enter_broken(&ctx);
}

CUresult check_context_allowed(void)
{
	CUresult result = check_context_needed();

	return result == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : result;
}

static enum soft_kind kind_of(enum vg_handle_type type)
{
	switch (type) {
	case VG_HANDLE_CUcontext: return SOFT_CONTEXT;
	case VG_HANDLE_CUmodule: return SOFT_MODULE;
	case VG_HANDLE_CUfunction: return SOFT_FUNCTION;
	case VG_HANDLE_CUlibrary: return SOFT_LIBRARY;
	case VG_HANDLE_CUkernel: return SOFT_KERNEL;
	case VG_HANDLE_CUlinkState: return SOFT_LINK;
	case VG_HANDLE_CUstream: return SOFT_STREAM;
	case VG_HANDLE_CUevent: return SOFT_EVENT;
	case VG_HANDLE_CUarray: return SOFT_ARRAY;
	case VG_HANDLE_CUmipmappedArray: return SOFT_MIPMAP;
	case VG_HANDLE_CUgraph: return SOFT_GRAPH;
	case VG_HANDLE_CUgraphNode: return SOFT_NODE;
	case VG_HANDLE_CUgraphExec: return SOFT_EXEC;
	case VG_HANDLE_CUmemoryPool: return SOFT_POOL;
	case VG_HANDLE_CUmemGenericAllocationHandle: return SOFT_PHYSICAL;
	case VG_HANDLE_CUuserObject: return SOFT_USER_OBJECT;
	case VG_HANDLE_CUtexref: return SOFT_TEXREF;
	case VG_HANDLE_CUgreenCtx: return SOFT_GREEN;
	case VG_HANDLE_CUdevResourceDesc: return SOFT_RESOURCE_DESC;
	default: return 0;
	}
}

CUresult check_handle(enum vg_handle_type type, uint64_t handle, unsigned int flags, CUresult code)
{
	enum soft_kind kind = kind_of(type);
	enum soft_kind given = object_kind_of((void *)(uintptr_t)handle);
	bool accepted = given == kind;
	void *object;

	if (!(flags & VG_CHECK_MADE) && vg_handle_passes(type, handle))
		return CUDA_SUCCESS;
	if (type == VG_HANDLE_CUfunction && given == SOFT_KERNEL && !(flags & VG_CHECK_STRICT))
		accepted = true;
	object = accepted ? object_get_number(given, handle) : NULL;
	object_put(object);
	if (object)
		return CUDA_SUCCESS;
	return code ? code : vg_handle_error(type, handle && accepted);
}
