/* SPDX-License-Identifier: MIT */
/*
 * The daemon, turn by turn, against a xenstore, pages, ports and executors of the tests' own:
 * devices that come and go, and guests and executors that do not behave.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/unit/backend/fake_executor.h"
#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "xen-backend/daemon.h"

#define BE      "/local/domain/0/backend/vgpu/3/0"
#define FE      "/local/domain/3/device/vgpu/0"
#define BE_ERR  "/local/domain/0/error/backend/vgpu/3/0/error"
#define WAIT_MS 8000

static struct be_daemon daemon_;
static struct vg_control_ring *page;
static int nodes_before;

/* --- the toolstack's and the guest's part ---------------------------------------------------- */

static void attach(const char *gpu)
{
	fake_xs_set(FE "/backend", BE);
	fake_xs_set(FE "/backend-id", "0");
	fake_xs_set(FE "/state", "1");
	fake_xs_set(BE "/frontend", FE);
	fake_xs_set(BE "/frontend-id", "3");
	fake_xs_set(BE "/online", "1");
	fake_xs_set(BE "/gpu", gpu);
	fake_xs_set(BE "/max-sessions", "2");
	fake_xs_set(BE "/max-lanes", "8");
	fake_xs_set(BE "/max-lane-pages", "100");
	fake_xs_set(BE "/max-region-pages", "1000");
	fake_xs_set(BE "/state", "1");
}

static bool state_is(const char *state)
{
	const char *now = fake_xs_get(BE "/state");

	return now && !strcmp(now, state);
}

/* Turns until `condition`, at most WAIT_MS. */
#define turn_until(condition)                                \
	do {                                                 \
		uint64_t until_ = be_now_ms() + WAIT_MS;     \
		while (!(condition) && be_now_ms() < until_) \
			be_turn(&daemon_);                   \
		assert_true(condition);                      \
	} while (0)

static void turns(int count)
{
	for (int i = 0; i < count; i++) {
		fake_xs_set("/wake", ""); /* nobody watches it, but no turn waits */
		daemon_.rescan = true;
		be_turn(&daemon_);
	}
}

static void frontend_write(const char *protocol)
{
	page = fake_link_page(5);
	fake_xs_set(FE "/ring-ref", "5");
	fake_xs_set(FE "/event-channel", "9");
	fake_xs_set(FE "/protocol", protocol);
	fake_xs_set(FE "/state", "3");
}

static void connect_device(void)
{
	attach("soft");
	turn_until(state_is("2"));
	frontend_write("2");
	turn_until(state_is("4"));
	fake_xs_set(FE "/state", "4");
	turns(2);
}

static void request(uint32_t type, uint32_t tag, uint32_t session, const struct vg_control *body)
{
	struct vg_control *slot = &page->req[page->req_prod % VG_CTLRING_SLOTS];

	if (body)
		*slot = *body;
	else
		memset(slot, 0, sizeof(*slot));
	slot->type = type;
	slot->tag = tag;
	slot->session = session;
	page->req_prod++;
	fake_link_ring();
}

static void request_open(uint32_t tag, uint32_t session)
{
	struct vg_control open = {.u.open = {.protocol = VG_PROTOCOL_VERSION, .pid = 77, .uid = 5}};

	snprintf(open.u.open.comm, sizeof(open.u.open.comm), "a\n\"b");
	request(VG_CTL_OPEN, tag, session, &open);
}

static void request_share(uint32_t tag, uint32_t session, uint32_t kind, uint32_t pages,
			  uint32_t port)
{
	struct vg_control share = {.u.share = {.kind = kind, .pages = pages, .port = port}};

	share.u.share.cmd_bytes = port; /* the fake executor compares */
	request(VG_CTL_SHARE, tag, session, &share);
}

static struct vg_control response(void)
{
	struct vg_control msg;

	turn_until(page->rsp_prod != page->rsp_cons);
	msg = page->rsp[page->rsp_cons % VG_CTLRING_SLOTS];
	page->rsp_cons++;
	fake_link_ring();
	return msg;
}

