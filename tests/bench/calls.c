/* SPDX-License-Identifier: MIT */
/*
 * What calls of the driver API cost a program. An ordinary program: runs natively and over any channel; tests/bench/run
 * runs it both ways and compares.
 *
 * usage: bench_calls [--quick] [ITEM...]      a line of JSON for each item: {"item": NAME, "us": MEDIAN}
 *        bench_calls --list                   the items
 *        bench_calls --init                   from cuInit until the first kernel has run: {"item": "init", "us": TIME}
 *        bench_calls --body COUNT ITEM        the item COUNT times within bench_body(), for callgrind
 *
 * us: microseconds of one call, the median over batches. Of copies: of one copy, waited for.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/clock.h"
#include "tests/bench/cuda.h"

#define BATCHES   7u
#define THREADS   4u
#define KIB       1024u
#define MIB       (1024u * KIB)
#define COPY_MAX  (256u * MIB)
#define COPY_SOFT (4u * MIB) /* the most with --quick */
#define CALLBACKS 10000u

static struct {
	CUcontext context;
	CUmodule module;
	CUfunction empty;
	CUlibrary library;
	CUkernel kernel;
	CUstream stream;
	CUevent event;
	CUdeviceptr memory;
	void *pinned, *pageable;
	size_t bytes; /* of the copies */
	size_t most;
} w;

/* --- what is measured: one call each ------------------------------------------------------------- */

static void launch(void)
{
	bench_launch(w.empty, w.stream);
}

static void launch_and_wait(void)
{
	bench_launch(w.empty, w.stream);
	CU(cuCtxSynchronize());
}

static void word_in(void)
{
	unsigned int word = 1;

	CU(cuMemcpyHtoD_v2(w.memory, &word, sizeof(word)));
}

static void word_out(void)
{
	unsigned int word;

	CU(cuMemcpyDtoH_v2(&word, w.memory, sizeof(word)));
}

static void record(void)
{
	CU(cuEventRecord(w.event, w.stream));
}

static void await_event(void)
{
	CU(cuStreamWaitEvent(w.stream, w.event, 0));
}

static void fill(void)
{
	CU(cuMemsetD8Async(w.memory, 0, 256, w.stream));
}

static void allocate(void)
{
	CUdeviceptr memory;

	CU(cuMemAlloc_v2(&memory, 64 * KIB));
	CU(cuMemFree_v2(memory));
}

static void pinned_in(void)
{
	CU(cuMemcpyHtoDAsync_v2(w.memory, w.pinned, w.bytes, w.stream));
	CU(cuStreamSynchronize(w.stream));
}

static void pinned_out(void)
{
	CU(cuMemcpyDtoHAsync_v2(w.pinned, w.memory, w.bytes, w.stream));
	CU(cuStreamSynchronize(w.stream));
}

static void pageable_in(void)
{
	CU(cuMemcpyHtoD_v2(w.memory, w.pageable, w.bytes));
}

static void pageable_out(void)
{
	CU(cuMemcpyDtoH_v2(w.pageable, w.memory, w.bytes));
}

static void ask_device(void)
{
	CUdevice device;

	CU(cuCtxGetDevice(&device));
}

static void ask_kernel(void)
{
	int value;

	CU(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, w.kernel, 0));
}

static void ask_primary(void)
{
	unsigned int flags;
	int active;

	CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
}

static void ask_pointer(void)
{
	unsigned int type;

	CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, w.memory));
}

static void ask_function(void)
{
	int value;

	CU(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, w.empty));
}

static void host_function(void *data)
{
	(void)data;
}

static void call_back(void)
{
	CU(cuLaunchHostFunc(w.stream, host_function, NULL));
}

/* --- items ----------------------------------------------------------------------------------------- */

enum ends {
	LEFT, /* the batch ends when the calls have returned; what they began is waited for outside */
	WAITED, /* it ends when the device is done */
};

struct item {
	const char *name;
	void (*call)(void);
	size_t bytes; /* copies */
	enum ends ends;
	unsigned int count, quick; /* calls in a batch */
	unsigned int threads;      /* that do it at once, each on a stream of its own */
};

