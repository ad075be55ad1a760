/* SPDX-License-Identifier: MIT */
/*
 * The daemon, turn by turn, against a xenstore, pages, ports and executors of the tests' own:
 * devices that come and go, and guests and executors that do not behave.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/backend/fake_executor.h"
#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/backend/rig.h"
#include "xen-backend/session.h"

#define BE     "/local/domain/0/backend/vgpu/3/0"
#define FE     "/local/domain/3/device/vgpu/0"
#define BE_ERR "/local/domain/0/error/backend/vgpu/3/0/error"
#define DRIVER "/local/domain/5" /* a driver domain */

static int nodes_before;

/* --- the toolstack's and the guest's part ---------------------------------------------------- */

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
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
	fake_xs_set(FE "/state", "4");
	turns(2);
}

static void request_open(uint32_t tag, uint32_t session)
{
	struct vg_control open = {
		.u.open = {.protocol = VG_PROTOCOL_VERSION, .pid = 77, .uid = 5, .count = 1}};

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

static int setup_in(const char *home)
{
	rig_init(home);
	fake_xs_set(DRIVER "/domid", "5");
	if (rig_open())
		return -1;
	nodes_before = fake_xs_nodes();
	be_history_open(&daemon_);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_in("/local/domain/0/");
}

static int setup_driver(void **state)
{
	(void)state;
	return setup_in(DRIVER "/");
}

/* Whatever the test did: when the daemon stops, nothing is held. */
static int teardown(void **state)
{
	char path[128];

	(void)state;
	be_history_close(&daemon_);
	snprintf(path, sizeof(path), "%s/.ended", daemon_.config.session_dir);
	unlink(path);
	rig_close();
	return 0;
}

/* --- devices --------------------------------------------------------------------------------- */

static void test_connects(void **state)
{
	(void)state;
	connect_device();
	assert_string_equal(fake_xs_get(BE "/protocol-versions"), RIG_PROTOCOL);
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
	attach(3, 0, "soft");
	fake_xs_set(key, value);
	turn_until(rig_state_is(0, "6"));
	assert_non_null(fake_xs_get(BE "/error"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), says));
	assert_non_null(strstr(fake_xs_get(BE_ERR), says));
	turns(3);
	assert_true(rig_state_is(0, "6")); /* and it stays so */
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
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	frontend_write("1");
	turn_until(rig_state_is(0, "6"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), "speaks protocol version 1"));
	assert_int_equal(fake_link_mapped(), 0);
	/* The right version heals it. */
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
	assert_null(fake_xs_get(BE "/error"));
	assert_null(fake_xs_get(BE_ERR));
}

static void test_bad_grant(void **state)
{
	(void)state;
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	fake_xs_set(FE "/ring-ref", "11");
	turn_until(rig_state_is(0, "6"));
	assert_non_null(strstr(fake_xs_get(BE "/error"), "ring-ref 11"));
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"",    "-1", "4294967296",
					  "0x5", "5 ", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attach(3, 0, "soft");
		turn_until(rig_state_is(0, "2"));
		frontend_write(RIG_PROTOCOL);
		fake_xs_set(FE "/ring-ref", bad[i]);
		turn_until(rig_state_is(0, "6"));
		assert_non_null(strstr(fake_xs_get(BE "/error"), "ring-ref"));
	}
}

static void test_wrong_page(void **state)
{
	(void)state;
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	page->magic = 0;
	turn_until(rig_state_is(0, "6"));
	assert_int_equal(fake_link_mapped(), 0);
}

static void test_detach(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_set(BE "/online", "0");
	fake_xs_set(BE "/state", "5");
	turn_until(rig_state_is(0, "6"));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
	fake_xs_remove(BE);
	fake_xs_remove(FE);
	turn_until(daemon_.device_count == 0);
	turn_until(fake_xs_get("/local/domain/0/backend/vgpu") == NULL);
}

