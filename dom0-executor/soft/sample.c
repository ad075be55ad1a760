/* SPDX-License-Identifier: MIT */
/*
 * What a texture gives for coordinates, as CUDA's programming guide defines it ("Texture Fetching"): addressing,
 * point and linear filters with weights of 8 fractional bits, conversion of small integers; and bytes of
 * surfaces. Called by kernels' threads.
 */
#include "dom0-executor/soft/sample.h"

#include "dom0-executor/soft/ptx/rt.h"
#include "dom0-executor/soft/texture.h"

#include <math.h>
#include <string.h>

/* Texels in memory. */
struct image {
	const unsigned char *base;
	size_t size[3];    /* texels; at least 1 */
	size_t row, slice; /* bytes */
	CUarray_format format;
	unsigned int channels;
	bool is_linear; /* memory that is read by number only: zeros behind its end */
};

struct texel {
	float value[4];   /* converted */
	uint32_t bits[4]; /* or as integers */
};

static void array_image(const struct soft_array *array, struct image *image)
{
	const CUDA_ARRAY3D_DESCRIPTOR *desc = &array->descriptor;

	*image = (struct image){.base = (const unsigned char *)(uintptr_t)array->base,
				.size = {desc->Width, array->rows, array->slices},
				.row = array->row,
				.slice = array->row * array->rows,
				.format = desc->Format,
				.channels = desc->NumChannels};
}

static void memory_image(const CUDA_RESOURCE_DESC *desc, struct image *image)
{
	bool pitched = desc->resType == CU_RESOURCE_TYPE_PITCH2D;
	size_t texel;

	*image = (struct image){.size = {1, 1, 1}, .is_linear = !pitched};
	image->format = pitched ? desc->res.pitch2D.format : desc->res.linear.format;
	image->channels = pitched ? desc->res.pitch2D.numChannels : desc->res.linear.numChannels;
	texel = array_format_bytes(image->format) * image->channels;
	image->base = (const unsigned char *)(uintptr_t)(pitched ? desc->res.pitch2D.devPtr
								 : desc->res.linear.devPtr);
	image->size[0] = pitched ? desc->res.pitch2D.width : desc->res.linear.sizeInBytes / texel;
	image->size[1] = pitched ? desc->res.pitch2D.height : 1;
	image->row = pitched ? desc->res.pitch2D.pitchInBytes : desc->res.linear.sizeInBytes;
}

/* --- one texel ------------------------------------------------------------------------------------ */

static uint32_t float_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void channel_read(const struct image *image, const unsigned char *at, unsigned int channel,
			 struct texel *texel)
{
	float value = 0;
	uint32_t bits = 0;

	switch ((int)image->format) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
		bits = at[channel];
		value = (float)bits / 255;
		break;
	case CU_AD_FORMAT_SIGNED_INT8:
		bits = (uint32_t)(int32_t)((const int8_t *)at)[channel];
		value = fmaxf((float)(int32_t)bits / 127, -1);
		break;
	case CU_AD_FORMAT_UNSIGNED_INT16:
		bits = ((const uint16_t *)(const void *)at)[channel];
		value = (float)bits / 65535;
		break;
	case CU_AD_FORMAT_SIGNED_INT16:
		bits = (uint32_t)(int32_t)((const int16_t *)(const void *)at)[channel];
		value = fmaxf((float)(int32_t)bits / 32767, -1);
		break;
	case CU_AD_FORMAT_HALF:
		value = ptx_rt_h2f(((const uint16_t *)(const void *)at)[channel], 0);
		bits = float_bits(value);
		break;
	default:
		memcpy(&bits, at + channel * 4, 4);
		memcpy(&value, &bits, 4);
		break;
	}
	texel->bits[channel] = bits;
	texel->value[channel] = value;
}

static struct texel texel_read(const struct image *image, const size_t *at)
{
	size_t bytes = array_format_bytes(image->format) * image->channels;
	struct texel texel = {0};

	for (unsigned int i = 0; i < image->channels; i++)
		channel_read(image,
			     image->base + at[2] * image->slice + at[1] * image->row +
				     at[0] * bytes,
			     i, &texel);
	return texel;
}

/* --- addressing ----------------------------------------------------------------------------------- */

