/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd without a hypervisor: its devices and clients run for real over sockets, against an xenstore,
 * a grant table and a clock made here (fake_*.c), and a backend that the tests play by hand on the
 * shared page.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#include <cmocka.h>

#include "tests/unit/frontd/fake_grants.h"
#include "tests/unit/backend/fake_xs.h"
#include "xen-frontend/frontd/broker.h"
#include "xen-frontend/frontd/client.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/device.h"
#include "xen-frontend/frontd/options.h"

#define FE       "/local/domain/3/device/vgpu/0"
#define BE       "/local/domain/0/backend/vgpu/3/0"
#define PROTOCOL "3" /* VG_PROTOCOL_VERSION as xenstore has it */

static uint64_t clock_ms = 1000;

uint64_t fe_clock_ms(void)
{
	return clock_ms;
}

/* --- the broker, its loop by hand --- */

static struct fe_broker broker;

/* What main.c's loop does between two polls, often enough that everything settles. */
static void turn(void)
{
	for (int i = 0; i < 4; i++) {
		char **watch;

		while ((watch = xs_check_watch(broker.xs)) != NULL) {
			broker.scan = true;
			for (struct fe_device *d = broker.devices; d; d = d->next)
				d->dirty = true;
			free(watch);
		}
		for (struct fe_client *c = broker.clients; c; c = c->next) {
			struct vg_control peek;
			ssize_t n = c->sock < 0 ? -1
						: recv(c->sock, &peek, sizeof(peek),
						       MSG_PEEK | MSG_DONTWAIT);

			/* As poll() would: while quiet only the end wakes. */
			if (n == 0 || (n > 0 && !fe_client_quiet(c)))
				fe_client_readable(c);
		}
		fe_clients_step(&broker);
		fe_probes_step(&broker);
		fe_devices_step(&broker);
	}
}

static void wait_ms(uint64_t ms)
{
	for (uint64_t done = 0; done < ms; done += 250) {
		clock_ms += 250;
		turn();
	}
}

static void device_attach(const char *fe_state, const char *be_state)
{
	fake_xs_set(BE "/frontend", FE);
	fake_xs_set(BE "/frontend-id", "3");
	fake_xs_set(BE "/online", "1");
	fake_xs_set(BE "/max-sessions", "3");
	fake_xs_set(BE "/protocol-versions", PROTOCOL);
	fake_xs_set(BE "/state", be_state);
	fake_xs_set(FE "/backend-id", "0");
	fake_xs_set(FE "/backend", BE);
	fake_xs_set(FE "/state", fe_state);
}

static int setup(void **state)
{
	(void)state;
	fake_xs_reset();
	fake_xs_home("/local/domain/3/");
	fake_grants_reset();
	fake_xs_set("/local/domain/3/domid", "3");
	memset(&broker, 0, sizeof(broker));
	broker.options = (struct fe_options){.sessions_max = 8,
					     .sessions_max_user = 6,
					     .pages_max = 5000,
					     .pages_max_user = 4000};
	broker.log = VG_LOG_WHO_NONE;
	broker.log.level = getenv("FRONTD_TEST_LOG") ? VG_LOG_DATA : -1;
	broker.xs = xs_open(0);
	broker.scan = true;
	xs_watch(broker.xs, "device/vgpu", "devices");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fe_probes_free(&broker);
	fe_clients_free(&broker);
	fe_devices_free(&broker, "the test is over");
	assert_null(broker.clients);
	/* Whatever happened: no page, port, watch or descriptor is left. */
	assert_int_equal(fake_grants_pages(), 0);
	assert_int_equal(fake_grants_ports(), 0);
	assert_int_equal(fake_xs_watches(), 1);
	xs_close(broker.xs);
	return 0;
}

/* --- the backend, by hand --- */

static struct {
	struct vg_control_ring *ring;
	uint64_t req_cons, rsp_prod;
} backend;

static int requests(void)
{
	turn();
	return (int)(backend.ring->req_prod - backend.req_cons);
}

static struct vg_control request_get(void)
{
	assert_true(requests() > 0);
	backend.ring->req_cons = backend.req_cons + 1;
	return backend.ring->req[backend.req_cons++ % VG_CTLRING_SLOTS];
}

static void response_put(const struct vg_control *msg)
{
	backend.ring->rsp[backend.rsp_prod % VG_CTLRING_SLOTS] = *msg;
	backend.ring->rsp_prod = ++backend.rsp_prod;
	turn();
}

static void request_answer(const struct vg_control *request, int status, const char *text);

/* Up to the point where the frontend says which sessions it has. */
static void backend_reconnect(void)
{
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "3");
	backend.ring = broker.devices->page_base;
	backend.req_cons = backend.rsp_prod = 0;
	assert_int_equal(backend.ring->magic, VG_CTLRING_MAGIC);
	assert_int_equal(backend.ring->version, VG_PROTOCOL_VERSION);
	assert_int_equal(backend.ring->frontend_alive, 1);
	backend.ring->backend_alive = 1;
	fake_xs_set(BE "/state", "4");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "4");
}

/* A frontend without sessions. */
static void backend_connect(void)
{
	struct vg_control request;

	backend_reconnect();
	request = request_get();
	assert_int_equal(request.type, VG_CTL_RESUME);
	assert_int_equal(request.session, 0);
	assert_false(fe_device_usable(broker.devices));
	request_answer(&request, 0, "");
	assert_true(fe_device_usable(broker.devices));
}

static void request_answer(const struct vg_control *request, int status, const char *text)
{
	struct vg_control msg = {.type = VG_CTL_ANSWER,
				 .tag = request->tag,
				 .session = request->session,
				 .status = status};

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	if (request->type == VG_CTL_OPEN)
		msg.u.answer.limits = (struct vg_limits){
			.lanes = 2, .lane_pages = 65, .region_pages = 100000, .channel = 77};
	response_put(&msg);
}

/* --- a program --- */

static int program_connect(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	fe_client_add(&broker, pair[0]);
	return pair[1];
}

static void program_send(int sock, uint32_t type, struct vg_packet *packet)
{
	packet->msg.type = type;
	assert_int_equal(vg_packet_send(sock, packet), 0);
	turn();
}

#define ANY UINT32_MAX

static void program_send_open(int sock, uint32_t protocol, uint32_t devid)
{
	struct vg_packet packet;

	vg_packet_init(&packet, 0, 100);
	packet.msg.u.open.protocol = protocol;
	packet.msg.u.open.pid = 1;
	packet.msg.u.open.uid = 4711;
	packet.msg.u.open.count = devid != ANY;
	packet.msg.u.open.devids[0] = (uint8_t)devid;
	packet.msg.u.open.spec_hash = 99;
	program_send(sock, VG_CTL_OPEN, &packet);
}

static void program_send_share(int sock, uint32_t kind, uint32_t id, uint32_t pages)
{
	struct vg_packet packet;

	vg_packet_init(&packet, 0, 200 + id);
	packet.msg.u.share = (struct vg_control_share){
		.id = id, .kind = kind, .pages = pages, .dir_ref = 0xdead, .port = 0xbeef};
	program_send(sock, VG_CTL_SHARE, &packet);
}

static struct vg_packet program_receive(int sock)
{
	struct vg_packet packet;

	turn();
	assert_int_equal(vg_packet_recv(sock, &packet, 0), 0);
	return packet;
}

static void expect_answer(int sock, uint32_t tag, int status, const char *text)
{
	struct vg_packet packet = program_receive(sock);

	assert_int_equal(packet.msg.type, VG_CTL_ANSWER);
	assert_int_equal(packet.msg.tag, tag);
	assert_int_equal(packet.msg.status, status);
	if (!strstr(packet.msg.text, text))
		fail_msg("\"%s\" does not say \"%s\"", packet.msg.text, text);
	vg_packet_close_fds(&packet);
}

static void expect_end(int sock)
{
	struct vg_packet packet;

	turn();
	assert_int_equal(vg_packet_recv(sock, &packet, 0), -EPIPE);
	close(sock);
}

static void expect_gone(int sock, const char *text)
{
	struct vg_packet packet = program_receive(sock);

	assert_int_equal(packet.msg.type, VG_CTL_GONE);
	assert_true(packet.msg.status < 0);
	if (!strstr(packet.msg.text, text))
		fail_msg("\"%s\" does not say \"%s\"", packet.msg.text, text);
	expect_end(sock);
}

static int program_open(uint32_t *session)
{
	int sock = program_connect();
	struct vg_control request;

	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	request = request_get();
	assert_int_equal(request.type, VG_CTL_OPEN);
	if (session)
		*session = request.session;
	request_answer(&request, 0, "");
	expect_answer(sock, 100, 0, "");
	return sock;
}

