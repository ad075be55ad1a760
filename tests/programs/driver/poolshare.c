/* SPDX-License-Identifier: MIT */
/*
 * A pool that two processes share: its descriptor goes over a UNIX socket, what is said of an allocation as
 * bytes. The taker sees what the giver wrote and the other way round, frees what it has imported,
 * and can allocate nothing. One process may import its own. What was made up is refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/programs/check.h"
#include "tests/programs/peer.h"

#define FD    CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
#define SIZE  ((size_t)1 << 20)
#define WORDS (SIZE / 4)

/* --- the other process ------------------------------------------------------------------------------------- */

struct parcel {
	CUmemPoolPtrExportData first, second;
};

/* --- pools ------------------------------------------------------------------------------------------------- */

static CUmemoryPool pool_make(CUdevice dev)
{
	CUmemPoolProps props;
	CUmemoryPool pool = NULL;

	memset(&props, 0, sizeof(props));
	props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
	props.handleTypes = FD;
	props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	props.location.id = dev;
	CU(cuMemPoolCreate(&pool, &props));
	return pool;
}

static CUdeviceptr filled(CUmemoryPool pool, unsigned int value)
{
	CUdeviceptr p = 0;

	CU(cuMemAllocFromPoolAsync(&p, SIZE, pool, NULL));
	CU(cuMemsetD32Async(p, value, WORDS, NULL));
	CU(cuStreamSynchronize(NULL));
	return p;
}

static unsigned int count_other(CUdeviceptr p, uint32_t value)
{
	uint32_t *host = malloc(SIZE);
	unsigned int wrong = 0;

	if (!host)
		exit(2);
	CU(cuMemcpyDtoH(host, p, SIZE));
	for (size_t i = 0; i < WORDS; i++)
		wrong += host[i] != value;
	free(host);
	return wrong;
}

static CUmemoryPool pool_import(int fd)
{
	CUmemoryPool pool = NULL;

	CU(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fd, FD, 0));
	return pool;
}

/* --- one process ------------------------------------------------------------------------------------------- */

