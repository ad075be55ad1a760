/* SPDX-License-Identifier: MIT */
/* xen-frontend/replay/map and translate: what is learned from answers is said in arguments, and nothing else is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"
#include "protocol/handle.h"
#include "xen-frontend/replay/translate.h"

static struct rp_map map;

static int begin(void **state)
{
	(void)state;
	rp_map_init(&map);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rp_map_dispose(&map);
	return 0;
}

static void ranges_move(void **state)
{
	(void)state;
	rp_map_range(&map, 0x1000, 0x1000, 0x100);
	assert_false(rp_map_moved(&map));
	rp_map_range(&map, 0x1000, 0x9000, 0x100);
	assert_true(rp_map_moved(&map));
	assert_int_equal(rp_address_now(&map, 0xfff), 0xfff);
	assert_int_equal(rp_address_now(&map, 0x1000), 0x9000);
	assert_int_equal(rp_address_now(&map, 0x10ff), 0x90ff);
	assert_int_equal(rp_address_now(&map, 0x1100), 0x9100); /* its end */
	assert_int_equal(rp_address_now(&map, 0x1101), 0x1101);
	/* What begins at another's end is its own. */
	rp_map_range(&map, 0x1100, 0x5000, 8);
	assert_int_equal(rp_address_now(&map, 0x1100), 0x5000);
	assert_int_equal(rp_address_now(&map, 0x1108), 0x5008);
}

static void the_latest_counts(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		rp_map_range(&map, 0x10000 + i * 0x100, 0x90000 + i * 0x100, 0x100);
	/* Over parts of several, where it was and elsewhere. */
	rp_map_range(&map, 0x10080, 0x10080, 0x200);
	assert_int_equal(rp_address_now(&map, 0x10080), 0x10080);
	assert_int_equal(rp_address_now(&map, 0x10200), 0x10200);
	assert_int_equal(rp_address_now(&map, 0x10300), 0x90300);
	rp_map_range(&map, 0x10300, 0x70000, 0x10000);
	assert_int_equal(rp_address_now(&map, 0x10300), 0x70000);
	assert_int_equal(rp_address_now(&map, 0x1c7ff), 0x7c4ff);
}

/* What is mapped is told again within what was reserved. */
static void parts_are_known(void **state)
{
	(void)state;
	rp_map_range(&map, 0x10000, 0x90000, 0x4000);
	rp_map_range(&map, 0x12000, 0x92000, 0x2000);
	assert_int_equal(rp_address_now(&map, 0x10000), 0x90000);
	assert_int_equal(rp_address_now(&map, 0x13fff), 0x93fff);
	/* Another place is news. */
	rp_map_range(&map, 0x12000, 0x50000, 0x1000);
	assert_int_equal(rp_address_now(&map, 0x12000), 0x50000);
}

static void ranges_at_the_end_of_all(void **state)
{
	(void)state;
	rp_map_range(&map, UINT64_MAX - 0xff, 0x1000, UINT64_MAX);
	assert_int_equal(rp_address_now(&map, UINT64_MAX - 0xff), 0x1000);
	rp_map_range(&map, UINT64_MAX, 0x1000, 8);
	assert_int_equal(rp_address_now(&map, UINT64_MAX), 0x10ff);
}

static void handles_and_numbers(void **state)
{
	const uint64_t then = vg_handle_make(VG_HANDLE_CUmodule, 1, VG_HANDLE_EXECUTOR | 3);
	const uint64_t now = vg_handle_make(VG_HANDLE_CUmodule, 2, VG_HANDLE_EXECUTOR | 9);

	(void)state;
	rp_map_handle(&map, then, now);
	rp_map_number(&map, VG_HANDLE_CUtexObject, 5, 6);
	rp_map_number(&map, VG_HANDLE_CUsurfObject, 0x7f0000000005, 0x7f0000000006);
	assert_int_equal(rp_handle_now(&map, then), now);
	assert_int_equal(rp_handle_now(&map, now), now);
	assert_int_equal(rp_number_now(&map, VG_HANDLE_CUtexObject, 5), 6);
	assert_int_equal(rp_number_now(&map, VG_HANDLE_CUsurfObject, 5), 5);
	/* Where no type says what a word is, 5 may be anything. */
	assert_int_equal(rp_word_now(&map, 5), 5);
	assert_int_equal(rp_word_now(&map, 0x7f0000000005), 0x7f0000000006);
	assert_int_equal(rp_word_now(&map, then), now);
	for (uint64_t i = 1; i < 3000; i++)
		rp_map_handle(&map, i << 20, i << 21);
	for (uint64_t i = 1; i < 3000; i++)
		assert_int_equal(rp_handle_now(&map, i << 20), i << 21);
	rp_map_handle(&map, then, then);
	assert_int_equal(rp_handle_now(&map, then), then);
}

