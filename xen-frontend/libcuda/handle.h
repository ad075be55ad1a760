/* SPDX-License-Identifier: MIT */
/* The registry's life; its use is in call.h. */
#ifndef FE_HANDLE_H
#define FE_HANDLE_H

#include <stdint.h>

/*
 * Which lanes have sent commands that name this object, as a set of bits by lane id modulo 64; and from now on
 * the lane `self` has. 0 for what is no handle of an object. Any thread, no lock.
 */
uint64_t fe_handle_users(uint64_t handle, uint32_t self);

/* In a child after fork: none of the parent's objects exist here. One thread. */
void fe_handle_reset(void);

#endif
