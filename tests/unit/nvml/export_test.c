/* SPDX-License-Identifier: MIT */
/*
 * The built libnvidia-ml.so.1 as a program loads it: all names of the driver's library are there, and none
 * works before nvmlInit. What they answer after it is tested over the local channel (check-nvml-py).
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/nvml_types.h"

#define NAMES_MIN 404

static void *library;

/* With what none of them can write through, should one not look at first whether it may. */
typedef nvmlReturn_t any(void *, void *, void *, void *, void *, void *);

static int load(void **state)
{
	char path[4096];
	const char *build = getenv("VGPU_BUILD");

	(void)state;
	setenv("VGPU_SOCKET", "/nowhere/at/all", 1);
	snprintf(path, sizeof(path), "%s/lib/libnvidia-ml.so.1", build ? build : "build/release");
	library = dlopen(path, RTLD_NOW);
	if (!library)
		print_message("%s\n", dlerror());
	return library ? 0 : -1;
}

static any *find(const char *name)
{
	any *function;

	*(void **)&function = dlsym(library, name);
	return function;
}

/* What may be called before nvmlInit. */
static bool is_early(const char *name)
{
	return !strncmp(name, "nvmlInit", 8) || !strcmp(name, "nvmlErrorString") ||
	       !strcmp(name, "nvmlInternalGetExportTable");
}

static void every_name(void **state)
{
	FILE *file = fopen("protocol/nvml_exports.txt", "re");
	char line[128];
	unsigned int names = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		any *function;

		line[strcspn(line, "\n")] = '\0';
		if (*line == '#')
			continue;
		names++;
		function = find(line);
		if (!function)
			print_message("no %s\n", line);
		assert_non_null(function);
		if (!is_early(line))
			assert_int_equal(function(NULL, NULL, NULL, NULL, NULL, NULL),
					 NVML_ERROR_UNINITIALIZED);
	}
	fclose(file);
	assert_in_range(names, NAMES_MIN, 10 * NAMES_MIN);
}

static void nothing_else(void **state)
{
	static const char *const inner[] = {"fe_nvml_init", "fe_channel_open", "rpc_vgMemory",
					    "vg_packet_send"};

	(void)state;
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		assert_null(dlsym(library, inner[i]));
}

static void errors(void **state)
{
	const char *(*text)(nvmlReturn_t result);

	(void)state;
	*(void **)&text = dlsym(library, "nvmlErrorString");
	assert_string_equal(text(NVML_SUCCESS), "Success");
	assert_string_equal(text(NVML_ERROR_UNINITIALIZED), "Uninitialized");
	assert_string_equal(text(NVML_ERROR_GPU_IS_LOST), "GPU is lost");
	for (int i = 0; i <= NVML_ERROR_RESET_TYPE_NOT_SUPPORTED; i++)
		assert_string_not_equal(text((nvmlReturn_t)i), "Unknown Error");
	assert_string_equal(text(NVML_ERROR_UNKNOWN), "Unknown Error");
	assert_string_equal(text((nvmlReturn_t)-1), "Unknown Error");
	assert_string_equal(text((nvmlReturn_t)0x7fffffff), "Unknown Error");
}

static void no_vgpu(void **state)
{
	static const char *const inits[] = {"nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags"};

	(void)state;
	for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
		assert_int_equal(find(inits[i])(NULL, NULL, NULL, NULL, NULL, NULL),
				 NVML_ERROR_DRIVER_NOT_LOADED);
	assert_int_equal(find("nvmlShutdown")(NULL, NULL, NULL, NULL, NULL, NULL),
			 NVML_ERROR_UNINITIALIZED);
	assert_int_equal(find("nvmlInternalGetExportTable")(NULL, NULL, NULL, NULL, NULL, NULL),
			 NVML_ERROR_FUNCTION_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name),
		cmocka_unit_test(nothing_else),
		cmocka_unit_test(errors),
		cmocka_unit_test(no_vgpu),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
