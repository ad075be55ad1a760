/* SPDX-License-Identifier: MIT */
/*
 * Arrays whose memory comes later: sparse ones, of which single tiles have memory, those mapped as a whole, each also as
 * mipmapped array; and arrays of several planes. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

#define WIDTH  1024u
#define HEIGHT 1024u
#define LEVELS 4u

struct data {
	CUdevice dev;
	CUstream stream;
	size_t granularity;
};

static bool supported(const struct data *d, CUdevice_attribute attribute, const char *name)
{
	if (device_attribute(d->dev, attribute))
		return true;
	check_skip(name, "the device has none");
	return false;
}

static CUDA_ARRAY3D_DESCRIPTOR words_of(size_t width, size_t height, unsigned int flags)
{
	return (CUDA_ARRAY3D_DESCRIPTOR){.Width = width,
					 .Height = height,
					 .Format = CU_AD_FORMAT_UNSIGNED_INT32,
					 .NumChannels = 1,
					 .Flags = flags};
}

/* Of at least so many bytes. */
static CUmemGenericAllocationHandle memory_of(const struct data *d, size_t bytes)
{
	CUmemAllocationProp prop;
	CUmemGenericAllocationHandle handle = 0;

	memset(&prop, 0, sizeof(prop));
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	prop.location.id = d->dev;
	prop.allocFlags.usage = CU_MEM_CREATE_USAGE_TILE_POOL;
	CU(cuMemCreate(&handle, (bytes + d->granularity - 1) / d->granularity * d->granularity,
		       &prop, 0));
	return handle;
}

static void map_change(struct data *d, CUarrayMapInfo info)
{
	info.memHandleType = CU_MEM_HANDLE_TYPE_GENERIC;
	info.deviceBitMask = 1u << d->dev;
	CU(cuMemMapArrayAsync(&info, 1, d->stream));
	CU(cuStreamSynchronize(d->stream));
}

/* Gives what `info` names new memory of at least so many bytes. */
static CUmemGenericAllocationHandle map(struct data *d, CUarrayMapInfo info, size_t bytes)
{
	CUmemGenericAllocationHandle memory = memory_of(d, bytes);

	info.memOperationType = CU_MEM_OPERATION_TYPE_MAP;
	info.memHandle.memHandle = memory;
	map_change(d, info);
	return memory;
}

static CUarrayMapInfo whole_array(CUarray array)
{
	CUarrayMapInfo info;

	memset(&info, 0, sizeof(info));
	info.resourceType = CU_RESOURCE_TYPE_ARRAY;
	info.resource.array = array;
	return info;
}

static CUarrayMapInfo whole_mipmap(CUmipmappedArray mipmap)
{
	CUarrayMapInfo info;

	memset(&info, 0, sizeof(info));
	info.resourceType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
	info.resource.mipmap = mipmap;
	return info;
}

/* Random words to the array's corner and back; those that did not arrive. */
static size_t lost(CUarray array, size_t width, size_t height, uint64_t seed)
{
	size_t bytes = width * height * 4, wrong;
	uint8_t *words = malloc(bytes ? bytes : 1);
	CUDA_MEMCPY2D copy;

	if (!words)
		exit(1);
	fill_random(words, bytes, seed);
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.srcHost = words;
	copy.srcPitch = width * 4;
	copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	copy.dstArray = array;
	copy.WidthInBytes = width * 4;
	copy.Height = height;
	CU(cuMemcpy2D(&copy));
	memset(words, 0, bytes);
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	copy.srcArray = array;
	copy.dstMemoryType = CU_MEMORYTYPE_HOST;
	copy.dstHost = words;
	copy.dstPitch = width * 4;
	copy.WidthInBytes = width * 4;
	copy.Height = height;
	CU(cuMemcpy2D(&copy));
	wrong = count_not_random(words, bytes, seed);
	free(words);
	return wrong;
}

/* --- sparse -------------------------------------------------------------------------------------------- */

/* The first one of a level. */
static CUarrayMapInfo tile_of(CUarrayMapInfo info, const CUDA_ARRAY_SPARSE_PROPERTIES *tiles,
			      unsigned int level)
{
	info.subresourceType = CU_ARRAY_SPARSE_SUBRESOURCE_TYPE_SPARSE_LEVEL;
	info.subresource.sparseLevel.level = level;
	info.subresource.sparseLevel.extentWidth = tiles->tileExtent.width;
	info.subresource.sparseLevel.extentHeight = tiles->tileExtent.height;
	info.subresource.sparseLevel.extentDepth = 1;
	return info;
}

static void check_sparse(struct data *d)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = words_of(WIDTH, HEIGHT, CUDA_ARRAY3D_SPARSE);
	CUDA_ARRAY_SPARSE_PROPERTIES tiles;
	CUmemGenericAllocationHandle memory;
	CUarray array = NULL;
	CUarrayMapInfo info;

	if (!supported(d, CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED, "sparse"))
		return;
	CU(cuArray3DCreate(&array, &desc));
	CU(cuArrayGetSparseProperties(&tiles, array));
	check_that(tiles.tileExtent.width && tiles.tileExtent.width < WIDTH &&
			   tiles.tileExtent.height && tiles.tileExtent.height < HEIGHT,
		   "tiles", "of %u by %u", tiles.tileExtent.width, tiles.tileExtent.height);
	info = tile_of(whole_array(array), &tiles, 0);
	memory = map(d, info, 1);
	check_that(!lost(array, tiles.tileExtent.width, tiles.tileExtent.height, 1), "tile",
		   "its words come back");
	info.memOperationType = CU_MEM_OPERATION_TYPE_UNMAP;
	map_change(d, info);
	CU(cuMemRelease(memory));
	CU(cuArrayDestroy(array));
}

