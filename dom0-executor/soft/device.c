/* SPDX-License-Identifier: MIT */
/* The devices and what can be asked of them. See device.h. Any thread; all but the marked fields of
 * a device are constant after cuInit. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/logs.h"
#include "dom0-executor/soft/lost.h"
#include "protocol/uuid.h"
#include "protocol/visible.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMPUTE_MAJOR   9
#define COMPUTE_MINOR   0
#define WARP            32
#define SHARED_BLOCK    49152
#define SHARED_OPTIN    232448
#define SHARED_SM       233472
#define SHARED_RESERVED 1024

struct soft_settings soft_settings;

static struct soft_device devices[SOFT_DEVICES_MAX];
/* By CUDA's ordinal; soft_settings.visible of them. */
static struct soft_device *visible[SOFT_DEVICES_MAX];

/* Standard error belongs to the program whose kernels run; an executor says where logs go. */
static int log_fd(void)
{
	const char *fd = getenv("VGPU_LOG_FD");

	return fd ? (int)strtol(fd, NULL, 10) : STDERR_FILENO;
}

static void log_line(const char *level, char *text)
{
	char line[700];
	int length;

	text[strcspn(text, "\n")] = '\0'; /* one line; the engine's logs have more */
	length = snprintf(line, sizeof(line), "[vgpu] soft level=%s %s\n", level, text);
	if (write(log_fd(), line, (size_t)length) < 0)
		return; /* nowhere to tell */
}

void soft_log_error(const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line("error", text);
	logs_tell(text);
}

void soft_log_info(const char *format, ...)
{
	char text[600];
	va_list args;

	if (!soft_settings.verbose)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line("info", text);
}

/* A number with an optional K, M or G; 0 where there is none. */
static uint64_t setting_number(const char *name)
{
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long long value;

	if (!text || !*text)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || value > UINT64_C(1) << 40) {
		soft_log_error("setting=%s value=%s ignored: not a number", name, text);
		return 0;
	}
	switch (*end) {
	case 'K': return value << 10;
	case 'M': return value << 20;
	case 'G': return value << 30;
	default: return value;
	}
}

static size_t default_memory(void)
{
	uint64_t half = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
	uint64_t most = UINT64_C(1) << 30;

	return half < most ? half : most;
}

static void settings_read(void)
{
	const char *level = getenv("VGPU_SOFT_LOG");
	uint64_t count = setting_number("VGPU_SOFT_DEVICES");
	uint64_t memory = setting_number("VGPU_SOFT_MEM");

	soft_settings.verbose = level && strcmp(level, "info") == 0;
	soft_settings.devices = count == 0                 ? 1
				: count > SOFT_DEVICES_MAX ? SOFT_DEVICES_MAX
							   : count;
	soft_settings.workers = (unsigned int)setting_number("VGPU_SOFT_WORKERS");
	soft_settings.queue = (unsigned int)setting_number("VGPU_SOFT_QUEUE");
	if (memory > SOFT_REGION_SIZE / 2)
		memory = SOFT_REGION_SIZE / 2;
	soft_settings.memory = (memory ? memory : default_memory()) & ~(size_t)0xfffff;
}

static void device_describe(unsigned int number)
{
	struct soft_device *device = &devices[number];
	static const unsigned char name[16] = "vgpu-soft-dev-";

	device->number = number;
	device->ordinal = -1;
	device->memory = soft_settings.memory;
	memcpy(device->uuid.bytes, name, sizeof(name));
	device->uuid.bytes[15] = (char)number;
}

static void devices_describe(void)
{
	settings_read();
	lost_init();
	for (unsigned int i = 0; i < soft_settings.devices; i++)
		device_describe(i);
}

void device_know_all(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, devices_describe);
}