static void assert_answer(uint32_t tag, int32_t status)
{
	struct vg_control msg = response();

	assert_int_equal(msg.type, VG_CTL_ANSWER);
	assert_int_equal(msg.tag, tag);
	if (msg.status != status)
		print_error("status %d: %s\n", msg.status, msg.text);
	assert_int_equal(msg.status, status);
}

static void open_session(uint32_t session)
{
	request_open(100 + session, session);
	assert_answer(100 + session, 0);
}

static const struct be_record *last_record(void)
{
	assert_true(daemon_.history_count > 0);
	return &daemon_.history[(daemon_.history_next + BE_HISTORY_MAX - 1) % BE_HISTORY_MAX];
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
	char why[BE_CONFIG_WHY];
	sigset_t set;

	(void)state;
	unsetenv("VGPU_FAKE");
	fake_xs_reset();
	fake_link_reset();
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.who = VG_LOG_WHO_NONE;
	vg_log_set_level(&daemon_.who, getenv("VERBOSE") ? VG_LOG_DATA : VG_LOG_ERROR);
	be_config_init(&daemon_.config);
	if (readlink("/proc/self/exe", daemon_.config.executor, BE_CONFIG_PATH_MAX - 1) <= 0)
		return -1;
	daemon_.config.request_timeout = 1;
	daemon_.config.open_timeout = 1;
	daemon_.config.exit_timeout = 1;
	snprintf(daemon_.config.socket, sizeof(daemon_.config.socket), "/tmp/vgpud-test-%d.sock",
		 (int)getpid());
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	daemon_.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	daemon_.history = calloc(BE_HISTORY_MAX, sizeof(*daemon_.history));
	daemon_.xs = xs_open(0);
	xs_watch(daemon_.xs, "/local/domain/0/backend/vgpu", "backend");
	xs_watch(daemon_.xs, "@releaseDomain", "domains");
	fake_xs_set("/local/domain/0/backend", "");
	fake_xs_set("/local/domain/0/error", "");
	fake_xs_set("/wake", "");
	fake_xs_domain(3, true);
	nodes_before = fake_xs_nodes();
	return be_tools_open(&daemon_, why);
}

/* Whatever the test did: when the daemon stops, nothing is held. */
static int teardown(void **state)
{
	(void)state;
	daemon_.stopping = true;
	turn_until(be_all_released(&daemon_));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(fake_link_bound(), 0);
	assert_int_equal(daemon_.executor_count, 0);
	while (daemon_.devices) {
		struct be_device *next = daemon_.devices->next;

		be_device_free(daemon_.devices);
		daemon_.devices = next;
	}
	be_tools_close(&daemon_);
	close(daemon_.signals);
	xs_close(daemon_.xs);
	free(daemon_.history);
	return 0;
}

/* --- devices --------------------------------------------------------------------------------- */

static void test_connects(void **state)
{
	(void)state;
	connect_device();
	assert_string_equal(fake_xs_get(BE "/protocol-versions"), "2");
	assert_null(fake_xs_get(BE "/error"));
	assert_int_equal(fake_link_mapped(), 1);
	assert_int_equal(page->backend_alive, 1);
}

static void test_conflicting_transactions(void **state)
{
	(void)state;
	fake_xs_conflicts(5);
	connect_device();
}

static void assert_refused(const char *key, const char *value, const char *says)
{
	attach("soft");
	fake_xs_set(key, value);
	turn_until(state_is("6"));
	assert_non_null(fake_xs_get(BE "/error"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), says));
	assert_non_null(strstr(fake_xs_get(BE_ERR), says));
	turns(3);
	assert_true(state_is("6")); /* and it stays so */
}

static void test_unknown_key(void **state)
{
	(void)state;
	assert_refused(BE "/colour", "red", "unknown key colour");
}

static void test_bad_value(void **state)
{
	(void)state;
	assert_refused(BE "/max-lanes", "1000", "max-lanes=1000 is not valid");
}

static void test_bad_driver(void **state)
{
	(void)state;
	assert_refused(BE "/driver", "default", "exclude each other");
}

