/* SPDX-License-Identifier: MIT */
/*
 * Every memset: elements of 8, 16 and 32 bits, lines and rectangles, synchronous and on a stream,
 * of 0 elements to 16 MiB. The bytes around must be untouched. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

#define FENCE 0x5a
#define VALUE 0x8badf00du

/* Sets `count` elements of `width` bytes. */
static void set_line(CUdeviceptr d, unsigned int width, size_t count, CUstream stream)
{
	switch (width + (stream ? 8 : 0)) {
	case 1: CU(cuMemsetD8(d, (unsigned char)VALUE, count)); break;
	case 2: CU(cuMemsetD16(d, (unsigned short)VALUE, count)); break;
	case 4: CU(cuMemsetD32(d, VALUE, count)); break;
	case 9: CU(cuMemsetD8Async(d, (unsigned char)VALUE, count, stream)); break;
	case 10: CU(cuMemsetD16Async(d, (unsigned short)VALUE, count, stream)); break;
	default: CU(cuMemsetD32Async(d, VALUE, count, stream)); break;
	}
}

static void set_rectangle(CUdeviceptr d, size_t pitch, unsigned int width, size_t count,
			  size_t lines, CUstream stream)
{
	unsigned char v8 = (unsigned char)VALUE;
	unsigned short v16 = (unsigned short)VALUE;

	switch (width + (stream ? 8 : 0)) {
	case 1: CU(cuMemsetD2D8(d, pitch, v8, count, lines)); break;
	case 2: CU(cuMemsetD2D16(d, pitch, v16, count, lines)); break;
	case 4: CU(cuMemsetD2D32(d, pitch, VALUE, count, lines)); break;
	case 9: CU(cuMemsetD2D8Async(d, pitch, v8, count, lines, stream)); break;
	case 10: CU(cuMemsetD2D16Async(d, pitch, v16, count, lines, stream)); break;
	default: CU(cuMemsetD2D32Async(d, pitch, VALUE, count, lines, stream)); break;
	}
}

struct area {
	size_t offset, pitch, lines, count; /* a line is one of count elements and pitch 0 */
	unsigned int width;
	CUstream stream;
};

/* Fences the memory, sets the area, reads all back and counts the wrong bytes. */
static size_t run_area(const struct area *a)
{
	size_t last = a->lines ? a->pitch * (a->lines - 1) : 0;
	size_t size = a->offset + last + a->count * a->width + 64, wrong = 0;
	unsigned char *wanted = malloc(size), *got = malloc(size);
	uint32_t value = VALUE;
	CUdeviceptr d = 0;

	if (!wanted || !got)
		exit(2);
	CU(cuMemAlloc(&d, size));
	CU(cuMemsetD8(d, FENCE, size));
	CU(cuCtxSynchronize());
	memset(wanted, FENCE, size);
	for (size_t y = 0; y < a->lines; y++)
		for (size_t x = 0; x < a->count * a->width; x++)
			wanted[a->offset + y * a->pitch + x] =
				(unsigned char)(value >> 8 * (x % a->width));
	if (a->pitch)
		set_rectangle(d + a->offset, a->pitch, a->width, a->count, a->lines, a->stream);
	else
		set_line(d + a->offset, a->width, a->count, a->stream);
	CU(cuStreamSynchronize(a->stream));
	CU(cuMemcpyDtoH(got, d, size));
	for (size_t i = 0; i < size; i++)
		wrong += got[i] != wanted[i];
	CU(cuMemFree(d));
	free(wanted);
	free(got);
	return wrong;
}

static void check_lines(unsigned int width, CUstream stream)
{
	static const size_t counts[] = {0, 1, 3, 255, 1000, 65537, (size_t)4 << 20};
	struct area a = {.lines = 1, .width = width, .stream = stream};
	char name[64];
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (a.offset = 0; a.offset < 32; a.offset += 3 * width) {
			a.count = counts[i];
			wrong += run_area(&a);
			if (a.count > 100000)
				break;
		}
	}
	snprintf(name, sizeof(name), "memset-d%u%s", 8 * width, stream ? "-async" : "");
	check_that(wrong == 0, name, "%zu bytes wrong", wrong);
}

static void check_rectangles(unsigned int width, CUstream stream)
{
	static const size_t counts[] = {1, 7, 33, 250};
	struct area a = {.width = width, .stream = stream};
	char name[64];
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (a.lines = 1; a.lines < 40; a.lines += 13) {
			a.count = counts[i];
			a.pitch = 1024;
			a.offset = 5 * (size_t)width;
			wrong += run_area(&a);
		}
	}
	snprintf(name, sizeof(name), "memset-2d-d%u%s", 8 * width, stream ? "-async" : "");
	check_that(wrong == 0, name, "%zu bytes wrong", wrong);
}

int main(void)
{
	CUdevice dev = device_open();
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (unsigned int width = 1; width <= 4; width *= 2) {
		check_lines(width, NULL);
		check_lines(width, stream);
		check_rectangles(width, NULL);
		check_rectangles(width, stream);
	}
	CU(cuStreamDestroy(stream));
	device_close(dev);
	return check_end();
}
