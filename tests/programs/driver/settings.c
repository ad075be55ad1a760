/* SPDX-License-Identifier: MIT */
/*
 * What the driver keeps for a process, or tells it: calls with addresses of 32 bits, notifications, settings of
 * core dumps, descriptors of address ranges, and the state and the lock of the process itself.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/check.h"

/* --- addresses of 32 bits ---------------------------------------------------------------------------------- */

typedef CUresult (*narrow_alloc)(unsigned int *, unsigned int);
typedef CUresult (*narrow_free)(unsigned int);
typedef CUresult (*narrow_copy)(unsigned int, const void *, unsigned int);
typedef CUresult (*narrow_total)(unsigned int *, CUdevice);

static void check_narrow(CUdevice dev)
{
	narrow_alloc alloc = (narrow_alloc)entry_of("cuMemAlloc", 2000);
	narrow_free release = (narrow_free)entry_of("cuMemFree", 2000);
	narrow_copy copy = (narrow_copy)entry_of("cuMemcpyHtoD", 2000);
	narrow_total total = (narrow_total)entry_of("cuDeviceTotalMem", 2000);
	unsigned int address = 7, bytes = 0;
	size_t wide = 0;

	check_result("narrow-alloc", alloc(&address, 4096), CUDA_ERROR_INVALID_CONTEXT);
	check_result("narrow-free", release(0), CUDA_ERROR_INVALID_CONTEXT);
	check_result("narrow-copy", copy(0, "text", 0), CUDA_ERROR_INVALID_CONTEXT);
	CU(total(&bytes, dev));
	CU(cuDeviceTotalMem(&wide, dev));
	check_that(bytes == (wide > UINT32_MAX ? UINT32_MAX : wide), "narrow-total", "%u of %zu",
		   bytes, wide);
}

/* --- notifications ----------------------------------------------------------------------------------------- */

static void notified(CUasyncNotificationInfo *info, void *user, CUasyncCallbackHandle handle)
{
	(void)info;
	(void)user;
	(void)handle;
	check_that(false, "notification", "nothing has to be told");
}

static void check_notification(CUdevice dev)
{
	CUasyncCallbackHandle handle = NULL;

	CU(cuDeviceRegisterAsyncNotification(dev, notified, NULL, &handle));
	check_that(handle != NULL, "notification", "registered");
	check_result("notification-end", cuDeviceUnregisterAsyncNotification(dev, handle),
		     CUDA_SUCCESS);
	check_result("notification-null",
		     cuDeviceRegisterAsyncNotification(dev, NULL, NULL, &handle),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("notification-end-null", cuDeviceUnregisterAsyncNotification(dev, NULL),
		     CUDA_ERROR_INVALID_VALUE);
}

/* --- core dumps -------------------------------------------------------------------------------------------- */

static void check_switches(void)
{
	unsigned char on = 7;
	size_t size = sizeof(on);
	CUresult result;

	CU(cuCoredumpGetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size));
	check_that(on == 0, "dump-off", "%d", on);
	size = 4;
	check_result("dump-size", cuCoredumpGetAttribute(CU_COREDUMP_LIGHTWEIGHT, &on, &size),
		     CUDA_ERROR_INVALID_VALUE);
	size = 0;
	CU(cuCoredumpGetAttributeGlobal(CU_COREDUMP_LIGHTWEIGHT, NULL, &size));
	check_that(size == 1, "dump-ask-size", "%zu", size);
	on = 1;
	size = 4;
	check_result("dump-set-size",
		     cuCoredumpSetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size),
		     CUDA_ERROR_INVALID_VALUE);
	size = 1;
	/* Where no dump can be had, that is said. */
	result = cuCoredumpSetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size);
	check_that(result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_SUPPORTED, "dump-on", "%s",
		   result_name(result));
	on = 0;
	check_result("dump-set-off",
		     cuCoredumpSetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size),
		     CUDA_SUCCESS);
	check_result("dump-unknown", cuCoredumpGetAttribute((CUcoredumpSettings)8, &on, &size),
		     CUDA_ERROR_INVALID_VALUE);
}

static void check_values(void)
{
	static const char name[] = "/tmp/core.of.mine";
	unsigned int flags = 77, set = CU_COREDUMP_SKIP_LOCAL_MEMORY;
	size_t size = sizeof(flags), length = sizeof(name), room = 1024;
	char text[1024] = "";

	CU(cuCoredumpGetAttribute(CU_COREDUMP_GENERATION_FLAGS, &flags, &size));
	check_that(flags == 0, "dump-flags", "%u", flags);
	CU(cuCoredumpSetAttribute(CU_COREDUMP_GENERATION_FLAGS, &set, &size));
	CU(cuCoredumpGetAttribute(CU_COREDUMP_GENERATION_FLAGS, &flags, &size));
	check_that(flags == set, "dump-flags-set", "%u", flags);
	CU(cuCoredumpGetAttributeGlobal(CU_COREDUMP_GENERATION_FLAGS, &flags, &size));
	check_that(flags == 0, "dump-flags-global", "%u: the context has its own", flags);
	CU(cuCoredumpSetAttributeGlobal(CU_COREDUMP_FILE, (void *)name, &length));
	CU(cuCoredumpGetAttributeGlobal(CU_COREDUMP_FILE, text, &room));
	check_that(!strcmp(text, name), "dump-file", "%s", text);
	room = 1024;
	CU(cuCoredumpGetAttributeGlobal(CU_COREDUMP_PIPE, text, &room));
	room = 1024;
	check_result("dump-pipe", cuCoredumpGetAttribute(CU_COREDUMP_PIPE, text, &room),
		     CUDA_ERROR_INVALID_VALUE);
}

