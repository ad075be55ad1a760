/* SPDX-License-Identifier: MIT */
/*
 * Managed memory: allocations and __managed__ variables that the CPU and kernels write in turn, at one
 * address; from several threads and from host functions; copies and fills of it; advice, prefetches,
 * attachment to streams; what a pointer says; system calls on it. By the rules of devices without
 * concurrent access, which hold everywhere. Up to four threads.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/check.h"
#include "tests/programs/managed.ptx.h"

#define COUNT (1u << 20)

static CUfunction touch, fill_table;

static void run_touch(uint32_t *data, unsigned int n, unsigned int add, CUstream stream)
{
	void *params[] = {&data, &n, &add};

	launch_1d(touch, (n + 127) / 128, 128, stream, params);
}

static uint32_t *managed(size_t bytes, unsigned int flags)
{
	CUdeviceptr p = 0;

	CU(cuMemAllocManaged(&p, bytes, flags));
	return (uint32_t *)(uintptr_t)p;
}

static void drop(void *p)
{
	CU(cuMemFree((CUdeviceptr)(uintptr_t)p));
}

/* The CPU fills, the device changes, the CPU looks at all of it. */
static void check_turns(void)
{
	uint32_t *data = managed(COUNT * sizeof(*data), CU_MEM_ATTACH_GLOBAL);
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < COUNT; i++)
		data[i] = i;
	run_touch(data, COUNT, 5, NULL);
	CU(cuCtxSynchronize());
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += data[i] != i * 3 + 5;
	check_that(wrong == 0, "cpu-gpu-cpu", "%u of %u values wrong", wrong, COUNT);
	/* Few of them are touched in between, here and there. */
	wrong = 0;
	for (unsigned int round = 0; round < 20; round++) {
		unsigned int at = round * 52021 % COUNT;

		data[at] = round;
		run_touch(data, COUNT, round, NULL);
		CU(cuCtxSynchronize());
		wrong += data[at] != round * 3 + round;
	}
	check_that(wrong == 0, "single-values", "20 rounds, %u wrong", wrong);
	drop(data);
}

/* What the CPU has never touched is the device's alone; sizes that are no pages. */
static void check_untouched(void)
{
	uint32_t *data = managed(COUNT * sizeof(*data), CU_MEM_ATTACH_GLOBAL);
	uint32_t *small[50];
	unsigned int wrong = 0;

	CU(cuMemsetD32((CUdeviceptr)(uintptr_t)data, 4, COUNT));
	run_touch(data, COUNT, 1, NULL);
	CU(cuCtxSynchronize());
	wrong += data[0] != 13 || data[COUNT / 2 + 77] != 13 || data[COUNT - 1] != 13;
	check_that(wrong == 0, "device-fills", "%u", data[COUNT / 2]);
	drop(data);
	wrong = 0;
	for (unsigned int i = 0; i < 50; i++) {
		small[i] = managed(4 + i * 4, CU_MEM_ATTACH_GLOBAL);
		small[i][0] = i;
		small[i][i] = i + 100;
	}
	for (unsigned int i = 0; i < 50; i++)
		run_touch(small[i], i + 1, i, NULL);
	CU(cuCtxSynchronize());
	for (unsigned int i = 0; i < 50; i++) {
		wrong += small[i][i] != (i + 100) * 3 + i;
		wrong += i && small[i][0] != i * 3 + i;
		drop(small[i]);
	}
	check_that(wrong == 0, "small", "50 allocations, %u values wrong", wrong);
}

