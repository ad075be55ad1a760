/* SPDX-License-Identifier: MIT */
/* Finds the module that speaks HTTP (http.c), beside this program's libraries, or where it is installed. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "protocol/beside.h"
#include "xen-backend/config.h"
#include "xen-backend/metrics.h"

#define MODULE "xen-vgpud-http.so"

#ifndef VG_LIBEXECDIR
#define VG_LIBEXECDIR "/usr/local/libexec/vgpu"
#endif

const struct be_http_module *be_http_find(char *why)
{
	static void *handle; /* stays: what it has loaded is not made to be unloaded */
	static const char *const places[] = {"../lib/" MODULE};
	char path[PATH_MAX] = VG_LIBEXECDIR "/" MODULE;
	const struct be_http_module *module;

	vg_beside_find(places, 1, R_OK, path, sizeof(path));
	if (!handle)
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		snprintf(why, BE_CONFIG_WHY, "%.400s", dlerror());
		return NULL;
	}
	module = dlsym(handle, BE_HTTP_SYMBOL);
	if (!module || module->version != BE_HTTP_VERSION) {
		snprintf(why, BE_CONFIG_WHY, "%.400s is of another release", path);
		return NULL;
	}
	return module;
}
