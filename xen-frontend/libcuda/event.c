/* SPDX-License-Identifier: MIT */
/*
 * Creating events: as streams (stream.c). Runs in the program's threads.
 */
#include "xen-frontend/libcuda/event.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"

#define EVENT_FLAGS (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)

/* Of an event, kept with its handle; those without have none. */
enum mark {
	MARK_SHARED = 1, /* other processes have it, too */
	MARK_BLOCKS = 2, /* CU_EVENT_BLOCKING_SYNC */
};

static atomic_uint any; /* marks that some event has or had */

static void event_mark(CUevent event, unsigned int marks)
{
	unsigned char *mark = malloc(1);

	if (!mark)
		return;
	*mark = (unsigned char)marks;
	atomic_fetch_or(&any, marks);
	if (fe_handle_set_data((uint64_t)event, mark) != mark)
		free(mark);
}

static bool is_marked(CUevent event, enum mark what)
{
	const unsigned char *mark;

	if (!(atomic_load_explicit(&any, memory_order_relaxed) & what))
		return false;
	mark = fe_handle_data((uint64_t)event);
	return mark && (*mark & what);
}

CUresult fe_cuEventCreate(CUevent *phEvent, unsigned int Flags)
{
	unsigned int marks = (Flags & CU_EVENT_INTERPROCESS ? MARK_SHARED : 0) |
			     (Flags & CU_EVENT_BLOCKING_SYNC ? MARK_BLOCKS : 0);
	CUresult result;

	if (!phEvent || (Flags & ~(unsigned int)EVENT_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if ((Flags & CU_EVENT_INTERPROCESS) && !(Flags & CU_EVENT_DISABLE_TIMING))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuEventCreate(phEvent, Flags);
	if (!result && marks)
		event_mark(*phEvent, marks);
	return result;
}

bool fe_event_blocks(CUevent event)
{
	return is_marked(event, MARK_BLOCKS);
}

/* --- events that other processes have too -------------------------------------------------------- */

/*
 * What this thread tells another process once the call has returned, that one's executor must find
 * done: order between lanes ends at the process.
 */
static bool is_shared(CUevent event)
{
	return is_marked(event, MARK_SHARED);
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
		event_mark(*phEvent, MARK_SHARED);
	return result;
}
