/* SPDX-License-Identifier: MIT */
/*
 * The tables of functions behind cuGetExportTable, as both of our driver libraries hand them to
 * CUDA's runtime: their UUIDs and layouts, and what in them is the same in both. docs/libcuda.md
 * lists what each must do. Any thread.
 *
 * A table is an array of functions whose slot 0 holds its size in bytes, and whose slots that nobody
 * was seen to need refuse. CONTEXT_LOCAL_STORAGE has no size, but a NULL at its end.
 */
#ifndef VG_EXPORT_TABLE_H
#define VG_EXPORT_TABLE_H

#include "protocol/cuda_types.h"

enum vg_export {
	VG_EXPORT_CUDART,    /* CUDART_INTERFACE */
	VG_EXPORT_HOOKS,     /* TOOLS_RUNTIME_CALLBACK_HOOKS */
	VG_EXPORT_TLS,       /* TOOLS_TLS */
	VG_EXPORT_STORAGE,   /* CONTEXT_LOCAL_STORAGE */
	VG_EXPORT_CHECKS,    /* CONTEXT_CHECKS */
	VG_EXPORT_INTEGRITY, /* INTEGRITY_CHECK: protocol/integrity.h */
	VG_EXPORT_LOG,
	VG_EXPORT_CONTEXT,
	VG_EXPORT_MODULE,
	VG_EXPORT_BLAS,     /* asked by cuBLASLt's heuristics */
	VG_EXPORT_COMPILED, /* libnvrtc's compute cache; the guest's library alone has it */
	VG_EXPORTS
};

CUresult vg_export_refused(void); /* CUDA_ERROR_NOT_SUPPORTED */
CUresult vg_export_nothing(void); /* CUDA_SUCCESS */

#define VG_EXPORT_SLOT(function) ((const void *)(function))
#define VG_EXPORT_REFUSED        VG_EXPORT_SLOT(vg_export_refused)
#define VG_EXPORT_SIZE(slots)    ((const void *)((slots) * sizeof(void *)))

/*
 * Initialisers of whole tables, from the functions in which the libraries differ. `load` and
 * `load_wrapper` take (CUmodule *, image), `load_header` the two the other way round.
 */
#define VG_EXPORT_CUDART_TABLE(load, primary, load_wrapper, load_header)                   \
	{                                                                                  \
		VG_EXPORT_SIZE(13), VG_EXPORT_SLOT(load), VG_EXPORT_SLOT(primary),         \
			VG_EXPORT_REFUSED, VG_EXPORT_REFUSED, VG_EXPORT_REFUSED,           \
			VG_EXPORT_SLOT(load_wrapper), VG_EXPORT_SLOT(vg_export_nothing),   \
			VG_EXPORT_SLOT(load_header), VG_EXPORT_REFUSED, VG_EXPORT_REFUSED, \
			VG_EXPORT_REFUSED, VG_EXPORT_SLOT(vg_export_nothing)               \
	}
#define VG_EXPORT_TLS_TABLE(current)                                          \
	{                                                                     \
		VG_EXPORT_SIZE(3), VG_EXPORT_REFUSED, VG_EXPORT_SLOT(current) \
	}
#define VG_EXPORT_STORAGE_TABLE(put, delete, get)                                      \
	{                                                                              \
		VG_EXPORT_SLOT(put), VG_EXPORT_SLOT(delete), VG_EXPORT_SLOT(get), NULL \
	}
/* INTEGRITY_CHECK, the error log */
#define VG_EXPORT_SINGLE_TABLE(function)                                       \
	{                                                                      \
		VG_EXPORT_SIZE(3), VG_EXPORT_SLOT(function), VG_EXPORT_REFUSED \
	}

/* Arrays in which a profiler would subscribe: none does. */
extern const void *const vg_export_hooks[7];
/* Says of every context that it is fine. */
extern const void *const vg_export_checks[15];
extern const void *const vg_export_blas[17];

/* cuGetExportTable over a library's tables by their enum vg_export; one that is NULL is not there.
   Never success without a table: the callers do not look twice. */
CUresult vg_export_get(const void *const *const tables[VG_EXPORTS], const void **table,
		       const CUuuid *uuid);

#endif
