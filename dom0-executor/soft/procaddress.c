/* SPDX-License-Identifier: MIT */
/* cuGetProcAddress. What it gives is what is exported: the functions of the front. Any thread. */
#define SOFT_EXPORTED
#include "dom0-executor/soft/api.h"

#include <stddef.h>
#include <string.h>

/* One symbol of one version of a call. */
struct entry {
	const char *name;
	int since; /* CUDA version, 1000 * major + 10 * minor */
	void *legacy;
	void *per_thread; /* the variant for per-thread default streams, or the same */
};

/* Calls that the real driver has and this one lacks must be found, and refuse. */
static CUresult call_refused(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}

static const struct entry entries[] = {
#include "dom0-executor/soft/entries.inc"
};

/* As the driver: programs of its own major version and older ones, any number below 0 for the newest, and both
 * kinds of default streams at once. */
#define CUDA_MAJOR 13
#define BOTH_STREAMS \
	(CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)

CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
			     CUdriverProcAddressQueryResult *symbolStatus)
{
	CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	void *found = NULL;

	if (!symbol || !pfn || flags > BOTH_STREAMS || cudaVersion / 1000 > CUDA_MAJOR)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		const struct entry *entry = &entries[i];

		if (strcmp(entry->name, symbol) != 0)
			continue;
		if (cudaVersion >= 0 && entry->since > cudaVersion) {
			if (!found)
				status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
			continue;
		}
		found = flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM ? entry->per_thread
									      : entry->legacy;
	}
	if (found)
		status = CU_GET_PROC_ADDRESS_SUCCESS;
	*pfn = found;
	if (symbolStatus)
		*symbolStatus = status;
	return CUDA_SUCCESS;
}

CUresult cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags)
{
	CUdriverProcAddressQueryResult status;
	CUresult result = cuGetProcAddress_v2(symbol, pfn, cudaVersion, flags, &status);

	if (result == CUDA_SUCCESS && !*pfn)
		return CUDA_ERROR_NOT_FOUND;
	return result;
}
