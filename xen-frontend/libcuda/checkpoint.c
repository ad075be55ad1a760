/* SPDX-License-Identifier: MIT */
/*
 * Locking a process, and what is known of a process's state. A lock is this library's: calls that come
 * wait here, those under way end, what has been sent goes on, as with the driver's lock. There is no
 * checkpoint behind it. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/checkpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/session.h"

atomic_bool fe_checkpoint_locked;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unlocked = PTHREAD_COND_INITIALIZER;

/* A sleeper looks again after this: nobody tells a thread without a call that the executor has ended. */
#define LOOK_S 1

/* False: it is unlocked, or there is no session any more. */
static bool wait_once(void)
{
	struct timespec until;
	bool waits;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOOK_S;
	pthread_mutex_lock(&lock);
	waits = atomic_load(&fe_checkpoint_locked) &&
		atomic_load(&fe_session.state) == FE_SESSION_OPEN;
	if (waits)
		pthread_cond_timedwait(&unlocked, &lock, &until);
	pthread_mutex_unlock(&lock);
	return waits;
}

void fe_checkpoint_wait(void)
{
	while (wait_once() && fe_lane_executor_there())
		;
}

void fe_checkpoint_wake(void)
{
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&unlocked);
	pthread_mutex_unlock(&lock);
}

void fe_checkpoint_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&unlocked, NULL);
	atomic_store(&fe_checkpoint_locked, false);
}

/* --- whose ---------------------------------------------------------------------------------------- */

/* Whether a process has a CUDA driver loaded, as far as this user may know. */
static bool has_driver(int pid)
{
	char path[64], line[4352];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, "/libcuda.so") != NULL;
	if (maps)
		fclose(maps);
	return found;
}

/* This process is the only one whose calls can be held back. */
static CUresult process_check(int pid)
{
	switch (atomic_load(&fe_session.state)) {
	case FE_SESSION_OPEN: break;
	case FE_SESSION_LOST: return (CUresult)atomic_load(&fe_session.lost);
	default: return CUDA_ERROR_NOT_INITIALIZED;
	}
	if (pid == getpid())
		return CUDA_SUCCESS;
	if (pid <= 0 || (kill(pid, 0) && errno == ESRCH))
		return CUDA_ERROR_OPERATING_SYSTEM;
	return has_driver(pid) ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_NOT_INITIALIZED;
}

/* Bytes of arguments that must be zero. */
static bool is_zero(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	while (size && !*at) {
		at++;
		size--;
	}
	return !size;
}

/* --- the calls ------------------------------------------------------------------------------------ */

/* The thread that would restore is the process's first, as it is the one that is always there. */
CUresult fe_cuCheckpointProcessGetRestoreThreadId(int pid, int *tid)
{
	CUresult result = process_check(pid);

	if (!tid)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*tid = pid;
	return result;
}

CUresult fe_cuCheckpointProcessGetState(int pid, CUprocessState *state)
{
	CUresult result = process_check(pid);

	if (!state)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*state = atomic_load(&fe_checkpoint_locked) ? CU_PROCESS_STATE_LOCKED
							    : CU_PROCESS_STATE_RUNNING;
	return result;
}

CUresult fe_cuCheckpointProcessLock(int pid, CUcheckpointLockArgs *args)
{
	CUresult result = process_check(pid);

	if (args && (args->reserved0 || !is_zero(args->reserved1, sizeof(args->reserved1))))
		return CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	return atomic_exchange(&fe_checkpoint_locked, true) ? CUDA_ERROR_ILLEGAL_STATE
							    : CUDA_SUCCESS;
}

CUresult fe_cuCheckpointProcessUnlock(int pid, CUcheckpointUnlockArgs *args)
{
	CUresult result = process_check(pid);

	if (args && !is_zero(args, sizeof(*args)))
		return CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	if (!atomic_exchange(&fe_checkpoint_locked, false))
		return CUDA_ERROR_ILLEGAL_STATE;
	fe_checkpoint_wake();
	return CUDA_SUCCESS;
}

CUresult fe_cuCheckpointProcessCheckpoint(int pid, CUcheckpointCheckpointArgs *args)
{
	CUresult result = process_check(pid);

	if (args && !is_zero(args, sizeof(*args)))
		return CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	return atomic_load(&fe_checkpoint_locked) ? CUDA_ERROR_NOT_SUPPORTED
						  : CUDA_ERROR_ILLEGAL_STATE;
}

/* No process of a guest is ever in the state that can be restored. */
CUresult fe_cuCheckpointProcessRestore(int pid, CUcheckpointRestoreArgs *args)
{
	CUresult result = process_check(pid);

	if (args && (args->reserved1 || !is_zero(args->reserved, sizeof(args->reserved)) ||
		     (args->gpuPairsCount && !args->gpuPairs)))
		return CUDA_ERROR_INVALID_VALUE;
	return result ? result : CUDA_ERROR_ILLEGAL_STATE;
}
