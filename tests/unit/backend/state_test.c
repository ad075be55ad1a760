/* SPDX-License-Identifier: MIT */
/*
 * The state machine: what must hold for every combination of what it looks at, and the walks that
 * xenbus frontends take.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "xen-backend/state.h"

#define FLAGS 256u

static struct be_view view_make(int backend, int frontend, unsigned int flags)
{
	return (struct be_view){
		.backend = (enum be_xenbus)backend,
		.frontend = (enum be_xenbus)frontend,
		.online = flags & 1,
		.domain = flags & 2,
		.stopping = flags & 4,
		.connected = flags & 8,
		.settled = (flags & 16) && (flags & 8),
		.broken = (flags & 32) && (flags & 8),
		.usable = flags & 64,
		.published = flags & 128,
	};
}

/* Calls `check` for every combination. */
static void for_all(void (*check)(const struct be_view *view, enum be_action action))
{
	for (int b = 0; b < BE_XS_COUNT; b++)
		for (int f = 0; f < BE_XS_COUNT; f++)
			for (unsigned int flags = 0; flags < FLAGS; flags++) {
				struct be_view view = view_make(b, f, flags);

				check(&view, be_state_next(&view));
			}
}

static void check_rules(const struct be_view *v, enum be_action action)
{
	bool wanted = v->online && !v->stopping && v->usable;

	assert_in_range(action, BE_STAY, BE_ACTION_COUNT - 1);
	/* A domain that has gone leaves nothing, and only then are nodes removed. */
	assert_int_equal(action == BE_REMOVE, !v->domain);
	/* What is not wanted is neither opened nor kept. */
	if (v->domain && !wanted) {
		assert_true(action == BE_STAY || action == BE_GO_CLOSED);
		if (v->connected)
			assert_int_equal(action, BE_GO_CLOSED);
	}
	/* Grants are only taken from a frontend that says they are there, never twice. */
	if (action == BE_CONNECT) {
		assert_false(v->connected);
		assert_int_equal(v->frontend, BE_XS_INITIALISED);
		assert_int_equal(v->backend, BE_XS_INIT_WAIT);
		assert_true(v->published);
	}
	if (action == BE_PUBLISH)
		assert_false(v->connected);
	/* A broken connection is never kept. */
	if (v->domain && v->connected && v->broken)
		assert_int_equal(action, BE_GO_CLOSED);
	/* A connection is kept only while both sides say that they have one. */
	if (v->connected && action == BE_STAY) {
		assert_int_equal(v->backend, BE_XS_CONNECTED);
		assert_true(v->frontend == BE_XS_CONNECTED ||
			    (v->frontend == BE_XS_INITIALISED && !v->settled));
	}
	/* Not connected, but claiming to be: never kept. */
	if (v->domain && !v->connected && v->backend == BE_XS_CONNECTED)
		assert_int_not_equal(action, BE_STAY);
}

static void test_rules(void **state)
{
	(void)state;
	for_all(check_rules);
}

/* What the daemon makes of an action, with a frontend that stands still. */
static void apply(struct be_view *v, enum be_action action)
{
	switch (action) {
	case BE_PUBLISH:
		v->backend = BE_XS_INIT_WAIT;
		v->published = true;
		break;
	case BE_CONNECT:
		v->backend = BE_XS_CONNECTED;
		v->connected = true;
		v->settled = v->broken = false;
		break;
	case BE_RECONNECT:
		v->backend = BE_XS_INIT_WAIT;
		v->connected = v->settled = v->broken = false;
		break;
	case BE_GO_CLOSING:
		v->backend = BE_XS_CLOSING;
		v->connected = v->settled = v->broken = false;
		break;
	case BE_GO_CLOSED:
		v->backend = BE_XS_CLOSED;
		v->connected = v->settled = v->broken = false;
		break;
	case BE_REMOVE:
	case BE_STAY:
	case BE_ACTION_COUNT: break;
	}
}

