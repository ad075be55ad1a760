/* SPDX-License-Identifier: MIT */
/*
 * PROBE and PROBED in xen-vgpud: what is asked goes out when there is room, what comes back is the guest's word,
 * and a guest that answers what nobody has asked, or never takes the question, costs nothing.
 */
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/backend/rig.h"

static struct be_device *device(void)
{
	return be_devices_find(&daemon_, 3, 0);
}

static int setup(void **state)
{
	(void)state;
	rig_init("/local/domain/0/");
	return rig_open();
}

static int setup_connected(void **state)
{
	if (setup(state))
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

/* --- what `list` has of it ----------------------------------------------------------------------- */

static struct json_object *listed(void)
{
	struct json_object *object = json_object_new_object(), *probe = NULL;

	be_live_put_device(object, device());
	if (json_object_object_get_ex(object, "probe", &probe))
		json_object_get(probe);
	json_object_put(object);
	return probe;
}

static bool has(struct json_object *probe, const char *key)
{
	return json_object_object_get_ex(probe, key, NULL);
}

static int64_t number(struct json_object *probe, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(probe, key, &value));
	return json_object_get_int64(value);
}

static void assert_text(struct json_object *probe, const char *key, const char *text)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(probe, key, &value));
	assert_string_equal(json_object_get_string(value), text);
}

static void assert_waits(const char *what)
{
	struct json_object *probe = listed();

	assert_non_null(probe);
	assert_text(probe, "what", what);
	assert_true(number(probe, "asked_ms") < 60000);
	assert_false(has(probe, "answered_ms") || has(probe, "took_ms") || has(probe, "status"));
	json_object_put(probe);
}

static void assert_status(int64_t status, const char *text)
{
	struct json_object *probe = listed();

	assert_non_null(probe);
	assert_true(number(probe, "answered_ms") <= number(probe, "asked_ms"));
	assert_true(number(probe, "took_ms") < 60000);
	assert_int_equal(number(probe, "status"), status);
	assert_text(probe, "text", text);
	json_object_put(probe);
}

/* --- the guest ------------------------------------------------------------------------------------ */

static uint32_t question(enum vg_probe what)
{
	struct vg_control msg = response();

	assert_int_equal(msg.type, VG_CTL_PROBE);
	assert_int_equal(msg.u.probe.what, what);
	return msg.tag;
}

