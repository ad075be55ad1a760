/* SPDX-License-Identifier: MIT */
#ifndef SOFT_MEMOP_H
#define SOFT_MEMOP_H

#include "dom0-executor/soft/stream.h"

/* A batch of operations on words, checked. */
CUresult memop_work_new(const CUstreamBatchMemOpParams *params, unsigned int count,
			struct soft_work **work);

/* What such work holds. */
const CUstreamBatchMemOpParams *memop_of_work(struct soft_work *work, unsigned int *count);

#endif
