/* SPDX-License-Identifier: MIT */
/* Streams and events: order, waiting, default streams, callbacks, memory operations. */
#include "tests/unit/soft/soft_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* A host function that holds its stream until it is let go. */
struct gate {
	atomic_int open, reached;
};

static void gate_wait(void *user)
{
	struct gate *gate = user;

	atomic_store(&gate->reached, 1);
	while (!atomic_load(&gate->open))
		usleep(100);
}

static void hold(CUstream stream, struct gate *gate)
{
	atomic_store(&gate->open, 0);
	atomic_store(&gate->reached, 0);
	ok(cuLaunchHostFunc(stream, gate_wait, gate));
	while (!atomic_load(&gate->reached))
		usleep(100);
}

static void let_go(struct gate *gate)
{
	atomic_store(&gate->open, 1);
}

static void work_runs_in_order(void **state)
{
	uint32_t words[2] = {0, 0};
	CUdeviceptr memory;
	struct gate gate;
	CUstream stream;

	(void)state;
	ok(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	ok(cuMemAlloc_v2(&memory, 8));
	ok(cuMemsetD32_v2(memory, 5, 2));
	ok(cuCtxSynchronize());
	hold(stream, &gate);
	for (uint32_t i = 0; i < 100; i++) {
		ok(cuMemsetD32Async(memory, i, 1, stream));
		ok(cuMemcpyDtoDAsync_v2(memory + 4, memory, 4, stream));
	}
	fails(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
	let_go(&gate);
	ok(cuStreamSynchronize(stream));
	ok(cuStreamQuery(stream));
	ok(cuMemcpyDtoH_v2(words, memory, 8));
	assert_int_equal(words[0], 99);
	assert_int_equal(words[1], 99);
	ok(cuStreamDestroy_v2(stream));
	ok(cuMemFree_v2(memory));
}

static void legacy_stream_waits_for_blocking_ones(void **state)
{
	CUstream blocking, other, free_one;
	struct gate gate;
	CUdeviceptr memory;

	(void)state;
	ok(cuStreamCreate(&blocking, 0));
	ok(cuStreamCreate(&other, 0));
	ok(cuStreamCreate(&free_one, CU_STREAM_NON_BLOCKING));
	ok(cuMemAlloc_v2(&memory, 16));
	ok(cuStreamSynchronize(NULL));
	hold(blocking, &gate);
	ok(cuMemsetD32Async(memory, 1, 1, CU_STREAM_LEGACY)); /* waits for blocking */
	ok(cuMemsetD32Async(memory + 4, 1, 1, other));        /* waits for the legacy one */
	ok(cuMemsetD32Async(memory + 8, 1, 1, free_one));     /* waits for nothing */
	ok(cuStreamSynchronize(free_one));
	usleep(20000);
	fails(cuStreamQuery(NULL), CUDA_ERROR_NOT_READY);
	fails(cuStreamQuery(other), CUDA_ERROR_NOT_READY);
	let_go(&gate);
	ok(cuStreamSynchronize(other));
	ok(cuStreamQuery(NULL));
	ok(cuStreamDestroy_v2(blocking));
	ok(cuStreamDestroy_v2(other));
	ok(cuStreamDestroy_v2(free_one));
	ok(cuMemFree_v2(memory));
}

static void *own_stream_id(void *ctx)
{
	unsigned long long id = 0;

	if (cuCtxSetCurrent(ctx) || cuMemsetD32_v2_ptds(0, 0, 0))
		return NULL;
	cuStreamGetId(CU_STREAM_PER_THREAD, &id);
	return (void *)(uintptr_t)id;
}

static void each_thread_has_a_default_stream(void **state)
{
	unsigned long long mine, again, legacy;
	void *other;
	pthread_t thread;
	struct gate gate;
	CUcontext ctx;
	CUevent event;

	(void)state;
	ok(cuStreamGetId(CU_STREAM_PER_THREAD, &mine));
	ok(cuStreamGetId_ptsz(NULL, &again));
	ok(cuStreamGetId(NULL, &legacy));
	assert_int_equal(mine, again);
	assert_int_not_equal(mine, legacy);
	ok(cuCtxGetCurrent(&ctx));
	assert_int_equal(pthread_create(&thread, NULL, own_stream_id, ctx), 0);
	pthread_join(thread, &other);
	assert_non_null(other);
	assert_int_not_equal((uintptr_t)other, mine);

	ok(cuEventCreate(&event, 0));
	hold(CU_STREAM_PER_THREAD, &gate);
	ok(cuEventRecord_ptsz(event, NULL));
	fails(cuEventQuery(event), CUDA_ERROR_NOT_READY);
	let_go(&gate);
	ok(cuEventSynchronize(event));
	ok(cuEventDestroy_v2(event));
}

static void events_order_streams(void **state)
{
	uint32_t word = 0;
	CUstream first, second;
	CUdeviceptr memory;
	struct gate gate;
	CUevent event;

	(void)state;
	ok(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
	ok(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
	ok(cuEventCreate(&event, 0));
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuEventQuery(event)); /* never recorded: passed */
	ok(cuStreamWaitEvent(second, event, 0));
	for (uint32_t round = 1; round < 30; round++) {
		hold(first, &gate);
		ok(cuMemsetD32Async(memory, round, 1, first));
		ok(cuEventRecord(event, first));
		ok(cuStreamWaitEvent(second, event, 0));
		ok(cuMemcpyDtoDAsync_v2(memory, memory, 4, second));
		fails(cuStreamQuery(second), CUDA_ERROR_NOT_READY);
		let_go(&gate);
		ok(cuStreamSynchronize(second));
		ok(cuEventQuery(event));
		ok(cuMemcpyDtoH_v2(&word, memory, 4));
		assert_int_equal(word, round);
	}
	ok(cuStreamDestroy_v2(first));
	ok(cuStreamDestroy_v2(second));
	ok(cuEventDestroy_v2(event));
	ok(cuMemFree_v2(memory));
}

static void events_measure_time(void **state)
{
	CUevent start, end, untimed;
	struct gate gate;
	CUstream stream;
	float ms;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuEventCreate(&start, 0));
	ok(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC));
	ok(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	fails(cuEventElapsedTime_v2(&ms, start, end), CUDA_ERROR_INVALID_HANDLE);
	ok(cuEventRecord(start, stream));
	hold(stream, &gate);
	ok(cuEventRecord(end, stream));
	fails(cuEventElapsedTime_v2(&ms, start, end), CUDA_ERROR_NOT_READY);
	usleep(30000);
	let_go(&gate);
	ok(cuEventSynchronize(end));
	ok(cuEventElapsedTime_v2(&ms, start, end));
	assert_true(ms >= 29 && ms < 20000);
	ok(cuEventElapsedTime(&ms, end, start));
	assert_true(ms <= -29);
	ok(cuEventRecord(untimed, stream));
	fails(cuEventElapsedTime(&ms, start, untimed), CUDA_ERROR_INVALID_HANDLE);
	fails(cuEventCreate(&start, 0x80), CUDA_ERROR_INVALID_VALUE);
	ok(cuStreamDestroy_v2(stream));
	ok(cuEventDestroy_v2(start));
	ok(cuEventDestroy_v2(end));
	ok(cuEventDestroy_v2(untimed));
}

struct told {
	CUstream stream;
	CUresult status, call;
	int times;
};

static void callback(CUstream stream, CUresult status, void *user)
{
	struct told *told = user;
	size_t value;

	told->stream = stream;
	told->status = status;
	told->call = cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE);
	told->times++;
}

static void callbacks_may_not_call_the_driver(void **state)
{
	struct told told = {0};
	CUstream stream;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuStreamAddCallback(stream, callback, &told, 0));
	ok(cuStreamSynchronize(stream));
	assert_int_equal(told.times, 1);
	assert_ptr_equal(told.stream, stream);
	assert_int_equal(told.status, CUDA_SUCCESS);
	assert_int_equal(told.call, CUDA_ERROR_NOT_PERMITTED);
	fails(cuStreamAddCallback(stream, NULL, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuStreamAddCallback(stream, callback, NULL, 1), CUDA_ERROR_INVALID_VALUE);
	fails(cuLaunchHostFunc(stream, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	ok(cuStreamDestroy_v2(stream));
}

static void destroyed_streams_finish_their_work(void **state)
{
	CUdeviceptr memory;
	struct gate gate;
	CUstream stream;
	uint32_t word;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 4));
	ok(cuStreamCreate(&stream, 0));
	hold(stream, &gate);
	ok(cuMemsetD32Async(memory, 9, 1, stream));
	ok(cuStreamDestroy_v2(stream));
	fails(cuStreamQuery(stream), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	let_go(&gate);
	ok(cuCtxSynchronize());
	ok(cuMemcpyDtoH_v2(&word, memory, 4));
	assert_int_equal(word, 9);
	ok(cuMemFree_v2(memory));
}

static void words_are_waited_for(void **state)
{
	CUdeviceptr memory;
	CUstream one, two;
	uint32_t word;
	uint64_t wide;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 16));
	ok(cuMemsetD32_v2(memory, 0, 4));
	ok(cuCtxSynchronize());
	ok(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	ok(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	ok(cuStreamWaitValue32_v2(one, memory, 3, CU_STREAM_WAIT_VALUE_GEQ));
	ok(cuStreamWriteValue32_v2(one, memory + 4, 8, 0));
	ok(cuStreamWriteValue32_v2(two, memory, 2, 0));
	ok(cuStreamSynchronize(two));
	usleep(10000);
	fails(cuStreamQuery(one), CUDA_ERROR_NOT_READY);
	ok(cuStreamWriteValue32_v2(two, memory, 3, 0));
	ok(cuStreamSynchronize(one));
	ok(cuMemcpyDtoH_v2(&word, memory + 4, 4));
	assert_int_equal(word, 8);
	ok(cuStreamWriteValue64_v2(two, memory + 8, 0x500000001, 0));
	ok(cuStreamWaitValue64_v2(one, memory + 8, 0x500000001, CU_STREAM_WAIT_VALUE_EQ));
	ok(cuStreamSynchronize(one));
	ok(cuMemcpyDtoH_v2(&wide, memory + 8, 8));
	assert_true(wide == 0x500000001);
	fails(cuStreamWaitValue32_v2(one, memory + 2, 3, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuStreamWriteValue64_v2(one, memory + 4096, 3, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuStreamDestroy_v2(one));
	ok(cuStreamDestroy_v2(two));
	ok(cuMemFree_v2(memory));
}

/* A short copy or write with nothing before it has been done when the call returns; else it waits its turn. */
static void brief_work_keeps_its_place(void **state)
{
	CUstream one, two;
	CUdeviceptr memory;
	struct gate gate;
	uint32_t *words;

	(void)state;
	ok(cuMemAlloc_v2(&memory, 8));
	ok(cuMemHostAlloc((void **)&words, 16, 0));
	ok(cuMemsetD32_v2(memory, 7, 2));
	ok(cuCtxSynchronize());
	ok(cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
	ok(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	words[0] = words[1] = words[2] = 0;
	hold(one, &gate);
	ok(cuMemcpyDtoHAsync_v2(&words[0], memory, 4, one));
	ok(cuStreamWriteValue32_v2(one, (CUdeviceptr)(uintptr_t)&words[1], 8, 0));
	ok(cuMemcpyDtoHAsync_v2(&words[2], memory + 4, 4, two));
	ok(cuStreamQuery(two));
	assert_int_equal(words[2], 7);
	fails(cuStreamQuery(one), CUDA_ERROR_NOT_READY);
	assert_int_equal(words[0], 0);
	assert_int_equal(words[1], 0);
	let_go(&gate);
	ok(cuStreamSynchronize(one));
	assert_int_equal(words[0], 7);
	assert_int_equal(words[1], 8);
	ok(cuStreamDestroy_v2(one));
	ok(cuStreamDestroy_v2(two));
	ok(cuMemFreeHost(words));
	ok(cuMemFree_v2(memory));
}

#define THREADS 4
#define ROUNDS  50

static void *busy_thread(void *ctx)
{
	CUdeviceptr memory;
	CUstream stream;
	uint32_t words[64];
	CUevent event;

	ok(cuCtxSetCurrent(ctx));
	ok(cuStreamCreate(&stream, 0));
	ok(cuEventCreate(&event, 0));
	for (uint32_t i = 0; i < ROUNDS; i++) {
		ok(cuMemAlloc_v2(&memory, sizeof(words)));
		ok(cuMemsetD32Async(memory, i, 64, stream));
		ok(cuEventRecord(event, stream));
		ok(cuMemcpyDtoHAsync_v2(words, memory, sizeof(words), stream));
		ok(cuEventSynchronize(event));
		assert_int_equal(words[63], i);
		if (i % 8 == 0)
			ok(cuMemsetD8_v2(memory, 1, 16)); /* the legacy stream */
		ok(cuMemFree_v2(memory));
	}
	ok(cuStreamDestroy_v2(stream));
	ok(cuEventDestroy_v2(event));
	return NULL;
}

static void threads_work_at_once(void **state)
{
	pthread_t threads[THREADS];
	CUcontext ctx;

	(void)state;
	ok(cuCtxGetCurrent(&ctx));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, busy_thread, ctx), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void streams_have_properties(void **state)
{
	unsigned int flags;
	CUstream stream;
	CUcontext ctx, got;
	CUdevice device;
	int priority;

	(void)state;
	ok(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -3));
	ok(cuStreamGetFlags(stream, &flags));
	assert_int_equal(flags, CU_STREAM_NON_BLOCKING);
	ok(cuStreamGetPriority(stream, &priority));
	assert_int_equal(priority, -3);
	ok(cuStreamGetCtx(stream, &got));
	ok(cuCtxGetCurrent(&ctx));
	assert_ptr_equal(got, ctx);
	ok(cuStreamGetDevice(stream, &device));
	assert_int_equal(device, 0);
	fails(cuStreamCreate(&stream, 2), CUDA_ERROR_INVALID_VALUE);
	fails(cuStreamCreate(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuStreamDestroy_v2(stream));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(work_runs_in_order),
		test(legacy_stream_waits_for_blocking_ones),
		test(each_thread_has_a_default_stream),
		test(events_order_streams),
		test(events_measure_time),
		test(callbacks_may_not_call_the_driver),
		test(destroyed_streams_finish_their_work),
		test(words_are_waited_for),
		test(brief_work_keeps_its_place),
		test(threads_work_at_once),
		test(streams_have_properties),
	};

	setenv("VGPU_SOFT_MEM", "64M", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