/* Whatever is found, the machine comes to rest by itself: no loop of our own making. */
static void check_rest(const struct be_view *view, enum be_action action)
{
	struct be_view v = *view;

	for (int i = 0; i < 4 && action != BE_STAY && action != BE_REMOVE; i++) {
		apply(&v, action);
		action = be_state_next(&v);
	}
	assert_true(action == BE_STAY || action == BE_REMOVE);
}

static void test_comes_to_rest(void **state)
{
	(void)state;
	for_all(check_rest);
}

/* A walk: the frontend's states, and where each must lead us. */
static void walk(struct be_view *v, const int (*steps)[2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		v->frontend = (enum be_xenbus)steps[i][0];
		v->settled |= v->connected && v->frontend == BE_XS_CONNECTED;
		for (int j = 0; j < 4; j++)
			apply(v, be_state_next(v));
		if ((int)v->backend != steps[i][1])
			print_error("step %zu: frontend %d leads to %d\n", i, steps[i][0],
				    (int)v->backend);
		assert_int_equal(v->backend, steps[i][1]);
	}
}
#define WALK(v, ...)                                              \
	do {                                                      \
		static const int steps[][2] = {__VA_ARGS__};      \
		walk(v, steps, sizeof(steps) / sizeof(steps[0])); \
	} while (0)

static struct be_view fresh(int backend)
{
	return (struct be_view){
		.backend = (enum be_xenbus)backend, .online = true, .domain = true, .usable = true};
}

static void test_ordinary_life(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {3, 4}, {4, 4}, {5, 5}, {6, 6}, {1, 2}, {3, 4}, {4, 4});
	assert_true(v.connected);
	v.online = false;
	WALK(&v, {4, 6});
	assert_false(v.connected);
}

/* A kexec'd guest's kernel drives 5, 6, 1 and waits for 5, 6, 2 each time. */
static void test_kexec(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {3, 4}, {4, 4});
	WALK(&v, {5, 5}, {6, 6}, {1, 2});
}

static void test_kexec_before_connection(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {5, 5}, {6, 6}, {1, 2});
}

/* 3, 4, 3: the second 3 brings new grants; the old ones must be let go first. */
static void test_toggling(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {3, 4}, {4, 4});
	v.frontend = BE_XS_INITIALISED;
	assert_int_equal(be_state_next(&v), BE_RECONNECT);
	WALK(&v, {3, 4}, {4, 4});
	assert_true(v.connected);
}

/* Our predecessor was killed: whatever it left goes to 6, and the frontend comes back by 1. */
static void test_our_restart(void **state)
{
	static const int found[][2] = {{4, 4}, {4, 3}, {5, 4}, {5, 6}, {4, 6}, {3, 4}, {2, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		struct be_view v = fresh(found[i][0]);
		const int stale[][2] = {{found[i][1], 6}};

		walk(&v, stale, 1);
		WALK(&v, {1, 2}, {3, 4}, {4, 4});
	}
}

/* Between publishing and connecting nothing is lost: a frontend at 3 is connected. */
static void test_our_restart_while_waiting(void **state)
{
	struct be_view v = fresh(2);

	(void)state;
	WALK(&v, {3, 4}, {4, 4});
}

static void test_frontend_directory_vanishes(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {3, 4}, {4, 4}, {0, 6}, {1, 2});
}

static void test_bad_settings(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	v.usable = false;
	WALK(&v, {1, 6}, {3, 6}, {4, 6});
}

static void test_broker_dies(void **state)
{
	struct be_view v = fresh(1);

	(void)state;
	WALK(&v, {1, 2}, {3, 4}, {4, 4});
	v.broken = true;
	WALK(&v, {4, 6}, {1, 2}, {3, 4});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_comes_to_rest),
		cmocka_unit_test(test_ordinary_life),
		cmocka_unit_test(test_kexec),
		cmocka_unit_test(test_kexec_before_connection),
		cmocka_unit_test(test_toggling),
		cmocka_unit_test(test_our_restart),
		cmocka_unit_test(test_our_restart_while_waiting),
		cmocka_unit_test(test_frontend_directory_vanishes),
		cmocka_unit_test(test_bad_settings),
		cmocka_unit_test(test_broker_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
