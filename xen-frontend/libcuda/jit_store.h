/* SPDX-License-Identifier: MIT */
/*
 * The program's compute cache: machine code that the driver has made of PTX, in files of the user's own
 * ($CUDA_CACHE_PATH or ~/.nv/ComputeCache, there in vgpu/), bounded by $CUDA_CACHE_MAXSIZE. Nothing here
 * ever fails a program: what cannot be kept is made anew. Any thread, any number of processes.
 */
#ifndef FE_JIT_STORE_H
#define FE_JIT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/sha256.h"

/* What an entry is found by. */
struct fe_jit_key {
	uint8_t digest[VG_SHA256_SIZE];
};

/* False: switched off, or there is no place for it. */
bool fe_jit_store_on(void);

/* The entry's content, to be freed. NULL: there is none that is whole. */
void *fe_jit_store_get(const struct fe_jit_key *key, size_t *size);

/* Keeps it, if it can. Older entries make room. */
void fe_jit_store_put(const struct fe_jit_key *key, const void *data, size_t size);

/* Takes out what turned out to be of no use. */
void fe_jit_store_drop(const struct fe_jit_key *key);

#endif
