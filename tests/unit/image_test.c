/* SPDX-License-Identifier: MIT */
/*
 * protocol/image.c: hand-built images always, nvcc's where there is one. Every image
 * is placed at the end of a mapping whose next page is not accessible, so that a read beyond the
 * limit is a crash, and then is cut and damaged.
 */
#include "protocol/image.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const char ptx_text[] = "\n// c\n.version 7.0\n.target sm_75\n.address_size 64\n";

/* A copy of the bytes that ends where accessible memory ends; never freed, the tests are short. */
static unsigned char *at_edge(const void *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped = (size + page - 1) / page * page + page;
	unsigned char *map =
		mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + mapped - page, page, PROT_NONE), 0);
	return memcpy(map + mapped - page - size, bytes, size);
}

static void put(unsigned char *at, uint64_t value, size_t bytes)
{
	memcpy(at, &value, bytes); /* little endian, as the formats are */
}

/* An entry with a 64-byte header; returns its end. */
static unsigned char *put_entry(unsigned char *at, unsigned int kind, uint64_t flags,
				const void *payload, size_t stored, size_t padded, size_t full)
{
	memset(at, 0, 64 + padded);
	put(at, kind, 2);
	put(at + 2, 0x101, 2);
	put(at + 4, 64, 4);
	put(at + 8, padded, 8);
	put(at + 28, 75, 4);
	put(at + 40, flags, 8);
	if (flags) {
		put(at + 16, stored, 4);
		put(at + 56, full, 8);
	}
	memcpy(at + 64, payload, stored);
	return at + 64 + padded;
}

static size_t build_fatbin(unsigned char *out)
{
	unsigned char *end = out + 16;

	end = put_entry(end, VG_FATBIN_PTX, 0, ptx_text, sizeof(ptx_text), 56, 0);
	end = put_entry(end, VG_FATBIN_ELF, VG_FATBIN_ZSTD, "abcde", 5, 8, 4096);
	put(out, 0xBA55ED50, 4);
	put(out + 4, 1, 2);
	put(out + 6, 16, 2);
	put(out + 8, (uint64_t)(end - out) - 16, 8);
	return (size_t)(end - out);
}

static size_t build_elf(unsigned char *out, size_t room)
{
	Elf64_Ehdr header = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_shoff = 64,
		.e_shnum = 4,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_phoff = 64 + 4 * sizeof(Elf64_Shdr),
		.e_phnum = 1,
		.e_phentsize = sizeof(Elf64_Phdr),
	};
	Elf64_Shdr sections[4] = {
		{.sh_type = SHT_PROGBITS, .sh_offset = 500, .sh_size = 100},
		{.sh_type = SHT_NOBITS, .sh_offset = 500, .sh_size = 1u << 30},
		{.sh_type = 0x70000007, .sh_offset = 500, .sh_size = 1u << 30},
		{.sh_type = 0x7000000a, .sh_offset = 500, .sh_size = 1u << 30},
	};
	Elf64_Phdr segment = {.p_offset = 600, .p_filesz = 24, .p_memsz = 1u << 30};

	memset(out, 0, room);
	memcpy(out, &header, sizeof(header));
	memcpy(out + header.e_shoff, sections, sizeof(sections));
	memcpy(out + header.e_phoff, &segment, sizeof(segment));
	return 624;
}

static void text_ends_at_its_nul(void **state)
{
	unsigned char *at = at_edge(ptx_text, sizeof(ptx_text));
	enum vg_image_kind kind;
	size_t size = 0;

	(void)state;
	assert_int_equal(vg_image_size(at, VG_IMAGE_MAX, &size, &kind), 0);
	assert_int_equal(size, sizeof(ptx_text));
	assert_int_equal(kind, VG_IMAGE_PTX);
	assert_int_equal(vg_image_size(at, sizeof(ptx_text) - 1, &size, &kind), -EMSGSIZE);
}

static void what_is_no_image_is_refused(void **state)
{
	static const char *const bad[] = {"", "hello", "MZ..", "\177ELX"};
	struct vg_image image;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(vg_image_size(bad[i], strlen(bad[i]) + 1, &size, NULL), -ENODATA);
		assert_int_equal(vg_image_open(bad[i], strlen(bad[i]) + 1, &image), -ENODATA);
	}
	assert_int_equal(vg_image_size(NULL, 100, &size, NULL), -ENODATA);
	assert_int_equal(vg_image_open(NULL, 100, &image), -EINVAL);
	assert_int_equal(vg_image_size("x", 0, &size, NULL), -ENODATA);
}

