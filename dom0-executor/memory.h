/* SPDX-License-Identifier: MIT */
/* Freeing device memory, plain or of a pool (span.object). From any lane. */
#ifndef EX_MEMORY_H
#define EX_MEMORY_H

#include "dom0-executor/session.h"

/*
 * A range goes before the driver frees it: the address may be another lane's as soon as the driver has it.
 * It counts until the driver has answered, and comes back if that was an error.
 */
CUresult ex_memory_leave(struct ex_call *call, CUdeviceptr dptr, struct ex_span *span);
void ex_memory_left(struct ex_call *call, const struct ex_span *span, CUresult result);
/* Its bytes are the quota's again. */
void ex_memory_gone(struct ex_session *session, const struct ex_span *span);

/* An allocation of a graph's: it may be freed by any call that frees, and comes back with each launch. */
bool ex_memory_is_graphs(struct ex_call *call, CUdeviceptr dptr);

#endif
