/* SPDX-License-Identifier: MIT */
/*
 * The vgpu command's socket: requests good and bad, clients that do not behave, and the settings of
 * the daemon.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "xen-backend/daemon.h"

static struct be_daemon daemon_;

static int setup(void **state)
{
	char why[BE_CONFIG_WHY];

	(void)state;
	fake_xs_reset();
	fake_link_reset();
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.who = VG_LOG_WHO_NONE;
	vg_log_set_level(&daemon_.who, VG_LOG_ERROR);
	daemon_.signals = -1;
	be_config_init(&daemon_.config);
	snprintf(daemon_.config.socket, sizeof(daemon_.config.socket), "/tmp/vgpud-tools-%d.sock",
		 (int)getpid());
	daemon_.history_fd = -1;
	daemon_.history = calloc(BE_HISTORY_MAX, sizeof(*daemon_.history));
	daemon_.xs = xs_open(0);
	fake_xs_domain(3, true);
	fake_xs_set("/local/domain/3/device/vgpu/0/state", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/3/0/online", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/3/0/gpu", "soft");
	fake_xs_set("/local/domain/0/backend/vgpu/3/0/state", "1");
	daemon_.rescan = true;
	return be_tools_open(&daemon_, why);
}

static int teardown(void **state)
{
	(void)state;
	while (daemon_.devices) {
		struct be_device *next = daemon_.devices->next;

		be_device_free(daemon_.devices);
		daemon_.devices = next;
	}
	be_tools_close(&daemon_);
	xs_close(daemon_.xs);
	free(daemon_.history);
	return access(daemon_.config.socket, F_OK) ? 0 : -1; /* it takes its socket with it */
}

static int client_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", daemon_.config.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Turns until there is a line, or the other end has closed (NULL). */
static struct json_object *client_line(int fd)
{
	static char line[65536];
	size_t used = 0;

	for (int i = 0; i < 200; i++) {
		ssize_t n = recv(fd, line + used, sizeof(line) - 1 - used, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		used += n > 0 ? (size_t)n : 0;
		line[used] = '\0';
		if (used && line[used - 1] == '\n') {
			assert_ptr_equal(strchr(line, '\n'), line + used - 1);
			return json_tokener_parse(line);
		}
		daemon_.rescan = true; /* no turn waits */
		be_turn(&daemon_);
	}
	fail_msg("no answer");
	return NULL;
}

static struct json_object *ask(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	return client_line(fd);
}

static bool is_ok(struct json_object *answer)
{
	struct json_object *ok;

	assert_non_null(answer);
	assert_true(json_object_object_get_ex(answer, "ok", &ok));
	return json_object_get_boolean(ok);
}

static void test_ping_and_list(void **state)
{
	struct json_object *answer, *devices, *value;
	int fd = client_open();
	struct stat st;

	(void)state;
	assert_int_equal(stat(daemon_.config.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"ping\"}\n");
	assert_true(is_ok(answer));
	assert_true(json_object_object_get_ex(answer, "pid", &value));
	assert_int_equal(json_object_get_int(value), getpid());
	json_object_put(answer);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"list\",\"domid\":3}\n");
	assert_true(is_ok(answer));
	assert_true(json_object_object_get_ex(answer, "devices", &devices));
	assert_int_equal(json_object_array_length(devices), 1);
	assert_true(
		json_object_object_get_ex(json_object_array_get_idx(devices, 0), "gpu", &value));
	assert_string_equal(json_object_get_string(value), "soft");
	assert_true(json_object_object_get_ex(json_object_array_get_idx(devices, 0), "mem_used",
					      &value));
	assert_int_equal(json_object_get_int64(value), 0);
	json_object_put(answer);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"list\",\"domid\":4}\n");
	assert_true(json_object_object_get_ex(answer, "devices", &devices));
	assert_int_equal(json_object_array_length(devices), 0);
	json_object_put(answer);
	close(fd);
}

