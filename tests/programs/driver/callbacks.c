/* SPDX-License-Identifier: MIT */
/*
 * Host functions in streams, very many of them in flight: each runs once, in its stream's order,
 * after the work before it (what that copied to the host is there) and before the work behind it.
 * The callbacks run in a thread of the driver's; only the streams' own order protects their data.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define STREAMS 3
#define CALLS   500u
/* Less than a driver takes aside of a copy from pageable memory; for more it may wait for the stream with
 * its locks held. */
#define COPY_BYTES (48u << 10)

struct line {
	CUstream stream;
	unsigned int next;          /* the call that must come next */
	unsigned int misplaced;     /* calls that came out of order */
	unsigned int stale;         /* calls that did not see the copy before them */
	unsigned int bad_arguments; /* wrong stream or status */
	uint64_t *pinned;           /* where the stream's copies arrive */
	CUdeviceptr state;
};

struct call {
	struct line *line;
	unsigned int number;
	uint64_t wanted; /* state after the kernel before this call */
};

static _Atomic unsigned int calls_seen;

static void note_call(struct call *c)
{
	struct line *l = c->line;

	l->misplaced += l->next != c->number;
	l->next = c->number + 1;
	l->stale += *(volatile uint64_t *)l->pinned != c->wanted;
	atomic_fetch_add(&calls_seen, 1);
}

static void CUDA_CB on_host_func(void *data)
{
	note_call(data);
}

static void CUDA_CB on_callback(CUstream stream, CUresult status, void *data)
{
	struct call *c = data;

	c->line->bad_arguments += stream != c->line->stream || status != CUDA_SUCCESS;
	note_call(c);
}