static void answer(uint32_t tag, int32_t status, const char *text)
{
	struct vg_control msg = {.status = status,
				 .u.probed = {.programs = 2,
					      .sessions = 1,
					      .pages = UINT32_MAX,
					      .pages_max = 16384,
					      .protocol = VG_PROTOCOL_VERSION}};

	memset(msg.text, 'x', sizeof(msg.text)); /* no end but this */
	if (text)
		snprintf(msg.text, sizeof(msg.text), "%s", text);
	request(VG_CTL_PROBED, tag, 0, &msg);
	turns(2);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_asked(void **state)
{
	struct json_object *probe;
	uint64_t requests = device()->requests;

	(void)state;
	assert_null(listed());
	be_device_probe(device(), VG_PROBE_ALIVE);
	assert_waits("alive");
	answer(question(VG_PROBE_ALIVE), 0, "");
	assert_status(0, "");
	probe = listed();
	assert_int_equal(number(probe, "programs"), 2);
	assert_int_equal(number(probe, "sessions"), 1);
	assert_int_equal(number(probe, "pages"), UINT32_MAX);
	assert_int_equal(number(probe, "pages_max"), 16384);
	json_object_put(probe);
	be_device_probe(device(), VG_PROBE_KERNEL);
	assert_waits("kernel");
	answer(question(VG_PROBE_KERNEL), -EIO, "failed at \"launch\"\n\x1b[31m");
	assert_status(-EIO, "failed at ?launch???[31m");
	/* It is no request. */
	assert_int_equal(device()->requests, requests);
	assert_int_equal(device()->unanswered, 0);
	request(VG_CTL_CLOSE, 5, 77, NULL);
	assert_answer(5, -ENOENT);
}

/* A status that is none, a text without end. */
static void test_odd_answer(void **state)
{
	char all[VG_TEXT_MAX];

	(void)state;
	be_device_probe(device(), VG_PROBE_ALIVE);
	answer(question(VG_PROBE_ALIVE), INT32_MAX, NULL);
	memset(all, 'x', sizeof(all));
	all[sizeof(all) - 1] = '\0';
	assert_status(0, all);
	be_device_probe(device(), VG_PROBE_ALIVE);
	answer(question(VG_PROBE_ALIVE), INT32_MIN, "");
	assert_status(INT32_MIN, "");
}

/* Only the answer to the last question counts, once. */
static void test_late_answer(void **state)
{
	uint32_t first, second;

	(void)state;
	be_device_probe(device(), VG_PROBE_KERNEL);
	first = question(VG_PROBE_KERNEL);
	be_device_probe(device(), VG_PROBE_ALIVE);
	second = question(VG_PROBE_ALIVE);
	assert_int_not_equal(first, second);
	answer(first, 0, "the first");
	assert_waits("alive");
	answer(second, 0, "the second");
	assert_status(0, "the second");
	answer(second, -EIO, "again");
	assert_status(0, "the second");
}

/* Another processor of the guest's, which refills the ring as fast as it is emptied. */
static void *flood(void *stop)
{
	uint64_t prod = page->req_prod;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		if (prod - __atomic_load_n(&page->req_cons, __ATOMIC_ACQUIRE) >= VG_CTLRING_SLOTS)
			continue;
		page->req[prod % VG_CTLRING_SLOTS] = (struct vg_control){
			.type = VG_CTL_PROBED, .tag = (uint32_t)prod, .text = "a word"};
		__atomic_store_n(&page->req_prod, ++prod, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* What nobody has asked for: no answer, no count, and requests go on. */
static void test_flood(void **state)
{
	uint64_t taken = 0, until = vg_clock_ms() + RIG_WAIT_MS;
	bool stop = false;
	pthread_t guest;

	(void)state;
	assert_int_equal(pthread_create(&guest, NULL, flood, &stop), 0);
	while (taken < 20000 && vg_clock_ms() < until) {
		uint64_t before = page->req_cons, now;

		be_device_serve(device(), vg_clock_ms());
		now = page->req_cons;
		assert_true(now - before <= VG_CTLRING_SLOTS);
		taken += now - before;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(guest, NULL);
	turns(2);
	assert_true(taken > 1000);
	assert_null(listed());
	assert_int_equal(device()->requests, 0);
	assert_int_equal(device()->unanswered, 0);
	assert_int_equal(page->rsp_prod, 0);
	/* Its bells brought nothing: the port is left masked a while. */
	fake_link_ring();
	for (int i = 0; i < 200 && !fake_link_masked(); i++) {
		request(VG_CTL_PROBED, 1, 0, NULL);
		turns(1);
	}
	assert_true(fake_link_masked());
	assert_true(rig_state_is(0, "4"));
	request(VG_CTL_CLOSE, 5, 77, NULL);
	assert_answer(5, -ENOENT);
}

/* It takes no message: the question waits, the last of them goes out, and answers before it. */
static void test_ring_full(void **state)
{
	struct vg_control msg;
	uint32_t last = 0;

	(void)state;
	for (int i = 0; i < 5000; i++)
		be_device_probe(device(), i & 1 ? VG_PROBE_ALIVE : VG_PROBE_KERNEL);
	assert_int_equal(page->rsp_prod - page->rsp_cons, VG_CTLRING_SLOTS);
	assert_int_equal(device()->out_count, 0);
	request(VG_CTL_CLOSE, 5, 77, NULL);
	turns(2);
	assert_int_equal(device()->out_count, 1);
	for (unsigned int i = 0; i < VG_CTLRING_SLOTS; i++)
		last = response().tag;
	assert_true(last < 5000);
	assert_answer(5, -ENOENT);
	msg = response();
	assert_int_equal(msg.type, VG_CTL_PROBE);
	assert_int_equal(msg.tag, 5000);
	assert_true(rig_state_is(0, "4"));
	answer(5000, 0, "ok");
	assert_status(0, "ok");
}

static void test_disconnected(void **state)
{
	(void)state;
	attach(3, 0, "soft");
	turn_until(rig_state_is(0, "2"));
	be_device_probe(device(), VG_PROBE_KERNEL);
	assert_status(-ENOTCONN, "the guest's vgpu-frontd is not connected");
	rig_frontend_connects();
	be_device_probe(device(), VG_PROBE_ALIVE);
	question(VG_PROBE_ALIVE);
	page->frontend_alive = 0;
	turn_until(!device()->connected);
	assert_status(-ENOTCONN, "the connection to the guest ended before its answer");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_connected, teardown)
	const struct CMUnitTest tests[] = {
		T(test_asked),
		T(test_odd_answer),
		T(test_late_answer),
		T(test_flood),
		T(test_ring_full),
		cmocka_unit_test_setup_teardown(test_disconnected, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
