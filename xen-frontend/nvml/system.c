/* SPDX-License-Identifier: MIT */
/* What does not belong to a device: beginning and end, texts of errors, names of processes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/nvml_proto.h"
#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/session.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
	return fe_nvml_init();
}

EXPORT nvmlReturn_t nvmlInit(void)
{
	return fe_nvml_init();
}

/* Neither flag matters: no device is needed to begin with, and none is attached to. */
EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
	if (flags & ~(unsigned int)(NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH))
		return NVML_ERROR_INVALID_ARGUMENT;
	return fe_nvml_init();
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
	return fe_nvml_shutdown();
}

/* Tables that NVIDIA's own tools share with NVIDIA's own library. */
nvmlReturn_t nvmlInternalGetExportTable(void);
EXPORT nvmlReturn_t nvmlInternalGetExportTable(void)
{
	return NVML_ERROR_FUNCTION_NOT_FOUND;
}

static const char *const error_texts[] = {
	[NVML_SUCCESS] = "Success",
	[NVML_ERROR_UNINITIALIZED] = "Uninitialized",
	[NVML_ERROR_INVALID_ARGUMENT] = "Invalid Argument",
	[NVML_ERROR_NOT_SUPPORTED] = "Not Supported",
	[NVML_ERROR_NO_PERMISSION] = "Insufficient Permissions",
	[NVML_ERROR_ALREADY_INITIALIZED] = "Already Initialized",
	[NVML_ERROR_NOT_FOUND] = "Not Found",
	[NVML_ERROR_INSUFFICIENT_SIZE] = "Insufficient Size",
	[NVML_ERROR_INSUFFICIENT_POWER] = "Insufficient External Power",
	[NVML_ERROR_DRIVER_NOT_LOADED] = "Driver Not Loaded",
	[NVML_ERROR_TIMEOUT] = "Timeout",
	[NVML_ERROR_IRQ_ISSUE] = "Interrupt Request Issue",
	[NVML_ERROR_LIBRARY_NOT_FOUND] = "NVML Shared Library Not Found",
	[NVML_ERROR_FUNCTION_NOT_FOUND] = "Function Not Found",
	[NVML_ERROR_CORRUPTED_INFOROM] = "Corrupted infoROM",
	[NVML_ERROR_GPU_IS_LOST] = "GPU is lost",
	[NVML_ERROR_RESET_REQUIRED] = "GPU requires reset",
	[NVML_ERROR_OPERATING_SYSTEM] = "GPU access blocked by the operating system",
	[NVML_ERROR_LIB_RM_VERSION_MISMATCH] = "Driver/library version mismatch",
	[NVML_ERROR_IN_USE] = "In use by another client",
	[NVML_ERROR_MEMORY] = "Insufficient Memory",
	[NVML_ERROR_NO_DATA] = "No data",
	[NVML_ERROR_VGPU_ECC_NOT_SUPPORTED] = "vGPU ECC not supported",
	[NVML_ERROR_INSUFFICIENT_RESOURCES] = "Insufficient Resources",
	[NVML_ERROR_FREQ_NOT_SUPPORTED] = "Invalid Frequency",
	[NVML_ERROR_ARGUMENT_VERSION_MISMATCH] = "Argument version mismatch",
	[NVML_ERROR_DEPRECATED] = "Requested functionality has been deprecated",
	[NVML_ERROR_NOT_READY] = "System is not in ready state",
	[NVML_ERROR_GPU_NOT_FOUND] = "No supported GPUs were found",
	[NVML_ERROR_INVALID_STATE] = "Resource not in correct state to perform requested operation",
	[NVML_ERROR_RESET_TYPE_NOT_SUPPORTED] = "Reset type is not supported for given device",
};

EXPORT const char *nvmlErrorString(nvmlReturn_t result)
{
	unsigned int code = (unsigned int)result;

	if (code < sizeof(error_texts) / sizeof(error_texts[0]) && error_texts[code])
		return error_texts[code];
	return "Unknown Error";
}

/* The first word of its command line, cut to the room there is. */
nvmlReturn_t fe_nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
	char path[32];
	ssize_t n;
	int fd;

	if (!name || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_NOT_FOUND;
	n = read(fd, name, length - 1);
	close(fd);
	if (n < 0)
		return NVML_ERROR_UNKNOWN;
	name[n] = '\0';
	return NVML_SUCCESS;
}