static void test_other_protocol(void **state)
{
	(void)state;
	attach("soft");
	turn_until(state_is("2"));
	frontend_write("1");
	turn_until(state_is("6"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), "speaks protocol version 1"));
	assert_int_equal(fake_link_mapped(), 0);
	/* The right version heals it. */
	fake_xs_set(FE "/state", "1");
	turn_until(state_is("2"));
	frontend_write("2");
	turn_until(state_is("4"));
	assert_null(fake_xs_get(BE "/error"));
	assert_null(fake_xs_get(BE_ERR));
}

static void test_bad_grant(void **state)
{
	(void)state;
	attach("soft");
	turn_until(state_is("2"));
	frontend_write("2");
	fake_xs_set(FE "/ring-ref", "11");
	turn_until(state_is("6"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), "ring-ref 11"));
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"",    "-1", "4294967296",
					  "0x5", "5 ", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attach("soft");
		turn_until(state_is("2"));
		frontend_write("2");
		fake_xs_set(FE "/ring-ref", bad[i]);
		turn_until(state_is("6"));
		assert_non_null(strstr(fake_xs_get(BE "/error"), "ring-ref"));
	}
}

static void test_wrong_page(void **state)
{
	(void)state;
	attach("soft");
	turn_until(state_is("2"));
	frontend_write("2");
	page->magic = 0;
	turn_until(state_is("6"));
	assert_int_equal(fake_link_mapped(), 0);
}

static void test_detach(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_set(BE "/online", "0");
	fake_xs_set(BE "/state", "5");
	turn_until(state_is("6"));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
	fake_xs_remove(BE);
	fake_xs_remove(FE);
	turn_until(daemon_.device_count == 0);
	turn_until(fake_xs_get("/local/domain/0/backend/vgpu") == NULL);
}

/* The toolstack removed the nodes without waiting: nothing of ours makes them anew. */
static void test_forced_detach(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_remove(BE);
	turn_until(daemon_.device_count == 0);
	assert_null(fake_xs_get(BE));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(fake_xs_watches(), 2);
}

static void test_attached_anew_in_one_turn(void **state)
{
	(void)state;
	connect_device();
	fake_xs_remove(BE);
	attach("soft");
	turn_until(state_is("2"));
	assert_int_equal(fake_link_mapped(), 0);
	frontend_write("2");
	turn_until(state_is("4"));
}

static void test_domain_dies(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_domain(3, false);
	turn_until(daemon_.device_count == 0);
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu"));
	assert_int_equal(fake_xs_watches(), 2);
}

static void test_frontend_restarts(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_set(FE "/state", "5");
	turn_until(state_is("5"));
	assert_int_equal(fake_link_mapped(), 0);
	fake_xs_set(FE "/state", "6");
	turn_until(state_is("6"));
	fake_xs_set(FE "/state", "1");
	turn_until(state_is("2"));
	frontend_write("2");
	turn_until(state_is("4"));
	open_session(1);
}

static void test_frontend_toggles(void **state)
{
	(void)state;
	connect_device();
	for (int i = 0; i < 4; i++) {
		page->backend_alive = 0;
		fake_xs_set(FE "/state", "3");
		turn_until(page->backend_alive == 1 && state_is("4"));
		assert_int_equal(fake_link_mapped(), 1);
		fake_xs_set(FE "/state", "4");
		turns(2);
	}
}

static void test_frontend_dies(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	page->frontend_alive = 0;
	fake_link_ring();
	turn_until(state_is("6"));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
}

static void test_stale_state(void **state)
{
	(void)state;
	attach("soft");
	fake_xs_set(FE "/state", "4");
	fake_xs_set(BE "/state", "4");
	turn_until(state_is("6"));
	fake_xs_set(FE "/state", "1");
	turn_until(state_is("2"));
}

static void test_stop_and_come_back(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_.stopping = true;
	turn_until(be_all_released(&daemon_));
	assert_true(state_is("6"));
	assert_string_equal(fake_xs_get(BE "/online"), "1");
	daemon_.stopping = false;
	fake_xs_set(FE "/state", "1");
	turn_until(state_is("2"));
}

/* --- sessions -------------------------------------------------------------------------------- */

