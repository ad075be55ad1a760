/* SPDX-License-Identifier: MIT */
/*
 * Notifications of a device: the only one that there is, of a memory budget, comes on Windows alone. So
 * callbacks are taken and never called. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/session.h"

struct CUasyncCallbackEntry_st {
	struct CUasyncCallbackEntry_st *next;
	CUdevice device;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUasyncCallbackEntry_st *entries; /* owned */

CUresult fe_cuDeviceRegisterAsyncNotification(CUdevice device, CUasyncCallback callbackFunc,
					      void *userData, CUasyncCallbackHandle *callback)
{
	CUresult result = fe_device_check(device);
	struct CUasyncCallbackEntry_st *entry;

	(void)userData;
	if (result)
		return result;
	if (!callbackFunc || !callback)
		return CUDA_ERROR_INVALID_VALUE;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	*entry = (struct CUasyncCallbackEntry_st){.next = entries, .device = device};
	entries = entry;
	pthread_mutex_unlock(&lock);
	*callback = entry;
	return CUDA_SUCCESS;
}

CUresult fe_cuDeviceUnregisterAsyncNotification(CUdevice device, CUasyncCallbackHandle callback)
{
	struct CUasyncCallbackEntry_st **at, *found;

	if (fe_device_check(device))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	for (at = &entries; *at && (*at != callback || (*at)->device != device); at = &(*at)->next)
		;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&lock);
	free(found);
	return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void fe_notification_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}
