/* SPDX-License-Identifier: MIT */
/*
 * Stream capture: work submitted to a capturing stream becomes a node of a graph. A capture begins in
 * one stream and spreads to others through events; it ends in the stream where it began.
 */
#ifndef SOFT_CAPTURE_H
#define SOFT_CAPTURE_H

#include "dom0-executor/soft/stream.h"

struct soft_graph;
struct soft_node;
struct soft_event;

/* The stream goes: a capture that it takes part in becomes invalid. */
void capture_abandon(struct soft_stream *stream);

/* Drop what a stream keeps of a capture; nobody else knows the stream. */
void capture_leave(struct soft_stream *stream);

/*
 * Called with each piece of work before it is queued. True: it must not be queued; it has become a
 * node, or *result says why it may not run now. False: the stream is not capturing.
 */
bool capture_takes(struct soft_stream *stream, struct soft_work *work, enum soft_how how,
		   CUresult *result);

bool capture_is_on(struct soft_stream *stream);

/* Event records and waits of a stream: true where the capture has dealt with them. */
bool capture_records(struct soft_stream *stream, struct soft_event *event, CUresult *result);
bool capture_waits(struct soft_stream *stream, struct soft_event *event, unsigned int flags,
		   CUresult *result);

/*
 * For calls that a capture forbids (allocations, synchronous copies, queries): CUDA_SUCCESS, or
 * CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, and the capture is invalidated. `stream` is the one that the
 * call is about, or NULL.
 */
CUresult capture_forbids(struct soft_context *ctx, struct soft_stream *stream);

/* What an event remembers of the capture that it was recorded in. */
struct soft_captured {
	struct soft_capture *capture; /* a reference, or NULL */
	struct soft_node **nodes;     /* references */
	size_t count;
};
void captured_clear(struct soft_captured *captured);

#endif
