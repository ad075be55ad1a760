/* SPDX-License-Identifier: MIT */
/*
 * The table of handles. Handles come from the guest and are trusted in nothing: looked up, never
 * decoded into an address. Any thread.
 */
#include "dom0-executor/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES_FIRST   256u
#define BUCKETS_FIRST 256u

struct ex_handle_node {
	uint64_t handle; /* 0: free */
	void *real;      /* the driver's */
	void *cookie;    /* the caller's */
	uint32_t refs;
	uint32_t generation; /* of the last handle minted here */
	uint32_t slot_next, real_next;
	uint32_t parent, child, sibling_prev,
		sibling_next; /* free nodes: sibling_next is the list */
};

static uint32_t hash_slot(const struct ex_handles *t, uint32_t slot)
{
	return (slot * 2654435761u >> 7) & (t->buckets - 1);
}

static uint32_t hash_real(const struct ex_handles *t, unsigned int type, const void *real)
{
	uint64_t key = ((uint64_t)(uintptr_t)real ^ (uint64_t)type << 56) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(key >> 32) & (t->buckets - 1);
}

int ex_handles_init(struct ex_handles *handles)
{
	memset(handles, 0, sizeof(*handles));
	pthread_rwlock_init(&handles->lock, NULL);
	handles->nodes = calloc(NODES_FIRST, sizeof(*handles->nodes));
	handles->by_slot = calloc(BUCKETS_FIRST, sizeof(uint32_t));
	handles->by_real = calloc(BUCKETS_FIRST, sizeof(uint32_t));
	if (!handles->nodes || !handles->by_slot || !handles->by_real) {
		ex_handles_dispose(handles);
		return -ENOMEM;
	}
	handles->nodes_room = NODES_FIRST;
	handles->nodes_count = 1;
	handles->buckets = BUCKETS_FIRST;
	return 0;
}

void ex_handles_dispose(struct ex_handles *handles)
{
	if (!handles->nodes && !handles->by_slot && !handles->by_real)
		return;
	free(handles->nodes);
	free(handles->by_slot);
	free(handles->by_real);
	handles->nodes = NULL;
	handles->by_slot = handles->by_real = NULL;
	pthread_rwlock_destroy(&handles->lock);
}

/* --- the two hashes ----------------------------------------------------------------------- */

static void hash_add(struct ex_handles *t, uint32_t n)
{
	struct ex_handle_node *node = &t->nodes[n];
	uint32_t *slot = &t->by_slot[hash_slot(t, vg_handle_slot(node->handle))];
	uint32_t *real = &t->by_real[hash_real(t, vg_handle_type(node->handle), node->real)];

	node->slot_next = *slot;
	*slot = n;
	node->real_next = *real;
	*real = n;
}

static void hash_remove(struct ex_handles *t, uint32_t n)
{
	struct ex_handle_node *node = &t->nodes[n];
	uint32_t *at = &t->by_slot[hash_slot(t, vg_handle_slot(node->handle))];

	while (*at != n)
		at = &t->nodes[*at].slot_next;
	*at = node->slot_next;
	at = &t->by_real[hash_real(t, vg_handle_type(node->handle), node->real)];
	while (*at != n)
		at = &t->nodes[*at].real_next;
	*at = node->real_next;
}

/* Twice the buckets once there are more handles than buckets. Without memory it stays as it is. */
static void hash_grow(struct ex_handles *t)
{
	uint32_t *slots, *reals;

	if (t->live < t->buckets)
		return;
	slots = calloc((size_t)t->buckets * 2, sizeof(uint32_t));
	reals = calloc((size_t)t->buckets * 2, sizeof(uint32_t));
	if (!slots || !reals) {
		free(slots);
		free(reals);
		return;
	}
	free(t->by_slot);
	free(t->by_real);
	t->by_slot = slots;
	t->by_real = reals;
	t->buckets *= 2;
	for (uint32_t n = 1; n < t->nodes_count; n++)
		if (t->nodes[n].handle)
			hash_add(t, n);
}

static uint32_t find_slot(const struct ex_handles *t, uint32_t slot)
{
	uint32_t n = t->by_slot[hash_slot(t, slot)];

	while (n && vg_handle_slot(t->nodes[n].handle) != slot)
		n = t->nodes[n].slot_next;
	return n;
}

/* The node of exactly this handle; 0: none. */
static uint32_t find_handle(const struct ex_handles *t, uint64_t handle)
{
	uint32_t n;

	if (!handle || !vg_handle_well_formed(handle))
		return 0;
	n = find_slot(t, vg_handle_slot(handle));
	return n && t->nodes[n].handle == handle ? n : 0;
}

static uint32_t find_real(const struct ex_handles *t, unsigned int type, const void *real)
{
	uint32_t n = t->by_real[hash_real(t, type, real)];

	while (n && (t->nodes[n].real != real || vg_handle_type(t->nodes[n].handle) != type))
		n = t->nodes[n].real_next;
	return n;
}

