/* SPDX-License-Identifier: MIT */
/*
 * The built library from outside, without a session: every answer of cuGetProcAddress that the real
 * driver gives (protocol/procaddress.tsv) against the exported symbols, every exported name, the
 * export tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/cuda_types.h"

static void *library;
static CUresult (*get_v2)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);
static CUresult (*get_v1)(const char *, void **, int, cuuint64_t);
static CUresult (*get_table)(const void **, const CUuuid *);

static void function_get(void *to, const char *name)
{
	void *found = dlsym(library, name);

	if (!found)
		fail_msg("%s is not exported", name);
	memcpy(to, &found, sizeof(found));
}

static int setup(void **state)
{
	const char *build = getenv("VGPU_BUILD");
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/lib/libcuda.so.1", build ? build : "build/release");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		fail_msg("%s", dlerror());
	function_get(&get_v2, "cuGetProcAddress_v2");
	function_get(&get_v1, "cuGetProcAddress");
	function_get(&get_table, "cuGetExportTable");
	return 0;
}

static FILE *data_open(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file)
		fail_msg("%s: run from the repository's root", path);
	return file;
}

/* One row: from this version on, until the next row of the ladder, this is the answer. */
struct row {
	char name[128], symbol[128];
	unsigned int flag;
	int version;
};

static const char *field_next(char **rest)
{
	const char *field = strtok_r(*rest, "\t\n", rest);

	if (!field)
		fail_msg("protocol/procaddress.tsv: a row is too short");
	return field;
}

static void row_parse(char *line, struct row *row)
{
	snprintf(row->name, sizeof(row->name), "%s", field_next(&line));
	row->flag = (unsigned int)strtoul(field_next(&line), NULL, 10);
	row->version = (int)strtol(field_next(&line), NULL, 10);
	snprintf(row->symbol, sizeof(row->symbol), "%s", field_next(&line));
}

static bool row_read(FILE *file, struct row *row)
{
	char line[512];

	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		row_parse(line, row);
		return true;
	}
	return false;
}

