/* SPDX-License-Identifier: MIT */
/*
 * Values that the copies of CUDA's runtime in a process keep with a context, by a key of their own
 * (the export table CONTEXT_LOCAL_STORAGE): one table for the library. Asked for at every runtime
 * call: a hit in the thread's own cache takes no lock. Any thread.
 */
#ifndef VG_CONTEXT_STORAGE_H
#define VG_CONTEXT_STORAGE_H

#include "protocol/cuda_types.h"

typedef void (*vg_storage_dtor)(CUcontext ctx, void *key, void *value);

/* ctx is never NULL: the caller says which is the current one. */

/* A key that is there already gets the new value. */
CUresult vg_storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor);
CUresult vg_storage_delete(CUcontext ctx, void *key);
/* CUDA_ERROR_INVALID_HANDLE and *value = NULL for a key that is not there. */
CUresult vg_storage_get(void **value, CUcontext ctx, void *key);

/* The context ends: takes its values out, then runs their destructors, without any lock held. */
void vg_storage_drop(CUcontext ctx);
/* In a child after fork: forgets everything, runs nothing. */
void vg_storage_reset(void);

#endif
