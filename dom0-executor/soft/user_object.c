/* SPDX-License-Identifier: MIT */
/*
 * User objects: counted resources of the application whose destructor runs when the last holder,
 * caller or graph, lets go. CUDA runs it in a thread of the driver, where no call is allowed.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/user_object.h"

#include <stdlib.h>

struct soft_user_object {
	struct soft_object object;
	void *resource;
	CUhostFn destroy;
	unsigned int callers; /* references of the application; the graphs' lock guards it */
};

static void user_object_destroy(struct soft_object *object)
{
	struct soft_user_object *user = (struct soft_user_object *)object;
	bool before = thread_in_host_function;

	thread_in_host_function = true;
	user->destroy(user->resource);
	thread_in_host_function = before;
	free(user);
}

CUresult cuUserObjectCreate(CUuserObject *object_out, void *ptr, CUhostFn destroy,
			    unsigned int initialRefcount, unsigned int flags)
{
	struct soft_user_object *user;
	CUresult result;

	ENTER_DRIVER();
	if (!object_out || !destroy || !initialRefcount ||
	    flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
		return CUDA_ERROR_INVALID_VALUE;
	user = object_new(SOFT_USER_OBJECT, sizeof(*user), NULL, user_object_destroy);
	if (!user)
		return CUDA_ERROR_OUT_OF_MEMORY;
	user->resource = ptr;
	user->destroy = destroy;
	user->callers = initialRefcount;
	result = object_publish(user);
	if (result == CUDA_SUCCESS)
		*object_out = object_handle(user);
	return result;
}

CUresult cuUserObjectRetain(CUuserObject object, unsigned int count)
{
	struct soft_user_object *user auto_put = object_get(SOFT_USER_OBJECT, object);
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	ENTER_DRIVER();
	if (!user || !count || count > INT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	if (count <= INT32_MAX - user->callers) {
		user->callers += count;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&graph_lock);
	return result;
}

CUresult cuUserObjectRelease(CUuserObject object, unsigned int count)
{
	struct soft_user_object *user auto_put = object_get(SOFT_USER_OBJECT, object);
	bool last = false, valid;

	ENTER_DRIVER();
	if (!user || !count)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	valid = count <= user->callers;
	if (valid) {
		user->callers -= count;
		last = !user->callers;
	}
	pthread_mutex_unlock(&graph_lock);
	if (last && object_retire(user))
		object_put(user); /* the table's: graphs may hold it still */
	return valid ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* --- in graphs: one entry a reference --------------------------------------------------------- */

void held_put(struct soft_held *held)
{
	for (size_t i = 0; i < held->count; i++)
		object_put(held->objects[i]);
	free(held->objects);
	*held = (struct soft_held){0};
}

CUresult held_add(struct soft_held *held, struct soft_user_object *user, unsigned int count)
{
	struct soft_user_object **grown;

	if (count > 65536 || held->count > 65536)
		return CUDA_ERROR_OUT_OF_MEMORY;
	grown = realloc(held->objects, (held->count + count) * sizeof(struct soft_user_object *));
	if (!grown)
		return CUDA_ERROR_OUT_OF_MEMORY;
	held->objects = grown;
	for (unsigned int i = 0; i < count; i++)
		grown[held->count++] = object_ref(user);
	return CUDA_SUCCESS;
}

CUresult held_copy(struct soft_held *to, const struct soft_held *from)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < from->count && result == CUDA_SUCCESS; i++)
		result = held_add(to, from->objects[i], 1);
	return result;
}

/* Take up to `count` references out of the list into `taken`. */
static void held_take(struct soft_held *held, const struct soft_user_object *user,
		      unsigned int count, struct soft_held *taken)
{
	size_t kept = 0;

	for (size_t i = 0; i < held->count; i++) {
		if (held->objects[i] == user && taken->count < count)
			taken->objects[taken->count++] = held->objects[i];
		else
			held->objects[kept++] = held->objects[i];
	}
	held->count = kept;
}

CUresult cuGraphRetainUserObject(CUgraph hGraph, CUuserObject object, unsigned int count,
				 unsigned int flags)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_user_object *user auto_put = object_get(SOFT_USER_OBJECT, object);
	CUresult result;

	ENTER_DRIVER();
	if (!graph || !user || !count || flags & ~(unsigned int)CU_GRAPH_USER_OBJECT_MOVE)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	result = flags && count > user->callers ? CUDA_ERROR_INVALID_VALUE
						: held_add(&graph->held, user, count);
	pthread_mutex_unlock(&graph_lock);
	if (result == CUDA_SUCCESS && flags) /* the caller's references are the graph's now */
		result = cuUserObjectRelease(object, count);
	return result;
}

CUresult cuGraphReleaseUserObject(CUgraph hGraph, CUuserObject object, unsigned int count)
{
	struct soft_graph *graph auto_put = object_get(SOFT_GRAPH, hGraph);
	struct soft_user_object *user auto_put = object_get(SOFT_USER_OBJECT, object);
	struct soft_held taken = {0};
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	ENTER_DRIVER();
	if (!graph || !user || !count)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&graph_lock);
	taken.objects = calloc(graph->held.count + 1, sizeof(struct soft_user_object *));
	if (taken.objects) {
		held_take(&graph->held, user, count, &taken);
		result = taken.count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	}
	pthread_mutex_unlock(&graph_lock);
	held_put(&taken);
	return result;
}
