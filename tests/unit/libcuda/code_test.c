/* SPDX-License-Identifier: MIT */
/* The compute cache: which images it is for, what tells entries apart, and its files. A fake executor compiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dirent.h>

#include <cmocka.h>

#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/code.h"
#include "xen-frontend/libcuda/session.h"

#include "tests/unit/libcuda/fake.h"
#include "tests/unit/libcuda/fake_link.h"

/* An entry's head: magic, size, SHA-256. */
#define HEAD 48

static const char ptx[] = ".version 7.0\n.target sm_52\n.address_size 64\n";
static const char code[] = ".version 9.0 // as if it were machine code\n";
static char path[] = "/tmp/libcuda-code-test-XXXXXX";
static char folder[sizeof(path) + 8];

static void files_remove(void)
{
	char name[512];
	struct dirent *file;
	DIR *dir = opendir(folder);

	while (dir && (file = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%.300s", folder, file->d_name);
		if (file->d_name[0] != '.' || !strncmp(file->d_name, ".new-", 5))
			assert_int_equal(unlink(name), 0);
	}
	if (dir)
		closedir(dir);
}

static unsigned int files_count(char *last, size_t size)
{
	unsigned int count = 0;
	struct dirent *file;
	DIR *dir = opendir(folder);

	while (dir && (file = readdir(dir))) {
		if (file->d_name[0] == '.')
			continue;
		count++;
		if (last)
			snprintf(last, size, "%s/%.300s", folder, file->d_name);
	}
	if (dir)
		closedir(dir);
	return count;
}

static int setup(void **state)
{
	(void)state;
	fake_reset(1);
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR] = 8;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR] = 6;
	fe_session.info.driver_id[0] = 1;
	fe_session.info.driver_version = 13000;
	fe_session.channel.jit = 0;
	fake_link = (struct fake_link){.code = code};
	files_remove();
	return 0;
}

static bool key_of(const void *data, size_t size, unsigned int count, const CUjit_option *options,
		   void *const *values, struct fe_jit_key *key)
{
	struct fe_image image = {data, size, NULL};
	struct fe_jit jit;
	bool keyed;

	assert_int_equal(fe_jit_open(&jit, count, options, values), CUDA_SUCCESS);
	keyed = fe_code_key(&image, &jit, 0, key);
	fe_jit_close(&jit);
	return keyed;
}

static bool text_key(struct fe_jit_key *key)
{
	return key_of(ptx, sizeof(ptx), 0, NULL, NULL, key);
}

/* --- fatbins ---------------------------------------------------------------------------------- */

struct fatbin {
	uint32_t magic;
	uint16_t version, header_size;
	uint64_t size;
	uint8_t entries[4 * 80];
};

/* Kind and architecture of up to four entries, 0 at their end. */
static bool is_compiled(const unsigned int (*entries)[2])
{
	struct fatbin fatbin = {0xBA55ED50, 1, 16, 0, {0}};
	struct fe_jit_key key;

	for (unsigned int i = 0; i < 4 && entries[i][0]; i++) {
		uint8_t *at = fatbin.entries + fatbin.size;
		uint64_t payload = 16;
		uint32_t head = 64;

		memcpy(at, &(uint16_t){(uint16_t)entries[i][0]}, 2);
		memcpy(at + 4, &head, 4);
		memcpy(at + 8, &payload, 8);
		memcpy(at + 28, &entries[i][1], 4);
		fatbin.size += head + payload;
	}
	return key_of(&fatbin, 16 + fatbin.size, 0, NULL, NULL, &key);
}

