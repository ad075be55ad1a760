/* SPDX-License-Identifier: MIT */
/* MD2 and HMAC over it, and the checksum of the runtime's self-test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/integrity.h"
#include "protocol/md2.h"

static void hex(const uint8_t digest[VG_MD2_SIZE], char text[33])
{
	for (unsigned int i = 0; i < VG_MD2_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* RFC 1319, appendix A.5. */
static void md2_suite(void **state)
{
	static const char *const suite[][2] = {
		{"", "8350e5a3e24c153df2275c9f80692773"},
		{"a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"},
		{"abc", "da853b0d3f88d99b30283a69e6ded6bb"},
		{"message digest", "ab4f496bfb2a530b219ff33031fe06b0"},
		{"abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		 "da33def2a42df13975352846c30338cd"},
		{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		 "d5976f79d83d3a0dc9806c3c66f3efd8"},
	};
	uint8_t digest[VG_MD2_SIZE];
	struct vg_md2 md2;
	char text[33];

	(void)state;
	for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++) {
		vg_md2_start(&md2);
		vg_md2_add(&md2, suite[i][0], strlen(suite[i][0]));
		vg_md2_end(&md2, digest);
		hex(digest, text);
		assert_string_equal(text, suite[i][1]);
	}
}

/* RFC 2104 written out: H(key ^ opad, H(key ^ ipad, text)), with MD2's block of 16 bytes. */
static void hmac_is_its_definition(void **state)
{
	static const char data[] = "what do ya want for nothing?";
	uint8_t key[16] = {'J', 'e', 'f', 'e'}, inner[16], outer[16], digest[16], got[16];
	struct vg_hmac_md2 hmac;
	struct vg_md2 md2;

	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		inner[i] = key[i] ^ 0x36;
		outer[i] = key[i] ^ 0x5c;
	}
	vg_md2_start(&md2);
	vg_md2_add(&md2, inner, 16);
	vg_md2_add(&md2, data, sizeof(data) - 1);
	vg_md2_end(&md2, digest);
	vg_md2_start(&md2);
	vg_md2_add(&md2, outer, 16);
	vg_md2_add(&md2, digest, 16);
	vg_md2_end(&md2, digest);
	vg_hmac_md2_start(&hmac, "Jefe", 4);
	for (size_t i = 0; i < sizeof(data) - 1; i++)
		vg_hmac_md2_add(&hmac, data + i, 1);
	vg_hmac_md2_end(&hmac, got);
	assert_memory_equal(got, digest, 16);
}

/* Computed by another implementation over the same fields. */
static void whole_checksum(void **state)
{
	struct vg_integrity facts = {
		.driver_version = 13000,
		.version = 13002,
		.pid = 4711,
		.thread = 0x89abcdef,
		.cudart_table = (const void *)0x7f0011223300,
		.integrity_table = (const void *)0x7f0011224400,
		.function = (const void *)0x7f0011225500,
		.seconds = 1700000000,
	};
	struct vg_integrity_device device = {
		.uuid = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		.domain = 0,
		.bus = 51,
		.device = 0,
	};
	uint64_t out[2];
	char text[33];

	(void)state;
	vg_integrity_sum(&facts, &device, 1, out);
	hex((const uint8_t *)out, text);
	assert_string_equal(text, "4fa97272322fe73e778388a6b51691cf");
	vg_integrity_sum(&facts, &device, 0, out);
	hex((const uint8_t *)out, text);
	assert_string_equal(text, "aeceadd096eb8d0666dd06608a0ad699");
	facts.version = 13000;
	vg_integrity_sum(&facts, &device, 1, out);
	assert_true(out[0] == UINT64_C(0x3341181C03CB675C) &&
		    out[1] == UINT64_C(0x8ED383AA1F4CD1E8));
	facts.version = 13001;
	vg_integrity_sum(&facts, &device, 1, out);
	assert_true(out[0] == UINT64_C(0x1841181C03CB675C) &&
		    out[1] == UINT64_C(0x8ED383AA1F4CD1E8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(md2_suite),
		cmocka_unit_test(hmac_is_its_definition),
		cmocka_unit_test(whole_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