/* --- descriptors of address ranges ------------------------------------------------------------------------- */

static void check_range(CUdevice dev)
{
	int there = device_attribute(dev, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED), fd = -1;
	CUmemRangeHandleType type = CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD;
	size_t size = 2 << 20;
	CUdeviceptr p = 0;

	CU(cuMemAlloc(&p, size));
	check_result("range-null", cuMemGetHandleForAddressRange(NULL, p, size, type, 0),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("range-type",
		     cuMemGetHandleForAddressRange(&fd, p, size, (CUmemRangeHandleType)9, 0),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("range", cuMemGetHandleForAddressRange(&fd, p, size, type, 0),
		     there ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED);
	if (fd >= 0)
		close(fd);
	CU(cuMemFree(p));
}

/* --- the process's state and lock -------------------------------------------------------------------------- */

struct caller {
	CUcontext context;
	CUresult result;
};

static void *caller_run(void *argument)
{
	struct caller *caller = argument;

	caller->result = cuCtxSetCurrent(caller->context);
	if (!caller->result)
		caller->result = cuCtxSynchronize();
	return NULL;
}

static void check_locked(int pid)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	CUprocessState state = CU_PROCESS_STATE_FAILED;
	struct caller caller = {.result = CUDA_ERROR_UNKNOWN};
	pthread_t thread;

	CU(cuCtxGetCurrent(&caller.context));
	CU(cuCheckpointProcessLock(pid, NULL));
	CU(cuCheckpointProcessGetState(pid, &state));
	check_that(state == CU_PROCESS_STATE_LOCKED, "locked", "state %d", (int)state);
	check_result("lock-twice", cuCheckpointProcessLock(pid, NULL), CUDA_ERROR_ILLEGAL_STATE);
	/* Whether it waits for the end of the lock differs: here each call does, natively this one does not. */
	if (pthread_create(&thread, NULL, caller_run, &caller))
		exit(2);
	nanosleep(&moment, NULL);
	CU(cuCheckpointProcessUnlock(pid, NULL));
	pthread_join(thread, NULL);
	check_result("unlocked-call", caller.result, CUDA_SUCCESS);
	CU(cuCheckpointProcessGetState(pid, &state));
	check_that(state == CU_PROCESS_STATE_RUNNING, "unlocked", "state %d", (int)state);
	check_result("unlock-twice", cuCheckpointProcessUnlock(pid, NULL),
		     CUDA_ERROR_ILLEGAL_STATE);
}

static void check_process(void)
{
	CUcheckpointLockArgs args = {.reserved0 = 1};
	CUprocessState state = CU_PROCESS_STATE_FAILED;
	int pid = getpid(), tid = 0, gone = fork();

	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	CU(cuCheckpointProcessGetState(pid, &state));
	check_that(state == CU_PROCESS_STATE_RUNNING, "state", "%d", (int)state);
	CU(cuCheckpointProcessGetRestoreThreadId(pid, &tid));
	check_that(tid > 0, "restore-thread", "%d", tid);
	check_result("state-init", cuCheckpointProcessGetState(1, &state),
		     CUDA_ERROR_NOT_INITIALIZED);
	check_result("state-gone", cuCheckpointProcessGetState(gone, &state),
		     CUDA_ERROR_OPERATING_SYSTEM);
	check_result("state-null", cuCheckpointProcessGetState(pid, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("lock-reserved", cuCheckpointProcessLock(pid, &args),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("checkpoint-unlocked", cuCheckpointProcessCheckpoint(pid, NULL),
		     CUDA_ERROR_ILLEGAL_STATE);
	check_result("restore-running", cuCheckpointProcessRestore(pid, NULL),
		     CUDA_ERROR_ILLEGAL_STATE);
	check_locked(pid);
}

int main(void)
{
	CUprocessState state;
	CUdevice dev;

	check_result("state-before-init", cuCheckpointProcessGetState(getpid(), &state),
		     CUDA_ERROR_NOT_INITIALIZED);
	dev = device_open();
	check_narrow(dev);
	check_notification(dev);
	check_switches();
	check_values();
	check_range(dev);
	check_process();
	device_close(dev);
	return check_end();
}