/* The order makes no difference here: the devices are alike, and numbered by bus. */
static CUresult devices_choose(void)
{
	char text[SOFT_DEVICES_MAX][VG_UUID_TEXT];
	const char *uuids[SOFT_DEVICES_MAX];
	unsigned int chosen[VG_VISIBLE_MAX];
	bool by_bus;
	int count;

	for (unsigned int i = 0; i < soft_settings.devices; i++) {
		vg_uuid_text(&devices[i].uuid, text[i]);
		uuids[i] = text[i];
	}
	count = vg_visible_choose(getenv("CUDA_VISIBLE_DEVICES"), uuids, soft_settings.devices,
				  chosen);
	if (count < 0 || !vg_visible_order(getenv("CUDA_DEVICE_ORDER"), &by_bus))
		return CUDA_ERROR_INVALID_DEVICE;
	for (int i = 0; i < count; i++) {
		visible[i] = &devices[chosen[i]];
		visible[i]->ordinal = i;
	}
	soft_settings.visible = (unsigned int)count;
	return count ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

static CUresult device_init(struct soft_device *device)
{
	int ordinal = device->ordinal;
	void *at;

	device->region = SOFT_REGION_BASE + (uint64_t)ordinal * SOFT_REGION_SIZE;
	device->next = device->region;
	pthread_mutex_init(&device->lock, NULL);
	at = mmap((void *)(uintptr_t)device->region, SOFT_REGION_SIZE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (at == MAP_FAILED || (uintptr_t)at != device->region) {
		soft_log_error("op=cuInit device=%d cannot reserve %llu GiB of addresses: %s",
			       ordinal, (unsigned long long)(SOFT_REGION_SIZE >> 30),
			       strerror(errno));
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	device->store = memfd_create("vgpu-soft-device", MFD_CLOEXEC);
	if (device->store < 0 || ftruncate(device->store, (off_t)SOFT_REGION_SIZE)) {
		soft_log_error("op=cuInit device=%d cannot make its memory: %s", ordinal,
			       strerror(errno));
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	device->primary = context_create(device, true, 0);
	return device->primary ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* None of those that can be seen is there. */
static bool all_are_lost(void)
{
	for (unsigned int i = 0; i < soft_settings.visible; i++)
		if (!device_is_lost(visible[i]))
			return false;
	return true;
}

CUresult device_init_all(void)
{
	CUresult result;

	device_know_all();
	result = devices_choose();
	if (result == CUDA_SUCCESS && all_are_lost())
		return CUDA_ERROR_NO_DEVICE;
	for (unsigned int i = 0; i < soft_settings.visible && result == CUDA_SUCCESS; i++)
		result = device_init(visible[i]);
	return result;
}

struct soft_device *device_of(CUdevice ordinal)
{
	if (ordinal < 0 || (unsigned int)ordinal >= soft_settings.visible)
		return NULL;
	return visible[ordinal];
}

struct soft_device *device_numbered(unsigned int number)
{
	return number < soft_settings.devices ? &devices[number] : NULL;
}

/* The attributes that are not 0. What is 0 or missing here is a feature that we do not have. */
static const int attribute_values[CU_DEVICE_ATTRIBUTE_MAX] = {
	[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1024,
	[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X] = 1024,
	[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y] = 1024,
	[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z] = 64,
	[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X] = 2147483647,
	[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y] = 65535,
	[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z] = 65535,
	[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK] = SHARED_BLOCK,
	[CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY] = 65536,
	[CU_DEVICE_ATTRIBUTE_WARP_SIZE] = WARP,
	[CU_DEVICE_ATTRIBUTE_MAX_PITCH] = 2147483647,
	[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK] = 65536,
	[CU_DEVICE_ATTRIBUTE_CLOCK_RATE] = 1000000, /* kHz */
	[CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT] = 512,
	[CU_DEVICE_ATTRIBUTE_GPU_OVERLAP] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY] = 1,
	[CU_DEVICE_ATTRIBUTE_COMPUTE_MODE] = CU_COMPUTEMODE_DEFAULT,
	[CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT] = 512,
	[CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS] = 1,
	[CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE] = 1000000, /* kHz */
	[CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH] = 64,
	[CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE] = 1048576,
	[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR] = 2048,
	[CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT] = 1,
	[CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING] = 1,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH] = 131072,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH] = 131072,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT] = 65536,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH] = 16384,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT] = 16384,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH] = 16384,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH] = 32768,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT] = 32768,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS] = 2048,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH] = 32768,
	[CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS] = 2048,
	[CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT] = 32,
	[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR] = COMPUTE_MAJOR,
	[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR] = COMPUTE_MINOR,
	[CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY] = 1,
	[CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS] = 1,
	[CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST] = 1,
	[CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR] = SHARED_SM,
	[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR] = 65536,
	[CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO] = 2,
	[CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS_V1] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1] = 1,
	[CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR_V1] = 1,
	[CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH] = 1,
	[CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH] = 1,
	[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN] = SHARED_OPTIN,
	[CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES] =
		CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
	[CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR] = 32,
	[CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK] = SHARED_RESERVED,
	[CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED] = 1,
	[CU_DEVICE_ATTRIBUTE_NUMA_CONFIG] = CU_DEVICE_NUMA_CONFIG_NONE,
	[CU_DEVICE_ATTRIBUTE_NUMA_ID] = -1,
	[CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID] = -1,
};

int device_limit(const struct soft_device *device, CUdevice_attribute attribute)
{
	switch (attribute) {
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return (int)sysconf(_SC_NPROCESSORS_ONLN);
	case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return SOFT_PCI_BUS_FIRST + (int)device->number;
	default: return attribute_values[attribute];
	}
}

CUresult device_attribute(const struct soft_device *device, CUdevice_attribute attribute,
			  int *value)
{
	if ((int)attribute < 1 || attribute >= CU_DEVICE_ATTRIBUTE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	*value = device_limit(device, attribute);
	return CUDA_SUCCESS;
}

/* --- the calls ------------------------------------------------------------------------------- */

CUresult cuDeviceGetCount(int *count)
{
	ENTER_DRIVER();
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	*count = (int)soft_settings.visible;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	ENTER_DRIVER();
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(ordinal))
		return CUDA_ERROR_INVALID_DEVICE;
	*device = ordinal;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	ENTER_DRIVER();
	if (!name || !len)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	snprintf(name, len < 0 ? sizeof(SOFT_DEVICE_NAME) : (size_t)len, SOFT_DEVICE_NAME);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	ENTER_DRIVER();
	if (!uuid)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*uuid = device_of(dev)->uuid;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	return cuDeviceGetUuid(uuid, dev);
}