static void connected(void)
{
	device_attach("1", "2");
	backend_connect();
}

/* --- the state machine --- */

static void test_connect(void **state)
{
	struct fe_device *device;

	(void)state;
	device_attach("1", "1");
	turn();
	device = broker.devices;
	assert_non_null(device);
	assert_string_equal(fake_xs_get(FE "/state"), "1");
	assert_null(fake_xs_get(FE "/ring-ref"));
	fake_xs_set(BE "/state", "2");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "3");
	assert_int_equal(strtoul(fake_xs_get(FE "/ring-ref"), NULL, 10), device->page.refs[0]);
	assert_int_equal(strtoul(fake_xs_get(FE "/event-channel"), NULL, 10), device->port);
	assert_string_equal(fake_xs_get(FE "/protocol"), PROTOCOL);
	/* The page tells of our death. */
	assert_int_equal(fake_grants_notify_offset(),
			 offsetof(struct vg_control_ring, frontend_alive));
	assert_false(fe_device_usable(device));
	backend_connect();
	assert_string_equal(fake_xs_get(FE "/state"), "4");
	assert_true(fe_device_usable(device));
}

/* An earlier vgpu-frontd died at 4: 5, 6, 1, following the backend each time. */
static void test_stale_state(void **state)
{
	(void)state;
	device_attach("4", "4");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "5");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "5");
	fake_xs_set(BE "/state", "5");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	fake_xs_set(BE "/state", "6");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "1");
	fake_xs_set(BE "/state", "2");
	backend_connect();
}

/* The same with no xen-vgpud there: not for ever at 5. */
static void test_stale_state_no_backend(void **state)
{
	(void)state;
	device_attach("4", "4");
	wait_ms(4000);
	assert_string_equal(fake_xs_get(FE "/state"), "5");
	wait_ms(2000);
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	fake_xs_set(BE "/state", "6"); /* it has come, and clears up first */
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "1");
}

/* --- the host's service goes and comes back --- */

static void no_word(int sock)
{
	char byte;

	turn();
	assert_int_equal(recv(sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
}

static void backend_dies(void)
{
	backend.ring->backend_alive = 0; /* what its kernel does */
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "6");
}

/* Its successor: stale 4, 6, and as at first. */
static void backend_returns(void)
{
	fake_xs_set(BE "/state", "6");
	wait_ms(1500);
	assert_string_equal(fake_xs_get(FE "/state"), "1");
	fake_xs_set(BE "/state", "2");
	backend_reconnect();
}

static void expect_resume(uint32_t session, int status, const char *text)
{
	struct vg_control request = request_get();

	assert_int_equal(request.type, VG_CTL_RESUME);
	assert_int_equal(request.session, session);
	request_answer(&request, status, text);
}

static void expect_request(uint32_t type, uint32_t session, int status)
{
	struct vg_control request = request_get();

	assert_int_equal(request.type, type);
	assert_int_equal(request.session, session);
	request_answer(&request, status, "");
}

static void works(int sock, uint32_t session)
{
	program_send_share(sock, VG_SHARE_REGION, 9, 3);
	expect_request(VG_CTL_SHARE, session, 0);
	expect_answer(sock, 209, 0, "");
}

/* Stopped in order: 6. */
static void test_backend_restart(void **state)
{
	uint32_t session;
	int sock;

	(void)state;
	connected();
	sock = program_open(&session);
	fake_xs_set(BE "/state", "6");
	no_word(sock);
	/* Closed and online: at once anew, with a new ring. */
	assert_string_equal(fake_xs_get(FE "/state"), "1");
	fake_xs_set(BE "/state", "2");
	backend_reconnect();
	expect_resume(session, 0, "");
	expect_resume(0, 0, "");
	works(sock, session);
	close(sock);
	expect_request(VG_CTL_CLOSE, session, 0);
	close(program_open(NULL));
}

/* Killed. */
static void test_backend_death(void **state)
{
	uint32_t one, two;
	int first, second;

	(void)state;
	connected();
	first = program_open(&one);
	second = program_open(&two);
	backend_dies();
	/* The page stays until somebody says that it is unmapped. */
	assert_int_equal(fake_grants_pages(), 1);
	wait_ms(60000);
	no_word(first);
	fake_xs_set(BE "/state", "6");
	turn();
	assert_int_equal(fake_grants_pages(), 0);
	backend_returns();
	expect_resume(two, 0, "");
	expect_resume(one, -ENOENT, "has ended meanwhile");
	expect_gone(first, "has ended meanwhile");
	expect_resume(0, 0, "");
	works(second, two);
	assert_int_equal(broker.devices->sessions, 1);
	close(second);
}

/* Again and again, at each point of the resumption. */
static void test_backend_death_while_resuming(void **state)
{
	uint32_t session;
	int sock;

	(void)state;
	connected();
	sock = program_open(&session);
	for (int step = 0; step < 4; step++) {
		backend_dies();
		wait_ms(30000); /* the more often it fails, the longer we wait */
		backend_returns();
		if (step == 0)
			continue;
		assert_int_equal(requests(), 2);
		if (step == 1) {
			request_get();
			continue;
		}
		expect_resume(session, 0, "");
		if (step == 2)
			continue;
		expect_resume(0, 0, "");
	}
	works(sock, session);
	no_word(sock);
	close(sock);
}

/* The last word counts: what it has not confirmed by then is over. */
static void test_resume_unanswered(void **state)
{
	struct vg_control request;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	backend_dies();
	backend_returns();
	request_get();
	request = request_get();
	request_answer(&request, 0, "");
	expect_gone(sock, "does not know the session");
	close(program_open(NULL));
}

static void test_resume_never_answered(void **state)
{
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	backend_dies();
	backend_returns();
	wait_ms(44000);
	no_word(sock);
	wait_ms(2000);
	expect_gone(sock, "does not answer");
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	backend_returns();
	expect_resume(0, 0, "");
	close(program_open(NULL));
}

static void test_death_with_open(void **state)
{
	struct vg_control request;
	uint32_t session;
	int sock = program_connect();

	(void)state;
	connected();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	request = request_get();
	session = request.session;
	backend_dies();
	no_word(sock);
	backend_returns();
	expect_resume(0, 0, "");
	/* Anew, under another number: the first may be half there. */
	request = request_get();
	assert_int_equal(request.type, VG_CTL_OPEN);
	assert_int_not_equal(request.session, session);
	assert_int_equal(request.u.open.spec_hash, 99);
	session = request.session;
	request_answer(&request, 0, "");
	expect_answer(sock, 100, 0, "");
	assert_int_equal(broker.devices->sessions, 1);
	works(sock, session);
	close(sock);
	/* And not for ever. */
	sock = program_connect();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	backend_dies();
	wait_ms(14000);
	no_word(sock);
	wait_ms(2000);
	expect_answer(sock, 100, -ENODEV, "is xen-vgpud running?");
	expect_end(sock);
}

/* Nobody knows whether it had been done: undone first, then with new pages. */
static void test_death_with_share(void **state)
{
	struct vg_control first, request;
	uint32_t session;
	int sock;

	(void)state;
	for (int known = 0; known < 2; known++) {
		connected();
		sock = program_open(&session);
		program_send_share(sock, VG_SHARE_LANE, 1, 9);
		first = request_get();
		backend_dies();
		assert_int_equal(fake_grants_pages(), 1); /* nothing waits for the answer */
		backend_returns();
		expect_resume(session, 0, "");
		expect_resume(0, 0, "");
		request = request_get();
		assert_int_equal(request.type, VG_CTL_UNSHARE);
		assert_int_equal(request.u.unshare.id, 1);
		assert_int_equal(request.u.unshare.kind, VG_SHARE_LANE);
		request_answer(&request, known ? 0 : -ENOENT, "");
		request = request_get();
		assert_int_equal(request.type, VG_CTL_SHARE);
		assert_int_not_equal(request.u.share.port, first.u.share.port);
		request_answer(&request, 0, "");
		expect_answer(sock, 201, 0, "");
		works(sock, session);
		close(sock);
		expect_request(VG_CTL_CLOSE, session, 0);
		fake_xs_remove(FE);
		turn();
	}
}

static void unshare_send(int sock, uint32_t id)
{
	struct vg_packet packet;

	vg_packet_init(&packet, 0, 300);
	packet.msg.u.unshare.id = id;
	packet.msg.u.unshare.kind = VG_SHARE_REGION;
	program_send(sock, VG_CTL_UNSHARE, &packet);
}

static void test_death_with_unshare(void **state)
{
	uint32_t session;
	int sock;

	(void)state;
	connected();
	sock = program_open(&session);
	for (int known = 0; known < 2; known++) {
		works(sock, session); /* shares number 9 */
		unshare_send(sock, 9);
		request_get();
		backend_dies();
		backend_returns();
		expect_resume(session, 0, "");
		expect_resume(0, 0, "");
		expect_request(VG_CTL_UNSHARE, session, known ? 0 : -ENOENT);
		expect_answer(sock, 300, 0, "");
	}
	/* But what the program makes up is still refused. */
	unshare_send(sock, 5);
	expect_answer(sock, 300, -ENOENT, "");
	close(sock);
}

/* Asked while it is away. */
static void test_request_while_away(void **state)
{
	uint32_t session;
	int sock;

	(void)state;
	connected();
	sock = program_open(&session);
	backend_dies();
	program_send_share(sock, VG_SHARE_REGION, 1, 5);
	wait_ms(10000);
	no_word(sock);
	backend_returns();
	expect_resume(session, 0, "");
	expect_resume(0, 0, "");
	expect_request(VG_CTL_SHARE, session, 0);
	expect_answer(sock, 201, 0, "");
	backend_dies();
	program_send_share(sock, VG_SHARE_REGION, 2, 5);
	wait_ms(26000);
	expect_answer(sock, 202, -ETIMEDOUT, "is away");
	/* Nothing was lost by that. */
	backend_returns();
	expect_resume(session, 0, "");
	expect_resume(0, 0, "");
	works(sock, session);
	close(sock);
}

/* Programs end while it is away, and while it is asked about them. */
static void test_end_while_away(void **state)
{
	struct vg_control request;
	uint32_t one, two;
	int first, second, third;

	(void)state;
	connected();
	first = program_open(&one);
	second = program_open(&two);
	third = program_open(NULL);
	program_send_share(third, VG_SHARE_REGION, 1, 5);
	request_get();
	backend_dies();
	close(first);
	close(third);
	turn();
	assert_int_equal(broker.client_count, 1);
	backend_returns();
	request = request_get();
	assert_int_equal(request.type, VG_CTL_RESUME);
	assert_int_equal(request.session, two);
	close(second);
	turn();
	request_answer(&request, 0, "");
	expect_resume(0, 0, "");
	/* It has been resumed over there, so it is told. */
	expect_request(VG_CTL_CLOSE, two, 0);
	assert_int_equal(broker.client_count, 0);
	assert_int_equal(broker.devices->sessions, 0);
	(void)one;
}

/* Taken away for good meanwhile; another device under its number; another release. */
static void test_away_for_good(void **state)
{
	int sock;

	(void)state;
	for (int how = 0; how < 4; how++) {
		connected();
		sock = program_open(NULL);
		backend_dies();
		if (how == 0) {
			fake_xs_set(BE "/online", "0");
			expect_gone(sock, "detached");
		} else if (how == 1) {
			fake_xs_remove(FE);
			expect_gone(sock, "detached");
		} else if (how == 2) {
			fake_xs_set(FE "/state", "1");
			expect_gone(sock, "replaced");
		} else {
			fake_xs_set(BE "/protocol-versions", "99");
			fake_xs_set(BE "/state", "6");
			wait_ms(1500);
			fake_xs_set(BE "/state", "2");
			expect_gone(sock, "same release");
		}
		fake_xs_remove(FE);
		fake_xs_remove(BE);
		turn();
		assert_null(broker.devices);
	}
}

static void test_detach(void **state)
{
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	fake_xs_set(BE "/online", "0");
	fake_xs_set(BE "/state", "5");
	expect_gone(sock, "detached");
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	fake_xs_set(BE "/state", "6");
	turn();
	/* Offline: it stays closed. */
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	fake_xs_remove(FE);
	fake_xs_remove(BE);
	turn();
	assert_null(broker.devices);
	sock = program_connect();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	expect_answer(sock, 100, -ENODEV, "vgpu attach");
	expect_end(sock);
}

/* The directory vanishes without a word, as at xl destroy of a driver domain or by root's hand. */
static void test_directory_vanishes(void **state)
{
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	fake_xs_remove(FE);
	expect_gone(sock, "detached");
	assert_null(broker.devices);
}

/* Detached and attached again between two looks of ours. */
static void test_recreated(void **state)
{
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	fake_xs_set(FE "/state", "1");
	fake_xs_set(BE "/state", "2");
	expect_gone(sock, "replaced");
	backend_connect();
}

static void test_versions(void **state)
{
	static const char *const bad[] = {"1", "", "33", "1,2", "x", "0x3", "13,30"};
	int sock;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		device_attach("1", "2");
		fake_xs_set(BE "/protocol-versions", bad[i]);
		turn();
		assert_string_equal(fake_xs_get(FE "/state"), "1");
		assert_non_null(strstr(fake_xs_get("/local/domain/3/error/device/vgpu/0/error"),
				       "same release"));
		sock = program_connect();
		program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
		expect_answer(sock, 100, -EPROTO, "same release");
		expect_end(sock);
		fake_xs_remove(FE);
		turn();
	}
	/* Ours among several; the complaint goes. */
	device_attach("1", "2");
	fake_xs_set(BE "/protocol-versions", "7,1,3");
	backend_connect();
	assert_null(fake_xs_get("/local/domain/3/error/device/vgpu/0/error"));
	/* Nor is its directory left. */
	assert_null(fake_xs_get("/local/domain/3/error/device/vgpu"));
}

