/* SPDX-License-Identifier: MIT */
/* The user objects that a graph, or an executable one, keeps alive. */
#ifndef SOFT_USER_OBJECT_H
#define SOFT_USER_OBJECT_H

#include <stddef.h>

#include "protocol/cuda_types.h"

struct soft_user_object;

struct soft_held {
	struct soft_user_object **objects; /* references */
	size_t count;
};

/* The graphs' lock is held. */
CUresult held_add(struct soft_held *held, struct soft_user_object *user, unsigned int count);
CUresult held_copy(struct soft_held *to, const struct soft_held *from);
void held_put(struct soft_held *held);

#endif
