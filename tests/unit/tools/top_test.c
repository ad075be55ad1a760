/* SPDX-License-Identifier: MIT */
/*
 * What vgpu top makes of xen-vgpud's answers: rates, over sessions that come, go and are adopted, counters that do
 * not behave, percentiles, history, and the order of rows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/top_view.h"

#define NOW 1800000000 /* xen-vgpud's clock at the first sample */

static struct top_model model;
static char answer[65536];
static bool first_device, first_session;

static int setup(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	top_model_dispose(&model);
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t used = strlen(answer);
	va_list args;

	va_start(args, format);
	vsnprintf(answer + used, sizeof(answer) - used, format, args);
	va_end(args);
}

static void begin_of(unsigned int daemon, unsigned int seconds)
{
	answer[0] = '\0';
	say("{\"vgpu\":1,\"ok\":true,\"pid\":%u,\"started\":%u,\"now\":%u,\"devices\":[", daemon,
	    NOW - 100 + daemon, NOW + seconds);
	first_device = true;
}

static void begin(unsigned int seconds)
{
	begin_of(7, seconds);
}

static void device(unsigned int domid, unsigned int devid, uint64_t mem, uint64_t used)
{
	say("%s{\"domid\":%u,\"devid\":%u,\"connected\":true,\"gpu\":\"0\",\"mem\":%llu,\"mem_used\":"
	    "%llu,\"sessions\":[",
	    first_device ? "" : "]},", domid, devid, (unsigned long long)mem,
	    (unsigned long long)used);
	first_device = false;
	first_session = true;
}

static void session(unsigned int executor, const char *program, int started, uint64_t calls,
		    const char *more)
{
	say("%s{\"executor\":%u,\"pid\":%u,\"program\":\"%s\",\"state\":\"open\",\"started\":%d,"
	    "\"devids\":[0],\"calls\":%llu,\"memory\":100%s}",
	    first_session ? "" : ",", executor, executor + 1000, program, NOW + started,
	    (unsigned long long)calls, more);
	first_session = false;
}

/* Of this answer, which came so many ms after the first, with these that have ended. */
static void finish(unsigned int ms, const char *ended)
{
	struct top_sample sample;
	struct json_object *parsed;

	say("%s],\"ended\":[%s]}", first_device ? "" : "]}", ended);
	parsed = json_tokener_parse(answer);
	assert_non_null(parsed);
	assert_int_equal(top_sample_read(&sample, parsed, 50000 + ms), 0);
	json_object_put(parsed);
	assert_int_equal(top_model_add(&model, &sample), 0);
	top_model_step(&model);
}

static const struct top_process *process(unsigned int executor)
{
	for (size_t i = 0; i < model.process_count; i++)
		if (model.processes[i].present &&
		    model.processes[i].session.id.executor == executor)
			return &model.processes[i];
	return NULL;
}

static double calls_of(unsigned int executor)
{
	const struct top_process *found = process(executor);

	assert_non_null(found);
	return found->figures.rate[TOP_CALLS];
}

static double guest_calls(uint64_t domid)
{
	const struct top_guest *guest = top_model_guest(&model, domid);

	assert_non_null(guest);
	return guest->figures.rate[TOP_CALLS];
}

static void near(double value, double wanted, int line)
{
	if (fabs(value - wanted) <= 1e-6 * fabs(wanted))
		return;
	print_error("%g, not %g\n", value, wanted);
	_fail(__FILE__, line);
}
#define assert_near(value, wanted) near(value, wanted, __LINE__)
#define assert_unknown(value)      assert_true(isnan(value))

static void one(unsigned int ms, unsigned int seconds, uint64_t calls)
{
	begin(seconds);
	device(3, 0, 1000, 100);
	session(50, "p", -10, calls, "");
	finish(ms, "");
}

/* --- rates ------------------------------------------------------------------------------------ */

static void rates_need_two_samples(void **state)
{
	(void)state;
	one(0, 0, 1000);
	assert_unknown(calls_of(50));
	assert_unknown(guest_calls(3));
	assert_true(model.seconds == 0);
	one(2000, 2, 4000);
	assert_near(calls_of(50), 1500);
	assert_near(guest_calls(3), 1500);
	assert_near(model.total.rate[TOP_CALLS], 1500);
	assert_near(model.seconds, 2);
	one(2500, 2, 4000);
	assert_true(calls_of(50) == 0);
}