/*
 * In a driver domain it serves the devices of its own directory, and sees without being told by
 * xenstored that a guest has gone; what it may remove, it removes.
 */
static void test_driver_domain(void **state)
{
	static const char dir[] = DRIVER "/backend/vgpu/3/0";
	static const char *const keys[][2] = {
		{dir, "frontend=" FE},   {dir, "frontend-id=3"},
		{dir, "online=1"},       {dir, "gpu=soft"},
		{dir, "max-sessions=2"}, {dir, "max-lanes=8"},
		{dir, "state=1"},        {FE, "backend=" DRIVER "/backend/vgpu/3/0"},
		{FE, "backend-id=5"},    {FE, "state=1"}};

	(void)state;
	assert_int_equal(daemon_.domid, 5);
	attach(3, 0, "soft"); /* dom0's: not ours to touch */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = strchr(keys[i][1], '=') + 1;
		char path[128];

		snprintf(path, sizeof(path), "%s/%.*s", keys[i][0], (int)(value - keys[i][1] - 1),
			 keys[i][1]);
		fake_xs_set(path, value);
	}
	turn_until(!strcmp(fake_xs_get(DRIVER "/backend/vgpu/3/0/state"), "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(!strcmp(fake_xs_get(DRIVER "/backend/vgpu/3/0/state"), "4"));
	fake_xs_set(FE "/state", "4");
	turns(2);
	open_session(1);
	assert_true(rig_state_is(0, "1"));
	fake_xs_domain(3, false);
	turn_until(daemon_.device_count == 0);
	assert_int_equal(fake_link_mapped(), 0);
	assert_null(fake_xs_get(DRIVER "/backend/vgpu/3"));
	assert_true(rig_state_is(0, "1"));
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
	assert_int_equal(fake_xs_watches(), 3);
}

static void test_attached_anew_in_one_turn(void **state)
{
	(void)state;
	connect_device();
	fake_xs_remove(BE);
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	assert_int_equal(fake_link_mapped(), 0);
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
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
	assert_int_equal(fake_xs_watches(), 3);
}

static void test_frontend_restarts(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	fake_xs_set(FE "/state", "5");
	turn_until(rig_state_is(0, "5"));
	assert_int_equal(fake_link_mapped(), 0);
	fake_xs_set(FE "/state", "6");
	turn_until(rig_state_is(0, "6"));
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
	open_session(1);
}

static void test_frontend_toggles(void **state)
{
	(void)state;
	connect_device();
	for (int i = 0; i < 4; i++) {
		page->backend_alive = 0;
		fake_xs_set(FE "/state", "3");
		turn_until(page->backend_alive == 1 && rig_state_is(0, "4"));
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
	turn_until(rig_state_is(0, "6"));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(daemon_.executor_count, 0);
}

static void test_stale_state(void **state)
{
	(void)state;
	attach(3, 0, "soft");
	fake_xs_set(FE "/state", "4");
	fake_xs_set(BE "/state", "4");
	turn_until(rig_state_is(0, "6"));
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
}

static void test_stop_and_come_back(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_.stopping = daemon_.end_sessions = true;
	turn_until(be_all_released(&daemon_));
	assert_true(rig_state_is(0, "6"));
	assert_string_equal(fake_xs_get(BE "/online"), "1");
	assert_int_equal(daemon_.executor_count, 0);
	daemon_.stopping = daemon_.end_sessions = false;
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
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
	assert_true(rig_state_is(0, "4")); /* none of it was the device's end */
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

/* The program closes a session that is ending already: it is told when nothing is mapped any more, as always. */
static void test_closed_while_it_ends(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "stubborn", 1);
	connect_device();
	open_session(1);
	be_session_end(daemon_.devices->sessions, -EIO, "a test has ended it");
	request(VG_CTL_CLOSE, 2, 1, NULL);
	request(VG_CTL_CLOSE, 3, 1, NULL);
	assert_answer(3, -EPROTO);
	assert_int_equal(daemon_.executor_count, 1);
	assert_answer(2, 0);
	assert_int_equal(daemon_.executor_count, 0);
	turns(2);
	assert_int_equal(page->rsp_prod, page->rsp_cons); /* and no GONE */
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

/* --- restarts -------------------------------------------------------------------------------- */

static void daemon_dies(void)
{
	be_history_close(&daemon_);
	rig_die();
}

static void daemon_starts(void)
{
	be_history_open(&daemon_);
	rig_start();
}

/* What vgpu-frontd does about it. */
static void frontend_reconnects(void)
{
	turn_until(rig_state_is(0, "6"));
	fake_xs_set(FE "/state", "6");
	turns(2);
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
	fake_xs_set(FE "/state", "4");
	turns(2);
}

static struct be_session *session_of(uint32_t id)
{
	for (struct be_device *d = daemon_.devices; d; d = d->next)
		for (struct be_session *s = d->sessions; s; s = s->next)
			if (s->id == id)
				return s;
	return NULL;
}

static void assert_works(uint32_t session)
{
	struct vg_control msg;

	request_share(50, session, VG_SHARE_LANE, 10, 33);
	msg = response();
	assert_int_equal(msg.tag, 50);
	assert_int_equal(msg.status, 0);
	request(VG_CTL_UNSHARE, 51, session, NULL);
	assert_answer(51, 0);
}

static void assert_closes(uint32_t session)
{
	request(VG_CTL_CLOSE, 60, session, NULL);
	assert_answer(60, 0);
	assert_null(session_of(session));
}

static void test_killed_and_resumed(void **state)
{
	pid_t executor;

	(void)state;
	connect_device();
	open_session(1);
	executor = session_of(1)->pid;
	daemon_dies();
	assert_int_equal(page->backend_alive, 0);
	daemon_starts();
	assert_int_equal(daemon_.executor_count, 1);
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	assert_int_equal(session_of(1)->pid, executor);
	assert_int_equal(session_of(1)->guest_pid, 78);
	assert_string_equal(session_of(1)->comm, "adopted?");
	assert_int_equal(session_of(1)->stats->launches, 1);
	assert_int_equal(session_of(1)->started, 1000);
	assert_works(1);
	open_session(2);
	assert_closes(1);
	assert_int_equal(last_record()->stats.freed_bytes, 4096);
}

/* SIGTERM: the device is closed, the session left. Twice, and without ever being asked for between. */
static void test_stopped_and_resumed(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	for (int i = 0; i < 2; i++) {
		daemon_.stopping = true;
		turn_until(be_all_released(&daemon_));
		assert_true(rig_state_is(0, "6"));
		assert_int_equal(fake_link_mapped(), 0);
		assert_int_equal(daemon_.executor_count, 1);
		daemon_dies();
		daemon_starts();
		turns(3);
	}
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	assert_works(1);
}

/* The states that it may die in, and the frontend meanwhile. */
static void test_killed_in_each_state(void **state)
{
	static const char *const found[][2] = {{"1", "1"}, {"2", "1"}, {"2", "3"}, {"4", "3"},
					       {"4", "4"}, {"4", "6"}, {"5", "4"}, {"6", "4"},
					       {"6", "6"}, {"6", "1"}};

	(void)state;
	connect_device();
	open_session(1);
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		daemon_dies();
		fake_xs_set(BE "/state", found[i][0]);
		if (!strcmp(found[i][1], "3"))
			frontend_write(RIG_PROTOCOL);
		fake_xs_set(FE "/state", found[i][1]);
		daemon_starts();
		turns(4);
		if (!rig_state_is(0, "2") && !rig_state_is(0, "4"))
			frontend_reconnects();
		if (rig_state_is(0, "2"))
			frontend_write(RIG_PROTOCOL);
		turn_until(rig_state_is(0, "4"));
		fake_xs_set(FE "/state", "4");
		turns(2);
		request(VG_CTL_RESUME, 1, 1, NULL);
		assert_answer(1, 0);
		request(VG_CTL_RESUME, 2, 0, NULL);
		assert_answer(2, 0);
		assert_works(1);
	}
}

/* It dies between two messages of the resumption, and with requests on their way. */
static void test_killed_while_resuming(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	open_session(2);
	for (int step = 0; step < 5; step++) {
		daemon_dies();
		daemon_starts();
		if (step == 0)
			continue; /* it had only asked */
		frontend_reconnects();
		if (step == 1)
			continue;
		request(VG_CTL_RESUME, 1, 1, NULL);
		assert_answer(1, 0);
		if (step == 2)
			continue;
		request(VG_CTL_RESUME, 2, 2, NULL);
		assert_answer(2, 0);
		if (step == 3) { /* the request was taken, perhaps done, not answered */
			request_share(3, 1, VG_SHARE_REGION, 10, 0);
			turns(1);
			continue;
		}
		request(VG_CTL_RESUME, 3, 0, NULL);
		assert_answer(3, 0);
	}
	assert_works(1);
	assert_works(2);
}

/* The frontend has lost one, was closing one, and has never heard of one. */
static void test_not_resumed(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	open_session(2);
	daemon_dies();
	daemon_starts();
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 2, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 7, NULL);
	assert_answer(2, -ENOENT);
	request(VG_CTL_RESUME, 3, 0, NULL);
	assert_answer(3, 0);
	/* Answered when it has gone, so that its place is free. */
	assert_int_equal(daemon_.executor_count, 1);
	assert_null(session_of(1));
	assert_non_null(strstr(last_record()->reason, "does not have it"));
	open_session(3);
	/* And no GONE for what the guest did not know. */
	turns(3);
	assert_int_equal(page->rsp_prod, page->rsp_cons);
}

/* RESUME of what is not there to be resumed. */
static void test_hostile_resume(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, -ENOENT); /* it is open already */
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	request(VG_CTL_RESUME, 3, 0, NULL);
	assert_answer(3, -EALREADY);
	request(VG_CTL_RESUME, 4, 1, NULL);
	assert_answer(4, -EALREADY);
	assert_works(1);
	daemon_dies();
	daemon_starts();
	/* Another guest asks for it. */
	fake_xs_domain(4, true);
	fake_xs_set("/local/domain/4/device/vgpu/0/state", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/online", "1");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/gpu", "soft");
	fake_xs_set("/local/domain/0/backend/vgpu/4/0/state", "1");
	turn_until(be_devices_find(&daemon_, 4, 0) && be_devices_find(&daemon_, 4, 0)->published);
	page = fake_link_page(6);
	fake_xs_set("/local/domain/4/device/vgpu/0/ring-ref", "6");
	fake_xs_set("/local/domain/4/device/vgpu/0/event-channel", "9");
	fake_xs_set("/local/domain/4/device/vgpu/0/protocol", RIG_PROTOCOL);
	fake_xs_set("/local/domain/4/device/vgpu/0/state", "3");
	turn_until(be_devices_find(&daemon_, 4, 0)->connected);
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, -ENOENT);
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	request_open(3, 1); /* the number is another guest's too */
	assert_answer(3, 0);
	fake_xs_domain(4, false);
	turn_until(daemon_.device_count == 1);
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 1, NULL);
	assert_answer(2, -ENOENT); /* twice */
	assert_works(1);
}

