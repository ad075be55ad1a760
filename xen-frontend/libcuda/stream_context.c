/* SPDX-License-Identifier: MIT */
/* Whose context a call on a stream runs in, where the thread has none. Runs in the program's threads. */
#include "xen-frontend/libcuda/stream.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"

bool fe_stream_enter_own(CUstream stream)
{
	CUcontext ctx = NULL;
	bool entered = false;

	if (fe_handle_check(VG_HANDLE_CUstream, (uint64_t)stream, FE_MADE) ||
	    rpc_cuStreamGetCtx(stream, &ctx) || fe_context_enter(ctx, &entered))
		return false;
	return entered;
}
