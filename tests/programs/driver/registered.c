/* SPDX-License-Identifier: MIT */
/*
 * cuMemHostRegister of memory that the program has already: heap, mappings, private and shared file pages, its
 * own stack. Kernels use it in place where the pointer can be had; copies are right in any case; what else lies on its
 * pages lives on, also while another thread writes there; contents stay after it; a child after fork
 * has its own. Two threads at most.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define COUNT 30011u
#define BYTES (COUNT * sizeof(uint32_t))

static CUfunction step;

static unsigned char *memory_new(size_t size)
{
	unsigned char *memory = calloc(1, size);

	if (!memory)
		exit(2);
	return memory;
}

/* out[i] = in[i] * 3 + 9, in place. False: the memory is not mapped here. */
static bool run_on(const char *name, uint32_t *memory)
{
	unsigned int id = 9, n = COUNT, wrong = 0;
	CUdeviceptr p = 0;
	CUresult result = cuMemHostGetDevicePointer(&p, memory, 0);
	void *params[] = {&p, &p, &id, &n};

	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip(name, "such memory is not mapped here");
		return false;
	}
	if (!check_that(result == CUDA_SUCCESS && p == (CUdeviceptr)(uintptr_t)memory, name,
			"device pointer %#llx of %p: %s", (unsigned long long)p, (void *)memory,
			result_name(result)))
		return false;
	for (unsigned int i = 0; i < COUNT; i++)
		memory[i] = i;
	launch_1d(step, (COUNT + 127) / 128, 128, NULL, params);
	CU(cuCtxSynchronize());
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += memory[i] != i * 3 + 9;
	return check_that(wrong == 0, name, "%u of %u values wrong", wrong, COUNT);
}

/* To the device and back, into other memory. */
static void copy_through(const char *name, void *memory, size_t size)
{
	unsigned char *back = malloc(size);
	CUdeviceptr p = 0;
	size_t wrong;

	if (!back)
		exit(2);
	fill_random(memory, size, size);
	CU(cuMemAlloc(&p, size));
	CU(cuMemcpyHtoD(p, memory, size));
	CU(cuMemcpyDtoH(back, p, size));
	wrong = count_not_random(back, size, size);
	memset(memory, 0, size);
	CU(cuMemcpyDtoHAsync(memory, p, size, NULL));
	CU(cuStreamSynchronize(NULL));
	wrong += count_not_random(memory, size, size);
	check_that(wrong == 0, name, "%zu bytes, %zu wrong", size, wrong);
	CU(cuMemFree(p));
	free(back);
}

static void check_heap(void)
{
	size_t all = 3 * BYTES;
	unsigned char *heap = memory_new(all);
	uint32_t *middle = (uint32_t *)(void *)(heap + BYTES + 4 - BYTES % 4);
	unsigned int flags = 0;
	size_t wrong;
	void *more[200];

	memset(heap, 0x3c, all);
	CU(cuMemHostRegister(middle, BYTES, CU_MEMHOSTREGISTER_PORTABLE));
	CU(cuMemHostGetFlags(&flags, middle));
	check_that(flags & CU_MEMHOSTREGISTER_PORTABLE, "flags", "%#x", flags);
	run_on("heap", middle);
	copy_through("heap-copied", middle, BYTES);
	/* The heap lives on around it, and on its pages. */
	for (unsigned int i = 0; i < 200; i++) {
		more[i] = malloc(100 + i * 50);
		if (more[i])
			memset(more[i], 0xee, 100 + i * 50);
	}
	wrong = count_not_value(heap, (size_t)((unsigned char *)middle - heap), 0x3c) +
		count_not_value((unsigned char *)middle + BYTES,
				3 * BYTES - BYTES - (size_t)((unsigned char *)middle - heap), 0x3c);
	check_that(wrong == 0, "neighbours", "%zu bytes wrong", wrong);
	fill_random(middle, BYTES, 5);
	CU(cuMemHostUnregister(middle));
	check_that(count_not_random(middle, BYTES, 5) == 0, "heap-after", "contents stay");
	for (unsigned int i = 0; i < 200; i++)
		free(more[i]);
	free(heap);
}

static void check_mapping(void)
{
	size_t size = 64u << 20;
	unsigned char *map =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		exit(2);
	fill_random(map, size, 1);
	CU(cuMemHostRegister(map, size, CU_MEMHOSTREGISTER_DEVICEMAP));
	check_that(count_not_random(map, size, 1) == 0, "mapping-kept", "%zu bytes", size);
	run_on("mapping", (uint32_t *)(void *)(map + 4096 * 5 + 8));
	copy_through("mapping-copied", map, size);
	CU(cuMemHostUnregister(map));
	check_that(count_not_random(map, size, size) == 0, "mapping-after", "contents stay");
	munmap(map, size);
}

