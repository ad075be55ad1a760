/* SPDX-License-Identifier: MIT */
/* What the generated front of the driver (front.py) checks with. */
#ifndef SOFT_CHECK_H
#define SOFT_CHECK_H

#include <stdint.h>

#include "protocol/calls.h"
#include "protocol/check.h"

#define VG_CHECK_MADE       1u /* default streams are none */
#define VG_CHECK_STRICT     2u /* no other type may stand for it */

#define VG_CHECK_INIT(name) VG_CHECK(check_init())
/* needed: it is there; allowed: if there is one, it lives. code: the answer to what is wrong, 0: CUDA's own. */
#define VG_CHECK_CONTEXT(how, code) VG_CHECK_AS(check_context_##how(), code)
#define VG_CHECK_OLD()              VG_CHECK(CUDA_ERROR_INVALID_CONTEXT)
#define VG_CHECK_HANDLE(type, handle, flags, code) \
	VG_CHECK(check_handle(type, (uint64_t)(handle), flags, (CUresult)(code)))

CUresult check_init(void);
/* The thread's context is there and alive; broken or not. */
CUresult check_context_needed(void);
/* There is none, or it is alive. */
CUresult check_context_allowed(void);
/* code: the answer to a bad one, 0: what the type says. */
CUresult check_handle(enum vg_handle_type type, uint64_t handle, unsigned int flags, CUresult code);

#endif
