/* SPDX-License-Identifier: MIT */
/*
 * A module image ready to be sent: found in the program's memory, put together from the parts of a
 * wrapper, or read from a file. Belongs to the calling thread.
 */
#ifndef FE_IMAGE_SOURCE_H
#define FE_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cuda_types.h"

struct fe_image {
	const void *data;
	size_t size;
	void *heap; /* owned: what was read or put together */
};

#define FE_IMAGE_NONE ((struct fe_image){NULL, 0, NULL})

/*
 * An image of which only the address is known. CUDA_ERROR_INVALID_VALUE: NULL; CUDA_ERROR_INVALID_IMAGE:
 * nothing that is known. Several parts of a wrapper are sent behind one another, each
 * beginning at a multiple of 8: each tells its own size.
 */
CUresult fe_image_find(const void *address, struct fe_image *image);

/* A whole file, of any content, with a NUL behind it that is not in size. CUDA_ERROR_FILE_NOT_FOUND. */
CUresult fe_image_read(const char *path, struct fe_image *image);

/* A file with an image in it, of which no more than the image is taken. */
CUresult fe_image_read_module(const char *path, struct fe_image *image);

void fe_image_free(struct fe_image *image);

/* Exactly so many bytes of a file. */
bool fe_read_all(int fd, void *data, size_t size);

#endif
