/* SPDX-License-Identifier: MIT */
/* What exported functions that take a stream begin with. */
#ifndef FE_STREAM_H
#define FE_STREAM_H

#include "protocol/cuda_types.h"
#include "xen-frontend/libcuda/context.h"

bool fe_stream_enter_own(CUstream stream);

/*
 * A thread without a context works in that of the stream it names, unless that is a default stream. True: until
 * fe_context_exit. Any thread; costs a round trip where there is none.
 */
static inline bool fe_stream_enter_if_none(CUstream stream)
{
	return !fe_stack_top() && fe_stream_enter_own(stream);
}

/* The same also for a thread whose context has been destroyed. */
static inline bool fe_stream_enter_if_needed(CUstream stream)
{
	return fe_context_needed() && fe_stream_enter_own(stream);
}

#endif
