/* SPDX-License-Identifier: MIT */
/*
 * Arrays of one dimension copied to and from everything; arrays as programs before CUDA 3.2 make, copy and ask them;
 * texture references, piece by piece. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/saxpy.ptx.h"

/* Texture references are deprecated, and here on purpose. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define WORDS 64u
#define BYTES (WORDS * 4)

/* Streams of threads' own came later. */
#define old_entry(name) entry_find(name, 2000, CU_GET_PROC_ADDRESS_DEFAULT)

struct data {
	CUstream stream;
	CUarray one, two; /* WORDS each */
	CUdeviceptr memory;
	uint8_t *pinned;
};

static CUarray array_of(size_t width, size_t height)
{
	CUDA_ARRAY_DESCRIPTOR desc;
	CUarray array = NULL;

	memset(&desc, 0, sizeof(desc));
	desc.Width = width;
	desc.Height = height;
	desc.Format = CU_AD_FORMAT_UNSIGNED_INT32;
	desc.NumChannels = 1;
	CU(cuArrayCreate(&array, &desc));
	return array;
}

static void check_lines(struct data *d)
{
	uint8_t from[BYTES], to[BYTES];
	CUDA_ARRAY_DESCRIPTOR desc;

	CU(cuArrayGetDescriptor(&desc, d->one));
	check_that(desc.Width == WORDS && desc.NumChannels == 1, "descriptor", "%zu wide",
		   desc.Width);
	fill_random(from, BYTES, 1);
	CU(cuMemcpyHtoA(d->one, 0, from, BYTES));
	CU(cuMemcpyAtoD(d->memory, d->one, 0, BYTES));
	CU(cuMemcpyDtoH(to, d->memory, BYTES));
	check_that(!count_not_random(to, BYTES, 1), "host-array-device", "%u bytes", BYTES);
	fill_random(from, BYTES, 2);
	CU(cuMemcpyHtoD(d->memory, from, BYTES));
	CU(cuMemcpyDtoA(d->one, 0, d->memory, BYTES));
	CU(cuMemcpyAtoA(d->two, 0, d->one, 0, BYTES));
	CU(cuMemcpyAtoH(to, d->two, 0, BYTES));
	check_that(!count_not_random(to, BYTES, 2), "device-array-array-host", "%u bytes", BYTES);
	fill_random(d->pinned, BYTES, 3);
	CU(cuMemcpyHtoAAsync(d->one, 0, d->pinned, BYTES, d->stream));
	CU(cuMemcpyAtoHAsync(d->pinned + BYTES, d->one, 0, BYTES, d->stream));
	CU(cuStreamSynchronize(d->stream));
	check_that(!count_not_random(d->pinned + BYTES, BYTES, 3), "asynchronous", "%u bytes",
		   BYTES);
}

/* --- before CUDA 3.2 --------------------------------------------------------------------------------------- */

/* The toolkit's header does not show them to programs any more. */
struct old_array {
	unsigned int Width, Height;
	CUarray_format Format;
	unsigned int NumChannels;
};

struct old_array3 {
	unsigned int Width, Height, Depth;
	CUarray_format Format;
	unsigned int NumChannels, Flags;
};

struct old_copy2 {
	unsigned int srcXInBytes, srcY;
	CUmemorytype srcMemoryType;
	const void *srcHost;
	unsigned int srcDevice;
	CUarray srcArray;
	unsigned int srcPitch, dstXInBytes, dstY;
	CUmemorytype dstMemoryType;
	void *dstHost;
	unsigned int dstDevice;
	CUarray dstArray;
	unsigned int dstPitch, WidthInBytes, Height;
};

struct old_copy3 {
	unsigned int srcXInBytes, srcY, srcZ, srcLOD;
	CUmemorytype srcMemoryType;
	const void *srcHost;
	unsigned int srcDevice;
	CUarray srcArray;
	void *reserved0;
	unsigned int srcPitch, srcHeight, dstXInBytes, dstY, dstZ, dstLOD;
	CUmemorytype dstMemoryType;
	void *dstHost;
	unsigned int dstDevice;
	CUarray dstArray;
	void *reserved1;
	unsigned int dstPitch, dstHeight, WidthInBytes, Height, Depth;
};

