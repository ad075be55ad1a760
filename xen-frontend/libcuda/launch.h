/* SPDX-License-Identifier: MIT */
/* Launch attributes, as launches and occupancy queries have them. */
#ifndef FE_LAUNCH_H
#define FE_LAUNCH_H

#include "protocol/cuda_types.h"

#define FE_LAUNCH_ATTRIBUTES_MAX 64

/* Handles inside them, and what cannot be passed on: CUDA's code, or CUDA_ERROR_NOT_SUPPORTED. */
CUresult fe_launch_attributes_check(const CUlaunchAttribute *attributes, unsigned int count);

#endif
