/* SPDX-License-Identifier: MIT */
/* Device handles, and the ways to one: see device.h. */
#include "xen-frontend/nvml/device.h"

#include <stdio.h>
#include <string.h>

#include "protocol/nvml_ops.h"
#include "protocol/uuid.h"
#include "xen-frontend/nvml/ask.h"
#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/session.h"
#include "xen-frontend/pci_id.h"

#define TEXT_MAX 96
/* What the PCI structure's versions have in common: all but the longer name at its end. */
#define PCI_LEGACY_BYTES offsetof(nvmlPciInfo_t, busId)

struct nvmlDevice_st {
	char unused;
};

static struct nvmlDevice_st handles[FE_NVML_DEVICES_MAX];

nvmlDevice_t fe_device_handle(unsigned int index)
{
	return &handles[index];
}

bool fe_device_index(nvmlDevice_t device, uint32_t *index)
{
	uintptr_t at = (uintptr_t)device - (uintptr_t)handles;

	*index = (uint32_t)at;
	return device && at < FE_NVML_DEVICES_MAX;
}

nvmlReturn_t fe_device_count(unsigned int *count)
{
	struct fe_ask ask = {.op = VG_NVML_vgDevices};

	fe_ask_out(&ask, count, sizeof(*count));
	return fe_ask_run_locked(&ask);
}

nvmlReturn_t fe_nvmlDeviceGetCount_v2(unsigned int *deviceCount)
{
	nvmlReturn_t result = rpc_vgDevices(deviceCount);

	if (!result && *deviceCount > FE_NVML_DEVICES_MAX)
		*deviceCount = FE_NVML_DEVICES_MAX;
	return result;
}

nvmlReturn_t fe_nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	if (!device || index >= fe_nvml_devices())
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = fe_device_handle(index);
	return NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	uint32_t at;

	if (!index || !fe_device_index(device, &at) || at >= fe_nvml_devices())
		return NVML_ERROR_INVALID_ARGUMENT;
	*index = at;
	return NVML_SUCCESS;
}

/* --- by what they are -------------------------------------------------------------------------- */

typedef nvmlReturn_t device_text(nvmlDevice_t device, char *text, unsigned int length);

static nvmlReturn_t device_by_text(const char *wanted, device_text *text_of, nvmlDevice_t *device)
{
	unsigned int count = fe_nvml_devices();
	nvmlReturn_t result = NVML_ERROR_NOT_FOUND;

	if (!wanted || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned int i = 0; i < count; i++) {
		char text[TEXT_MAX] = "";

		result = text_of(fe_device_handle(i), text, sizeof(text));
		if (result == NVML_ERROR_GPU_IS_LOST)
			return result;
		if (result || strcmp(text, wanted) != 0)
			continue;
		*device = fe_device_handle(i);
		return NVML_SUCCESS;
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t fe_nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	return device_by_text(uuid, rpc_nvmlDeviceGetUUID, device);
}

nvmlReturn_t fe_nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
	return device_by_text(serial, rpc_nvmlDeviceGetSerial, device);
}

nvmlReturn_t fe_nvmlDeviceGetHandleByUUIDV(const nvmlUUID_t *uuid, nvmlDevice_t *device)
{
	char text[TEXT_MAX];

	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (uuid->version != NVML_STRUCT_VERSION(nvmlUUID_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (uuid->type == NVML_UUID_TYPE_ASCII) {
		snprintf(text, sizeof(text), "%.*s", (int)sizeof(uuid->value.str), uuid->value.str);
		return fe_nvmlDeviceGetHandleByUUID(text, device);
	}
	if (uuid->type != NVML_UUID_TYPE_BINARY)
		return NVML_ERROR_INVALID_ARGUMENT;
	vg_uuid_text(uuid->value.bytes, text);
	return fe_nvmlDeviceGetHandleByUUID(text, device);
}

nvmlReturn_t fe_nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device)
{
	unsigned int count = fe_nvml_devices();
	struct fe_pci_id wanted;

	if (!pciBusId || !device || !fe_pci_id_parse(pciBusId, &wanted))
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned int i = 0; i < count; i++) {
		nvmlPciInfo_t pci = {0};
		nvmlReturn_t result = rpc_nvmlDeviceGetPciInfo_v3(fe_device_handle(i), &pci);
		struct fe_pci_id have = {
			.domain = pci.domain, .bus = pci.bus, .device = pci.device};

		if (result)
			return result;
		if (!fe_pci_id_same(&have, &wanted))
			continue;
		*device = fe_device_handle(i);
		return NVML_SUCCESS;
	}
	return NVML_ERROR_NOT_FOUND;
}

/* --- older structures --------------------------------------------------------------------------- */

nvmlReturn_t fe_nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	nvmlPciInfo_t whole;
	nvmlReturn_t result;

	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	result = rpc_nvmlDeviceGetPciInfo_v3(device, &whole);
	if (!result)
		memcpy(pci, &whole, PCI_LEGACY_BYTES);
	return result;
}

nvmlReturn_t fe_nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device, unsigned int link,
						 nvmlPciInfo_t *pci)
{
	nvmlPciInfo_t whole;
	nvmlReturn_t result;

	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	result = rpc_nvmlDeviceGetNvLinkRemotePciInfo_v2(device, link, &whole);
	if (!result)
		memcpy(pci, &whole, PCI_LEGACY_BYTES);
	return result;
}
