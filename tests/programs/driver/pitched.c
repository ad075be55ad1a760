/* SPDX-License-Identifier: MIT */
/*
 * Copies of rectangles and boxes out of and into larger ones, in every direction (host and device,
 * each as source and target, and addresses whose kind CUDA finds by itself), with pitches, offsets
 * and widths that are no multiple of anything. After each copy the whole target is compared with a
 * copy made on the CPU, so that a byte too many shows. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

/* A block of memory of one kind that looks like a box of bytes. */
struct box {
	CUmemorytype type;    /* HOST, DEVICE, or UNIFIED for device memory named by address */
	size_t pitch, height; /* bytes a line, lines a slice */
	size_t size;
	unsigned char *host; /* owned; for a device box, what it ought to contain */
	CUdeviceptr device;  /* owned; 0 for host boxes */
};

static void box_create(struct box *b, CUmemorytype type, size_t pitch, size_t height, size_t depth,
		       uint64_t seed)
{
	memset(b, 0, sizeof(*b));
	b->type = type;
	b->pitch = pitch;
	b->height = height;
	b->size = pitch * height * depth;
	b->host = malloc(b->size);
	if (!b->host)
		exit(2);
	fill_random(b->host, b->size, seed);
	if (type == CU_MEMORYTYPE_HOST)
		return;
	CU(cuMemAlloc(&b->device, b->size));
	CU(cuMemcpyHtoD(b->device, b->host, b->size));
}

static void box_destroy(struct box *b)
{
	if (b->device)
		CU(cuMemFree(b->device));
	free(b->host);
}

struct part {
	size_t x, y, z;
};

struct extent {
	size_t width, height, depth;
};

/* The same copy on the CPU, from what the source contains to `to`, an image of the target. */
static void copy_on_cpu(unsigned char *to, const struct box *target, struct part t,
			const struct box *source, struct part s, struct extent e)
{
	for (size_t z = 0; z < e.depth; z++) {
		for (size_t y = 0; y < e.height; y++) {
			size_t line_t = (t.z + z) * target->height + t.y + y;
			size_t line_s = (s.z + z) * source->height + s.y + y;

			memcpy(to + line_t * target->pitch + t.x,
			       source->host + line_s * source->pitch + s.x, e.width);
		}
	}
}

static void describe_2d(CUDA_MEMCPY2D *c, struct box *target, struct part t, struct box *source,
			struct part s, struct extent e)
{
	*c = (CUDA_MEMCPY2D){
		.srcXInBytes = s.x,
		.srcY = s.y,
		.srcMemoryType = source->type,
		.srcHost = source->type == CU_MEMORYTYPE_HOST ? source->host : NULL,
		.srcDevice = source->device,
		.srcPitch = source->pitch,
		.dstXInBytes = t.x,
		.dstY = t.y,
		.dstMemoryType = target->type,
		.dstHost = target->type == CU_MEMORYTYPE_HOST ? target->host : NULL,
		.dstDevice = target->device,
		.dstPitch = target->pitch,
		.WidthInBytes = e.width,
		.Height = e.height,
	};
}

static void describe_3d(CUDA_MEMCPY3D *c, struct box *target, struct part t, struct box *source,
			struct part s, struct extent e)
{
	*c = (CUDA_MEMCPY3D){
		.srcXInBytes = s.x,
		.srcY = s.y,
		.srcZ = s.z,
		.srcMemoryType = source->type,
		.srcHost = source->type == CU_MEMORYTYPE_HOST ? source->host : NULL,
		.srcDevice = source->device,
		.srcPitch = source->pitch,
		.srcHeight = source->height,
		.dstXInBytes = t.x,
		.dstY = t.y,
		.dstZ = t.z,
		.dstMemoryType = target->type,
		.dstHost = target->type == CU_MEMORYTYPE_HOST ? target->host : NULL,
		.dstDevice = target->device,
		.dstPitch = target->pitch,
		.dstHeight = target->height,
		.WidthInBytes = e.width,
		.Height = e.height,
		.Depth = e.depth,
	};
}

/* How the copy is asked for. */
enum way {
	SYNC_2D,
	UNALIGNED_2D,
	ASYNC_2D,
	SYNC_3D,
	ASYNC_3D,
	WAYS
};

static const char *const way_names[] = {"2d", "2d-unaligned", "2d-async", "3d", "3d-async"};

static void copy(enum way way, struct box *target, struct part t, struct box *source, struct part s,
		 struct extent e, CUstream stream)
{
	CUDA_MEMCPY2D flat;
	CUDA_MEMCPY3D deep;

	describe_2d(&flat, target, t, source, s, e);
	describe_3d(&deep, target, t, source, s, e);
	switch (way) {
	case SYNC_2D: CU(cuMemcpy2D(&flat)); break;
	case UNALIGNED_2D: CU(cuMemcpy2DUnaligned(&flat)); break;
	case ASYNC_2D: CU(cuMemcpy2DAsync(&flat, stream)); break;
	case SYNC_3D: CU(cuMemcpy3D(&deep)); break;
	default: CU(cuMemcpy3DAsync(&deep, stream)); break;
	}
	CU(cuStreamSynchronize(stream));
}