static void test_session(void **state)
{
	struct vg_control msg;

	(void)state;
	connect_device();
	request_open(42, 7);
	msg = response();
	assert_int_equal(msg.status, 0);
	assert_int_equal(msg.tag, 42);
	assert_int_equal(msg.session, 7);
	/* An executor's words are cut down to what was granted, and to what means something. */
	assert_int_equal(msg.u.answer.limits.lanes, 8);
	assert_int_equal(msg.u.answer.limits.lane_pages, 100);
	assert_int_equal(msg.u.answer.limits.region_pages, 1000);
	assert_int_equal(msg.u.answer.limits.channel, VG_CHANNEL_XEN);
	assert_int_equal(msg.u.answer.map_offset, 0);
	assert_string_equal(daemon_.devices->sessions->comm, "a??b");
	request_share(1, 7, VG_SHARE_LANE, 10, 33);
	msg = response();
	assert_int_equal(msg.status, 0);
	assert_string_equal(msg.text, "port 1033");
	request_share(2, 7, VG_SHARE_REGION, 1000, 0);
	assert_answer(2, 0);
	request(VG_CTL_UNSHARE, 3, 7, NULL);
	assert_answer(3, 0);
	request(VG_CTL_CLOSE, 4, 7, NULL);
	assert_answer(4, 0);
	assert_int_equal(daemon_.executor_count, 0);
	assert_string_equal(last_record()->reason, "closed by the program");
	assert_int_equal(last_record()->guest_pid, 77);
	assert_int_equal(last_record()->stats.freed_bytes, 4096);
	assert_int_equal(last_record()->stats.launches, 1); /* --driver=soft came through */
	/* No GONE after an answered CLOSE. */
	turns(3);
	assert_int_equal(page->rsp_prod, page->rsp_cons);
}

static void test_refused_requests(void **state)
{
	struct vg_control open = {.u.open.protocol = VG_PROTOCOL_VERSION + 1};

	(void)state;
	connect_device();
	request(VG_CTL_OPEN, 1, 1, &open);
	assert_answer(1, -EPROTO);
	request_open(2, 0);
	assert_answer(2, -EINVAL);
	open_session(1);
	request_open(3, 1);
	assert_answer(3, -EEXIST);
	open_session(2);
	request_open(4, 3);
	assert_answer(4, -EBUSY);
	request(VG_CTL_SHARE, 5, 9, NULL);
	assert_answer(5, -ENOENT);
	request(77, 6, 1, NULL);
	assert_answer(6, -ENOSYS);
	request_share(7, 1, VG_SHARE_LANE, 101, 33);
	assert_answer(7, -EINVAL);
	request_share(8, 1, VG_SHARE_LANE, 0, 33);
	assert_answer(8, -EINVAL);
	request_share(9, 1, VG_SHARE_REGION, 1001, 0);
	assert_answer(9, -EINVAL);
	request_share(10, 1, 5, 1, 0);
	assert_answer(10, -EINVAL);
	request_share(11, 1, VG_SHARE_LANE, 10, 100); /* not the guest's port */
	assert_answer(11, -EINVAL);
	request_share(12, 1, VG_SHARE_LANE, 10, 33);
	assert_answer(12, 0);
	assert_true(state_is("4")); /* none of it was the device's end */
}

static void assert_gone(uint32_t session, const char *says)
{
	struct vg_control msg = response();

	assert_int_equal(msg.type, VG_CTL_GONE);
	assert_int_equal(msg.session, session);
	assert_true(msg.status < 0);
	if (!strstr(msg.text, says))
		print_error("GONE says \"%s\"\n", msg.text);
	assert_non_null(strstr(msg.text, says));
}

static void test_executor_killed(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	open_session(2);
	kill(daemon_.devices->sessions->pid, SIGKILL); /* the newest stands first */
	assert_gone(2, "signal 9");
	assert_int_equal(daemon_.executor_count, 1);
	open_session(2);
	assert_int_equal(daemon_.executor_count, 2);
}

