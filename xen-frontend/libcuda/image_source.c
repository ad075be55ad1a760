/* SPDX-License-Identifier: MIT */
/*
 * Module images: see image_source.h. Reads the program's memory and files with the program's own
 * rights; the executor never sees a path.
 */
#include "xen-frontend/libcuda/image_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/image.h"
#include "protocol/wire.h"

static CUresult image_error(int rc)
{
	return rc == -EINVAL ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_IMAGE;
}

/* Parts of a wrapper, padded to multiples of 8; with data NULL only their sum. */
static int parts_join(const struct vg_image *from, uint8_t *data, size_t *size)
{
	struct vg_image_part part;
	size_t at = 0;

	for (size_t i = 0; i < from->count; i++) {
		int rc = vg_image_part(from, i, &part);

		if (rc)
			return rc;
		if (!part.data)
			continue;
		if (part.size > VG_BULK_WHOLE_MAX - 8 || at > VG_BULK_WHOLE_MAX - 8 - part.size)
			return -EMSGSIZE;
		if (data)
			memcpy(data + at, part.data, part.size);
		at += vg_pad8(part.size);
	}
	*size = at;
	return 0;
}

static CUresult image_join(const struct vg_image *from, struct fe_image *image)
{
	int rc = parts_join(from, NULL, &image->size);

	if (rc)
		return image_error(rc);
	image->heap = calloc(1, image->size ? image->size : 1);
	if (!image->heap)
		return CUDA_ERROR_OUT_OF_MEMORY;
	rc = parts_join(from, image->heap, &image->size);
	image->data = image->heap;
	return rc ? image_error(rc) : CUDA_SUCCESS;
}

CUresult fe_image_find(const void *address, struct fe_image *image)
{
	struct vg_image found;
	struct vg_image_part part;
	int rc;

	*image = FE_IMAGE_NONE;
	rc = vg_image_open(address, VG_IMAGE_MAX, &found);
	if (rc)
		return image_error(rc);
	if (found.count > 1)
		return image_join(&found, image);
	rc = vg_image_part(&found, 0, &part);
	if (rc)
		return image_error(rc);
	if (part.size > VG_BULK_WHOLE_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	image->data = part.data;
	image->size = part.size;
	return CUDA_SUCCESS;
}

bool fe_read_all(int fd, void *data, size_t size)
{
	uint8_t *to = data;

	while (size) {
		ssize_t n = read(fd, to, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		size -= (size_t)n;
	}
	return true;
}

static CUresult file_read(int fd, struct fe_image *image)
{
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return CUDA_ERROR_FILE_NOT_FOUND;
	if (status.st_size <= 0 || (uint64_t)status.st_size >= VG_BULK_WHOLE_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	image->size = (size_t)status.st_size;
	image->heap = malloc(image->size + 1);
	if (!image->heap)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!fe_read_all(fd, image->heap, image->size))
		return CUDA_ERROR_INVALID_IMAGE;
	((uint8_t *)image->heap)[image->size] = '\0';
	image->data = image->heap;
	return CUDA_SUCCESS;
}

CUresult fe_image_read(const char *path, struct fe_image *image)
{
	CUresult result;
	int fd;

	*image = FE_IMAGE_NONE;
	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return CUDA_ERROR_FILE_NOT_FOUND;
	result = file_read(fd, image);
	close(fd);
	if (result)
		fe_image_free(image);
	return result;
}

CUresult fe_image_read_module(const char *path, struct fe_image *image)
{
	CUresult result = fe_image_read(path, image);
	int rc;

	if (result)
		return result;
	/* The NUL is a text's end. A wrapper holds addresses: none comes from a file. */
	rc = vg_image_size(image->data, image->size + 1, &image->size, NULL);
	if (rc) {
		fe_image_free(image);
		result = CUDA_ERROR_INVALID_IMAGE;
	}
	return result;
}

void fe_image_free(struct fe_image *image)
{
	free(image->heap);
	*image = FE_IMAGE_NONE;
}