static void elf_ends_at_its_last_stored_byte(void **state)
{
	unsigned char bytes[1024], *at;
	size_t made = build_elf(bytes, sizeof(bytes)), size;
	enum vg_image_kind kind;

	(void)state;
	at = at_edge(bytes, made);
	assert_int_equal(vg_image_size(at, VG_IMAGE_MAX, &size, &kind), 0);
	assert_int_equal(size, made);
	assert_int_equal(kind, VG_IMAGE_ELF);
	for (size_t cut = 0; cut < made; cut++) {
		assert_int_not_equal(vg_image_size(bytes, cut, &size, NULL), 0);
	}
}

static void elf_with_overflowing_offsets_is_refused(void **state)
{
	unsigned char bytes[1024];
	size_t size;

	(void)state;
	build_elf(bytes, sizeof(bytes));
	put(bytes + offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX - 8, 8);
	assert_int_equal(vg_image_size(bytes, sizeof(bytes), &size, NULL), -EMSGSIZE);
	build_elf(bytes, sizeof(bytes));
	put(bytes + 64 + offsetof(Elf64_Shdr, sh_offset), UINT64_MAX - 50, 8);
	assert_int_equal(vg_image_size(bytes, sizeof(bytes), &size, NULL), -EMSGSIZE);
	build_elf(bytes, sizeof(bytes));
	put(bytes + offsetof(Elf64_Ehdr, e_shentsize), 1, 2);
	assert_int_equal(vg_image_size(bytes, sizeof(bytes), &size, NULL), -EBADMSG);
	build_elf(bytes, sizeof(bytes));
	bytes[EI_CLASS] = ELFCLASS32;
	assert_int_equal(vg_image_size(bytes, sizeof(bytes), &size, NULL), -EBADMSG);
}

static void fatbin_entries_are_found(void **state)
{
	unsigned char bytes[512], *at;
	size_t made = build_fatbin(bytes), size, cursor = 0;
	struct vg_fatbin_entry entry;

	(void)state;
	at = at_edge(bytes, made);
	assert_int_equal(vg_image_size(at, VG_IMAGE_MAX, &size, NULL), 0);
	assert_int_equal(size, made);
	assert_int_equal(vg_fatbin_next(at, size, &cursor, &entry), 1);
	assert_int_equal(entry.kind, VG_FATBIN_PTX);
	assert_int_equal(entry.arch, 75);
	assert_int_equal(entry.stored, 56);
	assert_string_equal(entry.data, ptx_text);
	assert_int_equal(vg_fatbin_next(at, size, &cursor, &entry), 1);
	assert_int_equal(entry.kind, VG_FATBIN_ELF);
	assert_int_equal(entry.stored, 5);
	assert_int_equal(entry.size, 4096);
	assert_memory_equal(entry.data, "abcde", 5);
	assert_int_equal(vg_fatbin_next(at, size, &cursor, &entry), 0);
}

static void fatbin_that_contradicts_itself_is_refused(void **state)
{
	unsigned char bytes[512];
	size_t made = build_fatbin(bytes), size, cursor = 0;
	struct vg_fatbin_entry entry;

	(void)state;
	assert_int_equal(vg_image_size(bytes, made - 1, &size, NULL), -EMSGSIZE);
	put(bytes + 16 + 8, UINT64_MAX - 32, 8); /* the payload's size */
	assert_int_equal(vg_fatbin_next(bytes, made, &cursor, &entry), -EBADMSG);
	build_fatbin(bytes);
	put(bytes + 16 + 4, 8, 4); /* the entry's header is too small */
	cursor = 0;
	assert_int_equal(vg_fatbin_next(bytes, made, &cursor, &entry), -EBADMSG);
	put(bytes + 8, UINT64_MAX, 8);
	assert_int_equal(vg_image_size(bytes, made, &size, NULL), -EMSGSIZE);
	build_fatbin(bytes);
	put(bytes + 6, 4, 2);
	assert_int_equal(vg_image_size(bytes, made, &size, NULL), -EBADMSG);
}

struct wrapper {
	uint32_t magic, version;
	const void *data;
	const void *more;
};

static void wrapper_names_its_parts(void **state)
{
	unsigned char bytes[512];
	size_t made = build_fatbin(bytes);
	const void *more[] = {bytes, bytes, NULL};
	struct wrapper wrapper = {0x466243b1, 1, bytes, more};
	struct vg_image_part part;
	struct vg_image image;

	(void)state;
	assert_int_equal(vg_image_open(&wrapper, VG_IMAGE_MAX, &image), 0);
	assert_int_equal(image.kind, VG_IMAGE_WRAPPER);
	assert_int_equal(image.count, 1); /* version 1: the last pointer means nothing */
	assert_int_equal(vg_image_part(&image, 0, &part), 0);
	assert_int_equal(part.size, made);
	assert_ptr_equal(part.data, bytes);
	assert_int_equal(vg_image_part(&image, 1, &part), -ENOENT);

	wrapper.version = 2;
	wrapper.data = NULL;
	assert_int_equal(vg_image_open(&wrapper, VG_IMAGE_MAX, &image), 0);
	assert_int_equal(image.count, 3);
	assert_int_equal(vg_image_part(&image, 0, &part), 0);
	assert_null(part.data);
	assert_int_equal(vg_image_part(&image, 2, &part), 0);
	assert_int_equal(part.size, made);
	wrapper.version = 1;
	assert_int_equal(vg_image_open(&wrapper, VG_IMAGE_MAX, &image), -EINVAL);
}

