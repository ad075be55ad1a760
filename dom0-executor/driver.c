/* SPDX-License-Identifier: MIT */
/* The driver library: opened by the main thread before any lane is there, initialised when a lane asks for
 * it. Trusts the library. */
#include "dom0-executor/driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/control.h"

#include "dom0-executor/calls.h"

#define SOFT    "libcuda-soft.so.1"
#define DEFAULT "libcuda.so.1"

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static void (*busy_at)(unsigned int number, uint64_t *busy_ns, uint64_t *busy_since);
static CUresult init_result = CUDA_ERROR_NOT_INITIALIZED;

static void place_add(struct ex_driver_places *places, const char *folder, const char *name)
{
	char *path = places->path[places->count];

	if (snprintf(path, PATH_MAX, "%s%s", folder, name) < PATH_MAX)
		places->count++;
}

/* The folder above that of our program, with a slash; "" if it cannot be told. */
static void folder_above(char *folder, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", folder, size - 1);

	folder[n > 0 ? n : 0] = '\0';
	for (int level = 0; level < 2; level++) {
		char *slash = strrchr(folder, '/');

		if (slash)
			*slash = '\0';
	}
	if (n > 0)
		strncat(folder, "/", size - strlen(folder) - 1);
}

void ex_driver_locate(struct ex_driver_places *places, const char *name)
{
	static const char *const folders[EX_DRIVER_OWN_FOLDERS] = {"lib/", "../lib/vgpu/"};
	bool soft = !strcmp(name, "soft");
	char above[PATH_MAX - 64];

	memset(places, 0, sizeof(*places));
	folder_above(above, sizeof(above));
	for (int i = 0; *above && i < EX_DRIVER_OWN_FOLDERS; i++) {
		snprintf(places->own_folder[i], PATH_MAX, "%s%s", above, folders[i]);
		if (soft)
			place_add(places, places->own_folder[i], SOFT);
	}
	if (soft)
		place_add(places, "", SOFT);
	else
		place_add(places, "", !strcmp(name, "default") ? DEFAULT : name);
}

/* `real`: a path without links. */
static bool is_own_path(const char *folder, const char *real)
{
	char own[PATH_MAX];
	size_t n;

	if (!*folder || !realpath(folder, own))
		return false;
	n = strlen(own);
	return !strncmp(real, own, n) && !strncmp(real + n, "/" DEFAULT, strlen("/" DEFAULT));
}

/*
 * The loader's path may lead to our own guest library, which would only come back here: vgpu-run's
 * environment puts it first, and a host may be a guest of another one.
 */
static bool is_own_library(const struct ex_driver_places *places, void *library)
{
	void *symbol = dlsym(library, "cuInit");
	char real[PATH_MAX];
	Dl_info info;
	bool own = false;

	if (!symbol || !dladdr(symbol, &info) || !info.dli_fname || !realpath(info.dli_fname, real))
		return false;
	for (int i = 0; i < EX_DRIVER_OWN_FOLDERS; i++)
		own |= is_own_path(places->own_folder[i], real);
	return own;
}

static void *places_open(const struct ex_driver_places *places, const char **error)
{
	void *library = NULL;

	*error = "no such library";
	for (int i = 0; i < places->count && !library; i++) {
		library = dlopen(places->path[i], RTLD_NOW | RTLD_LOCAL);
		if (!library)
			*error = dlerror();
	}
	return library;
}

int ex_driver_open(const struct ex_driver_places *places, const struct vg_log_who *who, char *text)
{
	const char *wanted = places->path[places->count - 1];
	const char *error;
	void *library = places_open(places, &error);
	unsigned int found = 0;

	if (library && is_own_library(places, library)) {
		error = "the loader's path leads to the guest's library, not to a driver";
		library = NULL; /* stays loaded, unused */
	}
	if (!library) {
		snprintf(text, VG_TEXT_MAX,
			 "the host has no CUDA driver library %.36s (%.56s): install the driver or "
			 "choose driver=soft",
			 wanted, error);
		vg_error(who, "event=no-driver library=\"%s\" error=\"%s\"", wanted, error);
		return -ENOENT;
	}
	for (unsigned int i = 0; i < ex_driver_symbols_count; i++) {
		void *symbol = dlsym(library, ex_driver_symbols[i].name);

		memcpy(ex_driver_symbols[i].slot, &symbol, sizeof(symbol));
		found += symbol != NULL;
	}
	*(void **)&busy_at = dlsym(library, "vg_soft_busy_at");
	if (!ex_driver.cuInit) {
		snprintf(text, VG_TEXT_MAX, "%.90s is not a CUDA driver library: it has no cuInit",
			 wanted);
		return -ENOENT;
	}
	vg_info(who, "event=driver library=\"%s\" functions=%u", wanted, found);
	return 0;
}

void ex_driver_busy_at(unsigned int number, uint64_t *busy_ns, uint64_t *busy_since)
{
	if (busy_at)
		busy_at(number, busy_ns, busy_since);
}

void ex_driver_jit(uint32_t jit)
{
#define SET(name, bit)   \
	if (jit & (bit)) \
		(void)setenv(name, "1", 1);
	VG_JIT_VARIABLES(SET)
#undef SET
}

static void driver_init(void)
{
	if (ex_driver.cuInit)
		init_result = ex_driver.cuInit(0);
}

CUresult ex_driver_init(void)
{
	pthread_once(&init_once, driver_init);
	return init_result;
}
