/* SPDX-License-Identifier: MIT */
/*
 * What processes of one guest offer to each other: memory and events of the device, in a table that
 * the executors of a vGPU share beside its account (account.h). The guest has a token of 16 random
 * bytes; what the driver needs to open the thing stands here and never leaves the host. An executor of
 * another vGPU has another table, so a token says nothing there, whoever got to know it.
 *
 * An offer belongs to the executor that made it (its slot) and ends when that withdraws it, or
 * when the executor has been reaped. Executors that have opened it are marked as its takers; as long
 * as there is one, a withdrawn offer stays and its bytes count (vg_account_total), because the driver frees memory
 * only when the last process has let go of it.
 *
 * Trust: as account.h. An executor that has been taken over can hand the others of its own vGPU what
 * it likes, which they give to the driver; nothing here is an index, a length or an address to them.
 * Words are atomic, nobody waits, and whoever dies in between leaves an offer that the reaper ends.
 */
#ifndef VG_OFFER_H
#define VG_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#define VG_OFFERS_MAX   1024u
#define VG_OFFER_TOKEN  16u
#define VG_OFFER_DATA   128u
#define VG_OFFER_TAKERS 4u /* words of 64 slots */

enum vg_offer_kind {
	VG_OFFER_MEMORY = 1, /* cuIpcGetMemHandle: data is the driver's handle */
	VG_OFFER_EVENT,      /* cuIpcGetEventHandle: likewise */
	VG_OFFER_PHYSICAL, /* a descriptor of cuMemCreate's: data is where it can be fetched (handover.h) */
	VG_OFFER_POOL,    /* a descriptor of a pool: likewise */
	VG_OFFER_POINTER, /* an allocation from an exported pool: data is the driver's export data */
};

enum vg_offer_state {
	VG_OFFER_FREE = 0,
	VG_OFFER_MAKING,    /* its owner writes it */
	VG_OFFER_OPEN,      /* can be opened */
	VG_OFFER_WITHDRAWN, /* is held by takers only */
};

struct vg_offer {
	uint32_t state; /* enum vg_offer_state */
	uint32_t kind;  /* enum vg_offer_kind */
	uint32_t owner; /* slot */
	uint32_t pad;
	uint64_t bytes;  /* of device memory, 0: an event */
	uint64_t object; /* the owner's name for it */
	uint64_t takers[VG_OFFER_TAKERS];
	uint8_t token[VG_OFFER_TOKEN];
	uint8_t data[VG_OFFER_DATA];
};

struct vg_offers {
	uint32_t used; /* 0: there has never been one */
	uint32_t pad[15];
	struct vg_offer all[VG_OFFERS_MAX];
};

/* What vg_offer_take has found, copied out. */
struct vg_offer_taken {
	unsigned int index;
	uint32_t owner;
	uint64_t bytes;
	uint8_t data[VG_OFFER_DATA];
};

/*
 * Offers `object`, unless it is offered already: its token either way. 0; -ENOSPC: the table is full;
 * -EINVAL; or what the kernel says of random bytes.
 */
int vg_offer_make(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		  uint64_t object, uint64_t bytes, const void *data, uint8_t *token);
/* The token of something that is offered. False: it is not. */
bool vg_offer_find(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		   uint64_t object, uint8_t *token);
/* The owner's end of an offer. Its bytes must still be in the owner's slot. */
void vg_offer_withdraw(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		       uint64_t object);

/* Opens an offer: slot is a taker of it. False: there is none of that kind and token. */
bool vg_offer_take(struct vg_offers *offers, unsigned int slot, enum vg_offer_kind kind,
		   const uint8_t *token, struct vg_offer_taken *taken);
/* No longer a taker. */
void vg_offer_leave(struct vg_offers *offers, unsigned int slot, unsigned int index);

/* The executor of that slot has been reaped: its offers end, and it takes none. */
void vg_offers_clear(struct vg_offers *offers, unsigned int slot);
/* Bytes of withdrawn offers that are still held. */
uint64_t vg_offers_held(const struct vg_offers *offers);

#endif
