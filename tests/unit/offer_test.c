/* SPDX-License-Identifier: MIT */
/*
 * What executors of a vGPU offer to each other: tokens, takers, ends of either side, a full table, and
 * what is still held of offers that have ended.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/account.h"

static struct vg_account *account;
static struct vg_offers *offers;
static int fd;
static const uint8_t data[VG_OFFER_DATA] = "the driver's";

static int setup(void **state)
{
	(void)state;
	fd = vg_account_new(&account);
	offers = fd < 0 ? NULL : &account->offers;
	return fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	vg_account_unmap(account);
	close(fd);
	return 0;
}

static bool take(unsigned int slot, enum vg_offer_kind kind, const uint8_t *token)
{
	struct vg_offer_taken taken;
	bool found = vg_offer_take(offers, slot, kind, token, &taken);

	if (found)
		assert_memory_equal(taken.data, data, sizeof(data));
	return found;
}

static void leave(unsigned int slot, const uint8_t *token)
{
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++)
		if (!memcmp(offers->all[i].token, token, VG_OFFER_TOKEN))
			vg_offer_leave(offers, slot, i);
}

static void test_tokens(void **state)
{
	uint8_t one[VG_OFFER_TOKEN], again[VG_OFFER_TOKEN], other[VG_OFFER_TOKEN],
		forged[VG_OFFER_TOKEN];

	(void)state;
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, 0x1000, 50, data, one), 0);
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, 0x1000, 50, data, again), 0);
	assert_memory_equal(one, again, sizeof(one));
	/* The same name of another's, or for another thing, is something else. */
	assert_int_equal(vg_offer_make(offers, 4, VG_OFFER_MEMORY, 0x1000, 50, data, other), 0);
	assert_memory_not_equal(one, other, sizeof(one));
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_EVENT, 0x1000, 0, data, other), 0);
	assert_memory_not_equal(one, other, sizeof(one));
	assert_true(take(7, VG_OFFER_MEMORY, one));
	assert_false(take(7, VG_OFFER_EVENT, one));
	memcpy(forged, one, sizeof(one));
	for (unsigned int i = 0; i < VG_OFFER_TOKEN; i++) {
		forged[i] ^= 0x10;
		assert_false(take(7, VG_OFFER_MEMORY, forged));
		forged[i] ^= 0x10;
	}
	assert_false(take(VG_ACCOUNT_SLOTS, VG_OFFER_MEMORY, one));
	assert_int_equal(vg_offer_make(offers, VG_ACCOUNT_SLOTS, VG_OFFER_MEMORY, 1, 1, data,
				       other),
			 -EINVAL);
}

/* What is withdrawn while others hold it counts until the last of them has let go. */
static void test_held(void **state)
{
	uint8_t token[VG_OFFER_TOKEN];

	(void)state;
	vg_account_set(account, 3, 70);
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, 0x1000, 50, data, token), 0);
	assert_true(take(1, VG_OFFER_MEMORY, token));
	assert_true(take(200, VG_OFFER_MEMORY, token));
	assert_int_equal(vg_account_total(account), 70);
	vg_offer_withdraw(offers, 3, VG_OFFER_MEMORY, 0x1000);
	vg_account_set(account, 3, 20);
	assert_int_equal(vg_account_total(account), 70);
	assert_false(take(5, VG_OFFER_MEMORY, token));
	leave(1, token);
	assert_int_equal(vg_account_total(account), 70);
	/* It stands in the way of what does not fit beside it. */
	assert_int_equal(vg_account_raise(account, fd, 9, 40, 100), -ENOSPC);
	vg_account_clear(account, 200); /* reaped */
	assert_int_equal(vg_account_total(account), 20);
	assert_int_equal(vg_account_raise(account, fd, 9, 40, 100), 0);
}

static void test_reaped_owner(void **state)
{
	uint8_t token[VG_OFFER_TOKEN], idle[VG_OFFER_TOKEN];

	(void)state;
	vg_account_set(account, 3, 70);
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, 0x1000, 50, data, token), 0);
	assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, 0x2000, 20, data, idle), 0);
	assert_true(take(1, VG_OFFER_MEMORY, token));
	vg_account_clear(account, 3);
	assert_int_equal(vg_account_total(account), 50);
	assert_false(take(1, VG_OFFER_MEMORY, token));
	assert_false(take(1, VG_OFFER_MEMORY, idle));
	vg_account_clear(account, 3); /* twice is no harm */
	vg_account_clear(account, VG_ACCOUNT_SLOTS);
	assert_int_equal(vg_account_total(account), 50);
	leave(1, token);
	assert_int_equal(vg_account_total(account), 0);
}

static void test_full(void **state)
{
	uint8_t token[VG_OFFER_TOKEN];

	(void)state;
	for (uint64_t i = 0; i < VG_OFFERS_MAX; i++)
		assert_int_equal(vg_offer_make(offers, 3, VG_OFFER_MEMORY, i + 1, 1, data, token),
				 0);
	assert_int_equal(vg_offer_make(offers, 4, VG_OFFER_MEMORY, 1, 1, data, token), -ENOSPC);
	vg_offer_withdraw(offers, 3, VG_OFFER_MEMORY, 77);
	assert_int_equal(vg_offer_make(offers, 4, VG_OFFER_MEMORY, 1, 1, data, token), 0);
	assert_true(take(9, VG_OFFER_MEMORY, token));
}

/* A table as somebody who has taken over an executor would leave it. */
static void test_scribbled(void **state)
{
	uint8_t token[VG_OFFER_TOKEN] = {0};
	struct vg_offer_taken taken;

	(void)state;
	memset(offers, 0xff, sizeof(*offers));
	assert_false(vg_offer_take(offers, 1, VG_OFFER_MEMORY, token, &taken));
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++)
		offers->all[i].state = VG_OFFER_WITHDRAWN;
	assert_true(vg_account_total(account) == UINT64_MAX);
	vg_offer_withdraw(offers, 1, VG_OFFER_MEMORY, UINT64_MAX);
	vg_offer_leave(offers, 1, UINT32_MAX);
	for (unsigned int slot = 0; slot < VG_ACCOUNT_SLOTS; slot++)
		vg_account_clear(account, slot);
	assert_int_equal(vg_account_total(account), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reaped_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scribbled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
