/* SPDX-License-Identifier: MIT */
/* The driver's own log of errors, which is over there; files are this program's. Runs in its threads. */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/calls.h"

/* As large as the driver's log becomes, with what it says of lost lines. */
#define LOG_MAX (64u * 1024)

CUresult fe_cuLogsDumpToMemory(CUlogIterator *iterator, char *buffer, size_t *size,
			       unsigned int flags)
{
	CUlogIterator at = iterator ? *iterator : 0;
	CUresult result;
	size_t room;

	if (!buffer || !size || !*size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	room = vg_min(*size - 1, LOG_MAX); /* its end is ours to write */
	*size = 0;
	result = rpc_vgLogsDump(iterator != NULL, &at, &room, buffer, flags);
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
