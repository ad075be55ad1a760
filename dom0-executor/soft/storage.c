/* SPDX-License-Identifier: MIT */
/* See storage.h. Any thread; one lock guards the list, destructors run without it. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/storage.h"

#include <pthread.h>
#include <stdlib.h>

struct slot {
	struct slot *next;
	CUcontext ctx;
	void *key, *value;
	storage_dtor dtor;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;

static CUcontext context_meant(CUcontext ctx)
{
	if (ctx && ctx != (CUcontext)-1)
		return ctx;
	ctx = NULL;
	cuCtxGetCurrent(&ctx);
	return ctx;
}

/* The link to a slot; to NULL where there is none. The lock is held. */
static struct slot **slot_find(CUcontext ctx, const void *key)
{
	struct slot **at = &slots;

	while (*at && ((*at)->ctx != ctx || (*at)->key != key))
		at = &(*at)->next;
	return at;
}

CUresult storage_put(CUcontext ctx, void *key, void *value, storage_dtor dtor)
{
	CUcontext meant = context_meant(ctx);
	struct slot **at, *made = NULL;

	if (!meant)
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&lock);
	at = slot_find(meant, key);
	if (!*at)
		made = *at = calloc(1, sizeof(**at));
	if (*at) {
		(*at)->ctx = meant;
		(*at)->key = key;
		(*at)->value = value;
		(*at)->dtor = dtor;
		made = *at;
	}
	pthread_mutex_unlock(&lock);
	return made ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static struct slot *slot_unlink(struct slot **at)
{
	struct slot *slot = *at;

	if (slot)
		*at = slot->next;
	return slot;
}

CUresult storage_delete(CUcontext ctx, void *key)
{
	CUcontext meant = context_meant(ctx);
	struct slot *slot;

	pthread_mutex_lock(&lock);
	slot = slot_unlink(slot_find(meant, key));
	pthread_mutex_unlock(&lock);
	free(slot);
	return slot ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult storage_get(void **value, CUcontext ctx, void *key)
{
	CUcontext meant = context_meant(ctx);
	struct slot *slot;

	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!meant)
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&lock);
	slot = *slot_find(meant, key);
	*value = slot ? slot->value : NULL;
	pthread_mutex_unlock(&lock);
	return slot ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

void storage_drop(CUcontext ctx)
{
	struct slot *slot, **at;

	/* A destructor may put something again: so many times, and no more. */
	for (int left = 1024; left; left--) {
		pthread_mutex_lock(&lock);
		for (at = &slots; *at && (*at)->ctx != ctx;)
			at = &(*at)->next;
		slot = slot_unlink(at);
		pthread_mutex_unlock(&lock);
		if (!slot)
			return;
		if (slot->dtor)
			slot->dtor(slot->ctx, slot->key, slot->value);
		free(slot);
	}
}
