/* SPDX-License-Identifier: MIT */
/*
 * PTX in every form in which the driver compiles it as it loads it: text and fatbin, as module and as library,
 * a library first used by several threads at once, libraries that are never used. What comes of it must be the
 * same whether it was compiled or came from the compute cache; check-jit-cache runs this many times. Text that
 * does not compile says so each time. With an argument: so many more modules, each of another text.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/jitcache.ptx.h"

#define BLOCKS  4u
#define THREADS 64u
#define COUNT   (BLOCKS * THREADS)
#define USERS   4

#define IMAGES  256

static CUdeviceptr buffer;
static void *images[IMAGES]; /* all that there are, until the end */
static unsigned int images_count;

static void *image_keep(void *image)
{
	if (!image || images_count == IMAGES)
		exit(1);
	images[images_count++] = image;
	return image;
}

/* The same kernel in a text that no other case has. */
static char *text_of(const char *name)
{
	char *text = NULL;

	if (asprintf(&text, "// %s\n%s", name, jitcache_ptx) < 0)
		exit(1);
	return image_keep(text);
}

/* A fatbin as nvcc makes it, with one text for compute capability 5.2. */
static void *fatbin_of(const char *name)
{
	const char *text = text_of(name);
	uint64_t stored = (strlen(text) + 8) / 8 * 8, all = 80 + stored;
	uint8_t *fatbin = image_keep(calloc(1, 16 + all));
	uint8_t *entry = fatbin + 16;

	memcpy(fatbin, &(uint32_t){0xba55ed50}, 4);
	memcpy(fatbin + 4, (uint16_t[]){1, 16}, 4);
	memcpy(fatbin + 8, &all, 8);
	memcpy(entry, (uint16_t[]){1, 0x101}, 4);
	memcpy(entry + 4, &(uint32_t){80}, 4);
	memcpy(entry + 8, &stored, 8);
	memcpy(entry + 20, &(uint32_t){64}, 4); /* where the compiler's options stand: none */
	memcpy(entry + 24, (uint16_t[]){0, 7}, 4);
	memcpy(entry + 28, &(uint32_t){52}, 4);
	memcpy(entry + 40, &(uint64_t){0x11}, 8); /* 64 bits, Linux */
	memcpy(entry + 64, &(uint32_t){72}, 4);
	memcpy(entry + 80, text, strlen(text) + 1);
	return fatbin;
}

static void check_kernel(const char *name, CUfunction function, unsigned int value)
{
	void *params[] = {&buffer, &value};
	unsigned int got[COUNT], wrong = 0;

	CU(cuMemsetD8(buffer, 0, sizeof(got)));
	launch_1d(function, BLOCKS, THREADS, NULL, params);
	CU(cuMemcpyDtoH(got, buffer, sizeof(got)));
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += got[i] != value + i;
	check_that(!wrong, name, "%u of %u values wrong", wrong, COUNT);
}

static void check_module(const char *name, const void *image, unsigned int value)
{
	CUmodule module;

	CU(cuModuleLoadData(&module, image));
	check_kernel(name, module_function(module, "fill"), value);
	CU(cuModuleUnload(module));
}

static CUlibrary library_load(const void *image)
{
	CUlibrary library;

	CU(cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0));
	return library;
}

static void check_library(const char *name, const void *image, unsigned int value)
{
	CUlibrary unused = library_load(text_of("unused")), library = library_load(image);
	CUlibrary of = NULL;
	unsigned int count = 0;
	CUkernel kernel;

	CU(cuLibraryGetKernelCount(&count, library));
	CU(cuLibraryGetKernel(&kernel, library, "fill"));
	CU(cuKernelGetLibrary(&of, kernel));
	check_that(count == 1 && of == library, "library-of-kernel", "%u kernels", count);
	check_kernel(name, (CUfunction)kernel, value);
	check_result("library-name-unknown", cuLibraryGetKernel(&kernel, library, "nothing"),
		     CUDA_ERROR_NOT_FOUND);
	CU(cuLibraryUnload(library));
	CU(cuLibraryUnload(unused));
}

/* --- several first users ---------------------------------------------------------------------- */

struct user {
	pthread_t thread;
	CUcontext context;
	CUlibrary library;
	CUkernel kernel;
};

static void *user_run(void *argument)
{
	struct user *user = argument;

	CU(cuCtxSetCurrent(user->context));
	CU(cuLibraryGetKernel(&user->kernel, user->library, "fill"));
	return NULL;
}

static void check_users(void)
{
	CUlibrary library = library_load(text_of("users"));
	struct user users[USERS];
	unsigned int same = 0;
	CUcontext context;

	CU(cuCtxGetCurrent(&context));
	for (int i = 0; i < USERS; i++) {
		users[i] = (struct user){.context = context, .library = library};
		if (pthread_create(&users[i].thread, NULL, user_run, &users[i]))
			exit(1);
	}
	for (int i = 0; i < USERS; i++)
		pthread_join(users[i].thread, NULL);
	for (int i = 0; i < USERS; i++)
		same += users[i].kernel == users[0].kernel;
	check_that(same == USERS, "users", "%u of %d have the same kernel", same, USERS);
	check_kernel("users-kernel", (CUfunction)users[0].kernel, 5);
	CU(cuLibraryUnload(library));
}

/* --- what does not compile -------------------------------------------------------------------- */

static void check_bad(void)
{
	char error[1024] = "";
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {error, (void *)sizeof(error)};
	CUmodule module = NULL;
	char *text = text_of("bad");

	strstr(text, "mad.lo")[1] = 'u';
	check_result("bad", cuModuleLoadDataEx(&module, text, 2, options, values),
		     CUDA_ERROR_INVALID_PTX);
	check_that(error[0] && (uintptr_t)values[1] <= sizeof(error), "bad-log", "\"%.60s\"",
		   error);
}

int main(int argc, char **argv)
{
	CUdevice dev = device_open();
	int more = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
	char name[32];

	CU(cuMemAlloc(&buffer, COUNT * sizeof(unsigned int)));
	check_module("module", text_of("module"), 1);
	check_module("module-fatbin", fatbin_of("module-fatbin"), 2);
	check_library("library", text_of("library"), 3);
	check_library("library-fatbin", fatbin_of("library-fatbin"), 4);
	check_users();
	check_bad();
	for (int i = 0; i < more; i++) {
		snprintf(name, sizeof(name), "more-%d", i);
		check_module(name, text_of(name), 100 + (unsigned int)i);
	}
	CU(cuMemFree(buffer));
	device_close(dev);
	while (images_count)
		free(images[--images_count]);
	return check_end();
}