#define COPIES(size, bytes, count, quick)                                             \
	{"pinned-htod-" size, pinned_in, bytes, WAITED, count, quick, 0},             \
		{"pinned-dtoh-" size, pinned_out, bytes, WAITED, count, quick, 0},    \
		{"pageable-htod-" size, pageable_in, bytes, WAITED, count, quick, 0}, \
	{                                                                             \
		"pageable-dtoh-" size, pageable_out, bytes, WAITED, count, quick, 0   \
	}

static const struct item items[] = {
	{"launch-returns", launch, 0, LEFT, 500, 200, 0},
	{"launch-done", launch, 0, WAITED, 20000, 1000, 0},
	{"launch-4-threads", launch, 0, WAITED, 5000, 200, THREADS},
	{"launch-and-wait", launch_and_wait, 0, WAITED, 1000, 200, 0},
	{"copy-4-htod", word_in, 0, WAITED, 1000, 200, 0},
	{"copy-4-dtoh", word_out, 0, WAITED, 1000, 200, 0},
	{"event-record", record, 0, LEFT, 500, 200, 0},
	{"stream-wait-event", await_event, 0, LEFT, 500, 200, 0},
	{"memset-async", fill, 0, LEFT, 500, 200, 0},
	{"alloc-free", allocate, 0, WAITED, 200, 100, 0},
	COPIES("4K", 4 * KIB, 500, 100),
	COPIES("64K", 64 * KIB, 500, 50),
	COPIES("1M", MIB, 100, 10),
	COPIES("4M", 4 * MIB, 50, 5),
	COPIES("16M", 16 * MIB, 20, 1),
	COPIES("256M", COPY_MAX, 3, 1),
	{"ask-ctx-device", ask_device, 0, WAITED, 100000, 10000, 0},
	{"ask-kernel-attribute", ask_kernel, 0, WAITED, 100000, 10000, 0},
	{"ask-primary-state", ask_primary, 0, WAITED, 100000, 10000, 0},
	{"ask-pointer", ask_pointer, 0, WAITED, 100000, 10000, 0},
	{"ask-function-attribute", ask_function, 0, WAITED, 100000, 10000, 0},
	{"host-functions", call_back, 0, WAITED, CALLBACKS, 500, 0},
};
#define ITEMS (sizeof(items) / sizeof(items[0]))

/* --- measuring --------------------------------------------------------------------------------- */

/* A function of its own, by whose name callgrind is switched on. */
__attribute__((noinline)) void bench_body(void (*call)(void), unsigned int count);
__attribute__((noinline)) void bench_body(void (*call)(void), unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		call();
}

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	unsigned int count;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	CUstream stream = bench_stream(w.context, w.empty);

	pthread_barrier_wait(worker->start);
	for (unsigned int i = 0; i < worker->count; i++)
		bench_launch(w.empty, stream);
	CU(cuStreamSynchronize(stream));
	pthread_barrier_wait(worker->start);
	CU(cuStreamDestroy_v2(stream));
	return NULL;
}

/* Seconds of count launches in each thread. */
static double threads_run(unsigned int threads, unsigned int count)
{
	struct worker workers[THREADS];
	pthread_barrier_t start;
	double began;

	pthread_barrier_init(&start, NULL, threads + 1);
	for (unsigned int i = 0; i < threads; i++) {
		workers[i] = (struct worker){.start = &start, .count = count};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			bench_must(CUDA_ERROR_OUT_OF_MEMORY, "pthread_create");
	}
	pthread_barrier_wait(&start);
	began = bench_now();
	pthread_barrier_wait(&start);
	began = bench_now() - began;
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	return began / threads;
}

static double batch(const struct item *item, unsigned int count)
{
	double began;

	if (item->threads)
		return threads_run(item->threads, count);
	began = bench_now();
	bench_body(item->call, count);
	if (item->ends == WAITED)
		CU(cuCtxSynchronize());
	began = bench_now() - began;
	CU(cuCtxSynchronize());
	return began;
}

