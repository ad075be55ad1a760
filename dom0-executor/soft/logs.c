/* SPDX-License-Identifier: MIT */
/*
 * The log of errors. Nothing is kept of it; callbacks get the lines that standard error gets, in the
 * thread that writes them. Any thread.
 */
#include "dom0-executor/soft/logs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-executor/soft/api.h"

struct CUlogsCallbackEntry_st {
	struct CUlogsCallbackEntry_st *next;
	CUlogsCallback function;
	void *user;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct CUlogsCallbackEntry_st *entries; /* owned */

CUresult cuLogsCurrent(CUlogIterator *iterator_out, unsigned int flags)
{
	if (!iterator_out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	*iterator_out = 0;
	return CUDA_SUCCESS;
}

CUresult cuLogsDumpToMemory(CUlogIterator *iterator, char *buffer, size_t *size, unsigned int flags)
{
	(void)iterator;
	(void)flags; /* nobody looks at them */
	if (!buffer || !size || !*size)
		return CUDA_ERROR_INVALID_VALUE;
	*buffer = '\0';
	*size = 0;
	return CUDA_SUCCESS;
}

CUresult cuLogsDumpToFile(CUlogIterator *iterator, const char *pathToFile, unsigned int flags)
{
	FILE *file;

	(void)iterator;
	(void)flags;
	if (!pathToFile)
		return CUDA_ERROR_INVALID_VALUE;
	file = fopen(pathToFile, "we");
	return file && !fclose(file) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuLogsRegisterCallback(CUlogsCallback callbackFunc, void *userData,
				CUlogsCallbackHandle *callback_out)
{
	struct CUlogsCallbackEntry_st *entry;

	if (!callbackFunc)
		return CUDA_ERROR_INVALID_VALUE;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	*entry = (struct CUlogsCallbackEntry_st){entries, callbackFunc, userData};
	entries = entry;
	pthread_mutex_unlock(&lock);
	if (callback_out)
		*callback_out = entry;
	return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle callback)
{
	struct CUlogsCallbackEntry_st **at, *found;

	pthread_mutex_lock(&lock);
	for (at = &entries; *at && *at != callback; at = &(*at)->next)
		;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&lock);
	free(found);
	return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void logs_tell(char *text)
{
	struct CUlogsCallbackEntry_st *next;

	pthread_mutex_lock(&lock);
	for (struct CUlogsCallbackEntry_st *entry = entries; entry; entry = next) {
		next = entry->next;
		entry->function(entry->user, CU_LOG_LEVEL_ERROR, text, strlen(text));
	}
	pthread_mutex_unlock(&lock);
}
