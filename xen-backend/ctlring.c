/* SPDX-License-Identifier: MIT */
/*
 * The control ring. The guest may write anything to the page at any moment: each of its words is read
 * once, a slot is copied before it is looked at, and our own indices are never read back.
 */
#include "xen-backend/ctlring.h"

#include <errno.h>
#include <string.h>

/* Acquire: pairs with the frontend's release. */
static uint64_t load(const uint64_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

typedef uint64_t __attribute__((may_alias)) any_word;

/* One read of each word, which memcpy does not promise. */
static void copy_once(struct vg_control *to, const struct vg_control *from)
{
	const volatile any_word *source = (const volatile any_word *)from;
	any_word *words = (any_word *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*words); i++)
		words[i] = source[i];
}

int be_ctlring_init(struct be_ctlring *ring, struct vg_control_ring *shared)
{
	*ring = (struct be_ctlring){.shared = shared};
	if (__atomic_load_n(&shared->magic, __ATOMIC_RELAXED) != VG_CTLRING_MAGIC ||
	    __atomic_load_n(&shared->version, __ATOMIC_RELAXED) != VG_PROTOCOL_VERSION)
		return -EPROTO;
	__atomic_store_n(&shared->req_cons, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->rsp_prod, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->backend_alive, 1, __ATOMIC_RELEASE);
	return 0;
}

int be_ctlring_pending(const struct be_ctlring *ring)
{
	return load(&ring->shared->req_prod) != ring->req_cons;
}

int be_ctlring_take(struct be_ctlring *ring, struct vg_control *msg)
{
	uint64_t ahead = load(&ring->shared->req_prod) - ring->req_cons;

	if (ahead > VG_CTLRING_SLOTS)
		return -EPROTO;
	if (ahead == 0)
		return 0;
	copy_once(msg, &ring->shared->req[ring->req_cons % VG_CTLRING_SLOTS]);
	msg->text[VG_TEXT_MAX - 1] = '\0';
	if (msg->type == VG_CTL_OPEN)
		msg->u.open.comm[VG_COMM_MAX - 1] = '\0';
	ring->req_cons++;
	__atomic_store_n(&ring->shared->req_cons, ring->req_cons, __ATOMIC_RELEASE);
	return 1;
}

int be_ctlring_put(struct be_ctlring *ring, const struct vg_control *msg)
{
	uint64_t behind = ring->rsp_prod - load(&ring->shared->rsp_cons);

	if (behind > VG_CTLRING_SLOTS)
		return -EPROTO;
	if (behind == VG_CTLRING_SLOTS)
		return 0;
	memcpy(&ring->shared->rsp[ring->rsp_prod % VG_CTLRING_SLOTS], msg, sizeof(*msg));
	ring->rsp_prod++;
	/* The guest sees the slot before the index (pairs with its acquire). */
	__atomic_store_n(&ring->shared->rsp_prod, ring->rsp_prod, __ATOMIC_RELEASE);
	return 1;
}
