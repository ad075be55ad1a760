/* SPDX-License-Identifier: MIT */
/* xen-frontend/replay/plan and order: what comes after what, numbers, copies, and what is refused. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/calls.h"
#include "protocol/session_info.h"
#include "tests/unit/trace_build.h"
#include "xen-frontend/replay/order.h"

static struct trace_build build;
static struct vg_trace trace;
static struct rp_plan plan;
static char why[VG_TRACE_TEXT];

static int begin(void **state)
{
	(void)state;
	trace_build_begin(&build, 100);
	trace_build_session(&build, VG_TRACE_WHOLE | VG_TRACE_DATA, VG_SPEC_HASH);
	trace_build_lane(&build, 0, 1);
	trace_build_lane(&build, 1, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rp_plan_dispose(&plan);
	vg_trace_close(&trace);
	trace_build_end(&build);
	return 0;
}

static int plan_built(void)
{
	assert_int_equal(vg_trace_open_bytes(&trace, build.bytes, build.size, why), 0);
	return rp_plan_make(&plan, &trace.sessions[0], why);
}

static void refused(const char *expected)
{
	assert_int_equal(plan_built(), -EBADMSG);
	if (!strstr(why, expected))
		fail_msg("\"%s\" does not say \"%s\"", why, expected);
}

static struct rp_command *command(uint32_t lane, uint64_t number)
{
	struct vg_trace_command *found = vg_trace_command_find(&trace.sessions[0], lane, number);

	assert_non_null(found);
	return &plan.commands[found - trace.sessions[0].commands];
}

/* Taken, and over, by the host's clock; called, and the answer before that had, by the guest's. */
struct times {
	uint64_t taken, done, called, had;
};

static void call_args(uint16_t lane, uint64_t number, uint16_t op, uint16_t flags,
		      struct times times, const void *args, uint32_t size)
{
	trace_build_part(&build, lane, number, VG_TRACE_ARGS, 0, args, size);
	trace_build_call(&build, lane,
			 (struct vg_trace_call){
				 .number = number,
				 .op = op,
				 .flags = flags,
				 .args = size,
				 .taken = times.taken,
				 .begun = times.taken,
				 .done = times.done,
				 .answered = flags & VG_CMD_ASYNC ? 0 : times.done,
				 .called = times.called,
				 .had = times.had,
			 });
}

static void call(uint16_t lane, uint64_t number, uint16_t op, uint16_t flags, struct times times)
{
	call_args(lane, number, op, flags, times, "", 0);
}

#define SYNC  VG_OP_vgCtxSynchronize
#define ASYNC VG_OP_vgAfter

static void answers_by_the_host(void **state)
{
	(void)state;
	call(0, 1, SYNC, 0, (struct times){.taken = 10, .done = 20});
	call(1, 1, SYNC, 0, (struct times){.taken = 15, .done = 40});
	call(0, 2, ASYNC, VG_CMD_ASYNC, (struct times){.taken = 30, .done = 31});
	call(0, 3, SYNC, 0, (struct times){.taken = 50, .done = 60});
	assert_int_equal(plan_built(), 0);
	assert_int_equal(plan.sent, 4);
	assert_int_equal(command(1, 1)->needs[RP_HOST], 0);
	assert_int_equal(command(0, 2)->needs[RP_HOST], 1);
	assert_int_equal(command(0, 3)->needs[RP_HOST], 2);
	assert_int_equal(command(1, 1)->rank[RP_HOST], 1);
	assert_int_equal(command(0, 2)->rank[RP_HOST], SIZE_MAX);
}

/* The executor wrote late that it was done: the guest's word counts. */
static void answers_by_the_guest(void **state)
{
	(void)state;
	call(0, 2, SYNC, 0, (struct times){.taken = 10, .done = 100, .called = 1005});
	call(1, 2, SYNC, 0, (struct times){.taken = 50, .done = 60, .called = 1040});
	call(0, 4, SYNC, 0, (struct times){.taken = 110, .done = 120, .called = 1100, .had = 1030});
	assert_int_equal(plan_built(), 0);
	assert_int_equal(command(0, 2)->had, 1030);
	assert_int_equal(command(1, 2)->needs[RP_GUEST], 1);
	assert_int_equal(command(1, 2)->needs[RP_HOST], 0);
	assert_int_equal(plan.by[RP_GUEST].count, 1);
	/* Lane 1's last answer has no stamp. */
	assert_int_equal(plan.by[RP_REST].count, 2);
	assert_int_equal(command(0, 4)->needs[RP_REST], 1);
}

