/* SPDX-License-Identifier: MIT */
/*
 * The session's handles (protocol/handle.h): typed, with generations, each below a parent whose end is
 * its own end too. Guest-minted ones are known by the slot that the guest chose; the others by the number
 * of the node that keeps them. Bounded by EX_HANDLES_MAX; memory grows with what lives.
 *
 * Thread safe: a read-write lock; nothing here calls the driver.
 */
#ifndef EX_HANDLE_H
#define EX_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/handle.h"

#define EX_HANDLES_MAX (1u << 20)

struct ex_handle_node;

struct ex_handles {
	/* Moves before a handle goes or stands for something else: what a lane remembers of older ones is void. */
	_Atomic uint32_t epoch;
	pthread_rwlock_t lock;
	struct ex_handle_node *nodes; /* node 0 stands for none */
	uint32_t nodes_count;         /* ever used */
	uint32_t nodes_room;
	uint32_t free_first, free_last; /* first freed, first used again */
	uint32_t live;
	uint32_t *by_slot; /* hash heads: node numbers */
	uint32_t *by_real;
	uint32_t buckets; /* of each hash, a power of two */

	/* Called for each handle that goes, the lock not held; may be NULL. */
	void (*dropped)(void *context, enum vg_handle_type type, uint64_t handle, void *real,
			void *cookie);
	void *dropped_context;
};

/* 0 or -ENOMEM. */
int ex_handles_init(struct ex_handles *handles);
void ex_handles_dispose(struct ex_handles *handles);

/* The driver's object; false: no such handle of a type that will do. */
bool ex_handles_get(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
		    void **real);
/*
 * The handles that a thread has used last, found without the table's lock. Belongs to the thread; begins
 * zeroed.
 */
#define EX_HANDLES_RECENT 32u /* a power of two */
struct ex_handles_recent {
	struct {
		uint64_t handle;
		void *real;
		uint32_t epoch;
	} entry[EX_HANDLES_RECENT];
};
/* ex_handles_get by way of them. */
bool ex_handles_get_recent(struct ex_handles *handles, struct ex_handles_recent *recent,
			   enum vg_handle_type type, uint64_t handle, void **real);

/* The handle of a driver's object, 0: none. */
uint64_t ex_handles_find(struct ex_handles *handles, enum vg_handle_type type, const void *real);
/* The handle that it has, or a new one; 0: full. A parent that does not live is taken as none. */
uint64_t ex_handles_put(struct ex_handles *handles, enum vg_handle_type type, void *real,
			uint64_t parent);
/* 0; -EEXIST: the slot is in use; -EINVAL: not a handle that a guest mints; -ENOMEM: full. */
int ex_handles_bind(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
		    void *real, uint64_t parent);
/* Forgets it and its children, children first. Counted handles (see hold) go with the last drop. */
void ex_handles_drop(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle);
/* One more drop is needed (objects that the driver counts). False: no such handle. */
bool ex_handles_hold(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle);
/* Each then stands for what the other did. False: not two of that type, or one has children. */
bool ex_handles_swap(struct ex_handles *handles, enum vg_handle_type type, uint64_t a, uint64_t b);
/* A pointer kept with a handle and handed to `dropped`. get: NULL without one; hold the handle. */
void ex_handles_set_cookie(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle,
			   void *cookie);
void *ex_handles_cookie(struct ex_handles *handles, enum vg_handle_type type, uint64_t handle);
uint32_t ex_handles_live(struct ex_handles *handles);

#endif
