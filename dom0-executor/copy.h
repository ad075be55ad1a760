/* SPDX-License-Identifier: MIT */
/* What copies of one and of three dimensions share. */
#ifndef EX_COPY_H
#define EX_COPY_H

#include "dom0-executor/call.h"

/*
 * Checks the mode, and that a copy of pageable memory (through the ring) is not captured; NULL becomes
 * the per-thread stream in that variant of a call.
 */
CUresult ex_copy_mode_check(struct ex_call *call, unsigned int mode, CUstream *stream,
			    bool pageable);
/* Waits until an asynchronous copy is done with host memory: always, or where it may not be. */
CUresult ex_copy_settle(struct ex_call *call, unsigned int mode, CUstream stream, bool always);

/* RELAXED before calls of our own that a capture of this thread must not notice; what it was, behind them. */
void ex_capture_mode(CUstreamCaptureMode *mode);

/* Whether work on it goes into a graph. Errors count as no: the work itself finds them. */
bool ex_stream_captures(CUstream stream);

#endif
