/* SPDX-License-Identifier: MIT */
/*
 * The functions of the export table CONTEXT_LOCAL_STORAGE, over protocol/context_storage.h. ctx
 * NULL or (CUcontext)-1: the thread's.
 */
#ifndef SOFT_STORAGE_H
#define SOFT_STORAGE_H

#include "protocol/context_storage.h"

CUresult storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor);
CUresult storage_delete(CUcontext ctx, void *key);
CUresult storage_get(void **value, CUcontext ctx, void *key);

#endif
