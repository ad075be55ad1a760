/* SPDX-License-Identifier: MIT */
/*
 * Calls in the log: at level call a line for each command with its arguments and answers, by the table made from the
 * spec (protocol/call_text.h), from the lane's private copies; at level data also the sizes and CRC-32 of what
 * is carried. Runs in the lane's thread.
 */
#ifndef EX_TELL_H
#define EX_TELL_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/log.h"

#include "dom0-executor/call.h"
#include "dom0-executor/session.h"

/* A command that has been run, before its answer is sent. */
void ex_tell(const struct ex_call *call, CUresult result, uint64_t took_ns);

/* Bulk parts are to be summed up as they pass: for the log, or for what is recorded. */
static inline bool ex_tell_sums(const struct ex_call *call)
{
	return __builtin_expect(call->begun != 0, 0) &&
	       (vg_log_on(&call->session->who, VG_LOG_DATA) ||
		(atomic_load_explicit(&call->session->want, memory_order_relaxed) &
		 VG_WANT_TRACE_DATA));
}

/* The next n bytes of the bulk part that came, up to bulk_pos, where they lie. */
void ex_tell_bulk(struct ex_call *call, const void *span, size_t n);

/* The next n bytes of the reply's bulk part lie in the ring. The guest can change them by now: a sum for people, no more. */
void ex_tell_reply_sum(struct ex_call *call, size_t n);

#endif
