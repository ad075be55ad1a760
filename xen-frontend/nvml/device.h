/* SPDX-License-Identifier: MIT */
/* Device handles: a handle stands for an index and is the same for the life of the process. Any thread. */
#ifndef FE_NVML_DEVICE_H
#define FE_NVML_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/nvml_types.h"

/* Devices beyond this number are not offered. */
#define FE_NVML_DEVICES_MAX 64

/* False: no handle of ours. */
bool fe_device_index(nvmlDevice_t device, uint32_t *index);
nvmlDevice_t fe_device_handle(unsigned int index);

/* Asks how many there are; under fe_nvml_enter. */
nvmlReturn_t fe_device_count(unsigned int *count);

#endif
