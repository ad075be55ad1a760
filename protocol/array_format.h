/* SPDX-License-Identifier: MIT */
/* What the formats of arrays are. */
#ifndef VG_ARRAY_FORMAT_H
#define VG_ARRAY_FORMAT_H

#include "protocol/cuda_types.h"

/* Bytes of a channel; 0: of none of the formats that have plain channels. */
static inline unsigned int vg_format_bytes(CUarray_format format)
{
	switch ((int)format) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
	case CU_AD_FORMAT_SIGNED_INT8: return 1;
	case CU_AD_FORMAT_UNSIGNED_INT16:
	case CU_AD_FORMAT_SIGNED_INT16:
	case CU_AD_FORMAT_HALF: return 2;
	case CU_AD_FORMAT_UNSIGNED_INT32:
	case CU_AD_FORMAT_SIGNED_INT32:
	case CU_AD_FORMAT_FLOAT: return 4;
	default: return 0;
	}
}

#endif