/* False: outside, where the border is. */
static bool address_resolve(int64_t at, size_t size, CUaddress_mode mode, bool normalized,
			    size_t *resolved)
{
	int64_t n = (int64_t)size, wrapped;

	if (mode == CU_TR_ADDRESS_MODE_BORDER && (at < 0 || at >= n))
		return false;
	if (normalized && mode == CU_TR_ADDRESS_MODE_WRAP) {
		*resolved = (size_t)((at % n + n) % n);
	} else if (normalized && mode == CU_TR_ADDRESS_MODE_MIRROR) {
		wrapped = (at % (2 * n) + 2 * n) % (2 * n);
		*resolved = (size_t)(wrapped < n ? wrapped : 2 * n - 1 - wrapped);
	} else {
		*resolved = (size_t)(at < 0 ? 0 : at >= n ? n - 1 : at);
	}
	return true;
}

static struct texel border_texel(const CUDA_TEXTURE_DESC *desc)
{
	struct texel texel;

	for (unsigned int i = 0; i < 4; i++) {
		texel.value[i] = desc->borderColor[i];
		texel.bits[i] = (uint32_t)(int64_t)desc->borderColor[i];
	}
	return texel;
}

static struct texel texel_at(const struct soft_texture *texture, const struct image *image,
			     const struct ptx_fetch *fetch, const int64_t *at)
{
	bool normalized = !fetch->is_int && texture->texture.flags & CU_TRSF_NORMALIZED_COORDINATES;
	size_t resolved[3] = {0, 0, 0};

	if (image->is_linear && (at[0] < 0 || (size_t)at[0] >= image->size[0]))
		return (struct texel){0};
	for (unsigned int i = 0; i < fetch->dims; i++)
		if (!address_resolve(at[i], image->size[i], texture->texture.addressMode[i],
				     normalized, &resolved[i]))
			return border_texel(&texture->texture);
	if (fetch->is_layered)
		resolved[2] = fetch->layer < image->size[2] ? fetch->layer : image->size[2] - 1;
	return texel_read(image, resolved);
}

/* --- filters --------------------------------------------------------------------------------------- */

static bool gives_integers(const struct soft_texture *texture, const struct image *image)
{
	switch ((int)image->format) {
	case CU_AD_FORMAT_UNSIGNED_INT32:
	case CU_AD_FORMAT_SIGNED_INT32: return true;
	case CU_AD_FORMAT_FLOAT:
	case CU_AD_FORMAT_HALF: return false;
	default: return texture->texture.flags & CU_TRSF_READ_AS_INTEGER;
	}
}

static float coordinate(const struct soft_texture *texture, const struct image *image,
			const struct ptx_fetch *fetch, unsigned int i)
{
	float at;

	memcpy(&at, &fetch->at[i], sizeof(at));
	if (texture->texture.flags & CU_TRSF_NORMALIZED_COORDINATES)
		at *= (float)image->size[i];
	return isfinite(at) ? fminf(fmaxf(at, -1e9f), 1e9f) : 0;
}

/* The nearest texels in each direction, each with its share. */
static void linear_sample(const struct soft_texture *texture, const struct image *image,
			  const struct ptx_fetch *fetch, float *out)
{
	int64_t first[3] = {0, 0, 0};
	float share[3] = {0, 0, 0};

	for (unsigned int i = 0; i < fetch->dims; i++) {
		float at = coordinate(texture, image, fetch, i) - 0.5f, down = floorf(at);

		first[i] = (int64_t)down;
		share[i] = roundf((at - down) * 256) / 256;
	}
	memset(out, 0, 4 * sizeof(*out));
	for (unsigned int corner = 0; corner < 1u << fetch->dims; corner++) {
		int64_t at[3] = {first[0], first[1], first[2]};
		struct texel texel;
		float weight = 1;

		for (unsigned int i = 0; i < fetch->dims; i++) {
			at[i] += corner >> i & 1;
			weight *= corner >> i & 1 ? share[i] : 1 - share[i];
		}
		if (weight == 0)
			continue;
		texel = texel_at(texture, image, fetch, at);
		for (unsigned int i = 0; i < 4; i++)
			out[i] += weight * texel.value[i];
	}
}

