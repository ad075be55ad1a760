/* SPDX-License-Identifier: MIT */
/*
 * The metrics: their text, that totals only grow whatever sessions, vGPUs, executors and xen-vgpud do, and the
 * place where they are asked for. With --sample it prints such a text, for tests/metrics/check.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/backend/fake_executor.h"
#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/backend/rig.h"
#include "xen-backend/listen.h"
#include "xen-backend/metrics.h"
#include "xen-backend/session.h"

#define BE "/local/domain/0/backend/vgpu/3/0"
#define FE "/local/domain/3/device/vgpu/0"

static char place[64]; /* of a socket, unix:... */

static int setup(void **state)
{
	(void)state;
	rig_init("/local/domain/0/");
	snprintf(place, sizeof(place), "unix:/tmp/vgpud-metrics-%d.sock", (int)getpid());
	return rig_open();
}

static int teardown(void **state)
{
	(void)state;
	be_endpoint_close(&daemon_);
	assert_int_not_equal(access(place + 5, F_OK), 0); /* it takes its socket with it */
	rig_close();
	return 0;
}

/* --- the guest's part -------------------------------------------------------------------------- */

static void connect_device(void)
{
	fake_xs_set("/local/domain/3/name", "a \"web\"\nserver\\");
	attach(3, 0, "soft");
	set("backend", 3, 0, "/mem", "16777216");
	rig_frontend_connects();
}

static void request_open(uint32_t tag, uint32_t session, uint32_t protocol)
{
	struct vg_control open = {.u.open = {.protocol = protocol, .pid = 77, .count = 1}};

	snprintf(open.u.open.comm, sizeof(open.u.open.comm), "a\n\"b\\");
	request(VG_CTL_OPEN, tag, session, &open);
}

static void open_session(uint32_t session)
{
	request_open(100 + session, session, VG_PROTOCOL_VERSION);
	assert_answer(100 + session, 0);
}