static void a_new_session_counts_from_nought(void **state)
{
	(void)state;
	one(0, 0, 1000);
	begin(2);
	device(3, 0, 0, 0);
	session(50, "p", -10, 1000, "");
	session(51, "new", 1, 600, "");
	session(52, "old", -5, 900000,
		""); /* began before the last sample, which did not have it */
	finish(2000, "");
	assert_near(calls_of(51), 300);
	assert_unknown(calls_of(52));
	assert_near(guest_calls(3), 300);
}

static void a_session_that_has_gone_is_no_row(void **state)
{
	(void)state;
	one(0, 0, 1000);
	begin(2);
	device(3, 0, 0, 0);
	finish(2000, "");
	assert_null(process(50));
	assert_int_equal(top_model_guest(&model, 3)->process_count, 0);
	assert_int_equal(model.process_count, 1);
	begin(70);
	device(3, 0, 0, 0);
	finish(70000, "");
	assert_int_equal(model.process_count, 0);
}

static void the_same_number_may_be_another_process(void **state)
{
	(void)state;
	one(0, 0, 1000000);
	begin(2);
	device(3, 0, 0, 0);
	session(50, "p", 1, 200, "");
	finish(2000, "");
	assert_near(calls_of(50), 100);
}

static void counters_that_go_back_are_no_leap(void **state)
{
	(void)state;
	one(0, 0, 1000);
	one(1000, 1, 0);
	assert_true(calls_of(50) == 0);
	one(2000, 2, 900);
	assert_true(calls_of(50) == 0);
	one(3000, 3, 1300);
	assert_near(calls_of(50), 300);
	one(4000, 4, UINT64_MAX);
	assert_true(calls_of(50) > 1e19 && isfinite(calls_of(50)));
	one(5000, 5, 5);
	assert_true(calls_of(50) == 0);
}

static void a_restart_of_the_daemon(void **state)
{
	(void)state;
	one(0, 0, 1000);
	top_model_miss(&model, "nobody there");
	assert_string_equal(model.why, "nobody there");
	/* Its first answer has no executors yet. */
	begin_of(8, 2);
	device(3, 0, 0, 0);
	finish(2000, "");
	assert_int_equal(model.restarts, 1);
	assert_string_equal(model.why, "");
	one(4000, 4, 3000);
	assert_near(calls_of(50), 500); /* over the four seconds that it was away */
	assert_int_equal(model.restarts, 2);
}

static void ended_sessions_count_for_their_guest(void **state)
{
	static const char old[] =
		"{\"domid\":3,\"executor\":40,\"pid\":1,\"started\":1,\"calls\":77}";
	char both[512];

	(void)state;
	begin(0);
	device(3, 0, 0, 0);
	session(50, "p", -10, 1000, "");
	finish(0, old);
	snprintf(both, sizeof(both),
		 "%s,{\"domid\":3,\"executor\":50,\"pid\":1050,\"started\":%d,\"calls\":1600},"
		 "{\"domid\":3,\"executor\":51,\"pid\":1051,\"started\":%d,\"calls\":400},"
		 "{\"domid\":3,\"executor\":52,\"pid\":1052,\"started\":%d,\"calls\":90000}",
		 old, NOW - 10, NOW + 1, NOW - 3);
	begin(2);
	device(3, 0, 0, 0);
	finish(2000, both);
	/* 600 of one that was seen, 400 of one that was not; nothing of those that nobody can know. */
	assert_near(guest_calls(3), 500);
	begin(4);
	device(3, 0, 0, 0);
	finish(4000, both);
	assert_true(guest_calls(3) == 0);
}

static void one_session_of_two_devices(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin(i);
		device(3, 0, 1000, 100);
		session(50, "p", -10, 100 * (i + 1), "");
		device(3, 1, 500, 100);
		session(50, "p", -10, 100 * (i + 1), "");
		finish(1000 * i, "");
	}
	assert_int_equal(model.process_count, 1);
	assert_near(guest_calls(3), 100);
	assert_near(process(50)->figures.memory, 200);
	assert_near(top_model_guest(&model, 3)->figures.quota, 1500);
	assert_int_equal(top_model_guest(&model, 3)->device_count, 2);
}

