/* SPDX-License-Identifier: MIT */
/* protocol/trace_file: what is right is brought together, what is wrong is refused, whatever is cut off. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/trace_file.h"
#include "tests/unit/trace_build.h"

static struct trace_build build;
static struct vg_trace trace;
static char why[VG_TRACE_TEXT];

static int open_built(void)
{
	return vg_trace_open_bytes(&trace, build.bytes, build.size, why);
}

static int begin(void **state)
{
	(void)state;
	trace_build_begin(&build, 100);
	return 0;
}

static int end(void **state)
{
	(void)state;
	vg_trace_close(&trace);
	trace_build_end(&build);
	return 0;
}

static void refused(const char *expected)
{
	assert_int_equal(open_built(), -EBADMSG);
	if (!strstr(why, expected))
		fail_msg("\"%s\" does not say \"%s\"", why, expected);
	assert_null(trace.sessions);
}

static void call_put(uint16_t lane, uint64_t number, uint64_t taken)
{
	trace_build_call(&build, lane,
			 (struct vg_trace_call){
				 .number = number,
				 .taken = taken,
				 .args = 12,
			 });
}

static void parts_come_together(void **state)
{
	struct vg_trace_recorded *session;
	struct vg_trace_command *command;
	char bytes[12];

	(void)state;
	trace_build_session(&build, VG_TRACE_WHOLE, 1);
	trace_build_lane(&build, 2, 1);
	trace_build_part(&build, 2, 7, VG_TRACE_ARGS, 0, "abcdefgh", 8);
	trace_build_part(&build, 2, 7, VG_TRACE_MEMORY, 0x7000, "pinned", 6);
	/* Another lane's records between, and a later command's part before the first command. */
	call_put(3, 1, 50);
	trace_build_part(&build, 2, 7, VG_TRACE_ARGS, 8, "ijkl", 4);
	trace_build_part(&build, 2, 8, VG_TRACE_ARGS, 0, "short", 5);
	call_put(2, 7, 60);
	call_put(2, 8, 40);
	assert_int_equal(open_built(), 0);
	assert_int_equal(trace.count, 1);
	assert_false(trace.cut);

	session = &trace.sessions[0];
	assert_int_equal(session->shares_count, 1);
	assert_int_equal(session->count, 3);
	assert_int_equal(session->by_time[0]->call.number, 8);
	assert_int_equal(session->by_time[1]->call.head.lane, 3);
	assert_int_equal(session->by_time[2]->call.number, 7);

	command = vg_trace_command_find(session, 2, 7);
	assert_non_null(command);
	assert_int_equal(command->count, 3);
	assert_true(command->whole & 1u << VG_TRACE_ARGS);
	assert_true(command->whole & 1u << VG_TRACE_BULK); /* there is none */
	vg_trace_part_copy(command, VG_TRACE_ARGS, bytes);
	assert_memory_equal(bytes, "abcdefghijkl", 12);
	assert_int_equal(command->pieces[2].kind, VG_TRACE_MEMORY);
	assert_int_equal(command->pieces[2].offset, 0x7000);

	command = vg_trace_command_find(session, 2, 8);
	assert_non_null(command);
	assert_false(command->whole & 1u << VG_TRACE_ARGS);
	assert_null(vg_trace_command_find(session, 2, 9));
	assert_null(vg_trace_command_find(session, VG_LANES_MAX, 7));
}

static void pieces_twice_or_with_gaps_are_not_whole(void **state)
{
	static const struct {
		uint64_t first, second;
	} places[] = {{0, 0}, {0, 5}, {1, 7}, {0, UINT64_MAX - 6}};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct vg_trace_command *command;

		trace_build_end(&build);
		trace_build_begin(&build, 100);
		trace_build_session(&build, 0, 1);
		trace_build_part(&build, 0, 1, VG_TRACE_ARGS, places[i].first, "abcdef", 6);
		trace_build_part(&build, 0, 1, VG_TRACE_ARGS, places[i].second, "abcdef", 6);
		call_put(0, 1, 1);
		assert_int_equal(open_built(), 0);
		command = vg_trace_command_find(&trace.sessions[0], 0, 1);
		assert_non_null(command);
		assert_false(command->whole & 1u << VG_TRACE_ARGS);
		vg_trace_close(&trace);
	}
}

static void what_had_not_come_back(void **state)
{
	struct vg_trace_recorded *session;
	char bytes[12];

	(void)state;
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	trace_build_part(&build, 0, 2, VG_TRACE_ARGS, 0, "abcdefgh", 8);
	trace_build_part(&build, 0, 2, VG_TRACE_ARGS, 8, "ijkl", 4);
	trace_build_part(&build, 1, 9, VG_TRACE_ARGS, 8, "gap", 3);
	assert_int_equal(open_built(), 0);
	session = &trace.sessions[0];
	assert_int_equal(session->count, 1);
	assert_int_equal(session->unfinished_count, 2);
	assert_int_equal(session->unfinished[0].call.number, 2);
	assert_int_equal(session->unfinished[0].call.args, 12);
	assert_true(session->unfinished[0].whole & 1u << VG_TRACE_ARGS);
	vg_trace_part_copy(&session->unfinished[0], VG_TRACE_ARGS, bytes);
	assert_memory_equal(bytes, "abcdefghijkl", 12);
	assert_int_equal(session->unfinished[1].call.head.lane, 1);
	assert_false(session->unfinished[1].whole & 1u << VG_TRACE_ARGS);
}