static void check_variables(void)
{
	CUmodule module = module_load(managed_ptx);
	CUdeviceptr p = 0, plain = 0;
	uint32_t *counter, *table, *data = managed(4096, CU_MEM_ATTACH_GLOBAL);
	uint64_t *total;
	size_t size = 0, table_size = 0;
	unsigned int n = 3000, add = 17, wrong = 0;
	void *params[] = {&n, &add};

	touch = module_function(module, "touch");
	fill_table = module_function(module, "fill_table");
	CU(cuModuleGetGlobal(&p, &size, module, "counter"));
	counter = (uint32_t *)(uintptr_t)p;
	check_that(size == 4 && *counter == 0, "variable", "%zu bytes, %u", size, *counter);
	*counter = 50;
	/* One more of the page becomes known while the first one's newest value is the CPU's. */
	CU(cuModuleGetGlobal(&p, &size, module, "total"));
	total = (uint64_t *)(uintptr_t)p;
	check_that(*total == 1000 && *counter == 50, "initial-value", "%llu, %u",
		   (unsigned long long)*total, *counter);
	memset(data, 0, 4096);
	run_touch(data, 1000, 3, NULL);
	CU(cuCtxSynchronize());
	check_that(*counter == 1050 && *total == 1003 && data[999] == 3, "variables-used",
		   "%u, %llu", *counter, (unsigned long long)*total);
	*total = 5;
	run_touch(data, 1000, 3, NULL);
	CU(cuStreamSynchronize(NULL));
	check_that(*counter == 2050 && *total == 8, "variables-again", "%u, %llu", *counter,
		   (unsigned long long)*total);
	CU(cuModuleGetGlobal(&p, &table_size, module, "table"));
	table = (uint32_t *)(uintptr_t)p;
	table[3071] = 5;
	launch_1d(fill_table, 24, 128, NULL, params);
	CU(cuCtxSynchronize());
	for (unsigned int i = 0; i < n; i++)
		wrong += table[i] != i + 17;
	check_that(table_size == 12288 && wrong == 0 && table[3071] == 5, "large-variable",
		   "%zu bytes, %u of %u wrong", table_size, wrong, n);
	CU(cuModuleGetGlobal(&plain, &size, module, "plain"));
	CU(cuMemcpyDtoH(&add, plain, sizeof(add)));
	check_that(add == 7, "not-managed", "%u", add);
	CU(cuModuleUnload(module));
	drop(data);
}

/* The next library's variable may lie where the last one's did, and has its own contents. */
static void check_library_again(void)
{
	unsigned int right = 0;

	for (int i = 0; i < 3; i++) {
		CUlibrary library = NULL;
		CUdeviceptr p = 0;
		uint64_t *total;
		size_t size = 0;

		CU(cuLibraryLoadData(&library, managed_ptx, NULL, NULL, 0, NULL, NULL, 0));
		CU(cuLibraryGetManaged(&p, &size, library, "total"));
		total = (uint64_t *)(uintptr_t)p;
		right += *total == 1000;
		*total = 7;
		CU(cuLibraryUnload(library));
	}
	check_that(right == 3, "library-again", "%u of 3 as the image has it", right);
}

static void check_library(void)
{
	CUlibrary library = NULL;
	CUdeviceptr p = 0;
	size_t size = 0;
	CUresult missing;

	CU(cuLibraryLoadData(&library, managed_ptx, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetManaged(&p, &size, library, "total"));
	check_that(size == 8 && *(uint64_t *)(uintptr_t)p == 1000, "library-variable", "%zu bytes",
		   size);
	check_result("library-variable-not-freed", cuMemFree(p), CUDA_ERROR_INVALID_VALUE);
	missing = cuLibraryGetManaged(&p, &size, library, "plain");
	check_result("library-not-managed", missing, CUDA_ERROR_NOT_FOUND);
	CU(cuLibraryUnload(library));
}

static void check_pointer(void)
{
	uint32_t *data = managed(100000, CU_MEM_ATTACH_GLOBAL);
	CUdeviceptr p = (CUdeviceptr)(uintptr_t)data, device = 0, base = 0;
	unsigned int is_managed = 0, is_plain = 1;
	CUdeviceptr other = 0;
	void *host = NULL;
	size_t size = 0;

	CU(cuPointerGetAttribute(&is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, p + 5000));
	CU(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, p + 5000));
	CU(cuPointerGetAttribute((void *)&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p + 5000));
	CU(cuMemGetAddressRange(&base, &size, p + 5000));
	CU(cuMemAlloc(&other, 4096));
	CU(cuPointerGetAttribute(&is_plain, CU_POINTER_ATTRIBUTE_IS_MANAGED, other));
	check_that(is_managed && !is_plain && device == p + 5000 &&
			   host == (void *)(uintptr_t)(p + 5000) && base == p && size == 100000,
		   "pointer", "managed %u, %u; device %#llx, host %p", is_managed, is_plain,
		   (unsigned long long)device, host);
	CU(cuMemFree(other));
	drop(data);
}

/* Copies and fills that the driver makes see what the CPU has written, and the CPU what they have. */
static void check_copies(void)
{
	uint32_t *data = managed(65536 * 4, CU_MEM_ATTACH_GLOBAL), *back = malloc(65536 * 4);
	CUdeviceptr p = (CUdeviceptr)(uintptr_t)data, other = 0;
	size_t wrong;

	if (!back)
		exit(2);
	CU(cuMemAlloc(&other, 65536 * 4));
	fill_random(data, 65536 * 4, 8);
	CU(cuMemcpyDtoD(other, p, 65536 * 4));
	CU(cuMemcpyDtoH(back, other, 65536 * 4));
	wrong = count_not_random(back, 65536 * 4, 8);
	data[100] = 1;
	CU(cuMemsetD8(p, 7, 65536));
	CU(cuCtxSynchronize());
	wrong += count_not_value(data, 65536, 7);
	fill_random(back, 65536 * 4, 9);
	data[30000] = 2;
	CU(cuMemcpyHtoD(p, back, 65536 * 4));
	CU(cuCtxSynchronize());
	wrong += count_not_random(data, 65536 * 4, 9);
	CU(cuMemcpy((CUdeviceptr)(uintptr_t)back, p, 65536 * 4));
	wrong += count_not_random(back, 65536 * 4, 9);
	check_that(wrong == 0, "copies", "%zu bytes wrong", wrong);
	CU(cuMemFree(other));
	drop(data);
	free(back);
}

