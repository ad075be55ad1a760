/* SPDX-License-Identifier: MIT */
/*
 * Linear copies between host and device and within the device, each byte checked: of 0 bytes to
 * 64 MiB, at odd offsets, from pageable, allocated and registered host memory, synchronous and not.
 * What lies before and behind must be untouched. The host's data is made anew to compare with
 * instead of being kept, so that a guest of 256 MiB suffices. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

#define MIB   ((size_t)1 << 20)
#define GUARD 64u
#define FENCE 0xa5

enum memory {
	PAGEABLE,
	PINNED,
	REGISTERED
};

static const char *const memory_names[] = {"pageable", "pinned", "registered"};

struct host {
	enum memory kind;
	unsigned char *base; /* owned: GUARD + offset + data + GUARD bytes */
	size_t size;
};

static void host_create(struct host *h, enum memory kind, size_t size)
{
	void *p = NULL;

	h->kind = kind;
	h->size = size;
	if (kind == PINNED) {
		CU(cuMemHostAlloc(&p, size, 0));
	} else {
		p = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
		if (!p)
			exit(2);
		if (kind == REGISTERED)
			CU(cuMemHostRegister(p, size, 0));
	}
	h->base = p;
}

static void host_destroy(struct host *h)
{
	if (h->kind == PINNED) {
		CU(cuMemFreeHost(h->base));
		return;
	}
	if (h->kind == REGISTERED)
		CU(cuMemHostUnregister(h->base));
	free(h->base);
}

/* One journey: host -> first -> second -> host, all at the same offset behind the guard. */
struct journey {
	struct host host;
	CUdeviceptr first, second;
	size_t size, offset, whole; /* whole = guards, offset and data */
	CUstream stream;            /* NULL: synchronous calls */
};

static void travel(struct journey *j)
{
	size_t at = GUARD + j->offset;
	unsigned char *data = j->host.base + at;

	if (!j->stream) {
		CU(cuMemcpyHtoD(j->first + at, data, j->size));
		CU(cuMemcpyDtoD(j->second + at, j->first + at, j->size));
		memset(j->host.base, FENCE, j->whole);
		CU(cuMemcpyDtoH(data, j->second + at, j->size));
		return;
	}
	CU(cuMemcpyHtoDAsync(j->first + at, data, j->size, j->stream));
	CU(cuMemcpyDtoDAsync(j->second + at, j->first + at, j->size, j->stream));
	/* Pageable memory may be reused at once, pinned memory when the stream is through. */
	if (j->host.kind != PAGEABLE)
		CU(cuStreamSynchronize(j->stream));
	memset(j->host.base, FENCE, j->whole);
	CU(cuMemcpyDtoHAsync(data, j->second + at, j->size, j->stream));
	CU(cuStreamSynchronize(j->stream));
}

/* Bytes around the data that are not what they were, on host or device. */
static size_t count_spilled(struct journey *j)
{
	size_t at = GUARD + j->offset, behind = at + j->size;
	unsigned char fence[2 * GUARD];
	CUdeviceptr devices[] = {j->first, j->second};
	size_t wrong = count_not_value(j->host.base, at, FENCE);

	wrong += count_not_value(j->host.base + behind, j->whole - behind, FENCE);
	for (int i = 0; i < 2; i++) {
		CU(cuMemcpyDtoH(fence, devices[i], at));
		wrong += count_not_value(fence, at, FENCE);
		CU(cuMemcpyDtoH(fence, devices[i] + behind, GUARD));
		wrong += count_not_value(fence, GUARD, FENCE);
	}
	return wrong;
}

/* Returns the number of wrong bytes. */
static size_t run_journey(enum memory kind, size_t size, size_t offset, CUstream stream)
{
	uint64_t seed = size * 31 + offset * 7 + kind + (stream ? 1000 : 0);
	struct journey j = {.size = size, .offset = offset, .stream = stream};
	size_t wrong;

	j.whole = GUARD + offset + size + GUARD;
	host_create(&j.host, kind, j.whole);
	CU(cuMemAlloc(&j.first, j.whole));
	CU(cuMemAlloc(&j.second, j.whole));
	CU(cuMemsetD8(j.first, FENCE, j.whole));
	CU(cuMemsetD8(j.second, FENCE, j.whole));
	/* Memsets are not ordered with a non-blocking stream. */
	CU(cuCtxSynchronize());
	fill_random(j.host.base + GUARD + offset, size, seed);
	travel(&j);
	wrong = count_not_random(j.host.base + GUARD + offset, size, seed);
	wrong += count_spilled(&j);
	CU(cuMemFree(j.first));
	CU(cuMemFree(j.second));
	host_destroy(&j.host);
	return wrong;
}

