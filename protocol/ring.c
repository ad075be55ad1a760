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