static void check_advice(CUdevice dev, CUstream stream)
{
	uint32_t *data = managed(COUNT * 4, CU_MEM_ATTACH_GLOBAL);
	CUdeviceptr p = (CUdeviceptr)(uintptr_t)data;
	CUmemLocation gpu = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, cpu = {0};
	int mostly = -1, preferred = -5, prefetched = -5, fds[2];
	int sizes_ok;
	void *values[] = {&mostly, &preferred};
	size_t sizes[] = {sizeof(int), sizeof(int)};
	CUmem_range_attribute which[] = {CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY,
					 CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION};
	ssize_t written, got;

	gpu.id = dev;
	cpu.type = CU_MEM_LOCATION_TYPE_HOST;
	data[1] = 4;
	CU(cuMemAdvise(p, COUNT * 4, CU_MEM_ADVISE_SET_READ_MOSTLY, gpu));
	CU(cuMemAdvise(p, COUNT * 4, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, gpu));
	CU(cuMemAdvise(p, COUNT * 4, CU_MEM_ADVISE_SET_ACCESSED_BY, cpu));
	CU(cuMemRangeGetAttributes(values, sizes, which, 2, p, COUNT * 4));
	check_that(mostly == 1 && preferred == dev, "advice", "read-mostly %d, preferred %d",
		   mostly, preferred);
	sizes_ok = cuMemRangeGetAttribute(&mostly, 3, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, 64);
	check_result("advice-bad-size", (CUresult)sizes_ok, CUDA_ERROR_INVALID_VALUE);
	CU(cuMemAdvise(p, COUNT * 4, CU_MEM_ADVISE_UNSET_READ_MOSTLY, gpu));
	CU(cuMemPrefetchAsync(p, COUNT * 4, gpu, 0, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemRangeGetAttribute(&prefetched, sizeof(int),
				  CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, p, COUNT * 4));
	check_that(prefetched == dev && data[1] == 4, "prefetched", "%d", prefetched);
	run_touch(data, COUNT, 2, stream);
	CU(cuMemPrefetchAsync(p, COUNT * 4, cpu, 0, stream));
	CU(cuStreamSynchronize(stream));
	/* What was prefetched to the CPU is fit for system calls. */
	if (pipe(fds))
		exit(2);
	written = write(fds[1], data + 100, 4096);
	got = read(fds[0], data + 5000, 4096);
	check_that(written == 4096 && got == 4096 && data[1] == 14 && data[5000] == 2,
		   "system-calls", "%zd written, %zd read", written, got);
	close(fds[0]);
	close(fds[1]);
	run_touch(data, COUNT, 1, stream);
	CU(cuStreamSynchronize(stream));
	check_that(data[5000] == 7 && data[1] == 43, "after-system-calls", "%u", data[5000]);
	drop(data);
}

/* Memory of one stream, and of the CPU's, may be used while others' work runs. */
static void check_attached(CUstream one, CUstream two)
{
	uint32_t *a = managed(65536, CU_MEM_ATTACH_HOST), *b = managed(65536, CU_MEM_ATTACH_GLOBAL);
	unsigned int wrong = 0;
	CUresult bad;

	a[0] = 1;
	b[0] = 2;
	CU(cuStreamAttachMemAsync(one, (CUdeviceptr)(uintptr_t)a, 0, CU_MEM_ATTACH_SINGLE));
	CU(cuStreamAttachMemAsync(two, (CUdeviceptr)(uintptr_t)b, 0, CU_MEM_ATTACH_SINGLE));
	CU(cuStreamSynchronize(one));
	CU(cuStreamSynchronize(two));
	for (unsigned int round = 0; round < 10; round++) {
		run_touch(a, 16384, 1, one);
		run_touch(b, 16384, 1, two);
		CU(cuStreamSynchronize(one));
		a[0]++;
		CU(cuStreamSynchronize(two));
		b[0]++;
	}
	CU(cuStreamSynchronize(one));
	for (uint32_t i = 0, x = 1, y = 2; i < 10; i++) {
		x = x * 3 + 2;
		y = y * 3 + 2;
		wrong = i == 9 && (a[0] != x || b[0] != y);
	}
	check_that(!wrong, "attached", "%u, %u", a[0], b[0]);
	bad = cuStreamAttachMemAsync(one, (CUdeviceptr)(uintptr_t)a, 0, 9);
	check_result("attach-bad-flags", bad, CUDA_ERROR_INVALID_VALUE);
	drop(a);
	drop(b);
}

struct from_host {
	uint32_t *data;
	uint32_t seen;
};

static void CUDA_CB host_function(void *user)
{
	struct from_host *from = user;

	from->seen = from->data[9];
	from->data[9] = 1000;
}

/* A host function may use it when nothing but its stream can. */
static void check_host_function(CUstream stream)
{
	struct from_host from = {managed(65536, CU_MEM_ATTACH_GLOBAL), 0};

	memset(from.data, 0, 65536);
	run_touch(from.data, 16384, 6, stream);
	CU(cuLaunchHostFunc(stream, host_function, &from));
	CU(cuStreamSynchronize(stream));
	check_that(from.seen == 6 && from.data[9] == 1000 && from.data[10] == 6, "host-function",
		   "saw %u", from.seen);
	run_touch(from.data, 16384, 1, stream);
	CU(cuStreamSynchronize(stream));
	check_that(from.data[9] == 3001 && from.data[10] == 19, "host-function-wrote", "%u",
		   from.data[9]);
	drop(from.data);
}

struct part {
	uint32_t *data;
	unsigned int from, to, wrong, add;
};

static void *part_check(void *arg)
{
	struct part *part = arg;

	for (unsigned int i = part->from; i < part->to; i++) {
		part->wrong += part->data[i] != i * 3 + part->add;
		part->data[i] = i;
	}
	return NULL;
}

/* Four threads touch the same memory at the same time, at each other's pages' borders too. */
static void check_threads(void)
{
	uint32_t *data = managed(COUNT * sizeof(*data), CU_MEM_ATTACH_GLOBAL);
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < COUNT; i++)
		data[i] = i;
	for (unsigned int round = 0; round < 5; round++) {
		struct part parts[4];
		pthread_t threads[4];

		run_touch(data, COUNT, round, NULL);
		CU(cuCtxSynchronize());
		for (unsigned int t = 0; t < 4; t++) {
			parts[t] = (struct part){data, t * (COUNT / 4), (t + 1) * (COUNT / 4), 0,
						 round};
			if (pthread_create(&threads[t], NULL, part_check, &parts[t]))
				exit(2);
		}
		for (unsigned int t = 0; t < 4; t++) {
			pthread_join(threads[t], NULL);
			wrong += parts[t].wrong;
		}
	}
	check_that(wrong == 0, "threads", "5 rounds of 4 threads, %u values wrong", wrong);
	drop(data);
}