static void check_exports(CUdevice dev, CUmemoryPool pool)
{
	CUmemPoolPtrExportData data;
	CUmemoryPool standard = NULL;
	CUdeviceptr plain = 0;
	int fd = -1;

	CU(cuDeviceGetDefaultMemPool(&standard, dev));
	check_result("export-default", cuMemPoolExportToShareableHandle(&fd, standard, FD, 0),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("export-flags", cuMemPoolExportToShareableHandle(&fd, pool, FD, 1),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuMemAlloc(&plain, 64));
	check_result("export-plain", cuMemPoolExportPointer(&data, plain),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("export-null", cuMemPoolExportPointer(NULL, plain), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree(plain));
	CU(cuMemAllocAsync(&plain, 64, NULL));
	check_result("export-of-default", cuMemPoolExportPointer(&data, plain),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFreeAsync(plain, NULL));
}

static void check_imported(CUdevice dev, CUmemoryPool pool)
{
	cuuint64_t value = 0;
	CUdeviceptr p = 0;
	int fd = -1;

	(void)dev;
	check_result("imported-alloc", cuMemAllocFromPoolAsync(&p, 4096, pool, NULL),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("imported-used",
		     cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &value),
		     CUDA_ERROR_INVALID_VALUE);
	check_result("imported-trim", cuMemPoolTrimTo(pool, 0), CUDA_ERROR_INVALID_VALUE);
	check_result("imported-export", cuMemPoolExportToShareableHandle(&fd, pool, FD, 0),
		     CUDA_ERROR_INVALID_VALUE);
}

static void check_strangers(CUmemoryPool pool)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = memfd_create("stranger", MFD_CLOEXEC);
	CUmemPoolPtrExportData data;
	CUmemoryPool made = NULL;
	CUdeviceptr p = 0;

	if (null < 0 || file < 0 || write(file, "vgpu-ipc", 8) != 8 || ftruncate(file, 64))
		exit(2);
	check_that(cuMemPoolImportFromShareableHandle(&made, (void *)(intptr_t)null, FD, 0) !=
			   CUDA_SUCCESS,
		   "import-null-device", "refused");
	check_that(cuMemPoolImportFromShareableHandle(&made, (void *)(intptr_t)file, FD, 0) !=
			   CUDA_SUCCESS,
		   "import-stranger", "refused");
	memset(&data, 1, sizeof(data));
	check_result("import-made-up", cuMemPoolImportPointer(&p, pool, &data),
		     CUDA_ERROR_INVALID_VALUE);
	close(null);
	close(file);
}

static int alone(void)
{
	CUdevice dev = device_open();
	CUmemoryPool pool = pool_make(dev), own;
	CUdeviceptr p = filled(pool, 7), q = 0;
	CUmemPoolPtrExportData data;
	int fd = -1;

	check_exports(dev, pool);
	CU(cuMemPoolExportToShareableHandle(&fd, pool, FD, 0));
	CU(cuMemPoolExportPointer(&data, p));
	own = pool_import(fd);
	check_that(own != pool, "own-pool", "is another to its process");
	CU(cuMemPoolImportPointer(&q, own, &data));
	check_that(q != p && count_other(q, 7) == 0, "own-memory", "has two addresses");
	check_imported(dev, own);
	check_strangers(own);
	CU(cuMemFree(q));
	check_result("freed-twice", cuMemFree(q), CUDA_ERROR_INVALID_VALUE);
	check_that(count_other(p, 7) == 0, "own-memory-stays", "%zu bytes", SIZE);
	CU(cuMemFreeAsync(p, NULL));
	CU(cuStreamSynchronize(NULL));
	close(fd);
	CU(cuMemPoolDestroy(pool));
	device_close(dev);
	return check_end();
}

/* --- two processes ----------------------------------------------------------------------------------------- */

static int giver(void)
{
	CUdevice dev = device_open();
	CUmemoryPool pool = pool_make(dev);
	CUdeviceptr first = filled(pool, 11), second = filled(pool, 12);
	struct parcel parcel = {0};
	int fd = -1;

	CU(cuMemPoolExportToShareableHandle(&fd, pool, FD, 0));
	CU(cuMemPoolExportPointer(&parcel.first, first));
	CU(cuMemPoolExportPointer(&parcel.second, second));
	peer_fd_send(fd, &parcel, sizeof(parcel));
	close(fd);
	peer_turn_take();
	check_that(count_other(first, 22) == 0, "taker-wrote", "%zu bytes", SIZE);
	peer_turn_give();
	peer_turn_take(); /* it has freed both */
	CU(cuMemFreeAsync(first, NULL));
	CU(cuMemFreeAsync(second, NULL));
	CU(cuStreamSynchronize(NULL));
	peer_turn_give();
	peer_turn_take();
	CU(cuMemPoolDestroy(pool));
	device_close(dev);
	return check_end();
}

static int taker(void)
{
	CUdevice dev = device_open();
	CUdeviceptr first = 0, second = 0;
	struct parcel parcel = {0};
	int fd = peer_fd_receive(&parcel, sizeof(parcel));
	CUmemoryPool pool = pool_import(fd);

	close(fd);
	CU(cuMemPoolImportPointer(&first, pool, &parcel.first));
	CU(cuMemPoolImportPointer(&second, pool, &parcel.second));
	check_that(count_other(first, 11) == 0 && count_other(second, 12) == 0, "giver-wrote",
		   "two allocations");
	CU(cuMemsetD32(first, 22, WORDS));
	CU(cuCtxSynchronize());
	peer_turn_give();
	peer_turn_take();
	CU(cuMemFree(first));
	CU(cuMemFreeAsync(second, NULL));
	CU(cuStreamSynchronize(NULL));
	peer_turn_give();
	peer_turn_take(); /* the giver has freed them too */
	peer_turn_give();
	device_close(dev);
	return check_end();
}

static int probe(void)
{
	CUdevice dev = device_open();
	int types = device_attribute(dev, CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES);

	device_close(dev);
	return types & FD ? 0 : 3;
}

int main(void)
{
	/* Not in this process, which is to fork. */
	if (!peer_ended_well(peer_start(probe, -1, -1))) {
		check_skip("poolshare", "the device has no descriptors for pools");
		return 0;
	}
	check_that(peer_ended_well(peer_start(alone, -1, -1)), "one-process", "is content");
	peer_two(SOCK_SEQPACKET, giver, taker);
	return check_end();
}
