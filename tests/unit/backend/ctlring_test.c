/* SPDX-License-Identifier: MIT */
/*
 * The backend's end of the control ring, with a guest that keeps to the protocol and with one that
 * does not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xen-backend/ctlring.h"

struct fixture {
	struct vg_control_ring *page;
	struct be_ctlring ring;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->page = aligned_alloc(VG_PAGE_SIZE, VG_PAGE_SIZE);
	memset(f->page, 0, sizeof(*f->page));
	f->page->magic = VG_CTLRING_MAGIC;
	f->page->version = VG_PROTOCOL_VERSION;
	f->page->frontend_alive = 1;
	*state = f;
	return be_ctlring_init(&f->ring, f->page);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->page);
	free(f);
	return 0;
}

static void request(struct fixture *f, uint32_t tag)
{
	struct vg_control *slot = &f->page->req[f->page->req_prod % VG_CTLRING_SLOTS];

	memset(slot, 0xff, sizeof(*slot)); /* no NUL anywhere */
	slot->type = VG_CTL_OPEN;
	slot->tag = tag;
	f->page->req_prod++;
}

static void test_magic(void **state)
{
	struct fixture *f = *state;

	f->page->magic++;
	assert_int_equal(be_ctlring_init(&f->ring, f->page), -EPROTO);
	f->page->magic--;
	f->page->version++;
	assert_int_equal(be_ctlring_init(&f->ring, f->page), -EPROTO);
	f->page->version--;
	assert_int_equal(be_ctlring_init(&f->ring, f->page), 0);
	assert_int_equal(f->page->backend_alive, 1);
}

static void test_take_in_order(void **state)
{
	struct fixture *f = *state;
	struct vg_control msg;

	assert_int_equal(be_ctlring_take(&f->ring, &msg), 0);
	assert_false(be_ctlring_pending(&f->ring));
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < VG_CTLRING_SLOTS; i++)
			request(f, round * 100 + i);
		assert_true(be_ctlring_pending(&f->ring));
		for (uint32_t i = 0; i < VG_CTLRING_SLOTS; i++) {
			assert_int_equal(be_ctlring_take(&f->ring, &msg), 1);
			assert_int_equal(msg.tag, round * 100 + i);
			assert_int_equal(f->page->req_cons, round * VG_CTLRING_SLOTS + i + 1);
		}
		assert_int_equal(be_ctlring_take(&f->ring, &msg), 0);
	}
}

/* Indices of 32 bits would wrap in the middle of the slots. */
static void test_past_32_bits(void **state)
{
	struct fixture *f = *state;
	struct vg_control msg;
	uint64_t begin = (1ull << 32) - 3;

	f->ring.req_cons = f->page->req_prod = begin;
	for (uint32_t i = 0; i < VG_CTLRING_SLOTS; i++)
		request(f, i);
	for (uint32_t i = 0; i < VG_CTLRING_SLOTS; i++) {
		assert_int_equal(be_ctlring_take(&f->ring, &msg), 1);
		assert_int_equal(msg.tag, i);
	}
	assert_int_equal(f->page->req_cons, begin + VG_CTLRING_SLOTS);
}

/* Text that the guest did not terminate ends all the same. */
static void test_text_is_terminated(void **state)
{
	struct fixture *f = *state;
	struct vg_control msg;

	request(f, 1);
	assert_int_equal(be_ctlring_take(&f->ring, &msg), 1);
	assert_int_equal(strnlen(msg.text, sizeof(msg.text)), VG_TEXT_MAX - 1);
	assert_int_equal(strnlen(msg.u.open.comm, VG_COMM_MAX), VG_COMM_MAX - 1);
}

/* An index that is ahead of us by more than there are slots, or behind us, is a breach. */
static void test_hostile_producer(void **state)
{
	static const uint64_t bad[] = {VG_CTLRING_SLOTS + 1, 1000, 1ull << 32, 1ull << 63,
				       UINT64_MAX};
	struct fixture *f = *state;
	struct vg_control msg;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f->page->req_prod = bad[i];
		assert_int_equal(be_ctlring_take(&f->ring, &msg), -EPROTO);
	}
	f->page->req_prod = VG_CTLRING_SLOTS;
	assert_int_equal(be_ctlring_take(&f->ring, &msg), 1);
	f->page->req_prod = 0; /* back */
	assert_int_equal(be_ctlring_take(&f->ring, &msg), -EPROTO);
}

/* Our own indices in the page are the guest's to overwrite, but we never read them back. */
static void test_scribbled_indices(void **state)
{
	struct fixture *f = *state;
	struct vg_control msg = {.type = VG_CTL_ANSWER, .tag = 5};

	request(f, 1);
	f->page->req_cons = 77;
	f->page->rsp_prod = 99;
	assert_int_equal(be_ctlring_put(&f->ring, &msg), 1);
	assert_int_equal(f->page->rsp_prod, 1);
	assert_int_equal(f->page->rsp[0].tag, 5);
	assert_int_equal(be_ctlring_take(&f->ring, &msg), 1);
	assert_int_equal(f->page->req_cons, 1);
}

static void test_put_until_full(void **state)
{
	struct fixture *f = *state;
	struct vg_control msg = {.type = VG_CTL_ANSWER};

	for (uint32_t i = 0; i < VG_CTLRING_SLOTS; i++) {
		msg.tag = i;
		assert_int_equal(be_ctlring_put(&f->ring, &msg), 1);
	}
	assert_int_equal(be_ctlring_put(&f->ring, &msg), 0);
	assert_int_equal(f->page->rsp_prod, VG_CTLRING_SLOTS);
	f->page->rsp_cons = 1;
	assert_int_equal(be_ctlring_put(&f->ring, &msg), 1);
	assert_int_equal(be_ctlring_put(&f->ring, &msg), 0);
}

static void test_hostile_consumer(void **state)
{
	static const uint64_t bad[] = {1, 1000, 1ull << 32, 1ull << 63,
				       UINT64_MAX - VG_CTLRING_SLOTS};
	struct fixture *f = *state;
	struct vg_control msg = {.type = VG_CTL_ANSWER};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f->page->rsp_cons = bad[i];
		assert_int_equal(be_ctlring_put(&f->ring, &msg), -EPROTO);
		assert_int_equal(f->page->rsp_prod, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_magic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_past_32_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_is_terminated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_producer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scribbled_indices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_until_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_consumer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