static size_t count_wrong(struct box *target, const unsigned char *wanted)
{
	unsigned char *got = target->host;
	size_t wrong = 0;

	if (target->device) {
		got = malloc(target->size);
		if (!got)
			exit(2);
		CU(cuMemcpyDtoH(got, target->device, target->size));
	}
	for (size_t i = 0; i < target->size; i++)
		wrong += got[i] != wanted[i];
	if (target->device)
		free(got);
	return wrong;
}

static size_t run_copy(enum way way, CUmemorytype to, CUmemorytype from, struct extent e,
		       CUstream stream)
{
	bool deep = way == SYNC_3D || way == ASYNC_3D;
	struct part t = {5, 3, deep ? 1 : 0}, s = {11, 2, deep ? 2 : 0};
	struct box target, source;
	unsigned char *wanted;
	size_t wrong;

	if (!deep)
		e.depth = 1;
	/* Pitches of device memory are multiples of 64: what 2D copies may require. */
	box_create(&target, to, (t.x + e.width + 3 + 63) & ~(size_t)63, t.y + e.height + 1,
		   t.z + e.depth + 1, 21);
	box_create(&source, from, (s.x + e.width + 7 + 63) & ~(size_t)63, s.y + e.height + 4,
		   s.z + e.depth + 2, 22);
	wanted = malloc(target.size);
	if (!wanted)
		exit(2);
	memcpy(wanted, target.host, target.size);
	copy_on_cpu(wanted, &target, t, &source, s, e);
	/* A copy from pageable memory may still be on its way, and the stream does not wait for it. */
	CU(cuCtxSynchronize());
	copy(way, &target, t, &source, s, e, stream);
	wrong = count_wrong(&target, wanted);
	free(wanted);
	box_destroy(&target);
	box_destroy(&source);
	return wrong;
}

static const char *type_name(CUmemorytype type)
{
	return type == CU_MEMORYTYPE_HOST ? "host" : type == CU_MEMORYTYPE_DEVICE ? "dev" : "addr";
}

static void check_way(enum way way, CUstream stream)
{
	static const CUmemorytype types[] = {CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_DEVICE,
					     CU_MEMORYTYPE_UNIFIED};
	static const struct extent extents[] = {{1, 1, 1},     {64, 4, 2}, {333, 17, 5},
						{4099, 61, 3}, {0, 3, 3},  {5, 0, 2}};
	char name[64];
	size_t wrong;

	for (int to = 0; to < 3; to++) {
		for (int from = 0; from < 3; from++) {
			wrong = 0;
			for (size_t i = 0; i < sizeof(extents) / sizeof(extents[0]); i++)
				wrong += run_copy(way, types[to], types[from], extents[i], stream);
			snprintf(name, sizeof(name), "copy-%s", way_names[way]);
			check_that(wrong == 0, name, "%s to %s, %zu bytes wrong",
				   type_name(types[from]), type_name(types[to]), wrong);
		}
	}
}

/* cuMemAllocPitch gives lines that start where CUDA likes them; width and pitch differ. */
static void check_alloc_pitch(void)
{
	size_t pitch = 0, width = 1003, height = 37;
	struct box host;
	struct box device = {.type = CU_MEMORYTYPE_DEVICE};
	unsigned char *back;
	CUDA_MEMCPY2D c;
	size_t wrong;

	box_create(&host, CU_MEMORYTYPE_HOST, width, height, 1, 31);
	CU(cuMemAllocPitch(&device.device, &pitch, width, height, 4));
	device.pitch = pitch;
	device.height = height;
	describe_2d(&c, &device, (struct part){0, 0, 0}, &host, (struct part){0, 0, 0},
		    (struct extent){width, height, 1});
	CU(cuMemcpy2D(&c));
	back = malloc(width * height);
	if (!back)
		exit(2);
	describe_2d(&c, &host, (struct part){0, 0, 0}, &device, (struct part){0, 0, 0},
		    (struct extent){width, height, 1});
	c.dstHost = back;
	CU(cuMemcpy2D(&c));
	wrong = count_not_random(back, width * height, 31);
	check_that(wrong == 0 && pitch >= width, "alloc-pitch",
		   "pitch %zu for %zu, %zu bytes wrong", pitch, width, wrong);
	CU(cuMemFree(device.device));
	free(host.host);
	free(back);
}

int main(void)
{
	CUdevice dev = device_open();
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int way = 0; way < WAYS; way++)
		check_way((enum way)way, stream);
	check_alloc_pitch();
	CU(cuStreamDestroy(stream));
	device_close(dev);
	return check_end();
}
