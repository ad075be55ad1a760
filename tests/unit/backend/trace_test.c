/* SPDX-License-Identifier: MIT */
/*
 * Traces in xen-vgpud: who gets the tool's descriptor and when, what ends them, and who may not have one.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/trace.h"
#include "tests/unit/backend/fake_executor.h"
#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/backend/rig.h"

#define TRACE "{\"vgpu\":1,\"request\":\"trace\",\"domid\":3"

static int setup(void **state)
{
	(void)state;
	rig_init("/local/domain/0/");
	if (rig_open())
		return -1;
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	rig_frontend_connects();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	set("frontend", 3, 0, "/state", "6");
	rig_close();
	return 0;
}

/* --- the guest ------------------------------------------------------------------------------------ */

static void session_open(uint32_t session)
{
	struct vg_control msg = {
		.u.open = {.protocol = VG_PROTOCOL_VERSION, .pid = 77, .count = 1}};

	request(VG_CTL_OPEN, 100 + session, session, &msg);
	assert_answer(100 + session, 0);
}

static void region_share(uint32_t session)
{
	struct vg_control msg = {
		.u.share = {.id = 1, .kind = VG_SHARE_REGION, .pages = 10, .address = 0x1000000}};

	request(VG_CTL_SHARE, 200 + session, session, &msg);
	assert_answer(200 + session, 0);
}

/* --- the tool ------------------------------------------------------------------------------------- */

struct tool {
	int control, records;
};

static int connection(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", daemon_.config.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* With the first `count` of the descriptors. */
static void request_send(int control, const char *line, const int *fds, size_t count)
{
	struct iovec iov = {(void *)line, strlen(line)};
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} data;
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	memset(&data, 0, sizeof(data));
	if (count) {
		hdr.msg_control = data.buf;
		hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(control, &hdr, 0), strlen(line));
}

/* The answer's text of an error; "" if it is none. */
static const char *answer_take(int control)
{
	static char line[65536], error[256];
	struct json_object *answer, *value;
	size_t used = 0;

	for (int i = 0; i < 500 && (!used || line[used - 1] != '\n'); i++) {
		ssize_t n = recv(control, line + used, sizeof(line) - used - 1, MSG_DONTWAIT);

		used += n > 0 ? (size_t)n : 0;
		line[used] = '\0';
		turns(n > 0 ? 0 : 1);
	}
	answer = json_tokener_parse(line);
	assert_non_null(answer);
	snprintf(error, sizeof(error), "%s",
		 json_object_object_get_ex(answer, "error", &value) ? json_object_get_string(value)
								    : "");
	json_object_put(answer);
	return error;
}

static const char *ask(int control, const char *line, int fd)
{
	request_send(control, line, &fd, fd >= 0);
	return answer_take(control);
}

static struct tool trace_ask(const char *line, const char **error)
{
	struct tool tool = {.control = connection()};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	tool.records = pair[0];
	*error = ask(tool.control, line, pair[1]);
	close(pair[1]);
	return tool;
}

static struct tool trace_begin(const char *line)
{
	const char *error;
	struct tool tool = trace_ask(line, &error);

	assert_string_equal(error, "");
	return tool;
}

static void tool_close(struct tool *tool)
{
	close(tool->control);
	close(tool->records);
}

static bool readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

/* Until a record comes: its length, 0: nobody has the other end any more. */
static ssize_t record_take(const struct tool *tool, struct vg_trace_session *record)
{
	turn_until(readable(tool->records));
	return recv(tool->records, record, sizeof(*record), MSG_DONTWAIT);
}

