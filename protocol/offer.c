/* SPDX-License-Identifier: MIT */
/* The table of offers of a vGPU. Trusts nothing in it: see offer.h. */
#include "protocol/offer.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "protocol/bounds.h"

#define SLOTS_MAX (VG_OFFER_TAKERS * 64u)

static uint32_t state_of(const struct vg_offer *offer)
{
	return __atomic_load_n(&offer->state, __ATOMIC_SEQ_CST);
}

static bool state_move(struct vg_offer *offer, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&offer->state, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static bool is_held(const struct vg_offer *offer)
{
	uint64_t any = 0;

	for (unsigned int i = 0; i < VG_OFFER_TAKERS; i++)
		any |= __atomic_load_n(&offer->takers[i], __ATOMIC_SEQ_CST);
	return any != 0;
}

static void taker_mark(struct vg_offer *offer, unsigned int slot)
{
	__atomic_fetch_or(&offer->takers[slot / 64], 1ull << slot % 64, __ATOMIC_SEQ_CST);
}

static void taker_clear(struct vg_offer *offer, unsigned int slot)
{
	__atomic_fetch_and(&offer->takers[slot / 64], ~(1ull << slot % 64), __ATOMIC_SEQ_CST);
}

/* The last one to let go frees it. */
static void offer_settle(struct vg_offer *offer)
{
	if (state_of(offer) == VG_OFFER_WITHDRAWN && !is_held(offer))
		state_move(offer, VG_OFFER_WITHDRAWN, VG_OFFER_FREE);
}

static uint32_t word(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static bool is_mine(const struct vg_offer *offer, unsigned int slot, enum vg_offer_kind kind,
		    uint64_t object)
{
	return state_of(offer) == VG_OFFER_OPEN && word(&offer->owner) == slot &&
	       word(&offer->kind) == kind &&
	       __atomic_load_n(&offer->object, __ATOMIC_RELAXED) == object;
}

bool vg_offer_find(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		   uint64_t object, uint8_t *token)
{
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		if (!is_mine(&offers->all[i], slot, kind, object))
			continue;
		memcpy(token, offers->all[i].token, VG_OFFER_TOKEN);
		return true;
	}
	return false;
}

static struct vg_offer *offer_new(struct vg_offers *offers, unsigned int slot)
{
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		struct vg_offer *offer = &offers->all[i];

		if (state_of(offer) != VG_OFFER_FREE ||
		    !state_move(offer, VG_OFFER_FREE, VG_OFFER_MAKING))
			continue;
		__atomic_store_n(&offer->owner, slot, __ATOMIC_SEQ_CST);
		return offer;
	}
	return NULL;
}

int vg_offer_make(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		  uint64_t object, uint64_t bytes, const void *data, uint8_t *token)
{
	struct vg_offer *offer;

	if (slot >= SLOTS_MAX)
		return -EINVAL;
	if (vg_offer_find(offers, slot, kind, object, token))
		return 0;
	if (getrandom(token, VG_OFFER_TOKEN, 0) != (ssize_t)VG_OFFER_TOKEN)
		return -EIO;
	__atomic_store_n(&offers->used, 1, __ATOMIC_SEQ_CST);
	offer = offer_new(offers, slot);
	if (!offer)
		return -ENOSPC;
	__atomic_store_n(&offer->kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&offer->object, object, __ATOMIC_RELAXED);
	__atomic_store_n(&offer->bytes, bytes, __ATOMIC_RELAXED);
	memcpy(offer->token, token, VG_OFFER_TOKEN);
	memcpy(offer->data, data, VG_OFFER_DATA);
	__atomic_store_n(&offer->state, VG_OFFER_OPEN, __ATOMIC_SEQ_CST);
	return 0;
}

void vg_offer_withdraw(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		       uint64_t object)
{
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		struct vg_offer *offer = &offers->all[i];

		if (!is_mine(offer, slot, kind, object))
			continue;
		state_move(offer, VG_OFFER_OPEN, VG_OFFER_WITHDRAWN);
		offer_settle(offer);
	}
}

static bool is_wanted(const struct vg_offer *offer, enum vg_offer_kind kind, const uint8_t *token)
{
	return state_of(offer) == VG_OFFER_OPEN && word(&offer->kind) == kind &&
	       !memcmp(offer->token, token, VG_OFFER_TOKEN);
}

bool vg_offer_take(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		   const uint8_t *token, struct vg_offer_taken *taken)
{
	if (slot >= SLOTS_MAX)
		return false;
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		struct vg_offer *offer = &offers->all[i];

		if (!is_wanted(offer, kind, token))
			continue;
		taker_mark(offer, slot);
		*taken = (struct vg_offer_taken){.index = i,
						 .owner = word(&offer->owner),
						 .bytes = __atomic_load_n(&offer->bytes,
									  __ATOMIC_RELAXED)};
		memcpy(taken->data, offer->data, VG_OFFER_DATA);
		/* Still the same one: it was not withdrawn, and another put in its place, meanwhile. */
		if (is_wanted(offer, kind, token))
			return true;
		vg_offer_leave(offers, slot, i);
		return false;
	}
	return false;
}

void vg_offer_leave(struct vg_offers *offers, unsigned int slot, unsigned int index)
{
	if (slot >= SLOTS_MAX || index >= VG_OFFERS_MAX)
		return;
	taker_clear(&offers->all[index], slot);
	offer_settle(&offers->all[index]);
}

void vg_offers_clear(struct vg_offers *offers, unsigned int slot)
{
	if (slot >= SLOTS_MAX || !word(&offers->used))
		return;
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		struct vg_offer *offer = &offers->all[i];

		if (state_of(offer) == VG_OFFER_FREE)
			continue;
		taker_clear(offer, slot);
		if (word(&offer->owner) == slot) {
			state_move(offer, VG_OFFER_OPEN, VG_OFFER_WITHDRAWN);
			state_move(offer, VG_OFFER_MAKING, VG_OFFER_WITHDRAWN);
		}
		offer_settle(offer);
	}
}

uint64_t vg_offers_held(const struct vg_offers *offers)
{
	uint64_t sum = 0;

	if (!word(&offers->used))
		return 0;
	for (unsigned int i = 0; i < VG_OFFERS_MAX; i++) {
		const struct vg_offer *offer = &offers->all[i];

		if (state_of(offer) == VG_OFFER_WITHDRAWN && is_held(offer))
			sum = vg_sat_add(sum, __atomic_load_n(&offer->bytes, __ATOMIC_RELAXED));
	}
	return sum;
}
