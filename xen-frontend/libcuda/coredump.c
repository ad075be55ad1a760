/* SPDX-License-Identifier: MIT */
/*
 * Settings of core dumps, kept as the driver keeps them: for the process, and for a context where it has
 * been given one of its own. No dump is ever written (the memory and the registers are in another
 * process, on the host), so what would have one written cannot be switched on. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/session.h"

#define TEXT_MAX 1024u /* with its NUL */

struct settings {
	bool on_exception, trigger_host, lightweight, user_trigger;
	unsigned int flags;
	char file[TEXT_MAX], pipe[TEXT_MAX];
};

/* What one context has of its own: bits of CUcoredumpSettings. */
struct own {
	struct own *next;
	CUcontext context;
	unsigned int set;
	struct settings settings;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings global = {.trigger_host = true};
static struct own *owns; /* owned; the lock's */

/* Where it is, and its size; NULL: there is no such setting. */
static void *place_of(struct settings *settings, CUcoredumpSettings attrib, size_t *size)
{
	*size = sizeof(bool);
	switch (attrib) {
	case CU_COREDUMP_ENABLE_ON_EXCEPTION: return &settings->on_exception;
	case CU_COREDUMP_TRIGGER_HOST: return &settings->trigger_host;
	case CU_COREDUMP_LIGHTWEIGHT: return &settings->lightweight;
	case CU_COREDUMP_ENABLE_USER_TRIGGER: return &settings->user_trigger;
	case CU_COREDUMP_GENERATION_FLAGS: *size = sizeof(settings->flags); return &settings->flags;
	case CU_COREDUMP_FILE: *size = TEXT_MAX; return settings->file;
	case CU_COREDUMP_PIPE: *size = TEXT_MAX; return settings->pipe;
	default: return NULL;
	}
}

static bool is_text(CUcoredumpSettings attrib)
{
	return attrib == CU_COREDUMP_FILE || attrib == CU_COREDUMP_PIPE;
}

/* The pipe is the process's. */
static bool is_global_only(CUcoredumpSettings attrib)
{
	return attrib == CU_COREDUMP_ENABLE_USER_TRIGGER || attrib == CU_COREDUMP_PIPE;
}

/* --- values --------------------------------------------------------------------------------------- */

static CUresult text_get(const char *from, void *value, size_t *size)
{
	size_t length = strlen(from) + 1;

	if (*size < length)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(value, from, length);
	return CUDA_SUCCESS;
}

static CUresult value_get(struct settings *settings, CUcoredumpSettings attrib, void *value,
			  size_t *size)
{
	size_t own;
	const void *from = place_of(settings, attrib, &own);

	if (is_text(attrib))
		return text_get(from, value, size);
	if (*size != own)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(value, from, own);
	return CUDA_SUCCESS;
}

static CUresult text_set(char *to, const char *value, size_t size)
{
	size_t length = strnlen(value, size < TEXT_MAX ? size : TEXT_MAX);

	if (length == TEXT_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(to, value, length);
	to[length] = '\0';
	return CUDA_SUCCESS;
}

static CUresult flags_set(unsigned int *flags, const void *value)
{
	unsigned int wanted;

	memcpy(&wanted, value, sizeof(wanted));
	if (wanted & ~(unsigned int)(CU_COREDUMP_LIGHTWEIGHT_FLAGS | CU_COREDUMP_SKIP_ABORT))
		return CUDA_ERROR_INVALID_VALUE;
	*flags = wanted;
	return CUDA_SUCCESS;
}

static CUresult switch_set(bool *to, CUcoredumpSettings attrib, const void *value)
{
	unsigned char wanted;

	memcpy(&wanted, value, sizeof(wanted));
	if (wanted && (attrib == CU_COREDUMP_ENABLE_ON_EXCEPTION ||
		       attrib == CU_COREDUMP_ENABLE_USER_TRIGGER))
		return CUDA_ERROR_NOT_SUPPORTED;
	*to = wanted != 0;
	return CUDA_SUCCESS;
}

static CUresult value_set(struct settings *settings, CUcoredumpSettings attrib, const void *value,
			  size_t size)
{
	size_t own;
	void *to = place_of(settings, attrib, &own);

	if (is_text(attrib))
		return text_set(to, value, size);
	if (size != own)
		return CUDA_ERROR_INVALID_VALUE;
	if (attrib == CU_COREDUMP_GENERATION_FLAGS)
		return flags_set(to, value);
	return switch_set(to, attrib, value);
}

/* --- whose (the lock is held) ------------------------------------------------------------------- */

static struct own *own_find(CUcontext context)
{
	struct own *own = owns;

	while (own && own->context != context)
		own = own->next;
	return own;
}

static struct own *own_make(CUcontext context)
{
	struct own *own = own_find(context);

	if (own)
		return own;
	own = calloc(1, sizeof(*own));
	if (!own)
		return NULL;
	own->context = context;
	own->next = owns;
	owns = own;
	return own;
}

/* A context's own value, or else the process's. */
static struct settings *settings_of(CUcontext context, CUcoredumpSettings attrib)
{
	struct own *own = context ? own_find(context) : NULL;

	return own && (own->set & 1u << attrib) ? &own->settings : &global;
}

/* --- the calls ------------------------------------------------------------------------------------ */

/* True: there is nothing more to do than to return *result. */
static bool is_question(CUcoredumpSettings attrib, const void *value, size_t *size,
			CUresult *result)
{
	size_t own;

	*result = CUDA_ERROR_INVALID_VALUE;
	if (!size || !place_of(&global, attrib, &own))
		return true;
	if (value)
		return false;
	*size = own;
	*result = CUDA_SUCCESS;
	return true;
}

static CUresult get(CUcontext context, CUcoredumpSettings attrib, void *value, size_t *size)
{
	CUresult result;

	if (is_question(attrib, value, size, &result))
		return result;
	pthread_mutex_lock(&lock);
	result = value_get(settings_of(context, attrib), attrib, value, size);
	pthread_mutex_unlock(&lock);
	return result;
}

static CUresult set(CUcontext context, CUcoredumpSettings attrib, const void *value, size_t *size)
{
	struct own *own = NULL;
	CUresult result;

	if (is_question(attrib, value, size, &result))
		return result;
	pthread_mutex_lock(&lock);
	if (context)
		own = own_make(context);
	if (context && !own)
		result = CUDA_ERROR_OUT_OF_MEMORY;
	else
		result = value_set(own ? &own->settings : &global, attrib, value, *size);
	if (own && !result)
		own->set |= 1u << attrib;
	pthread_mutex_unlock(&lock);
	return result;
}

/* Of the current context. */
static CUresult context_of(CUcoredumpSettings attrib, CUcontext *context)
{
	*context = fe_context_current();
	if (!*context)
		return CUDA_ERROR_INVALID_CONTEXT;
	return is_global_only(attrib) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult fe_cuCoredumpGetAttribute(CUcoredumpSettings attrib, void *value, size_t *size)
{
	CUcontext context;
	CUresult result = context_of(attrib, &context);

	return result ? result : get(context, attrib, value, size);
}

CUresult fe_cuCoredumpSetAttribute(CUcoredumpSettings attrib, void *value, size_t *size)
{
	CUcontext context;
	CUresult result = context_of(attrib, &context);

	return result ? result : set(context, attrib, value, size);
}

CUresult fe_cuCoredumpGetAttributeGlobal(CUcoredumpSettings attrib, void *value, size_t *size)
{
	return get(NULL, attrib, value, size);
}

CUresult fe_cuCoredumpSetAttributeGlobal(CUcoredumpSettings attrib, void *value, size_t *size)
{
	return set(NULL, attrib, value, size);
}

void fe_coredump_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}
