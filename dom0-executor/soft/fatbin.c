/* SPDX-License-Identifier: MIT */
/*
 * The PTX in images. Images come from the guest: protocol/image.c bounds them, and the sizes that
 * entries claim are checked here before memory is spent on them.
 */
#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/fatbin.h"
#include "dom0-executor/soft/ptx/ptx.h"
#include "protocol/image.h"

#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define ARCH_MAX 90 /* compute capability 9.0 */

void texts_free(struct soft_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->at[i].text);
	free(texts->at);
	*texts = (struct soft_texts){0};
}

/* Takes over the text. */
static CUresult texts_take(struct soft_texts *texts, char *text, size_t length)
{
	struct soft_text *grown = realloc(texts->at, (texts->count + 1) * sizeof(*grown));

	if (!grown) {
		free(text);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	texts->at = grown;
	texts->at[texts->count++] = (struct soft_text){text, length};
	return CUDA_SUCCESS;
}

CUresult texts_add(struct soft_texts *texts, const char *text, size_t length)
{
	char *copy;

	if (length > PTX_TEXT_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	copy = malloc(length + 1);
	if (!copy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return texts_take(texts, copy, length);
}

/* A text, or several that our linker has put together. */
static CUresult add_bordered(struct soft_texts *texts, const char *text, size_t length)
{
	const size_t border = sizeof(SOFT_TEXT_BORDER) - 1;
	CUresult result;
	const char *next;

	while ((next = memmem(text, length, SOFT_TEXT_BORDER, border))) {
		result = texts_add(texts, text, (size_t)(next - text));
		if (result != CUDA_SUCCESS)
			return result;
		length -= (size_t)(next - text) + border;
		text = next + border;
	}
	return texts_add(texts, text, length);
}

static bool decompress(const struct vg_fatbin_entry *entry, char *out)
{
	if (entry->flags & VG_FATBIN_LZ4)
		return LZ4_decompress_safe(entry->data, out, (int)entry->stored,
					   (int)entry->size) == (int)entry->size;
	return ZSTD_decompress(out, entry->size, entry->data, entry->stored) == entry->size;
}

static CUresult add_entry(struct soft_texts *texts, const struct vg_fatbin_entry *entry)
{
	CUresult result;
	char *text;

	if (entry->size > PTX_TEXT_MAX || entry->stored > PTX_TEXT_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	if (!(entry->flags & (VG_FATBIN_LZ4 | VG_FATBIN_ZSTD)))
		return add_bordered(texts, entry->data, strnlen(entry->data, entry->stored));
	text = malloc(entry->size + 1);
	if (!text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!decompress(entry, text)) {
		free(text);
		return CUDA_ERROR_INVALID_IMAGE;
	}
	text[entry->size] = '\0';
	result = add_bordered(texts, text, strlen(text));
	free(text);
	return result;
}

/* The PTX for the newest architecture that we are. */
static CUresult add_fatbin(struct soft_texts *texts, const struct vg_image_part *part)
{
	struct vg_fatbin_entry entry, best = {0};
	size_t cursor = 0;
	int rc;

	while ((rc = vg_fatbin_next(part->data, part->size, &cursor, &entry)) > 0)
		if (entry.kind == VG_FATBIN_PTX && entry.arch <= ARCH_MAX &&
		    entry.arch >= best.arch)
			best = entry;
	if (rc < 0)
		return CUDA_ERROR_INVALID_IMAGE;
	return best.kind ? add_entry(texts, &best) : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

static CUresult add_part(struct soft_texts *texts, const struct vg_image_part *part)
{
	switch ((int)part->kind) {
	case VG_IMAGE_PTX: return add_bordered(texts, part->data, part->size - 1);
	case VG_IMAGE_FATBIN: return add_fatbin(texts, part);
	case VG_IMAGE_ELF: return CUDA_ERROR_NO_BINARY_FOR_GPU;
	default: return CUDA_ERROR_INVALID_IMAGE;
	}
}

/*
 * A wrapper of version 2 has the device linker's output first, which may be machine code alone, and
 * then what was linked: of those, every one with PTX is part of the program.
 */
static CUresult add_linked(struct soft_texts *texts, const struct vg_image *image)
{
	struct vg_image_part part;
	CUresult result;

	for (size_t i = 1; i < image->count; i++) {
		if (vg_image_part(image, i, &part) < 0)
			return CUDA_ERROR_INVALID_IMAGE;
		result = add_part(texts, &part);
		if (result != CUDA_SUCCESS && result != CUDA_ERROR_NO_BINARY_FOR_GPU)
			return result;
	}
	return texts->count ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult texts_of_image(const void *data, size_t limit, struct soft_texts *texts)
{
	CUresult result = CUDA_ERROR_NO_BINARY_FOR_GPU;
	struct vg_image_part part;
	struct vg_image image;

	*texts = (struct soft_texts){0};
	if (vg_image_open(data, limit, &image) < 0)
		return CUDA_ERROR_INVALID_IMAGE;
	if (vg_image_part(&image, 0, &part) < 0)
		return CUDA_ERROR_INVALID_IMAGE;
	if (part.data)
		result = add_part(texts, &part);
	if (result == CUDA_ERROR_NO_BINARY_FOR_GPU && image.count > 1)
		result = add_linked(texts, &image);
	if (result == CUDA_ERROR_NO_BINARY_FOR_GPU)
		soft_log_error("op=load the image has no PTX for compute capability 9.0 or lower; "
			       "this device runs PTX only: build with -arch=compute_90 or similar");
	if (result != CUDA_SUCCESS)
		texts_free(texts);
	return result;
}
