/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a shared byte stream (wire.h): a producer and a consumer over a ring of shared pages.
 *
 * Each end keeps its own position privately and only ever writes it to the shared page; the other
 * end's index is read once a look, checked, and remembered. An index that breaks the rules of
 * wire.h (or moves backwards) marks the end `broken`: from then on there is neither room nor data,
 * and the session is to be ended. Nothing here waits or rings; the caller does, see
 * vg_sleep_begin below.
 *
 * Each end belongs to one thread at a time.
 */
#ifndef VG_RING_H
#define VG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol/wire.h"

struct vg_producer {
	uint8_t *base;        /* the ring's bytes; whoever mapped the lane owns them */
	uint64_t size;        /* power of two */
	uint64_t *prod;       /* shared, written by us */
	const uint64_t *cons; /* shared, written by the consumer */
	uint64_t pos;         /* bytes written so far, published or not */
	uint64_t published;   /* what *prod says; a multiple of 8 */
	uint64_t seen;        /* last valid *cons */
	bool broken;
};

struct vg_consumer {
	const uint8_t *base;
	uint64_t size;
	const uint64_t *prod;
	uint64_t *cons;
	uint64_t pos;      /* bytes taken so far, released or not */
	uint64_t released; /* what *cons says; a multiple of 8 */
	uint64_t seen;     /* last valid *prod */
	bool broken;
};

/* True for a size that a ring may have: VG_RING_MIN .. VG_RING_MAX, a power of two. */
bool vg_ring_size_valid(uint64_t size);

/* Both ends of a new ring begin at 0; the shared words are not touched. */
void vg_producer_init(struct vg_producer *p, void *base, uint64_t size, uint64_t *prod,
		      const uint64_t *cons);
void vg_consumer_init(struct vg_consumer *c, const void *base, uint64_t size, const uint64_t *prod,
		      uint64_t *cons);

/* Room in bytes; looks at the consumer's index only when less than `want` is known. */
static inline uint64_t vg_producer_room(struct vg_producer *p, uint64_t want);
/* Room in one piece at the position, at most max bytes; 0: none now. Fill it, then advance. */
size_t vg_producer_span(struct vg_producer *p, void **span, size_t max);
static inline void vg_producer_advance(struct vg_producer *p, size_t n);
/* Copies as much of data as there is room for; returns how much. */
size_t vg_producer_put(struct vg_producer *p, const void *data, size_t n);
/* Room for n bytes in one piece, to be filled whole and advanced over; NULL: not now, or the ring's end is nearer. */
static inline void *vg_producer_piece(struct vg_producer *p, size_t n);
/* Zeros up to a multiple of 8. Always has room, since indices are multiples of 8. */
void vg_producer_pad(struct vg_producer *p);
/* Shows the consumer what has been written, up to the last multiple of 8; vg_sleep_wake follows. */
static inline void vg_producer_publish(struct vg_producer *p);

/* Bytes to be had; looks at the producer's index only when less than `want` is known. */
static inline uint64_t vg_consumer_avail(struct vg_consumer *c, uint64_t want);
/* Data in one piece at the position, at most max bytes; 0: none now. It stays until release. */
size_t vg_consumer_span(struct vg_consumer *c, const void **span, size_t max);
void vg_consumer_advance(struct vg_consumer *c, size_t n);
/* Copies as much as is there; returns how much. */
size_t vg_consumer_get(struct vg_consumer *c, void *data, size_t n);
/* The same of n bytes that lie there in one piece. False: nothing is taken. */
static inline bool vg_consumer_get_piece(struct vg_consumer *c, void *data, size_t n);
/* Skips up to a multiple of 8. */
void vg_consumer_pad(struct vg_consumer *c);
/* Gives what has been taken back to the producer, up to the last multiple of 8; vg_sleep_wake follows. */
static inline void vg_consumer_release(struct vg_consumer *c);

/*
 * The doorbell's handshake of wire.h. A side about to sleep: begin, look at the indices once more,
 * wait only if there is nothing, end. A side that has published or released: rings if wake says so. The
 * barriers are those of sequentially consistent accesses: of the index that one side writes and the other
 * reads, and of the word.
 */
