/* SPDX-License-Identifier: MIT */
/*
 * What xen-vgpud tells of a session, as vgpu top reads it: both ends agree on the names and the units.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tools/top_sample.h"
#include "xen-backend/daemon.h"

static struct be_daemon daemon_;
static struct be_device *device;
static struct be_session session;
static struct vg_counters counters;
static struct be_record records[BE_HISTORY_MAX];

static void counters_fill(void)
{
	struct vg_stats *stats = &counters.stats;
	struct vg_live *live = &counters.live;

	stats->commands = 1001;
	stats->launches = 1002;
	stats->bytes_htod = 1003;
	stats->bytes_dtoh = 1004;
	stats->errors = 1005;
	stats->alloc_bytes = 1006;
	stats->last_op = 7;
	stats->last_error = 8;
	stats->last_error_op = 9;
	stats->ops[300] = 11;
	live->op_timed[300] = 12;
	live->op_ns[300] = 13;
	live->took[21] = 14;
	live->refused_count = 15;
	live->lane[2] = (struct vg_live_lane){.number = 21,
					      .done = 20,
					      .begun = 1,
					      .op = 300,
					      .commands_bytes = 4096,
					      .commands_unread = 22,
					      .replies_bytes = 8192,
					      .replies_unread = 23,
					      .guest_sleeps = VG_SLEEP_DATA,
					      .exec_sleeps = VG_SLEEP_ROOM};
}

static int setup(void **state)
{
	char why[BE_CONFIG_WHY];

	(void)state;
	fake_xs_reset();
	fake_link_reset();
	counters_fill();
	daemon_.signals = daemon_.history_fd = -1;
	be_config_init(&daemon_.config);
	snprintf(daemon_.config.socket, sizeof(daemon_.config.socket), "/tmp/vgpud-list-%d.sock",
		 (int)getpid());
	daemon_.history = records;
	daemon_.started = 1234;
	daemon_.xs = xs_open(0);
	device = calloc(1, sizeof(*device));
	if (!device)
		return -1;
	session = (struct be_session){.device = device,
				      .seat_count = 1,
				      .state = BE_SESSION_OPEN,
				      .pid = 4001,
				      .guest_pid = 105,
				      .started = 5678,
				      .stats = &counters.stats};
	snprintf(session.comm, sizeof(session.comm), "train");
	session.seats[0] = (struct be_seat){.session = &session, .device = device};
	device->daemon = &daemon_;
	device->domid = 3;
	device->devid = 1;
	device->seats = &session.seats[0];
	device->settings.mem = 4096;
	snprintf(device->settings.gpu, sizeof(device->settings.gpu), "soft");
	records[0] = (struct be_record){.domid = 3, .devid = 1, .executor = 4000, .started = 99};
	records[0].stats.commands = 77;
	daemon_.history_count = daemon_.history_next = 1;
	return be_tools_open(&daemon_, why);
}

static int teardown(void **state)
{
	(void)state;
	be_tools_close(&daemon_);
	xs_close(daemon_.xs);
	free(device);
	return 0;
}

/* The device is in the daemon's list for the answer only: nothing else is to work with it. */
static void list(struct top_sample *sample)
{
	static char line[262144];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	static const char request[] = "{\"vgpu\":1,\"request\":\"list\"}\n";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct json_object *answer;
	size_t used = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", daemon_.config.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	daemon_.devices = device;
	for (int i = 0; i < 200 && (!used || line[used - 1] != '\n'); i++) {
		struct pollfd fds[16];
		size_t sources = be_tools_sources(&daemon_, fds, 16);
		ssize_t n;

		if (poll(fds, sources, 10) > 0)
			be_tools_ready(&daemon_, fds, sources);
		n = recv(fd, line + used, sizeof(line) - 1 - used, MSG_DONTWAIT);
		used += n > 0 ? (size_t)n : 0;
	}
	daemon_.devices = NULL;
	close(fd);
	line[used] = '\0';
	answer = json_tokener_parse(line);
	assert_non_null(answer);
	assert_int_equal(top_sample_read(sample, answer, 1), 0);
	json_object_put(answer);
}

static void a_session_is_read_back(void **state)
{
	static const uint64_t wanted[TOP_COUNTERS] = {1001, 1002, 1003, 1004, 1005};
	const struct top_session *read;
	struct top_sample sample;

	(void)state;
	list(&sample);
	assert_int_equal(sample.started, 1234);
	assert_int_equal(sample.daemon, getpid());
	assert_true(sample.now > 1234);
	assert_int_equal(sample.device_count, 1);
	assert_int_equal(sample.devices[0].domid, 3);
	assert_int_equal(sample.devices[0].devid, 1);
	assert_int_equal(sample.devices[0].mem, 4096);
	assert_string_equal(sample.devices[0].gpu, "soft");
	assert_int_equal(sample.session_count, 1);
	read = &sample.sessions[0];
	assert_int_equal(read->id.domid, 3);
	assert_int_equal(read->id.executor, 4001);
	assert_int_equal(read->id.pid, 105);
	assert_int_equal(read->id.started, 5678);
	assert_int_equal(read->devid_count, 1);
	assert_int_equal(read->devids[0], 1);
	assert_string_equal(read->program, "train");
	assert_string_equal(read->state, "open");
	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		assert_int_equal(read->counter[i], wanted[i]);
	assert_int_equal(read->memory, 1006);
	assert_int_equal(read->last_op, 7);
	assert_int_equal(read->last_error, 8);
	assert_int_equal(read->last_error_op, 9);
	assert_int_equal(read->refused, 15);
	assert_int_equal(read->took[21], 14);
	assert_int_equal(read->op_count, 1);
	assert_int_equal(read->ops[0].op, 300);
	assert_int_equal(read->ops[0].count, 11);
	assert_int_equal(read->ops[0].timed, 12);
	assert_int_equal(read->ops[0].ns, 13);
	top_sample_dispose(&sample);
}

static void a_lane_is_read_back(void **state)
{
	const struct top_lane *lane;
	struct top_sample sample;

	(void)state;
	list(&sample);
	assert_int_equal(sample.sessions[0].lane_count, 1);
	lane = &sample.sessions[0].lanes[0];
	assert_int_equal(lane->lane, 2);
	assert_int_equal(lane->taken, 21);
	assert_int_equal(lane->done, 20);
	assert_int_equal(lane->op, 300);
	assert_int_equal(lane->commands_bytes, 4096);
	assert_int_equal(lane->commands_unread, 22);
	assert_int_equal(lane->replies_bytes, 8192);
	assert_int_equal(lane->replies_unread, 23);
	assert_true(lane->waited && lane->begun_ms > 0);
	assert_string_equal(lane->guest_sleeps, "data");
	assert_string_equal(lane->executor_sleeps, "room");
	top_sample_dispose(&sample);
}

static void what_has_ended_is_read_back(void **state)
{
	struct top_sample sample;

	(void)state;
	list(&sample);
	assert_int_equal(sample.ended_count, 1);
	assert_int_equal(sample.ended[0].id.domid, 3);
	assert_int_equal(sample.ended[0].id.executor, 4000);
	assert_int_equal(sample.ended[0].id.started, 99);
	assert_int_equal(sample.ended[0].counter[TOP_CALLS], 77);
	top_sample_dispose(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_read_back),
		cmocka_unit_test(a_lane_is_read_back),
		cmocka_unit_test(what_has_ended_is_read_back),
	};

	return cmocka_run_group_tests_name("list", tests, setup, teardown);
}