static struct be_session *session_of(uint32_t id)
{
	for (struct be_session *s = daemon_.devices->sessions; s; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

static void close_session(uint32_t session)
{
	request(VG_CTL_CLOSE, 60, session, NULL);
	assert_answer(60, 0);
}

/* What the executor says of the bytes that it copied; the rig's own does not count them. */
static void say(uint32_t session, uint64_t bytes)
{
	__atomic_store_n(&session_of(session)->stats->bytes_htod, bytes, __ATOMIC_RELAXED);
}

/* --- what is told ------------------------------------------------------------------------------ */

/* All of it; good until the next call. */
static const char *metrics(void)
{
	static struct be_exposition out;

	be_exposition_free(&out);
	be_metrics_write(&daemon_, &out);
	assert_false(out.failed);
	return out.text;
}

/* The value of the sample that has this name and labels; -1: there is none. */
static double sample(const char *name)
{
	size_t length = strlen(name);

	for (const char *line = metrics(); line && *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, name, length) && line[length] == ' ')
			return strtod(line + length, NULL);
	return -1;
}

#define GUEST        "domid=\"3\",devid=\"0\",domain=\"a ?web??server?\""
#define TO_GPU       "vgpu_guest_copied_bytes_total{" GUEST ",direction=\"to_gpu\"}"
#define GPU_TO_GPU   "vgpu_gpu_copied_bytes_total{gpu=\"soft\",direction=\"to_gpu\"}"
#define ENDED(why)   "vgpu_guest_sessions_ended_total{" GUEST ",reason=\"" why "\"}"
#define REFUSED(why) "vgpu_guest_sessions_refused_total{" GUEST ",reason=\"" why "\"}"

static void test_escaping(void **state)
{
	struct be_labels labels = {{{"a", "x\\y\"z\n"}, {"b", ""}}};
	struct be_exposition out = {0};

	(void)state;
	be_exposition_family(&out, "m", "gauge", "one\\two\n\"three\"");
	be_exposition_uint(&out, "m", &labels, UINT64_MAX);
	be_exposition_uint(&out, "m", NULL, 0);
	be_exposition_seconds(&out, "m", 1.5);
	assert_string_equal(out.text, "# HELP m one\\\\two\\n\"three\"\n# TYPE m gauge\n"
				      "m{a=\"x\\\\y\\\"z\\n\",b=\"\"} 18446744073709551615\n"
				      "m 0\nm 1.500000\n");
	be_exposition_free(&out);
	assert_null(out.text);
}

static void test_bound(void **state)
{
	struct be_labels labels = {{{"a", "0123456789abcdef0123456789abcdef"}}};
	struct be_exposition out = {0};

	(void)state;
	for (int i = 0; i < 1000000 && !out.failed; i++)
		be_exposition_uint(&out, "name_of_a_metric", &labels, 1);
	assert_true(out.failed);
	assert_true(out.room <= BE_EXPOSITION_MAX);
	be_exposition_free(&out);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(sample("vgpu_devices"), 0);
	connect_device();
	assert_int_equal(sample("vgpu_devices"), 1);
	assert_int_equal(sample("vgpu_info{protocol=\"" RIG_PROTOCOL "\"}"), 1);
	assert_int_equal(sample("vgpu_guest_connected{" GUEST "}"), 1);
	assert_int_equal(sample("vgpu_guest_fault{" GUEST "}"), 0);
	assert_int_equal(sample("vgpu_guest_sessions_limit{" GUEST "}"), 2);
	assert_int_equal(sample("vgpu_guest_memory_quota_bytes{" GUEST "}"), 16777216);
	assert_int_equal(sample("vgpu_guest_info{" GUEST ",gpu=\"soft\",driver=\"soft\"}"), 1);
	open_session(1);
	assert_int_equal(sample("vgpu_executors"), 1);
	assert_int_equal(sample("vgpu_guest_sessions{" GUEST "}"), 1);
	assert_int_equal(sample("vgpu_gpu_sessions{gpu=\"soft\"}"), 1);
	/* What an executor says is bounded by what it may have. */
	session_of(1)->stats->lanes = UINT64_MAX;
	session_of(1)->stats->region_bytes = UINT64_MAX;
	session_of(1)->stats->handles = 5;
	daemon_.devices->account->held[session_of(1)->account_slot] = UINT64_MAX;
	assert_int_equal(sample("vgpu_guest_lanes{" GUEST "}"), 8);
	assert_int_equal(sample("vgpu_guest_pinned_bytes{" GUEST "}"), 1000 * 4096);
	assert_int_equal(sample("vgpu_guest_objects{" GUEST "}"), 5);
	assert_true(sample("vgpu_guest_memory_bytes{" GUEST "}") == (double)(1ull << 50));
	assert_true(sample("vgpu_process_start_time_seconds") >= 0);
	assert_true(sample("vgpu_process_resident_memory_bytes") > 65536);
}

/* A session that ends lowers nothing, nor does a vGPU that goes lower its GPU's. */
static void test_totals_stay(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	open_session(2);
	say(1, 1000);
	say(2, 500);
	assert_int_equal(sample(TO_GPU), 1500);
	say(1, 1100);
	close_session(1); /* what it did since the last look counts as well */
	assert_int_equal(sample(TO_GPU), 1600);
	say(2, 600);
	assert_int_equal(sample(TO_GPU), 1700);
	assert_int_equal(sample(GPU_TO_GPU), 1700);
	open_session(3); /* from the beginning */
	say(3, 1);
	assert_int_equal(sample(TO_GPU), 1701);
	assert_int_equal(sample("vgpu_guest_sessions_opened_total{" GUEST "}"), 3);
	assert_int_equal(sample(ENDED("closed")), 1);
	fake_xs_remove(BE);
	turn_until(!daemon_.devices);
	assert_true(sample(TO_GPU) < 0);
	assert_int_equal(sample(GPU_TO_GPU), 1701);
	assert_int_equal(sample("vgpu_gpu_devices{gpu=\"soft\"}"), 0);
	assert_int_equal(sample("vgpu_gpu_sessions_ended_total{gpu=\"soft\",reason=\"detached\"}"),
			 2);
}

static void test_hostile_counters(void **state)
{
	double before;

	(void)state;
	connect_device();
	open_session(1);
	say(1, 1000);
	assert_int_equal(sample(TO_GPU), 1000);
	say(1, 10); /* back, and forth: nothing is counted twice */
	assert_int_equal(sample(TO_GPU), 1000);
	say(1, 900);
	assert_int_equal(sample(TO_GPU), 1000);
	say(1, 1001);
	assert_int_equal(sample(TO_GPU), 1001);
	say(1, UINT64_MAX); /* more than can be true, but less than it says */
	before = sample(TO_GPU);
	assert_true(before > 1001 && before < 1e14);
	say(1, 0);
	assert_true(sample(TO_GPU) == before);
	open_session(2); /* another's still count */
	say(2, 1ull << 20);
	assert_true(sample(TO_GPU) == before + (1 << 20));
}

static void test_how_sessions_end(void **state)
{
	(void)state;
	connect_device();
	request_open(1, 1, VG_PROTOCOL_VERSION + 1);
	assert_answer(1, -EPROTO);
	request_open(1, 0, VG_PROTOCOL_VERSION);
	assert_answer(1, -EINVAL);
	open_session(1);
	open_session(2);
	request_open(3, 3, VG_PROTOCOL_VERSION); /* max-sessions=2 */
	assert_answer(3, -EBUSY);
	kill(session_of(2)->pid, SIGKILL);
	assert_gone(2, "signal 9");
	setenv("VGPU_FAKE", "refuse", 1);
	request_open(4, 4, VG_PROTOCOL_VERSION);
	assert_answer(4, -ENODEV);
	turn_until(daemon_.executor_count == 1);
	setenv("VGPU_FAKE", "crash", 1);
	request_open(5, 5, VG_PROTOCOL_VERSION);
	assert_true(response().status < 0);
	turn_until(daemon_.executor_count == 1);
	assert_int_equal(sample(REFUSED("protocol")), 1);
	assert_int_equal(sample(REFUSED("request")), 1);
	assert_int_equal(sample(REFUSED("limit")), 1);
	assert_int_equal(sample(REFUSED("executor")), 2);
	assert_int_equal(sample(REFUSED("host")), 0);
	assert_int_equal(sample(ENDED("executor")), 1);
	assert_int_equal(sample(ENDED("closed")), 0);
	assert_int_equal(sample("vgpu_guest_sessions_opened_total{" GUEST "}"), 2);
	close_session(1);
	assert_int_equal(sample(ENDED("closed")), 1);
}

/* What an earlier xen-vgpud has counted is not counted again: Prometheus would take it for new. */
static void test_adopted(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	say(1, 1000);
	assert_int_equal(sample(TO_GPU), 1000);
	memset(daemon_.gpus, 0, sizeof(daemon_.gpus));
	rig_die();
	rig_start();
	turn_until(rig_state_is(0, "6"));
	fake_xs_set(FE "/state", "6");
	turns(2);
	fake_xs_set(FE "/state", "1");
	rig_frontend_connects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	assert_int_equal(session_of(1)->stats->bytes_htod, 1000);
	assert_int_equal(sample(TO_GPU), 0);
	assert_int_equal(sample("vgpu_guest_sessions_opened_total{" GUEST "}"), 0);
	/* The rig's executor counts its messages: this is one. */
	assert_int_equal(sample("vgpu_guest_commands_total{" GUEST "}"), 0);
	request(VG_CTL_UNSHARE, 51, 1, NULL);
	response();
	assert_int_equal(sample("vgpu_guest_commands_total{" GUEST "}"), 1);
	close_session(1);
	assert_int_equal(sample(ENDED("closed")), 1);
}

/* Only where it is asked for; what the guest chooses cannot be taken for anything else. */
static void test_sessions(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	say(1, 7);
	assert_null(strstr(metrics(), "vgpu_session_"));
	daemon_.config.metrics_sessions = true;
	assert_int_equal(sample("vgpu_session_copied_to_gpu_bytes_total{" GUEST
				",session=\"1\",pid=\"77\",program=\"a??b?\"}"),
			 7);
	close_session(1);
	assert_null(strstr(metrics(), "vgpu_session_commands_total{"));
}

/* --- where they are asked for ------------------------------------------------------------------ */

static void endpoint_set(const char *where)
{
	struct be_config fresh = daemon_.config;
	char why[BE_CONFIG_WHY];

	assert_int_equal(be_config_set(&fresh, "metrics", where, why), 0);
	be_reload(&daemon_, &fresh);
}

static int client(const void *address, socklen_t size)
{
	const struct sockaddr *to = address;
	int fd = socket(to->sa_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, to, size), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int client_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place + 5);
	return client(&address, sizeof(address));
}