/* What can be said of any bytes: a size within the limit or an error, entries within the size. */
static void look_at(const unsigned char *bytes, size_t limit)
{
	struct vg_fatbin_entry entry;
	size_t size = 0, cursor = 0;
	enum vg_image_kind kind;
	int rc;

	if (vg_image_size(bytes, limit, &size, &kind) < 0)
		return;
	assert_true(size <= limit);
	if (kind != VG_IMAGE_FATBIN)
		return;
	while ((rc = vg_fatbin_next(bytes, size, &cursor, &entry)) > 0) {
		const unsigned char *data = entry.data;

		assert_true(data >= bytes && entry.stored <= size);
		assert_true(data + entry.stored <= bytes + size);
	}
	assert_true(rc == 0 || rc == -EBADMSG);
}

/* The same numbers in every run, so that what one finds another finds again (xorshift). */
static uint32_t next_random(void)
{
	static uint32_t word = 20;

	word ^= word << 13;
	word ^= word >> 17;
	word ^= word << 5;
	return word;
}

static void damage(const unsigned char *bytes, size_t made, unsigned int rounds)
{
	unsigned char *at = at_edge(bytes, made);

	for (unsigned int i = 0; i < rounds; i++) {
		size_t limit = next_random() % made + 1;
		unsigned char *end = at + made - limit;

		memcpy(end, bytes, limit);
		for (int n = (int)(next_random() % 4); n >= 0; n--)
			end[next_random() % limit] =
				(unsigned char)(next_random() & 1 ? next_random() : 0xff);
		look_at(end, limit);
		memcpy(at, bytes, made);
		for (int n = (int)(next_random() % 3); n >= 0; n--)
			at[next_random() % made] =
				(unsigned char)(next_random() & 1 ? next_random() : 0xff);
		look_at(at, made);
	}
}

static void damaged_images_stay_in_bounds(void **state)
{
	unsigned char bytes[1024];

	(void)state;
	damage(bytes, build_fatbin(bytes), 200000);
	damage(bytes, build_elf(bytes, sizeof(bytes)), 200000);
	memcpy(bytes, ptx_text, sizeof(ptx_text));
	damage(bytes, sizeof(ptx_text), 20000);
}

static void look_at_file(const char *path)
{
	static unsigned char bytes[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t made, size = 0, cursor = 0;
	unsigned int kinds[2] = {0, 0};
	struct vg_fatbin_entry entry;

	assert_non_null(file);
	made = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(vg_image_size(bytes, sizeof(bytes), &size, NULL), 0);
	assert_int_equal(size, made);
	while (vg_fatbin_next(bytes, size, &cursor, &entry) == 1)
		kinds[entry.kind == VG_FATBIN_ELF]++;
	assert_int_equal(cursor, size);
	assert_true(kinds[0] == 1 && kinds[1] == 1);
	damage(bytes, made, 2000);
}

/* $NVCC, as the makefile finds it, packs a kernel in each of its ways. */
static void nvcc_fatbins_are_read(void **state)
{
	static const char *const ways[] = {"-compress=false", "-compress-all",
					   "-compress-all,-compress-mode=speed"};
	const char *nvcc = getenv("NVCC");
	char folder[] = "/tmp/vgpu-image-XXXXXX", command[1024], path[64];

	(void)state;
	if (!nvcc || !*nvcc) {
		print_message("no nvcc: its fatbins are not looked at\n");
		skip();
	}
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/k.fatbin", folder);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		snprintf(command, sizeof(command),
			 "cd %s && echo '__global__ void k(int *p) { *p = 1; }' >k.cu && '%s' "
			 "-fatbin -Xfatbin %s -gencode arch=compute_75,code=compute_75 "
			 "-gencode arch=compute_90,code=sm_90 -o k.fatbin k.cu",
			 folder, nvcc, ways[i]);
		assert_int_equal(system(command), 0);
		look_at_file(path);
	}
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_ends_at_its_nul),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(elf_ends_at_its_last_stored_byte),
		cmocka_unit_test(elf_with_overflowing_offsets_is_refused),
		cmocka_unit_test(fatbin_entries_are_found),
		cmocka_unit_test(fatbin_that_contradicts_itself_is_refused),
		cmocka_unit_test(wrapper_names_its_parts),
		cmocka_unit_test(damaged_images_stay_in_bounds),
		cmocka_unit_test(nvcc_fatbins_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