static void check_sparse_levels(struct data *d)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = words_of(WIDTH, HEIGHT, CUDA_ARRAY3D_SPARSE);
	CUDA_ARRAY_SPARSE_PROPERTIES tiles;
	CUmemGenericAllocationHandle memory;
	CUmipmappedArray mipmap = NULL;
	CUarray level = NULL;

	if (!supported(d, CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED, "sparse-levels"))
		return;
	CU(cuMipmappedArrayCreate(&mipmap, &desc, LEVELS));
	CU(cuMipmappedArrayGetSparseProperties(&tiles, mipmap));
	memory = map(d, tile_of(whole_mipmap(mipmap), &tiles, 1), 1);
	CU(cuMipmappedArrayGetLevel(&level, mipmap, 1));
	check_that(!lost(level, tiles.tileExtent.width, tiles.tileExtent.height, 2), "level-tile",
		   "a tail from level %u on, of %llu bytes", tiles.miptailFirstLevel,
		   tiles.miptailSize);
	CU(cuMipmappedArrayDestroy(mipmap));
	CU(cuMemRelease(memory));
}

/* --- mapped as a whole --------------------------------------------------------------------------------- */

static void check_deferred(struct data *d)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = words_of(256, 64, CUDA_ARRAY3D_DEFERRED_MAPPING);
	CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
	CUmemGenericAllocationHandle memory;
	CUarray array = NULL;

	if (!supported(d, CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED, "deferred"))
		return;
	CU(cuArray3DCreate(&array, &desc));
	CU(cuArrayGetMemoryRequirements(&needs, array, d->dev));
	check_that(needs.size >= 256 * 64 * 4 && needs.alignment, "requirements",
		   "%zu bytes, aligned to %zu", needs.size, needs.alignment);
	memory = map(d, whole_array(array), needs.size);
	check_that(!lost(array, 256, 64, 3), "deferred", "its words come back");
	CU(cuArrayDestroy(array));
	CU(cuMemRelease(memory));
}

static void check_deferred_levels(struct data *d)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = words_of(256, 64, CUDA_ARRAY3D_DEFERRED_MAPPING);
	CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
	CUmemGenericAllocationHandle memory;
	CUmipmappedArray mipmap = NULL;
	CUarray level = NULL;

	if (!supported(d, CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED,
		       "deferred-levels"))
		return;
	CU(cuMipmappedArrayCreate(&mipmap, &desc, LEVELS));
	CU(cuMipmappedArrayGetMemoryRequirements(&needs, mipmap, d->dev));
	memory = map(d, whole_mipmap(mipmap), needs.size);
	CU(cuMipmappedArrayGetLevel(&level, mipmap, 2));
	check_that(!lost(level, 64, 16, 4), "deferred-levels", "%zu bytes", needs.size);
	CU(cuMipmappedArrayDestroy(mipmap));
	CU(cuMemRelease(memory));
}

/* --- planes -------------------------------------------------------------------------------------------- */

static void check_planes(void)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = {
		.Width = 128, .Height = 64, .Format = CU_AD_FORMAT_NV12, .NumChannels = 3};
	CUarray array = NULL, plane[2] = {NULL, NULL};
	CUDA_ARRAY_DESCRIPTOR told[2];
	CUresult result = cuArray3DCreate(&array, &desc);

	if (result != CUDA_SUCCESS) {
		check_skip("planes", "no arrays of NV12: %s", result_name(result));
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		CU(cuArrayGetPlane(&plane[i], array, i));
		CU(cuArrayGetDescriptor(&told[i], plane[i]));
	}
	check_that(told[0].Width == 128 && told[0].Height == 64 && told[0].NumChannels == 1 &&
			   told[1].Width == 64 && told[1].Height == 32 && told[1].NumChannels == 2,
		   "planes", "%zu by %zu, %zu by %zu", told[0].Width, told[0].Height, told[1].Width,
		   told[1].Height);
	check_result("no-plane", cuArrayGetPlane(&plane[0], array, 2), CUDA_ERROR_INVALID_VALUE);
	CU(cuArrayDestroy(array));
}

/* An array like any other has none of all that. */
static void check_ordinary(CUdevice dev)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = words_of(64, 64, 0);
	CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
	CUDA_ARRAY_SPARSE_PROPERTIES tiles;
	CUarray array = NULL, plane = NULL;

	CU(cuArray3DCreate(&array, &desc));
	check_result("ordinary-tiles", cuArrayGetSparseProperties(&tiles, array),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("ordinary-requirements", cuArrayGetMemoryRequirements(&needs, array, dev),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("ordinary-plane", cuArrayGetPlane(&plane, array, 0), CUDA_ERROR_INVALID_VALUE);
	CU(cuArrayDestroy(array));
}

int main(void)
{
	CUmemAllocationProp prop;
	struct data data;

	memset(&data, 0, sizeof(data));
	memset(&prop, 0, sizeof(prop));
	data.dev = device_open();
	CU(cuStreamCreate(&data.stream, CU_STREAM_NON_BLOCKING));
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	prop.location.id = data.dev;
	CU(cuMemGetAllocationGranularity(&data.granularity, &prop,
					 CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	check_ordinary(data.dev);
	check_sparse(&data);
	check_sparse_levels(&data);
	check_deferred(&data);
	check_deferred_levels(&data);
	check_planes();
	CU(cuStreamDestroy(data.stream));
	device_close(data.dev);
	return check_end();
}
