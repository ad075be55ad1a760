/* SPDX-License-Identifier: MIT */
/*
 * Machine code in the place of PTX. PTX that the driver would compile as it loads it is compiled by the driver's
 * linker instead, which hands the code over, and the program's compute cache (jit_store.h) keeps that
 * for the next process. Where any of this does not work, nothing comes of it, and the image is loaded as it is.
 */
#ifndef FE_CODE_H
#define FE_CODE_H

#include <stdbool.h>

#include "protocol/cuda_types.h"

#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/jit.h"
#include "xen-frontend/libcuda/jit_store.h"

/*
 * The name of an image's code for the device: of the image, the options, the driver and the device's
 * architecture. False: it is not compiled, or not to be replaced.
 */
bool fe_code_key(const struct fe_image *image, const struct fe_jit *jit, CUdevice device,
		 struct fe_jit_key *key);

/* What is kept under that name. False: nothing. */
bool fe_code_find(const struct fe_jit_key *key, struct fe_image *code);

/* Compiles it in the current context and keeps the code. False: it could not be. */
bool fe_code_compile(const struct fe_image *image, const struct fe_jit *jit,
		     const struct fe_jit_key *key, struct fe_image *code);

/* How it went to load the code: it is not kept if it was at fault. */
void fe_code_loaded(const struct fe_jit_key *key, CUresult result);

#endif
