/* SPDX-License-Identifier: MIT */
/*
 * Links (cuLink*). The driver writes to the logs and values that it was given at creation for as long
 * as its state lives, so they live here with it. A link is used by one lane at a time and freed by
 * whoever is the last to let it go. Runs in lanes' threads.
 */
#include "dom0-executor/link.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/jit.h"
#include "dom0-executor/lane.h"

#define LINKS_MAX 64u

struct ex_link {
	struct ex_link *next;
	unsigned int uses; /* its handle, and lanes at work; under the session's link_lock */
	pthread_mutex_t lock;
	CUlinkState state; /* the driver's; NULL once destroyed */
	CUjit_option *options;
	void **values;
	char *info, *error;
	size_t info_room, error_room;
	const void *image; /* the driver's, after completion */
	size_t image_size;
};

static void link_free(struct ex_link *link)
{
	if (!link)
		return;
	pthread_mutex_destroy(&link->lock);
	free(link->options);
	free(link->values);
	free(link->info);
	free(link->error);
	free(link);
}

static struct ex_link **link_find(struct ex_session *session, const void *link)
{
	struct ex_link **at = &session->links;

	while (*at && *at != link)
		at = &(*at)->next;
	return at;
}

void ex_link_forget(struct ex_session *session, void *real)
{
	struct ex_link *gone = NULL;
	struct ex_link **at;

	pthread_mutex_lock(&session->link_lock);
	at = link_find(session, real);
	if (*at && --(*at)->uses == 0) {
		gone = *at;
		*at = gone->next;
		session->links_count--;
	}
	pthread_mutex_unlock(&session->link_lock);
	link_free(gone);
}

/* Locked and in use; end with link_put. NULL: there is none. */
static struct ex_link *link_take(struct ex_session *session, const void *real)
{
	struct ex_link *link;

	pthread_mutex_lock(&session->link_lock);
	link = *link_find(session, real);
	if (link)
		link->uses++;
	pthread_mutex_unlock(&session->link_lock);
	if (!link)
		return NULL;
	pthread_mutex_lock(&link->lock);
	if (link->state)
		return link;
	pthread_mutex_unlock(&link->lock);
	ex_link_forget(session, link);
	return NULL;
}

static struct ex_link *link_take_handle(struct ex_call *call, uint64_t handle)
{
	void *real;

	if (ex_handle_get(call, VG_HANDLE_CUlinkState, handle, 0, &real))
		return NULL;
	return link_take(call->session, real);
}

static void link_put(struct ex_session *session, struct ex_link *link)
{
	pthread_mutex_unlock(&link->lock);
	ex_link_forget(session, link);
}

/* --- creation ----------------------------------------------------------------------------------- */

static struct ex_link *link_new(unsigned int count, size_t info_room, size_t error_room)
{
	struct ex_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	pthread_mutex_init(&link->lock, NULL);
	link->uses = 1;
	link->info_room = info_room;
	link->error_room = error_room;
	link->info = calloc(1, info_room + 1);
	link->error = calloc(1, error_room + 1);
	link->options = calloc((size_t)count + 1, sizeof(*link->options));
	link->values = calloc((size_t)count + 1, sizeof(*link->values));
	if (link->info && link->error && link->options && link->values)
		return link;
	link_free(link);
	return NULL;
}

static bool link_enter(struct ex_session *session, struct ex_link *link)
{
	bool fits;

	pthread_mutex_lock(&session->link_lock);
	fits = session->links_count < LINKS_MAX;
	if (fits) {
		link->next = session->links;
		session->links = link;
		session->links_count++;
	}
	pthread_mutex_unlock(&session->link_lock);
	return fits;
}