static void which_fatbins(void **state)
{
	(void)state;
	assert_true(is_compiled((unsigned int[][2]){{1, 70}, {0, 0}}));
	assert_true(is_compiled((unsigned int[][2]){{2, 75}, {1, 80}, {0, 0}}));
	assert_true(is_compiled((unsigned int[][2]){{2, 90}, {2, 89}, {1, 86}, {0, 0}}));
	/* Machine code that the device (8.6) takes. */
	assert_false(is_compiled((unsigned int[][2]){{2, 86}, {1, 80}, {0, 0}}));
	assert_false(is_compiled((unsigned int[][2]){{1, 80}, {2, 80}, {0, 0}}));
	/* PTX of a newer one, none, and something of another kind. */
	assert_false(is_compiled((unsigned int[][2]){{1, 90}, {0, 0}}));
	assert_false(is_compiled((unsigned int[][2]){{2, 75}, {0, 0}}));
	assert_false(is_compiled((unsigned int[][2]){{1, 80}, {16, 80}, {0, 0}}));
	assert_false(is_compiled((unsigned int[][2]){{0, 0}}));
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool key_differs(const struct fe_jit_key *from)
{
	struct fe_jit_key key;

	assert_true(text_key(&key));
	return memcmp(from, &key, sizeof(key)) != 0;
}

static void what_tells_entries_apart(void **state)
{
	CUjit_option level[] = {CU_JIT_OPTIMIZATION_LEVEL};
	void *values[] = {(void *)2};
	struct fe_jit_key first, other;

	(void)state;
	assert_true(text_key(&first));
	assert_false(key_differs(&first));
	fe_session.info.driver_id[31] ^= 1;
	assert_true(key_differs(&first));
	fe_session.info.driver_id[31] ^= 1;
	fe_session.info.driver_version++;
	assert_true(key_differs(&first));
	fe_session.info.driver_version--;
	assert_true(key_of(ptx, sizeof(ptx), 1, level, values, &other));
	assert_memory_not_equal(&first, &other, sizeof(other));
	values[0] = (void *)3;
	assert_true(key_of(ptx, sizeof(ptx), 1, level, values, &first));
	assert_memory_not_equal(&first, &other, sizeof(other));
}

static void what_is_left_alone(void **state)
{
	char log[16];
	CUjit_option verbose[] = {CU_JIT_LOG_VERBOSE}, wall[] = {CU_JIT_WALL_TIME};
	CUjit_option logs[] = {CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)sizeof(log)};
	void *yes[] = {(void *)1}, *no[] = {NULL};
	struct fe_jit_key key, plain;

	(void)state;
	assert_true(text_key(&plain));
	assert_false(key_of(ptx, sizeof(ptx), 1, verbose, yes, &key));
	assert_false(key_of(ptx, sizeof(ptx), 1, wall, no, &key));
	assert_true(key_of(ptx, sizeof(ptx), 1, verbose, no, &key));
	/* A place for logs makes no other code. */
	assert_true(key_of(ptx, sizeof(ptx), 2, logs, values, &key));
	assert_memory_equal(&plain, &key, sizeof(key));
	fe_session.channel.jit = VG_JIT_FORCE_PTX;
	assert_false(text_key(&key));
	fe_session.channel.jit = 0;
	memset(fe_session.info.driver_id, 0, sizeof(fe_session.info.driver_id));
	assert_false(text_key(&key));
}

/* --- files ------------------------------------------------------------------------------------ */

static void module_from_cache(unsigned int compiled_before, unsigned int compiled_after)
{
	CUmodule module = NULL;

	fake.image_size = 0;
	assert_int_equal(fake_link.completed, compiled_before);
	assert_int_equal(fe_cuModuleLoadData(&module, ptx), CUDA_SUCCESS);
	assert_non_null(module);
	assert_int_equal(fake_link.completed, compiled_after);
	assert_int_equal(fake_link.open, 0);
	assert_int_equal(fake.image_size, sizeof(code));
	assert_memory_equal(fake.image, code, sizeof(code));
}

static int retain_context(void **state)
{
	CUcontext context;

	setup(state);
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
	return fe_cuCtxSetCurrent(context);
}