static void learn(unsigned int op, const void *args, size_t args_size, const void *then,
		  const void *now, size_t size)
{
	rp_learn(&map, op, (struct rp_bytes){args, args_size}, (struct rp_bytes){then, size},
		 (struct rp_bytes){now, size});
}

static void memory_is_learned(void **state)
{
	const struct vg_args_cuMemAlloc_v2 args = {.bytesize = 0x1000};
	const struct vg_ret_cuMemAlloc_v2 then = {.dptr = 0x200000000000},
					  now = {.dptr = 0x7f0000000000};
	struct vg_args_cuMemFree_v2 gone = {.dptr = 0x200000000000};
	uint64_t words[3] = {0x200000000800, 0x200000001001, 7};

	(void)state;
	learn(VG_OP_cuMemAlloc_v2, &args, sizeof(args), &then, &now, sizeof(then));
	rp_translate_args(&map, VG_OP_cuMemFree_v2, (uint8_t *)&gone, sizeof(gone));
	assert_int_equal(gone.dptr, 0x7f0000000000);
	rp_translate_words(&map, words, sizeof(words));
	assert_int_equal(words[0], 0x7f0000000800);
	assert_int_equal(words[1], 0x200000001001);
	assert_int_equal(words[2], 7);
}

/* The bytes of a global stand in the answer, those of rows in both. */
static void spans_are_found(void **state)
{
	const struct vg_args_cuMemAllocPitch_v2 pitch = {.WidthInBytes = 100, .Height = 4};
	const struct vg_ret_cuMemAllocPitch_v2 rows = {.dptr = 0x10000, .pPitch = 512},
					       rows_now = {.dptr = 0x20000, .pPitch = 512};
	struct vg_ret_cuModuleGetGlobal_v2 then, now;

	(void)state;
	memset(&then, 0, sizeof(then));
	then.dptr = 0x1000;
	then.bytes = 16;
	now = then;
	now.dptr = 0x3000;
	learn(VG_OP_cuModuleGetGlobal_v2, NULL, 0, &then, &now, sizeof(then));
	assert_int_equal(rp_address_now(&map, 0x100f), 0x300f);
	assert_int_equal(rp_address_now(&map, 0x1011), 0x1011);
	learn(VG_OP_cuMemAllocPitch_v2, &pitch, sizeof(pitch), &rows, &rows_now, sizeof(rows));
	assert_int_equal(rp_address_now(&map, 0x10000 + 2047), 0x20000 + 2047);
	assert_int_equal(rp_address_now(&map, 0x10000 + 2049), 0x10000 + 2049);
}

/* A launch: the function by its field, the parameters by their words. */
static void launches_are_translated(void **state)
{
	struct {
		struct vg_args_vgLaunch head;
		uint64_t params[3];
	} args;
	const uint64_t then = vg_handle_make(VG_HANDLE_CUfunction, 1, VG_HANDLE_EXECUTOR | 1);

	(void)state;
	rp_map_handle(&map, then, then + 16);
	rp_map_range(&map, 0x200000000000, 0x300000000000, 4096);
	memset(&args, 0, sizeof(args));
	args.head.func = then;
	args.head.gridX = 4096;
	args.head.size = sizeof(args.params);
	args.head.n_params = sizeof(args.params);
	args.params[0] = 0x200000000010;
	args.params[1] = 4096;
	args.params[2] = 0x200000000000;
	rp_translate_args(&map, VG_OP_vgLaunch, (uint8_t *)&args, sizeof(args));
	assert_int_equal(args.head.func, then + 16);
	assert_int_equal(args.head.gridX, 4096);
	assert_int_equal(args.params[0], 0x300000000010);
	assert_int_equal(args.params[1], 4096);
	assert_int_equal(args.params[2], 0x300000000000);
}

