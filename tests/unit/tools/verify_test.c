/* SPDX-License-Identifier: MIT */
/*
 * What vgpu verify makes of a session: from two answers of xen-vgpud's, some time apart, and the executor's process.
 * Each fault must be named by the link that is broken, and nothing that is well be called a fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"

#include "tools/verify.h"

#define APART 1000u

static struct vgpu_findings findings;
static struct vgpu_process executor;

static int setup(void **state)
{
	(void)state;
	findings = (struct vgpu_findings){0};
	executor = (struct vgpu_process){.there = true,
					 .state = 'S',
					 .uid = 998,
					 .no_new_privileges = true,
					 .seccomp = true};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vgpu_findings_free(&findings);
	return 0;
}

struct lane {
	unsigned int taken, done, op, begun_ms, unread, replies;
};

static struct json_object *session(struct lane lane, unsigned int asked, int looked,
				   const char *more)
{
	struct json_object *object;
	char text[1024], answered[32] = "";

	if (looked >= 0)
		snprintf(answered, sizeof(answered), "\"looked_ms\":%d,", looked);
	snprintf(
		text, sizeof(text),
		"{\"program\":\"python3\",\"pid\":812,\"executor\":4711,\"state\":\"open\","
		"\"look_asked_ms\":%u,%s\"calls\":%u,\"errors\":0,\"last_op\":%u,\"lane\":[{\"lane\":3,"
		"\"taken\":%u,\"done\":%u,\"op\":%u,\"begun_ms\":%u,\"commands_bytes\":131072,"
		"\"commands_unread\":%u,\"replies_bytes\":65536,\"replies_unread\":%u,"
		"\"guest_alive\":true}]%s}",
		asked, answered, lane.done, lane.op, lane.taken, lane.done, lane.op, lane.begun_ms,
		lane.unread, lane.replies, more);
	object = json_tokener_parse(text);
	assert_non_null(object);
	return object;
}

/* Takes both. */
static const struct vgpu_finding *verdict(struct json_object *before, struct json_object *after,
					  bool paused)
{
	vgpu_verify_session(&findings, before, after, APART, paused, &executor);
	json_object_put(before);
	json_object_put(after);
	return vgpu_first_broken(&findings);
}

static const struct vgpu_finding *finding(const char *name)
{
	static const struct vgpu_finding none;

	for (size_t i = 0; i < findings.count; i++)
		if (!strcmp(findings.all[i].name, name))
			return &findings.all[i];
	fail_msg("nothing was said of %s", name);
	return &none;
}

static const struct lane idle = {.taken = 100, .done = 100, .op = VG_OP_vgLaunch};

static void assert_all_well(void)
{
	for (size_t i = 0; i < findings.count; i++)
		if (findings.all[i].verdict > VGPU_NOTE)
			fail_msg("%s: %s", findings.all[i].name, findings.all[i].seen);
}

static void at_rest(void **state)
{
	(void)state;
	assert_null(verdict(session(idle, 900, 899, ""), session(idle, 100, 99, ""), false));
	assert_all_well();
	assert_string_equal(findings.subject, "python3, process 812");
}

static void at_work(void **state)
{
	struct lane later = {.taken = 5100, .done = 5099, .op = VG_OP_vgLaunch, .unread = 130000};

	(void)state;
	/* A full ring by itself is a program that is faster than the GPU. */
	assert_null(verdict(session(idle, 900, 899, ""), session(later, 100, 99, ""), false));
	assert_all_well();
	assert_non_null(strstr(finding("commands")->seen, "4999 a second"));
	assert_non_null(strstr(finding("lanes")->seen, "rings nearly full: 1"));
}

/* It has begun since the look before: nothing is known of it. */
static void new_session(void **state)
{
	struct lane busy = {.taken = 1, .done = 0, .op = VG_OP_vgModuleLoad, .begun_ms = 30000};

	(void)state;
	assert_null(verdict(NULL, session(busy, 100, 99, ""), false));
	assert_all_well();
}

static void executor_gone(void **state)
{
	(void)state;
	executor.there = false;
	assert_int_equal(verdict(NULL, session(idle, 100, 99, ""), false)->link,
			 VGPU_LINK_EXECUTOR);
}

