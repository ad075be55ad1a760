/* SPDX-License-Identifier: MIT */
/*
 * Sessions of several vGPUs in xen-vgpud: which may be joined, what a hostile list is worth, and that the end of
 * each is the session's, also after a restart. Two domains, three vGPUs of one and one of the other; executors are
 * fake ones, which reserve a MiB more of each further vGPU.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/backend/fake_executor.h"
#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/backend/rig.h"

#define MIB (1u << 20)

/* The rig's page is that of vGPU 0, every session's home but where it says otherwise. */
static uint32_t tag;

/* Each device has a page of its own; that of vGPU 0 of domain 3 is `page`. */
static void frontend_connects(uint32_t domid, uint32_t devid)
{
	struct vg_control_ring *ring = fake_link_page(domid * 3 - 8 + devid);
	char ref[8];

	if (domid == 3 && !devid)
		page = ring;
	snprintf(ref, sizeof(ref), "%u", domid * 3 - 8 + devid);
	set("frontend", domid, devid, "/ring-ref", ref);
	set("frontend", domid, devid, "/event-channel", "9");
	set("frontend", domid, devid, "/protocol", RIG_PROTOCOL);
	set("frontend", domid, devid, "/state", "3");
	turns(3);
	set("frontend", domid, devid, "/state", "4");
	turns(2);
}

static void connect_device(uint32_t domid, uint32_t devid, const char *gpu)
{
	attach(domid, devid, gpu);
	turns(3);
	frontend_connects(domid, devid);
}

/* Three vGPUs, each another GPU. */
static void connect_three(void)
{
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:1");
	connect_device(3, 2, "soft:2");
	assert_true(rig_state_is(0, "4") && rig_state_is(1, "4") && rig_state_is(2, "4"));
}

static struct be_device *device_of(uint32_t devid)
{
	return be_devices_find(&daemon_, 3, devid);
}

static uint64_t used(uint32_t devid)
{
	return be_account_used(device_of(devid));
}

/* --- the frontend's requests ------------------------------------------------------------------------- */

/* Its tag. */
static uint32_t ask(uint32_t type, uint32_t session, const struct vg_control *body)
{
	request(type, ++tag, session, body);
	return tag;
}

/* A list as text of digits, so that "01" asks for vGPUs 0 and 1. */
static struct vg_control open_list(uint32_t session, const char *list, uint16_t flags)
{
	struct vg_control open = {
		.u.open = {.protocol = VG_PROTOCOL_VERSION, .pid = 77, .flags = flags}};
	struct vg_control msg;

	open.u.open.count = (uint16_t)strlen(list);
	for (size_t i = 0; i < VG_SESSION_DEVICES && list[i]; i++)
		open.u.open.devids[i] = (uint8_t)(list[i] - '0');
	ask(VG_CTL_OPEN, session, &open);
	msg = response();
	assert_int_equal(msg.type, VG_CTL_ANSWER);
	assert_int_equal(msg.tag, tag);
	return msg;
}

static void assert_opens(uint32_t session, const char *list, uint16_t flags, const char *has)
{
	struct vg_control msg = open_list(session, list, flags);

	if (msg.status)
		print_error("status %d: %s\n", msg.status, msg.text);
	assert_int_equal(msg.status, 0);
	assert_int_equal(msg.u.answer.count, strlen(has));
	for (size_t i = 0; has[i]; i++)
		assert_int_equal(msg.u.answer.devids[i], has[i] - '0');
}

static void assert_refused(const char *list, uint16_t flags, int status, const char *says)
{
	struct vg_control msg = open_list(9, list, flags);

	assert_int_equal(msg.status, status);
	if (!strstr(msg.text, says))
		print_error("it says \"%s\"\n", msg.text);
	assert_non_null(strstr(msg.text, says));
	assert_int_equal(daemon_.executor_count, 0);
}

static void assert_closes(uint32_t session)
{
	assert_answer(ask(VG_CTL_CLOSE, session, NULL), 0);
}

