/* SPDX-License-Identifier: MIT */
/* Finds the module that speaks HTTP (http.c), beside this program's libraries, or where it is installed. */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "xen-backend/config.h"
#include "xen-backend/metrics.h"

#define MODULE "xen-vgpud-http.so"

#ifndef VG_LIBEXECDIR
#define VG_LIBEXECDIR "/usr/local/libexec/vgpu"
#endif

/* Of a build tree: ../lib beside bin. Otherwise where it was configured to be. */
static void module_path(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length > 0) {
		self[length] = '\0';
		snprintf(path, size, "%s/../lib/" MODULE, dirname(self));
		if (!access(path, R_OK))
			return;
	}
	snprintf(path, size, "%s", VG_LIBEXECDIR "/" MODULE);
}

const struct be_http_module *be_http_find(char *why)
{
	static void *handle; /* stays: what it has loaded is not made to be unloaded */
	char path[PATH_MAX + sizeof(MODULE) + 8];
	const struct be_http_module *module;

	module_path(path, sizeof(path));
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