typedef CUresult (*create_v1)(CUarray *, const struct old_array *);
typedef CUresult (*create3_v1)(CUarray *, const struct old_array3 *);
typedef CUresult (*tell_v1)(struct old_array *, CUarray);
typedef CUresult (*tell3_v1)(struct old_array3 *, CUarray);
typedef CUresult (*htoa_v1)(CUarray, unsigned int, const void *, unsigned int);
typedef CUresult (*atoh_v1)(void *, CUarray, unsigned int, unsigned int);
typedef CUresult (*atoa_v1)(CUarray, unsigned int, CUarray, unsigned int, unsigned int);
typedef CUresult (*htoa_async_v1)(CUarray, unsigned int, const void *, unsigned int, CUstream);
typedef CUresult (*atoh_async_v1)(void *, CUarray, unsigned int, unsigned int, CUstream);
typedef CUresult (*copy2_v1)(const struct old_copy2 *);
typedef CUresult (*copy2_async_v1)(const struct old_copy2 *, CUstream);
typedef CUresult (*copy3_v1)(const struct old_copy3 *);
typedef CUresult (*copy3_async_v1)(const struct old_copy3 *, CUstream);
typedef CUresult (*alloc_host_v1)(void **, unsigned int);
typedef CUresult (*total_v1)(unsigned int *, CUdevice);
typedef CUresult (*info_v1)(unsigned int *, unsigned int *);

/* False, with a skip: what NVIDIA's driver makes of these is its own affair. */
static bool old_arrays_there(CUarray *array)
{
	create_v1 create = (create_v1)old_entry("cuArrayCreate");
	struct old_array desc;
	CUresult result;

	memset(&desc, 0, sizeof(desc));
	desc.Width = WORDS;
	desc.Format = CU_AD_FORMAT_UNSIGNED_INT32;
	desc.NumChannels = 1;
	result = create(array, &desc);
	if (result != CUDA_SUCCESS)
		check_skip("old-arrays", "%s", result_name(result));
	return result == CUDA_SUCCESS;
}

static void check_old_lines(struct data *d, CUarray array)
{
	htoa_v1 htoa = (htoa_v1)old_entry("cuMemcpyHtoA");
	atoh_v1 atoh = (atoh_v1)old_entry("cuMemcpyAtoH");
	atoa_v1 atoa = (atoa_v1)old_entry("cuMemcpyAtoA");
	htoa_async_v1 htoa_async = (htoa_async_v1)old_entry("cuMemcpyHtoAAsync");
	atoh_async_v1 atoh_async = (atoh_async_v1)old_entry("cuMemcpyAtoHAsync");
	tell_v1 tell = (tell_v1)old_entry("cuArrayGetDescriptor");
	struct old_array desc;
	uint8_t from[BYTES], to[BYTES];

	CU(tell(&desc, array));
	check_that(desc.Width == WORDS, "old-descriptor", "%u wide", desc.Width);
	fill_random(from, BYTES, 4);
	CU(htoa(d->one, 0, from, BYTES));
	CU(atoa(array, 0, d->one, 0, BYTES));
	CU(atoh(to, array, 0, BYTES));
	check_that(!count_not_random(to, BYTES, 4), "old-lines", "%u bytes", BYTES);
	fill_random(d->pinned, BYTES, 5);
	CU(htoa_async(array, 0, d->pinned, BYTES, d->stream));
	CU(atoh_async(d->pinned + BYTES, array, 0, BYTES, d->stream));
	CU(cuStreamSynchronize(d->stream));
	check_that(!count_not_random(d->pinned + BYTES, BYTES, 5), "old-asynchronous", "%u bytes",
		   BYTES);
}

#define ROWS 4u

static void boxes_of(struct data *d, CUarray array, bool out, struct old_copy2 *two,
		     struct old_copy3 *three)
{
	memset(two, 0, sizeof(*two));
	two->srcMemoryType = out ? CU_MEMORYTYPE_ARRAY : CU_MEMORYTYPE_HOST;
	two->dstMemoryType = out ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_ARRAY;
	two->srcArray = two->dstArray = array;
	two->srcHost = d->pinned;
	two->dstHost = d->pinned + BYTES;
	two->srcPitch = two->dstPitch = two->WidthInBytes = BYTES / ROWS;
	two->Height = ROWS;
	memset(three, 0, sizeof(*three));
	three->srcMemoryType = two->srcMemoryType;
	three->dstMemoryType = two->dstMemoryType;
	three->srcArray = three->dstArray = array;
	three->srcHost = d->pinned;
	three->dstHost = d->pinned + BYTES;
	three->srcPitch = three->dstPitch = three->WidthInBytes = BYTES / ROWS;
	three->srcHeight = three->dstHeight = three->Height = ROWS;
	three->Depth = 1;
}

