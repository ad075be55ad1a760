/* SPDX-License-Identifier: MIT */
/* The ordered map against a plain table: search, walks, splits and joins, removal on the way, no memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/ordered.h"

#define KEYS  6000u /* more than twenty chunks' */
#define CHUNK VG_ORDERED_CHUNK

static struct vg_ordered map;
static void *model[KEYS]; /* NULL: the key is not there */
static char values[KEYS];

/* --- memory that runs out ------------------------------------------------------------------------ */

static int allocations_left = -1; /* -1: no end */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

static bool allocation_fails(void)
{
	if (allocations_left > 0)
		allocations_left--;
	else if (!allocations_left)
		return true;
	return false;
}

void *__wrap_malloc(size_t size)
{
	return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_reallocarray(old, count, size);
}

/* --- the model ----------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	map = (struct vg_ordered){0};
	for (size_t key = 0; key < KEYS; key++)
		model[key] = NULL;
	allocations_left = -1;
	srandom(20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vg_ordered_dispose(&map);
	assert_int_equal(map.count, 0);
	return 0;
}

static void insert(uint64_t key)
{
	int rc = vg_ordered_insert(&map, key, &values[key]);

	assert_int_equal(rc, model[key] ? -EEXIST : 0);
	model[key] = &values[key];
}

static bool removed(uint64_t key)
{
	struct vg_ordered_at at;
	void *value = vg_ordered_floor(&map, key, &at);

	if (!value || value != model[key])
		return false;
	assert_ptr_equal(vg_ordered_remove(&map, &at), value);
	model[key] = NULL;
	for (key++; key < KEYS && !model[key]; key++)
		;
	assert_ptr_equal(vg_ordered_here(&map, &at), key < KEYS ? model[key] : NULL);
	return true;
}

/* The last in the model at or below the key. */
static void *model_floor(size_t key)
{
	for (key++; key > 0; key--)
		if (model[key - 1])
			return model[key - 1];
	return NULL;
}

/* Both ways through all of it. */
static void check_walks(void)
{
	struct vg_ordered_at at, last = {0};
	void *value = vg_ordered_first(&map, &at);
	size_t count = 0;

	for (size_t key = 0; key < KEYS; key++) {
		if (!model[key])
			continue;
		assert_ptr_equal(value, model[key]);
		last = at;
		count++;
		value = vg_ordered_next(&map, &at);
	}
	assert_null(value);
	assert_int_equal(map.count, count);
	if (!count)
		return;
	value = vg_ordered_here(&map, &last);
	for (size_t key = KEYS; key > 0; key--) {
		if (!model[key - 1])
			continue;
		assert_ptr_equal(value, model[key - 1]);
		value = vg_ordered_previous(&map, &last);
	}
	assert_null(value);
}

/* What the header says of chunks. */
static void check_chunks(void)
{
	struct vg_ordered_at at;
	size_t sizes[KEYS] = {0};

	assert_true(map.chunk_count <= map.room && map.chunk_count <= KEYS);
	for (char *value = vg_ordered_first(&map, &at); value; value = vg_ordered_next(&map, &at)) {
		if (!at.index)
			assert_int_equal(map.firsts[at.chunk], value - values);
		assert_true(at.chunk < map.chunk_count && at.index < CHUNK);
		sizes[at.chunk]++;
	}
	for (size_t i = 0; i < map.chunk_count; i++)
		assert_true(sizes[i] > 0);
	for (size_t i = 1; i < map.chunk_count; i++)
		assert_true(sizes[i - 1] + sizes[i] > CHUNK / 2);
}

static void check(void)
{
	struct vg_ordered_at at;

	check_walks();
	check_chunks();
	for (size_t key = 0; key < KEYS; key += 7)
		assert_ptr_equal(vg_ordered_floor(&map, key, &at), model_floor(key));
}

/* --- tests --------------------------------------------------------------------------------------- */

static void test_empty(void **state)
{
	struct vg_ordered_at at;

	(void)state;
	assert_null(vg_ordered_first(&map, &at));
	assert_null(vg_ordered_floor(&map, 0, &at));
	assert_null(vg_ordered_floor(&map, UINT64_MAX, &at));
	insert(5);
	assert_null(vg_ordered_floor(&map, 4, &at));
	assert_true(removed(5));
	assert_int_equal(map.chunk_count, 0);
	check();
	insert(5);
	check();
}

static void test_all_keys(void **state)
{
	struct vg_ordered_at at;

	(void)state;
	assert_int_equal(vg_ordered_insert(&map, UINT64_MAX, &values[2]), 0);
	assert_int_equal(vg_ordered_insert(&map, 0, &values[0]), 0);
	assert_int_equal(vg_ordered_insert(&map, 1ull << 63, &values[1]), 0);
	assert_int_equal(vg_ordered_insert(&map, UINT64_MAX, &values[3]), -EEXIST);
	assert_ptr_equal(vg_ordered_floor(&map, UINT64_MAX, &at), &values[2]);
	assert_ptr_equal(vg_ordered_floor(&map, UINT64_MAX - 1, &at), &values[1]);
	assert_ptr_equal(vg_ordered_previous(&map, &at), &values[0]);
	assert_ptr_equal(vg_ordered_floor(&map, (1ull << 63) - 1, &at), &values[0]);
}

