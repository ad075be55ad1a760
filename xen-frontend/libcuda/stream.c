/* SPDX-License-Identifier: MIT */
/*
 * Creating streams: the handle is made here and the executor told without waiting, so what CUDA
 * refuses at once is refused here. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"

CUresult fe_cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
	if (!phStream || (Flags & ~(unsigned int)CU_STREAM_NON_BLOCKING))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_cuStreamCreate(phStream, Flags);
}

/* Priorities out of range are brought into it by the driver. */
CUresult fe_cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	if (!phStream || (flags & ~(unsigned int)CU_STREAM_NON_BLOCKING))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_cuStreamCreateWithPriority(phStream, flags, priority);
}