/* Nobody asks for it. */
static void test_resume_never_comes(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_dies();
	daemon_starts();
	frontend_reconnects();
	/* Its number is in use as long as it runs. */
	request_open(1, 1);
	assert_answer(1, -EEXIST);
	turn_until(daemon_.executor_count == 0);
	assert_non_null(strstr(last_record()->reason, "did not come back"));
	open_session(1);
}

static void test_domain_died_meanwhile(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_dies();
	fake_xs_domain(3, false);
	fake_xs_remove(BE);
	daemon_starts();
	turn_until(daemon_.device_count == 0);
	assert_int_equal(daemon_.executor_count, 0);
	assert_int_equal(fake_xs_watches(), 3);
}

static void test_detached_meanwhile(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_dies();
	fake_xs_remove(BE);
	fake_xs_remove(FE);
	daemon_starts();
	turn_until(daemon_.device_count == 0);
	assert_int_equal(daemon_.executor_count, 0);
	assert_null(fake_xs_get(BE));
	/* Asked for, politely, when nobody was there. */
	connect_device();
	open_session(1);
	daemon_dies();
	fake_xs_set(BE "/online", "0");
	fake_xs_set(BE "/state", "5");
	daemon_starts();
	turn_until(rig_state_is(0, "6"));
	assert_int_equal(daemon_.executor_count, 0);
}