static void check_sizes(enum memory kind, CUstream stream)
{
	static const size_t sizes[] = {0,     1,     2,       3,    4,       7,           8,
				       255,   256,   257,     4095, 4096,    4097,        65535,
				       65536, 65537, MIB - 1, MIB,  MIB + 1, 3 * MIB + 7, 64 * MIB};
	static const size_t offsets[] = {0, 1, 13};
	const char *way = stream ? "async" : "sync";
	char name[64];
	size_t wrong, count = sizeof(sizes) / sizeof(sizes[0]);

	for (size_t i = 0; i < count; i++) {
		wrong = 0;
		for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
			/* The largest once: it is there for its size. */
			if (sizes[i] == 64 * MIB && offsets[o] != 13)
				continue;
			wrong += run_journey(kind, sizes[i], offsets[o], stream);
		}
		snprintf(name, sizeof(name), "copy-%s-%s", memory_names[kind], way);
		check_that(wrong == 0, name, "%zu bytes, to, within and from the device: %zu wrong",
			   sizes[i], wrong);
	}
}

/* cuMemcpy and cuMemcpyAsync find the direction from the addresses. */
static void check_unified(CUstream stream)
{
	size_t size = 123457, wrong;
	unsigned char *source = malloc(size), *target = malloc(size);
	CUdeviceptr first = 0, second = 0;

	if (!source || !target)
		exit(2);
	CU(cuMemAlloc(&first, size));
	CU(cuMemAlloc(&second, size));
	fill_random(source, size, 5);
	memset(target, 0, size);
	CU(cuMemcpy(first, (CUdeviceptr)(uintptr_t)source, size));
	CU(cuMemcpy(second, first, size));
	CU(cuMemcpy((CUdeviceptr)(uintptr_t)target, second, size));
	wrong = count_not_random(target, size, 5);
	check_that(wrong == 0, "copy-unified", "%zu bytes, %zu wrong", size, wrong);

	fill_random(source, size, 6);
	CU(cuMemcpyAsync(first, (CUdeviceptr)(uintptr_t)source, size, stream));
	CU(cuMemcpyAsync(second, first, size, stream));
	CU(cuMemcpyAsync((CUdeviceptr)(uintptr_t)target, second, size, stream));
	CU(cuStreamSynchronize(stream));
	wrong = count_not_random(target, size, 6);
	check_that(wrong == 0, "copy-unified-async", "%zu bytes, %zu wrong", size, wrong);

	memset(target, 0, size);
	CU(cuMemcpy((CUdeviceptr)(uintptr_t)target, (CUdeviceptr)(uintptr_t)source, size));
	wrong = count_not_random(target, size, 6);
	check_that(wrong == 0, "copy-host-to-host", "%zu bytes, %zu wrong", size, wrong);
	CU(cuMemFree(first));
	CU(cuMemFree(second));
	free(source);
	free(target);
}

/*
 * Many copies in flight on two streams, the second held back by an event of the first: data is there
 * when an event query says so, without any other synchronization.
 */
static void check_in_flight(CUstream one)
{
	enum {
		CHUNK = 50021,
		CHUNKS = 40
	};
	unsigned char *pinned = NULL, *back = NULL;
	size_t whole = (size_t)CHUNK * CHUNKS, wrong;
	CUdeviceptr device = 0;
	CUevent filled, done;
	CUstream two;
	CUresult state;

	CU(cuMemHostAlloc((void **)&pinned, whole, 0));
	CU(cuMemAllocHost((void **)&back, whole));
	CU(cuMemAlloc(&device, whole));
	CU(cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&filled, CU_EVENT_DISABLE_TIMING));
	CU(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
	fill_random(pinned, whole, 77);
	for (size_t at = 0; at < whole; at += CHUNK)
		CU(cuMemcpyHtoDAsync(device + at, pinned + at, CHUNK, one));
	CU(cuEventRecord(filled, one));
	CU(cuStreamWaitEvent(two, filled, 0));
	for (size_t at = 0; at < whole; at += CHUNK)
		CU(cuMemcpyDtoHAsync(back + at, device + at, CHUNK, two));
	CU(cuEventRecord(done, two));
	do {
		state = cuEventQuery(done);
	} while (state == CUDA_ERROR_NOT_READY);
	CU(state);
	wrong = count_not_random(back, whole, 77);
	check_that(wrong == 0, "copies-in-flight", "%d copies on two streams, %zu bytes wrong",
		   2 * CHUNKS, wrong);
	CU(cuEventDestroy(filled));
	CU(cuEventDestroy(done));
	CU(cuStreamDestroy(two));
	CU(cuMemFree(device));
	CU(cuMemFreeHost(pinned));
	CU(cuMemFreeHost(back));
}

int main(void)
{
	CUdevice dev = device_open();
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int kind = PAGEABLE; kind <= REGISTERED; kind++) {
		check_sizes((enum memory)kind, NULL);
		check_sizes((enum memory)kind, stream);
	}
	check_unified(stream);
	check_in_flight(stream);
	CU(cuStreamDestroy(stream));
	device_close(dev);
	return check_end();
}