static void test_log_levels(void **state)
{
	int fd = client_open();
	struct json_object *answer;

	(void)state;
	be_turn(&daemon_);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"log\",\"level\":\"warn\",\"domid\":3}\n");
	assert_true(is_ok(answer));
	json_object_put(answer);
	assert_int_equal(daemon_.devices->who.level, VG_LOG_WARN);
	assert_int_equal(daemon_.who.level, VG_LOG_ERROR);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"log\",\"level\":\"loud\"}\n");
	assert_false(is_ok(answer));
	json_object_put(answer);
	answer = ask(fd, "{\"vgpu\":1,\"request\":\"log\",\"level\":\"info\",\"domid\":9}\n");
	assert_false(is_ok(answer));
	json_object_put(answer);
	close(fd);
}

/* Asked of all devices, or of one domain's. */
static void test_probe(void **state)
{
	static const char list[] = "{\"vgpu\":1,\"request\":\"list\"}\n";
	static const char *const asks[] = {
		"{\"vgpu\":1,\"request\":\"look\"}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":\"alive\",\"domid\":4}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":\"alive\",\"domid\":3}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":\"kernel\"}\n",
	};
	static const char *const whats[] = {NULL, NULL, "alive", "kernel"};
	int fd = client_open();

	(void)state;
	be_turn(&daemon_);
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct json_object *answer = ask(fd, asks[i]), *devices, *probe, *value;

		assert_true(is_ok(answer));
		json_object_put(answer);
		answer = ask(fd, list);
		assert_true(json_object_object_get_ex(answer, "devices", &devices));
		assert_int_equal(json_object_object_get_ex(json_object_array_get_idx(devices, 0),
							   "probe", &probe),
				 whats[i] != NULL);
		if (whats[i]) {
			assert_true(json_object_object_get_ex(probe, "what", &value));
			assert_string_equal(json_object_get_string(value), whats[i]);
			assert_true(json_object_object_get_ex(probe, "status", &value));
			assert_int_equal(json_object_get_int(value), -ENOTCONN);
		}
		json_object_put(answer);
	}
	close(fd);
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {
		"\n",
		"hello\n",
		"[]\n",
		"{}\n",
		"\"list\"\n",
		"{\"vgpu\":2,\"request\":\"list\"}\n",
		"{\"vgpu\":1}\n",
		"{\"vgpu\":1,\"request\":5}\n",
		"{\"vgpu\":1,\"request\":\"shutdown\"}\n",
		"{\"vgpu\":1,\"request\":\"list\",\"domid\":-1}\n",
		"{\"vgpu\":1,\"request\":\"list\",\"domid\":\"3\"}\n",
		"{\"vgpu\":1,\"request\":\"list\",\"domid\":99999}\n",
		"{\"vgpu\":1,\"request\":\"log\"}\n",
		"{\"vgpu\":1,\"request\":\"log\",\"level\":null}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":\"loud\"}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":1}\n",
		"{\"vgpu\":1,\"request\":\"look\",\"probe\":null}\n",
	};
	int fd = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *answer = ask(fd, bad[i]), *error;

		if (is_ok(answer))
			print_error("answered: %s", bad[i]);
		assert_false(is_ok(answer));
		assert_true(json_object_object_get_ex(answer, "error", &error));
		json_object_put(answer);
	}
	close(fd);
}

/* Several in one piece, and one in many. */
static void test_lines(void **state)
{
	static const char ping[] = "{\"vgpu\":1,\"request\":\"ping\"}\n";
	int fd = client_open(), count = 0;
	char both[2 * sizeof(ping)], answers[4096];

	(void)state;
	snprintf(both, sizeof(both), "%s%s", ping, ping);
	assert_int_equal(send(fd, both, strlen(both), 0), strlen(both));
	for (int i = 0; i < 200 && count < 2; i++) {
		ssize_t n = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);

		for (ssize_t j = 0; j < n; j++)
			count += answers[j] == '\n';
		daemon_.rescan = true;
		be_turn(&daemon_);
	}
	assert_int_equal(count, 2);
	for (size_t i = 0; i < strlen(ping); i++) {
		assert_int_equal(send(fd, ping + i, 1, 0), 1);
		daemon_.rescan = true;
		be_turn(&daemon_);
	}
	json_object_put(client_line(fd));
	close(fd);
}

static void test_endless_line(void **state)
{
	static char line[8192];
	int fd = client_open();

	(void)state;
	memset(line, 'a', sizeof(line));
	assert_true(send(fd, line, sizeof(line), 0) > 0);
	assert_null(client_line(fd)); /* it is shown the door */
	close(fd);
}

