/* SPDX-License-Identifier: MIT */
/* dom0-executor/soft/fatbin.c: which text is taken, compressed in each way, and damaged. */
#include "dom0-executor/soft/fatbin.h"
#include "dom0-executor/soft/device.h"
#include "protocol/image.h"

#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

static const char old_text[] = ".version 6.0\n.target sm_50\n.address_size 64\n// old\n";
static const char new_text[] =
	".version 8.0\n.target sm_90\n.address_size 64\n// new new new new\n";
static const char next_text[] = ".version 9.0\n.target sm_100\n.address_size 64\n// too new\n";

void soft_log_error(const char *format, ...)
{
	(void)format;
}

struct builder {
	unsigned char bytes[4096];
	size_t used;
};

static void put(unsigned char *at, uint64_t value, size_t bytes)
{
	memcpy(at, &value, bytes);
}

static void start(struct builder *fatbin)
{
	memset(fatbin, 0, sizeof(*fatbin));
	put(fatbin->bytes, 0xBA55ED50, 4);
	put(fatbin->bytes + 4, 1, 2);
	put(fatbin->bytes + 6, 16, 2);
	fatbin->used = 16;
}

/* Append a text for an architecture; flags: 0, VG_FATBIN_LZ4 or VG_FATBIN_ZSTD. */
static void add(struct builder *fatbin, unsigned int kind, unsigned int arch, uint64_t flags,
		const char *text)
{
	unsigned char *entry = fatbin->bytes + fatbin->used;
	char *payload = (char *)entry + 64;
	size_t room = sizeof(fatbin->bytes) - fatbin->used - 64;
	size_t size = strlen(text) + 1, stored = size;

	if (flags == VG_FATBIN_LZ4)
		stored = (size_t)LZ4_compress_default(text, payload, (int)size, (int)room);
	else if (flags == VG_FATBIN_ZSTD)
		stored = ZSTD_compress(payload, room, text, size, 3);
	else
		memcpy(payload, text, size);
	put(entry, kind, 2);
	put(entry + 2, 0x101, 2);
	put(entry + 4, 64, 4);
	put(entry + 8, (stored + 7) & ~(size_t)7, 8);
	put(entry + 16, flags ? stored : 0, 4);
	put(entry + 28, arch, 4);
	put(entry + 40, flags, 8);
	put(entry + 56, flags ? size : 0, 8);
	fatbin->used += 64 + ((stored + 7) & ~(size_t)7);
	put(fatbin->bytes + 8, fatbin->used - 16, 8);
}

static void newest_text_that_we_are_is_taken(void **state)
{
	static const uint64_t ways[] = {0, VG_FATBIN_LZ4, VG_FATBIN_ZSTD};
	struct builder fatbin;
	struct soft_texts texts;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		start(&fatbin);
		add(&fatbin, VG_FATBIN_PTX, 50, ways[i], old_text);
		add(&fatbin, VG_FATBIN_PTX, 90, ways[i], new_text);
		add(&fatbin, VG_FATBIN_PTX, 100, ways[i], next_text);
		add(&fatbin, VG_FATBIN_ELF, 90, 0, "not PTX");
		assert_int_equal(texts_of_image(fatbin.bytes, fatbin.used, &texts), CUDA_SUCCESS);
		assert_int_equal(texts.count, 1);
		assert_string_equal(texts.at[0].text, new_text);
		assert_int_equal(texts.at[0].length, strlen(new_text));
		texts_free(&texts);
		texts_free(&texts);
	}
}

static void machine_code_alone_is_refused(void **state)
{
	struct soft_texts texts;
	struct builder fatbin;

	(void)state;
	start(&fatbin);
	add(&fatbin, VG_FATBIN_ELF, 90, 0, "code");
	add(&fatbin, VG_FATBIN_PTX, 100, 0, next_text);
	assert_int_equal(texts_of_image(fatbin.bytes, fatbin.used, &texts),
			 CUDA_ERROR_NO_BINARY_FOR_GPU);
	assert_int_equal(texts_of_image("rubbish", 8, &texts), CUDA_ERROR_INVALID_IMAGE);
}

