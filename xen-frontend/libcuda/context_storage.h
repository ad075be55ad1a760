/* SPDX-License-Identifier: MIT */
/*
 * The functions of the export table CONTEXT_LOCAL_STORAGE, over protocol/context_storage.h. ctx
 * NULL or (CUcontext)-1: the current one.
 */
#ifndef FE_CONTEXT_STORAGE_H
#define FE_CONTEXT_STORAGE_H

#include "protocol/context_storage.h"

CUresult fe_storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor);
CUresult fe_storage_delete(CUcontext ctx, void *key);
/* A context that has ended has no values either: it is not looked for. */
CUresult fe_storage_get(void **value, CUcontext ctx, void *key);

#endif
