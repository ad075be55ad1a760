/* SPDX-License-Identifier: MIT */
/*
 * Creating events: as streams (stream.c). Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"

#define EVENT_FLAGS (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)

CUresult fe_cuEventCreate(CUevent *phEvent, unsigned int Flags)
{
	if (!phEvent || (Flags & ~(unsigned int)EVENT_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	/* Another process could not open it, but CUDA's rule for it holds here too. */
	if ((Flags & CU_EVENT_INTERPROCESS) && !(Flags & CU_EVENT_DISABLE_TIMING))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_cuEventCreate(phEvent, Flags);
}