static void linked_programs_have_many_texts(void **state)
{
	struct {
		uint32_t magic, version;
		const void *data, *more;
	} wrapper = {0x466243b1, 2, NULL, NULL};
	struct builder first, second, code;
	const void *list[] = {first.bytes, code.bytes, second.bytes, NULL};
	struct soft_texts texts;

	(void)state;
	start(&first);
	add(&first, VG_FATBIN_PTX, 75, VG_FATBIN_ZSTD, old_text);
	start(&second);
	add(&second, VG_FATBIN_PTX, 75, VG_FATBIN_LZ4, new_text);
	start(&code);
	add(&code, VG_FATBIN_ELF, 90, 0, "code");
	wrapper.data = code.bytes; /* the device linker's output is machine code alone */
	wrapper.more = list;
	assert_int_equal(texts_of_image(&wrapper, sizeof(wrapper), &texts), CUDA_SUCCESS);
	assert_int_equal(texts.count, 2);
	assert_string_equal(texts.at[0].text, old_text);
	assert_string_equal(texts.at[1].text, new_text);
	texts_free(&texts);
}

static void borders_part_texts(void **state)
{
	static const char text[] = "// a" SOFT_TEXT_BORDER "// b" SOFT_TEXT_BORDER "// c";
	struct soft_texts texts;

	(void)state;
	assert_int_equal(texts_of_image(text, sizeof(text), &texts), CUDA_SUCCESS);
	assert_int_equal(texts.count, 3);
	assert_string_equal(texts.at[1].text, "// b");
	texts_free(&texts);
}

static void claimed_sizes_are_not_believed(void **state)
{
	static const uint64_t claims[] = {1, 60, 1000, UINT32_MAX, UINT64_MAX};
	static const uint64_t ways[] = {VG_FATBIN_LZ4, VG_FATBIN_ZSTD};
	struct soft_texts texts;
	struct builder fatbin;

	(void)state;
	for (size_t way = 0; way < 2; way++) {
		for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
			start(&fatbin);
			add(&fatbin, VG_FATBIN_PTX, 90, ways[way], new_text);
			put(fatbin.bytes + 16 + 56, claims[i], 8);
			assert_int_equal(texts_of_image(fatbin.bytes, fatbin.used, &texts),
					 CUDA_ERROR_INVALID_IMAGE);
		}
	}
}

/* The same numbers in every run, so that what one finds another finds again (xorshift). */
static uint32_t next_random(void)
{
	static uint32_t word = 7;

	word ^= word << 13;
	word ^= word >> 17;
	word ^= word << 5;
	return word;
}

static void damaged_fatbins_do_no_harm(void **state)
{
	static const uint64_t ways[] = {0, VG_FATBIN_LZ4, VG_FATBIN_ZSTD};
	struct soft_texts texts;
	unsigned char *bytes;
	struct builder fatbin;

	(void)state;
	for (int round = 0; round < 60000; round++) {
		start(&fatbin);
		add(&fatbin, VG_FATBIN_PTX, 90, ways[round % 3], new_text);
		for (int n = (int)(next_random() % 4); n >= 0; n--)
			fatbin.bytes[next_random() % fatbin.used] = (unsigned char)next_random();
		bytes = malloc(fatbin.used); /* exactly: a sanitizer sees any byte beyond */
		assert_non_null(bytes);
		memcpy(bytes, fatbin.bytes, fatbin.used);
		if ((bytes[0] | bytes[1] << 8) ==
		    0xed50) /* a wrapper's pointers are its process's */
			(void)texts_of_image(bytes, fatbin.used, &texts);
		else
			texts = (struct soft_texts){0};
		texts_free(&texts);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_text_that_we_are_is_taken),
		cmocka_unit_test(machine_code_alone_is_refused),
		cmocka_unit_test(linked_programs_have_many_texts),
		cmocka_unit_test(borders_part_texts),
		cmocka_unit_test(claimed_sizes_are_not_believed),
		cmocka_unit_test(damaged_fatbins_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