static void sessions_stand_apart(void **state)
{
	(void)state;
	call_put(0, 1, 1); /* of nobody */
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	build.executor = 200;
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	call_put(0, 2, 2);
	build.executor = 100; /* the same process number again */
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	assert_int_equal(open_built(), 0);
	assert_int_equal(trace.count, 3);
	assert_int_equal(trace.strange, 1);
	assert_int_equal(trace.sessions[0].count, 1);
	assert_int_equal(trace.sessions[1].count, 2);
	assert_int_equal(trace.sessions[2].count, 1);
}

static void wrong_records_are_refused(void **state)
{
	struct vg_trace_head head = {.type = VG_TRACE_CALL, .bytes = 40, .executor = 100};
	uint8_t record[40] = {0};

	(void)state;
	trace_build_session(&build, 0, 1);
	memcpy(record, &head, sizeof(head));
	trace_build_put(&build, record, sizeof(record));
	refused("has 40 bytes of 128");

	build.size -= sizeof(record);
	head.bytes = 0;
	memcpy(record, &head, sizeof(head));
	trace_build_put(&build, record, sizeof(record));
	refused("has 0 bytes");

	build.size -= sizeof(record);
	head.bytes = VG_TRACE_BLOCK + 8;
	memcpy(record, &head, sizeof(head));
	trace_build_put(&build, record, sizeof(record));
	refused("has 32776 bytes");
}

static void wrong_numbers_are_refused(void **state)
{
	size_t before;
	uint32_t much = 4096;

	(void)state;
	trace_build_session(&build, 0, 1);
	before = build.size;
	call_put(VG_LANES_MAX, 1, 1);
	refused("names lane 256");

	build.size = before;
	trace_build_part(&build, 0, 1, VG_TRACE_ARGS, 0, "ab", 2);
	memcpy(build.bytes + before + offsetof(struct vg_trace_part, bytes), &much, sizeof(much));
	refused("longer than its record");

	build.size = before;
	call_put(0, 1, 1);
	call_put(0, 1, 2);
	refused("two commands 1 in lane 0");
}

static void unknown_records_are_passed_over(void **state)
{
	struct vg_trace_head head = {.type = 99, .bytes = sizeof(head), .executor = 100};

	(void)state;
	trace_build_session(&build, 0, 1);
	trace_build_put(&build, &head, sizeof(head));
	call_put(0, 1, 1);
	assert_int_equal(open_built(), 0);
	assert_int_equal(trace.sessions[0].count, 1);
}

static void losses_add_up(void **state)
{
	struct vg_trace_lost lost = {
		.head = {.type = VG_TRACE_LOST, .bytes = sizeof(lost), .executor = 100},
		.records = 3,
	};

	(void)state;
	trace_build_session(&build, 0, 1);
	trace_build_put(&build, &lost, sizeof(lost));
	trace_build_put(&build, &lost, sizeof(lost));
	assert_int_equal(open_built(), 0);
	assert_int_equal(trace.sessions[0].lost, 6);
	vg_trace_close(&trace);
	lost.records = UINT64_MAX;
	trace_build_put(&build, &lost, sizeof(lost));
	assert_int_equal(open_built(), 0);
	assert_int_equal(trace.sessions[0].lost, UINT64_MAX);
}

/* At every length: what is there is read, never more. */
static void cut_anywhere(void **state)
{
	size_t size, last;

	(void)state;
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	last = build.size;
	call_put(0, 2, 2);
	for (size = 0; size <= build.size; size++) {
		uint8_t *copy = malloc(size ? size : 1);

		assert_non_null(copy);
		memcpy(copy, build.bytes, size);
		if (size < sizeof(struct vg_trace_file)) {
			assert_int_equal(vg_trace_open_bytes(&trace, copy, size, why), -EBADMSG);
		} else {
			assert_int_equal(vg_trace_open_bytes(&trace, copy, size, why), 0);
			if (size == last || size == build.size)
				assert_false(trace.cut);
			if (size > last && size < build.size)
				assert_true(trace.cut);
			if (size >= last)
				assert_int_equal(trace.sessions[0].count,
						 size == build.size ? 2 : 1);
			vg_trace_close(&trace);
		}
		free(copy);
	}
}

static void files_and_pipes(void **state)
{
	char path[] = "/tmp/trace_file_test.XXXXXX";
	int fd = mkstemp(path), ends[2], input;

	(void)state;
	trace_build_session(&build, 0, 1);
	call_put(0, 1, 1);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, build.bytes, build.size), build.size);
	close(fd);
	assert_int_equal(vg_trace_open(&trace, path, why), 0);
	assert_int_equal(trace.sessions[0].count, 1);
	vg_trace_close(&trace);
	unlink(path);
	assert_int_equal(vg_trace_open(&trace, path, why), -ENOENT);
	assert_non_null(strstr(why, "cannot read it"));

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], build.bytes, build.size), build.size);
	close(ends[1]);
	input = dup(STDIN_FILENO);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	assert_int_equal(vg_trace_open(&trace, "-", why), 0);
	assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
	close(input);
	assert_int_equal(trace.sessions[0].count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(parts_come_together, begin, end),
		cmocka_unit_test_setup_teardown(pieces_twice_or_with_gaps_are_not_whole, begin,
						end),
		cmocka_unit_test_setup_teardown(what_had_not_come_back, begin, end),
		cmocka_unit_test_setup_teardown(sessions_stand_apart, begin, end),
		cmocka_unit_test_setup_teardown(wrong_records_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(wrong_numbers_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(unknown_records_are_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(losses_add_up, begin, end),
		cmocka_unit_test_setup_teardown(cut_anywhere, begin, end),
		cmocka_unit_test_setup_teardown(files_and_pipes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
