/* SPDX-License-Identifier: MIT */
/*
 * Arrays, mipmapped arrays, textures and surfaces: kernels read them by point and by linear filters, in one, two and three
 * dimensions, in layers and levels, at and outside the edges; and objects tell what they are made of. One thread.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/textures.ptx.h"

#define W 16u
#define H 8u
#define D 4u

struct data {
	CUdevice dev;
	CUfunction fetch2d, fetch1d, fetch3d, layer, level, surface;
	CUdeviceptr out;
	float got[W * H * D];
};

static void launch(CUfunction f, unsigned int x, unsigned int y, unsigned int z, void **params)
{
	CU(cuLaunchKernel(f, 1, 1, 1, x, y, z, 0, NULL, params, NULL));
	CU(cuCtxSynchronize());
}

/* A ramp: every texel another, and halves between neighbours exact. */
static float ramp(unsigned int x, unsigned int y, unsigned int z)
{
	return (float)(x + 100 * y + 10000 * z);
}

static void fill_ramp(float *to, unsigned int w, unsigned int h, unsigned int d)
{
	for (unsigned int z = 0; z < d; z++)
		for (unsigned int y = 0; y < h; y++)
			for (unsigned int x = 0; x < w; x++)
				to[(z * h + y) * w + x] = ramp(x, y, z);
}

static CUarray array_of(unsigned int w, unsigned int h, unsigned int d, unsigned int flags)
{
	float *texels = malloc((size_t)w * (h ? h : 1) * (d ? d : 1) * sizeof(*texels));
	CUDA_ARRAY3D_DESCRIPTOR desc;
	CUDA_MEMCPY3D copy;
	CUarray array = NULL;

	memset(&desc, 0, sizeof(desc));
	desc.Width = w;
	desc.Height = h;
	desc.Depth = d;
	desc.Format = CU_AD_FORMAT_FLOAT;
	desc.NumChannels = 1;
	desc.Flags = flags;
	CU(cuArray3DCreate(&array, &desc));
	fill_ramp(texels, w, h ? h : 1, d ? d : 1);
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.srcHost = texels;
	copy.srcPitch = w * sizeof(float);
	copy.srcHeight = h;
	copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	copy.dstArray = array;
	copy.WidthInBytes = w * sizeof(float);
	copy.Height = h ? h : 1;
	copy.Depth = d ? d : 1;
	CU(cuMemcpy3D(&copy));
	free(texels);
	return array;
}

static CUDA_RESOURCE_DESC of_array(CUarray array)
{
	CUDA_RESOURCE_DESC desc;

	memset(&desc, 0, sizeof(desc));
	desc.resType = CU_RESOURCE_TYPE_ARRAY;
	desc.res.array.hArray = array;
	return desc;
}

static CUDA_TEXTURE_DESC how(CUaddress_mode mode, CUfilter_mode filter, unsigned int flags)
{
	CUDA_TEXTURE_DESC desc;

	memset(&desc, 0, sizeof(desc));
	desc.addressMode[0] = desc.addressMode[1] = desc.addressMode[2] = mode;
	desc.filterMode = filter;
	desc.flags = flags;
	return desc;
}

static CUtexObject texture_of(CUarray array, CUDA_TEXTURE_DESC desc)
{
	CUDA_RESOURCE_DESC resource = of_array(array);
	CUtexObject texture = 0;

	CU(cuTexObjectCreate(&texture, &resource, &desc, NULL));
	return texture;
}

static void read_2d(struct data *d, CUtexObject texture, float sx, float sy, float dx, float dy)
{
	void *params[] = {&texture, &d->out, &sx, &sy, &dx, &dy};

	memset(d->got, 0xff, sizeof(d->got));
	launch(d->fetch2d, W, H, 1, params);
	CU(cuMemcpyDtoH(d->got, d->out, W * H * sizeof(float)));
}

static unsigned int count_wrong(const struct data *d, float (*wanted)(unsigned int, unsigned int))
{
	unsigned int wrong = 0;

	for (unsigned int y = 0; y < H; y++)
		for (unsigned int x = 0; x < W; x++)
			wrong += d->got[y * W + x] != wanted(x, y);
	return wrong;
}

