/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "log.h"

#include <errno.h>
#include <stdio.h>

static const char *error_kind(int rc)
{
	switch (rc) {
	case -ENOTSUP: return "not supported";
	case -ENOENT: return "unresolved";
	case -ENOMEM: return "out of memory";
	default: return "error";
	}
}

static void log_vput(struct ptx_log *log, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
static void log_vput(struct ptx_log *log, const char *fmt, va_list args)
{
	size_t room = sizeof(log->text) - log->bytes;
	int len = vsnprintf(log->text + log->bytes, room, fmt, args);

	if (len > 0)
		log->bytes += (size_t)len < room ? (size_t)len : room - 1;
}

static void log_put(struct ptx_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void log_put(struct ptx_log *log, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vput(log, fmt, args);
	va_end(args);
}

void ptx_log_add(struct ptx_log *log, const char *unit, unsigned int line, int rc, const char *fmt,
		 va_list args)
{
	if (!log || log->bytes >= sizeof(log->text))
		return;
	if (!log->line)
		log->line = line;
	if (unit)
		log_put(log, "%s: ", unit);
	if (line)
		log_put(log, "line %u: ", line);
	log_put(log, "%s: ", error_kind(rc));
	log_vput(log, fmt, args);
	log_put(log, "\n");
}

void ptx_log_error(struct ptx_log *log, const char *unit, unsigned int line, int rc,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	ptx_log_add(log, unit, line, rc, fmt, args);
	va_end(args);
}