static void assert_silent(const struct tool *tool)
{
	char byte;

	turns(5);
	usleep(20000);
	assert_int_equal(recv(tool->records, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_begins(const struct tool *tool, int32_t session, uint32_t flags)
{
	struct vg_trace_session record;

	assert_int_equal(record_take(tool, &record), sizeof(record));
	assert_int_equal(record.session, session);
	assert_int_equal(record.flags, flags);
}

static void assert_over(const struct tool *tool)
{
	struct vg_trace_session record;

	assert_int_equal(record_take(tool, &record), 0);
}

/* --- tests ---------------------------------------------------------------------------------------- */

/* One that runs is recorded from then on, one that comes is recorded whole. */
static void test_sessions(void **state)
{
	struct tool tool;

	(void)state;
	session_open(1);
	region_share(1);
	tool = trace_begin(TRACE "}\n");
	assert_begins(&tool, 1, 0);
	session_open(2);
	region_share(2);
	assert_begins(&tool, 2, VG_TRACE_WHOLE);
	assert_silent(&tool);
	close(tool.control);
	assert_over(&tool);
	close(tool.records);
}

/* The tool's end, seen by its connection: executors let go, and the next trace is another. */
static void test_again(void **state)
{
	struct tool tool;

	(void)state;
	session_open(1);
	for (int i = 0; i < 3; i++) {
		tool = trace_begin(TRACE ",\"data\":true}\n");
		assert_begins(&tool, 1, VG_TRACE_WHOLE | VG_TRACE_DATA);
		close(tool.control);
		assert_over(&tool);
		close(tool.records);
	}
	region_share(1);
}

/* A look meanwhile neither ends it nor begins it again. */
static void test_looks(void **state)
{
	struct tool tool;
	int other = connection();

	(void)state;
	session_open(1);
	tool = trace_begin(TRACE "}\n");
	assert_begins(&tool, 1, VG_TRACE_WHOLE);
	for (int i = 0; i < 3; i++)
		assert_string_equal(ask(other, "{\"vgpu\":1,\"request\":\"look\"}\n", -1), "");
	assert_string_equal(ask(tool.control, "{\"vgpu\":1,\"request\":\"look\"}\n", -1), "");
	assert_silent(&tool);
	close(other);
	close(tool.control);
	assert_over(&tool);
	close(tool.records);
}

static void test_one_session(void **state)
{
	struct tool tool;

	(void)state;
	session_open(1);
	session_open(2);
	tool = trace_begin(TRACE ",\"session\":2}\n");
	assert_begins(&tool, 2, VG_TRACE_WHOLE);
	assert_silent(&tool);
	tool_close(&tool);
}

static void test_second(void **state)
{
	struct tool first, second;
	const char *error;
	char mine[64];

	(void)state;
	attach(3, 1, "soft:1");
	turn_until(be_devices_find(&daemon_, 3, 1));
	first = trace_begin(TRACE ",\"devid\":0}\n");
	snprintf(mine, sizeof(mine), "by process %d", (int)getpid());
	second = trace_ask(TRACE ",\"devid\":0}\n", &error);
	assert_non_null(strstr(error, mine));
	assert_over(&second);
	tool_close(&second);
	second = trace_ask(TRACE "}\n", &error);
	assert_non_null(strstr(error, mine));
	tool_close(&second);
	second = trace_ask(TRACE ",\"devid\":1}\n", &error);
	assert_string_equal(error, "");
	assert_string_equal(ask(second.control, TRACE ",\"devid\":1}\n", -1),
			    "this connection has a trace already");
	tool_close(&second);
	tool_close(&first);
	turns(2);
	first = trace_begin(TRACE "}\n");
	tool_close(&first);
}

/* Its vGPU has gone: so has the connection. */
static void test_device_gone(void **state)
{
	struct tool tool;
	char byte;

	(void)state;
	session_open(1);
	tool = trace_begin(TRACE "}\n");
	assert_begins(&tool, 1, VG_TRACE_WHOLE);
	set("backend", 3, 0, "/online", "0");
	set("backend", 3, 0, "/state", "5");
	turn_until(rig_state_is(0, "6"));
	fake_xs_remove(node("backend", 3, 0, ""));
	fake_xs_remove(node("frontend", 3, 0, ""));
	turn_until(readable(tool.control));
	assert_int_equal(recv(tool.control, &byte, 1, MSG_DONTWAIT), 0);
	assert_over(&tool);
	tool_close(&tool);
}

/* The executor is killed: the trace goes on for those that come. */
static void test_executor_killed(void **state)
{
	struct tool tool;

	(void)state;
	session_open(1);
	tool = trace_begin(TRACE "}\n");
	assert_begins(&tool, 1, VG_TRACE_WHOLE);
	kill(be_devices_find(&daemon_, 3, 0)->sessions->pid, SIGKILL);
	assert_gone(1, "signal 9");
	session_open(2);
	assert_begins(&tool, 2, VG_TRACE_WHOLE);
	tool_close(&tool);
}

/* Other clients come and go; who traces keeps its connection. */
static void test_many_clients(void **state)
{
	struct tool tool;
	int others[20];

	(void)state;
	tool = trace_begin(TRACE "}\n");
	for (size_t i = 0; i < 20; i++) {
		others[i] = connection();
		turns(2);
	}
	session_open(1);
	assert_begins(&tool, 1, VG_TRACE_WHOLE);
	for (size_t i = 0; i < 20; i++)
		close(others[i]);
	tool_close(&tool);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"{\"vgpu\":1,\"request\":\"trace\"}\n",
		"{\"vgpu\":1,\"request\":\"trace\",\"domid\":9}\n",
		TRACE ",\"devid\":7}\n",
		TRACE ",\"devid\":256}\n",
		TRACE ",\"devid\":-1}\n",
		TRACE ",\"devid\":\"0\"}\n",
		TRACE ",\"session\":0}\n",
		TRACE ",\"session\":null}\n",
	};
	struct tool tool;
	const char *error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tool = trace_ask(bad[i], &error);
		assert_string_not_equal(error, "");
		assert_over(&tool); /* the descriptor is not kept */
		tool_close(&tool);
	}
}

/* No descriptor, one of another kind, several; and one with a request that needs none. */
static void test_descriptors(void **state)
{
	static const int types[] = {SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_NONBLOCK,
				    SOCK_SEQPACKET};
	int control = connection(), pair[2], pipes[2];
	char byte;

	(void)state;
	assert_non_null(strstr(ask(control, TRACE "}\n", -1), "SOCK_SEQPACKET"));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, pair), 0);
		assert_non_null(strstr(ask(control, TRACE "}\n", pair[1]), "SOCK_SEQPACKET"));
		close(pair[0]);
		close(pair[1]);
	}
	assert_int_equal(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	assert_non_null(strstr(ask(control, TRACE "}\n", pipes[1]), "SOCK_SEQPACKET"));
	request_send(control, "{\"vgpu\":1,\"request\":\"ping\"}\n", pipes + 1, 1);
	assert_string_equal(answer_take(control), "");
	request_send(control, "{\"vgpu\":1,\"request\":\"ping\"}\n",
		     (const int[]){pipes[1], pipes[1]}, 2);
	assert_string_equal(answer_take(control), "");
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 0); /* nobody has kept any */
	close(pipes[0]);
	close(control);
}

/* Only so many run at a time. */
static void test_most(void **state)
{
	struct tool tools[BE_TRACES_MAX + 1];
	const char *error;
	char line[64], gpu[16];

	(void)state;
	for (uint32_t i = 0; i <= BE_TRACES_MAX; i++) {
		snprintf(gpu, sizeof(gpu), "%u", i);
		attach(3, 10 + i, gpu);
		turn_until(be_devices_find(&daemon_, 3, 10 + i));
		snprintf(line, sizeof(line), TRACE ",\"devid\":%u}\n", 10 + i);
		tools[i] = trace_ask(line, &error);
		assert_int_equal(!*error, i < BE_TRACES_MAX);
	}
	for (uint32_t i = 0; i <= BE_TRACES_MAX; i++)
		tool_close(&tools[i]);
	turns(2);
	tools[0] = trace_begin(TRACE ",\"devid\":10}\n");
	tool_close(&tools[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_sessions),        T(test_again),        T(test_looks),
		T(test_one_session),     T(test_second),       T(test_device_gone),
		T(test_executor_killed), T(test_many_clients), T(test_refused),
		T(test_descriptors),     T(test_most),
	};

	if (!strcmp(argv[0], "vgpu-executor"))
		return fake_executor_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
