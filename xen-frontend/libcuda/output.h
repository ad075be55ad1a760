/* SPDX-License-Identifier: MIT */
/* What kernels print. */
#ifndef FE_OUTPUT_H
#define FE_OUTPUT_H

#include "xen-frontend/libcuda/lane.h"

/* After a call that waited for the device: brings over what kernels have printed, if they have. */
void fe_output_fetch(struct fe_lane *lane);

#endif