static void test_executor_refuses(void **state)
{
	struct vg_control msg;

	(void)state;
	setenv("VGPU_FAKE", "refuse", 1);
	connect_device();
	request_open(1, 1);
	msg = response();
	assert_int_equal(msg.status, -ENODEV);
	assert_string_equal(msg.text, "no?GPU ?here?");
	turn_until(daemon_.executor_count == 0);
	turns(2);
	assert_int_equal(page->rsp_prod, page->rsp_cons); /* it was never open: no GONE */
}

static void test_executor_crashes_at_open(void **state)
{
	struct vg_control msg;

	(void)state;
	setenv("VGPU_FAKE", "crash", 1);
	connect_device();
	request_open(1, 1);
	msg = response();
	assert_int_equal(msg.tag, 1);
	assert_true(msg.status < 0);
	assert_int_equal(daemon_.executor_count, 0);
}

static void test_executor_is_deaf(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "deaf", 1);
	connect_device();
	request_open(1, 1);
	assert_answer(1, -ETIMEDOUT);
	assert_int_equal(daemon_.executor_count, 0);
}

static void test_executor_answers_unasked(void **state)
{
	struct vg_control msg;

	(void)state;
	setenv("VGPU_FAKE", "unasked", 1);
	connect_device();
	request_open(1, 1);
	msg = response();
	assert_int_equal(msg.status, -EPROTO);
	turn_until(daemon_.executor_count == 0);
}

static void test_executor_says_why(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "gone", 1);
	connect_device();
	request_open(1, 1);
	assert_answer(1, 0);
	assert_gone(1, "the guest broke the protocol");
}

/* It ignores the end of its socket and SIGTERM: SIGKILL ends it, and CLOSE is answered then. */
static void test_executor_is_stubborn(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "stubborn", 1);
	connect_device();
	open_session(1);
	request(VG_CTL_CLOSE, 2, 1, NULL);
	assert_answer(2, 0);
	assert_int_equal(daemon_.executor_count, 0);
}

/* What each executor holds is the device's until it has been reaped, however it ended. */
static void test_account(void **state)
{
	struct be_device *device;

	(void)state;
	connect_device();
	device = daemon_.devices;
	assert_int_equal(be_account_used(device), 0);
	open_session(1);
	open_session(2);
	assert_int_equal(be_account_used(device), 2 << 20);
	kill(device->sessions->pid, SIGKILL);
	assert_gone(2, "signal 9");
	assert_int_equal(be_account_used(device), 1 << 20);
	open_session(2);
	assert_int_equal(be_account_used(device), 2 << 20);
	assert_int_not_equal(device->sessions->account_slot, device->sessions->next->account_slot);
	request(VG_CTL_CLOSE, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_CLOSE, 2, 2, NULL);
	assert_answer(2, 0);
	assert_int_equal(be_account_used(device), 0);
}

/* It fills its vGPU's account with nonsense, which ends with it. */
static void test_executor_scribbles(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "scribble", 1);
	connect_device();
	open_session(1);
	assert_true(be_account_used(daemon_.devices) == UINT64_MAX);
	kill(daemon_.devices->sessions->pid, SIGKILL);
	assert_gone(1, "signal 9");
	assert_int_equal(be_account_used(daemon_.devices), 0);
}

static void test_no_executor(void **state)
{
	(void)state;
	snprintf(daemon_.config.executor, sizeof(daemon_.config.executor), "/nonexistent");
	connect_device();
	request_open(1, 1);
	assert_answer(1, -EAGAIN);
	assert_int_equal(daemon_.executor_count, 0);
}

/* --- hostile guests -------------------------------------------------------------------------- */

static void test_absurd_index(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	page->req_prod += 1000;
	fake_link_ring();
	turn_until(state_is("6"));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
}

/* Answers that nobody takes stop the taking of requests; nothing grows. */
static void test_answers_not_taken(void **state)
{
	uint64_t taken;

	(void)state;
	connect_device();
	for (uint32_t i = 0; i < 400; i++) {
		if (page->req_prod - page->req_cons < VG_CTLRING_SLOTS)
			request(VG_CTL_UNSHARE, i, 99, NULL);
		turns(1);
	}
	taken = page->req_cons;
	assert_true(taken <= BE_UNANSWERED + VG_CTLRING_SLOTS);
	assert_true(daemon_.devices->out_count <= BE_UNANSWERED);
	/* And when it takes them, everything goes on. */
	taken = page->req_prod;
	for (uint64_t i = 0; i < taken; i++)
		assert_int_equal(response().status, -ENOENT);
	assert_int_equal(page->req_cons, page->req_prod);
	open_session(1);
}