static void stamps_that_go_back_are_dropped(void **state)
{
	(void)state;
	call(0, 2, SYNC, 0, (struct times){.taken = 10, .done = 20, .called = 1005});
	call(0, 4, SYNC, 0, (struct times){.taken = 30, .done = 40, .called = 1000, .had = 1000});
	assert_int_equal(plan_built(), 0);
	assert_int_equal(plan.by[RP_GUEST].count, 0);
	assert_int_equal(command(0, 4)->called, 0);
	assert_int_equal(command(0, 4)->needs[RP_HOST], 1);
}

static void numbers_without_what_is_skipped(void **state)
{
	(void)state;
	call(0, 1, SYNC, 0, (struct times){.taken = 10, .done = 20});
	call(0, 2, VG_OP_vgHostFuncWait, 0, (struct times){.taken = 30, .done = 40});
	call(0, 5, SYNC, 0, (struct times){.taken = 50, .done = 60});
	call(1, 1, VG_OP_vgHostFuncWait, 0, (struct times){.taken = 10, .done = 20});
	assert_int_equal(plan_built(), 0);
	assert_int_equal(plan.sent, 2);
	assert_true(plan.host_funcs);
	assert_true(plan.lane_plays[0]);
	assert_false(plan.lane_plays[1]);
	assert_int_equal(plan.events_count, 1);
	assert_int_equal(command(0, 5)->number, 2);
	assert_int_equal(rp_plan_after(&plan, vg_after(0, 5)), vg_after(0, 2));
	assert_int_equal(rp_plan_after(&plan, vg_after(0, 4)), vg_after(0, 1));
	assert_int_equal(rp_plan_after(&plan, vg_after(1, 1)), 0);
	assert_int_equal(rp_plan_after(&plan, vg_after(9, 1)), 0);
	assert_int_equal(rp_plan_after(&plan, 0), 0);
}

static struct vg_args_vgCopy copy_args(uint64_t dst, uint64_t src, uint64_t size, unsigned int mode)
{
	struct vg_args_vgCopy args;

	memset(&args, 0, sizeof(args));
	args.dst = dst;
	args.src = src;
	args.size = size;
	args.mode = mode;
	return args;
}

#define PINNED 0x300000000000ull
#define DEVICE 0x200000000000ull

static void region(void)
{
	struct vg_trace_share share = {
		.head = {.type = VG_TRACE_REGION, .bytes = sizeof(share), .executor = 100},
		.at = 2,
		.open = 1,
		.address = PINNED,
		.bytes = 4096,
	};

	trace_build_put(&build, &share, sizeof(share));
}

static void copy_in(uint64_t number, uint64_t taken)
{
	const struct vg_args_vgCopy args = copy_args(DEVICE, PINNED, 8, VG_COPY_ASYNC);

	trace_build_part(&build, 0, number, VG_TRACE_MEMORY, PINNED, "12345678", 8);
	call_args(0, number, VG_OP_vgCopy, VG_CMD_ASYNC,
		  (struct times){.taken = taken, .done = taken + 1}, &args, sizeof(args));
}

static void copies_from_pinned_memory(void **state)
{
	const struct vg_args_vgCopy out = copy_args(PINNED, DEVICE, 8, VG_COPY_ASYNC);

	(void)state;
	region();
	copy_in(1, 10);
	/* Behind a copy to there that nobody has waited for, what was recorded is too old. */
	call_args(0, 2, VG_OP_vgCopy, VG_CMD_ASYNC, (struct times){.taken = 20, .done = 21}, &out,
		  sizeof(out));
	copy_in(3, 30);
	call(0, 4, SYNC, 0, (struct times){.taken = 40, .done = 50});
	copy_in(5, 60);
	assert_int_equal(plan_built(), 0);
	assert_int_equal(command(0, 1)->way, RP_COPY_IN);
	assert_int_equal(command(0, 3)->way, RP_SEND);
	assert_false(command(0, 3)->puts);
	assert_int_equal(command(0, 5)->way, RP_COPY_IN);
	assert_int_equal(plan.events_count, 2);
}

static void questions_wait(void **state)
{
	uint64_t stream = 0;

	(void)state;
	call_args(0, 1, VG_OP_cuStreamQuery, 0, (struct times){.taken = 10, .done = 20}, &stream,
		  sizeof(stream));
	assert_int_equal(plan_built(), 0);
	assert_int_equal(command(0, 1)->op, VG_OP_cuStreamSynchronize);
}

