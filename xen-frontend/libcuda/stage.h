/* SPDX-License-Identifier: MIT */
/*
 * Copies of pageable memory through slots of pinned memory: the processors copy into one slot while the GPU
 * fetches from another, or the other way round. The slots are one region of the process, made when first
 * needed. Where there is no such memory, where another copy has it, or where its slots wait for a stream that
 * is busy, a copy goes through the lane's ring instead.
 */
#ifndef FE_STAGE_H
#define FE_STAGE_H

#include <stdbool.h>

#include "xen-frontend/libcuda/copy.h"

/* From this size on it pays. */
#define FE_STAGE_LEAST 16384u

/*
 * True: done, or failed with *result. To the device: the source has been read, and with VG_COPY_SYNC the copy is
 * done. To the host: the destination is written. False: nothing has happened, the ring is to be used.
 */
bool fe_stage_in(CUdeviceptr dst, const void *src, size_t size, struct fe_copy_how how,
		 CUresult *result);
bool fe_stage_out(void *dst, CUdeviceptr src, size_t size, struct fe_copy_how how,
		  CUresult *result);

/* In a child after fork: the memory is the parent's. */
void fe_stage_reset(void);

#endif
