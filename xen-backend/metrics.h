/* SPDX-License-Identifier: MIT */
/*
 * The metrics: what they are (metrics.c), who may ask for them and how (endpoint.c), and the HTTP behind that,
 * which is a module of its own (http.c): the library that speaks HTTP and what that needs in turn are in this
 * process only where metrics are switched on.
 */
#ifndef BE_METRICS_H
#define BE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen-backend/exposition.h"

struct be_daemon;

/* All of them as they are now. Fails as a whole (out->failed). */
void be_metrics_write(struct be_daemon *daemon, struct be_exposition *out);

/* A page's text, for the caller to free; NULL: it cannot be made now. */
typedef char *(*be_http_page)(void *context, size_t *size);

/* Served in the caller's thread and loop; nothing of it waits. */
struct be_http_module {
	uint32_t version; /* BE_HTTP_VERSION */
	/* Takes over a listening socket, which is closed with it or if it fails. NULL: it failed. */
	void *(*open)(int listener, be_http_page page, void *context,
		      void (*complain)(void *context, const char *text));
	int (*fd)(void *http);        /* readable: it wants to run */
	uint64_t (*wait)(void *http); /* ms until it wants to run; UINT64_MAX: no limit */
	void (*run)(void *http);
	void (*close)(void *http);
};
#define BE_HTTP_VERSION 1u
#define BE_HTTP_SYMBOL  "be_http_module"
/* Found, or NULL and a message in `why` (BE_CONFIG_WHY bytes). */
const struct be_http_module *be_http_find(char *why);

#endif