static void test_backend_refuses(void **state)
{
	(void)state;
	device_attach("1", "2");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "3");
	fake_xs_set(BE "/error", "there is no such GPU");
	fake_xs_set(BE "/state", "6");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	assert_non_null(strstr(broker.devices->why, "no such GPU"));
	/* A second later, and then less and less often. */
	wait_ms(1250);
	assert_string_equal(fake_xs_get(FE "/state"), "1");
	fake_xs_set(BE "/state", "2");
	turn();
	fake_xs_set(BE "/state", "6");
	wait_ms(1250);
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	wait_ms(1000);
	assert_string_equal(fake_xs_get(FE "/state"), "1");
}

static void test_backend_silent(void **state)
{
	(void)state;
	device_attach("1", "2");
	turn();
	wait_ms(29000);
	assert_string_equal(fake_xs_get(FE "/state"), "3");
	wait_ms(2000);
	assert_string_equal(fake_xs_get(FE "/state"), "6");
}

/* Nodes that point at another device's or domain's backend. */
static void test_wrong_paths(void **state)
{
	static const char *const paths[] = {"/local/domain/0/backend/vgpu/4/0",
					    "/local/domain/0/backend/vbd/3/0", "", "0"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		device_attach("1", "2");
		fake_xs_set(FE "/backend", paths[i]);
		turn();
		assert_string_equal(fake_xs_get(FE "/state"), "1");
		assert_int_equal(broker.devices->why_rc, -EINVAL);
		fake_xs_remove(FE);
		turn();
	}
}

static void test_no_grants_for_ring(void **state)
{
	(void)state;
	fake_grants_limit(0);
	device_attach("1", "2");
	turn();
	assert_string_equal(fake_xs_get(FE "/state"), "6");
	assert_int_equal(broker.devices->why_rc, -ENOSPC);
	fake_grants_limit(100000);
	fake_xs_set(BE "/state", "6");
	wait_ms(1500);
	fake_xs_set(BE "/state", "2");
	backend_connect();
}

/* --- sessions --- */

static void test_open(void **state)
{
	struct vg_control request;
	struct vg_packet answer;
	int sock = program_connect();

	(void)state;
	connected();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	request = request_get();
	/* What the program claims about itself is replaced by what the kernel says. */
	assert_int_equal(request.u.open.pid, getpid());
	assert_int_equal(request.u.open.uid, getuid());
	assert_int_equal(request.u.open.spec_hash, 99);
	assert_int_not_equal(request.session, 0);
	request_answer(&request, 0, "");
	answer = program_receive(sock);
	assert_int_equal(answer.msg.u.answer.limits.channel, VG_CHANNEL_XEN);
	assert_int_equal(answer.msg.u.answer.limits.lanes, 2);
	assert_int_equal(answer.msg.u.answer.limits.region_pages, 5000);
	assert_int_equal(answer.fds[0], -1);
	close(sock);
	request = request_get();
	assert_int_equal(request.type, VG_CTL_CLOSE);
	request_answer(&request, 0, "");
	assert_int_equal(broker.client_count, 0);
}

static void test_open_refused(void **state)
{
	int sock = program_connect();
	struct vg_control request;

	(void)state;
	connected();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	request = request_get();
	request_answer(&request, -EACCES, "the specs differ");
	expect_answer(sock, 100, -EACCES, "the specs differ");
	expect_end(sock);
	assert_int_equal(broker.devices->sessions, 0);
	assert_int_equal(requests(), 0); /* nothing to close */
}

