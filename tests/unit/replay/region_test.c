/* SPDX-License-Identifier: MIT */
/* xen-frontend/replay/session: what is put into pinned memory, and what is left alone there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xen-frontend/replay/session.h"

#define RECORDED 0x300000000000ull

static struct rp_session session;
static uint8_t memory[64], then[64];

static int begin(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(then, 0, sizeof(then));
	pthread_mutex_init(&session.lock, NULL);
	session.regions[7] = (struct rp_region){
		.share = {.base = memory, .bytes = sizeof(memory)},
		.recorded = RECORDED,
		.then = then,
	};
	return 0;
}

static bool put(uint64_t at, const void *bytes, size_t size, bool changes)
{
	return rp_region_write(&session, &(struct rp_pinned){.recorded = RECORDED + at,
							     .then = bytes,
							     .now = bytes,
							     .bytes = size,
							     .changes = changes});
}

static void bounds(void **state)
{
	(void)state;
	assert_true(rp_region_covers(&session, RECORDED, sizeof(memory)));
	assert_false(rp_region_covers(&session, RECORDED, sizeof(memory) + 1));
	assert_false(rp_region_covers(&session, RECORDED - 1, 1));
	assert_false(rp_region_covers(&session, RECORDED + sizeof(memory), 1));
	assert_true(put(60, "abcd", 4, false));
	assert_false(put(61, "abcd", 4, false));
	assert_false(put(UINT64_MAX, "abcd", 4, false));
	assert_memory_equal(memory + 60, "abcd", 4);
}

/* The device has written to a page of which the program has changed another word. */
static void only_changes(void **state)
{
	uint8_t page[64] = {0};

	(void)state;
	memset(memory + 32, 'd', 8);
	memset(page + 8, 'p', 8);
	assert_true(put(0, page, sizeof(page), true));
	assert_memory_equal(memory + 8, "pppppppp", 8);
	assert_memory_equal(memory + 32, "dddddddd", 8);
	/* The same again changes nothing, whatever the device did meanwhile. */
	memset(memory + 8, 'e', 8);
	assert_true(put(0, page, sizeof(page), true));
	assert_memory_equal(memory + 8, "eeeeeeee", 8);
	/* A copy's bytes are all put. */
	assert_true(put(0, page, sizeof(page), false));
	assert_memory_equal(memory + 8, "pppppppp", 8);
	assert_int_equal(memory[32], 0);
}

/* What has changed is found by the recorded bytes; what is put may be other ones. */
static void translated(void **state)
{
	const uint64_t old = 0x200000000000, now = 0x700000000000;
	const struct rp_pinned pinned = {.recorded = RECORDED,
					 .then = (const uint8_t *)&old,
					 .now = (const uint8_t *)&now,
					 .bytes = sizeof(old),
					 .changes = true};

	(void)state;
	assert_true(rp_region_write(&session, &pinned));
	assert_memory_equal(memory, &now, sizeof(now));
	assert_memory_equal(then, &old, sizeof(old));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bounds, begin),
		cmocka_unit_test_setup(only_changes, begin),
		cmocka_unit_test_setup(translated, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