static void executor_stopped(void **state)
{
	const struct vgpu_finding *broken;

	(void)state;
	executor.state = 'T';
	broken = verdict(NULL, session(idle, 100, -1, ""), false);
	assert_int_equal(broken->link, VGPU_LINK_EXECUTOR);
	assert_non_null(strstr(broken->remedy, "kill -CONT 4711"));
}

static void executor_silent(void **state)
{
	(void)state;
	executor.state = 'D';
	/* An answer, but to an earlier question. */
	assert_int_equal(verdict(NULL, session(idle, 3000, 3001, ""), false)->link,
			 VGPU_LINK_EXECUTOR);
	teardown(state);
	assert_null(verdict(NULL, session(idle, 3000, 3000, ""), false));
	teardown(state);
	assert_int_equal(verdict(NULL, session(idle, 3000, -1, ""), false)->link,
			 VGPU_LINK_EXECUTOR);
}

static void privileges_kept(void **state)
{
	(void)state;
	executor.uid = 0;
	assert_null(verdict(NULL, session(idle, 100, 99, ""), false));
	assert_int_equal(finding("privileges")->verdict, VGPU_WARN);
}

static void waits_for_the_gpu(void **state)
{
	struct lane wait = {.taken = 101, .done = 100, .op = VG_OP_cuStreamSynchronize};
	struct lane longer = wait;

	(void)state;
	wait.begun_ms = 4000;
	longer.begun_ms = 25000;
	assert_null(verdict(session(wait, 900, 899, ""), session(wait, 100, 99, ""), false));
	assert_int_equal(finding("lane")->verdict, VGPU_NOTE);
	teardown(state);
	assert_null(verdict(session(longer, 900, 899, ""), session(longer, 100, 99, ""), false));
	assert_int_equal(finding("lane")->verdict, VGPU_WARN);
	assert_non_null(strstr(finding("lane")->seen, "25.0 s"));
}

static void waits_for_functions(void **state)
{
	struct lane wait = {
		.taken = 101, .done = 100, .op = VG_OP_vgHostFuncWait, .begun_ms = 900000};

	(void)state;
	assert_null(verdict(session(wait, 900, 899, ""), session(wait, 100, 99, ""), false));
	assert_all_well();
}

static void hangs_in_the_driver(void **state)
{
	struct lane hang = {.taken = 101,
			    .done = 100,
			    .op = VG_OP_vgModuleLoad,
			    .begun_ms = 60000,
			    .unread = 131072};
	const struct vgpu_finding *broken;

	(void)state;
	broken = verdict(session(hang, 900, 899, ""), session(hang, 100, 99, ""), false);
	assert_int_equal(broken->link, VGPU_LINK_COMMANDS);
	assert_non_null(strstr(broken->seen, "vgModuleLoad"));
	assert_non_null(strstr(broken->seen, "its ring is full"));
}

static void commands_lie_there(void **state)
{
	struct lane lost = {.taken = 100, .done = 100, .op = VG_OP_vgLaunch, .unread = 64};

	(void)state;
	assert_int_equal(
		verdict(session(lost, 900, 899, ""), session(lost, 100, 99, ""), false)->link,
		VGPU_LINK_COMMANDS);
}

static void answers_are_not_taken(void **state)
{
	struct lane replies = {.taken = 100, .done = 100, .op = VG_OP_vgCopyOut, .replies = 40};
	struct lane later = replies;
	const struct vgpu_finding *broken;

	(void)state;
	broken = verdict(session(replies, 900, 899, ""), session(replies, 100, 99, ""), true);
	assert_int_equal(broken->link, VGPU_LINK_REPLIES);
	assert_non_null(strstr(broken->remedy, "unpause"));
	teardown(state);
	/* Another answer of the same size. */
	later.taken = later.done = 101;
	assert_null(verdict(session(replies, 900, 899, ""), session(later, 100, 99, ""), false));
	assert_all_well();
}

