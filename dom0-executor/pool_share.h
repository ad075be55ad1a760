/* SPDX-License-Identifier: MIT */
/* Pools for other processes of the guest, and allocations from them. Any thread. */
#ifndef EX_POOL_SHARE_H
#define EX_POOL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct ex_call;
struct ex_ipc;
struct ex_session;
struct ex_span;

/* A pool's handle has gone: nobody can import it any more. */
void ex_pool_unshare(struct ex_session *session, uint64_t handle);

/* Memory of another process's pool, which cuMemFree and its kin give back. */
bool ex_pool_is_imported(struct ex_call *call, CUdeviceptr dptr);
/* `release` is the driver's free. */
CUresult ex_pool_release(struct ex_call *call, CUdeviceptr dptr,
			 CUresult (*release)(CUdeviceptr dptr, CUstream stream), CUstream stream);
/* A range of kind EX_RANGE_POOLED has gone. */
void ex_pool_left(struct ex_session *session, const struct ex_span *span);
/* What is left of offers of others; no lane runs any more. */
void ex_pool_share_dispose(struct ex_ipc *ipc);

#endif