CUresult cuDeviceGetLuid(char *luid, unsigned int *deviceNodeMask, CUdevice dev)
{
	ENTER_DRIVER();
	(void)dev;
	if (!luid || !deviceNodeMask)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_ERROR_NOT_SUPPORTED; /* of Windows */
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	ENTER_DRIVER();
	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = device_of(dev)->memory;
	return CUDA_SUCCESS;
}

/* Of before CUDA 3.2: cut to the largest that it can say. */
CUresult cuDeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
	size_t wide = 0;
	CUresult result = cuDeviceTotalMem_v2(bytes ? &wide : NULL, dev);

	if (!result)
		*bytes = wide > UINT_MAX ? UINT_MAX : (unsigned int)wide;
	return result;
}

CUresult cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
{
	ENTER_DRIVER();
	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	return device_attribute(device_of(dev), attrib, pi);
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	ENTER_DRIVER();
	if (!major || !minor)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*major = COMPUTE_MAJOR;
	*minor = COMPUTE_MINOR;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop *prop, CUdevice dev)
{
	ENTER_DRIVER();
	if (!prop)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*prop = (CUdevprop){
		.maxThreadsPerBlock = 1024,
		.maxThreadsDim = {1024, 1024, 64},
		.maxGridSize = {2147483647, 65535, 65535},
		.sharedMemPerBlock = SHARED_BLOCK,
		.totalConstantMemory = 65536,
		.SIMDWidth = WARP,
		.memPitch = 2147483647,
		.regsPerBlock = 65536,
		.clockRate = 1000000,
		.textureAlign = 512,
	};
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *pciBusId, int len, CUdevice dev)
{
	char text[16];

	ENTER_DRIVER();
	if (!pciBusId)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	snprintf(text, sizeof(text), "0000:%02X:00.0",
		 (SOFT_PCI_BUS_FIRST + device_of(dev)->number) & 0xff);
	if (len <= (int)strlen(text))
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(pciBusId, text, strlen(text) + 1);
	return CUDA_SUCCESS;
}

/* Hexadecimal numbers with `:` or `.` between them; how many there were. */
static int bus_id_parse(const char *text, unsigned long *numbers, int most)
{
	char *end;

	for (int count = 0; count < most; text = end + 1) {
		numbers[count] = strtoul(text, &end, 16);
		if (end == text)
			return count;
		count++;
		if (*end != ':' && *end != '.')
			return count;
	}
	return most;
}

CUresult cuDeviceGetByPCIBusId(CUdevice *dev, const char *pciBusId)
{
	unsigned long numbers[4] = {0};
	const unsigned long *bus = numbers; /* the domain may be left out */
	int count;

	ENTER_DRIVER();
	if (!dev || !pciBusId)
		return CUDA_ERROR_INVALID_VALUE;
	count = bus_id_parse(pciBusId, numbers, 4);
	if (count < 2)
		return CUDA_ERROR_INVALID_VALUE;
	if (strchr(pciBusId, ':') != strrchr(pciBusId, ':')) {
		if (numbers[0])
			return CUDA_ERROR_INVALID_DEVICE;
		bus++;
	}
	for (int i = 0; !bus[1] && !bus[2] && device_of(i); i++) {
		if (bus[0] != SOFT_PCI_BUS_FIRST + device_of(i)->number)
			continue;
		*dev = i;
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceCanAccessPeer(int *canAccessPeer, CUdevice dev, CUdevice peerDev)
{
	ENTER_DRIVER();
	if (!canAccessPeer)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev) || !device_of(peerDev))
		return CUDA_ERROR_INVALID_DEVICE;
	*canAccessPeer = dev != peerDev;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice srcDevice,
				 CUdevice dstDevice)
{
	ENTER_DRIVER();
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(srcDevice) || !device_of(dstDevice) || srcDevice == dstDevice)
		return CUDA_ERROR_INVALID_DEVICE;
	switch ((int)attrib) {
	case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
	case CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED:
		*value = 0;
		return CUDA_SUCCESS;
	case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_ACCESS_SUPPORTED: *value = 1; return CUDA_SUCCESS;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* As many elements as the attributes say of one-dimensional textures; there are no textures. */
CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *maxWidthInElements, CUarray_format format,
					    unsigned int numChannels, CUdevice dev)
{
	ENTER_DRIVER();
	(void)format;
	if (!maxWidthInElements || (numChannels != 1 && numChannels != 2 && numChannels != 4))
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*maxWidthInElements =
		(size_t)device_limit(device_of(dev), CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev)
{
	ENTER_DRIVER();
	if (!pi || (int)type < 0 || type >= CU_EXEC_AFFINITY_TYPE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*pi = 0;
	return CUDA_SUCCESS;
}