static void a_device_without_a_quota(void **state)
{
	(void)state;
	begin(0);
	device(3, 0, 1000, 100);
	device(3, 1, 0, 100);
	device(4, 0, 1000, 100);
	finish(0, "");
	assert_unknown(top_model_guest(&model, 3)->figures.quota);
	assert_near(top_model_guest(&model, 4)->figures.quota, 1000);
}

static void calls_of_one_kind(void **state)
{
	(void)state;
	begin(0);
	device(3, 0, 0, 0);
	session(50, "p", -10, 0, ",\"ops\":[[1,100],[2,5]],\"op_times\":[[1,10,1000]]");
	finish(0, "");
	begin(2);
	device(3, 0, 0, 0);
	session(50, "p", -10, 0, ",\"ops\":[[1,104],[2,5],[9,60]],\"op_times\":[[1,14,2000]]");
	finish(2000, "");
	assert_int_equal(process(50)->op_count, 2);
	assert_int_equal(process(50)->ops[0].op, 9);
	assert_near(process(50)->ops[0].rate, 30);
	assert_unknown(process(50)->ops[0].ns);
	assert_int_equal(process(50)->ops[1].op, 1);
	assert_near(process(50)->ops[1].ns, 250);
}

/* --- percentiles ------------------------------------------------------------------------------ */

static void percentiles(void **state)
{
	double took[TOP_TOOK] = {0};

	(void)state;
	assert_unknown(top_percentile(took, 0.5));
	took[10] = 50;
	took[20] = 50;
	assert_near(top_percentile(took, 0.25), exp2(10.5));
	assert_near(top_percentile(took, 0.5), exp2(11));
	assert_near(top_percentile(took, 0.99), exp2(20.98));
	took[TOP_TOOK - 1] = 1e6;
	assert_true(top_percentile(took, 0.99) <= exp2(TOP_TOOK));
	assert_near(top_percentile(took, 1), exp2(TOP_TOOK));
}

static void latency_is_of_the_last_interval(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const took[] = {",\"took\":[0,0,1000]",
						   ",\"took\":[0,0,1000,0,8]",
						   ",\"took\":[0,0,1000,0,8]"};

		begin(i);
		device(3, 0, 0, 0);
		session(50, "p", -10, i, took[i]);
		finish(1000 * i, "");
		if (i == 1) {
			assert_near(process(50)->figures.latency[TOP_P50], exp2(4.5));
			assert_near(top_model_guest(&model, 3)->figures.latency[TOP_P90],
				    exp2(4.9));
		} else {
			assert_unknown(process(50)->figures.latency[TOP_P50]);
		}
	}
}

/* --- histories -------------------------------------------------------------------------------- */

static void histories(void **state)
{
	const struct top_guest *guest;

	(void)state;
	for (unsigned int i = 0; i < TOP_HISTORY + 10; i++)
		one(i * 1000, i, (uint64_t)i * i);
	guest = top_model_guest(&model, 3);
	assert_int_equal(model.filled, TOP_HISTORY);
	assert_near(top_guest_past(&model, guest, TOP_GRAPH_CALLS, 0),
		    (double)(2 * (TOP_HISTORY + 10) - 3));
	assert_near(top_guest_past(&model, guest, TOP_GRAPH_CALLS, 1),
		    (double)(2 * (TOP_HISTORY + 10) - 5));
	assert_near(top_guest_past(&model, guest, TOP_GRAPH_MEMORY, TOP_HISTORY - 1), 100);
	assert_unknown(top_guest_past(&model, guest, TOP_GRAPH_CALLS, TOP_HISTORY));
	top_model_miss(&model, "gone");
	assert_unknown(top_guest_past(&model, guest, TOP_GRAPH_CALLS, 0));
	assert_near(top_guest_past(&model, guest, TOP_GRAPH_CALLS, 1),
		    (double)(2 * (TOP_HISTORY + 10) - 3));
}

