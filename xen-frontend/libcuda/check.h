/* SPDX-License-Identifier: MIT */
/* What the generated exported functions check with before they do anything (protocol/checks.api). */
#ifndef FE_CHECK_H
#define FE_CHECK_H

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"

#define VG_CHECK_MADE   FE_MADE
#define VG_CHECK_STRICT FE_STRICT

#define VG_CHECK(call)                      \
	do {                                \
		CUresult checked_ = (call); \
		if (checked_)               \
			return checked_;    \
	} while (0)
#define VG_CHECK_INIT(name) VG_CHECK(fe_enter(VG_OP_##name))
#define VG_CHECK_OLD()      VG_CHECK(fe_context_old_needed())
/* needed: it is there; allowed: if there is one, it lives. code: the answer to what is wrong, 0: CUDA's own. */
#define VG_CHECK_CONTEXT(how, code)                                  \
	do {                                                         \
		CUresult checked_ = fe_context_##how();              \
		if (checked_)                                        \
			return (code) ? (CUresult)(code) : checked_; \
	} while (0)
/* code: the answer to a bad one, 0: what the type says. */
#define VG_CHECK_HANDLE(type, handle, flags, code)                                    \
	do {                                                                          \
		CUresult checked_ = fe_handle_check(type, (uint64_t)(handle), flags); \
		if (checked_)                                                         \
			return (code) ? (CUresult)(code) : checked_;                  \
	} while (0)

#endif
