/* SPDX-License-Identifier: MIT */
/*
 * The lane and everything below it, against a driver that checks what it is given: calls that must work,
 * breaches that must end the session, limits, and garbage of every kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/garbage.h"
#include "tests/unit/executor/harness.h"

static struct harness harness;

static int setup(void **state)
{
	*state = &harness;
	fake_driver_install(0);
	harness_open(&harness, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&harness);
	fake_driver_reset();
	return 0;
}

#define CALL(h, name, ...)                                               \
	call_one(h, VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, \
		 sizeof(struct vg_args_##name))

static uint64_t answer[32]; /* arguments of the last reply */

static int call_one(struct harness *h, uint16_t op, const void *args, size_t size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(h, op, 0, args, size, NULL, 0));
	harness_run(h);
	memset(answer, 0, sizeof(answer));
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(head.op, op);
	return head.result;
}

static uint64_t allocate(struct harness *h, uint64_t size)
{
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = size), CUDA_SUCCESS);
	return answer[0];
}

static void test_alloc_and_free(void **state)
{
	struct harness *h = *state;
	uint64_t address = allocate(h, 1000);

	assert_int_equal(h->session.stats.page->alloc_bytes, 4096);
	assert_int_equal(CALL(h, cuMemFree_v2, .dptr = address + 8), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuMemFree_v2, .dptr = address), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuMemFree_v2, .dptr = address), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(h->session.stats.page->alloc_bytes, 0);
	assert_int_equal(h->session.stats.page->alloc_peak, 4096);
}

/* Memory of the executor's own must be out of reach. */
static void test_foreign_addresses(void **state)
{
	struct harness *h = *state;
	uint64_t own = (uintptr_t)h->session.stats.page, address = allocate(h, 64);

	assert_int_equal(CALL(h, cuMemFree_v2, .dptr = own), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopyOut, .src = own, .size = 8), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopyOut, .src = address, .size = 65), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopyOut, .src = address + 60, .size = UINT64_MAX - 4),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopy, .dst = address, .src = own, .size = 8),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopy, .dst = own, .src = address, .size = 8),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, vgCopyOut, .src = address, .size = 64), CUDA_SUCCESS);
	assert_string_equal(harness_breach(h), "");
}

static void test_copy_through_the_rings(void **state)
{
	struct harness *h = *state;
	const size_t size = 150000;
	uint8_t *data = malloc(size), *back = malloc(size);
	uint64_t address = allocate(h, size);
	struct vg_args_vgCopyIn in = {.dst = address, .size = size};
	struct vg_reply head;

	assert_true(data && back);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 13 >> 2);
	for (int round = 0; round < 3; round++) {
		assert_true(harness_command(h, VG_OP_vgCopyIn, 0, &in, sizeof(in), data, size));
		harness_run(h);
		assert_true(harness_reply(h, &head, back, size));
		assert_int_equal(head.result, CUDA_SUCCESS);
		assert_true(
			harness_command(h, VG_OP_vgCopyOut, 0,
					&(struct vg_args_vgCopyOut){.src = address, .size = size},
					sizeof(struct vg_args_vgCopyOut), NULL, 0));
		harness_run(h);
		memset(back, 0, size);
		assert_true(harness_reply(h, &head, back, size));
		assert_int_equal(head.result, CUDA_SUCCESS);
		assert_int_equal(head.bulk_size, size);
		assert_memory_equal(back, data, size);
	}
	free(data);
	free(back);
}

static void test_box_copy(void **state)
{
	struct harness *h = *state;
	uint64_t address = allocate(h, 64 * 32 * 4);
	struct {
		struct vg_args_vgCopyBoxIn args;
		struct vg_copy_box box;
	} in = {.args = {.n_box = 1, .size = 20 * 10 * 3},
		.box = {.src = {.memory = VG_BOX_HOST},
			.dst = {.memory = VG_BOX_DEVICE,
				.address = address,
				.x = 4,
				.y = 2,
				.z = 1,
				.pitch = 64,
				.height = 32},
			.width = 20,
			.height = 10,
			.depth = 3}};
	uint8_t data[20 * 10 * 3];
	struct vg_reply head;

	memset(data, 0xee, sizeof(data));
	assert_true(harness_command(h, VG_OP_vgCopyBoxIn, 0, &in, sizeof(in), data, sizeof(data)));
	harness_run(h);
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(head.result, CUDA_SUCCESS);
	assert_int_equal(((uint8_t *)(uintptr_t)address)[(32 + 2) * 64 + 4], 0xee);
	assert_int_equal(((uint8_t *)(uintptr_t)address)[(32 + 2) * 64 + 3], 0);
	/* One slice further it does not fit. */
	in.box.dst.z = 2;
	assert_true(harness_command(h, VG_OP_vgCopyBoxIn, 0, &in, sizeof(in), data, sizeof(data)));
	harness_run(h);
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(head.result, CUDA_ERROR_INVALID_VALUE);
	/* Numbers that wrap. */
	in.box.dst.z = 0;
	in.box.dst.pitch = 1ull << 60;
	in.box.dst.height = 1ull << 60;
	assert_true(harness_command(h, VG_OP_vgCopyBoxIn, 0, &in, sizeof(in), data, sizeof(data)));
	harness_run(h);
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(head.result, CUDA_ERROR_INVALID_VALUE);
	assert_string_equal(harness_breach(h), "");
}

