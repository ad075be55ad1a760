/* SPDX-License-Identifier: MIT */
/*
 * cuGetProcAddress: which exported function serves a name for a program built against a given
 * version. Works on constant tables, in any thread, before cuInit.
 */
#include "xen-frontend/libcuda/procaddress.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

/* The driver takes programs of its own major version and older ones, any number below 0 for the newest, and
 * both kinds of default streams at once. */
#define CUDA_MAJOR 13
#define BOTH_STREAMS \
	(CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)

/* First entry of the ladder of (name, flag); count entries follow from there at most. */
static unsigned int ladder_find(const char *name, unsigned int flag)
{
	unsigned int low = 0, high = fe_procs_count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;
		int order = strcmp(fe_procs[middle].name, name);

		if (order < 0 || (order == 0 && fe_procs[middle].flag < flag))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The last step at or below the version. */
static CUdriverProcAddressQueryResult proc_find(const char *name, unsigned int flag, int version,
						void (**function)(void))
{
	unsigned int i = ladder_find(name, flag);
	CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;

	*function = NULL;
	if (i < fe_procs_count && !strcmp(fe_procs[i].name, name) && fe_procs[i].flag == flag)
		status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
	for (; i < fe_procs_count && !strcmp(fe_procs[i].name, name) && fe_procs[i].flag == flag &&
	       fe_procs[i].version <= version;
	     i++) {
		*function = fe_procs[i].function;
		status = (CUdriverProcAddressQueryResult)fe_procs[i].status;
	}
	return status;
}

CUresult fe_cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
				CUdriverProcAddressQueryResult *symbolStatus)
{
	CUdriverProcAddressQueryResult status;
	void (*function)(void);

	if (!symbol || !pfn || flags > BOTH_STREAMS || cudaVersion / 1000 > CUDA_MAJOR)
		return CUDA_ERROR_INVALID_VALUE;
	if (flags == BOTH_STREAMS)
		flags = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
	status = proc_find(symbol, (unsigned int)flags, cudaVersion < 0 ? INT_MAX : cudaVersion,
			   &function);
	*pfn = (void *)function;
	if (symbolStatus)
		*symbolStatus = status;
	/* Without a place for the status there is no other way to say that nothing was found. */
	return function || symbolStatus ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult fe_cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags)
{
	return fe_cuGetProcAddress_v2(symbol, pfn, cudaVersion, flags, NULL);
}