/* NOLINTBEGIN(readability-non-const-parameter): written by the atomics */
static inline void vg_sleep_begin(uint32_t *sleeps, enum vg_sleep what)
{
	__atomic_store_n(sleeps, what, __ATOMIC_SEQ_CST);
}

static inline void vg_sleep_end(uint32_t *sleeps)
{
	__atomic_store_n(sleeps, 0, __ATOMIC_RELAXED);
}

/* True: the other side sleeps for what has moved (its word is cleared), ring it. */
static inline bool vg_sleep_wake(uint32_t *sleeps, enum vg_sleep moved)
{
	if (__atomic_load_n(sleeps, __ATOMIC_SEQ_CST) != moved)
		return false;
	__atomic_store_n(sleeps, 0, __ATOMIC_RELAXED);
	return true;
}
/* NOLINTEND(readability-non-const-parameter) */

/* --- inline, since each call goes through them ------------------------------------------------- */

/*
 * Reads the other side's index. It may lie between what it was and `limit`, and is a multiple of 8.
 * Acquires what was written before it; sequentially consistent for the handshake above.
 */
static inline bool vg_index_read(const uint64_t *index, uint64_t *seen, uint64_t limit)
{
	uint64_t now = __atomic_load_n(index, __ATOMIC_SEQ_CST);

	if ((now & 7) || now - *seen > limit - *seen)
		return false;
	*seen = now;
	return true;
}

static inline uint64_t vg_producer_room(struct vg_producer *p, uint64_t want)
{
	uint64_t room = p->size - (p->pos - p->seen);

	if (room < want && !p->broken) {
		if (!vg_index_read(p->cons, &p->seen, p->published))
			p->broken = true;
		room = p->size - (p->pos - p->seen);
	}
	return p->broken ? 0 : room;
}

static inline uint64_t vg_consumer_avail(struct vg_consumer *c, uint64_t want)
{
	uint64_t avail = c->seen - c->pos;

	if (avail < want && !c->broken) {
		if (!vg_index_read(c->prod, &c->seen, c->released + c->size))
			c->broken = true;
		avail = c->seen - c->pos;
	}
	return c->broken ? 0 : avail;
}

static inline void *vg_producer_piece(struct vg_producer *p, size_t n)
{
	uint64_t at = p->pos & (p->size - 1);

	return n <= p->size - at && vg_producer_room(p, n) >= n ? p->base + at : NULL;
}

static inline void vg_producer_advance(struct vg_producer *p, size_t n)
{
	p->pos += n;
}

static inline bool vg_consumer_get_piece(struct vg_consumer *c, void *data, size_t n)
{
	uint64_t at = c->pos & (c->size - 1);

	if (n > c->size - at || vg_consumer_avail(c, n) < n)
		return false;
	memcpy(data, c->base + at, n);
	c->pos += n;
	return true;
}

static inline void vg_producer_publish(struct vg_producer *p)
{
	p->published = p->pos & ~7ull;
	__atomic_store_n(p->prod, p->published, __ATOMIC_SEQ_CST);
}

static inline void vg_consumer_release(struct vg_consumer *c)
{
	c->released = c->pos & ~7ull;
	__atomic_store_n(c->cons, c->released, __ATOMIC_SEQ_CST);
}

/*
 * The lines that are written or read next are in the other side's cache: asked for before they are needed.
 * bytes: from the position. Any address will do, a wrong one costs a line.
 */
static inline void vg_producer_prefetch(const struct vg_producer *p, uint64_t bytes)
{
	const uint8_t *at = p->base + ((p->pos + bytes) & (p->size - 1));

#if defined(__x86_64__) || defined(__i386__)
	/* For writing; a processor that does not know it takes it as nothing. */
	__asm__ volatile("prefetchw %0" : : "m"(*at));
#else
	__builtin_prefetch(at, 1);
#endif
}

static inline void vg_consumer_prefetch(const struct vg_consumer *c, uint64_t bytes)
{
	__builtin_prefetch(c->base + ((c->pos + bytes) & (c->size - 1)));
}

#endif