/* --- nodes ---------------------------------------------------------------------------------- */

static bool nodes_grow(struct ex_handles *t)
{
	uint32_t room = t->nodes_room * 2;
	struct ex_handle_node *nodes = reallocarray(t->nodes, room, sizeof(*nodes));

	if (!nodes)
		return false;
	memset(nodes + t->nodes_room, 0, (room - t->nodes_room) * sizeof(*nodes));
	t->nodes = nodes;
	t->nodes_room = room;
	return true;
}

/* The node that has been free for longest, so that generations last. 0: full. */
static uint32_t node_take(struct ex_handles *t)
{
	uint32_t n;

	if (t->live >= EX_HANDLES_MAX)
		return 0;
	if (t->nodes_count < t->nodes_room || (!t->free_first && nodes_grow(t)))
		return t->nodes_count++;
	n = t->free_first;
	if (!n)
		return 0;
	t->free_first = t->nodes[n].sibling_next;
	if (!t->free_first)
		t->free_last = 0;
	t->nodes[n].sibling_next = 0;
	return n;
}

static void node_give(struct ex_handles *t, uint32_t n)
{
	uint32_t generation = t->nodes[n].generation;

	t->nodes[n] = (struct ex_handle_node){.generation = generation};
	if (t->free_last)
		t->nodes[t->free_last].sibling_next = n;
	else
		t->free_first = n;
	t->free_last = n;
}

static void node_link(struct ex_handles *t, uint32_t n, uint32_t parent)
{
	struct ex_handle_node *node = &t->nodes[n];

	node->parent = parent;
	if (!parent)
		return;
	node->sibling_next = t->nodes[parent].child;
	if (node->sibling_next)
		t->nodes[node->sibling_next].sibling_prev = n;
	t->nodes[parent].child = n;
}

static void node_unlink(struct ex_handles *t, uint32_t n)
{
	struct ex_handle_node *node = &t->nodes[n];

	if (node->sibling_prev)
		t->nodes[node->sibling_prev].sibling_next = node->sibling_next;
	else if (node->parent)
		t->nodes[node->parent].child = node->sibling_next;
	if (node->sibling_next)
		t->nodes[node->sibling_next].sibling_prev = node->sibling_prev;
}

static void node_enter(struct ex_handles *t, uint32_t n, uint64_t handle, void *real,
		       uint64_t parent)
{
	uint32_t above = find_handle(t, parent);

	t->nodes[n].handle = handle;
	t->nodes[n].real = real;
	t->nodes[n].refs = 1;
	node_link(t, n, above);
	t->live++;
	hash_grow(t); /* enters the node too if it grows */
	if (find_handle(t, handle) != n)
		hash_add(t, n);
}

/* --- the interface -------------------------------------------------------------------------- */

bool ex_handles_get(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
		    void **real)
{
	bool found = false;
	uint32_t n;

	pthread_rwlock_rdlock(&handles->lock);
	n = find_handle(handles, handle);
	if (n && vg_handle_accepts(type, vg_handle_type(handle))) {
		*real = handles->nodes[n].real;
		found = true;
	}
	pthread_rwlock_unlock(&handles->lock);
	return found;
}

bool ex_handles_get_recent(struct ex_handles *handles, struct ex_handles_recent *recent,
			   enum vg_handle_type type, uint64_t handle, void **real)
{
	/* Read before the table is: a handle that goes meanwhile has moved it already. */
	uint32_t epoch = atomic_load_explicit(&handles->epoch, memory_order_acquire);
	unsigned int i = vg_handle_slot(handle) % EX_HANDLES_RECENT;

	if (recent->entry[i].handle == handle && recent->entry[i].epoch == epoch && handle) {
		*real = recent->entry[i].real;
		return vg_handle_accepts(type, vg_handle_type(handle));
	}
	if (!ex_handles_get(handles, type, handle, real))
		return false;
	recent->entry[i].handle = handle;
	recent->entry[i].real = *real;
	recent->entry[i].epoch = epoch;
	return true;
}

uint64_t ex_handles_find(struct ex_handles *handles, enum vg_handle_type type, const void *real)
{
	uint64_t handle;

	pthread_rwlock_rdlock(&handles->lock);
	handle = handles->nodes[find_real(handles, type, real)].handle;
	pthread_rwlock_unlock(&handles->lock);
	return handle;
}

uint64_t ex_handles_put(struct ex_handles *handles, enum vg_handle_type type, void *real,
			uint64_t parent)
{
	uint64_t handle = ex_handles_find(handles, type, real);
	uint32_t n;

	if (handle)
		return handle;
	pthread_rwlock_wrlock(&handles->lock);
	n = find_real(handles, type, real);
	if (n) { /* another lane was faster */
		handle = handles->nodes[n].handle;
	} else if ((n = node_take(handles)) != 0) {
		struct ex_handle_node *node = &handles->nodes[n];

		node->generation = (node->generation + 1) & VG_HANDLE_GEN_MASK;
		handle = vg_handle_make(type, node->generation, n | VG_HANDLE_EXECUTOR);
		node_enter(handles, n, handle, real, parent);
	}
	pthread_rwlock_unlock(&handles->lock);
	return handle;
}