static void item_run(const struct item *item, bool quick)
{
	unsigned int count = quick ? item->quick : item->count;
	double times[BATCHES];

	if (item->bytes > w.most)
		return;
	w.bytes = item->bytes;
	bench_body(item->call, item->threads ? 1 : 3);
	CU(cuCtxSynchronize());
	for (unsigned int b = 0; b < BATCHES; b++)
		times[b] = batch(item, count) / count * 1e6;
	printf("{\"item\": \"%s\", \"us\": %.4f}\n", item->name, bench_median(times, BATCHES));
	fflush(stdout);
}

/* --- the program ---------------------------------------------------------------------------------- */

static void world_open(size_t most)
{
	w.most = most;
	CU(cuInit(0));
	CU(cuDevicePrimaryCtxRetain(&w.context, 0));
	CU(cuCtxSetCurrent(w.context));
	CU(cuModuleLoadData(&w.module, BENCH_EMPTY_PTX));
	CU(cuModuleGetFunction(&w.empty, w.module, "empty"));
	CU(cuLibraryLoadData(&w.library, BENCH_EMPTY_PTX, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetKernel(&w.kernel, w.library, "empty"));
	CU(cuStreamCreate(&w.stream, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&w.event, CU_EVENT_DISABLE_TIMING));
	CU(cuMemAlloc_v2(&w.memory, most));
	CU(cuMemHostAlloc(&w.pinned, most, 0));
	w.pageable = malloc(most);
	if (!w.pageable)
		bench_must(CUDA_ERROR_OUT_OF_MEMORY, "malloc");
	memset(w.pageable, 0x5a, most);
	memset(w.pinned, 0x5a, most);
}

static void world_close(void)
{
	free(w.pageable);
	CU(cuMemFreeHost(w.pinned));
	CU(cuMemFree_v2(w.memory));
	CU(cuEventDestroy_v2(w.event));
	CU(cuStreamDestroy_v2(w.stream));
	CU(cuLibraryUnload(w.library));
	CU(cuModuleUnload(w.module));
	CU(cuDevicePrimaryCtxRelease_v2(0));
}

static const struct item *item_named(const char *name)
{
	for (size_t i = 0; i < ITEMS; i++)
		if (!strcmp(items[i].name, name))
			return &items[i];
	fprintf(stderr, "bench_calls: no item '%s' (--list says which)\n", name);
	exit(2);
}

/* As a program begins: nothing that it does not need for its first kernel. */
static int init_run(void)
{
	double began = bench_now();

	CU(cuInit(0));
	CU(cuDevicePrimaryCtxRetain(&w.context, 0));
	CU(cuCtxSetCurrent(w.context));
	CU(cuModuleLoadData(&w.module, BENCH_EMPTY_PTX));
	CU(cuModuleGetFunction(&w.empty, w.module, "empty"));
	launch_and_wait();
	printf("{\"item\": \"init\", \"us\": %.1f}\n", (bench_now() - began) * 1e6);
	CU(cuModuleUnload(w.module));
	CU(cuDevicePrimaryCtxRelease_v2(0));
	return 0;
}

static int body_run(const char *count, const char *name)
{
	const struct item *item = item_named(name);

	world_open(item->bytes > MIB ? item->bytes : MIB);
	w.bytes = item->bytes;
	/* Not the first call of its kind. */
	item->call();
	CU(cuCtxSynchronize());
	bench_body(item->call, bench_number(count));
	CU(cuCtxSynchronize());
	world_close();
	return 0;
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "--quick");
	int first = quick ? 2 : 1;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < ITEMS; i++)
			puts(items[i].name);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--init"))
		return init_run();
	if (argc == 4 && !strcmp(argv[1], "--body"))
		return body_run(argv[2], argv[3]);
	for (int i = first; i < argc; i++)
		(void)item_named(argv[i]);
	world_open(quick ? COPY_SOFT : COPY_MAX);
	for (size_t i = 0; i < ITEMS && first == argc; i++)
		item_run(&items[i], quick);
	for (int i = first; i < argc; i++)
		item_run(item_named(argv[i]), quick);
	world_close();
	return 0;
}