static float at_point(unsigned int x, unsigned int y)
{
	return ramp(x, y, 0);
}

static float at_half(unsigned int x, unsigned int y)
{
	float sum = 0;

	for (unsigned int i = 0; i < 4; i++)
		sum += ramp(x + (i & 1) < W ? x + (i & 1) : W - 1,
			    y + i / 2 < H ? y + i / 2 : H - 1, 0);
	return sum / 4;
}

static float shifted_clamp(unsigned int x, unsigned int y)
{
	return ramp(x + 5 < W ? x + 5 : W - 1, y, 0);
}

static float shifted_border(unsigned int x, unsigned int y)
{
	return x + 5 < W ? ramp(x + 5, y, 0) : 7;
}

static float shifted_wrap(unsigned int x, unsigned int y)
{
	return ramp((x + 5) % W, y, 0);
}

static float shifted_mirror(unsigned int x, unsigned int y)
{
	return ramp(x + 5 < W ? x + 5 : 2 * W - 1 - (x + 5), y, 0);
}

static void check_one(struct data *d, CUarray array, CUDA_TEXTURE_DESC desc, float shift,
		      float (*wanted)(unsigned int, unsigned int), const char *name)
{
	bool normal = desc.flags & CU_TRSF_NORMALIZED_COORDINATES;
	float sx = normal ? 1.0f / W : 1, sy = normal ? 1.0f / H : 1;
	CUtexObject texture = texture_of(array, desc);
	unsigned int wrong;

	read_2d(d, texture, sx, sy, (0.5f + shift) * sx,
		(0.5f + (wanted == at_half ? shift : 0)) * sy);
	wrong = count_wrong(d, wanted);
	check_that(!wrong, name, "%u of %u wrong", wrong, W * H);
	CU(cuTexObjectDestroy(texture));
}

static void check_2d(struct data *d)
{
	const unsigned int normal = CU_TRSF_NORMALIZED_COORDINATES;
	CUarray array = array_of(W, H, 0, 0);
	CUDA_TEXTURE_DESC border = how(CU_TR_ADDRESS_MODE_BORDER, CU_TR_FILTER_MODE_POINT, 0);

	border.borderColor[0] = 7;
	check_one(d, array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0), 0, at_point,
		  "point");
	check_one(d, array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, normal), 0,
		  at_point, "point-normalized");
	check_one(d, array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR, 0), 0.5f,
		  at_half, "linear");
	check_one(d, array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0), 5,
		  shifted_clamp, "clamp");
	check_one(d, array, border, 5, shifted_border, "border");
	check_one(d, array, how(CU_TR_ADDRESS_MODE_WRAP, CU_TR_FILTER_MODE_POINT, normal), 5,
		  shifted_wrap, "wrap");
	check_one(d, array, how(CU_TR_ADDRESS_MODE_MIRROR, CU_TR_FILTER_MODE_POINT, normal), 5,
		  shifted_mirror, "mirror");
	CU(cuArrayDestroy(array));
}

static void check_3d(struct data *d)
{
	CUarray array = array_of(W, H, D, 0);
	CUtexObject texture =
		texture_of(array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0));
	void *params[] = {&texture, &d->out};
	unsigned int wrong = 0;

	launch(d->fetch3d, W, H, D, params);
	CU(cuMemcpyDtoH(d->got, d->out, sizeof(d->got)));
	for (unsigned int i = 0; i < W * H * D; i++)
		wrong += d->got[i] != ramp(i % W, i / W % H, i / W / H);
	check_that(!wrong, "point-3d", "%u of %u wrong", wrong, W * H * D);
	CU(cuTexObjectDestroy(texture));
	CU(cuArrayDestroy(array));
}