static void answer_check(const struct row *row, int version)
{
	CUdriverProcAddressQueryResult status = (CUdriverProcAddressQueryResult)99;
	void *found = (void *)1, *wanted = NULL;
	int wanted_status = 0;

	if (row->symbol[0] == '-')
		wanted_status = row->symbol[strlen("-(st")] - '0';
	else
		wanted = dlsym(library, row->symbol);
	if (!wanted && !wanted_status)
		fail_msg("%s is not exported", row->symbol);
	assert_int_equal(get_v2(row->name, &found, version, row->flag, &status), CUDA_SUCCESS);
	if (found != wanted || (int)status != wanted_status)
		fail_msg("%s flag %u version %d: status %d, %s", row->name, row->flag, version,
			 (int)status, found ? "another function" : "no function");
	assert_int_equal(get_v1(row->name, &found, version, row->flag),
			 wanted ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
	assert_ptr_equal(found, wanted);
}

static void every_answer(void **state)
{
	FILE *file = data_open("protocol/procaddress.tsv");
	struct row row = {.name = ""}, last = {.name = ""};
	unsigned int rows = 0;

	(void)state;
	while (row_read(file, &row)) {
		answer_check(&row, row.version);
		/* The row before holds to the last version below this one, or for ever. */
		if (last.name[0]) {
			bool same = !strcmp(last.name, row.name) && last.flag == row.flag;

			answer_check(&last, same ? row.version - 1 : 13999);
		}
		last = row;
		rows++;
	}
	answer_check(&last, 13999);
	fclose(file);
	assert_true(rows > 2800);
}

static void odd_questions(void **state)
{
	CUdriverProcAddressQueryResult status = (CUdriverProcAddressQueryResult)99;
	void *found = (void *)1;

	(void)state;
	/* The runtime's first question has no name. */
	assert_int_equal(get_v2("", &found, 13000, 0, &status), CUDA_SUCCESS);
	assert_null(found);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	assert_int_equal(get_v2("cuNoSuchThing", &found, 13000, 0, &status), CUDA_SUCCESS);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	assert_int_equal(get_v2("cuInit", &found, 1, 0, &status), CUDA_SUCCESS);
	assert_null(found);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
	assert_int_equal(get_v2("cuInit", &found, 13000, 4, &status), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(get_v2("cuInit", &found, 14000, 0, &status), CUDA_ERROR_INVALID_VALUE);
	/* Both kinds of default streams, and any version: as driver 580. */
	assert_int_equal(get_v2("cuMemcpyHtoD", &found, -1, 3, &status), CUDA_SUCCESS);
	assert_ptr_equal(found, dlsym(library, "cuMemcpyHtoD_v2_ptds"));
	assert_int_equal(get_v2(NULL, &found, 13000, 0, &status), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(get_v2("cuInit", NULL, 13000, 0, &status), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(get_v2("cuInit", &found, 13000, 0, NULL), CUDA_SUCCESS);
	assert_ptr_equal(found, dlsym(library, "cuInit"));
}

static void every_export(void **state)
{
	FILE *file = data_open("protocol/exports.txt");
	char name[256];
	unsigned int names = 0;

	(void)state;
	while (fscanf(file, "%255s", name) == 1) {
		if (!dlsym(library, name))
			fail_msg("%s is not exported", name);
		names++;
	}
	fclose(file);
	assert_true(names > 600);
}

static CUuuid uuid(const char *text)
{
	CUuuid id = {{0}};

	for (unsigned int i = 0; i < sizeof(id); i++) {
		const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		((uint8_t *)&id)[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return id;
}

static const uintptr_t *table_get(const char *text)
{
	CUuuid id = uuid(text);
	const void *table = NULL;

	assert_int_equal(get_table(&table, &id), CUDA_SUCCESS);
	assert_non_null(table);
	return table;
}

/* Slot 0 is the size; every other one can be called. */
static void tables_have_their_sizes(void **state)
{
	static const struct {
		const char *uuid;
		unsigned int slots;
	} tables[] = {
		{"6bd5fb6c5bf4e74a8987d93912fd9df9", 13}, {"a094798c2e742e7493f20800200c0a66", 7},
		{"42d85a8123f6cb478298f6e78a3aecdc", 3},  {"263e88607cd2614392f6bbd5006dfa7e", 15},
#ifndef VG_NO_INTEGRITY
		{"d4082055bde6704b8d34ba123c66e1f2", 3},
#endif
		{"f8cff95121468b4eb9e2fb469e7c0dd9", 3},  {"21318c60971432488ca641ff7324c8f2", 93},
		{"6e163fbeb958444d835ce182aff1991e", 99},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const uintptr_t *table = table_get(tables[i].uuid);

		assert_int_equal(table[0], 8 * tables[i].slots);
		for (unsigned int slot = 1; slot < tables[i].slots; slot++)
			assert_true(table[slot] != 0);
	}
}

static void unknown_tables_are_refused(void **state)
{
	static const char *const refused[] = {
		"69a28e9f24498b47b030c5da330ea4e9",
		"2c8e0ad80710ab4e90dd54719fe5f74b",
		"00000000000000000000000000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CUuuid id = uuid(refused[i]);
		const void *table = (const void *)1;

		assert_int_not_equal(get_table(&table, &id), CUDA_SUCCESS);
		assert_null(table);
	}
}

static void unknown_slots_refuse(void **state)
{
	CUresult (*slot)(void);
	const uintptr_t *table = table_get("6bd5fb6c5bf4e74a8987d93912fd9df9");

	(void)state;
	memcpy(&slot, &table[3], sizeof(slot));
	assert_int_equal(slot(), CUDA_ERROR_NOT_SUPPORTED);
}

static void storage_ends_with_null(void **state)
{
	const uintptr_t *table = table_get("c693336e1121df11a8c368f355d89593");

	(void)state;
	assert_true(table[0] && table[1] && table[2]);
	assert_true(table[3] == 0);
}

static void hooks_are_empty(void **state)
{
	const uintptr_t *table = table_get("a094798c2e742e7493f20800200c0a66");
	static const struct {
		unsigned int slot, least;
	} hooks[] = {{2, 523}, {6, 14}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		CUresult (*hook)(void **, size_t *);
		void *flags = NULL;
		size_t count = 0;

		memcpy(&hook, &table[hooks[i].slot], sizeof(hook));
		assert_int_equal(hook(&flags, &count), 0);
		assert_true(count >= hooks[i].least);
		for (size_t n = 0; n < count; n++)
			assert_int_equal(((const uint32_t *)flags)[n], 0);
	}
}

static void errors_have_names(void **state)
{
	CUresult (*name_of)(CUresult, const char **);
	const char *text = NULL;

	(void)state;
	function_get(&name_of, "cuGetErrorName");
	assert_int_equal(name_of(CUDA_ERROR_INVALID_PTX, &text), CUDA_SUCCESS);
	assert_string_equal(text, "CUDA_ERROR_INVALID_PTX");
	assert_int_equal(name_of((CUresult)12345, &text), CUDA_ERROR_INVALID_VALUE);
	assert_null(text);
	assert_int_equal(name_of(CUDA_SUCCESS, NULL), CUDA_ERROR_INVALID_VALUE);
}

static void not_before_init(void **state)
{
	CUresult (*count_of)(int *);
	int count = 0;

	(void)state;
	function_get(&count_of, "cuDeviceGetCount");
	assert_int_equal(count_of(&count), CUDA_ERROR_NOT_INITIALIZED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer),
		cmocka_unit_test(odd_questions),
		cmocka_unit_test(every_export),
		cmocka_unit_test(tables_have_their_sizes),
		cmocka_unit_test(unknown_tables_are_refused),
		cmocka_unit_test(unknown_slots_refuse),
		cmocka_unit_test(storage_ends_with_null),
		cmocka_unit_test(hooks_are_empty),
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(not_before_init),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
