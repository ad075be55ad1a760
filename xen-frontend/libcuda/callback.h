/* SPDX-License-Identifier: MIT */
/* Functions of the program that a stream calls. */
#ifndef FE_CALLBACK_H
#define FE_CALLBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

/*
 * Registers a host function and sees to it that somebody listens; its id for vgHostFunc and
 * vgGraphAddHostNode, 0 without memory. It stays until it was called with `last` set or is dropped.
 */
uint64_t fe_host_func_new(CUhostFn fn, void *user);
void fe_host_func_drop(uint64_t id);
bool fe_host_func_find(uint64_t id, CUhostFn *fn, void **user);

#endif
