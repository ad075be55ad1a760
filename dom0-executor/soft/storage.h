/* SPDX-License-Identifier: MIT */
/* What copies of the runtime keep with a context (the export table CONTEXT_LOCAL_STORAGE). */
#ifndef SOFT_STORAGE_H
#define SOFT_STORAGE_H

#include "protocol/cuda_types.h"

typedef void (*storage_dtor)(CUcontext ctx, void *key, void *value);

/* ctx NULL or (CUcontext)-1: the thread's. */
CUresult storage_put(CUcontext ctx, void *key, void *value, storage_dtor dtor);
CUresult storage_delete(CUcontext ctx, void *key);
CUresult storage_get(void **value, CUcontext ctx, void *key);

/* The context ends: its values' destructors run. */
void storage_drop(CUcontext ctx);

#endif