static void a_guest_that_has_gone_is_forgotten(void **state)
{
	(void)state;
	one(0, 0, 0);
	begin(1);
	finish(1000, "");
	assert_false(top_model_guest(&model, 3)->present);
	one(2000, 2, 2000);
	assert_near(guest_calls(3), 1000);
	assert_near(top_guest_past(&model, top_model_guest(&model, 3), TOP_GRAPH_MEMORY, 2), 100);
	begin(70);
	finish(70000, "");
	assert_null(top_model_guest(&model, 3));
}

static void shares(void **state)
{
	(void)state;
	one(0, 0, 0);
	assert_unknown(process(50)->figures.gpu);
	top_model_gpu(&model, 50, 0.25);
	top_model_gpu(&model, 50, 0.5);
	top_model_gpu(&model, 99, 1);
	assert_near(process(50)->figures.gpu, 0.75);
}

/* --- what may come instead of an answer ------------------------------------------------------- */

static void answers_that_make_no_sense(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"7",
		"{\"devices\":7,\"ended\":{}}",
		"{\"devices\":[null,7,[],{\"sessions\":[null,7,{\"ops\":[7,null,[],[1]],\"took\":[\"x\"],"
		"\"lane\":[null,7],\"devids\":[null],\"program\":null,\"calls\":-5}]}],\"ended\":[null]}",
		"{\"devices\":[{\"domid\":-1,\"sessions\":[{\"ops\":[[99999999999,1]],\"calls\":1e300,"
		"\"program\":[1,2],\"op_times\":[[]]}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct json_object *parsed = json_tokener_parse(answers[i]);
		struct top_sample sample;

		assert_int_equal(top_sample_read(&sample, parsed, 1000 * (i + 1)), 0);
		json_object_put(parsed);
		assert_int_equal(top_model_add(&model, &sample), 0);
		top_model_step(&model);
	}
}

static void long_lists_are_cut(void **state)
{
	struct json_object *parsed, *took = json_object_new_array(), *ops = json_object_new_array();
	struct json_object *lanes = json_object_new_array(), *device_json, *session_json;
	struct top_sample sample;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct json_object *pair = json_object_new_array();

		json_object_array_add(pair, json_object_new_int(i));
		json_object_array_add(pair, json_object_new_int(1));
		json_object_array_add(ops, pair);
		json_object_array_add(took, json_object_new_int(1));
		json_object_array_add(lanes, json_object_new_object());
	}
	session_json = json_object_new_object();
	json_object_object_add(session_json, "ops", ops);
	json_object_object_add(session_json, "op_times", json_object_get(ops));
	json_object_object_add(session_json, "took", took);
	json_object_object_add(session_json, "lane", lanes);
	json_object_object_add(session_json, "devids", json_object_get(took));
	device_json = json_object_new_object();
	json_object_object_add(device_json, "sessions", json_object_new_array());
	json_object_array_add(json_object_object_get(device_json, "sessions"), session_json);
	parsed = json_object_new_object();
	json_object_object_add(parsed, "devices", json_object_new_array());
	json_object_array_add(json_object_object_get(parsed, "devices"), device_json);
	assert_int_equal(top_sample_read(&sample, parsed, 1), 0);
	assert_int_equal(sample.sessions[0].op_count, TOP_OPS);
	assert_int_equal(sample.sessions[0].lane_count, TOP_LANES_MAX);
	assert_int_equal(sample.sessions[0].devid_count, TOP_DEVIDS);
	json_object_put(parsed);
	top_sample_dispose(&sample);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void three_guests(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		begin(i);
		device(3, 0, 0, 700);
		session(50, "beta", -10, 100 * i, "");
		session(51, "alpha", -10, 300 * i, "");
		device(4, 0, 0, 900);
		session(52, "gamma", -10, 350 * i, "");
		device(5, 0, 0, 0);
		finish(1000 * i, "");
	}
	snprintf(top_model_guest(&model, 4)->name, TOP_TEXT, "Web");
}

