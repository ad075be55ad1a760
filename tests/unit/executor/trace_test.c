/* SPDX-License-Identifier: MIT */
/* Recording: records and their parts, what is lost and told, the other end's end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/crc32.h"

#include "dom0-executor/calls.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define ROOM (1024u * 1024)

static struct harness h;
static int reader = -1;
static uint64_t answer[1024];
/* What has been read. */
static uint8_t *records;
static size_t size;

static CUresult query(CUstream stream)
{
	(void)stream;
	return CUDA_SUCCESS;
}

static CUresult busy(CUstream stream)
{
	(void)stream;
	return CUDA_ERROR_NOT_READY;
}

static int setup(void **state)
{
	(void)state;
	fake_driver_install(0);
	ex_driver.cuStreamQuery = query;
	harness_open(&h, ROOM);
	h.session.lanes[0] = h.lane;
	records = malloc(ROOM);
	return records ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ex_trace_end(&h.session);
	h.session.lanes[0] = NULL;
	harness_close(&h);
	fake_driver_reset();
	if (reader >= 0)
		close(reader);
	reader = -1;
	free(records);
	return 0;
}

static void begin(bool data)
{
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	reader = ends[0];
	ex_trace_begin(&h.session, ends[1], data);
}

static void take(void)
{
	ssize_t n;

	ex_trace_flush(&h.session);
	size = 0;
	while ((n = recv(reader, records + size, ROOM - size, 0)) > 0) {
		assert_true(n <= (ssize_t)VG_TRACE_BLOCK);
		size += (size_t)n;
	}
}

/* The next of that type behind *at, or NULL; all are whole. */
static const void *next(unsigned int type, size_t *at)
{
	while (*at < size) {
		const struct vg_trace_head *head = (const void *)(records + *at);

		assert_true(head->bytes >= sizeof(*head) && head->bytes % 8 == 0);
		assert_true(head->bytes <= size - *at);
		assert_int_equal(head->executor, getpid());
		*at += head->bytes;
		if (head->type == type)
			return head;
	}
	return NULL;
}

static unsigned int count(unsigned int type)
{
	unsigned int found = 0;
	size_t at = 0;

	while (next(type, &at))
		found++;
	return found;
}

/* All bytes of a kind of part of a command, put together. */
static size_t parts(uint64_t number, unsigned int kind, uint64_t base, uint8_t *to)
{
	const struct vg_trace_part *part;
	size_t at = 0, all = 0;

	while ((part = next(VG_TRACE_PART, &at))) {
		if (part->number != number || part->kind != kind)
			continue;
		assert_int_equal(part->offset, base + all);
		memcpy(to + all, part + 1, part->bytes);
		all += part->bytes;
	}
	return all;
}

static const struct vg_trace_call *record_of(uint64_t number)
{
	const struct vg_trace_call *call;
	size_t at = 0;

	while ((call = next(VG_TRACE_CALL, &at)))
		if (call->number == number)
			return call;
	fail_msg("no record of command %llu", (unsigned long long)number);
	return NULL;
}

static int call(uint16_t op, const void *args, size_t args_size, const void *bulk, size_t bulk_size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(&h, op, 0, args, args_size, bulk, bulk_size));
	harness_run(&h);
	assert_true(harness_reply(&h, &head, answer, sizeof(answer)));
	return head.result;
}