static void image_sample(const struct soft_texture *texture, const struct image *image,
			 const struct ptx_fetch *fetch, uint32_t *out)
{
	bool integers = gives_integers(texture, image);
	int64_t at[3] = {0, 0, 0};
	struct texel texel;
	float value[4];

	if (!fetch->is_int && !integers &&
	    texture->texture.filterMode == CU_TR_FILTER_MODE_LINEAR) {
		linear_sample(texture, image, fetch, value);
		memcpy(out, value, sizeof(value));
		return;
	}
	for (unsigned int i = 0; i < fetch->dims; i++)
		at[i] = fetch->is_int ? (int64_t)(int32_t)fetch->at[i]
				      : (int64_t)floorf(coordinate(texture, image, fetch, i));
	texel = texel_at(texture, image, fetch, at);
	memcpy(out, integers ? (void *)texel.bits : (void *)texel.value, sizeof(texel.bits));
}

/* --- levels ----------------------------------------------------------------------------------------- */

static void level_sample(const struct soft_texture *texture, unsigned int level,
			 const struct ptx_fetch *fetch, uint32_t *out)
{
	struct image image;

	array_image(texture->mipmap->arrays[level], &image);
	image_sample(texture, &image, fetch, out);
}

static void mipmap_sample(const struct soft_texture *texture, const struct ptx_fetch *fetch,
			  uint32_t *out)
{
	const CUDA_TEXTURE_DESC *desc = &texture->texture;
	float last = (float)(texture->mipmap->levels - 1), lod = fetch->lod + desc->mipmapLevelBias;
	float below[4], above[4], share;

	lod = fminf(fmaxf(lod, desc->minMipmapLevelClamp), desc->maxMipmapLevelClamp);
	lod = isfinite(lod) ? fminf(fmaxf(lod, 0), last) : 0;
	if (desc->mipmapFilterMode == CU_TR_FILTER_MODE_POINT) {
		level_sample(texture, (unsigned int)lroundf(lod), fetch, out);
		return;
	}
	share = roundf((lod - floorf(lod)) * 256) / 256;
	level_sample(texture, (unsigned int)lod, fetch, out);
	if (share == 0)
		return;
	memcpy(below, out, sizeof(below));
	level_sample(texture, (unsigned int)lod + 1, fetch, out);
	memcpy(above, out, sizeof(above));
	for (unsigned int i = 0; i < 4; i++)
		below[i] += share * (above[i] - below[i]);
	memcpy(out, below, sizeof(below));
}

enum ptx_texture_result sample_fetch(void *opaque, uint64_t handle, const struct ptx_fetch *fetch,
				     uint32_t texel[4])
{
	struct soft_texture *texture auto_put = object_get_number(SOFT_TEXTURE, handle);
	struct image image;

	(void)opaque;
	if (!texture)
		return PTX_TEXTURE_NONE;
	if (texture->mipmap) {
		mipmap_sample(texture, fetch, texel);
		return PTX_TEXTURE_OK;
	}
	if (texture->array)
		array_image(texture->array, &image);
	else
		memory_image(&texture->resource, &image);
	image_sample(texture, &image, fetch, texel);
	return PTX_TEXTURE_OK;
}

/* --- surfaces ----------------------------------------------------------------------------------------- */

enum ptx_texture_result sample_surface(void *opaque, uint64_t handle,
				       const struct ptx_surface *access, void *bytes)
{
	struct soft_texture *surface auto_put = object_get_number(SOFT_SURFACE, handle);
	const struct soft_array *array;
	unsigned char *at;
	size_t place[3] = {0, 0, 0};

	(void)opaque;
	if (!surface)
		return PTX_TEXTURE_NONE;
	array = surface->array;
	for (unsigned int i = 0; i < access->dims; i++) {
		if (access->at[i] < 0)
			return PTX_TEXTURE_OUTSIDE;
		place[i] = (size_t)access->at[i];
	}
	if (access->is_layered)
		place[2] = access->layer;
	if (place[0] + access->bytes > array->row || place[1] >= array->rows ||
	    place[2] >= array->slices)
		return PTX_TEXTURE_OUTSIDE;
	at = (unsigned char *)(uintptr_t)array->base +
	     (place[2] * array->rows + place[1]) * array->row + place[0];
	if (access->is_write)
		memcpy(at, bytes, access->bytes);
	else
		memcpy(bytes, at, access->bytes);
	return PTX_TEXTURE_OK;
}