static void test_open_protocol(void **state)
{
	int sock = program_connect();

	(void)state;
	connected();
	program_send_open(sock, VG_PROTOCOL_VERSION + 1, ANY);
	expect_answer(sock, 100, -EPROTO, "same release");
	expect_end(sock);
}

static void test_open_devid(void **state)
{
	int sock = program_connect();

	(void)state;
	connected();
	program_send_open(sock, VG_PROTOCOL_VERSION, 5);
	expect_answer(sock, 100, -ENODEV, "no vGPU 5");
	expect_end(sock);
	sock = program_connect();
	program_send_open(sock, VG_PROTOCOL_VERSION, 0);
	assert_int_equal(requests(), 1);
	close(sock);
}

/* --- several devices --- */

#define BE_OF(be, n) "/local/domain/" be "/backend/vgpu/3/" n
#define FE_OF(n)     "/local/domain/3/device/vgpu/" n

/* Brings one up beside the first, whose ring stays the one that `backend` is; it has no sessions. */
static struct fe_device *device_more(const char *be, const char *fe, const char *domid,
				     uint32_t devid, const char *max)
{
	const struct {
		const char *dir, *key, *value;
	} nodes[] = {{be, "frontend", fe},      {be, "frontend-id", "3"},
		     {be, "online", "1"},       {be, "max-sessions", max},
		     {be, "state", "2"},        {be, "protocol-versions", PROTOCOL},
		     {fe, "backend-id", domid}, {fe, "backend", be},
		     {fe, "state", "1"}};
	struct vg_control answer = {.type = VG_CTL_ANSWER};
	struct vg_control_ring *ring;
	struct fe_device *device;
	char path[128];

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", nodes[i].dir, nodes[i].key);
		fake_xs_set(path, nodes[i].value);
	}
	broker.scan = true;
	turn();
	for (device = broker.devices; device && device->devid != devid; device = device->next)
		;
	assert_non_null(device);
	ring = device->page_base;
	assert_non_null(ring);
	ring->backend_alive = 1;
	snprintf(path, sizeof(path), "%s/state", be);
	fake_xs_set(path, "4");
	turn();
	assert_int_equal(ring->req_prod, 1); /* that was all */
	answer.tag = ring->req[0].tag;
	ring->rsp[0] = answer;
	ring->req_cons = ring->rsp_prod = 1;
	turn();
	assert_true(fe_device_usable(device));
	return device;
}

static void send_list(int sock, const char *list)
{
	char digits[VG_SESSION_DEVICES + 1];
	struct vg_packet packet;

	vg_packet_init(&packet, 0, 100);
	packet.msg.u.open.protocol = VG_PROTOCOL_VERSION;
	packet.msg.u.open.count = (uint16_t)strlen(list);
	snprintf(digits, sizeof(digits), "%s", list);
	for (size_t i = 0; digits[i]; i++)
		packet.msg.u.open.devids[i] = (uint8_t)(digits[i] - '0');
	program_send(sock, VG_CTL_OPEN, &packet);
}

/* What the backend is asked for; it grants `has`. */
static void expect_list(const char *list, unsigned int flags, const char *has)
{
	struct vg_control request = request_get(), answer = {.type = VG_CTL_ANSWER};

	assert_int_equal(request.type, VG_CTL_OPEN);
	assert_int_equal(request.u.open.flags, flags);
	assert_int_equal(request.u.open.count, strlen(list));
	for (size_t i = 0; list[i]; i++)
		assert_int_equal(request.u.open.devids[i], list[i] - '0');
	answer.tag = request.tag;
	answer.session = request.session;
	answer.u.answer.limits = (struct vg_limits){2, 65, 1000, 77};
	answer.u.answer.count = (uint32_t)strlen(has);
	for (size_t i = 0; has[i]; i++)
		answer.u.answer.devids[i] = (uint8_t)(has[i] - '0');
	response_put(&answer);
}

static void assert_sessions(unsigned int of_first, const struct fe_device *second,
			    unsigned int of_second)
{
	assert_int_equal(broker.devices->sessions, of_first);
	assert_int_equal(second->sessions, of_second);
}

/* All of one backend's that have room, in order; what the host leaves out is not counted. */
static void test_several(void **state)
{
	struct fe_device *second, *third;
	int socks[3];

	(void)state;
	connected();
	third = device_more(BE_OF("0", "3"), FE_OF("3"), "0", 3, "9");
	second = device_more(BE_OF("0", "1"), FE_OF("1"), "0", 1, "1");
	device_more(BE_OF("5", "2"), FE_OF("2"), "5", 2, "9"); /* another domain's */
	socks[0] = program_connect();
	send_list(socks[0], "");
	expect_list("013", VG_OPEN_PICK, "01");
	expect_answer(socks[0], 100, 0, "");
	assert_sessions(1, second, 1);
	assert_int_equal(third->sessions, 0);
	/* The second is full. */
	socks[1] = program_connect();
	send_list(socks[1], "");
	expect_list("03", VG_OPEN_PICK, "03");
	expect_answer(socks[1], 100, 0, "");
	assert_sessions(2, second, 1);
	/* An answer that names what was not asked for, or too many, changes nothing. */
	socks[2] = program_connect();
	send_list(socks[2], "0");
	expect_list("0", 0, "0123");
	expect_answer(socks[2], 100, 0, "");
	assert_sessions(3, second, 1);
	for (int i = 0; i < 3; i++)
		close(socks[i]);
	turn();
	assert_sessions(0, second, 0);
	assert_int_equal(third->sessions, 0);
}

static void refused_list(const char *list, int status, const char *text)
{
	int sock = program_connect();

	send_list(sock, list);
	expect_answer(sock, 100, status, text);
	expect_end(sock);
}

static void test_several_named(void **state)
{
	struct fe_device *second;
	int sock = program_connect();

	(void)state;
	connected();
	second = device_more(BE_OF("0", "1"), FE_OF("1"), "0", 1, "1");
	device_more(BE_OF("5", "2"), FE_OF("2"), "5", 2, "9");
	refused_list("04", -ENODEV, "no vGPU 4");
	refused_list("00", -EINVAL, "names vGPU 0 twice");
	refused_list("02", -EXDEV, "of different domains");
	refused_list("01230123012301230", -ENODEV, "names no vGPUs");
	send_list(sock, "01");
	expect_list("01", 0, "01");
	expect_answer(sock, 100, 0, "");
	refused_list("01", -EBUSY, "vGPU 1 are in use");
	assert_sessions(1, second, 1);
	assert_int_equal(requests(), 0);
	close(sock);
}

/* One that is about to be connected is waited for, for a moment. */
static void test_several_near(void **state)
{
	int sock = program_connect(), other = program_connect();
	char byte;

	(void)state;
	connected();
	device_more(BE_OF("0", "1"), FE_OF("1"), "0", 1, "9");
	broker.devices->next->resuming = true;
	send_list(sock, "");
	assert_int_equal(requests(), 0);
	wait_ms(1000);
	assert_int_equal(requests(), 0);
	broker.devices->next->resuming = false;
	expect_list("01", VG_OPEN_PICK, "01");
	expect_answer(sock, 100, 0, "");
	broker.devices->next->resuming = true;
	send_list(other, "");
	wait_ms(2500);
	assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(requests(), 0);
	wait_ms(1000);
	expect_list("0", VG_OPEN_PICK, "0");
	expect_answer(other, 100, 0, "");
	broker.devices->next->resuming = false;
	close(sock);
	close(other);
}

/* The session ends with each of its devices. */
static void test_several_lost(void **state)
{
	struct vg_control request;
	int sock = program_connect(), other = program_connect();

	(void)state;
	connected();
	device_more(BE_OF("0", "1"), FE_OF("1"), "0", 1, "9");
	send_list(sock, "01");
	expect_list("01", 0, "01");
	expect_answer(sock, 100, 0, "");
	send_list(other, "0");
	expect_list("0", 0, "0");
	expect_answer(other, 100, 0, "");
	fake_xs_remove(FE_OF("1"));
	broker.scan = true;
	expect_gone(sock, "detached");
	request = request_get();
	assert_int_equal(request.type, VG_CTL_CLOSE);
	assert_int_equal(broker.devices->sessions, 1);
	assert_null(broker.devices->next);
	no_word(other);
	/* While it is being opened: the host's answer decides. */
	device_more(BE_OF("0", "1"), FE_OF("1"), "0", 1, "9");
	sock = program_connect();
	send_list(sock, "");
	assert_int_equal(requests(), 1);
	fake_xs_remove(FE_OF("1"));
	broker.scan = true;
	turn();
	expect_list("01", VG_OPEN_PICK, "0");
	expect_answer(sock, 100, 0, "");
	assert_int_equal(broker.devices->sessions, 2);
	close(sock);
	close(other);
}