/* Executors, 0: a guest's own row, in their order. */
static void assert_rows(const struct top_view *view, size_t wanted_count,
			const unsigned int *wanted)
{
	size_t count;
	struct top_row *rows = top_view_rows(view, &model, &count);

	assert_non_null(rows);
	assert_int_equal(count, wanted_count);
	for (size_t i = 0; i < wanted_count; i++)
		assert_int_equal(rows[i].process ? rows[i].process->session.id.executor
						 : rows[i].guest->domid,
				 wanted[i]);
	free(rows);
}
#define assert_order(view, ...)                                                   \
	do {                                                                      \
		const unsigned int wanted_[] = {__VA_ARGS__};                     \
		assert_rows(view, sizeof(wanted_) / sizeof(wanted_[0]), wanted_); \
	} while (0)

static void order(void **state)
{
	struct top_view view = {.sort = TOP_COL_CALLS};

	(void)state;
	three_guests();
	assert_order(&view, 3, 51, 50, 4, 52, 5);
	view.inverted = true;
	assert_order(&view, 5, 4, 52, 3, 50, 51);
	view.inverted = false;
	view.sort = TOP_COL_MEMORY;
	assert_order(&view, 4, 52, 3, 50, 51, 5);
	view.sort = TOP_COL_GPU; /* nobody knows it: by number */
	assert_order(&view, 3, 50, 51, 4, 52, 5);
	view.flat = true;
	view.sort = TOP_COL_PROGRAM;
	assert_order(&view, 51, 50, 52);
	view.sort = TOP_COL_CALLS;
	assert_order(&view, 52, 51, 50);
	view.sort = TOP_COL_PID;
	assert_order(&view, 52, 51, 50);
}

static void filters(void **state)
{
	static const uint32_t domids[] = {4, 9};
	struct top_view view = {.sort = TOP_COL_CALLS, .filter = "ALPH"};

	(void)state;
	three_guests();
	assert_order(&view, 3, 51);
	snprintf(view.filter, sizeof(view.filter), "web"); /* a guest: all of its processes */
	assert_order(&view, 4, 52);
	snprintf(view.filter, sizeof(view.filter), "1050"); /* the process's number in the guest */
	assert_order(&view, 3, 50);
	snprintf(view.filter, sizeof(view.filter), "domain 5");
	assert_order(&view, 5);
	snprintf(view.filter, sizeof(view.filter), "nothing");
	assert_rows(&view, 0, NULL);
	view.filter[0] = '\0';
	view.domids = domids;
	view.domid_count = 2;
	assert_order(&view, 4, 52);
}

static void assert_text(void (*make)(double, char *), double value, const char *wanted)
{
	char text[TOP_CELL];

	make(value, text);
	assert_string_equal(text, wanted);
}

static void texts(void **state)
{
	(void)state;
	assert_text(top_text_count, NAN, "-");
	assert_text(top_text_count, 0, "0");
	assert_text(top_text_count, 0.25, "0.2");
	assert_text(top_text_count, 9999, "9999");
	assert_text(top_text_count, 12345, "12.3k");
	assert_text(top_text_count, 1.8e19, "18.0E");
	assert_text(top_text_bytes, 1536, "1.5K");
	assert_text(top_text_bytes, 1e30, "16.0E");
	assert_text(top_text_bytes, NAN, "-");
	assert_text(top_text_share, 0.376, "38%");
	assert_text(top_text_share, INFINITY, "9999%");
	assert_text(top_text_ns, 999, "999ns");
	assert_text(top_text_ns, 1500, "1.5us");
	assert_text(top_text_ns, 999600, "1.0ms");
	assert_text(top_text_ns, 2.5e12, "2500s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rates_need_two_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_session_counts_from_nought, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_that_has_gone_is_no_row, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_number_may_be_another_process, setup,
						teardown),
		cmocka_unit_test_setup_teardown(counters_that_go_back_are_no_leap, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_of_the_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(ended_sessions_count_for_their_guest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_session_of_two_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(a_device_without_a_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_of_one_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(percentiles, setup, teardown),
		cmocka_unit_test_setup_teardown(latency_is_of_the_last_interval, setup, teardown),
		cmocka_unit_test_setup_teardown(histories, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_has_gone_is_forgotten, setup,
						teardown),
		cmocka_unit_test_setup_teardown(shares, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_that_make_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lists_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(order, setup, teardown),
		cmocka_unit_test_setup_teardown(filters, setup, teardown),
		cmocka_unit_test_setup_teardown(texts, setup, teardown),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
