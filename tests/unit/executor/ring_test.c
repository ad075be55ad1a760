/* SPDX-License-Identifier: MIT */
/* The byte stream of a lane: order, wrapping, padding, and what hostile indices can do. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/ring.h"

#define SIZE VG_RING_MIN

struct pipe {
	uint8_t bytes[SIZE];
	uint64_t prod, cons;
	struct vg_producer p;
	struct vg_consumer c;
};

static struct pipe *pipe_new(void)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));

	assert_non_null(pipe);
	vg_producer_init(&pipe->p, pipe->bytes, SIZE, &pipe->prod, &pipe->cons);
	vg_consumer_init(&pipe->c, pipe->bytes, SIZE, &pipe->prod, &pipe->cons);
	return pipe;
}

static void test_sizes(void **state)
{
	(void)state;
	assert_true(vg_ring_size_valid(VG_RING_MIN));
	assert_true(vg_ring_size_valid(VG_RING_MAX));
	assert_false(vg_ring_size_valid(0));
	assert_false(vg_ring_size_valid(VG_RING_MIN / 2));
	assert_false(vg_ring_size_valid(VG_RING_MIN + 8));
	assert_false(vg_ring_size_valid((uint64_t)VG_RING_MAX * 2));
}

static void test_unpublished_is_invisible(void **state)
{
	struct pipe *pipe = pipe_new();
	char got[16];

	(void)state;
	assert_int_equal(vg_producer_put(&pipe->p, "hello", 5), 5);
	assert_int_equal(vg_consumer_avail(&pipe->c, 1), 0);
	vg_producer_publish(&pipe->p); /* less than 8 bytes: still nothing */
	assert_int_equal(vg_consumer_avail(&pipe->c, 1), 0);
	vg_producer_pad(&pipe->p);
	vg_producer_publish(&pipe->p);
	assert_int_equal(vg_consumer_avail(&pipe->c, 1), 8);
	assert_int_equal(vg_consumer_get(&pipe->c, got, 5), 5);
	assert_memory_equal(got, "hello", 5);
	vg_consumer_release(&pipe->c); /* not a multiple of 8: nothing is given back */
	assert_int_equal(pipe->cons, 0);
	vg_consumer_pad(&pipe->c);
	vg_consumer_release(&pipe->c);
	assert_int_equal(pipe->cons, 8);
	free(pipe);
}

static void test_full_and_wrap(void **state)
{
	struct pipe *pipe = pipe_new();
	uint8_t data[SIZE], got[SIZE];

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 7);
	for (int round = 0; round < 5; round++) {
		assert_int_equal(vg_producer_put(&pipe->p, data, 24), 24);
		vg_producer_publish(&pipe->p);
		assert_int_equal(vg_consumer_get(&pipe->c, got, SIZE), 24);
		vg_consumer_release(&pipe->c);
		assert_int_equal(vg_producer_put(&pipe->p, data, SIZE), SIZE);
		assert_int_equal(vg_producer_put(&pipe->p, data, 1), 0);
		vg_producer_publish(&pipe->p);
		memset(got, 0, sizeof(got));
		assert_int_equal(vg_consumer_get(&pipe->c, got, SIZE), SIZE);
		assert_memory_equal(got, data, SIZE);
		vg_consumer_release(&pipe->c);
	}
	free(pipe);
}

/* Pieces are whole or not at all: not over the ring's end, not where there is no room, not more than is there. */
static void test_pieces(void **state)
{
	struct pipe *pipe = pipe_new();
	uint8_t data[SIZE] = {1, 2, 3}, got[SIZE] = {0};
	uint8_t *piece;

	(void)state;
	assert_int_equal(vg_producer_put(&pipe->p, data, SIZE - 64), SIZE - 64);
	vg_producer_publish(&pipe->p);
	assert_null(vg_producer_piece(&pipe->p, 72)); /* room is less */
	assert_true(vg_consumer_get_piece(&pipe->c, got, SIZE - 64));
	assert_memory_equal(got, data, SIZE - 64);
	vg_consumer_release(&pipe->c);
	assert_null(vg_producer_piece(&pipe->p, 72)); /* the end is nearer */
	piece = vg_producer_piece(&pipe->p, 64);
	assert_ptr_equal(piece, pipe->bytes + SIZE - 64);
	memset(piece, 7, 64);
	assert_false(vg_consumer_get_piece(&pipe->c, got, 8)); /* not advanced, not published */
	vg_producer_advance(&pipe->p, 64);
	assert_false(vg_consumer_get_piece(&pipe->c, got, 8));
	vg_producer_publish(&pipe->p);
	assert_false(vg_consumer_get_piece(&pipe->c, got, 72));
	assert_true(vg_consumer_get_piece(&pipe->c, got, 64));
	assert_int_equal(got[63], 7);
	vg_consumer_release(&pipe->c);
	assert_ptr_equal(vg_producer_piece(&pipe->p, SIZE), pipe->bytes);
	assert_null(vg_producer_piece(&pipe->p, SIZE + 8));
	free(pipe);
}

