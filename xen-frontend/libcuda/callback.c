/* SPDX-License-Identifier: MIT */
/*
 * Host functions and stream callbacks. One thread of ours, started at first use, asks the executor
 * for the next one whose turn has come, calls it, and says that it is done; the stream waits over there
 * until then. Entries are found by a number of ours, so two with the same function and data are two.
 */
#include "xen-frontend/libcuda/callback.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "protocol/session_info.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/session.h"

#define BUCKETS 1024u

struct entry {
	uint64_t id;
	CUhostFn host;                    /* cuLaunchHostFunc */
	CUstreamCallback stream_callback; /* cuStreamAddCallback */
	CUstream stream;
	void *user;
	struct entry *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];
static uint64_t last_id;
static bool thread_runs;

static struct entry **entry_find(uint64_t id)
{
	struct entry **at = &buckets[id % BUCKETS];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* Copies the entry out; removes it when this was its last call. */
static bool entry_take(uint64_t id, bool last, struct entry *out)
{
	struct entry **at, *entry;

	pthread_mutex_lock(&lock);
	at = entry_find(id);
	entry = *at;
	if (entry) {
		*out = *entry;
		if (last) {
			*at = entry->next;
			free(entry);
		}
	}
	pthread_mutex_unlock(&lock);
	return entry != NULL;
}

static void entry_call(const struct entry *entry, CUresult status)
{
	if (entry->host)
		entry->host(entry->user);
	else
		entry->stream_callback(entry->stream, status, entry->user);
}

static void *callback_thread(void *arg)
{
	(void)arg;
	fe_in_callback = true;
	for (;;) {
		uint64_t id, ticket;
		int status, last;
		struct entry entry;

		if (rpc_vgHostFuncWait(&id, &ticket, &status, &last))
			break;
		if (!ticket)
			continue; /* nothing came in a while */
		if (entry_take(id, last, &entry) && last != VG_HOST_TURN_NONE)
			entry_call(&entry, (CUresult)status);
		if (rpc_vgHostFuncDone(ticket))
			break;
	}
	pthread_mutex_lock(&lock);
	thread_runs = false;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Under the lock. The program's signals are the program's threads' business. */
static bool thread_start(void)
{
	sigset_t all, old;
	pthread_t thread;

	if (thread_runs)
		return true;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV); /* a touch of managed memory (fault.h) */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	thread_runs = !pthread_create(&thread, NULL, callback_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (thread_runs)
		pthread_detach(thread);
	return thread_runs;
}

static uint64_t entry_add(struct entry entry)
{
	struct entry *copy = malloc(sizeof(*copy));
	struct entry **bucket;
	uint64_t id = 0;

	if (!copy)
		return 0;
	pthread_mutex_lock(&lock);
	if (thread_start()) {
		*copy = entry;
		id = copy->id = ++last_id;
		bucket = &buckets[id % BUCKETS];
		copy->next = *bucket;
		*bucket = copy;
		copy = NULL;
	}
	pthread_mutex_unlock(&lock);
	free(copy);
	return id;
}

uint64_t fe_host_func_new(CUhostFn fn, void *user)
{
	return entry_add((struct entry){.host = fn, .user = user});
}

void fe_host_func_drop(uint64_t id)
{
	struct entry gone;

	entry_take(id, true, &gone);
}

bool fe_host_func_find(uint64_t id, CUhostFn *fn, void **user)
{
	struct entry entry;

	if (!entry_take(id, false, &entry) || !entry.host)
		return false;
	*fn = entry.host;
	*user = entry.user;
	return true;
}

static CUresult func_submit(CUstream stream, uint64_t id, enum vg_host_func kind)
{
	CUresult result;

	if (!id)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgHostFunc(stream, id, kind);
	if (result)
		fe_host_func_drop(id);
	return result;
}

CUresult fe_cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData)
{
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	return func_submit(hStream, fe_host_func_new(fn, userData), VG_HOST_FUNC);
}

CUresult fe_cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData,
				unsigned int flags)
{
	struct entry entry = {.stream_callback = callback, .stream = hStream, .user = userData};

	if (!callback || flags)
		return CUDA_ERROR_INVALID_VALUE;
	return func_submit(hStream, entry_add(entry), VG_STREAM_CALLBACK);
}

void fe_callback_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	thread_runs = false;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		while (buckets[i]) {
			struct entry *next = buckets[i]->next;

			free(buckets[i]);
			buckets[i] = next;
		}
	}
}
