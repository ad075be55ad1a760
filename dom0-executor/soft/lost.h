/* SPDX-License-Identifier: MIT */
/* Devices that are lost while they are used, as a GPU that falls off its bus: for tests of what comes then. */
#ifndef SOFT_LOST_H
#define SOFT_LOST_H

#include <stdbool.h>

#include "dom0-executor/soft/device.h"

/* Opens the file that VGPU_SOFT_LOST names; once, before the first question. */
void lost_init(void);

/* The file has, or had, the device's number: it does not come back to this process. */
bool device_is_lost(const struct soft_device *device);

#endif
