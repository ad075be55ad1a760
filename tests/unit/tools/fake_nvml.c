/* SPDX-License-Identifier: MIT */
/*
 * An NVML of two GPUs for the tests of vgpu top: processes 4001 and 4002 use the first one.
 */
#include <stdio.h>
#include <string.h>

struct sample {
	unsigned int pid;
	unsigned long long time;
	unsigned int sm, mem, enc, dec;
};

static char handles[2];

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned int *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device);
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device);
int nvmlDeviceGetIndex(const char *device, unsigned int *index);
int nvmlDeviceGetName(const char *device, char *name, unsigned int size);
int nvmlDeviceGetUtilizationRates(const char *device, unsigned int *rates);
int nvmlDeviceGetMemoryInfo(const char *device, unsigned long long *memory);
int nvmlDeviceGetTemperature(const char *device, int sensor, unsigned int *celsius);
int nvmlDeviceGetPowerUsage(const char *device, unsigned int *milliwatts);
int nvmlDeviceGetProcessUtilization(const char *device, struct sample *samples, unsigned int *count,
				    unsigned long long since);

int nvmlInit_v2(void)
{
	return 0;
}

int nvmlShutdown(void)
{
	return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
	*count = 2;
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device)
{
	if (index > 1)
		return 2;
	*device = &handles[index];
	return 0;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
	*device = &handles[1];
	return strcmp(uuid, "GPU-second") ? 6 : 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device)
{
	*device = &handles[1];
	return strcmp(bus, "0000:02:00.0") ? 6 : 0;
}

int nvmlDeviceGetIndex(const char *device, unsigned int *index)
{
	*index = (unsigned int)(device - handles);
	return 0;
}

int nvmlDeviceGetName(const char *device, char *name, unsigned int size)
{
	snprintf(name, size, device == handles ? "Test GPU\033[1m" : "Other GPU");
	return 0;
}

int nvmlDeviceGetUtilizationRates(const char *device, unsigned int *rates)
{
	rates[0] = device == handles ? 45 : 0;
	rates[1] = 10;
	return 0;
}

int nvmlDeviceGetMemoryInfo(const char *device, unsigned long long *memory)
{
	(void)device;
	memory[0] = 80ull << 30;
	memory[1] = 60ull << 30;
	memory[2] = 20ull << 30;
	return 0;
}

int nvmlDeviceGetTemperature(const char *device, int sensor, unsigned int *celsius)
{
	(void)device;
	*celsius = 54;
	return sensor;
}

/* The second one does not say. */
int nvmlDeviceGetPowerUsage(const char *device, unsigned int *milliwatts)
{
	*milliwatts = 310000;
	return device == handles ? 0 : 3;
}

/* Two samples of one process, one of another; nothing new ever after is no error but 6. */
int nvmlDeviceGetProcessUtilization(const char *device, struct sample *samples, unsigned int *count,
				    unsigned long long since)
{
	const struct sample all[] = {{4001, since + 1000, 30, 0, 0, 0},
				     {4001, since + 2000, 44, 0, 0, 0},
				     {4002, since + 2000, 5, 0, 0, 0}};

	if (device != handles)
		return 6;
	if (*count < 3)
		return 7;
	memcpy(samples, all, sizeof(all));
	*count = 3;
	return 0;
}