static void check_layers(struct data *d)
{
	CUarray array = array_of(W, H, D, CUDA_ARRAY3D_LAYERED);
	CUtexObject texture =
		texture_of(array, how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0));
	unsigned int layer = 2, wrong = 0;
	void *params[] = {&texture, &d->out, &layer};

	launch(d->layer, W, H, 1, params);
	CU(cuMemcpyDtoH(d->got, d->out, W * H * sizeof(float)));
	for (unsigned int i = 0; i < W * H; i++)
		wrong += d->got[i] != ramp(i % W, i / W, layer);
	check_that(!wrong, "layer", "%u of %u wrong", wrong, W * H);
	CU(cuTexObjectDestroy(texture));
	CU(cuArrayDestroy(array));
}

/* Memory instead of an array, and four numbers a texel. */
static void check_memory(struct data *d)
{
	uint32_t words[64], got[4 * 8];
	CUDA_RESOURCE_DESC resource, told;
	CUDA_TEXTURE_DESC desc =
		how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, CU_TRSF_READ_AS_INTEGER);
	CUdeviceptr memory = 0;
	CUtexObject texture = 0;
	int first = 10;
	void *params[] = {&texture, &d->out, &first};

	fill_random(words, sizeof(words), 5);
	CU(cuMemAlloc(&memory, sizeof(words)));
	CU(cuMemcpyHtoD(memory, words, sizeof(words)));
	memset(&resource, 0, sizeof(resource));
	resource.resType = CU_RESOURCE_TYPE_LINEAR;
	resource.res.linear.devPtr = memory;
	resource.res.linear.format = CU_AD_FORMAT_UNSIGNED_INT32;
	resource.res.linear.numChannels = 4;
	resource.res.linear.sizeInBytes = sizeof(words);
	CU(cuTexObjectCreate(&texture, &resource, &desc, NULL));
	launch(d->fetch1d, 8, 1, 1, params);
	CU(cuMemcpyDtoH(got, d->out, sizeof(got)));
	check_that(!memcmp(got, words + 40, 6 * 16) && !got[24] && !got[31], "linear-memory",
		   "six texels, then zeros");
	memset(&told, 0xff, sizeof(told));
	CU(cuTexObjectGetResourceDesc(&told, texture));
	check_that(told.resType == CU_RESOURCE_TYPE_LINEAR && told.res.linear.devPtr == memory &&
			   told.res.linear.sizeInBytes == sizeof(words),
		   "resource-memory", "%zu bytes", told.res.linear.sizeInBytes);
	CU(cuTexObjectDestroy(texture));
	resource.res.linear.devPtr = 0;
	check_result("no-memory", cuTexObjectCreate(&texture, &resource, &desc, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree(memory));
}

static void check_pitched(struct data *d)
{
	float texels[W * H];
	CUDA_RESOURCE_DESC resource;
	CUDA_TEXTURE_DESC desc = how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0);
	CUDA_MEMCPY2D copy;
	CUdeviceptr memory = 0;
	CUtexObject texture = 0;
	unsigned int wrong;
	size_t pitch = 0;

	fill_ramp(texels, W, H, 1);
	CU(cuMemAllocPitch(&memory, &pitch, W * sizeof(float), H, 4));
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.srcHost = texels;
	copy.srcPitch = W * sizeof(float);
	copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	copy.dstDevice = memory;
	copy.dstPitch = pitch;
	copy.WidthInBytes = W * sizeof(float);
	copy.Height = H;
	CU(cuMemcpy2D(&copy));
	memset(&resource, 0, sizeof(resource));
	resource.resType = CU_RESOURCE_TYPE_PITCH2D;
	resource.res.pitch2D.devPtr = memory;
	resource.res.pitch2D.format = CU_AD_FORMAT_FLOAT;
	resource.res.pitch2D.numChannels = 1;
	resource.res.pitch2D.width = W;
	resource.res.pitch2D.height = H;
	resource.res.pitch2D.pitchInBytes = pitch;
	CU(cuTexObjectCreate(&texture, &resource, &desc, NULL));
	read_2d(d, texture, 1, 1, 0.5f, 0.5f);
	wrong = count_wrong(d, at_point);
	check_that(!wrong, "pitched-memory", "%u of %u wrong, pitch %zu", wrong, W * H, pitch);
	CU(cuTexObjectDestroy(texture));
	CU(cuMemFree(memory));
}