CUresult ex_vgLinkCreate(struct ex_call *call, CUlinkState *state, unsigned int count,
			 const CUjit_option *options, const uint64_t *values, size_t info_room,
			 size_t error_room)
{
	struct ex_jit_logs logs = {.info_room = info_room, .error_room = error_room};
	struct ex_link *link;
	struct ex_jit jit;
	CUresult result;

	if (!ex_driver.cuLinkCreate_v2 || !ex_driver.cuLinkDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (info_room > EX_JIT_LOG_MAX || error_room > EX_JIT_LOG_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	link = link_new(count, info_room, error_room);
	if (!link)
		return CUDA_ERROR_OUT_OF_MEMORY;
	logs.info = link->info;
	logs.error = link->error;
	result = ex_jit_read(call, count, options, values, &logs, &jit);
	if (!result) {
		memcpy(link->options, jit.options, jit.count * sizeof(*jit.options));
		memcpy(link->values, jit.values, jit.count * sizeof(*jit.values));
		result = ex_driver.cuLinkCreate_v2(jit.count, link->options, link->values,
						   &link->state);
	}
	if (!result && !link_enter(call->session, link)) {
		ex_driver.cuLinkDestroy(link->state);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result)
		link_free(link);
	else
		*state = (CUlinkState)link;
	return result;
}

CUresult ex_cuLinkDestroy(struct ex_call *call, CUlinkState state)
{
	struct ex_link *link = link_take(call->session, state);
	CUresult result;

	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	result = ex_driver.cuLinkDestroy(link->state);
	link->state = NULL;
	link_put(call->session, link);
	return result;
}

/* --- use ---------------------------------------------------------------------------------------- */

static void log_copy(void *to, size_t room, const char *from, size_t from_room)
{
	if (to && room)
		memcpy(to, from, vg_min(room, from_room));
}

CUresult ex_vgLinkAdd(struct ex_call *call, uint64_t state, CUjitInputType type, const char *name,
		      size_t size, unsigned int count, const CUjit_option *options,
		      const uint64_t *values, size_t info_room, size_t error_room, void *info,
		      void *error)
{
	const struct ex_jit_logs none = {0}; /* logs are the link's */
	const void *data = ex_bulk_whole(call);
	struct ex_link *link;
	struct ex_jit jit;
	CUresult result;

	if (!data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_jit_read(call, count, options, values, &none, &jit);
	if (result)
		return result;
	link = link_take_handle(call, state);
	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	result = !ex_driver.cuLinkAddData_v2
			 ? CUDA_ERROR_NOT_SUPPORTED
			 : ex_driver.cuLinkAddData_v2(link->state, type, (void *)data, size, name,
						      jit.count, jit.options, jit.values);
	log_copy(info, info_room, link->info, link->info_room);
	log_copy(error, error_room, link->error, link->error_room);
	link_put(call->session, link);
	return result;
}

CUresult ex_vgLinkComplete(struct ex_call *call, uint64_t state, size_t info_room,
			   size_t error_room, size_t *size, void *info, void *error)
{
	struct ex_link *link = link_take_handle(call, state);
	void *image = NULL;
	CUresult result;

	*size = 0;
	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	result = ex_driver.cuLinkComplete ? ex_driver.cuLinkComplete(link->state, &image, size)
					  : CUDA_ERROR_NOT_SUPPORTED;
	link->image = result ? NULL : image;
	link->image_size = result ? 0 : *size;
	log_copy(info, info_room, link->info, link->info_room);
	log_copy(error, error_room, link->error, link->error_room);
	link_put(call->session, link);
	return result;
}

static CUresult image_send(struct ex_call *call, const struct ex_link *link)
{
	void *span;

	if (!ex_reply_bulk_begin(call, link->image_size))
		return CUDA_ERROR_UNKNOWN;
	for (size_t at = 0, n; at < link->image_size; at += n) {
		n = ex_reply_bulk_span(call, &span, link->image_size - at);
		if (!n)
			return CUDA_ERROR_UNKNOWN;
		memcpy(span, (const uint8_t *)link->image + at, n);
		ex_reply_bulk_commit(call, n);
	}
	return CUDA_SUCCESS;
}

CUresult ex_vgLinkFetch(struct ex_call *call, uint64_t state, size_t size)
{
	struct ex_link *link = link_take_handle(call, state);
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	if (link->image && size == link->image_size)
		result = image_send(call, link);
	link_put(call->session, link);
	return result;
}
