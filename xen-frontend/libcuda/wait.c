/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the device, and how the program wants to: asleep at once, or looking first as long as that pays
 * (spin.h). Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/event.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/managed.h"

CUresult fe_cuCtxSetFlags(unsigned int flags)
{
	struct fe_context *top = fe_stack_top();
	CUresult result = rpc_cuCtxSetFlags(flags);

	if (!result && top)
		__atomic_store_n(&top->flags, flags, __ATOMIC_RELAXED);
	return result;
}

static CUresult synchronize(void)
{
	if (fe_context_blocks())
		fe_lane_look(FE_LOOK_NEVER);
	return rpc_vgCtxSynchronize();
}

CUresult fe_cuCtxSynchronize(void)
{
	CUresult result = synchronize();

	if (!result)
		fe_managed_synced();
	return result;
}

CUresult fe_cuCtxSynchronize_v2(CUcontext ctx)
{
	bool entered;
	CUresult result = fe_context_enter(ctx, &entered);

	if (!result)
		result = synchronize();
	fe_context_exit(entered);
	if (!result)
		fe_managed_synced();
	return result;
}

CUresult fe_cuStreamSynchronize(CUstream hStream)
{
	CUresult result;

	if (fe_context_blocks())
		fe_lane_look(FE_LOOK_NEVER);
	result = rpc_cuStreamSynchronize(hStream);
	if (!result)
		fe_managed_synced();
	return result;
}

CUresult fe_cuEventSynchronize(CUevent hEvent)
{
	CUresult result;

	if (fe_event_blocks(hEvent))
		fe_lane_look(FE_LOOK_NEVER);
	result = rpc_cuEventSynchronize(hEvent);
	if (!result)
		fe_managed_synced();
	return result;
}
