/* SPDX-License-Identifier: MIT */
/* Module images and JIT options on their way, against a fake executor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xen-frontend/libcuda/calls.h"

#include "tests/unit/libcuda/fake.h"

static const char ptx[] = "\n.version 7.0\n.target sm_52\n.address_size 64\n";

static int setup(void **state)
{
	(void)state;
	fake_reset(1);
	return 0;
}

static void size_is_found(void **state)
{
	CUmodule module = NULL;

	(void)state;
	assert_int_equal(fe_cuModuleLoadData(&module, ptx), CUDA_SUCCESS);
	assert_non_null(module);
	assert_int_equal(fake.image_size, sizeof(ptx));
	assert_memory_equal(fake.image, ptx, sizeof(ptx));
	assert_int_equal(fake.jit_count, 0);
	assert_int_equal(fe_cuModuleLoadData(&module, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuModuleLoadData(NULL, ptx), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuModuleLoadData(&module, "\x01\x02 no image"),
			 CUDA_ERROR_INVALID_IMAGE);
}

static void options_there_and_back(void **state)
{
	char info[32] = "untouched", error[16] = "untouched";
	CUjit_option options[] = {
		CU_JIT_MAX_REGISTERS,
		CU_JIT_INFO_LOG_BUFFER,
		CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
		CU_JIT_ERROR_LOG_BUFFER,
		CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
		CU_JIT_WALL_TIME,
		CU_JIT_THREADS_PER_BLOCK,
	};
	void *values[] = {
		(void *)24, info,       (void *)sizeof(info), error, (void *)sizeof(error),
		NULL,       (void *)256};
	float wall = 1.5f, got;
	CUmodule module = NULL;
	uint32_t bits;

	(void)state;
	memcpy(&bits, &wall, sizeof(bits));
	memcpy(fake.jit_results, (uint64_t[]){99, 99, 14, 99, 0, bits, 128}, 7 * sizeof(uint64_t));
	fake.info_text = "1 register used";
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 7, options, values), CUDA_SUCCESS);
	assert_int_equal(fake.jit_count, 7);
	assert_int_equal(fake.jit_values[0], 24);
	assert_int_equal(fake.jit_values[1], 0); /* no address of ours leaves */
	assert_int_equal(fake.jit_values[2], sizeof(info));
	assert_int_equal(fake.jit_values[3], 0);
	assert_int_equal(fake.jit_values[6], 256);
	assert_int_equal(fake.info_room, sizeof(info));
	assert_int_equal(fake.error_room, sizeof(error));
	assert_string_equal(info, "1 register used");
	assert_string_equal(error, "");
	/* Outputs are written, inputs stay. */
	assert_int_equal((uintptr_t)values[0], 24);
	assert_ptr_equal(values[1], info);
	assert_int_equal((uintptr_t)values[2], 14);
	assert_ptr_equal(values[3], error);
	assert_int_equal((uintptr_t)values[4], 0);
	memcpy(&got, &values[5], sizeof(got));
	assert_true(got == wall);
	assert_int_equal((uintptr_t)values[6], 128);
}

static void logs_come_with_errors(void **state)
{
	char error[8] = "before", guard[8] = "guard";
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CU_JIT_ERROR_LOG_BUFFER};
	void *values[] = {(void *)sizeof(error), error};
	CUmodule module = (CUmodule)7;

	(void)state;
	fake.load_result = CUDA_ERROR_INVALID_PTX;
	fake.error_text = "a text that is longer than the room for it";
	fake.jit_results[0] = 8;
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 2, options, values),
			 CUDA_ERROR_INVALID_PTX);
	assert_ptr_equal(module, (CUmodule)7);
	assert_string_equal(error, "a text ");
	assert_string_equal(guard, "guard");
	assert_int_equal((uintptr_t)values[0], 8);
}

static void options_that_cannot_go(void **state)
{
	const char *names[] = {"a"};
	CUjit_option table[] = {CU_JIT_GLOBAL_SYMBOL_NAMES};
	CUjit_option unknown[] = {(CUjit_option)1000};
	CUjit_option room_only[] = {CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {names};
	CUmodule module = NULL;

	(void)state;
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 1, table, values),
			 CUDA_ERROR_NOT_SUPPORTED);
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 1, unknown, values),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 1, NULL, values),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 1, table, NULL),
			 CUDA_ERROR_INVALID_VALUE);
	values[0] = (void *)100;
	assert_int_equal(fe_cuModuleLoadDataEx(&module, ptx, 1, room_only, values), CUDA_SUCCESS);
	assert_int_equal(fake.info_room, 0); /* room without a buffer is none */
}

/* As NCCL has it: a wrapper with a list of fatbins. */
static void parts_are_joined(void **state)
{
	struct fatbin {
		uint32_t magic;
		uint16_t version, header_size;
		uint64_t size;
		uint8_t files[12];
	} a = {0xBA55ED50, 1, 16, 12, "aaaaaaaaaaa"}, b = {0xBA55ED50, 1, 16, 12, "bbbbbbbbbbb"};
	const void *more[] = {&b, NULL};
	struct {
		uint32_t magic, version;
		const void *first;
		const void *const *more;
	} wrapper = {0x466243b1, 2, &a, more};
	CUmodule module = NULL;

	(void)state;
	assert_int_equal(fe_cuModuleLoadFatBinary(&module, &wrapper), CUDA_SUCCESS);
	assert_int_equal(fake.image_size, 64);
	assert_memory_equal(fake.image, &a, 28);
	assert_memory_equal(fake.image + 28, "\0\0\0\0", 4);
	assert_memory_equal(fake.image + 32, &b, 28);
	wrapper.version = 1;
	assert_int_equal(fe_cuModuleLoadFatBinary(&module, &wrapper), CUDA_SUCCESS);
	assert_int_equal(fake.image_size, 28);
}

static void from_a_file(void **state)
{
	char path[] = "/tmp/libcuda-jit-test-XXXXXX";
	int fd = mkstemp(path);
	CUmodule module = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, ptx, strlen(ptx)), strlen(ptx)); /* no NUL in the file */
	close(fd);
	assert_int_equal(fe_cuModuleLoad(&module, path), CUDA_SUCCESS);
	assert_int_equal(fake.image_size, sizeof(ptx));
	assert_memory_equal(fake.image, ptx, sizeof(ptx));
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(fe_cuModuleLoad(&module, path), CUDA_ERROR_INVALID_IMAGE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fe_cuModuleLoad(&module, path), CUDA_ERROR_FILE_NOT_FOUND);
	assert_int_equal(fe_cuModuleLoad(&module, "/tmp"), CUDA_ERROR_FILE_NOT_FOUND);
	assert_int_equal(fe_cuModuleLoad(&module, NULL), CUDA_ERROR_INVALID_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(size_is_found, setup),
		cmocka_unit_test_setup(options_there_and_back, setup),
		cmocka_unit_test_setup(logs_come_with_errors, setup),
		cmocka_unit_test_setup(options_that_cannot_go, setup),
		cmocka_unit_test_setup(parts_are_joined, setup),
		cmocka_unit_test_setup(from_a_file, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
