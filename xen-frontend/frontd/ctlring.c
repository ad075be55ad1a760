/* SPDX-License-Identifier: MIT */
/*
 * The control ring, frontend's end. Trusts the backend in nothing. One thread.
 */
#include "xen-frontend/frontd/ctlring.h"

#include <errno.h>
#include <string.h>

void fe_ring_init(struct fe_ring *ring, void *page)
{
	struct vg_control_ring *shared = page;

	*ring = (struct fe_ring){.shared = shared};
	shared->magic = VG_CTLRING_MAGIC;
	shared->version = VG_PROTOCOL_VERSION;
	__atomic_store_n(&shared->frontend_alive, 1, __ATOMIC_RELEASE);
}

int fe_ring_push(struct fe_ring *ring, const struct vg_control *msg)
{
	/* Acquire: pairs with the backend's release after it has copied a slot out. */
	uint64_t cons = __atomic_load_n(&ring->shared->req_cons, __ATOMIC_ACQUIRE);
	uint64_t used = ring->req_prod - cons;

	if (used > VG_CTLRING_SLOTS)
		return -EPROTO;
	if (used == VG_CTLRING_SLOTS)
		return -EAGAIN;
	ring->shared->req[ring->req_prod % VG_CTLRING_SLOTS] = *msg;
	ring->req_prod++;
	/* Release: the slot is whole before the index says so. */
	__atomic_store_n(&ring->shared->req_prod, ring->req_prod, __ATOMIC_RELEASE);
	return 0;
}

int fe_ring_pop(struct fe_ring *ring, struct vg_control *msg)
{
	/* Acquire: pairs with the backend's release after it has filled a slot. */
	uint64_t prod = __atomic_load_n(&ring->shared->rsp_prod, __ATOMIC_ACQUIRE);
	uint64_t used = prod - ring->rsp_cons;

	if (used > VG_CTLRING_SLOTS)
		return -EPROTO;
	if (used == 0)
		return 0;
	memcpy(msg, &ring->shared->rsp[ring->rsp_cons % VG_CTLRING_SLOTS], sizeof(*msg));
	/* What is looked at from here on is the copy. */
	__asm__ volatile("" : : "r"(msg) : "memory");
	msg->text[VG_TEXT_MAX - 1] = '\0';
	ring->rsp_cons++;
	__atomic_store_n(&ring->shared->rsp_cons, ring->rsp_cons, __ATOMIC_RELEASE);
	return 1;
}

bool fe_ring_backend_alive(struct fe_ring *ring)
{
	bool alive = __atomic_load_n(&ring->shared->backend_alive, __ATOMIC_ACQUIRE) != 0;

	ring->backend_seen |= alive;
	return alive || !ring->backend_seen;
}
