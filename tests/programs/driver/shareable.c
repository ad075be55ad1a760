/* SPDX-License-Identifier: MIT */
/*
 * Memory by cuMemCreate that two processes map: its descriptor goes over a UNIX socket, as any descriptor
 * does. The taker sees what the giver wrote and the other way round; the giver may release and unmap
 * before the taker does. Descriptors of anything else are refused.
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

#define FD CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR

static CUmemAllocationProp properties(CUdevice dev)
{
	CUmemAllocationProp prop;

	memset(&prop, 0, sizeof(prop));
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	prop.location.id = dev;
	prop.requestedHandleTypes = FD;
	return prop;
}

static CUdeviceptr map(CUdevice dev, CUmemGenericAllocationHandle handle, size_t size)
{
	CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE},
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUdeviceptr p = 0;

	access.location.id = dev;
	CU(cuMemAddressReserve(&p, size, 0, 0, 0));
	CU(cuMemMap(p, size, 0, handle, 0));
	CU(cuMemSetAccess(p, size, &access, 1));
	return p;
}

static void unmap(CUdeviceptr p, size_t size)
{
	CU(cuMemUnmap(p, size));
	CU(cuMemAddressFree(p, size));
}

static unsigned int count_other(CUdeviceptr p, size_t size, uint32_t value)
{
	uint32_t *host = malloc(size);
	unsigned int wrong = 0;

	if (!host)
		exit(2);
	CU(cuMemcpyDtoH(host, p, size));
	for (size_t i = 0; i < size / 4; i++)
		wrong += host[i] != value;
	free(host);
	return wrong;
}

static int giver(void)
{
	CUdevice dev = device_open();
	CUmemAllocationProp prop = properties(dev);
	CUmemGenericAllocationHandle handle = 0;
	size_t size = 0;
	CUdeviceptr p;
	int fd = -1, again = -1;

	CU(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	size *= 2;
	CU(cuMemCreate(&handle, size, &prop, 0));
	p = map(dev, handle, size);
	CU(cuMemsetD32(p, 11, size / 4));
	CU(cuCtxSynchronize());
	CU(cuMemExportToShareableHandle(&fd, handle, FD, 0));
	CU(cuMemExportToShareableHandle(&again, handle, FD, 0));
	check_that(fd >= 0 && again >= 0 && fd != again, "exported", "descriptors %d and %d", fd,
		   again);
	close(again);
	peer_fd_send(fd, &size, sizeof(size));
	close(fd);
	peer_turn_take();
	check_that(count_other(p, size, 22) == 0, "taker-wrote", "%zu bytes", size);
	unmap(p, size);
	CU(cuMemRelease(handle));
	peer_turn_give();
	peer_turn_take();
	device_close(dev);
	return check_end();
}

static void check_strangers(void)
{
	CUmemGenericAllocationHandle handle = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = memfd_create("stranger", MFD_CLOEXEC);

	if (null < 0 || file < 0 || write(file, "vgpu-ipc", 8) != 8 || ftruncate(file, 64))
		exit(2);
	check_that(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)null, FD) !=
			   CUDA_SUCCESS,
		   "import-null-device", "refused");
	check_that(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)file, FD) !=
			   CUDA_SUCCESS,
		   "import-stranger", "refused");
	check_that(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)-1, FD) !=
			   CUDA_SUCCESS,
		   "import-nothing", "refused");
	close(null);
	close(file);
}

static int taker(void)
{
	CUdevice dev = device_open();
	CUmemGenericAllocationHandle handle = 0;
	size_t size = 0;
	CUdeviceptr p;
	int fd = peer_fd_receive(&size, sizeof(size));

	CU(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd, FD));
	close(fd);
	p = map(dev, handle, size);
	CU(cuMemRelease(handle)); /* mapped, it stays */
	check_that(count_other(p, size, 11) == 0, "giver-wrote", "%zu bytes", size);
	CU(cuMemsetD32(p, 22, size / 4));
	CU(cuCtxSynchronize());
	peer_turn_give();
	peer_turn_take(); /* the giver has let go of it */
	check_that(count_other(p, size, 22) == 0, "outlives-giver", "%zu bytes", size);
	unmap(p, size);
	check_strangers();
	peer_turn_give();
	device_close(dev);
	return check_end();
}

static int probe(void)
{
	CUdevice dev = device_open();
	int there = device_attribute(
		dev, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);

	device_close(dev);
	return there ? 0 : 3;
}

int main(void)
{
	/* Not in this process, which is to fork. */
	if (!peer_ended_well(peer_start(probe, -1, -1))) {
		check_skip("shareable", "the device has no descriptors for memory");
		return 0;
	}
	peer_two(SOCK_SEQPACKET, giver, taker);
	return check_end();
}
