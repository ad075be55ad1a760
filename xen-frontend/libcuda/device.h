/* SPDX-License-Identifier: MIT */
/*
 * What is known of the devices: asked of the executor once per device, answered from memory since.
 * Any thread, no lock.
 */
#ifndef FE_DEVICE_H
#define FE_DEVICE_H

#include <stdbool.h>

#include "protocol/cuda_types.h"
#include "protocol/session_info.h"

/* Devices beyond this number are not offered: tables by device have a fixed size. */
#define FE_DEVICES_MAX 64

int fe_device_count(void);

/* CUDA_SUCCESS or CUDA_ERROR_INVALID_DEVICE. Asks nobody. */
CUresult fe_device_check(CUdevice device);

/* *info stays valid until fe_device_reset. */
CUresult fe_device_get(CUdevice device, const struct vg_device_info **info);

/* The same where only "known or not" matters: NULL for a bad device or a lost session. */
const struct vg_device_info *fe_device_info(CUdevice device);

/* A cached attribute; 0 where the executor had none. */
static inline int fe_device_attribute(const struct vg_device_info *info,
				      CUdevice_attribute attribute)
{
	return (unsigned int)attribute < VG_DEVICE_ATTRIBUTES && !info->result[attribute]
		       ? info->attribute[attribute]
		       : 0;
}

#endif