/* Encoded for the device, an address is none that could be found. */
static void opaque_bytes_are_replaced(void **state)
{
	struct vg_ret_vgTensorMapTiled then, now;
	uint8_t params[64 + sizeof(then.map) + 8];

	(void)state;
	memset(&then, 1, sizeof(then));
	memset(&now, 2, sizeof(now));
	learn(VG_OP_vgTensorMapTiled, NULL, 0, &then, &now, sizeof(then));
	memset(params, 9, sizeof(params));
	memcpy(params + 64, &then.map, sizeof(then.map));
	rp_translate_words(&map, params, sizeof(params));
	assert_int_equal(params[63], 9);
	assert_memory_equal(params + 64, &now.map, sizeof(now.map));
	assert_int_equal(params[64 + sizeof(then.map)], 9);
}

static void an_address_may_lack_zeros(void **state)
{
	const uint64_t then = 0x200000000010, now = 0x300000000010;
	uint8_t bytes[8 + 7];

	(void)state;
	rp_map_range(&map, 0x200000000000, 0x300000000000, 4096);
	memset(bytes, 9, sizeof(bytes));
	memcpy(bytes + 8, &then, 7);
	rp_translate_words(&map, bytes, sizeof(bytes));
	assert_memory_equal(bytes + 8, &now, 7);
	memcpy(bytes, &then, 5);
	rp_translate_words(&map, bytes, 5);
	assert_memory_equal(bytes, &then, 5);
}

/* Groups of multiprocessors: several in one answer, and one of them in a call. */
static void opaque_elements_are_replaced(void **state)
{
	struct groups {
		struct vg_ret_cuDevSmResourceSplitByCount head;
		CUdevResource group[2];
	} then = {.head = {.n_groups = 2, .nbGroups = 2}}, now = then;
	struct described {
		struct vg_args_cuDevResourceGenerateDesc head;
		CUdevResource resource[2];
	} args = {.head = {.n_resources = 2, .nbResources = 2}};

	(void)state;
	memset(&then.group[0], 1, sizeof(then.group[0]));
	memset(&then.group[1], 2, sizeof(then.group[1]));
	memset(&now.group[0], 3, sizeof(now.group[0]));
	memset(&now.group[1], 4, sizeof(now.group[1]));
	learn(VG_OP_cuDevSmResourceSplitByCount, NULL, 0, &then, &now, sizeof(then));
	args.resource[0] = then.group[1];
	args.resource[1] = then.group[0];
	rp_translate_args(&map, VG_OP_cuDevResourceGenerateDesc, (uint8_t *)&args, sizeof(args));
	assert_memory_equal(&args.resource[0], &now.group[1], sizeof(now.group[1]));
	assert_memory_equal(&args.resource[1], &now.group[0], sizeof(now.group[0]));
}

/* Nothing beyond the bytes is read, whatever they say. */
static void short_bytes(void **state)
{
	struct vg_args_vgLaunch args = {.n_params = UINT64_MAX, .n_attrs = 1ull << 60};
	const struct vg_ret_cuMemAlloc_v2 then = {.dptr = 1}, now = {.dptr = 2};

	(void)state;
	rp_map_range(&map, 0x200000000000, 0x300000000000, 4096);
	for (size_t size = 0; size <= sizeof(args); size++)
		rp_translate_args(&map, VG_OP_vgLaunch, (uint8_t *)&args, size);
	for (size_t size = 0; size < sizeof(then); size++)
		learn(VG_OP_cuMemAlloc_v2, NULL, 0, &then, &now, size);
	learn(VG_OP_cuMemAlloc_v2, NULL, 0, &then, &now, sizeof(then));
	assert_int_equal(rp_address_now(&map, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_move, begin, end),
		cmocka_unit_test_setup_teardown(the_latest_counts, begin, end),
		cmocka_unit_test_setup_teardown(parts_are_known, begin, end),
		cmocka_unit_test_setup_teardown(ranges_at_the_end_of_all, begin, end),
		cmocka_unit_test_setup_teardown(handles_and_numbers, begin, end),
		cmocka_unit_test_setup_teardown(memory_is_learned, begin, end),
		cmocka_unit_test_setup_teardown(spans_are_found, begin, end),
		cmocka_unit_test_setup_teardown(launches_are_translated, begin, end),
		cmocka_unit_test_setup_teardown(opaque_bytes_are_replaced, begin, end),
		cmocka_unit_test_setup_teardown(an_address_may_lack_zeros, begin, end),
		cmocka_unit_test_setup_teardown(opaque_elements_are_replaced, begin, end),
		cmocka_unit_test_setup_teardown(short_bytes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
