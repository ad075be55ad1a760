/* SPDX-License-Identifier: MIT */
/* VGPU_SOFT_QUEUE: a stream that has all that it may have to do lets callers wait, and no others. */
#include "tests/unit/soft/soft_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define QUEUE 4
#define MORE  20

static CUcontext context;
static CUstream stream;
static CUdeviceptr memory;
static atomic_uint queued;

static void *queue_more(void *none)
{
	ok(cuCtxSetCurrent(context));
	for (unsigned int i = 0; i < MORE; i++) {
		ok(cuMemsetD8Async(memory + 4, (unsigned char)i, 4, stream));
		atomic_fetch_add(&queued, 1);
	}
	return none;
}

static void a_full_queue_is_waited_for(void **state)
{
	CUdeviceptr other;
	pthread_t thread;
	unsigned char byte = 0;

	(void)state;
	ok(cuCtxGetCurrent(&context));
	ok(cuMemAlloc_v2(&memory, 4096));
	ok(cuMemsetD32_v2(memory, 0, 1));
	ok(cuCtxSynchronize());
	ok(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	ok(cuStreamWaitValue32_v2(stream, memory, 1, CU_STREAM_WAIT_VALUE_EQ));
	assert_int_equal(pthread_create(&thread, NULL, queue_more, NULL), 0);
	for (int i = 0; i < 1000 && atomic_load(&queued) < QUEUE - 1; i++)
		usleep(1000);
	usleep(100000);
	assert_int_equal(atomic_load(&queued), QUEUE - 1); /* beside the wait itself */
	/* Another stream's work is not kept by it. */
	other = memory + 8;
	ok(cuMemsetD8Async(other, 7, 4, CU_STREAM_PER_THREAD));
	ok(cuMemsetD32Async(memory, 1, 1, CU_STREAM_PER_THREAD));
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&queued), MORE);
	ok(cuStreamSynchronize(stream));
	ok(cuMemcpyDtoH_v2(&byte, memory + 4, 1));
	assert_int_equal(byte, MORE - 1);
	ok(cuStreamDestroy_v2(stream));
	ok(cuMemFree_v2(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_full_queue_is_waited_for),
	};

	setenv("VGPU_SOFT_MEM", "64M", 1);
	setenv("VGPU_SOFT_QUEUE", "4", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