/* Level l has the value l + 1 everywhere. */
static void levels_fill(CUmipmappedArray mipmap, unsigned int levels)
{
	for (unsigned int l = 0; l < levels; l++) {
		CUDA_ARRAY3D_DESCRIPTOR desc;
		float texels[W * W];
		CUDA_MEMCPY2D copy;
		CUarray level = NULL;

		CU(cuMipmappedArrayGetLevel(&level, mipmap, l));
		CU(cuArray3DGetDescriptor(&desc, level));
		check_that(desc.Width == W >> l && desc.Height == W >> l, "level-size", "%zu",
			   desc.Width);
		for (unsigned int i = 0; i < W * W; i++)
			texels[i] = (float)(l + 1);
		memset(&copy, 0, sizeof(copy));
		copy.srcMemoryType = CU_MEMORYTYPE_HOST;
		copy.srcHost = texels;
		copy.srcPitch = desc.Width * sizeof(float);
		copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
		copy.dstArray = level;
		copy.WidthInBytes = desc.Width * sizeof(float);
		copy.Height = desc.Height;
		CU(cuMemcpy2D(&copy));
	}
}

static float level_read(struct data *d, CUtexObject texture, float level)
{
	void *params[] = {&texture, &d->out, &level};
	float got = 0;

	launch(d->level, 1, 1, 1, params);
	CU(cuMemcpyDtoH(&got, d->out, sizeof(got)));
	return got;
}

static void check_levels(struct data *d)
{
	CUDA_TEXTURE_DESC desc = how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR,
				     CU_TRSF_NORMALIZED_COORDINATES);
	CUDA_RESOURCE_DESC resource, told;
	CUDA_ARRAY3D_DESCRIPTOR array;
	CUmipmappedArray mipmap = NULL;
	CUtexObject texture = 0;
	float whole, between;

	memset(&array, 0, sizeof(array));
	array.Width = array.Height = W;
	array.Format = CU_AD_FORMAT_FLOAT;
	array.NumChannels = 1;
	CU(cuMipmappedArrayCreate(&mipmap, &array, 3));
	levels_fill(mipmap, 3);
	memset(&resource, 0, sizeof(resource));
	resource.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
	resource.res.mipmap.hMipmappedArray = mipmap;
	desc.mipmapFilterMode = CU_TR_FILTER_MODE_LINEAR;
	desc.maxMipmapLevelClamp = 2;
	CU(cuTexObjectCreate(&texture, &resource, &desc, NULL));
	whole = level_read(d, texture, 1);
	between = level_read(d, texture, 0.5f);
	check_that(whole == 2 && between == 1.5f && level_read(d, texture, 9) == 3, "levels",
		   "%g at 1, %g at 0.5", (double)whole, (double)between);
	CU(cuTexObjectGetResourceDesc(&told, texture));
	check_that(told.res.mipmap.hMipmappedArray == mipmap, "resource-levels", "the same");
	CU(cuTexObjectDestroy(texture));
	CU(cuMipmappedArrayDestroy(mipmap));
}

static void check_surface(struct data *d)
{
	CUarray array = array_of(W, H, 0, CUDA_ARRAY3D_SURFACE_LDST);
	CUDA_RESOURCE_DESC resource = of_array(array), told;
	uint32_t texels[W * H], wrong = 0, add = 17;
	float ramps[W * H];
	CUsurfObject surface = 0;
	CUDA_MEMCPY2D copy;
	void *params[] = {&surface, &add};

	CU(cuSurfObjectCreate(&surface, &resource));
	launch(d->surface, W, H, 1, params);
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	copy.srcArray = array;
	copy.dstMemoryType = CU_MEMORYTYPE_HOST;
	copy.dstHost = texels;
	copy.dstPitch = W * 4;
	copy.WidthInBytes = W * 4;
	copy.Height = H;
	CU(cuMemcpy2D(&copy));
	fill_ramp(ramps, W, H, 1);
	for (unsigned int i = 0; i < W * H; i++) {
		uint32_t bits;

		memcpy(&bits, &ramps[i], sizeof(bits));
		wrong += texels[i] != bits + add;
	}
	check_that(!wrong, "surface", "%u of %u wrong", wrong, W * H);
	CU(cuSurfObjectGetResourceDesc(&told, surface));
	check_that(told.resType == CU_RESOURCE_TYPE_ARRAY && told.res.array.hArray == array,
		   "resource-surface", "the array itself");
	CU(cuSurfObjectDestroy(surface));
	CU(cuArrayDestroy(array));
}

