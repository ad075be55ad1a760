/* SPDX-License-Identifier: MIT */
/*
 * Machine code in the place of a library's PTX (code.h). The driver compiles a library when something in it is
 * first wanted, and programs load many of which they never use a kernel. So a library whose code is not in the
 * cache is loaded as it is, and its code takes its place when the program first asks for something in it
 * (fe_ready_CUlibrary, which generated stubs call). Any thread.
 */
#ifndef FE_LIBRARY_CODE_H
#define FE_LIBRARY_CODE_H

#include <stdbool.h>

#include "protocol/cuda_types.h"

#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/jit.h"

/* Sends the image, or its code from the cache. preserved: the image's memory outlives the library. */
CUresult fe_library_load(CUlibrary *library, const struct fe_image *image, struct fe_jit *jit,
			 bool preserved);

/* Before the library goes. */
void fe_library_forget(CUlibrary library);

#endif
