/* SPDX-License-Identifier: MIT */
/* How a generated check (emit_checks.py) ends the function that it stands in. */
#ifndef VG_CHECK_H
#define VG_CHECK_H

/* code: the answer to what is wrong; 0: what the call itself answers. */
#define VG_CHECK_AS(call, code)                                      \
	do {                                                         \
		CUresult checked_ = (call);                          \
		if (checked_)                                        \
			return (code) ? (CUresult)(code) : checked_; \
	} while (0)
#define VG_CHECK(call) VG_CHECK_AS(call, 0)

#endif