/* What a hostile consumer writes into cons. */
static void test_producer_hostile(void **state)
{
	static const uint64_t bad[] = {1,  4,          SIZE + 8,    UINT64_MAX, UINT64_MAX - 7,
				       64, 1ull << 63, SIZE - 8 + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pipe *pipe = pipe_new();
		uint8_t data[SIZE] = {0};
		void *span;

		assert_int_equal(vg_producer_put(&pipe->p, data, 48), 48);
		vg_producer_publish(&pipe->p);
		pipe->cons = bad[i];
		assert_int_equal(vg_producer_room(&pipe->p, SIZE), 0);
		assert_true(pipe->p.broken);
		pipe->cons = 0; /* too late */
		assert_int_equal(vg_producer_room(&pipe->p, 1), 0);
		assert_int_equal(vg_producer_span(&pipe->p, &span, 8), 0);
		free(pipe);
	}
}

static void test_consumer_hostile(void **state)
{
	static const uint64_t bad[] = {4,  1, SIZE + 48 + 8, UINT64_MAX, UINT64_MAX - 7,
				       40, 0, 1ull << 63};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pipe *pipe = pipe_new();
		uint8_t data[48] = {0};
		const void *span;

		vg_producer_put(&pipe->p, data, 48);
		vg_producer_publish(&pipe->p);
		assert_int_equal(vg_consumer_get(&pipe->c, data, 48), 48);
		vg_consumer_release(&pipe->c);
		pipe->prod = bad[i];
		assert_int_equal(vg_consumer_avail(&pipe->c, 8), 0);
		assert_true(pipe->c.broken);
		assert_int_equal(vg_consumer_span(&pipe->c, &span, 8), 0);
		assert_int_equal(vg_consumer_get(&pipe->c, data, 8), 0);
		free(pipe);
	}
}

/* Taken but not released: the producer may not run over it, and prod is bounded by what was released. */
static void test_span_is_kept(void **state)
{
	struct pipe *pipe = pipe_new();
	uint8_t data[SIZE];
	const void *span;

	(void)state;
	memset(data, 0x11, sizeof(data));
	vg_producer_put(&pipe->p, data, SIZE);
	vg_producer_publish(&pipe->p);
	assert_int_equal(vg_consumer_span(&pipe->c, &span, 100), 100);
	vg_consumer_advance(&pipe->c, 100);
	assert_int_equal(vg_producer_room(&pipe->p, 1), 0);
	vg_consumer_release(&pipe->c);
	assert_int_equal(vg_producer_room(&pipe->p, 1), 96);
	pipe->prod = SIZE + 104;
	assert_int_equal(vg_consumer_avail(&pipe->c, SIZE), 0);
	assert_true(pipe->c.broken);
	free(pipe);
}

#define STREAM (4u * 1024 * 1024)

static void *produce(void *arg)
{
	struct pipe *pipe = arg;
	unsigned int seed = 1;
	uint8_t chunk[700];
	uint32_t at = 0;

	while (at < STREAM) {
		size_t n = (size_t)rand_r(&seed) % sizeof(chunk) + 1, done = 0;

		if (n > STREAM - at)
			n = STREAM - at;
		for (size_t i = 0; i < n; i++)
			chunk[i] = (uint8_t)((at + i) * 31 >> 3);
		while (done < n) {
			size_t part = vg_producer_put(&pipe->p, chunk + done, n - done);

			done += part;
			vg_producer_publish(&pipe->p);
			if (!part)
				sched_yield();
		}
		at += (uint32_t)n;
	}
	vg_producer_pad(&pipe->p);
	vg_producer_publish(&pipe->p);
	return NULL;
}

static void test_two_threads(void **state)
{
	struct pipe *pipe = pipe_new();
	unsigned int seed = 2;
	pthread_t thread;
	uint32_t at = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, pipe), 0);
	while (at < STREAM) {
		const uint8_t *bytes;
		const void *span;
		size_t n = vg_consumer_span(&pipe->c, &span, (size_t)rand_r(&seed) % 900 + 1);

		assert_false(pipe->c.broken);
		if (!n) {
			sched_yield();
			continue;
		}
		bytes = span;
		if (n > STREAM - at)
			n = STREAM - at;
		for (size_t i = 0; i < n; i++)
			if (bytes[i] != (uint8_t)((at + i) * 31 >> 3))
				fail_msg("byte %zu differs", at + i);
		vg_consumer_advance(&pipe->c, n);
		vg_consumer_release(&pipe->c);
		at += (uint32_t)n;
	}
	pthread_join(thread, NULL);
	assert_false(pipe->p.broken);
	free(pipe);
}

static void test_sleep_handshake(void **state)
{
	uint32_t sleeps = 0;

	(void)state;
	assert_false(vg_sleep_wake(&sleeps, VG_SLEEP_DATA));
	vg_sleep_begin(&sleeps, VG_SLEEP_DATA);
	assert_false(vg_sleep_wake(&sleeps, VG_SLEEP_ROOM)); /* not what it sleeps for */
	assert_true(vg_sleep_wake(&sleeps, VG_SLEEP_DATA));
	assert_false(vg_sleep_wake(&sleeps, VG_SLEEP_DATA)); /* rung once */
	vg_sleep_begin(&sleeps, VG_SLEEP_ROOM);
	assert_true(vg_sleep_wake(&sleeps, VG_SLEEP_ROOM));
	vg_sleep_begin(&sleeps, VG_SLEEP_ROOM);
	vg_sleep_end(&sleeps);
	assert_false(vg_sleep_wake(&sleeps, VG_SLEEP_ROOM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_unpublished_is_invisible),
		cmocka_unit_test(test_full_and_wrap),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_producer_hostile),
		cmocka_unit_test(test_consumer_hostile),
		cmocka_unit_test(test_span_is_kept),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_sleep_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