static void check_file(int flags, const char *name, const char *copied)
{
	size_t size = (BYTES + 4095) & ~(size_t)4095;
	FILE *file = tmpfile();
	unsigned char *map;
	CUresult result;

	if (!file || ftruncate(fileno(file), (off_t)size))
		exit(2);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fileno(file), 0);
	if (map == MAP_FAILED)
		exit(2);
	result = cuMemHostRegister(map, size, 0);
	if (result == CUDA_SUCCESS) {
		run_on(name, (uint32_t *)(void *)map);
		copy_through(copied, map, size);
		CU(cuMemHostUnregister(map));
	} else {
		check_skip(name, "the driver does not register pages of a file: %s",
			   result_name(result));
	}
	munmap(map, size);
	fclose(file);
}

static void check_stack(void)
{
	unsigned char local[20000];

	CU(cuMemHostRegister(local, sizeof(local), 0));
	copy_through("stack", local, sizeof(local));
	CU(cuMemHostUnregister(local));
}

/* Two that share a page. */
static void check_neighbours(void)
{
	unsigned char *heap = malloc(1u << 20);
	CUresult result;

	if (!heap)
		exit(2);
	CU(cuMemHostRegister(heap + 1000, 50000, 0));
	result = cuMemHostRegister(heap + 51000, 50000, 0);
	if (result == CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED) {
		check_skip("neighbours-of-a-page", "the driver registers whole pages");
		CU(cuMemHostUnregister(heap + 1000));
		free(heap);
		return;
	}
	CU(result);
	copy_through("neighbour-1", heap + 1000, 50000);
	copy_through("neighbour-2", heap + 51000, 50000);
	CU(cuMemHostUnregister(heap + 1000));
	copy_through("neighbour-2-alone", heap + 51000, 50000);
	CU(cuMemHostUnregister(heap + 51000));
	free(heap);
}

struct writer {
	_Atomic uint64_t *word;
	uint64_t written;
	atomic_bool stop;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;

	while (!atomic_load(&writer->stop)) {
		atomic_fetch_add(writer->word, 1);
		writer->written++;
	}
	return NULL;
}

/* Nothing that another thread writes is lost while pages are registered and given back. */
static void check_writer(void)
{
	size_t size = 1u << 18;
	unsigned char *memory = memory_new(size);
	struct writer writer = {.word = (_Atomic uint64_t *)(void *)(memory + size / 2)};
	pthread_t thread;

	if (pthread_create(&thread, NULL, write_on, &writer))
		exit(2);
	for (unsigned int i = 0; i < 200; i++) {
		CU(cuMemHostRegister(memory, size, 0));
		CU(cuMemHostUnregister(memory));
	}
	atomic_store(&writer.stop, true);
	pthread_join(thread, NULL);
	check_that(atomic_load(writer.word) == writer.written, "writer",
		   "%llu additions, %llu seen", (unsigned long long)writer.written,
		   (unsigned long long)atomic_load(writer.word));
	free(memory);
}

static void check_fork(void)
{
	size_t size = 1u << 20;
	unsigned char *memory = malloc(size);
	int status = -1;
	pid_t pid;

	if (!memory)
		exit(2);
	fill_random(memory, size, 7);
	CU(cuMemHostRegister(memory, size, 0));
	pid = fork();
	if (pid == 0) {
		size_t wrong = count_not_random(memory, size, 7);

		memset(memory, 0, size);
		free(malloc(100000));
		_exit(wrong ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	check_that(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child", "has the contents");
	check_that(count_not_random(memory, size, 7) == 0, "parent",
		   "what the child wrote is its own");
	CU(cuMemHostUnregister(memory));
	free(memory);
}

static void check_errors(void)
{
	unsigned char *memory = malloc(100000);
	CUdeviceptr p = 0;

	if (!memory)
		exit(2);
	CU(cuMemHostRegister(memory, 50000, 0));
	check_result("registered-twice", cuMemHostRegister(memory, 50000, 0),
		     CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	check_result("no-bytes", cuMemHostRegister(memory + 60000, 0, 0), CUDA_ERROR_INVALID_VALUE);
	check_result("not-its-begin", cuMemHostUnregister(memory + 4), CUDA_ERROR_INVALID_VALUE);
	check_that(cuMemFreeHost(memory) != CUDA_SUCCESS, "not-allocated", "cuMemFreeHost refuses");
	CU(cuMemHostUnregister(memory));
	check_result("unregistered-twice", cuMemHostUnregister(memory),
		     CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
	check_result("pointer-after", cuMemHostGetDevicePointer(&p, memory, 0),
		     CUDA_ERROR_INVALID_VALUE);
	free(memory);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);

	step = module_function(module, "step");
	check_heap();
	check_mapping();
	check_file(MAP_PRIVATE, "private-file", "private-file-copied");
	check_file(MAP_SHARED, "shared-file", "shared-file-copied");
	check_stack();
	check_neighbours();
	check_writer();
	check_fork();
	check_errors();
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
