/* SPDX-License-Identifier: MIT */
/*
 * The engine's compiler, loaded when it is first needed: it lies beside this library, whatever name or link this
 * one was loaded by. Any thread.
 */
#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/ptx/jit.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPILER "libcuda-soft-jit.so"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct ptx_jit *loaded;

/* False: we do not know where we are. */
static bool path_of(char path[PATH_MAX])
{
	Dl_info here;
	char *slash;

	if (!dladdr(&once, &here) || !realpath(here.dli_fname, path))
		return false;
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof(COMPILER) > PATH_MAX)
		return false;
	memcpy(slash + 1, COMPILER, sizeof(COMPILER));
	return true;
}

static void load(void)
{
	char path[PATH_MAX];
	void *library = path_of(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	const char *error;

	if (library)
		loaded = dlsym(library, PTX_JIT_SYMBOL);
	if (loaded)
		return;
	error = dlerror();
	soft_log_error("op=load library=\"" COMPILER "\" error=\"%s\"",
		       error ? error : "not found");
}

const struct ptx_jit *ptx_jit(struct ptx_log *log)
{
	pthread_once(&once, load);
	if (!loaded)
		ptx_log_error(log, NULL, 0, -ENOSYS, "no compiler: " COMPILER " cannot be loaded");
	return loaded;
}
