/* SPDX-License-Identifier: MIT */
/*
 * Verdicts, errors and the way to a device for the test programs. Called from any thread; the
 * counters are guarded by the lock that keeps lines whole.
 */
#include "tests/programs/check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int passed, failed, skipped;

__attribute__((format(printf, 3, 0))) static void print_line(const char *word, const char *name,
							     const char *format, va_list args)
{
	printf("%s %s ", word, name);
	vprintf(format, args);
	putchar('\n');
	/* What was proven so far must be seen even if the next call never returns. */
	fflush(stdout);
}

bool check_that(bool ok, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&lock);
	if (ok)
		passed++;
	else
		failed++;
	print_line(ok ? "PASS" : "FAIL", name, format, args);
	pthread_mutex_unlock(&lock);
	va_end(args);
	return ok;
}

void check_skip(const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&lock);
	skipped++;
	print_line("SKIP", name, format, args);
	pthread_mutex_unlock(&lock);
	va_end(args);
}

int check_end(void)
{
	if (passed + failed + skipped == 0) {
		printf("FAIL end no case ran\n");
		return 1;
	}
	return failed ? 1 : 0;
}

const char *result_name(CUresult result)
{
	static _Thread_local char number[32];
	const char *name = NULL;

	if (cuGetErrorName(result, &name) == CUDA_SUCCESS && name)
		return name;
	snprintf(number, sizeof(number), "CUresult %d", (int)result);
	return number;
}

bool check_result(const char *name, CUresult got, CUresult wanted)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", result_name(wanted));
	return check_that(got == wanted, name, "%s%s%s", result_name(got),
			  got == wanted ? "" : ", wanted ", got == wanted ? "" : text);
}

void cu_must(CUresult result, const char *call, const char *file, int line)
{
	const char *text = NULL;

	if (result == CUDA_SUCCESS)
		return;
	cuGetErrorString(result, &text);
	check_that(false, call, "%s (%s) at %s:%d", result_name(result), text ? text : "?", file,
		   line);
	exit(1);
}

CUdevice device_open(void)
{
	CUcontext context = NULL;
	int version = 0, count = 0;
	char name[256] = "";
	CUdevice dev = 0;

	CU(cuInit(0));
	CU(cuDriverGetVersion(&version));
	CU(cuDeviceGetCount(&count));
	if (count < 1) {
		check_that(false, "device", "the driver library found none");
		exit(1);
	}
	CU(cuDeviceGet(&dev, 0));
	CU(cuDeviceGetName(name, sizeof(name), dev));
	CU(cuDevicePrimaryCtxRetain(&context, dev));
	CU(cuCtxSetCurrent(context));
	printf("# device 0 of %d: %s, driver API %d\n", count, name, version);
	return dev;
}

void device_close(CUdevice dev)
{
	CU(cuDevicePrimaryCtxRelease(dev));
}

int device_attribute(CUdevice dev, CUdevice_attribute attribute)
{
	int value = 0;

	CU(cuDeviceGetAttribute(&value, attribute, dev));
	return value;
}

CUmodule module_load(const char *ptx)
{
	CUmodule module = NULL;

	CU(cuModuleLoadData(&module, ptx));
	return module;
}

CUfunction module_function(CUmodule module, const char *name)
{
	CUfunction f = NULL;

	CU(cuModuleGetFunction(&f, module, name));
	return f;
}

void launch_1d(CUfunction f, unsigned int blocks, unsigned int threads, CUstream stream,
	       void **params)
{
	CU(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, 0, stream, params, NULL));
}

/* splitmix64 */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void fill_random(void *buffer, size_t size, uint64_t seed)
{
	uint64_t word;
	size_t at;

	for (at = 0; at < size; at += sizeof(word)) {
		word = random_next(&seed);
		memcpy((char *)buffer + at, &word,
		       size - at < sizeof(word) ? size - at : sizeof(word));
	}
}

size_t count_not_random(const void *buffer, size_t size, uint64_t seed)
{
	const unsigned char *bytes = buffer;
	size_t wrong = 0, at, length;
	uint64_t word;

	for (at = 0; at < size; at += sizeof(word)) {
		word = random_next(&seed);
		length = size - at < sizeof(word) ? size - at : sizeof(word);
		if (memcmp(bytes + at, &word, length) == 0)
			continue;
		for (size_t i = 0; i < length; i++)
			wrong += bytes[at + i] != ((unsigned char *)&word)[i];
	}
	return wrong;
}

size_t count_not_value(const void *buffer, size_t size, unsigned char value)
{
	const unsigned char *bytes = buffer;
	size_t wrong = 0;

	for (size_t i = 0; i < size; i++)
		wrong += bytes[i] != value;
	return wrong;
}

void (*entry_find(const char *name, int version, cuuint64_t flags))(void)
{
	CUdriverProcAddressQueryResult status;
	void (*entry)(void) = NULL;
	void *found = NULL;

	CU(cuGetProcAddress(name, &found, version, flags, &status));
	if (!found) {
		check_that(false, name, "the driver has none for version %d", version);
		exit(1);
	}
	memcpy(&entry, &found, sizeof(entry));
	return entry;
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
