/* SPDX-License-Identifier: MIT */
/* See export_table.h. What each table must do was observed from outside or is published. */
#include "protocol/export_table.h"

#include <stdint.h>
#include <string.h>

CUresult vg_export_refused(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult vg_export_nothing(void)
{
	return CUDA_SUCCESS;
}

/* --- TOOLS_RUNTIME_CALLBACK_HOOKS --------------------------------------------------------------- */

#define HOOKS_MAX 4096
static uint32_t hooks_api[HOOKS_MAX], hooks_resource[HOOKS_MAX];

static CUresult hooks_of_api(void **flags, size_t *count)
{
	*flags = hooks_api;
	*count = HOOKS_MAX;
	return CUDA_SUCCESS;
}

static CUresult hooks_of_resources(void **flags, size_t *count)
{
	*flags = hooks_resource;
	*count = HOOKS_MAX / 2; /* pointers fit as well */
	return CUDA_SUCCESS;
}

const void *const vg_export_hooks[7] = {
	[0] = VG_EXPORT_SIZE(7),
	[1] = VG_EXPORT_REFUSED,
	[2] = VG_EXPORT_SLOT(hooks_of_api),
	[3 ... 5] = VG_EXPORT_REFUSED,
	[6] = VG_EXPORT_SLOT(hooks_of_resources),
};

/* --- CONTEXT_CHECKS ----------------------------------------------------------------------------- */

static CUresult checks_context(CUcontext ctx, uint32_t *answer, void **unused)
{
	(void)ctx;
	(void)unused;
	*answer = 0;
	return CUDA_SUCCESS;
}

const void *const vg_export_checks[15] = {
	[0] = VG_EXPORT_SIZE(15),
	[1] = VG_EXPORT_REFUSED,
	[2] = VG_EXPORT_SLOT(checks_context),
	[3] = VG_EXPORT_SLOT(vg_export_nothing),
	[4 ... 14] = VG_EXPORT_REFUSED,
};

/* --- what cuBLASLt asks ------------------------------------------------------------------------- */

/* It calls [4] without a look at whether there is such a table, and goes on where that is refused. */
const void *const vg_export_blas[17] = {
	[0] = VG_EXPORT_SIZE(17),
	[1 ... 16] = VG_EXPORT_REFUSED,
};

/* --- the tables by their UUIDs ------------------------------------------------------------------ */

static const uint8_t uuids[VG_EXPORTS][16] = {
	[VG_EXPORT_COMPILED] = {0xda, 0x91, 0x51, 0xd3, 0x3a, 0xe6, 0xcc, 0x41, 0xa5, 0xc0, 0x4f,
				0x26, 0xd5, 0x33, 0xe3, 0x28},
	[VG_EXPORT_BLAS] = {0x17, 0x34, 0xdc, 0x26, 0x80, 0x0d, 0x47, 0x45, 0x87, 0x26, 0xc0, 0xf1,
			    0xe7, 0xdd, 0x8b, 0xca},
	[VG_EXPORT_CUDART] = {0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9,
			      0x39, 0x12, 0xfd, 0x9d, 0xf9},
	[VG_EXPORT_HOOKS] = {0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00,
			     0x20, 0x0c, 0x0a, 0x66},
	[VG_EXPORT_TLS] = {0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7,
			   0x8a, 0x3a, 0xec, 0xdc},
	[VG_EXPORT_STORAGE] = {0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68,
			       0xf3, 0x55, 0xd8, 0x95, 0x93},
	[VG_EXPORT_CHECKS] = {0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb,
			      0xd5, 0x00, 0x6d, 0xfa, 0x7e},
	[VG_EXPORT_INTEGRITY] = {0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba,
				 0x12, 0x3c, 0x66, 0xe1, 0xf2},
	[VG_EXPORT_LOG] = {0xf8, 0xcf, 0xf9, 0x51, 0x21, 0x46, 0x8b, 0x4e, 0xb9, 0xe2, 0xfb, 0x46,
			   0x9e, 0x7c, 0x0d, 0xd9},
	[VG_EXPORT_CONTEXT] = {0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41,
			       0xff, 0x73, 0x24, 0xc8, 0xf2},
	[VG_EXPORT_MODULE] = {0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1,
			      0x82, 0xaf, 0xf1, 0x99, 0x1e},
};

CUresult vg_export_get(const void *const *const tables[VG_EXPORTS], const void **table,
		       const CUuuid *uuid)
{
	if (!table || !uuid)
		return CUDA_ERROR_INVALID_VALUE;
	*table = NULL;
	for (unsigned int i = 0; i < VG_EXPORTS; i++)
		if (!memcmp(uuids[i], uuid, sizeof(uuids[i])))
			*table = tables[i];
	return *table ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