static void check_old_boxes(struct data *d)
{
	copy2_v1 copy2 = (copy2_v1)old_entry("cuMemcpy2D");
	copy2_v1 unaligned = (copy2_v1)old_entry("cuMemcpy2DUnaligned");
	copy2_async_v1 copy2_async = (copy2_async_v1)old_entry("cuMemcpy2DAsync");
	copy3_v1 copy3 = (copy3_v1)old_entry("cuMemcpy3D");
	copy3_async_v1 copy3_async = (copy3_async_v1)old_entry("cuMemcpy3DAsync");
	create3_v1 create = (create3_v1)old_entry("cuArray3DCreate");
	tell3_v1 tell = (tell3_v1)old_entry("cuArray3DGetDescriptor");
	struct old_array3 desc, told;
	struct old_copy2 in2, out2;
	struct old_copy3 in3, out3;
	CUarray array = NULL;

	memset(&desc, 0, sizeof(desc));
	desc.Width = WORDS / ROWS;
	desc.Height = ROWS;
	desc.Format = CU_AD_FORMAT_UNSIGNED_INT32;
	desc.NumChannels = 1;
	CU(create(&array, &desc));
	CU(tell(&told, array));
	check_that(told.Width == desc.Width && told.Height == ROWS, "old-descriptor-3d", "%u by %u",
		   told.Width, told.Height);
	boxes_of(d, array, false, &in2, &in3);
	boxes_of(d, array, true, &out2, &out3);
	fill_random(d->pinned, BYTES, 6);
	CU(copy2(&in2));
	CU(unaligned(&out2));
	check_that(!count_not_random(d->pinned + BYTES, BYTES, 6), "old-2d", "%u bytes", BYTES);
	fill_random(d->pinned, BYTES, 7);
	CU(copy2_async(&in2, d->stream));
	CU(copy3_async(&out3, d->stream));
	CU(cuStreamSynchronize(d->stream));
	check_that(!count_not_random(d->pinned + BYTES, BYTES, 7), "old-async", "%u bytes", BYTES);
	fill_random(d->pinned, BYTES, 8);
	CU(copy3(&in3));
	CU(copy3(&out3));
	check_that(!count_not_random(d->pinned + BYTES, BYTES, 8), "old-3d", "%u bytes", BYTES);
	CU(cuArrayDestroy(array));
}

static void check_old_sizes(CUdevice dev)
{
	alloc_host_v1 alloc = (alloc_host_v1)old_entry("cuMemAllocHost");
	total_v1 total = (total_v1)old_entry("cuDeviceTotalMem");
	info_v1 info = (info_v1)old_entry("cuMemGetInfo");
	unsigned int bytes = 0, left = 0, all = 0;
	void *memory = NULL;

	CU(total(&bytes, dev));
	CU(info(&left, &all));
	check_that(bytes && all && left, "old-sizes", "%u of %u", left, all);
	CU(alloc(&memory, BYTES));
	memset(memory, 1, BYTES);
	CU(cuMemFreeHost(memory));
}

/* --- texture references ----------------------------------------------------------------------------------- */

typedef CUresult (*ref_create)(CUtexref *);
typedef CUresult (*ref_destroy)(CUtexref);

static void check_ref_fields(CUtexref ref)
{
	CUfilter_mode filter = CU_TR_FILTER_MODE_POINT, levels = filter;
	CUaddress_mode mode = CU_TR_ADDRESS_MODE_WRAP;
	float low = 0, high = 0, bias = 0, color[4] = {0}, set[4] = {1, 2, 3, 4};
	CUarray_format format = CU_AD_FORMAT_HALF;
	int channels = 0, anisotropy = 0;
	unsigned int flags = 0;

	CU(cuTexRefSetFormat(ref, CU_AD_FORMAT_UNSIGNED_INT8, 4));
	CU(cuTexRefGetFormat(&format, &channels, ref));
	check_that(format == CU_AD_FORMAT_UNSIGNED_INT8 && channels == 4, "ref-format",
		   "%d channels", channels);
	CU(cuTexRefSetAddressMode(ref, 1, CU_TR_ADDRESS_MODE_MIRROR));
	CU(cuTexRefGetAddressMode(&mode, ref, 1));
	CU(cuTexRefSetFilterMode(ref, CU_TR_FILTER_MODE_LINEAR));
	CU(cuTexRefGetFilterMode(&filter, ref));
	CU(cuTexRefSetMipmapFilterMode(ref, CU_TR_FILTER_MODE_LINEAR));
	CU(cuTexRefGetMipmapFilterMode(&levels, ref));
	check_that(mode == CU_TR_ADDRESS_MODE_MIRROR && filter == CU_TR_FILTER_MODE_LINEAR &&
			   levels == filter,
		   "ref-modes", "mirror, linear");
	CU(cuTexRefSetMipmapLevelBias(ref, 0.5f));
	CU(cuTexRefGetMipmapLevelBias(&bias, ref));
	CU(cuTexRefSetMipmapLevelClamp(ref, 1, 2));
	CU(cuTexRefGetMipmapLevelClamp(&low, &high, ref));
	check_that(bias == 0.5f && low == 1 && high == 2, "ref-levels", "%g to %g", (double)low,
		   (double)high);
	CU(cuTexRefSetMaxAnisotropy(ref, 4));
	CU(cuTexRefGetMaxAnisotropy(&anisotropy, ref));
	CU(cuTexRefSetBorderColor(ref, set));
	CU(cuTexRefGetBorderColor(color, ref));
	CU(cuTexRefSetFlags(ref, CU_TRSF_NORMALIZED_COORDINATES));
	CU(cuTexRefGetFlags(&flags, ref));
	check_that(anisotropy == 4 && color[0] == 1 && color[1] == 2 && color[2] == 3 &&
			   color[3] == 4 && flags & CU_TRSF_NORMALIZED_COORDINATES,
		   "ref-rest", "anisotropy %d, flags %u", anisotropy, flags);
}