static void no_wait(void)
{
	daemon_.rescan = true;
	be_turn(&daemon_);
}

/* Turns until the other end has closed, or has sent a text that ends in `last`. */
static const char *answer(int fd, const char *request_text, const char *last)
{
	static char text[65536];
	size_t used = 0;

	send(fd, request_text, strlen(request_text), MSG_NOSIGNAL);
	for (int i = 0; i < 2000; i++) {
		ssize_t n = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		used += n > 0 ? (size_t)n : 0;
		text[used] = '\0';
		if (n == 0 || (n < 0 && errno == ECONNRESET) || (used && strstr(text, last)))
			return text;
		no_wait();
	}
	fail_msg("no answer to %s: %s", request_text, text);
	return NULL;
}

static void assert_asked(int fd, const char *request_text, const char *first, const char *last)
{
	const char *text = answer(fd, request_text, last);

	if (strncmp(text, first, strlen(first)) != 0 || !strstr(text, last))
		fail_msg("%s: %.300s", request_text, text);
	close(fd);
}

static void test_asked(void **state)
{
	static const char get[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct stat st;

	(void)state;
	connect_device();
	endpoint_set(place);
	assert_int_equal(stat(place + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_asked(client_open(), get, "HTTP/1.1 200 ", "vgpu_gpu_copied_bytes_total{gpu=");
	assert_asked(client_open(), get, "HTTP/1.1 200 ", BE_EXPOSITION_TYPE);
	assert_asked(client_open(), "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "/metrics\n");
	assert_asked(client_open(), "HEAD /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "Length: ");
	assert_asked(client_open(), "GET /../etc HTTP/1.0\r\n\r\n", "HTTP/1.1 404 ", "there is");
	assert_asked(client_open(),
		     "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
		     "HTTP/1.1 405 ", "Allow: GET, HEAD");
	assert_asked(client_open(),
		     "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", "", "");
	assert_asked(client_open(), "DELETE / HTTP/1.0\r\n\r\n", "HTTP/1.1 405 ", "only GET");
	/* Several on one connection. */
	{
		int fd = client_open();

		assert_non_null(strstr(answer(fd, get, "gpu=\"soft\",direction=\"from_gpu\"} 0\n"),
				       "vgpu_devices 1"));
		assert_asked(fd, get, "HTTP/1.1 200 ", "gpu=\"soft\",direction=\"from_gpu\"} 0\n");
	}
	endpoint_set("off");
	assert_null(daemon_.endpoint);
	assert_int_not_equal(access(place + 5, F_OK), 0);
}

/* Nonsense, more clients than are served, those that say nothing, heads that do not end: vGPUs go on. */
static void test_bad_clients(void **state)
{
	static char head[65536];
	int silent[40];

	(void)state;
	endpoint_set(place);
	connect_device();
	assert_asked(client_open(), "\x16\x03\x01 nonsense\r\n\r\n", "HTTP/1.1 400 ", "\r\n");
	memset(head, 'a', sizeof(head) - 1);
	head[0] = '/';
	{
		int fd = client_open();

		assert_int_equal(send(fd, "GET ", 4, MSG_NOSIGNAL), 4);
		assert_asked(fd, head, "HTTP/1.1 4", "\r\n");
	}
	for (size_t i = 0; i < 8; i++) {
		silent[i] = client_open();
		send(silent[i], "GET /met", 8, MSG_NOSIGNAL);
		no_wait();
	}
	open_session(1); /* with all of the places taken */
	close_session(1);
	for (size_t i = 0; i < 8; i++)
		close(silent[i]);
	assert_asked(client_open(), "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ",
		     "vgpu_devices 1");
}

static void test_ports(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char where[32];

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(taken, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(taken, 1), 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &size), 0);
	snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(address.sin_port));
	vg_log_set_level(&daemon_.who, (enum vg_log_level) - 1); /* an error is due */
	endpoint_set(where);
	assert_null(daemon_.endpoint); /* somebody else has it: all goes on without */
	close(taken);
	endpoint_set(where); /* a reload tries again */
	assert_non_null(daemon_.endpoint);
	assert_asked(client(&address, size), "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ",
		     "vgpu_devices 0");
	endpoint_set(place);
	assert_asked(client_open(), "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ",
		     "vgpu_devices 0");
}

static void test_group(void **state)
{
	char why[BE_CONFIG_WHY], line[128], *colon;
	FILE *file = fopen("/etc/group", "r");
	unsigned long gid = 0;
	struct stat st;

	(void)state;
	if (geteuid()) { /* whoever is not root may make it his own group's only */
		fclose(file);
		print_message("not root: nothing of groups was looked at\n");
		skip();
	}
	while (!gid && fgets(line, sizeof(line), file)) /* the first that is not root's */
		gid = (colon = strchr(line, ':')) && (colon = strchr(colon + 1, ':'))
			      ? strtoul(colon + 1, NULL, 10)
			      : 0;
	fclose(file);
	*strchr(line, ':') = '\0';
	assert_int_equal(be_config_set(&daemon_.config, "metrics-group", line, why), 0);
	endpoint_set(place);
	assert_int_equal(stat(place + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, gid);
	/* What is made afterwards is root's as before. */
	endpoint_set("off");
	assert_int_equal(be_config_set(&daemon_.config, "metrics-group", "", why), 0);
	endpoint_set(place);
	assert_int_equal(stat(place + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_gid, getegid());
}

/* A socket of a dead process is replaced, a live one's and what is no socket is left alone. */
static void test_taken(void **state)
{
	struct be_listen there;
	FILE *file;
	int fd;

	(void)state;
	assert_int_equal(be_listen_parse(place, &there), 0);
	fd = be_listen_open(&there, "");
	assert_true(fd >= 0);
	assert_int_equal(be_listen_open(&there, ""), -EADDRINUSE);
	close(fd);
	fd = be_listen_open(&there, "");
	assert_true(fd >= 0);
	close(fd);
	be_listen_remove(&there);
	file = fopen(place + 5, "w");
	fclose(file);
	assert_int_equal(be_listen_open(&there, ""), -EEXIST);
	be_listen_remove(&there);
	assert_int_equal(be_listen_open(&there, "no-such-group"), -ESRCH);
}

static void test_settings(void **state)
{
	static const char long_path[] = "unix:/"
					"1234567890123456789012345678901234567890123456789012"
					"1234567890123456789012345678901234567890123456789012"
					"12345678901234567890";
	static const char *const good[] = {"off", "unix:/run/x.sock", "127.0.0.1:9835",
					   "127.1.2.3:1", "[::1]:65535"};
	static const char *const bad[] = {"",
					  "on",
					  "0.0.0.0:9835",
					  "10.0.0.1:9835",
					  "[::]:9835",
					  "localhost:9835",
					  "127.0.0.1",
					  "127.0.0.1:",
					  "127.0.0.1:0",
					  "127.0.0.1:65536",
					  ":9835",
					  "9835",
					  "*:9835",
					  "unix:",
					  "unix:relative",
					  "[::1]",
					  "[::1]9835",
					  "::1:9835",
					  "[127.0.0.1]:1",
					  "[fe80::1]:9835",
					  "/run/x.sock",
					  "[::ffff:127.0.0.1]:80",
					  long_path};
	struct be_config config;
	char why[BE_CONFIG_WHY];

	(void)state;
	be_config_init(&config);
	assert_string_equal(config.metrics, "off");
	assert_false(config.metrics_sessions);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(be_config_set(&config, "metrics", good[i], why), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!be_config_set(&config, "metrics", bad[i], why))
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(why, "metrics are for this machine only"));
	}
	assert_string_equal(config.metrics, "[::1]:65535");
	assert_int_equal(be_config_set(&config, "metrics-sessions", "yes", why), 0);
	assert_true(config.metrics_sessions);
	assert_int_equal(be_config_set(&config, "metrics-sessions", "1", why), -EINVAL);
	assert_non_null(strstr(why, "yes or no"));
}

/* --- for promtool ------------------------------------------------------------------------------ */

static int sample_print(void)
{
	static struct vg_stats stats = {.commands = 100,
					.launches = 10,
					.bytes_htod = 4096,
					.bytes_dtoh = 512,
					.alloc_bytes = 1 << 20,
					.lanes = 2};
	static struct be_device one, two;
	static struct be_session session = {.device = &one,
					    .id = 1,
					    .state = BE_SESSION_OPEN,
					    .stats = &stats,
					    .guest_pid = 77};
	struct be_exposition out = {0};

	be_config_init(&daemon_.config);
	daemon_.config.metrics_sessions = true;
	daemon_.devices = &one;
	one = (struct be_device){
		.daemon = &daemon_, .next = &two, .domid = 3, .sessions = &session};
	two = (struct be_device){.daemon = &daemon_, .domid = 4, .devid = 1, .domain = "db"};
	snprintf(one.domain, sizeof(one.domain), "a \"b\\");
	snprintf(session.comm, sizeof(session.comm), "tr\"ain\\\n");
	snprintf(one.settings.gpu, sizeof(one.settings.gpu), "GPU-1");
	snprintf(two.settings.gpu, sizeof(two.settings.gpu), "soft");
	one.settings.mem = 1ull << 30;
	one.settings.max_lanes = 64;
	be_counts_begin(&session);
	stats.commands += 5;
	be_metrics_write(&daemon_, &out);
	fputs(out.text, stdout);
	be_exposition_free(&out);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_settings),
		T(test_values),
		T(test_totals_stay),
		T(test_hostile_counters),
		T(test_how_sessions_end),
		T(test_adopted),
		T(test_sessions),
		T(test_asked),
		T(test_bad_clients),
		T(test_ports),
		T(test_group),
		T(test_taken),
	};

	if (!strcmp(argv[0], "vgpu-executor"))
		return fake_executor_main(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "--sample"))
		return sample_print();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