static void test_quota(void **state)
{
	struct harness *h = *state;
	uint64_t addresses[4];

	for (int i = 0; i < 4; i++)
		addresses[i] = allocate(h, 250 * 1024);
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 25 * 1024), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = UINT64_MAX), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(CALL(h, cuMemFree_v2, .dptr = addresses[0]), CUDA_SUCCESS);
	allocate(h, 25 * 1024);
}

/* Memory stays counted while it is mapped, its handle released or not. */
static void test_quota_of_mapped_memory(void **state)
{
	struct harness *h = *state;
	struct {
		struct vg_args_cuMemCreate args;
		CUmemAllocationProp prop;
	} create = {.args = {.size = 200 * 1024, .n_prop = 1}};
	uint64_t address, handle;

	assert_int_equal(CALL(h, cuMemAddressReserve, .size = 200 * 1024), CUDA_SUCCESS);
	address = answer[0];
	assert_int_equal(call_one(h, VG_OP_cuMemCreate, &create, sizeof(create)), CUDA_SUCCESS);
	handle = answer[0];
	assert_int_equal(CALL(h, cuMemMap, .ptr = address + 8, .size = 200 * 1024,
			      .handle = handle),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuMemMap, .ptr = address, .size = 200 * 1024, .handle = handle),
			 CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuMemRelease, .handle = handle), CUDA_SUCCESS);
	assert_int_equal(h->session.stats.page->alloc_bytes, 200 * 1024);
	assert_int_equal(CALL(h, cuMemRelease, .handle = handle), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuMemUnmap, .ptr = address, .size = 200 * 1024), CUDA_SUCCESS);
	assert_int_equal(h->session.stats.page->alloc_bytes, 0);
	assert_int_equal(CALL(h, cuMemAddressFree, .ptr = address, .size = 200 * 1024),
			 CUDA_SUCCESS);
}

static void test_handles(void **state)
{
	struct harness *h = *state;
	uint64_t stream = vg_handle_make(VG_HANDLE_CUstream, 1, 1);
	uint64_t stale = vg_handle_make(VG_HANDLE_CUstream, 2, 1);
	uint64_t event = vg_handle_make(VG_HANDLE_CUevent, 1, 2);
	struct vg_args_cuStreamCreate create = {.phStream = stream};
	struct vg_args_cuEventCreate create_event = {.phEvent = event};

	assert_true(harness_command(h, VG_OP_cuStreamCreate, VG_CMD_ASYNC, &create, sizeof(create),
				    NULL, 0));
	assert_true(harness_command(h, VG_OP_cuEventCreate, VG_CMD_ASYNC, &create_event,
				    sizeof(create_event), NULL, 0));
	assert_int_equal(CALL(h, cuStreamSynchronize, .hStream = stream), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuStreamSynchronize, .hStream = 0), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuStreamSynchronize, .hStream = stale),
			 CUDA_ERROR_CONTEXT_IS_DESTROYED);
	assert_int_equal(CALL(h, cuStreamSynchronize, .hStream = event), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(CALL(h, cuStreamSynchronize, .hStream = (uintptr_t)h),
			 CUDA_ERROR_INVALID_HANDLE);
	assert_string_equal(harness_breach(h), "");
	/* The slot is in use. */
	assert_true(harness_command(h, VG_OP_cuStreamCreate, VG_CMD_ASYNC, &create, sizeof(create),
				    NULL, 0));
	harness_run(h);
	assert_non_null(strstr(harness_breach(h), "made twice"));
}

