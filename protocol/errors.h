/* SPDX-License-Identifier: MIT */
/* CUresult as text, from errors.tsv (read from driver 580.159.04). */
#ifndef VG_ERRORS_H
#define VG_ERRORS_H

/* "CUDA_ERROR_..."; NULL for a code that is none. */
const char *vg_error_name(int code);
/* "invalid argument"; NULL for a code that is none. */
const char *vg_error_text(int code);

#endif
