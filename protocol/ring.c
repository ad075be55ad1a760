/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a shared byte stream. Trusts the other end in nothing: its index is checked each
 * time it is read, and positions are private.
 */
#include "protocol/ring.h"

#include <string.h>

bool vg_ring_size_valid(uint64_t size)
{
	return size >= VG_RING_MIN && size <= VG_RING_MAX && !(size & (size - 1));
}

/* NOLINTBEGIN(readability-non-const-parameter): kept to write to */
void vg_producer_init(struct vg_producer *p, void *base, uint64_t size, uint64_t *prod,
		      const uint64_t *cons)
{
	*p = (struct vg_producer){.base = base, .size = size, .prod = prod, .cons = cons};
}

void vg_consumer_init(struct vg_consumer *c, const void *base, uint64_t size, const uint64_t *prod,
		      uint64_t *cons)
{
	*c = (struct vg_consumer){.base = base, .size = size, .prod = prod, .cons = cons};
}
/* NOLINTEND(readability-non-const-parameter) */

/*
 * Reads the other side's index. It may lie between what it was and `limit`, and is a multiple of 8.
 * Acquire: pairs with the release in publish and release.
 */
static bool index_read(const uint64_t *index, uint64_t *seen, uint64_t limit)
{
	uint64_t now = __atomic_load_n(index, __ATOMIC_ACQUIRE);

	if ((now & 7) || now - *seen > limit - *seen)
		return false;
	*seen = now;
	return true;
}

uint64_t vg_producer_room(struct vg_producer *p, uint64_t want)
{
	uint64_t room = p->size - (p->pos - p->seen);

	if (room < want && !p->broken) {
		if (!index_read(p->cons, &p->seen, p->published))
			p->broken = true;
		room = p->size - (p->pos - p->seen);
	}
	return p->broken ? 0 : room;
}

/* The part of n bytes that lies before the ring's end. */
static size_t unwrapped(uint64_t size, uint64_t pos, uint64_t n)
{
	uint64_t left = size - (pos & (size - 1));

	return n < left ? n : left;
}

size_t vg_producer_span(struct vg_producer *p, void **span, size_t max)
{
	uint64_t room = vg_producer_room(p, max);

	*span = p->base + (p->pos & (p->size - 1));
	return unwrapped(p->size, p->pos, room < max ? room : max);
}

void vg_producer_advance(struct vg_producer *p, size_t n)
{
	p->pos += n;
}

size_t vg_producer_put(struct vg_producer *p, const void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		void *span;
		size_t part = vg_producer_span(p, &span, n - done);

		if (!part)
			break;
		memcpy(span, (const uint8_t *)data + done, part);
		vg_producer_advance(p, part);
		done += part;
	}
	return done;
}

void vg_producer_pad(struct vg_producer *p)
{
	size_t n = vg_pad8(p->pos) - p->pos;

	memset(p->base + (p->pos & (p->size - 1)), 0, n);
	p->pos += n;
}

void vg_producer_publish(struct vg_producer *p)
{
	p->published = p->pos & ~7ull;
	__atomic_store_n(p->prod, p->published, __ATOMIC_RELEASE);
}

uint64_t vg_consumer_avail(struct vg_consumer *c, uint64_t want)
{
	uint64_t avail = c->seen - c->pos;

	if (avail < want && !c->broken) {
		if (!index_read(c->prod, &c->seen, c->released + c->size))
			c->broken = true;
		avail = c->seen - c->pos;
	}
	return c->broken ? 0 : avail;
}

size_t vg_consumer_span(struct vg_consumer *c, const void **span, size_t max)
{
	uint64_t avail = vg_consumer_avail(c, max);

	*span = c->base + (c->pos & (c->size - 1));
	return unwrapped(c->size, c->pos, avail < max ? avail : max);
}

void vg_consumer_advance(struct vg_consumer *c, size_t n)
{
	c->pos += n;
}

size_t vg_consumer_get(struct vg_consumer *c, void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		const void *span;
		size_t part = vg_consumer_span(c, &span, n - done);

		if (!part)
			break;
		memcpy((uint8_t *)data + done, span, part);
		vg_consumer_advance(c, part);
		done += part;
	}
	return done;
}

void vg_consumer_pad(struct vg_consumer *c)
{
	c->pos = vg_pad8(c->pos);
}

void vg_consumer_release(struct vg_consumer *c)
{
	c->released = c->pos & ~7ull;
	__atomic_store_n(c->cons, c->released, __ATOMIC_RELEASE);
}