/* Started right after the attach: the program waits, for some seconds. */
static void test_open_early(void **state)
{
	struct vg_control request;
	int sock = program_connect(), late;

	(void)state;
	device_attach("1", "1");
	turn();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	fake_xs_set(BE "/state", "2");
	backend_connect();
	request = request_get();
	request_answer(&request, 0, "");
	expect_answer(sock, 100, 0, "");
	close(sock);
	fake_xs_set(BE "/state", "6");
	turn();
	late = program_connect();
	program_send_open(late, VG_PROTOCOL_VERSION, ANY);
	wait_ms(14000);
	assert_int_equal(recv(late, &request, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	wait_ms(2000);
	expect_answer(late, 100, -ENODEV, "xen-vgpud");
	expect_end(late);
}

static void test_open_limits(void **state)
{
	int socks[3], sock;

	(void)state;
	connected();
	for (int i = 0; i < 3; i++)
		socks[i] = program_open(NULL);
	sock = program_connect();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	expect_answer(sock, 100, -EBUSY, "max-sessions");
	expect_end(sock);
	broker.devices->sessions_max = 100;
	broker.options.sessions_max_user = 3;
	sock = program_connect();
	program_send_open(sock, VG_PROTOCOL_VERSION, ANY);
	expect_answer(sock, 100, -EBUSY, "of one user");
	expect_end(sock);
	/* One leaves, and there is room. */
	close(socks[0]);
	turn();
	request_get();
	close(program_open(NULL));
	close(socks[1]);
	close(socks[2]);
}

static void test_silent_client(void **state)
{
	int sock = program_connect();

	(void)state;
	turn();
	wait_ms(9000);
	assert_int_equal(broker.client_count, 1);
	wait_ms(2000);
	assert_int_equal(broker.client_count, 0);
	expect_end(sock);
}

/* --- shares --- */

static void dirs_check(uint32_t ref, const struct fe_grant *pages)
{
	uint32_t done = 0;

	while (ref) {
		const struct vg_page_dir *dir = fake_grants_page(ref);

		assert_non_null(dir);
		assert_true(dir->count > 0 && dir->count <= VG_DIR_REFS);
		for (uint32_t i = 0; i < dir->count; i++)
			assert_int_equal(dir->refs[i], pages->refs[done++]);
		assert_true(!dir->next || dir->count == VG_DIR_REFS);
		ref = dir->next;
	}
	assert_int_equal(done, pages->pages);
}

static void test_share_lane(void **state)
{
	const struct vg_lane_shared *lane;
	struct vg_control request;
	struct vg_packet answer;
	uint32_t session, port;
	int sock;
	char *base;

	(void)state;
	connected();
	sock = program_open(&session);
	program_send_share(sock, VG_SHARE_LANE, 1, 33);
	request = request_get();
	assert_int_equal(request.type, VG_CTL_SHARE);
	assert_int_equal(request.session, session);
	assert_int_equal(request.u.share.pages, 33);
	port = request.u.share.port;
	assert_int_equal(port, fake_grants_last_port());
	dirs_check(request.u.share.dir_ref, &broker.clients->offer.pages);
	/* Announced before the backend hears of it. */
	lane = fake_grants_page(broker.clients->offer.pages.refs[0]);
	assert_int_equal(lane->magic, VG_LANE_MAGIC);
	assert_int_equal(lane->version, VG_PROTOCOL_VERSION);
	assert_int_equal(lane->guest_alive, 1);
	assert_int_equal(fake_grants_notify_offset(), VG_ALIVE_GUEST_OFFSET);
	assert_int_equal(fake_grants_pages(), 1 + 33 + 1);
	request_answer(&request, 0, "");
	answer = program_receive(sock);
	assert_int_equal(answer.msg.tag, 201);
	assert_int_equal(answer.msg.status, 0);
	assert_int_equal(answer.msg.u.answer.port, port);
	assert_true(answer.fds[0] >= 0 && answer.fds[1] >= 0 && answer.fds[2] < 0);
	base = mmap(NULL, 33 * VG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fds[0],
		    (off_t)answer.msg.u.answer.map_offset);
	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(((struct vg_lane_shared *)base)->magic, VG_LANE_MAGIC);
	munmap(base, 33 * VG_PAGE_SIZE);
	vg_packet_close_fds(&answer);
	/* Handed over; the broker's own end stays until the host has let go, the directory does not. */
	assert_int_equal(fake_grants_pages(), 1 + 33);
	assert_int_equal(fake_grants_ports(), 2);
	assert_int_equal(fe_client_pages(broker.clients), 33);
	assert_int_equal(lane->guest_alive, 1);
	close(sock);
	request = request_get();
	assert_int_equal(request.type, VG_CTL_CLOSE);
	assert_int_equal(lane->guest_alive, 0);
	assert_int_equal(broker.client_count, 0);
	assert_int_equal(broker.devices->sessions, 0);
	turn();
	assert_int_equal(fake_grants_pages(), 1 + 33);
	request_answer(&request, 0, "");
	assert_int_equal(fake_grants_pages(), 1);
	assert_int_equal(fake_grants_ports(), 1);
	assert_null(broker.clients);
}

static void test_share_region(void **state)
{
	static const uint32_t sizes[] = {1, 1021, 1022, 1023, 2044, 2045, 3000};
	struct vg_control request;
	struct vg_packet packet;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		program_send_share(sock, VG_SHARE_REGION, i, sizes[i]);
		request = request_get();
		assert_int_equal(request.u.share.port, 0);
		dirs_check(request.u.share.dir_ref, &broker.clients->offer.pages);
		request_answer(&request, 0, "");
		packet = program_receive(sock);
		assert_int_equal(packet.msg.status, 0);
		assert_true(packet.fds[0] >= 0 && packet.fds[1] < 0);
		vg_packet_close_fds(&packet);
		vg_packet_init(&packet, 0, 7);
		packet.msg.u.unshare.id = i;
		packet.msg.u.unshare.kind = VG_SHARE_REGION;
		program_send(sock, VG_CTL_UNSHARE, &packet);
		request = request_get();
		assert_int_equal(request.type, VG_CTL_UNSHARE);
		assert_int_equal(request.u.unshare.id, i);
		/* The program frees only after this answer. */
		assert_int_equal(fe_client_pages(broker.clients), sizes[i]);
		request_answer(&request, 0, "");
		expect_answer(sock, 7, 0, "");
		assert_int_equal(fe_client_pages(broker.clients), 0);
	}
	close(sock);
}

static void share_and_take(int sock, uint32_t kind, uint32_t id, uint32_t pages)
{
	struct vg_control request;

	program_send_share(sock, kind, id, pages);
	request = request_get();
	request_answer(&request, 0, "");
	expect_answer(sock, 200 + id, 0, "");
}

static void test_share_limits(void **state)
{
	struct vg_packet packet;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	program_send_share(sock, VG_SHARE_LANE, 0, 66);
	expect_answer(sock, 200, -ENOSPC, "too large");
	program_send_share(sock, VG_SHARE_LANE, 0, 0);
	expect_answer(sock, 200, -ENOSPC, "too large");
	program_send_share(sock, VG_SHARE_LANE, VG_LANES_MAX, 3);
	expect_answer(sock, 200 + VG_LANES_MAX, -ENOSPC, "no more lanes");
	program_send_share(sock, 3, 0, 3);
	expect_answer(sock, 200, -ENOSPC, "unknown kind");
	program_send_share(sock, VG_SHARE_REGION, 0, 0xffffffff);
	expect_answer(sock, 200, -ENOSPC, "no more pinned");
	program_send_share(sock, VG_SHARE_REGION, 0, 4500);
	expect_answer(sock, 200, -ENOSPC, "to one user");
	share_and_take(sock, VG_SHARE_LANE, 0, 65);
	share_and_take(sock, VG_SHARE_LANE, 1, 65);
	program_send_share(sock, VG_SHARE_LANE, 1, 3);
	expect_answer(sock, 201, -ENOSPC, "no more lanes");
	share_and_take(sock, VG_SHARE_REGION, 0, 2900);
	program_send_share(sock, VG_SHARE_REGION, 0, 1);
	expect_answer(sock, 200, -ENOSPC, "in use");
	program_send_share(sock, VG_SHARE_REGION, 1, 101);
	expect_answer(sock, 201, -ENOSPC, "three quarters");
	vg_packet_init(&packet, 0, 8);
	packet.msg.u.unshare.id = 9;
	packet.msg.u.unshare.kind = VG_SHARE_REGION;
	program_send(sock, VG_CTL_UNSHARE, &packet);
	expect_answer(sock, 8, -ENOENT, "");
	assert_int_equal(requests(), 0);
	close(sock);
}

/* Pinned memory takes at most three quarters of a user's pages (3000 of 4000), so that another program gets lanes. */
static void test_share_lanes_reserved(void **state)
{
	int hoarder, other;

	(void)state;
	connected();
	hoarder = program_open(NULL);
	other = program_open(NULL);
	share_and_take(hoarder, VG_SHARE_REGION, 0, 3000);
	program_send_share(hoarder, VG_SHARE_REGION, 1, 1);
	expect_answer(hoarder, 201, -ENOSPC, "three quarters");
	program_send_share(other, VG_SHARE_REGION, 0, 1);
	expect_answer(other, 200, -ENOSPC, "three quarters");
	share_and_take(other, VG_SHARE_LANE, 0, 65);
	share_and_take(hoarder, VG_SHARE_LANE, 0, 65);
	close(other);
	close(hoarder);
}

/* One on its way to the host counts too. */
static void test_share_lanes_reserved_at_once(void **state)
{
	struct vg_control request;
	int hoarder, other;

	(void)state;
	connected();
	hoarder = program_open(NULL);
	other = program_open(NULL);
	program_send_share(hoarder, VG_SHARE_REGION, 0, 3000);
	request = request_get();
	program_send_share(other, VG_SHARE_REGION, 0, 1);
	expect_answer(other, 200, -ENOSPC, "three quarters");
	request_answer(&request, 0, "");
	expect_answer(hoarder, 200, 0, "");
	close(other);
	close(hoarder);
}

/* The kernel has no more grants: an answer, and the session goes on. */
static void test_share_no_grants(void **state)
{
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	fake_grants_limit(20);
	program_send_share(sock, VG_SHARE_REGION, 0, 100);
	expect_answer(sock, 200, -ENOSPC, "no more pages or grants");
	program_send_share(sock, VG_SHARE_REGION, 0, 19); /* its directory does not fit */
	expect_answer(sock, 200, -ENOSPC, "no more pages or grants");
	assert_int_equal(fake_grants_pages(), 1);
	fake_grants_limit(100);
	share_and_take(sock, VG_SHARE_REGION, 0, 50);
	close(sock);
}

static void test_share_refused(void **state)
{
	struct vg_control request;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	program_send_share(sock, VG_SHARE_LANE, 0, 9);
	request = request_get();
	request_answer(&request, -ENXIO, "no good");
	expect_answer(sock, 200, -ENXIO, "no good");
	assert_int_equal(fake_grants_pages(), 1);
	assert_int_equal(fe_client_pages(broker.clients), 0);
	/* A backend may lie in the sign of its status. */
	program_send_share(sock, VG_SHARE_LANE, 0, 9);
	request = request_get();
	request_answer(&request, 5, "");
	expect_answer(sock, 200, -EPROTO, "");
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
}

/* The host is silent, goes away, comes back, or loses the device while a session ends. */
static void test_pages_until_closed(void **state)
{
	struct vg_control request;
	uint32_t session;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
	request_get();
	wait_ms(119000);
	assert_int_equal(fake_grants_pages(), 1 + 9);
	wait_ms(2000);
	assert_int_equal(fake_grants_pages(), 1);
	/* The service dies before it has answered: all that it does not resume has ended when it is back. */
	sock = program_open(NULL);
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
	request_get();
	backend_dies();
	turn();
	assert_int_equal(fake_grants_pages(), 1 + 9);
	backend_returns();
	expect_resume(0, 0, "");
	assert_int_equal(fake_grants_pages(), 1);
	/* The session had ended by itself. */
	sock = program_open(&session);
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
	request = request_get();
	request_answer(&request, -ENOENT, "no such session");
	assert_int_equal(fake_grants_pages(), 1);
	sock = program_open(NULL);
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
	request_get();
	fake_xs_remove(FE);
	broker.scan = true;
	turn();
	assert_null(broker.devices);
	assert_null(broker.clients);
	assert_int_equal(fake_grants_pages(), 0);
}

/* The program dies while its request is on its way: the pages stay until the session has ended. */
static void test_death_in_request(void **state)
{
	struct vg_control share, close_request;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	program_send_share(sock, VG_SHARE_REGION, 0, 100);
	share = request_get();
	close(sock);
	close_request = request_get();
	assert_int_equal(close_request.type, VG_CTL_CLOSE);
	assert_int_equal(close_request.session, share.session);
	assert_int_equal(broker.client_count, 0);
	assert_int_equal(broker.devices->sessions, 0);
	request_answer(&share, 0, "");
	assert_int_equal(fake_grants_pages(), 1 + 100 + 1);
	request_answer(&close_request, 0, "");
	assert_int_equal(fake_grants_pages(), 1);
	assert_null(broker.clients);
}

static void test_request_times_out(void **state)
{
	struct vg_control request;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	program_send_share(sock, VG_SHARE_LANE, 0, 9);
	request = request_get();
	wait_ms(26000);
	expect_answer(sock, 200, -ETIMEDOUT, "does not answer");
	expect_end(sock);
	assert_int_equal(request_get().type, VG_CTL_CLOSE);
	/* The answer that comes now is nobody's. */
	request_answer(&request, 0, "");
	assert_true(fe_device_usable(broker.devices));
}

static void test_gone(void **state)
{
	struct vg_control gone = {
		.type = VG_CTL_GONE, .status = -EIO, .text = "killed by signal 11"};
	int sock, other;

	(void)state;
	connected();
	sock = program_open(&gone.session);
	other = program_open(NULL);
	response_put(&gone);
	expect_gone(sock, "signal 11");
	assert_int_equal(requests(), 0);
	assert_int_equal(broker.client_count, 1);
	response_put(&gone); /* twice does no harm */
	share_and_take(other, VG_SHARE_LANE, 0, 9);
	close(other);
}

/* --- the ring --- */

/* More requests than slots: the rest waits for its turn, nothing is lost. */
static void test_ring_full(void **state)
{
	struct vg_control request;
	int socks[12];

	(void)state;
	broker.options.sessions_max = broker.options.sessions_max_user = 20;
	connected();
	broker.devices->sessions_max = 0;
	for (int i = 0; i < 12; i++) {
		socks[i] = program_connect();
		program_send_open(socks[i], VG_PROTOCOL_VERSION, ANY);
	}
	assert_int_equal(requests(), VG_CTLRING_SLOTS);
	for (int i = 0; i < 12; i++) {
		request = request_get();
		assert_int_equal(request.type, VG_CTL_OPEN);
		request_answer(&request, 0, "");
	}
	assert_int_equal(requests(), 0);
	for (int i = 0; i < 12; i++) {
		expect_answer(socks[i], 100, 0, "");
		close(socks[i]);
	}
}

static void test_ring_breach(void **state)
{
	int sock;

	(void)state;
	for (int side = 0; side < 2; side++) {
		connected();
		sock = program_open(NULL);
		if (side) {
			backend.ring->rsp_prod += VG_CTLRING_SLOTS + 1;
		} else {
			backend.ring->req_cons -= 1000;
			program_send_share(sock, VG_SHARE_LANE, 0, 9);
		}
		expect_gone(sock, "broke the control ring");
		assert_string_equal(fake_xs_get(FE "/state"), "6");
		fake_xs_remove(FE);
		turn();
	}
}

/* Answers nobody waits for, unknown types, other people's sessions. */
static void test_ring_noise(void **state)
{
	struct vg_control msg;
	int sock;

	(void)state;
	connected();
	sock = program_open(NULL);
	for (uint32_t i = 0; i < 500; i++) {
		memset(&msg, (int)i, sizeof(msg));
		msg.type = i % 9;
		if (msg.type == VG_CTL_GONE)
			msg.session = 0x77777777;
		if (msg.type == VG_CTL_ANSWER)
			msg.tag = 0;
		response_put(&msg);
	}
	share_and_take(sock, VG_SHARE_LANE, 0, 9);
	close(sock);
}

/* --- hostile programs --- */

static void test_hostile_client(void **state)
{
	struct vg_packet packet;
	int sock = program_connect(), pipes[2];

	(void)state;
	connected();
	program_send_share(sock, VG_SHARE_LANE, 0, 9); /* before OPEN */
	expect_answer(sock, 200, -EPROTO, "makes no sense");
	vg_packet_init(&packet, 0, 5);
	program_send(sock, 1000, &packet);
	expect_answer(sock, 5, -EPROTO, "makes no sense");
	send(sock, "short", 5, 0);
	expect_end(sock);
	assert_int_equal(broker.client_count, 0);

	/* Descriptors that nobody asked for are closed. */
	sock = program_open(NULL);
	assert_int_equal(pipe(pipes), 0);
	vg_packet_init(&packet, 0, 6);
	packet.fds[0] = pipes[1];
	program_send(sock, VG_CTL_OPEN, &packet);
	expect_answer(sock, 6, -EPROTO, "makes no sense");
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &packet, 1), 0);
	close(pipes[0]);

	/* One that asks and asks, but reads no answer, is cut off. */
	vg_packet_init(&packet, 0, 9);
	packet.msg.type = VG_CTL_OPEN;
	fcntl(sock, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 5000 && broker.client_count; i++) {
		vg_packet_send(sock, &packet);
		turn();
	}
	assert_int_equal(broker.client_count, 0);
	close(sock);
}