#define CALL(name, ...)                                                                          \
	call(VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, sizeof(struct vg_args_##name), \
	     NULL, 0)

static void stamp(uint64_t called, uint64_t had)
{
	const struct vg_args_vgStamp args = {.called = called, .had = had};

	assert_true(harness_command(&h, VG_OP_vgStamp, VG_CMD_ASYNC, &args, sizeof(args), NULL, 0));
}

static void test_calls(void **state)
{
	const struct vg_args_cuMemAlloc_v2 args = {.bytesize = 1000};
	const struct vg_trace_session *session;
	const struct vg_trace_call *seen;
	uint8_t bytes[64];
	size_t at = 0;

	(void)state;
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	assert_int_equal(h.lane->shared->traced, 0);
	begin(false);
	assert_int_equal(h.lane->shared->traced, 1);
	stamp(70, 60);
	assert_int_equal(call(VG_OP_cuMemAlloc_v2, &args, sizeof(args), NULL, 0), CUDA_SUCCESS);
	assert_int_equal(CALL(cuMemFree_v2, .dptr = 16), CUDA_ERROR_INVALID_VALUE);
	take();

	session = next(VG_TRACE_SESSION, &at);
	assert_non_null(session);
	assert_int_equal(session->flags, 0); /* it had done something before */
	assert_int_equal(session->spec_hash, VG_SPEC_HASH);
	assert_int_equal(count(VG_TRACE_CALL), 2);
	assert_int_equal(count(VG_TRACE_LANE), 1);
	assert_int_equal(count(VG_TRACE_REGION), 1);

	seen = record_of(3);
	assert_int_equal(seen->op, VG_OP_cuMemAlloc_v2);
	assert_int_equal(seen->result, CUDA_SUCCESS);
	assert_int_equal(seen->called, 70);
	assert_int_equal(seen->had, 60);
	assert_true(seen->taken && seen->taken <= seen->begun && seen->begun <= seen->done &&
		    seen->done <= seen->answered);
	assert_int_equal(parts(3, VG_TRACE_ARGS, 0, bytes), sizeof(args));
	assert_memory_equal(bytes, &args, sizeof(args));
	assert_int_equal(parts(3, VG_TRACE_ANSWER, 0, bytes), seen->answer);
	assert_true(seen->answer >= 8);
	assert_int_equal(CALL(cuMemFree_v2, .dptr = *(uint64_t *)(void *)bytes), CUDA_SUCCESS);

	seen = record_of(4);
	assert_int_equal(seen->result, CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(seen->called, 0);

	ex_trace_end(&h.session);
	assert_int_equal(h.lane->shared->traced, 0);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	take();
	assert_int_equal(count(VG_TRACE_CALL), 1); /* the one before the end */
}

/* Bulk parts are there when asked for, pinned memory that is copied from as well, and sums of what goes back. */
static void test_data(void **state)
{
	const size_t bulk = 100000;
	uint8_t *data = malloc(bulk), *seen = malloc(bulk);
	struct vg_args_vgCopyIn in = {.size = bulk};
	uint64_t region = (uintptr_t)h.region;

	(void)state;
	assert_non_null(data);
	assert_non_null(seen);
	for (size_t i = 0; i < bulk; i++)
		data[i] = (uint8_t)(i * 37 >> 2);
	begin(true);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = bulk), CUDA_SUCCESS);
	in.dst = answer[0];
	assert_int_equal(call(VG_OP_vgCopyIn, &in, sizeof(in), data, bulk), CUDA_SUCCESS);
	assert_int_equal(CALL(vgCopyOut, .src = in.dst, .size = bulk), CUDA_SUCCESS);
	memcpy(h.region, data, 5000);
	assert_int_equal(CALL(vgCopy, .dst = in.dst, .src = region, .size = 5000), CUDA_SUCCESS);
	assert_int_equal(CALL(vgCopy, .dst = region, .src = in.dst, .size = 4000), CUDA_SUCCESS);
	ex_driver.cuStreamQuery = busy;
	assert_int_equal(CALL(vgCopy, .dst = region, .src = in.dst, .size = 4000), CUDA_SUCCESS);
	take();

	assert_int_equal(record_of(2)->bulk, bulk);
	assert_int_equal(record_of(2)->bulk_sum, vg_crc32(0, data, bulk));
	assert_int_equal(parts(2, VG_TRACE_BULK, 0, seen), bulk);
	assert_memory_equal(seen, data, bulk);
	assert_int_equal(record_of(3)->answer_bulk, bulk);
	assert_int_equal(record_of(3)->answer_bulk_sum, vg_crc32(0, data, bulk));
	assert_int_equal(parts(4, VG_TRACE_MEMORY, region, seen), 5000);
	assert_memory_equal(seen, data, 5000);
	assert_int_equal(record_of(5)->seen, VG_TRACE_SUMS | VG_TRACE_COPIED);
	assert_int_equal(record_of(5)->answer_bulk_sum, vg_crc32(0, data, 4000));
	/* It did not come to an end: it is not held up for good, and nothing is said of it. */
	assert_int_equal(record_of(6)->seen, VG_TRACE_SUMS);
	free(data);
	free(seen);
}