static void line_open(struct line *l)
{
	memset(l, 0, sizeof(*l));
	CU(cuStreamCreate(&l->stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemHostAlloc((void **)&l->pinned, sizeof(*l->pinned), 0));
	CU(cuMemAlloc(&l->state, sizeof(uint64_t)));
	CU(cuMemsetD32(l->state, 0, 2));
}

static void line_close(struct line *l)
{
	CU(cuStreamDestroy(l->stream));
	CU(cuMemFreeHost(l->pinned));
	CU(cuMemFree(l->state));
}

/* Kernel, copy to the host, host function; again and again, without waiting for anything. */
static void enqueue(struct line *l, struct call *calls, CUfunction append, bool old_style)
{
	uint64_t state = 0;
	unsigned int id;

	for (unsigned int i = 0; i < CALLS; i++) {
		void *params[] = {&l->state, &id};

		id = i + 1;
		state = state * 3 + id;
		calls[i] = (struct call){l, i, state};
		launch_1d(append, 1, 1, l->stream, params);
		CU(cuMemcpyDtoHAsync(l->pinned, l->state, sizeof(*l->pinned), l->stream));
		if (old_style)
			CU(cuStreamAddCallback(l->stream, on_callback, &calls[i], 0));
		else
			CU(cuLaunchHostFunc(l->stream, on_host_func, &calls[i]));
	}
}

static void check_order(CUfunction append, bool old_style)
{
	static struct call calls[STREAMS][CALLS];
	const char *name = old_style ? "cuStreamAddCallback" : "cuLaunchHostFunc";
	unsigned int misplaced = 0, stale = 0, bad = 0, seen;
	struct line lines[STREAMS];

	atomic_store(&calls_seen, 0);
	for (int i = 0; i < STREAMS; i++)
		line_open(&lines[i]);
	CU(cuCtxSynchronize());
	for (int i = 0; i < STREAMS; i++)
		enqueue(&lines[i], calls[i], append, old_style);
	for (int i = 0; i < STREAMS; i++)
		CU(cuStreamSynchronize(lines[i].stream));
	/* What orders the callbacks before this lies in another process; this a sanitizer can see. */
	seen = atomic_load(&calls_seen);
	for (int i = 0; i < STREAMS; i++) {
		misplaced += lines[i].misplaced;
		stale += lines[i].stale;
		bad += lines[i].bad_arguments;
		line_close(&lines[i]);
	}
	check_that(seen == STREAMS * CALLS && !misplaced && !stale && !bad, name,
		   "%u of %u calls, %u out of order, %u before their copy, %u bad arguments", seen,
		   STREAMS * CALLS, misplaced, stale, bad);
}

/* A host function holds its stream, and only that: what it writes is copied after it. */
static void CUDA_CB write_late(void *data)
{
	usleep(50000);
	*(uint64_t *)data = 12345;
}

static void check_blocks_stream(void)
{
	CUstream held = NULL, free_stream = NULL;
	uint64_t *pinned = NULL, got = 0;
	CUdeviceptr d = 0;
	CUresult during;

	CU(cuStreamCreate(&held, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&free_stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemHostAlloc((void **)&pinned, sizeof(*pinned), 0));
	CU(cuMemAlloc(&d, sizeof(*pinned)));
	*pinned = 1;
	CU(cuLaunchHostFunc(held, write_late, pinned));
	CU(cuMemcpyHtoDAsync(d, pinned, sizeof(*pinned), held));
	during = cuStreamQuery(held);
	CU(cuStreamSynchronize(free_stream));
	CU(cuStreamSynchronize(held));
	CU(cuMemcpyDtoH(&got, d, sizeof(got)));
	check_result("stream-held", during, CUDA_ERROR_NOT_READY);
	check_that(got == 12345, "copy-after-host-function", "%llu", (unsigned long long)got);
	CU(cuStreamDestroy(held));
	CU(cuStreamDestroy(free_stream));
	CU(cuMemFreeHost(pinned));
	CU(cuMemFree(d));
}

/* The host function that another thread waits for, while a second one sits in a blocking call. */
static void CUDA_CB wait_for_flag(void *data)
{
	_Atomic int *flag = data;

	for (int i = 0; i < 20000 && !atomic_load(flag); i++)
		usleep(1000);
}

struct blocked {
	CUcontext context;
	CUstream stream;
	_Atomic int done;
};

static void *wait_on_stream(void *data)
{
	struct blocked *b = data;

	CU(cuCtxSetCurrent(b->context));
	CU(cuStreamSynchronize(b->stream));
	atomic_store(&b->done, 1);
	return NULL;
}

/* A blocking call in one thread holds up no other: it could never end otherwise. */
static void check_no_hold_up(void)
{
	_Atomic int flag = 0;
	struct blocked b = {0};
	pthread_t thread;
	CUdeviceptr d = 0;
	uint32_t value = 0;
	int early;

	CU(cuCtxGetCurrent(&b.context));
	CU(cuStreamCreate(&b.stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&d, sizeof(value)));
	CU(cuLaunchHostFunc(b.stream, wait_for_flag, &flag));
	if (pthread_create(&thread, NULL, wait_on_stream, &b))
		exit(2);
	usleep(20000);
	CU(cuMemsetD32(d, 77, 1));
	CU(cuMemcpyDtoH(&value, d, sizeof(value)));
	early = atomic_load(&b.done);
	atomic_store(&flag, 1);
	pthread_join(thread, NULL);
	check_that(!early && value == 77, "blocking-call-alone",
		   "the other thread %s waiting, value %u", early ? "was not" : "was", value);
	CU(cuStreamDestroy(b.stream));
	CU(cuMemFree(d));
}

struct copier {
	CUcontext context;
	CUstream stream;
	CUdeviceptr to;
	void *from;
};

static void *copy_and_end(void *data)
{
	struct copier *c = data;

	CU(cuCtxSetCurrent(c->context));
	CU(cuMemcpyHtoDAsync(c->to, c->from, COPY_BYTES, c->stream));
	return NULL;
}

static void *first_calls(void *data)
{
	struct copier *c = data;
	CUstream stream = NULL;

	CU(cuCtxSetCurrent(c->context));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuStreamSynchronize(stream));
	CU(cuStreamDestroy(stream));
	return NULL;
}

/*
 * A thread that ends while its copy of pageable memory waits in a held stream holds up no
 * other, whose first call comes now and has to come through for the stream to go on.
 */
static void check_copy_alone(void)
{
	_Atomic int flag = 0;
	struct copier c = {0};
	pthread_t copier, other;
	CUresult before;

	c.from = calloc(1, COPY_BYTES);
	if (!c.from)
		exit(2);
	CU(cuCtxGetCurrent(&c.context));
	CU(cuStreamCreate(&c.stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&c.to, COPY_BYTES));
	CU(cuLaunchHostFunc(c.stream, wait_for_flag, &flag));
	if (pthread_create(&copier, NULL, copy_and_end, &c))
		exit(2);
	usleep(20000);
	if (pthread_create(&other, NULL, first_calls, &c))
		exit(2);
	pthread_join(other, NULL);
	before = cuStreamQuery(c.stream);
	atomic_store(&flag, 1);
	pthread_join(copier, NULL);
	CU(cuStreamSynchronize(c.stream));
	check_result("copying-thread-alone", before, CUDA_ERROR_NOT_READY);
	CU(cuStreamDestroy(c.stream));
	CU(cuMemFree(c.to));
	free(c.from);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	CUfunction append = module_function(module, "append");

	check_order(append, false);
	check_order(append, true);
	check_blocks_stream();
	check_no_hold_up();
	check_copy_alone();
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