/* --- what objects tell ----------------------------------------------------------------------------------- */

static void check_told(struct data *d)
{
	CUarray array = array_of(W, H, 0, 0);
	CUDA_TEXTURE_DESC desc = how(CU_TR_ADDRESS_MODE_MIRROR, CU_TR_FILTER_MODE_LINEAR,
				     CU_TRSF_NORMALIZED_COORDINATES),
			  told;
	CUDA_RESOURCE_DESC resource;
	CUtexObject texture = texture_of(array, desc);
	CUarray plane = NULL;

	(void)d;
	memset(&told, 0xff, sizeof(told));
	CU(cuTexObjectGetTextureDesc(&told, texture));
	check_that(told.addressMode[1] == CU_TR_ADDRESS_MODE_MIRROR &&
			   told.filterMode == CU_TR_FILTER_MODE_LINEAR &&
			   told.flags == CU_TRSF_NORMALIZED_COORDINATES,
		   "texture-told", "mode %d", (int)told.addressMode[1]);
	CU(cuTexObjectGetResourceDesc(&resource, texture));
	check_that(resource.res.array.hArray == array, "resource-told", "the array itself");
	check_that(cuArrayGetPlane(&plane, array, 0) != CUDA_SUCCESS, "no-plane",
		   "an array of one format has none");
	CU(cuTexObjectDestroy(texture));
	check_that(cuTexObjectGetTextureDesc(&told, texture) != CUDA_SUCCESS, "destroyed",
		   "refused");
	CU(cuArrayDestroy(array));
}

/* Views are told as they were given. */
static void check_view(struct data *d)
{
	CUarray array = array_of(W, H, 0, 0);
	CUDA_TEXTURE_DESC desc = how(CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0);
	CUDA_RESOURCE_DESC resource = of_array(array);
	CUDA_RESOURCE_VIEW_DESC view, told;
	CUtexObject texture = 0;
	CUresult result;

	(void)d;
	memset(&view, 0, sizeof(view));
	view.format = CU_RES_VIEW_FORMAT_FLOAT_1X32;
	view.width = W;
	view.height = H;
	result = cuTexObjectCreate(&texture, &resource, &desc, &view);
	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("view", "this device has no views of other formats");
	} else {
		CU(result);
		memset(&told, 0, sizeof(told));
		CU(cuTexObjectGetResourceViewDesc(&told, texture));
		check_that(told.format == view.format && told.width == W, "view", "%zu wide",
			   told.width);
		CU(cuTexObjectDestroy(texture));
	}
	CU(cuArrayDestroy(array));
}

int main(void)
{
	struct data data;
	CUmodule module;

	memset(&data, 0, sizeof(data));
	data.dev = device_open();
	module = module_load(textures_ptx);
	data.fetch2d = module_function(module, "fetch2d");
	data.fetch1d = module_function(module, "fetch1d");
	data.fetch3d = module_function(module, "fetch3d");
	data.layer = module_function(module, "fetch_layer");
	data.level = module_function(module, "fetch_level");
	data.surface = module_function(module, "surface_add");
	CU(cuMemAlloc(&data.out, sizeof(data.got)));
	check_2d(&data);
	check_3d(&data);
	check_layers(&data);
	check_memory(&data);
	check_pitched(&data);
	check_levels(&data);
	check_surface(&data);
	check_told(&data);
	check_view(&data);
	CU(cuMemFree(data.out));
	CU(cuModuleUnload(module));
	device_close(data.dev);
	return check_end();
}
