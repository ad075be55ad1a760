/* SPDX-License-Identifier: MIT */
/*
 * Values that the copies of the runtime in a process keep with a context, by a key of their own
 * (the export table CONTEXT_LOCAL_STORAGE). Asked for at every runtime call: a hit in the
 * thread's own cache takes no lock.
 */
#ifndef FE_CONTEXT_STORAGE_H
#define FE_CONTEXT_STORAGE_H

#include "protocol/cuda_types.h"

typedef void (*fe_storage_dtor)(CUcontext ctx, void *key, void *value);

/* ctx NULL or (CUcontext)-1: the current one. A key that is there already gets the new value. */
CUresult fe_storage_put(CUcontext ctx, void *key, void *value, fe_storage_dtor dtor);
CUresult fe_storage_delete(CUcontext ctx, void *key);
/* CUDA_ERROR_INVALID_HANDLE and *value = NULL for a key that is not there. */
CUresult fe_storage_get(void **value, CUcontext ctx, void *key);

/* The context ends: takes its values out, then runs their destructors, without any lock held. */
void fe_storage_drop(CUcontext ctx);
/* In a child after fork: forgets everything, runs nothing. */
void fe_storage_reset(void);

#endif