static void assert_seats(unsigned int zero, unsigned int one, unsigned int two)
{
	assert_int_equal(device_of(0)->seat_count, zero);
	assert_int_equal(device_of(1)->seat_count, one);
	assert_int_equal(device_of(2)->seat_count, two);
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	rig_init("/local/domain/0/");
	daemon_.config.request_timeout = 2;
	daemon_.config.adopt_timeout = 4;
	if (rig_open())
		return -1;
	fake_xs_domain(4, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close();
	return 0;
}

/* --- joining ------------------------------------------------------------------------------------------ */

static void test_joined(void **state)
{
	(void)state;
	connect_three();
	assert_opens(1, "02", 0, "02");
	assert_seats(1, 0, 1);
	assert_int_equal(used(0), MIB);
	assert_int_equal(used(1), 0);
	assert_int_equal(used(2), 2 * MIB);
	assert_opens(2, "0", 0, "0");
	assert_seats(2, 0, 1);
	assert_int_equal(used(0), 2 * MIB);
	assert_int_equal(used(2), 2 * MIB);
	assert_closes(1);
	assert_seats(1, 0, 0);
	assert_int_equal(used(0), MIB);
	assert_int_equal(used(2), 0);
	assert_int_equal(daemon_.history[0].device_count, 2);
	assert_int_equal(daemon_.history[0].devids[1], 2);
	assert_opens(3, "021", 0, "021"); /* in that order */
	assert_closes(2);
	assert_closes(3);
	assert_seats(0, 0, 0);
}

/* What a session may not have is left out where the frontend only picks, and refused where it asks. */
static void test_left_out(void **state)
{
	(void)state;
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:0"); /* the same GPU */
	connect_device(3, 2, "0");      /* the driver's */
	attach(3, 3, "soft:3");         /* not connected */
	turns(3);
	assert_opens(1, "012345", VG_OPEN_PICK, "0");
	assert_seats(1, 0, 0);
	assert_closes(1);
	assert_refused("01", 0, -EEXIST, "vGPUs 0 and 1 are of one GPU");
	assert_refused("02", 0, -EXDEV, "different drivers");
	assert_refused("03", 0, -ENODEV, "vGPU 3 is not connected");
	assert_refused("04", 0, -ENODEV, "vGPU 4 is not connected");
}

static void test_full(void **state)
{
	(void)state;
	connect_three();
	assert_opens(1, "01", 0, "01");
	assert_opens(2, "01", 0, "01");
	assert_int_equal(open_list(3, "0", 0).status, -EBUSY);
	assert_closes(1);
	assert_opens(3, "02", 0, "02");
	assert_closes(2);
	assert_opens(4, "02", 0, "02"); /* vGPU 2 is full now, and 0 */
	assert_closes(3);
	assert_opens(5, "012", VG_OPEN_PICK, "012");
	assert_seats(2, 1, 2);
	assert_closes(4);
	assert_closes(5);
}

static void test_hostile_lists(void **state)
{
	(void)state;
	connect_three();
	assert_refused("", 0, -EINVAL, "makes no sense");
	assert_refused("", VG_OPEN_PICK, -EINVAL, "makes no sense");
	assert_refused("1", 0, -EINVAL, "makes no sense"); /* on another's ring */
	assert_refused("10", VG_OPEN_PICK, -EINVAL, "makes no sense");
	assert_refused("011", 0, -EINVAL, "names vGPU 1 twice");
	assert_refused("00", VG_OPEN_PICK, -EINVAL, "names vGPU 0 twice");
	assert_refused("01234567000000001", VG_OPEN_PICK, -EINVAL, "makes no sense");
	assert_refused("0\xff", 0, -ENODEV, "vGPU 207 is not connected");
	assert_seats(0, 0, 0);
}

/* A number of another domain's vGPU is this domain's or nobody's. */
static void test_other_domain(void **state)
{
	(void)state;
	connect_device(3, 0, "soft");
	connect_device(4, 1, "soft:1");
	assert_int_equal(be_devices_find(&daemon_, 4, 1)->connected, true);
	assert_refused("01", 0, -ENODEV, "vGPU 1 is not connected");
	assert_opens(1, "01", VG_OPEN_PICK, "0");
	assert_int_equal(be_devices_find(&daemon_, 4, 1)->seat_count, 0);
	assert_closes(1);
}

/* --- the end of one --------------------------------------------------------------------------------------- */

static void test_joined_detached(void **state)
{
	(void)state;
	setenv("VGPU_FAKE", "stubborn", 1);
	connect_three();
	assert_opens(1, "01", 0, "01");
	assert_opens(2, "02", 0, "02");
	set("backend", 3, 1, "/online", "0");
	set("backend", 3, 1, "/state", "5");
	turns(3);
	assert_true(rig_state_is(1, "5")); /* its executor still has pages of the guest's */
	assert_gone(1, "the device is being detached");
	turn_until(rig_state_is(1, "6"));
	assert_seats(1, 0, 1);
	assert_true(rig_state_is(0, "4"));
	assert_int_equal(device_of(0)->sessions->id, 2);
	unsetenv("VGPU_FAKE");
}

static void test_home_detached(void **state)
{
	(void)state;
	connect_three();
	assert_opens(1, "01", 0, "01");
	set("backend", 3, 0, "/online", "0");
	set("backend", 3, 0, "/state", "5");
	turn_until(rig_state_is(0, "6"));
	assert_seats(0, 0, 0);
	assert_int_equal(used(1), 0);
	assert_true(rig_state_is(1, "4"));
}

/* Taken away by force: the directory is gone. */
static void test_joined_removed(void **state)
{
	(void)state;
	connect_three();
	assert_opens(1, "01", 0, "01");
	fake_xs_remove(node("backend", 3, 1, ""));
	turn_until(!device_of(1));
	assert_gone(1, "the device was removed");
	assert_int_equal(device_of(0)->seat_count, 0);
}

static void test_executor_dies(void **state)
{
	(void)state;
	connect_three();
	assert_opens(1, "012", 0, "012");
	kill(device_of(0)->sessions->pid, SIGKILL);
	assert_gone(1, "signal 9");
	assert_seats(0, 0, 0);
	assert_int_equal(used(0) + used(1) + used(2), 0);
}

/* --- another daemon ------------------------------------------------------------------------------------- */

/* As if it had been killed. */
static void frontend_back(uint32_t devid)
{
	turn_until(rig_state_is(devid, "6"));
	set("frontend", 3, devid, "/state", "6");
	turns(2);
	set("frontend", 3, devid, "/state", "1");
	turn_until(rig_state_is(devid, "2"));
	frontend_connects(3, devid);
	turn_until(rig_state_is(devid, "4"));
}

static void test_resumed(void **state)
{
	pid_t executor;

	(void)state;
	connect_three();
	assert_opens(1, "02", 0, "02");
	executor = device_of(0)->sessions->pid;
	rig_die();
	rig_start();
	for (uint32_t i = 0; i < 3; i++)
		frontend_back(i);
	assert_answer(ask(VG_CTL_RESUME, 1, NULL), 0);
	assert_answer(ask(VG_CTL_RESUME, 0, NULL), 0);
	assert_seats(1, 0, 1);
	assert_int_equal(device_of(0)->sessions->pid, executor);
	assert_int_equal(used(0), MIB);
	assert_int_equal(used(2), 2 * MIB);
	assert_opens(2, "02", 0, "02");
	assert_int_not_equal(device_of(0)->sessions->account_slot,
			     device_of(0)->sessions->next->account_slot);
	set("backend", 3, 2, "/online", "0");
	set("backend", 3, 2, "/state", "5");
	turn_until(rig_state_is(2, "6"));
	assert_seats(0, 0, 0);
}

/* The home is back first: the session waits until it is known what the other is. */
static void test_resumed_one_by_one(void **state)
{
	uint32_t asked;

	(void)state;
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:1");
	assert_opens(1, "01", 0, "01");
	rig_die();
	rig_start();
	/* Its frontend is slow. */
	frontend_back(0);
	assert_false(device_of(1)->published);
	asked = ask(VG_CTL_RESUME, 1, NULL);
	turns(5);
	assert_true(page->rsp_prod == page->rsp_cons);
	frontend_back(1);
	assert_answer(asked, 0);
	assert_closes(1);
}

static void test_settings_changed(void **state)
{
	(void)state;
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:1");
	assert_opens(1, "01", 0, "01");
	rig_die();
	set("backend", 3, 1, "/mem", "1073741824");
	rig_start();
	frontend_back(0);
	frontend_back(1);
	assert_answer(ask(VG_CTL_RESUME, 1, NULL), -ESTALE);
	turn_until(daemon_.executor_count == 0);
}

static void test_removed_meanwhile(void **state)
{
	(void)state;
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:1");
	assert_opens(1, "01", 0, "01");
	rig_die();
	fake_xs_remove(node("backend", 3, 1, ""));
	rig_start();
	turn_until(daemon_.executor_count == 0);
	frontend_back(0);
	assert_answer(ask(VG_CTL_RESUME, 1, NULL), -ENOENT);
	assert_null(device_of(1));
}

static void test_hostile_executors(void **state)
{
	static const struct {
		const char *mode, *says;
	} cases[] = {
		{"twice", "has other vGPUs"},
		{"many", "has other vGPUs"},
		{"another", "has other vGPUs"},
		{"swapped", "one account twice"},
	};

	(void)state;
	connect_device(3, 0, "soft");
	connect_device(3, 1, "soft:1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("VGPU_FAKE", "", 1);
		assert_opens(1, "01", 0, "01"); /* whose accounts they really are */
		setenv("VGPU_FAKE", cases[i].mode, 1);
		assert_opens(2, "01", 0, "01");
		rig_die();
		rig_start();
		frontend_back(0);
		frontend_back(1);
		turn_until(daemon_.history_count > 0);
		assert_non_null(strstr(daemon_.history[0].reason, cases[i].says));
		assert_answer(ask(VG_CTL_RESUME, 1, NULL), 0);
		assert_closes(1);
		assert_int_equal(daemon_.executor_count, 0);
		assert_int_equal(device_of(0)->seat_count, 0);
		assert_int_equal(device_of(1)->seat_count, 0);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_joined),
		T(test_left_out),
		T(test_full),
		T(test_hostile_lists),
		T(test_other_domain),
		T(test_joined_detached),
		T(test_home_detached),
		T(test_joined_removed),
		T(test_executor_dies),
		T(test_resumed),
		T(test_resumed_one_by_one),
		T(test_settings_changed),
		T(test_removed_meanwhile),
		T(test_hostile_executors),
	};

	(void)argc;
	if (!strcmp(argv[0], "vgpu-executor"))
		return fake_executor_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