/* More clients than there is room for, none of which says anything: a new one is served. */
static void test_silent_clients(void **state)
{
	int silent[20], fd;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		silent[i] = client_open();
		daemon_.rescan = true;
		be_turn(&daemon_);
	}
	fd = client_open();
	json_object_put(ask(fd, "{\"vgpu\":1,\"request\":\"ping\"}\n"));
	for (size_t i = 0; i < 20; i++)
		close(silent[i]);
	close(fd);
}

static void test_second_daemon(void **state)
{
	struct be_daemon second = {.who = VG_LOG_WHO_NONE};
	char why[BE_CONFIG_WHY] = "";

	(void)state;
	memcpy(second.config.socket, daemon_.config.socket, sizeof(second.config.socket));
	assert_int_equal(be_tools_open(&second, why), -EADDRINUSE);
	assert_non_null(strstr(why, "another xen-vgpud"));
	assert_int_equal(access(daemon_.config.socket, F_OK), 0);
}

/* --- settings -------------------------------------------------------------------------------- */

static void config_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_settings(void **state)
{
	char path[64], option[96], why[BE_CONFIG_WHY] = "";
	char level[] = "--log-level=data", name[] = "xen-vgpud";
	char *argv[] = {name, option, level, NULL};
	struct be_config config;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/vgpud-conf-%d", (int)getpid());
	snprintf(option, sizeof(option), "--config=%s", path);
	config_file(path, "# a comment\n\n  open-timeout = 7  \nlog-level=error\n");
	assert_int_equal(be_config_load(&config, 3, argv, why), 0);
	assert_int_equal(config.open_timeout, 7);
	assert_int_equal(config.log_level, VG_LOG_DATA); /* the command line has the last word */
	assert_string_equal(config.user, "vgpu");
	config_file(path, "user = x\nopen-timeout = 0\n");
	assert_int_equal(be_config_load(&config, 2, argv, why), -EINVAL);
	assert_non_null(strstr(why, path));
	assert_non_null(
		strstr(why, ":2: open-timeout = 0 is not valid: it must be a number from 1 to"));
	config_file(path, "colour = red\n");
	assert_int_equal(be_config_load(&config, 2, argv, why), -EINVAL);
	assert_non_null(strstr(why, "unknown setting `colour`"));
	config_file(path, "just words\n");
	assert_int_equal(be_config_load(&config, 2, argv, why), -EINVAL);
	unlink(path);
	assert_int_equal(be_config_load(&config, 2, argv, why), -ENOENT);
	assert_int_equal(be_config_set(&config, "executor", "relative", why), -EINVAL);
	assert_int_equal(be_config_set(&config, "log-level", "loud", why), -EINVAL);
}

/* What a reload changes, what it leaves to a restart, and what `vgpu log` has set meanwhile. */
static void test_reload(void **state)
{
	struct be_config fresh = daemon_.config;
	char restart[BE_CONFIG_WHY], why[BE_CONFIG_WHY];

	(void)state;
	be_turn(&daemon_);
	assert_non_null(daemon_.devices);
	assert_int_equal(be_config_set(&fresh, "exit-timeout", "9", why), 0);
	be_log_level_set(&daemon_, -1, VG_LOG_DATA);
	be_reload(&daemon_, &fresh);
	assert_int_equal(daemon_.config.exit_timeout, 9);
	assert_int_equal(daemon_.devices->who.level, VG_LOG_DATA);
	assert_int_equal(be_config_set(&fresh, "log-level", "error", why), 0);
	assert_int_equal(be_config_set(&fresh, "socket", "/tmp/other.sock", why), 0);
	be_reload(&daemon_, &fresh);
	assert_int_equal(daemon_.devices->who.level, VG_LOG_ERROR);
	assert_int_equal(daemon_.who.level, VG_LOG_ERROR);
	assert_string_not_equal(daemon_.config.socket, "/tmp/other.sock");
	assert_false(be_config_adopt(&daemon_.config, &fresh, restart));
	assert_string_equal(restart, "socket");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ping_and_list), T(test_log_levels),   T(test_probe),
		T(test_ping_and_list), T(test_log_levels),   T(test_bad_requests),
		T(test_lines),         T(test_endless_line), T(test_silent_clients),
		T(test_second_daemon), T(test_reload),       cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