/* What kernels may read by themselves: each change once, from the beginning. */
static void test_pinned(void **state)
{
	const size_t page = VG_PAGE_SIZE;
	uint64_t region = (uintptr_t)h.region;
	const struct vg_args_vgCopyStage staged = {.done = region};
	uint8_t *seen = malloc(4 * page);

	(void)state;
	assert_non_null(seen);
	h.session.region_pages = 0; /* the harness has none from the protocol */
	h.session.lanes_open = 0;
	memset(h.region, 0, 4 * page);
	h.region[page + 5] = 1;
	begin(true);
	assert_true(h.session.trace.whole);
	assert_int_not_equal(CALL(cuGraphLaunch, .hGraph = 0), CUDA_SUCCESS);
	h.region[2 * page] = h.region[3 * page] = 2;
	assert_int_not_equal(CALL(cuGraphLaunch, .hGraph = 0), CUDA_SUCCESS);
	assert_int_not_equal(CALL(cuGraphLaunch, .hGraph = 0), CUDA_SUCCESS);
	/* It is the stage from now on, which is recorded with each copy. */
	harness_command(&h, VG_OP_vgCopyStage, VG_CMD_ASYNC, &staged, sizeof(staged), NULL, 0);
	h.region[0] = 3;
	assert_int_not_equal(CALL(cuGraphLaunch, .hGraph = 0), CUDA_SUCCESS);
	take();
	assert_int_equal(parts(1, VG_TRACE_MEMORY, region + page, seen), page);
	assert_int_equal(seen[5], 1);
	assert_int_equal(parts(2, VG_TRACE_MEMORY, region + 2 * page, seen), 2 * page);
	assert_int_equal(seen[0], 2);
	assert_int_equal(parts(3, VG_TRACE_MEMORY, region, seen), 0);
	assert_int_equal(parts(5, VG_TRACE_MEMORY, region, seen), 0);
	free(seen);
}

/* Nobody reads: the program goes on, and what was lost is told as soon as there is room. */
static void test_loss(void **state)
{
	const struct vg_trace_lost *lost;
	uint64_t told = 0, got = 0;
	size_t at = 0;

	(void)state;
	begin(false);
	take();
	for (int i = 0; i < 20000; i++)
		assert_int_equal(CALL(cuMemFree_v2, .dptr = 16), CUDA_ERROR_INVALID_VALUE);
	take();
	got = count(VG_TRACE_CALL) + count(VG_TRACE_PART);
	assert_int_equal(CALL(cuMemFree_v2, .dptr = 16), CUDA_ERROR_INVALID_VALUE);
	take();
	got += count(VG_TRACE_CALL) + count(VG_TRACE_PART);
	while ((lost = next(VG_TRACE_LOST, &at)))
		told += lost->records;
	assert_true(told > 0);
	assert_int_equal(got + told, 2 * 20001);
}

static void test_gone(void **state)
{
	(void)state;
	begin(true);
	assert_true(atomic_load(&h.session.want) & VG_WANT_TRACE);
	close(reader);
	reader = -1;
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	ex_trace_flush(&h.session);
	assert_int_equal(atomic_load(&h.session.want), 0);
	assert_int_equal(h.session.trace.fd, -1);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	begin(false);
	assert_int_equal(CALL(cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	take();
	assert_int_equal(count(VG_TRACE_CALL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loss, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
