/* SPDX-License-Identifier: MIT */
/*
 * Callbacks for the driver's log of errors: called in the thread whose call fails, before it returns, with what
 * the driver says and last with the call's name and code; several at once; none any more once it is
 * unregistered, none for what succeeds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

struct heard {
	pthread_t thread;
	unsigned int lines, wrong; /* wrong: other thread, or length */
	char last[512];
};

static void CUDA_CB hear(void *user, CUlogLevel level, char *message, size_t length)
{
	struct heard *heard = user;

	heard->lines++;
	if (!pthread_equal(pthread_self(), heard->thread) || strlen(message) != length ||
	    level != CU_LOG_LEVEL_ERROR)
		heard->wrong++;
	snprintf(heard->last, sizeof(heard->last), "%s", message);
}

static struct heard listening(void)
{
	struct heard heard;

	memset(&heard, 0, sizeof(heard));
	heard.thread = pthread_self();
	return heard;
}

static void check_last(const struct heard *heard, const char *name, const char *wanted)
{
	check_that(!strcmp(heard->last, wanted) && !heard->wrong, name, "%u lines, the last: %s",
		   heard->lines, heard->last);
}

static void check_one(void)
{
	struct heard heard = listening();
	CUlogsCallbackHandle handle = NULL;
	CUdevice_attribute bad = (CUdevice_attribute)9999;
	unsigned int before;
	CUmodule module;
	int value = 0;

	CU(cuLogsRegisterCallback(hear, &heard, &handle));
	cuDeviceGetAttribute(&value, bad, 0);
	check_last(&heard, "attribute",
		   "Returning 1 (CUDA_ERROR_INVALID_VALUE) from cuDeviceGetAttribute");
	cuMemFree(12345);
	check_last(&heard, "free", "Returning 1 (CUDA_ERROR_INVALID_VALUE) from cuMemFree_v2");
	cuMemcpyHtoD(12345, &value, sizeof(value));
	check_last(&heard, "copy", "Returning 1 (CUDA_ERROR_INVALID_VALUE) from cuMemcpyHtoD_v2");
	before = heard.lines;
	CU(cuCtxSynchronize());
	CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	check_that(heard.lines == before, "success", "says nothing");
	check_that(cuModuleLoadData(&module, ".version 7.0\n.target sm_70\n.address_size 64\n"
					     ".visible .entry k(){ nonsense; }\n"),
		   "module", "is refused");
	check_that(heard.lines >= before + 2 && strstr(heard.last, "from cuModuleLoadData"),
		   "module-lines", "%u: the driver's own before the call's", heard.lines - before);
	CU(cuLogsUnregisterCallback(handle));
	before = heard.lines;
	cuMemFree(12345);
	check_that(heard.lines == before, "unregistered", "hears nothing");
	check_result("null", cuLogsRegisterCallback(NULL, NULL, &handle), CUDA_ERROR_INVALID_VALUE);
}

static void check_two(void)
{
	struct heard one = listening(), two = listening();
	CUlogsCallbackHandle first = NULL, second = NULL;

	CU(cuLogsRegisterCallback(hear, &one, &first));
	CU(cuLogsRegisterCallback(hear, &two, &second));
	cuMemFree(12345);
	check_that(one.lines && one.lines == two.lines, "two", "%u and %u lines", one.lines,
		   two.lines);
	CU(cuLogsUnregisterCallback(first));
	cuMemFree(12345);
	check_that(one.lines * 2 == two.lines, "one-of-two", "%u and %u lines", one.lines,
		   two.lines);
	CU(cuLogsUnregisterCallback(second));
}

static void *other(void *arg)
{
	struct heard *heard = arg;

	heard->thread = pthread_self();
	cuMemFree(12345);
	return NULL;
}

static void check_thread(void)
{
	struct heard heard = listening();
	CUlogsCallbackHandle handle = NULL;
	pthread_t thread;

	CU(cuLogsRegisterCallback(hear, &heard, &handle));
	if (pthread_create(&thread, NULL, other, &heard))
		exit(2);
	pthread_join(thread, NULL);
	check_that(heard.lines && !heard.wrong, "thread", "%u lines in the thread that failed",
		   heard.lines);
	CU(cuLogsUnregisterCallback(handle));
}

int main(void)
{
	CUdevice dev = device_open();
	CUlogIterator at;

	if (cuLogsCurrent(&at, 0) == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("logs", "this driver keeps none");
	} else {
		check_one();
		check_two();
		check_thread();
	}
	device_close(dev);
	return check_end();
}