/* Comes with its first breath and is dead before we look. */
static void test_dead_on_arrival(void **state)
{
	(void)state;
	connected();
	for (int i = 0; i < 20; i++)
		close(program_connect());
	turn();
	assert_int_equal(broker.client_count, 0);
	assert_int_equal(requests(), 0);
}

/* --- anything, in any order --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % limit;
}

static void random_program(int socks[], int count)
{
	static const uint8_t types[] = {VG_CTL_OPEN,
					VG_CTL_OPEN,
					VG_CTL_OPEN,
					VG_CTL_SHARE,
					VG_CTL_SHARE,
					VG_CTL_SHARE,
					VG_CTL_SHARE,
					VG_CTL_UNSHARE,
					VG_CTL_UNSHARE,
					VG_CTL_CLOSE,
					VG_CTL_GONE,
					0,
					99};
	int *sock = &socks[random_below((uint32_t)count)];
	struct vg_packet packet;

	if (*sock < 0) {
		*sock = program_connect();
		return;
	}
	switch (random_below(20)) {
	case 0:
		close(*sock);
		*sock = -1;
		return;
	case 1: /* reads its answers late */ return;
	default: break;
	}
	vg_packet_init(&packet, types[random_below(sizeof(types) / sizeof(types[0]))],
		       random_below(4));
	if (packet.msg.type == VG_CTL_OPEN) {
		packet.msg.u.open.protocol = VG_PROTOCOL_VERSION;
		packet.msg.u.open.count = (uint16_t)(random_below(4) ? 0 : random_below(20));
		for (unsigned int i = 0; i < VG_SESSION_DEVICES; i++)
			packet.msg.u.open.devids[i] = (uint8_t)random_below(3);
	} else {
		packet.msg.u.share.id = random_below(5);
		packet.msg.u.share.kind = 1 + random_below(12) % 3;
		packet.msg.u.share.pages = random_below(40);
	}
	fcntl(*sock, F_SETFL, O_NONBLOCK);
	if (vg_packet_send(*sock, &packet) == -EPIPE) {
		close(*sock);
		*sock = -1;
	}
	while (random_below(3) && *sock >= 0 && vg_packet_recv(*sock, &packet, 0) == 0)
		vg_packet_close_fds(&packet);
}

