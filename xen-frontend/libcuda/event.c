/* SPDX-License-Identifier: MIT */
/*
 * Creating events: as streams (stream.c). Runs in the program's threads.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"

#define EVENT_FLAGS (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)

static atomic_bool any_shared; /* some event is */

static void event_share(CUevent event)
{
	void *mark = calloc(1, 1);

	atomic_store(&any_shared, true);
	if (fe_handle_set_data((uint64_t)event, mark) != mark)
		free(mark);
}

CUresult fe_cuEventCreate(CUevent *phEvent, unsigned int Flags)
{
	CUresult result;

	if (!phEvent || (Flags & ~(unsigned int)EVENT_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if ((Flags & CU_EVENT_INTERPROCESS) && !(Flags & CU_EVENT_DISABLE_TIMING))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuEventCreate(phEvent, Flags);
	if (!result && (Flags & CU_EVENT_INTERPROCESS))
		event_share(*phEvent);
	return result;
}

/* --- events that other processes have too -------------------------------------------------------- */

/*
 * What this thread tells another process once the call has returned, that one's executor must find
 * done: order between lanes ends at the process.
 */
static bool is_shared(CUevent event)
{
	return atomic_load_explicit(&any_shared, memory_order_relaxed) &&
	       fe_handle_data((uint64_t)event);
}

CUresult fe_cuEventRecord(CUevent hEvent, CUstream hStream)
{
	return rpc_cuEventRecord(hEvent, hStream, !is_shared(hEvent));
}

CUresult fe_cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags)
{
	if (flags & ~(unsigned int)CU_EVENT_RECORD_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	/* Outside of a capture, an external record is refused at once. */
	return rpc_cuEventRecordWithFlags(hEvent, hStream, flags, !flags && !is_shared(hEvent));
}

CUresult fe_cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags)
{
	if (Flags & ~(unsigned int)CU_EVENT_WAIT_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	/* What is external is a capture's: outside of one that is an error, at once. */
	return rpc_cuStreamWaitEvent(hStream, hEvent, Flags, !Flags && !is_shared(hEvent));
}

CUresult fe_cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
	CUresult result = rpc_cuIpcOpenEventHandle(phEvent, handle);

	if (!result)
		event_share(*phEvent);
	return result;
}