/*
 * Whatever stands in the page, at whatever moment: the daemon lives, holds at most what the device
 * may have, and a frontend that behaves is served afterwards.
 */
static void test_random_page(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	connect_device();
	for (int i = 0; i < 1500; i++) {
		seed = seed * 1664525 + 1013904223;
		if (state_is("6")) {
			fake_xs_set(FE "/state", "1");
			turn_until(state_is("2"));
			frontend_write("2");
			turn_until(state_is("4"));
			fake_xs_set(FE "/state", "4");
		}
		if (seed >> 29 == 0) {
			/* Any word of the page but the one that says that the broker lives. */
			uint32_t at = (seed >> 8) % 1024;

			if (at != offsetof(struct vg_control_ring, frontend_alive) / 4)
				((volatile uint32_t *)page)[at] = seed * 2654435761u;
		} else {
			struct vg_control *slot = &page->req[page->req_prod % VG_CTLRING_SLOTS];

			slot->type = (seed >> 8) % 9;
			slot->session = (seed >> 12) % 4;
			slot->u.open.protocol = VG_PROTOCOL_VERSION;
			slot->u.share.kind = (seed >> 16) % 3;
			page->req_prod += (seed >> 27) == 7 ? 9 : 1;
			page->rsp_cons = page->rsp_prod;
		}
		fake_link_ring();
		turns(1);
		assert_true(fake_link_mapped() <= 1);
		assert_true(daemon_.executor_count <= 2);
		assert_true(daemon_.device_count == 1);
	}
	page->frontend_alive = 0;
	fake_link_ring();
	turn_until(state_is("6"));
	fake_xs_set(FE "/state", "1");
	turn_until(state_is("2"));
	frontend_write("2");
	turn_until(state_is("4"));
	open_session(1);
}

static void test_bell_flood(void **state)
{
	bool was_masked = false;

	(void)state;
	connect_device();
	for (int i = 0; i < 300; i++) {
		fake_link_ring();
		turns(1);
		was_masked |= fake_link_masked();
	}
	assert_true(was_masked);
	open_session(1); /* it is heard again */
}

static void test_other_guests_are_not_touched(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_domain(4, true);
	fake_xs_set("/local/domain/4/device/vgpu/0/state", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/online", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/state", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/gpu", "nonsense");
	turn_until(fake_xs_get("/local/domain/0/backend/vgpu/4/0/error") != NULL);
	fake_xs_domain(4, false);
	turn_until(daemon_.device_count == 1);
	assert_true(state_is("4"));
	assert_int_equal(daemon_.executor_count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_connects),
		T(test_conflicting_transactions),
		T(test_unknown_key),
		T(test_bad_value),
		T(test_bad_driver),
		T(test_other_protocol),
		T(test_bad_grant),
		T(test_bad_numbers),
		T(test_wrong_page),
		T(test_detach),
		T(test_forced_detach),
		T(test_attached_anew_in_one_turn),
		T(test_domain_dies),
		T(test_frontend_restarts),
		T(test_frontend_toggles),
		T(test_frontend_dies),
		T(test_stale_state),
		T(test_stop_and_come_back),
		T(test_session),
		T(test_refused_requests),
		T(test_executor_killed),
		T(test_executor_refuses),
		T(test_executor_crashes_at_open),
		T(test_executor_is_deaf),
		T(test_executor_answers_unasked),
		T(test_executor_says_why),
		T(test_executor_is_stubborn),
		T(test_account),
		T(test_executor_scribbles),
		T(test_no_executor),
		T(test_absurd_index),
		T(test_answers_not_taken),
		T(test_random_page),
		T(test_bell_flood),
		T(test_other_guests_are_not_touched),
	};

	if (!strcmp(argv[0], "vgpu-executor"))
		return fake_executor_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