static void test_asynchronous_error(void **state)
{
	struct harness *h = *state;
	struct vg_args_cuStreamDestroy_v2 destroy = {
		.hStream = vg_handle_make(VG_HANDLE_CUstream, 1, 9)};
	struct vg_lane_shared *shared = (struct vg_lane_shared *)h->pages;
	struct vg_reply head;

	assert_true(harness_command(h, VG_OP_cuStreamDestroy_v2, VG_CMD_ASYNC, &destroy,
				    sizeof(destroy), NULL, 0));
	harness_run(h);
	assert_false(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(shared->error_count, 1);
	assert_int_equal(shared->error_result, CUDA_ERROR_CONTEXT_IS_DESTROYED);
	assert_int_equal(shared->error_op, VG_OP_cuStreamDestroy_v2);
}

/* A head or arguments that no guest of ours sends end the session, and name the reason. */
static void breach_expected(struct harness *h, const struct vg_cmd *cmd, const void *args,
			    size_t args_size, const char *why)
{
	assert_true(harness_put(h, cmd, sizeof(*cmd)));
	assert_true(harness_put(h, args, args_size));
	harness_run(h);
	if (!strstr(harness_breach(h), why))
		fail_msg("'%s' instead of '%s'", harness_breach(h), why);
}

static void test_breaches(void **state)
{
	static const uint64_t words[8] = {3, 3, 3};
	static const struct {
		struct vg_cmd cmd;
		size_t args_size;
		const char *why;
	} cases[] = {
		{{.op = 0}, 0, "no such call"},
		{{.op = VG_OP_END}, 0, "no such call"},
		{{.op = VG_OP_cuGetErrorString}, 0, "no such call"},
		{{.op = 0xffff}, 0, "no such call"},
		{{.op = VG_OP_cuProfilerStart, .flags = 4}, 0, "unknown flags"},
		{{.op = VG_OP_cuProfilerStart, .flags = VG_CMD_ASYNC}, 0, "that way"},
		{{.op = VG_OP_cuMemAlloc_v2, .args_size = 0}, 0, "size of the arguments"},
		{{.op = VG_OP_cuMemAlloc_v2, .args_size = UINT32_MAX}, 0, "size of the arguments"},
		{{.op = VG_OP_cuMemAlloc_v2, .args_size = VG_ARGS_MAX + 1},
		 0,
		 "size of the arguments"},
		{{.op = VG_OP_cuMemAlloc_v2, .args_size = 16}, 16, "too long"},
		{{.op = VG_OP_cuMemAlloc_v2, .args_size = 8, .bulk_size = 8}, 8, "no bulk part"},
		{{.op = VG_OP_vgCopyIn, .args_size = 32, .bulk_size = UINT64_MAX},
		 32,
		 "size of the bulk part"},
		{{.op = VG_OP_vgCopyIn, .args_size = 32, .bulk_size = 8},
		 40,
		 "length of the bulk part"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_driver_install(0);
		harness_open(&harness, 0);
		breach_expected(&harness, &cases[i].cmd, words, cases[i].args_size, cases[i].why);
		assert_int_equal(fake_driver_calls(), 0);
		harness_close(&harness);
		fake_driver_reset();
	}
}

static bool random_next(void *context, uint32_t *number)
{
	uint64_t *state = context;

	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	*number = (uint32_t)(*state >> 32);
	return true;
}

/* Any numbers in any fields of every call: nothing may crash, hang, or reach the driver unchecked. */
static void test_garbage(void **state)
{
	const char *wanted = getenv("VGPU_GARBAGE");
	unsigned long rounds = wanted ? strtoul(wanted, NULL, 10) : 150;
	unsigned long reached = 0;

	(void)state;
	for (unsigned long round = 0; round < rounds; round++) {
		uint64_t seed = round;
		struct garbage g = {.next = random_next, .context = &seed};

		fake_driver_install((unsigned int)(round % 7));
		harness_open(&harness, round % 2 ? 1024 * 1024 : 0);
		for (int i = 0; i < 300; i++) {
			if (!garbage_command(&g, &harness))
				harness_revive(&harness);
			harness_run(&harness);
			garbage_learn(&g, &harness);
			if (*harness_breach(&harness))
				harness_revive(&harness);
		}
		reached += fake_driver_calls();
		harness_close(&harness);
		fake_driver_reset();
	}
	/* It would be no test if all were refused at the door. */
	print_message("the driver was called %lu times\n", reached);
	assert_true(reached > 10 * rounds);
}

int main(void)
{
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SESSION(test_alloc_and_free),
		WITH_SESSION(test_foreign_addresses),
		WITH_SESSION(test_copy_through_the_rings),
		WITH_SESSION(test_box_copy),
		WITH_SESSION(test_quota),
		WITH_SESSION(test_quota_of_mapped_memory),
		WITH_SESSION(test_handles),
		WITH_SESSION(test_asynchronous_error),
		cmocka_unit_test(test_breaches),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