static void wrong_plans(void **state)
{
	const struct vg_args_vgCopy args = copy_args(DEVICE, PINNED, 16, VG_COPY_ASYNC);
	size_t before;

	(void)state;
	before = build.size;
	refused("it has no commands");
	vg_trace_close(&trace);

	call(0, 1, VG_OP_END, 0, (struct times){.taken = 10, .done = 20});
	refused("unknown number");
	vg_trace_close(&trace);

	build.size = before;
	call(2, 1, SYNC, 0, (struct times){.taken = 10, .done = 20});
	refused("is in a lane that was not open");
	vg_trace_close(&trace);

	build.size = before;
	call(0, 1, SYNC, 0, (struct times){.taken = 10, .done = 5});
	refused("was answered before it was sent");
	vg_trace_close(&trace);

	build.size = before;
	call(0, 1, SYNC, 0, (struct times){.taken = 10, .done = 20});
	call(0, 2, SYNC, 0, (struct times){.taken = 15, .done = 30});
	refused("was taken before the one before it");
	vg_trace_close(&trace);

	build.size = before;
	trace_build_part(&build, 0, 1, VG_TRACE_MEMORY, PINNED, "12345678", 8);
	call_args(0, 1, VG_OP_vgCopy, VG_CMD_ASYNC, (struct times){.taken = 10, .done = 11}, &args,
		  sizeof(args));
	refused("lacks a part of its pinned memory");
	vg_trace_close(&trace);

	build.size = before;
	trace_build_call(&build, 0,
			 (struct vg_trace_call){.number = 1, .op = SYNC, .args = 8, .taken = 1});
	refused("lacks its arguments");
	vg_trace_close(&trace);

	build.size = before;
	trace_build_part(&build, 0, 1, VG_TRACE_ARGS, 0, "", 0);
	trace_build_call(&build, 0,
			 (struct vg_trace_call){.number = 1, .op = SYNC, .bulk = 1ull << 60});
	refused("lacks the data that it carried");
}

/* --- waiting -------------------------------------------------------------------------------------- */

static struct rp_order order;

static void *other_thread(void *arg)
{
	(void)arg;
	rp_order_shared(&order);
	rp_order_shared(&order);
	rp_order_answered(&order, command(1, 1));
	rp_order_answered(&order, command(0, 1));
	rp_order_sent(&order, 1, 1);
	return NULL;
}

static void waits_end(void **state)
{
	char text[RP_WHY];
	pthread_t thread;

	(void)state;
	call(0, 1, SYNC, 0, (struct times){.taken = 10, .done = 20});
	call(1, 1, SYNC, 0, (struct times){.taken = 15, .done = 30});
	call(0, 2, SYNC, 0, (struct times){.taken = 40, .done = 50});
	assert_int_equal(plan_built(), 0);

	/* In time, */
	assert_true(rp_order_init(&order, &plan, 10000));
	assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	assert_true(rp_order_wait(&order, command(0, 2), vg_after(1, 1), text));
	pthread_join(thread, NULL);
	rp_order_dispose(&order);

	/* not in time, and it is said what was waited for, */
	assert_true(rp_order_init(&order, &plan, 1));
	rp_order_shared(&order);
	rp_order_shared(&order);
	rp_order_answered(&order, command(1, 1));
	assert_false(rp_order_wait(&order, command(0, 2), 0, text));
	assert_string_equal(text, "waited for the answer to command 1 of lane 0 "
				  "(vgCtxSynchronize)");
	rp_order_dispose(&order);

	/* or because of the end. */
	assert_true(rp_order_init(&order, &plan, 10000));
	rp_order_end(&order);
	assert_false(rp_order_wait(&order, command(0, 2), 0, text));
	assert_string_equal(text, "");
	rp_order_dispose(&order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_by_the_host, begin, end),
		cmocka_unit_test_setup_teardown(answers_by_the_guest, begin, end),
		cmocka_unit_test_setup_teardown(stamps_that_go_back_are_dropped, begin, end),
		cmocka_unit_test_setup_teardown(numbers_without_what_is_skipped, begin, end),
		cmocka_unit_test_setup_teardown(copies_from_pinned_memory, begin, end),
		cmocka_unit_test_setup_teardown(questions_wait, begin, end),
		cmocka_unit_test_setup_teardown(wrong_plans, begin, end),
		cmocka_unit_test_setup_teardown(waits_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
