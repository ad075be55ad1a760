/* SPDX-License-Identifier: MIT */
/* The compute cache as libnvrtc uses it: an export table. */
#ifndef FE_COMPILE_CACHE_H
#define FE_COMPILE_CACHE_H

#include "protocol/export_table.h"

extern const void *const fe_compile_cache_table[7];

#endif