static void check_ref_memory(struct data *d, CUtexref ref)
{
	CUDA_ARRAY3D_DESCRIPTOR levels;
	CUmipmappedArray mipmap = NULL, got_mipmap = NULL;
	CUDA_ARRAY_DESCRIPTOR desc;
	CUdeviceptr address = 0;
	CUarray got = NULL;
	size_t offset = 77;

	CU(cuTexRefSetArray(ref, d->one, CU_TRSA_OVERRIDE_FORMAT));
	CU(cuTexRefGetArray(&got, ref));
	check_that(got == d->one, "ref-array", "the array itself");
	CU(cuTexRefSetAddress(&offset, ref, d->memory, BYTES));
	CU(cuTexRefGetAddress(&address, ref));
	check_that(address == d->memory && offset == 0, "ref-address", "offset %zu", offset);
	memset(&desc, 0, sizeof(desc));
	desc.Width = 8;
	desc.Height = 2;
	desc.Format = CU_AD_FORMAT_UNSIGNED_INT32;
	desc.NumChannels = 1;
	CU(cuTexRefSetAddress2D(ref, &desc, d->memory, 128));
	memset(&levels, 0, sizeof(levels));
	levels.Width = levels.Height = 8;
	levels.Format = CU_AD_FORMAT_FLOAT;
	levels.NumChannels = 1;
	CU(cuMipmappedArrayCreate(&mipmap, &levels, 2));
	CU(cuTexRefSetMipmappedArray(ref, mipmap, CU_TRSA_OVERRIDE_FORMAT));
	CU(cuTexRefGetMipmappedArray(&got_mipmap, ref));
	check_that(got_mipmap == mipmap, "ref-levels-array", "the same");
	CU(cuTexRefSetArray(ref, d->one, CU_TRSA_OVERRIDE_FORMAT));
	CU(cuMipmappedArrayDestroy(mipmap));
}

static void check_refs(struct data *d)
{
	ref_create create = (ref_create)old_entry("cuTexRefCreate");
	ref_destroy destroy = (ref_destroy)old_entry("cuTexRefDestroy");
	CUmodule module = module_load(saxpy_ptx);
	CUsurfref surface = NULL;
	CUtexref ref = NULL, none = NULL;
	CUresult result = create(&ref);

	check_result("no-ref", cuModuleGetTexRef(&none, module, "nothing"), CUDA_ERROR_NOT_FOUND);
	check_result("no-surface", cuModuleGetSurfRef(&surface, module, "nothing"),
		     CUDA_ERROR_NOT_FOUND);
	if (result != CUDA_SUCCESS) {
		check_skip("refs", "none can be made: %s", result_name(result));
	} else {
		check_ref_fields(ref);
		check_ref_memory(d, ref);
		CU(destroy(ref));
	}
	CU(cuModuleUnload(module));
}

int main(void)
{
	CUdevice dev = device_open();
	CUarray array = NULL;
	struct data data;

	memset(&data, 0, sizeof(data));
	CU(cuStreamCreate(&data.stream, CU_STREAM_NON_BLOCKING));
	data.one = array_of(WORDS, 0);
	data.two = array_of(WORDS, 0);
	CU(cuMemAlloc(&data.memory, BYTES));
	CU(cuMemHostAlloc((void **)&data.pinned, BYTES * 2, 0));
	check_lines(&data);
	if (old_arrays_there(&array)) {
		check_old_lines(&data, array);
		CU(cuArrayDestroy(array));
		check_old_boxes(&data);
		check_old_sizes(dev);
	}
	check_refs(&data);
	CU(cuMemFreeHost(data.pinned));
	CU(cuMemFree(data.memory));
	CU(cuArrayDestroy(data.one));
	CU(cuArrayDestroy(data.two));
	CU(cuStreamDestroy(data.stream));
	device_close(dev);
	return check_end();
}
