/* SPDX-License-Identifier: MIT */
/* cuInit, versions, and what the driver answers without a device. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"

#include <pthread.h>
#include <string.h>

#define DRIVER_VERSION 13000

static struct {
	pthread_once_t once;
	CUresult result;
	atomic_bool ready;
} driver = {.once = PTHREAD_ONCE_INIT};

_Thread_local bool thread_in_host_function;

/* A forked child has the memory of the device, but none of its threads. */
static void forked(void)
{
	atomic_store(&driver.ready, false);
	driver.result = CUDA_ERROR_NOT_INITIALIZED;
}

static void driver_init(void)
{
	driver.result = device_init_all();
	if (driver.result != CUDA_SUCCESS)
		return;
	pthread_atfork(NULL, NULL, forked);
	atomic_store(&driver.ready, true);
}

CUresult driver_enter(void)
{
	if (!atomic_load_explicit(&driver.ready, memory_order_acquire))
		return CUDA_ERROR_NOT_INITIALIZED;
	if (thread_in_host_function)
		return CUDA_ERROR_NOT_PERMITTED;
	return CUDA_SUCCESS;
}

CUresult cuInit(unsigned int Flags)
{
	if (Flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_once(&driver.once, driver_init);
	return driver.result;
}

CUresult cuDriverGetVersion(int *driverVersion)
{
	if (!driverVersion)
		return CUDA_ERROR_INVALID_VALUE;
	*driverVersion = DRIVER_VERSION;
	return CUDA_SUCCESS;
}

static const struct {
	CUresult code;
	const char *name;
	const char *text;
} errors[] = {
#include "dom0-executor/soft/errors.inc"
};

CUresult cuGetErrorName(CUresult error, const char **pStr)
{
	if (!pStr)
		return CUDA_ERROR_INVALID_VALUE;
	*pStr = NULL;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].code == error)
			*pStr = errors[i].name;
	return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **pStr)
{
	if (!pStr)
		return CUDA_ERROR_INVALID_VALUE;
	*pStr = NULL;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].code == error)
			*pStr = errors[i].text;
	return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuProfilerStart(void)
{
	ENTER_CONTEXT(ctx);
	return CUDA_SUCCESS;
}

CUresult cuProfilerStop(void)
{
	ENTER_CONTEXT(ctx);
	return CUDA_SUCCESS;
}
