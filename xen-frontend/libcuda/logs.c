/* SPDX-License-Identifier: MIT */
/*
 * The driver's own log of errors, which is over there; files are this program's. Callbacks are called in the
 * thread whose call has failed, before it returns: with what the driver has said of that thread's
 * commands, then with the line about the call itself, which is made here since the driver may have been asked by
 * another name, or not at all. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/logs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/errors.h"
#include "protocol/session_info.h"
#include "protocol/wire.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/session.h"

/* As large as the driver's log becomes, with what it says of lost lines. */
#define LOG_MAX (64u * 1024)

CUresult fe_cuLogsDumpToMemory(CUlogIterator *iterator, char *buffer, size_t *size,
			       unsigned int flags)
{
	CUlogIterator at = iterator ? *iterator : 0;
	CUresult result;
	size_t room;

	(void)flags; /* the driver does not look at them */
	if (!buffer || !size || !*size)
		return CUDA_ERROR_INVALID_VALUE;
	room = vg_min(*size - 1, LOG_MAX); /* its end is ours to write */
	*size = 0;
	result = rpc_vgLogsDump(iterator != NULL, &at, &room, buffer, 0);
	if (result)
		return result;
	*size = room;
	buffer[room] = '\0';
	if (iterator)
		*iterator = at;
	return CUDA_SUCCESS;
}

CUresult fe_cuLogsDumpToFile(CUlogIterator *iterator, const char *pathToFile, unsigned int flags)
{
	char *text = malloc(LOG_MAX);
	size_t size = LOG_MAX;
	CUresult result;
	FILE *file;
	bool good;

	if (!text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = pathToFile ? fe_cuLogsDumpToMemory(iterator, text, &size, flags)
			    : CUDA_ERROR_INVALID_VALUE;
	if (!result) {
		file = fopen(pathToFile, "we");
		good = file && fwrite(text, 1, size, file) == size;
		if (file && fclose(file))
			good = false;
		result = good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	}
	free(text);
	return result;
}

/* --- callbacks ---------------------------------------------------------------------------------- */

struct CUlogsCallbackEntry_st {
	struct CUlogsCallbackEntry_st *next;
	CUlogsCallback function;
	void *user;
};

atomic_uint fe_logs_listeners;

/* Held while callbacks run, as each is to have returned for good when it has been unregistered. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct CUlogsCallbackEntry_st *entries; /* owned */

/* This thread is in a callback: what fails there is told to nobody. */
static __thread bool telling __attribute__((tls_model("initial-exec")));

CUresult fe_cuLogsRegisterCallback(CUlogsCallback callbackFunc, void *userData,
				   CUlogsCallbackHandle *callback_out)
{
	struct CUlogsCallbackEntry_st *entry;
	unsigned int size;

	if (!callbackFunc)
		return CUDA_ERROR_INVALID_VALUE;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* A driver of before CUDA 12.9 has nothing to say; the lines of ours come all the same. */
	if (!atomic_load(&fe_logs_listeners))
		(void)rpc_vgLogsFetch(0, &size, NULL);
	pthread_mutex_lock(&lock);
	*entry = (struct CUlogsCallbackEntry_st){entries, callbackFunc, userData};
	entries = entry;
	atomic_fetch_add(&fe_logs_listeners, 1);
	pthread_mutex_unlock(&lock);
	if (callback_out)
		*callback_out = entry;
	return CUDA_SUCCESS;
}

CUresult fe_cuLogsUnregisterCallback(CUlogsCallbackHandle callback)
{
	struct CUlogsCallbackEntry_st **at, *found;

	pthread_mutex_lock(&lock);
	for (at = &entries; *at && *at != callback; at = &(*at)->next)
		;
	found = *at;
	if (found) {
		*at = found->next;
		atomic_fetch_sub(&fe_logs_listeners, 1);
	}
	pthread_mutex_unlock(&lock);
	free(found);
	return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void fe_logs_reset(void)
{
	const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	lock = fresh;
	telling = false;
}

/* The lock is held. A callback may unregister itself, so the next one is found before it is called. */
static void line_tell(CUlogLevel level, char *text, size_t length)
{
	struct CUlogsCallbackEntry_st *next;

	for (struct CUlogsCallbackEntry_st *entry = entries; entry; entry = next) {
		next = entry->next;
		entry->function(entry->user, level, text, length);
	}
}

/* Lines as they have come; each is made a text of its own. */
static void lines_tell(const uint8_t *lines, size_t size)
{
	char text[VG_LOG_LINE_MAX + 1];
	struct vg_log_line head;

	while (size >= sizeof(head)) {
		memcpy(&head, lines, sizeof(head));
		lines += sizeof(head);
		size -= sizeof(head);
		if (head.length > VG_LOG_LINE_MAX || vg_pad8(head.length) > size)
			return;
		memcpy(text, lines, head.length);
		text[head.length] = '\0';
		lines += vg_pad8(head.length);
		size -= vg_pad8(head.length);
		line_tell(head.level == CU_LOG_LEVEL_WARNING ? CU_LOG_LEVEL_WARNING
							     : CU_LOG_LEVEL_ERROR,
			  text, head.length);
	}
}

void fe_logs_tell(const char *symbol, CUresult result)
{
	uint8_t lines[VG_LOG_LINES_MAX];
	const char *name = vg_error_name((int)result);
	unsigned int size = 0;
	char text[256];

	/* That something goes on is no error. */
	if (telling || result == CUDA_ERROR_NOT_READY)
		return;
	telling = true;
	if (atomic_load(&fe_session.state) != FE_SESSION_OPEN ||
	    rpc_vgLogsFetch(sizeof(lines), &size, lines))
		size = 0;
	pthread_mutex_lock(&lock);
	lines_tell(lines, vg_min(size, sizeof(lines)));
	snprintf(text, sizeof(text), "Returning %d (%s) from %s", (int)result, name ? name : "?",
		 symbol);
	line_tell(CU_LOG_LEVEL_ERROR, text, strlen(text));
	pthread_mutex_unlock(&lock);
	telling = false;
}
