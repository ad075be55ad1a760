/* SPDX-License-Identifier: MIT */
/*
 * Does the launches of a file (replay.h; standard input without one) and compares the results. For the guests of the
 * tests on Xen, which have no Python. The file is trusted as a test's own, but not to be complete. One thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/clients/replay.h"
#include "tests/programs/check.h"

#define PARAMS_MAX 128u
#define BYTES_MAX  (64u << 20)

struct param {
	uint32_t kind, size;
	uint8_t *bytes, *wanted; /* wanted: NULL unless it is compared */
	CUdeviceptr address;
};

struct launch {
	char *name, *ptx, *kernel;
	uint32_t grid[3], block[3];
	uint32_t count;
	struct param params[PARAMS_MAX];
};

static FILE *file;

static void must(int good, const char *what)
{
	if (good)
		return;
	check_that(false, "file", "%s", what);
	exit(check_end());
}

static void take(void *to, size_t size)
{
	must(fread(to, 1, size, file) == size, "it ends too early");
}

static uint32_t take_u32(void)
{
	uint32_t value;

	take(&value, sizeof(value));
	return value;
}

static void *take_bytes(uint32_t size)
{
	void *bytes;

	must(size <= BYTES_MAX, "a part is too large");
	bytes = malloc(size + 1);
	must(bytes != NULL, "no memory");
	take(bytes, size);
	return bytes;
}

static char *take_text(void)
{
	uint32_t size = take_u32();
	char *text = take_bytes(size);

	must(size && !text[size - 1], "a text without its end");
	return text;
}

static void launch_take(struct launch *launch)
{
	memset(launch, 0, sizeof(*launch));
	launch->name = take_text();
	launch->ptx = take_text();
	launch->kernel = take_text();
	take(launch->grid, sizeof(launch->grid));
	take(launch->block, sizeof(launch->block));
	launch->count = take_u32();
	must(launch->count <= PARAMS_MAX, "too many parameters");
	for (uint32_t i = 0; i < launch->count; i++) {
		struct param *param = &launch->params[i];

		param->kind = take_u32();
		param->size = take_u32();
		must(param->kind <= REPLAY_SINGLE, "an unknown kind of parameter");
		param->bytes = take_bytes(param->size);
		if (param->kind >= REPLAY_EXACT)
			param->wanted = take_bytes(param->size);
	}
}

static void launch_free(struct launch *launch)
{
	for (uint32_t i = 0; i < launch->count; i++) {
		free(launch->params[i].bytes);
		free(launch->params[i].wanted);
	}
	free(launch->name);
	free(launch->ptx);
	free(launch->kernel);
}

static bool near(double got, double wanted, double tolerance)
{
	return fabs(got - wanted) <= tolerance * fmax(1, fabs(wanted)) ||
	       (isnan(got) && isnan(wanted));
}

/* How many elements are wrong. */
static uint32_t wrong_doubles(const struct param *param, const uint8_t *got)
{
	uint32_t wrong = 0;
	double a, b;

	for (uint32_t at = 0; at + sizeof(a) <= param->size; at += sizeof(a)) {
		memcpy(&a, got + at, sizeof(a));
		memcpy(&b, param->wanted + at, sizeof(b));
		wrong += !near(a, b, 1e-12);
	}
	return wrong;
}

static uint32_t wrong_singles(const struct param *param, const uint8_t *got)
{
	uint32_t wrong = 0;
	float a, b;

	for (uint32_t at = 0; at + sizeof(a) <= param->size; at += sizeof(a)) {
		memcpy(&a, got + at, sizeof(a));
		memcpy(&b, param->wanted + at, sizeof(b));
		wrong += !near((double)a, (double)b, 2e-5);
	}
	return wrong;
}

static uint32_t wrong_count(const struct param *param, const uint8_t *got)
{
	uint32_t wrong = 0;

	if (param->kind == REPLAY_DOUBLE)
		return wrong_doubles(param, got);
	if (param->kind == REPLAY_SINGLE)
		return wrong_singles(param, got);
	for (uint32_t at = 0; at < param->size; at++)
		wrong += got[at] != param->wanted[at];
	return wrong;
}

static void results_check(const struct launch *launch)
{
	uint32_t wrong = 0, compared = 0;

	for (uint32_t i = 0; i < launch->count; i++) {
		const struct param *param = &launch->params[i];
		uint8_t *got;

		if (!param->wanted)
			continue;
		got = malloc(param->size + 1);
		must(got != NULL, "no memory");
		CU(cuMemcpyDtoH(got, param->address, param->size));
		wrong += wrong_count(param, got);
		compared += param->size;
		free(got);
	}
	check_that(compared && !wrong, launch->name, "%u bytes compared, %u elements wrong",
		   compared, wrong);
}

static void launch_do(struct launch *launch)
{
	CUmodule module = module_load(launch->ptx);
	void *params[PARAMS_MAX];

	for (uint32_t i = 0; i < launch->count; i++) {
		struct param *param = &launch->params[i];

		params[i] = param->bytes;
		if (param->kind == REPLAY_VALUE)
			continue;
		CU(cuMemAlloc(&param->address, param->size ? param->size : 1));
		CU(cuMemcpyHtoD(param->address, param->bytes, param->size));
		params[i] = &param->address;
	}
	CU(cuLaunchKernel(module_function(module, launch->kernel), launch->grid[0], launch->grid[1],
			  launch->grid[2], launch->block[0], launch->block[1], launch->block[2], 0,
			  NULL, params, NULL));
	CU(cuCtxSynchronize());
	results_check(launch);
	for (uint32_t i = 0; i < launch->count; i++)
		if (launch->params[i].kind != REPLAY_VALUE)
			CU(cuMemFree(launch->params[i].address));
	CU(cuModuleUnload(module));
}

int main(int argc, char **argv)
{
	char magic[sizeof(REPLAY_MAGIC) - 1];
	static struct launch launch;
	CUdevice dev;
	uint32_t count;

	file = argc > 1 ? fopen(argv[1], "rb") : stdin;
	must(file != NULL, "cannot be opened");
	take(magic, sizeof(magic));
	must(!memcmp(magic, REPLAY_MAGIC, sizeof(magic)), "not a file of launches");
	count = take_u32();
	dev = device_open();
	for (uint32_t i = 0; i < count; i++) {
		launch_take(&launch);
		launch_do(&launch);
		launch_free(&launch);
	}
	device_close(dev);
	return check_end();
}