static void random_backend(void)
{
	struct fe_device *device = broker.devices;
	struct vg_control *slot;

	if (!device || !device->ring.shared)
		return;
	if (backend.ring != device->ring.shared || device->phase != FE_PHASE_CONNECTED) {
		backend.ring = device->ring.shared;
		backend.req_cons = backend.ring->req_cons;
		backend.rsp_prod = backend.ring->rsp_prod;
	}
	backend.ring->backend_alive = random_below(200) != 0;
	if (random_below(300) == 0)
		backend.ring->rsp_prod += random_below(20);
	if (backend.ring->req_prod - backend.req_cons > VG_CTLRING_SLOTS ||
	    backend.rsp_prod - backend.ring->rsp_cons >= VG_CTLRING_SLOTS)
		return;
	slot = &backend.ring->rsp[backend.rsp_prod % VG_CTLRING_SLOTS];
	if (backend.ring->req_prod != backend.req_cons && random_below(10)) {
		*slot = backend.ring->req[backend.req_cons % VG_CTLRING_SLOTS];
		slot->status = random_below(4) ? 0 : -(int)random_below(130);
		if (slot->type == VG_CTL_OPEN)
			slot->u.answer.limits =
				(struct vg_limits){.lanes = random_below(5),
						   .lane_pages = random_below(50),
						   .region_pages = random_below(99)};
		slot->type = VG_CTL_ANSWER;
		backend.ring->req_cons = ++backend.req_cons;
	} else {
		slot->type = random_below(9);
		slot->tag = device->last_tag - random_below(5);
		slot->session = device->last_session - random_below(5);
		slot->status = (int)random_below(9) - 4;
	}
	backend.ring->rsp_prod = ++backend.rsp_prod;
}

static void random_world(void)
{
	static const char *const states[] = {"0", "1", "2", "2", "2", "4", "4", "4", "5", "6", "6"};

	switch (random_below(12)) {
	case 0: fake_xs_remove(FE); break;
	case 1: device_attach("1", "2"); break;
	case 2: fake_grants_limit(random_below(3) ? 100000 : random_below(60)); break;
	case 3: fake_xs_set(BE "/online", random_below(4) ? "1" : "0"); break;
	case 4: clock_ms += random_below(30000); break;
	default: fake_xs_set(BE "/state", states[random_below(11)]); break;
	}
}

/* Nothing crashes, and teardown() finds that nothing was leaked. */
static void test_random(void **state)
{
	int socks[6] = {-1, -1, -1, -1, -1, -1};
	unsigned int opened = 0;

	for (uint64_t seed = 0; seed < 40; seed++) {
		random_state = seed;
		setup(state);
		device_attach("1", "2");
		for (int i = 0; i < 1500; i++) {
			/* Mostly in order, or little would ever be reached. */
			if (broker.devices && !fe_device_usable(broker.devices) && random_below(3))
				fake_xs_set(BE "/state",
					    broker.devices->phase == FE_PHASE_INITIALISED ? "4"
					    : broker.devices->phase == FE_PHASE_INIT      ? "2"
											  : "6");
			random_program(socks, 6);
			if (random_below(3))
				random_backend();
			if (random_below(15) == 0)
				random_world();
			turn();
			for (struct fe_client *c = broker.clients; c; c = c->next)
				opened += c->state == FE_CLIENT_OPEN && c->holds;
		}
		for (int i = 0; i < 6; i++) {
			if (socks[i] >= 0)
				close(socks[i]);
			socks[i] = -1;
		}
		if (seed + 1 < 40)
			teardown(state);
	}
	assert_true(opened > 1000); /* it did get somewhere */
}

/* --- settings --- */

/* --- the host's probes --- */

#define PROBE_FILE "/tmp/frontd-test-probe"

/* In place of vgpu-probe. */
static void probe_program(const char *script)
{
	int fd = open(PROBE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "#!/bin/sh\n%s\n", script) > 0);
	close(fd);
	broker.options.probe = true;
	snprintf(broker.options.socket_path, sizeof(broker.options.socket_path), "/tmp/a.sock");
	broker.probe_program = PROBE_FILE;
}

static int probe_teardown(void **state)
{
	unlink(PROBE_FILE);
	return teardown(state);
}

static void probe_put(uint32_t what, uint32_t tag)
{
	struct vg_control msg = {.type = VG_CTL_PROBE, .tag = tag, .u.probe.what = what};

	response_put(&msg);
}

/* The clock of the tests stands still meanwhile. */
static struct vg_control probed_get(uint32_t tag, int status, const char *text)
{
	struct vg_control msg;

	for (int i = 0; i < 2000 && !requests(); i++)
		usleep(5000);
	msg = request_get();
	assert_int_equal(msg.type, VG_CTL_PROBED);
	assert_int_equal(msg.tag, tag);
	if (msg.status != status || !strstr(msg.text, text))
		fail_msg("status %d, \"%s\" does not say \"%s\"", msg.status, msg.text, text);
	return msg;
}

static void test_probe_alive(void **state)
{
	struct vg_control msg;
	uint32_t session;
	int sock;

	(void)state;
	connected();
	probe_put(VG_PROBE_ALIVE, 7);
	assert_int_equal(requests(), 1); /* at once */
	msg = probed_get(7, 0, "");
	assert_int_equal(msg.u.probed.programs, 0);
	assert_int_equal(msg.u.probed.pages_max, 5000);
	assert_int_equal(msg.u.probed.protocol, VG_PROTOCOL_VERSION);
	sock = program_open(&session);
	works(sock, session);
	probe_put(VG_PROBE_ALIVE, 8);
	msg = probed_get(8, 0, "");
	assert_int_equal(msg.u.probed.programs, 1);
	assert_int_equal(msg.u.probed.sessions, 1);
	assert_int_equal(msg.u.probed.pages, 3);
	probe_put(99, 9);
	probed_get(9, -EOPNOTSUPP, "does not know");
	/* Before the host has said which sessions it has. */
	backend_dies();
	backend_returns();
	probe_put(VG_PROBE_ALIVE, 10);
	expect_resume(session, 0, "");
	expect_resume(0, 0, "");
	assert_int_equal(probed_get(10, 0, "").u.probed.sessions, 1);
	close(sock);
}