static void errors_and_missing_calls(void **state)
{
	struct json_object *after =
		session(idle, 100, 99, ",\"refused\":[\"cuMulticastCreate\",\"cuFoo\\u001b[31m\"]");

	(void)state;
	json_object_object_add(after, "errors", json_object_new_int(3));
	json_object_object_add(after, "last_error", json_object_new_int(1));
	json_object_object_add(after, "last_error_op", json_object_new_int(VG_OP_cuMemAlloc_v2));
	assert_null(verdict(NULL, after, false));
	assert_non_null(
		strstr(finding("errors")->seen, "CUDA_ERROR_INVALID_VALUE of cuMemAlloc_v2"));
	assert_non_null(strstr(finding("missing calls")->seen, "cuMulticastCreate"));
	assert_null(strchr(finding("missing calls")->seen, '\033'));
}

static void a_lost_gpu(void **state)
{
	struct json_object *after = session(idle, 100, 99, "");

	(void)state;
	json_object_object_add(after, "errors", json_object_new_int(1));
	json_object_object_add(after, "last_error",
			       json_object_new_int(CUDA_ERROR_ECC_UNCORRECTABLE));
	assert_int_equal(verdict(NULL, after, false)->link, VGPU_LINK_GPU);
}

/* The program that it was lost under has ended, and no other was there since. */
static void a_gpu_lost_before(void **state)
{
	struct json_object *ended = session(idle, 100, 99, ",\"ended\":970");
	const struct vgpu_finding *broken;

	(void)state;
	vgpu_verify_ended(&findings, NULL, 1000);
	vgpu_verify_ended(&findings, ended, 1000);
	assert_int_equal(findings.count, 0);
	json_object_object_add(ended, "last_error",
			       json_object_new_int(CUDA_ERROR_DEVICE_UNAVAILABLE));
	json_object_object_add(ended, "last_error_op", json_object_new_int(VG_OP_cuMemAlloc_v2));
	vgpu_verify_ended(&findings, ended, 1000);
	broken = vgpu_first_broken(&findings);
	assert_int_equal(broken->link, VGPU_LINK_GPU);
	assert_non_null(strstr(broken->seen, "python3, process 812, ended 30 s ago"));
	assert_non_null(strstr(broken->seen, "CUDA_ERROR_DEVICE_UNAVAILABLE of cuMemAlloc_v2"));
	teardown(state);
	/* Its CUDA_VISIBLE_DEVICES may have named none. */
	json_object_object_add(ended, "last_error", json_object_new_int(CUDA_ERROR_NO_DEVICE));
	vgpu_verify_ended(&findings, ended, 1000);
	assert_null(vgpu_first_broken(&findings));
	assert_int_equal(finding("last program")->verdict, VGPU_WARN);
	json_object_put(ended);
}

/* An answer without any of the keys: of an earlier xen-vgpud. */
static void nothing_said(void **state)
{
	(void)state;
	assert_null(verdict(json_tokener_parse("{}"), json_tokener_parse("{}"), false));
}

static void the_first_link_counts(void **state)
{
	(void)state;
	vgpu_find(&findings, VGPU_LINK_REPLIES, VGPU_BROKEN, "a", "last");
	vgpu_find(&findings, VGPU_LINK_EXECUTOR, VGPU_BROKEN, "b", "in between");
	vgpu_find(&findings, VGPU_LINK_DOMAIN, VGPU_WARN, "c", "only a warning");
	vgpu_find(&findings, VGPU_LINK_BROKER, VGPU_BROKEN, "d", "first");
	assert_string_equal(vgpu_first_broken(&findings)->name, "d");
	assert_string_equal(vgpu_link_name(VGPU_LINK_BROKER), "broker");
	assert_string_equal(vgpu_link_name(VGPU_LINK_REPLIES), "replies");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(at_rest),
		CASE(at_work),
		CASE(new_session),
		CASE(executor_gone),
		CASE(executor_stopped),
		CASE(executor_silent),
		CASE(privileges_kept),
		CASE(waits_for_the_gpu),
		CASE(waits_for_functions),
		CASE(hangs_in_the_driver),
		CASE(commands_lie_there),
		CASE(answers_are_not_taken),
		CASE(errors_and_missing_calls),
		CASE(a_lost_gpu),
		CASE(a_gpu_lost_before),
		CASE(nothing_said),
		CASE(the_first_link_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
