/* SPDX-License-Identifier: MIT */
/*
 * CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER: what NVIDIA's driver 580 made of these lists with two H100s, which is
 * all that is known of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "protocol/visible.h"

#define A "GPU-2c2ed233-a599-a2f2-96a9-897fd185c6fc"
#define B "GPU-036ea6d8-5838-f774-d757-7af9d2bc7819"

static const char *const uuids[] = {A, B};

/* Places as digits; - : cuInit fails. */
static const struct {
	const char *list, *chosen;
} cases[] = {
	{NULL, "01"},
	{"", ""},
	{"0", "0"},
	{"1", "1"},
	{"1,0", "10"},
	{"0,0", "-"},
	{"0,1,0", "-"},
	{"-1", ""},
	{"0,-1,1", "0"},
	{"5", ""},
	{"5,0", ""},
	{"0,5,1", "0"},
	{"+1", "1"},
	{"01", "1"},
	{"0x1", "0"},
	{"1gpu", "1"},
	{"1gpu,0x", "10"},
	{"abc", ""},
	{"0,abc", "0"},
	{" 1", "1"},
	{" 1 , 0 ", "10"},
	{",0", ""},
	{"0,,1", "0"},
	{"0,", "0"},
	{"\t1", "1"},
	{"\"1\"", ""},
	{"-0", "0"},
	{"0,-0", "-"},
	{"0;1", "0"},
	{"0 1", "0"},
	{"1,0,1", "-"},
	{"1,5,1", "1"},
	{"4294967297", "1"},
	{"2147483648", ""},
	{"99999999999999999999", ""},
	{"NoDevFiles", ""},
	{"none", ""},
	{"00000000:00:07.0", "0"},
	{A, "0"},
	{B "," A, "10"},
	{"GPU-2c2e", "0"},
	{"GPU-036ea6,GPU-2c2ed2", "10"},
	{"GPU", ""},
	{"GPU-", ""},
	{"GPU-,0", ""},
	{A "," A, "-"},
	{A ",GPU-2c2ed2", "-"},
	{A ",1", "0"},
	{"1," A, "1"},
	{"GPU-2C2ED233-A599-A2F2-96A9-897FD185C6FC", "0"},
	{"gpu-2c2ed233-a599-a2f2-96a9-897fd185c6fc", ""},
	{"2c2ed233-a599-a2f2-96a9-897fd185c6fc", ""}, /* number 2, which is not there */
	{" " A, ""},
	{A " ," B, "01"},
	{A ", " B, "0"},
	{A "0", "0"},
	{B ",GPU-ffff," A, "1"},
	{"GPU-ffff", ""},
	{"MIG-" A, ""},
	{"MIG-GPU-x/1/0", ""},
};

static void test_choose(void **state)
{
	unsigned int chosen[VG_VISIBLE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int count = vg_visible_choose(cases[i].list, uuids, 2, chosen);
		char text[8] = "-";

		for (int k = 0; k < count; k++)
			snprintf(text + k, sizeof(text) - (size_t)k, "%u", chosen[k]);
		if (!count)
			text[0] = '\0';
		if (strcmp(text, cases[i].chosen) != 0)
			print_error("%s: %s\n", cases[i].list ? cases[i].list : "(none)", text);
		assert_string_equal(text, cases[i].chosen);
	}
}

static void test_unknown_uuids(void **state)
{
	static const char *const some[] = {NULL, B};
	unsigned int chosen[VG_VISIBLE_MAX];

	(void)state;
	assert_int_equal(vg_visible_choose(A, NULL, 2, chosen), 0);
	assert_int_equal(vg_visible_choose("1", NULL, 2, chosen), 1);
	assert_int_equal(vg_visible_choose(B, some, 2, chosen), 1);
	assert_int_equal(chosen[0], 1);
	assert_int_equal(vg_visible_choose(A, some, 2, chosen), 0);
	assert_int_equal(vg_visible_choose("0", some, 0, chosen), 0);
	assert_int_equal(vg_visible_choose(NULL, some, 0, chosen), 0);
}

/* Longer than any host has: never beyond the room. */
static void test_long(void **state)
{
	unsigned int chosen[VG_VISIBLE_MAX];
	char list[8192] = "";
	size_t at = 0;

	(void)state;
	assert_int_equal(vg_visible_choose(NULL, NULL, 1000, chosen), VG_VISIBLE_MAX);
	for (unsigned int i = 0; i < 1000; i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%u", i ? "," : "", i);
	assert_int_equal(vg_visible_choose(list, NULL, 1000, chosen), VG_VISIBLE_MAX);
	memset(list, ',', sizeof(list) - 1);
	assert_int_equal(vg_visible_choose(list, NULL, 2, chosen), 0);
	memset(list, 'f', sizeof(list) - 1);
	for (size_t i = 0; i < 4; i++)
		list[i] = A[i];
	assert_int_equal(vg_visible_choose(list, uuids, 2, chosen), 0);
}

static void test_order(void **state)
{
	bool by_bus = true;

	(void)state;
	assert_true(vg_visible_order(NULL, &by_bus) && !by_bus);
	assert_true(vg_visible_order("", &by_bus) && !by_bus);
	assert_true(vg_visible_order("FASTEST_FIRST", &by_bus) && !by_bus);
	assert_true(vg_visible_order("PCI_BUS_ID", &by_bus) && by_bus);
	assert_false(vg_visible_order("nonsense", &by_bus));
	assert_true(vg_visible_numbers("1,0") && vg_visible_numbers("") && !vg_visible_numbers(A) &&
		    !vg_visible_numbers("MIG-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_unknown_uuids),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
