/* SPDX-License-Identifier: MIT */
/*
 * The compute cache by the export table that libnvrtc asks for: what is kept is found again under the same source,
 * options, compiler and device, and under no others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/check.h"

enum kind {
	MACHINE_CODE = 1,
	PTX = 2
};

typedef void *handle;

static struct {
	size_t size;
	CUresult (*open)(handle *entry, unsigned int kind, const void *source, size_t size,
			 const char *options, const char *platform, const char *build,
			 unsigned int capability);
	CUresult (*close)(handle entry);
	CUresult (*get)(handle entry, int unused, void **data, unsigned int *size);
	CUresult (*put)(handle entry, int unused, const void *data, unsigned int size);
	void *unknown;
	CUresult (*free)(void *data);
} const *table;

static const CUuuid id = {.bytes = {(char)0xda, (char)0x91, 0x51, (char)0xd3, 0x3a, (char)0xe6,
				    (char)0xcc, 0x41, (char)0xa5, (char)0xc0, 0x4f, 0x26,
				    (char)0xd5, 0x33, (char)0xe3, 0x28}};

/* One that nobody has compiled before. */
static char source[96];

static handle open_as(enum kind kind, const char *options, const char *build,
		      unsigned int capability)
{
	handle entry = NULL;

	CU(table->open(&entry, kind, source, sizeof(source), options, "HOST64", build, capability));
	return entry;
}

/* NULL: it is not there. */
static char *found(handle entry)
{
	unsigned int size = 0;
	void *data = NULL;
	CUresult result = table->get(entry, 0, &data, &size);
	char *copy = NULL;

	if (!result && asprintf(&copy, "%.*s", (int)size, (const char *)data) < 0)
		exit(1);
	if (!result)
		CU(table->free(data));
	else if (result != CUDA_ERROR_NOT_FOUND)
		check_result("get", result, CUDA_ERROR_NOT_FOUND);
	CU(table->close(entry));
	return copy;
}

static void is_kept(const char *name, handle entry, const char *text)
{
	char *there = found(entry);

	check_that(there && !strcmp(there, text), name, "%s", there ? there : "nothing");
	free(there);
}

static void is_not(const char *name, handle entry)
{
	char *there = found(entry);

	check_that(!there, name, "%s", there ? there : "nothing");
	free(there);
}

static void keep(enum kind kind, const char *text)
{
	handle entry = open_as(kind, "-a", "then", 90);

	CU(table->put(entry, 0, text, (unsigned int)strlen(text)));
	CU(table->close(entry));
}

static void check_entries(void)
{
	is_not("empty", open_as(PTX, "-a", "then", 90));
	keep(PTX, "text");
	is_kept("kept", open_as(PTX, "-a", "then", 90), "text");
	is_kept("kept-again", open_as(PTX, "-a", "then", 90), "text");
	is_not("other-options", open_as(PTX, "-b", "then", 90));
	is_not("other-compiler", open_as(PTX, "-a", "now", 90));
	is_not("other-device", open_as(PTX, "-a", "then", 80));
	/* Whether the other kind is there too now is not asked: NVIDIA's driver does not tell them apart, ours does. */
	keep(MACHINE_CODE, "code");
	is_kept("both-kinds", open_as(MACHINE_CODE, "-a", "then", 90), "code");
	source[0]++;
	is_not("other-source", open_as(PTX, "-a", "then", 90));
}

int main(void)
{
	handle entry = NULL;
	struct timespec now;
	CUresult result;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(source, sizeof(source), "source of %d at %lld.%09ld", (int)getpid(),
		 (long long)now.tv_sec, now.tv_nsec);
	CU(cuInit(0));
	result = cuGetExportTable((const void **)&table, &id);
	if (result == CUDA_ERROR_NOT_FOUND) {
		check_skip("table", "this driver has none");
		return check_end();
	}
	check_that(!result && table->size == sizeof(*table), "table", "%zu bytes",
		   table ? table->size : 0);
	result = table->open(&entry, PTX, source, sizeof(source), "", "HOST64", "then", 90);
	if (result == CUDA_ERROR_NOT_INITIALIZED) {
		check_skip("entries", "the cache is off");
		return check_end();
	}
	CU(result);
	CU(table->close(entry));
	check_entries();
	return check_end();
}
