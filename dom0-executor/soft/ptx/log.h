/* SPDX-License-Identifier: MIT */
/* Messages to the caller's struct ptx_log; beyond its room they are cut. */
#ifndef SOFT_PTX_LOG_H
#define SOFT_PTX_LOG_H

#include "ptx.h"

#include <stdarg.h>

/* log and unit may be NULL; line 0: none. */
void ptx_log_add(struct ptx_log *log, const char *unit, unsigned int line, int rc, const char *fmt,
		 va_list args) __attribute__((format(printf, 5, 0)));
void ptx_log_error(struct ptx_log *log, const char *unit, unsigned int line, int rc,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