/* Detached and attached again with other settings: what runs is not what was granted. */
static void test_settings_changed_meanwhile(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_dies();
	fake_xs_set(BE "/max-lanes", "7");
	daemon_starts();
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, -ESTALE);
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	assert_int_equal(daemon_.executor_count, 0);
}

static void test_executor_died_meanwhile(void **state)
{
	pid_t executor;

	(void)state;
	connect_device();
	open_session(1);
	executor = session_of(1)->pid;
	daemon_dies();
	kill(executor, SIGKILL);
	assert_int_equal(waitpid(executor, NULL, 0), executor);
	daemon_starts();
	assert_int_equal(daemon_.executor_count, 0);
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, -ENOENT);
}

static void test_adopted_executor_dies(void **state)
{
	(void)state;
	connect_device();
	open_session(1);
	daemon_dies();
	daemon_starts();
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	kill(session_of(1)->pid, SIGKILL);
	assert_gone(1, "executor was killed or crashed");
	assert_int_equal(daemon_.executor_count, 0);
}

/* What its exit status was, it has left in its counters. */
static void test_adopted_executor_exits(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "leaves", 1);
	connect_device();
	open_session(1);
	open_session(2);
	daemon_dies();
	daemon_starts();
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, 0);
	request(VG_CTL_RESUME, 2, 2, NULL);
	assert_answer(2, 0);
	request_share(3, 1, VG_SHARE_REGION, 10, 0);
	assert_answer(3, -EIO);
	assert_gone(1, "executor exited with status 5");
	assert_closes(2);
	assert_int_equal(last_record()->status, 0);
	assert_string_equal(last_record()->reason, "closed by the program");
}

