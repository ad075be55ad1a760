/* SPDX-License-Identifier: MIT */
/* What the generated exported functions check with before they do anything (protocol/checks.api). */
#ifndef FE_CHECK_H
#define FE_CHECK_H

#include "protocol/check.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"

#define VG_CHECK_MADE       FE_MADE
#define VG_CHECK_STRICT     FE_STRICT

#define VG_CHECK_INIT(name) VG_CHECK(fe_enter(VG_OP_##name))
#define VG_CHECK_OLD()      VG_CHECK(fe_context_old_needed())
/* needed: it is there; allowed: if there is one, it lives. code: the answer to what is wrong, 0: CUDA's own. */
#define VG_CHECK_CONTEXT(how, code) VG_CHECK_AS(fe_context_##how(), code)
/* code: the answer to a bad one, 0: what the type says. */
#define VG_CHECK_HANDLE(type, handle, flags, code) \
	VG_CHECK_AS(fe_handle_check(type, (uint64_t)(handle), flags), code)

#endif
