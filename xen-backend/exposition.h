/* SPDX-License-Identifier: MIT */
/*
 * A text in Prometheus's exposition format, version 0.0.4: families with HELP and TYPE, and their samples.
 * It grows up to a bound; what comes after that makes it fail as a whole.
 */
#ifndef BE_EXPOSITION_H
#define BE_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BE_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define BE_EXPOSITION_MAX  (8u << 20)
#define BE_LABELS_MAX      6

struct be_exposition {
	char *text; /* owned; NUL-terminated once something was put */
	size_t used, room;
	bool failed; /* out of memory or beyond the bound */
};

struct be_label {
	const char *name;
	const char *value; /* anything: it is escaped */
};

/* Up to the first without a name. */
struct be_labels {
	struct be_label label[BE_LABELS_MAX];
};

void be_exposition_family(struct be_exposition *out, const char *name, const char *type,
			  const char *help);
void be_exposition_uint(struct be_exposition *out, const char *name, const struct be_labels *labels,
			uint64_t value);
void be_exposition_seconds(struct be_exposition *out, const char *name, double value);
void be_exposition_free(struct be_exposition *out);

#endif