/* Of sessions that ended, the next daemon knows too; a file that is not as it was written is not believed. */
static void test_history_stays(void **state)
{
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	connect_device();
	for (uint32_t i = 1; i <= BE_HISTORY_MAX + 3; i++) {
		open_session(1);
		assert_closes(1);
		daemon_.history[(daemon_.history_next + BE_HISTORY_MAX - 1) % BE_HISTORY_MAX]
			.guest_pid = i; /* in memory only */
	}
	daemon_dies();
	daemon_starts();
	assert_int_equal(daemon_.history_count, BE_HISTORY_MAX);
	assert_int_equal(last_record()->guest_pid, 77);
	assert_int_equal(last_record()->domid, 3);
	assert_string_equal(last_record()->reason, "closed by the program");
	assert_int_equal(last_record()->stats.commands, 2);
	/* Three bytes of one record change, and another was not written to its end. */
	snprintf(path, sizeof(path), "%s/.ended", daemon_.config.session_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && !fstat(fd, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(pwrite(fd, "???", 3, st.st_size / 2), 3);
	assert_int_equal(ftruncate(fd, st.st_size - 7), 0);
	daemon_dies();
	daemon_starts();
	assert_int_equal(daemon_.history_count, BE_HISTORY_MAX - 2);
	/* Another release's. */
	assert_int_equal(pwrite(fd, "?", 1, 4), 1);
	daemon_dies();
	daemon_starts();
	assert_int_equal(daemon_.history_count, 0);
	frontend_reconnects();
	open_session(1);
	assert_closes(1);
	daemon_dies();
	daemon_starts();
	assert_int_equal(daemon_.history_count, 1);
	close(fd);
}

/* It died before the executor had answered OPEN: the frontend asks for another. */
static void test_killed_while_opening(void **state)
{
	(void)state;
	connect_device();
	setenv("VGPU_FAKE", "deaf", 1);
	request_open(1, 1);
	turns(2);
	daemon_dies();
	unsetenv("VGPU_FAKE");
	/* It may not have come as far as listening. */
	do
		be_adopt_scan(&daemon_);
	while (daemon_.adopt_again);
	assert_int_equal(daemon_.executor_count, 1);
	daemon_.rescan = true;
	frontend_reconnects();
	request(VG_CTL_RESUME, 2, 0, NULL);
	assert_answer(2, 0);
	assert_int_equal(daemon_.executor_count, 0);
	open_session(2);
}

/* Executors that were taken over by a guest, and what they can gain by adoption: nothing. */
static void test_hostile_executors(void **state)
{
	static const struct {
		const char *mode, *says;
	} cases[] = {
		{"liar", "it is another"},      {"old", "of an earlier release"},
		{"no-counters", "no counters"}, {"loose-counters", "no counters"},
		{"mute", "did not answer"},     {"no-account", "no account"},
	};

	(void)state;
	connect_device();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vg_control msg;

		setenv("VGPU_FAKE", cases[i].mode, 1);
		open_session(1);
		daemon_dies();
		daemon_starts();
		frontend_reconnects();
		request(VG_CTL_RESUME, 1, 1, NULL);
		request(VG_CTL_RESUME, 2, 0, NULL);
		msg = response();
		assert_int_equal(msg.tag, 1);
		assert_true(msg.status < 0);
		assert_answer(2, 0);
		assert_int_equal(daemon_.executor_count, 0);
		assert_non_null(strstr(last_record()->reason, cases[i].says));
	}
}

/* The account is the one that the executors had; what one held that died in between is given back. */
static void test_account_resumed(void **state)
{
	unsigned int slot;
	pid_t dead;

	(void)state;
	connect_device();
	open_session(1);
	open_session(2);
	dead = session_of(1)->pid;
	slot = session_of(2)->account_slot;
	daemon_dies();
	kill(dead, SIGKILL);
	waitpid(dead, NULL, 0);
	daemon_starts();
	frontend_reconnects();
	request(VG_CTL_RESUME, 1, 1, NULL);
	assert_answer(1, -ENOENT);
	request(VG_CTL_RESUME, 2, 2, NULL);
	assert_answer(2, 0);
	request(VG_CTL_RESUME, 3, 0, NULL);
	assert_answer(3, 0);
	assert_int_equal(session_of(2)->account_slot, slot);
	assert_int_equal(be_account_used(daemon_.devices), 1 << 20);
	open_session(3);
	assert_int_not_equal(session_of(3)->account_slot, slot);
	assert_int_equal(be_account_used(daemon_.devices), 2 << 20);
}

/* What may lie in the folder: sockets of the dead, and what nobody of ours has put there. */
static void test_strange_files(void **state)
{
	static const char *const names[] = {"3-0-9-0123456789abcdef",
					    "3-0-9",
					    "x",
					    "3-0-0-0123456789abcdef",
					    "99999-0-1-0123456789abcdef",
					    "03-0-1-0123456789abcdef"};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[BE_SESSION_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

		snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
			 daemon_.config.session_dir, names[i]);
		assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		close(fd);
	}
	daemon_starts();
	assert_int_equal(daemon_.executor_count, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", daemon_.config.session_dir, names[i]);
		/* Only a name of ours is cleared away. */
		assert_int_equal(unlink(path), i == 0 ? -1 : 0);
	}
}