static void compiled_once(void **state)
{
	char name[512];
	struct stat status;

	(void)state;
	module_from_cache(0, 1);
	assert_int_equal(files_count(name, sizeof(name)), 1);
	assert_int_equal(stat(name, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, HEAD + sizeof(code));
	assert_int_equal(stat(folder, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	module_from_cache(1, 1);
	assert_int_equal(fake_link.type, CU_JIT_INPUT_PTX);
}

static void damaged(void **state)
{
	char name[512];

	(void)state;
	module_from_cache(0, 1);
	assert_int_equal(files_count(name, sizeof(name)), 1);
	for (unsigned int i = 0; i < 3; i++) {
		FILE *file = fopen(name, "r+");

		assert_non_null(file);
		assert_int_equal(fseek(file, i < 2 ? (long)(i * 50) : 0, SEEK_SET), 0);
		assert_int_equal(fputc('X', file), 'X');
		if (i == 2)
			assert_int_equal(ftruncate(fileno(file), 1), 0);
		assert_int_equal(fclose(file), 0);
		module_from_cache(1 + i, 2 + i);
		module_from_cache(2 + i, 2 + i);
	}
}

static void not_to_be_compiled(void **state)
{
	CUmodule module = NULL;

	(void)state;
	fake_link.result = CUDA_ERROR_INVALID_PTX;
	assert_int_equal(fe_cuModuleLoadData(&module, ptx), CUDA_SUCCESS);
	assert_int_equal(fake.image_size, sizeof(ptx)); /* as it is */
	assert_int_equal(fake_link.open, 0);
	assert_int_equal(files_count(NULL, 0), 0);
}

/* The linker is told of an architecture only if it failed without. */
static void for_one_architecture(void **state)
{
	static const char special[] = ".version 8.0\n.target sm_90a\n.address_size 64\n";
	CUjit_option target[] = {CU_JIT_TARGET};
	void *values[] = {(void *)CU_TARGET_COMPUTE_90};
	CUmodule module = NULL;

	(void)state;
	assert_int_equal(fe_cuModuleLoadData(&module, special), CUDA_SUCCESS);
	assert_int_equal(fake_link.completed, 1);
	assert_int_equal(fake_link.options, 0);
	files_remove();
	fake_link.failures = 1;
	assert_int_equal(fe_cuModuleLoadData(&module, special), CUDA_SUCCESS);
	assert_int_equal(fake_link.completed, 3);
	assert_int_equal(fake_link.options, 1);
	assert_int_equal(fake_link.target, CU_TARGET_COMPUTE_90A);
	assert_int_equal(files_count(NULL, 0), 1);
	/* Not if the program has said what it wants. */
	fake_link.failures = 1;
	assert_int_equal(fe_cuModuleLoadDataEx(&module, special, 1, target, values), CUDA_SUCCESS);
	assert_int_equal(fake_link.completed, 4);
	assert_int_equal(fake_link.target, CU_TARGET_COMPUTE_90);
	assert_int_equal(fake.image_size, sizeof(special));
}

/* What the driver does not take is not kept, and its answer for the image itself is what counts. */
static void not_to_be_loaded(void **state)
{
	CUmodule module = NULL;

	(void)state;
	fake.load_result = CUDA_ERROR_INVALID_IMAGE;
	assert_int_equal(fe_cuModuleLoadData(&module, ptx), CUDA_ERROR_INVALID_IMAGE);
	assert_null(module);
	assert_int_equal(fake.image_size, sizeof(ptx));
	assert_int_equal(files_count(NULL, 0), 0);
}

static void others_may_write(void **state)
{
	(void)state;
	module_from_cache(0, 1);
	assert_int_equal(chmod(folder, 0777), 0);
	module_from_cache(1, 2);
	assert_int_equal(chmod(folder, 0700), 0);
	module_from_cache(2, 2);
}

/* The bound (main) is 400 bytes: two entries of 48 + 144. */
static void oldest_go(void **state)
{
	struct fe_jit_key keys[3] = {{{1}}, {{2}}, {{3}}};
	char data[144] = "";
	size_t size = 0;
	void *got;

	(void)state;
	fe_jit_store_put(&keys[0], data, sizeof(data));
	usleep(20000);
	fe_jit_store_put(&keys[1], data, sizeof(data));
	usleep(20000);
	got = fe_jit_store_get(&keys[0], &size);
	assert_non_null(got);
	assert_int_equal(size, sizeof(data));
	free(got);
	fe_jit_store_put(&keys[2], data, sizeof(data));
	assert_int_equal(files_count(NULL, 0), 2);
	assert_null(fe_jit_store_get(&keys[1], &size)); /* the one not used for longest */
	got = fe_jit_store_get(&keys[0], &size);
	assert_non_null(got);
	free(got);
	fe_jit_store_put(&keys[1], code, 400);
	assert_int_equal(files_count(NULL, 0), 2); /* larger than all of it */
}

/* FIPS 180-4's examples. */
static void sha256_examples(void **state)
{
	static const struct {
		const char *text;
		uint8_t begin[4];
	} examples[] = {
		{"", {0xe3, 0xb0, 0xc4, 0x42}},
		{"abc", {0xba, 0x78, 0x16, 0xbf}},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 {0x24, 0x8d, 0x6a, 0x61}},
	};
	uint8_t digest[VG_SHA256_SIZE];
	struct vg_sha256 sha;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		vg_sha256(examples[i].text, strlen(examples[i].text), digest);
		assert_memory_equal(digest, examples[i].begin, 4);
	}
	vg_sha256_start(&sha);
	for (int i = 0; i < 1000; i++) {
		char thousand[1001];

		memset(thousand, 'a', sizeof(thousand));
		vg_sha256_add(&sha, thousand, 1000);
	}
	vg_sha256_end(&sha, digest);
	assert_memory_equal(digest, "\xcd\xc7\x6e\x5c", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_examples),
		cmocka_unit_test_setup(which_fatbins, setup),
		cmocka_unit_test_setup(what_tells_entries_apart, setup),
		cmocka_unit_test_setup(what_is_left_alone, setup),
		cmocka_unit_test_setup(compiled_once, retain_context),
		cmocka_unit_test_setup(damaged, retain_context),
		cmocka_unit_test_setup(not_to_be_compiled, retain_context),
		cmocka_unit_test_setup(for_one_architecture, retain_context),
		cmocka_unit_test_setup(not_to_be_loaded, retain_context),
		cmocka_unit_test_setup(others_may_write, retain_context),
		cmocka_unit_test_setup(oldest_go, setup),
	};
	int failed;

	if (!mkdtemp(path) || setenv("CUDA_CACHE_PATH", path, 1) ||
	    setenv("CUDA_CACHE_MAXSIZE", "400", 1) || unsetenv("CUDA_CACHE_DISABLE"))
		return 1;
	snprintf(folder, sizeof(folder), "%s/vgpu", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	files_remove();
	(void)rmdir(folder);
	(void)rmdir(path);
	return failed;
}
