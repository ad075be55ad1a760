/* SPDX-License-Identifier: MIT */
#ifndef SOFT_HOST_FUNC_H
#define SOFT_HOST_FUNC_H

#include "dom0-executor/soft/stream.h"

struct soft_work *host_work(const CUDA_HOST_NODE_PARAMS *params); /* NULL without memory */
const CUDA_HOST_NODE_PARAMS *host_of_work(struct soft_work *work);

#endif