int ex_handles_bind(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
		    void *real, uint64_t parent)
{
	uint32_t n;
	int rc = 0;

	if (!vg_handle_well_formed(handle) || vg_handle_type(handle) != type ||
	    (vg_handle_slot(handle) & VG_HANDLE_EXECUTOR))
		return -EINVAL;
	pthread_rwlock_wrlock(&handles->lock);
	if (find_slot(handles, vg_handle_slot(handle)))
		rc = -EEXIST;
	else if ((n = node_take(handles)) == 0)
		rc = -ENOMEM;
	else
		node_enter(handles, n, handle, real, parent);
	pthread_rwlock_unlock(&handles->lock);
	return rc;
}

struct dropped {
	uint64_t handle;
	void *real;
	void *cookie;
};

/* Takes the first leaf below n, or n itself, out of the table. True when that was n. */
static bool take_leaf(struct ex_handles *t, uint32_t n, struct dropped *dropped)
{
	uint32_t leaf = n;

	while (t->nodes[leaf].child)
		leaf = t->nodes[leaf].child;
	atomic_fetch_add(&t->epoch, 1);
	*dropped =
		(struct dropped){t->nodes[leaf].handle, t->nodes[leaf].real, t->nodes[leaf].cookie};
	hash_remove(t, leaf);
	node_unlink(t, leaf);
	node_give(t, leaf);
	t->live--;
	return leaf == n;
}

void ex_handles_drop(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle)
{
	bool last = false;

	while (!last) {
		struct dropped dropped;
		uint32_t n;

		pthread_rwlock_wrlock(&handles->lock);
		n = find_handle(handles, handle);
		if (!n || vg_handle_type(handle) != type || --handles->nodes[n].refs) {
			pthread_rwlock_unlock(&handles->lock);
			return;
		}
		last = take_leaf(handles, n, &dropped);
		if (!last)
			handles->nodes[n].refs = 1; /* it goes on until its children have gone */
		pthread_rwlock_unlock(&handles->lock);
		if (handles->dropped)
			handles->dropped(handles->dropped_context,
					 (enum vg_handle_type)vg_handle_type(dropped.handle),
					 dropped.handle, dropped.real, dropped.cookie);
	}
}

bool ex_handles_hold(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle)
{
	uint32_t n;

	pthread_rwlock_wrlock(&handles->lock);
	n = find_handle(handles, handle);
	if (n && vg_handle_type(handle) == type)
		handles->nodes[n].refs++;
	else
		n = 0;
	pthread_rwlock_unlock(&handles->lock);
	return n != 0;
}

static void nodes_swap(struct ex_handles *t, uint32_t a, uint32_t b)
{
	struct ex_handle_node *x = &t->nodes[a], *y = &t->nodes[b];
	void *real = x->real, *cookie = x->cookie;

	atomic_fetch_add(&t->epoch, 1);
	hash_remove(t, a);
	hash_remove(t, b);
	x->real = y->real;
	x->cookie = y->cookie;
	y->real = real;
	y->cookie = cookie;
	hash_add(t, a);
	hash_add(t, b);
}

bool ex_handles_swap(struct ex_handles *handles, enum vg_handle_type type, uint64_t a, uint64_t b)
{
	const struct ex_handle_node *nodes;
	uint32_t x, y;
	bool good;

	pthread_rwlock_wrlock(&handles->lock);
	nodes = handles->nodes;
	x = find_handle(handles, a);
	y = find_handle(handles, b);
	good = x && y && x != y && vg_handle_type(a) == type && vg_handle_type(b) == type &&
	       !nodes[x].child && !nodes[y].child;
	if (good)
		nodes_swap(handles, x, y);
	pthread_rwlock_unlock(&handles->lock);
	return good;
}

void ex_handles_set_cookie(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
			   void *cookie)
{
	uint32_t n;

	pthread_rwlock_wrlock(&handles->lock);
	n = find_handle(handles, handle);
	if (n && vg_handle_type(handle) == type)
		handles->nodes[n].cookie = cookie;
	pthread_rwlock_unlock(&handles->lock);
}

void *ex_handles_cookie(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle)
{
	void *cookie;
	uint32_t n;

	pthread_rwlock_rdlock(&handles->lock);
	n = find_handle(handles, handle);
	cookie = n && vg_handle_type(handle) == type ? handles->nodes[n].cookie : NULL;
	pthread_rwlock_unlock(&handles->lock);
	return cookie;
}

uint32_t ex_handles_live(struct ex_handles *handles)
{
	uint32_t live;

	pthread_rwlock_rdlock(&handles->lock);
	live = handles->live;
	pthread_rwlock_unlock(&handles->lock);
	return live;
}