/* A backend that asks and takes nothing costs the two answers that were asked for last. */
static void test_probe_flood(void **state)
{
	uint32_t kept = 0;

	(void)state;
	connected();
	for (uint32_t tag = 1; tag <= 3000; tag++)
		probe_put(tag & 1 ? VG_PROBE_ALIVE : 42, tag);
	assert_int_equal(requests(), VG_CTLRING_SLOTS);
	assert_null(broker.devices->queue);
	while (requests())
		kept = request_get().tag;
	assert_int_equal(kept, 3000); /* the last is answered */
	assert_true(fe_device_usable(broker.devices));
	close(program_open(NULL));
}

static void test_probe_kernel(void **state)
{
	(void)state;
	probe_program("echo \"ok: $* $VGPU_SOCKET $VGPU_DEVICE ${NOTIFY_SOCKET-none}\"; echo more");
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("VGPU_DEVICE", "8", 1);
	connected();
	probe_put(VG_PROBE_KERNEL, 5);
	assert_true(fe_probes_timed(&broker));
	probe_put(VG_PROBE_ALIVE, 6); /* the other goes on meanwhile */
	probed_get(6, 0, "");
	assert_string_equal(probed_get(5, 0, "").text, "ok: --brief /tmp/a.sock 0 none");
	assert_false(fe_probes_timed(&broker));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("VGPU_DEVICE");
	probe_program("echo 'failed at \"launch\"'; exit 1");
	probe_put(VG_PROBE_KERNEL, 7);
	probed_get(7, -EIO, "failed at ?launch?");
	probe_program("echo hangs; exit 3");
	probe_put(VG_PROBE_KERNEL, 8);
	probed_get(8, -ETIMEDOUT, "hangs");
	probe_program("kill -9 $$");
	probe_put(VG_PROBE_KERNEL, 9);
	probed_get(9, -EIO, "killed by signal 9");
	probe_program("exit 0");
	probe_put(VG_PROBE_KERNEL, 10);
	probed_get(10, 0, "ended with status 0");
	/* More than the text takes, and no end of line; and who writes for ever is killed, below. */
	probe_program("head -c 100000 /dev/zero | tr '\\0' x");
	probe_put(VG_PROBE_KERNEL, 11);
	assert_int_equal(strlen(probed_get(11, 0, "xxx").text), VG_TEXT_MAX - 1);
	broker.probe_program = "/nowhere/vgpu-probe";
	probe_put(VG_PROBE_KERNEL, 12);
	probed_get(12, -ENOENT, "cannot run /nowhere/vgpu-probe");
	broker.options.probe = false;
	probe_put(VG_PROBE_KERNEL, 13);
	probed_get(13, -EPERM, "probe = no");
}

/* It hangs, quietly or not: killed, and only it. */
static void test_probe_hangs(void **state)
{
	static const char *const scripts[] = {"exec sleep 1000", "exec yes"};

	(void)state;
	connected();
	for (size_t i = 0; i < 2; i++) {
		pid_t pid;

		probe_program(scripts[i]);
		probe_put(VG_PROBE_KERNEL, 5);
		pid = broker.probe.pid;
		assert_true(pid > 0);
		wait_ms(29000);
		assert_int_equal(requests(), 0);
		close(program_open(NULL)); /* the broker does not wait for it */
		request_get();             /* CLOSE, for ever unanswered */
		clock_ms += 2000;
		probed_get(5, -ETIMEDOUT, "did not end within 30 s");
		assert_int_equal(kill(pid, 0), -1);
	}
}

/* One at a time, for each device its own answer; the last question counts. */
static void test_probe_devices(void **state)
{
	(void)state;
	probe_program("echo $VGPU_DEVICE; exec sleep 0.2");
	connected();
	for (uint32_t tag = 20; tag < 25; tag++)
		probe_put(VG_PROBE_KERNEL, tag);
	probed_get(24, 0, "0");
	wait_ms(1000);
	assert_int_equal(requests(), 0);
	/* The connection ends: what was asked on it is not answered on the next. */
	probe_put(VG_PROBE_KERNEL, 30);
	backend_dies();
	backend_returns();
	expect_resume(0, 0, "");
	probe_program("echo new");
	probe_put(VG_PROBE_KERNEL, 31);
	probed_get(31, 0, "new");
	/* The device goes under it. */
	probe_program("exec sleep 0.2");
	probe_put(VG_PROBE_KERNEL, 32);
	fake_xs_remove(FE);
	turn();
	assert_null(broker.devices);
	for (int i = 0; i < 2000 && broker.probe.pid; i++, turn())
		usleep(5000);
	assert_int_equal(broker.probe.pid, 0);
}

static int options_from(struct fe_options *options, const char *text, char *why)
{
	char path[] = "/tmp/frontd-conf-XXXXXX";
	char name[] = "vgpu-frontd", config[] = "--config", level[] = "--log-level=call";
	char *argv[] = {name, config, path, level, NULL};
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = fe_options_parse(options, 4, argv, why);
	unlink(path);
	return rc;
}

static void test_options(void **state)
{
	char why[VG_CONF_WHY], restart[VG_CONF_WHY];
	struct fe_options options, fresh;

	(void)state;
	assert_int_equal(options_from(&options, "max-pages = 100\nlog-level = error\n", why), 0);
	assert_int_equal(options.pages_max, 100);
	assert_int_equal(options.pages_max_user, 100);
	assert_int_equal(options.level, VG_LOG_CALL); /* the command line has the last word */
	assert_string_equal(options.group, "vgpu");
	assert_int_equal(options_from(&fresh, "\nmax-pages = 3\n", why), -EINVAL);
	assert_non_null(strstr(why, ":2: max-pages 3: must be a number from 16 to"));
	assert_int_equal(options_from(&fresh, "colour = red\n", why), -EINVAL);
	assert_non_null(strstr(why, "unknown setting `colour`"));
	assert_int_equal(options_from(&fresh, "max-pages=99\ngroup=video\nsocket-mode=0600\n", why),
			 0);
	fe_options_adopt(&options, &fresh, restart);
	assert_int_equal(options.pages_max, 99);
	assert_string_equal(options.group, "vgpu");
	assert_string_equal(restart, "group, socket-mode");
	assert_true(options.probe);
	assert_int_equal(options_from(&fresh, "probe = no\n", why), 0);
	assert_false(fresh.probe);
	assert_int_equal(options_from(&fresh, "probe = maybe\n", why), -EINVAL);
	assert_non_null(strstr(why, "probe maybe: must be yes or no"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define P(name) cmocka_unit_test_setup_teardown(name, setup, probe_teardown)
	const struct CMUnitTest tests[] = {
		T(test_connect),
		T(test_stale_state),
		T(test_stale_state_no_backend),
		T(test_backend_restart),
		T(test_backend_death),
		T(test_backend_death_while_resuming),
		T(test_resume_unanswered),
		T(test_resume_never_answered),
		T(test_death_with_open),
		T(test_death_with_share),
		T(test_death_with_unshare),
		T(test_request_while_away),
		T(test_end_while_away),
		T(test_away_for_good),
		T(test_detach),
		T(test_directory_vanishes),
		T(test_recreated),
		T(test_versions),
		T(test_backend_refuses),
		T(test_backend_silent),
		T(test_wrong_paths),
		T(test_no_grants_for_ring),
		T(test_open),
		T(test_open_refused),
		T(test_open_protocol),
		T(test_open_devid),
		T(test_several),
		T(test_several_named),
		T(test_several_near),
		T(test_several_lost),
		T(test_open_early),
		T(test_open_limits),
		T(test_silent_client),
		T(test_share_lane),
		T(test_share_region),
		T(test_share_limits),
		T(test_share_lanes_reserved),
		T(test_share_lanes_reserved_at_once),
		T(test_share_no_grants),
		T(test_share_refused),
		T(test_death_in_request),
		T(test_pages_until_closed),
		T(test_request_times_out),
		T(test_gone),
		T(test_ring_full),
		T(test_ring_breach),
		T(test_ring_noise),
		T(test_hostile_client),
		T(test_dead_on_arrival),
		T(test_random),
		T(test_probe_alive),
		T(test_probe_flood),
		P(test_probe_kernel),
		P(test_probe_hangs),
		P(test_probe_devices),
		cmocka_unit_test(test_options),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