/* A fault that is the program's own ends it as ever. */
static void check_handler(void)
{
	volatile uintptr_t nowhere = 8;
	int status = -1;
	pid_t pid;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	check_skip("other-faults", "a sanitizer would report it");
	return;
#endif
	pid = fork();
	if (pid == 0) {
		*(volatile int *)nowhere = 1; /* NOLINT */
		_exit(0);
	}
	waitpid(pid, &status, 0);
	check_that(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status)),
		   "other-faults", "a bad access ends the process: status %#x",
		   (unsigned int)status);
}

static void check_errors(void)
{
	CUmemLocation nowhere = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 99};
	CUdeviceptr p = 0;
	int local = 0;

	check_result("no-bytes", cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("bad-flags", cuMemAllocManaged(&p, 4096, 8), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemAllocManaged(&p, 4096, CU_MEM_ATTACH_GLOBAL));
	check_result("no-device",
		     cuMemAdvise(p, 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, nowhere),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("not-cuda-memory", cuMemFree((CUdeviceptr)(uintptr_t)&local),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree(p));
	check_result("freed-twice", cuMemFree(p), CUDA_ERROR_INVALID_VALUE);
}

int main(void)
{
	CUdevice dev = device_open();
	CUstream one = NULL, two = NULL;
	CUmodule module;

	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY)) {
		check_skip("managed", "the device has no managed memory");
		return 0;
	}
	module = module_load(managed_ptx);
	CU(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	check_variables();
	touch = module_function(module, "touch");
	check_turns();
	check_untouched();
	check_library();
	check_library_again();
	check_pointer();
	check_copies();
	check_advice(dev, one);
	check_attached(one, two);
	check_host_function(one);
	check_threads();
	check_handler();
	check_errors();
	CU(cuStreamDestroy(one));
	CU(cuStreamDestroy(two));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