static void test_folder_of_others(void **state)
{
	char why[BE_CONFIG_WHY];

	(void)state;
	chmod(daemon_.config.session_dir, 0777);
	assert_int_equal(be_adopt_open(&daemon_, why), -EPERM);
	assert_non_null(strstr(why, "mode 0700"));
	chmod(daemon_.config.session_dir, 0700);
	assert_int_equal(be_adopt_open(&daemon_, why), 0);
}

/* adopt-timeout = 0: as before, they end with their daemon. */
static void test_without_adoption(void **state)
{
	pid_t executor;

	(void)state;
	daemon_.config.adopt_timeout = 0;
	connect_device();
	open_session(1);
	executor = session_of(1)->pid;
	daemon_dies();
	assert_int_equal(waitpid(executor, NULL, 0), executor);
	daemon_starts();
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
	turn_until(rig_state_is(0, "6"));
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
		if (rig_state_is(0, "6")) {
			fake_xs_set(FE "/state", "1");
			turn_until(rig_state_is(0, "2"));
			frontend_write(RIG_PROTOCOL);
			turn_until(rig_state_is(0, "4"));
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
			if (seed >> 26 & 3) {
				slot->u.open.count = 1;
				slot->u.open.devids[0] = 0;
			}
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
	turn_until(rig_state_is(0, "6"));
	fake_xs_set(FE "/state", "1");
	turn_until(rig_state_is(0, "2"));
	frontend_write(RIG_PROTOCOL);
	turn_until(rig_state_is(0, "4"));
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
	assert_true(rig_state_is(0, "4"));
	assert_int_equal(daemon_.executor_count, 1);
}

/* xenstored answers nothing: sessions come and go all the same, and devices when it is back. */
static void test_xenstored_silent(void **state)
{
	(void)state;
	connect_device();
	assert_int_equal(be_pulse_open(&daemon_), 0);
	fake_xs_silent(true);
	daemon_.rescan = true;
	open_session(1);
	request(VG_CTL_CLOSE, 12, 1, NULL);
	assert_answer(12, 0);
	assert_true(daemon_.devices->dirty); /* it waits for its turn */
	fake_xs_set(FE "/state", "5");
	open_session(2);
	assert_true(rig_state_is(0, "4"));
	fake_xs_silent(false);
	turn_until(rig_state_is(0, "5") || rig_state_is(0, "6"));
	assert_int_equal(daemon_.executor_count, 0);
	be_pulse_close(&daemon_);
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
		cmocka_unit_test_setup_teardown(test_driver_domain, setup_driver, teardown),
		T(test_attached_anew_in_one_turn),
		T(test_domain_dies),
		T(test_frontend_restarts),
		T(test_frontend_toggles),
		T(test_frontend_dies),
		T(test_stale_state),
		T(test_stop_and_come_back),
		T(test_session),
		T(test_xenstored_silent),
		T(test_refused_requests),
		T(test_executor_killed),
		T(test_executor_refuses),
		T(test_executor_crashes_at_open),
		T(test_executor_is_deaf),
		T(test_executor_answers_unasked),
		T(test_executor_says_why),
		T(test_executor_is_stubborn),
		T(test_closed_while_it_ends),
		T(test_account),
		T(test_account_resumed),
		T(test_executor_scribbles),
		T(test_no_executor),
		T(test_killed_and_resumed),
		T(test_stopped_and_resumed),
		T(test_killed_in_each_state),
		T(test_killed_while_resuming),
		T(test_not_resumed),
		T(test_hostile_resume),
		T(test_resume_never_comes),
		T(test_domain_died_meanwhile),
		T(test_detached_meanwhile),
		T(test_settings_changed_meanwhile),
		T(test_executor_died_meanwhile),
		T(test_adopted_executor_dies),
		T(test_adopted_executor_exits),
		T(test_history_stays),
		T(test_killed_while_opening),
		T(test_hostile_executors),
		T(test_strange_files),
		T(test_folder_of_others),
		T(test_without_adoption),
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
