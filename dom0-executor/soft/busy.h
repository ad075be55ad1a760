/* SPDX-License-Identifier: MIT */
/* How long kernels have been running, for whoever asks NVML for the device's load. Any thread. */
#ifndef SOFT_BUSY_H
#define SOFT_BUSY_H

#include "protocol/cuda_types.h"

struct soft_device;

/* Around a piece of work; only kernels and fills count, as with NVIDIA's driver. */
void busy_begin(CUgraphNodeType node, const struct soft_device *device);
void busy_end(CUgraphNodeType node, const struct soft_device *device);

#endif