static void test_rising(void **state)
{
	(void)state;
	for (size_t key = 0; key < KEYS; key++)
		insert(key);
	/* Full ones. */
	assert_int_equal(map.chunk_count, (KEYS + CHUNK - 1) / CHUNK);
	check();
	/* What is there already splits nothing. */
	for (size_t key = 0; key < KEYS; key++)
		insert(key);
	assert_int_equal(map.chunk_count, (KEYS + CHUNK - 1) / CHUNK);
	for (size_t key = 0; key < KEYS; key++)
		assert_true(removed(key));
	assert_int_equal(map.chunk_count, 0);
}

static void test_falling(void **state)
{
	(void)state;
	for (size_t key = KEYS; key > 0; key--)
		insert(key - 1);
	assert_true(map.chunk_count <= KEYS / (CHUNK / 2));
	check();
	for (size_t key = KEYS; key > 0; key--)
		assert_true(removed(key - 1));
	assert_int_equal(map.chunk_count, 0);
}

/* Behind a full chunk, but before a small one. */
static void test_between(void **state)
{
	(void)state;
	for (size_t key = 0; key <= 2 * CHUNK; key += 2)
		insert(key);
	assert_int_equal(map.chunk_count, 2);
	insert(2 * CHUNK - 1);
	assert_int_equal(map.chunk_count, 3);
	check();
}

/* A hole within a full chunk, then in again: split once, not joined at once. */
static void test_no_flutter(void **state)
{
	size_t chunks;

	(void)state;
	for (size_t key = 0; key < 4 * CHUNK; key++)
		if (key != 300)
			insert(key);
	insert(300);
	chunks = map.chunk_count;
	for (int i = 0; i < 10; i++) {
		assert_true(removed(300));
		assert_int_equal(map.chunk_count, chunks);
		insert(300);
		assert_int_equal(map.chunk_count, chunks);
	}
	check();
}

static void test_joins(void **state)
{
	size_t split;

	(void)state;
	for (size_t key = 0; key < KEYS; key += 2)
		insert(key);
	for (size_t key = 1; key < KEYS; key += 2)
		insert(key);
	split = map.chunk_count;
	assert_true(split > KEYS / CHUNK);
	check();
	for (size_t key = 0; key < KEYS; key++)
		if (key % 50)
			assert_true(removed(key));
	assert_true(map.chunk_count <= 2 * (KEYS / 50) / (CHUNK / 2) + 1);
	check();
}

/* Full up to half, then down to nothing, by turns. */
static void test_random(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t key = (size_t)random() % KEYS;
		bool filling = i / 20000 % 2 == 0, there = model[key];

		if (random() % 8 < (filling ? 6 : 2))
			insert(key);
		else
			assert_int_equal(removed(key), there);
		if (i % 1000 == 0)
			check();
	}
	check();
}

/* Walks from the first to the last and removes those whose key it is told to. */
static void remove_walking(bool (*goes)(size_t key))
{
	struct vg_ordered_at at;
	char *value = vg_ordered_first(&map, &at);
	size_t met = 0, there = map.count;

	while (value) {
		size_t key = (size_t)(value - values);

		met++;
		if (goes(key)) {
			assert_ptr_equal(vg_ordered_remove(&map, &at), value);
			model[key] = NULL;
			value = vg_ordered_here(&map, &at);
		} else {
			value = vg_ordered_next(&map, &at);
		}
	}
	assert_int_equal(met, there);
	check();
}

static bool goes_third(size_t key)
{
	return key % 3 == 0;
}

static bool goes_mostly(size_t key)
{
	return key % 97 != 0;
}

static bool goes_middle(size_t key)
{
	return key > 1000 && key < KEYS - 1000;
}

static bool goes_always(size_t key)
{
	(void)key;
	return true;
}

static void test_removal_walking(void **state)
{
	static bool (*const goes[])(size_t key) = {goes_third, goes_mostly, goes_middle,
						   goes_always};

	(void)state;
	for (size_t i = 0; i < sizeof(goes) / sizeof(*goes); i++) {
		for (size_t key = 0; key < KEYS; key++)
			insert((key * 4099) % KEYS);
		remove_walking(goes[i]);
	}
	assert_int_equal(map.chunk_count, 0);
}

/* Each insertion first with no memory at all, then with a little. */
static void test_no_memory(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		size_t key = (i * 4099) % KEYS;

		for (int enough = 0;; enough++) {
			int rc;

			allocations_left = enough;
			rc = vg_ordered_insert(&map, key, &values[key]);
			allocations_left = -1;
			if (!rc)
				break;
			assert_int_equal(rc, -ENOMEM);
			failed++;
			check();
		}
		model[key] = &values[key];
	}
	/* The index three times, its first chunk, and each split. */
	assert_true(failed >= map.chunk_count + 3);
	check();
}

int main(void)
{
#define WITH_MAP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_MAP(test_empty),     WITH_MAP(test_all_keys), WITH_MAP(test_rising),
		WITH_MAP(test_falling),   WITH_MAP(test_between),  WITH_MAP(test_no_flutter),
		WITH_MAP(test_joins),     WITH_MAP(test_random),   WITH_MAP(test_removal_walking),
		WITH_MAP(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
