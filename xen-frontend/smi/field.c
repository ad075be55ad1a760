/* SPDX-License-Identifier: MIT */
/* What the fields of --query-gpu ask NVML: see field.h. */
#include "xen-frontend/smi/field.h"

#include <string.h>
#include <sys/time.h>
#include <time.h>

#define MIB (1024ull * 1024)

static nvmlReturn_t put_unsigned(nvmlReturn_t result, char *text, unsigned long long value)
{
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "%llu", value);
	return result;
}

static nvmlReturn_t put_text(nvmlReturn_t result, char *text, const char *value)
{
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "%s", value);
	return result;
}

static nvmlReturn_t put_enabled(nvmlReturn_t result, char *text, unsigned int on)
{
	return put_text(result, text, on ? "Enabled" : "Disabled");
}

/* --- what it is ----------------------------------------------------------------------------------- */

nvmlReturn_t smi_get_timestamp(nvmlDevice_t device, unsigned int argument, char *text)
{
	struct timeval now;
	struct tm tm;
	size_t n;

	(void)device;
	(void)argument;
	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(text, SMI_TEXT_MAX, "%Y/%m/%d %H:%M:%S", &tm);
	snprintf(text + n, SMI_TEXT_MAX - n, ".%03ld", (long)now.tv_usec / 1000);
	return NVML_SUCCESS;
}

nvmlReturn_t smi_get_driver(nvmlDevice_t device, unsigned int argument, char *text)
{
	(void)device;
	(void)argument;
	return SMI_CALL(nvmlSystemGetDriverVersion, text, SMI_TEXT_MAX);
}

nvmlReturn_t smi_get_count(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int count = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetCount_v2, &count);

	(void)device;
	(void)argument;
	return put_unsigned(result, text, count);
}

/* Functions that give a text: by number in `argument`. */
nvmlReturn_t smi_get_string(nvmlDevice_t device, unsigned int argument, char *text)
{
	switch (argument) {
	case 0: return SMI_CALL(nvmlDeviceGetName, device, text, SMI_TEXT_MAX);
	case 1: return SMI_CALL(nvmlDeviceGetSerial, device, text, SMI_TEXT_MAX);
	case 2: return SMI_CALL(nvmlDeviceGetUUID, device, text, SMI_TEXT_MAX);
	case 3: return SMI_CALL(nvmlDeviceGetVbiosVersion, device, text, SMI_TEXT_MAX);
	case 4: return SMI_CALL(nvmlDeviceGetInforomImageVersion, device, text, SMI_TEXT_MAX);
	case 5: return SMI_CALL(nvmlDeviceGetBoardPartNumber, device, text, SMI_TEXT_MAX);
	default: return SMI_CALL(nvmlDeviceGetGspFirmwareVersion, device, text);
	}
}

nvmlReturn_t smi_get_inforom(nvmlDevice_t device, unsigned int argument, char *text)
{
	return SMI_CALL(nvmlDeviceGetInforomVersion, device, argument, text, SMI_TEXT_MAX);
}

nvmlReturn_t smi_get_pci(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlPciInfo_t pci;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetPciInfo_v3, device, &pci);

	if (result)
		return result;
	pci.busId[sizeof(pci.busId) - 1] = '\0';
	switch (argument) {
	case 0: snprintf(text, SMI_TEXT_MAX, "%s", pci.busId); break;
	case 1: snprintf(text, SMI_TEXT_MAX, "0x%04X", pci.domain); break;
	case 2: snprintf(text, SMI_TEXT_MAX, "0x%02X", pci.bus); break;
	case 3: snprintf(text, SMI_TEXT_MAX, "0x%02X", pci.device); break;
	case 4: snprintf(text, SMI_TEXT_MAX, "0x%08X", pci.pciDeviceId); break;
	default: snprintf(text, SMI_TEXT_MAX, "0x%08X", pci.pciSubSystemId); break;
	}
	return NVML_SUCCESS;
}

nvmlReturn_t smi_get_capability(nvmlDevice_t device, unsigned int argument, char *text)
{
	int major = 0, minor = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetCudaComputeCapability, device, &major, &minor);

	(void)argument;
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "%d.%d", major, minor);
	return result;
}

nvmlReturn_t smi_get_brand(nvmlDevice_t device, unsigned int argument, char *text)
{
	static const char *const names[] = {"Unknown",
					    "Quadro",
					    "Tesla",
					    "NVS",
					    "Grid",
					    "GeForce",
					    "Titan",
					    "NVIDIA Virtual Applications",
					    "NVIDIA Virtual PC",
					    "NVIDIA Virtual Compute Server",
					    "NVIDIA RTX Virtual Workstation",
					    "NVIDIA Cloud Gaming",
					    "Quadro RTX",
					    "NVIDIA RTX",
					    "NVIDIA",
					    "GeForce RTX",
					    "TITAN RTX"};
	nvmlBrandType_t brand = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetBrand, device, &brand);

	(void)argument;
	return put_text(result, text,
			brand < sizeof(names) / sizeof(names[0]) ? names[brand] : names[0]);
}

nvmlReturn_t smi_get_architecture(nvmlDevice_t device, unsigned int argument, char *text)
{
	static const char *const names[] = {NULL,           NULL,     "Kepler",   "Maxwell",
					    "Pascal",       "Volta",  "Turing",   "Ampere",
					    "Ada Lovelace", "Hopper", "Blackwell"};
	nvmlDeviceArchitecture_t arch = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetArchitecture, device, &arch);

	(void)argument;
	return put_text(result, text,
			arch < sizeof(names) / sizeof(names[0]) && names[arch] ? names[arch]
									       : "Unknown");
}

/* --- numbers that one call gives -------------------------------------------------------------------- */

nvmlReturn_t smi_get_number(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result;

	switch (argument) {
	case 0: result = SMI_CALL(nvmlDeviceGetIndex, device, &value); break;
	case 1: result = SMI_CALL(nvmlDeviceGetCurrPcieLinkGeneration, device, &value); break;
	case 2: result = SMI_CALL(nvmlDeviceGetMaxPcieLinkGeneration, device, &value); break;
	case 3: result = SMI_CALL(nvmlDeviceGetGpuMaxPcieLinkGeneration, device, &value); break;
	case 4: result = SMI_CALL(nvmlDeviceGetCurrPcieLinkWidth, device, &value); break;
	case 5: result = SMI_CALL(nvmlDeviceGetMaxPcieLinkWidth, device, &value); break;
	case 6: result = SMI_CALL(nvmlDeviceGetFanSpeed, device, &value); break;
	case 7:
		result = SMI_CALL(nvmlDeviceGetTemperature, device, NVML_TEMPERATURE_GPU, &value);
		break;
	case 8: result = SMI_CALL(nvmlDeviceGetMinorNumber, device, &value); break;
	case 9: result = SMI_CALL(nvmlDeviceGetPcieReplayCounter, device, &value); break;
	default: result = SMI_CALL(nvmlDeviceGetModuleId, device, &value); break;
	}
	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_threshold(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetTemperatureThreshold, device, argument, &value);

	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_margin(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlMarginTemperature_t margin = {.version =
						  NVML_STRUCT_VERSION(nvmlMarginTemperature_t, 1)};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetMarginTemperature, device, &margin);

	(void)argument;
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "%d", margin.marginTemperature);
	return result;
}

static nvmlReturn_t get_value(nvmlDevice_t device, unsigned int id, unsigned int *value)
{
	nvmlFieldValue_t field = {.fieldId = id};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetFieldValues, device, 1, &field);

	if (!result)
		result = field.nvmlReturn;
	if (!result && field.valueType != NVML_VALUE_TYPE_UNSIGNED_INT)
		result = NVML_ERROR_NOT_SUPPORTED;
	*value = field.value.uiVal;
	return result;
}

nvmlReturn_t smi_get_field_number(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result = get_value(device, argument, &value);

	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_clock(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetClockInfo, device, argument, &value);

	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_clock_max(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetMaxClockInfo, device, argument, &value);

	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_clock_app(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetApplicationsClock, device, argument, &value);

	return put_unsigned(result, text, value);
}

nvmlReturn_t smi_get_clock_default(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0;
	nvmlReturn_t result =
		SMI_CALL(nvmlDeviceGetDefaultApplicationsClock, device, argument, &value);

	return put_unsigned(result, text, value);
}

/* --- load and memory ------------------------------------------------------------------------------- */

nvmlReturn_t smi_get_memory(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlMemory_v2_t memory = {.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetMemoryInfo_v2, device, &memory);
	unsigned long long values[] = {memory.total, memory.reserved, memory.used, memory.free};

	return put_unsigned(result, text, values[argument] / MIB);
}

nvmlReturn_t smi_get_bar1(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlBAR1Memory_t memory = {0};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetBAR1MemoryInfo, device, &memory);
	unsigned long long values[] = {memory.bar1Total, memory.bar1Used, memory.bar1Free};

	return put_unsigned(result, text, values[argument] / MIB);
}

nvmlReturn_t smi_get_protected(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlMemory_t memory = {0};
	nvmlReturn_t result =
		SMI_CALL(nvmlDeviceGetConfComputeProtectedMemoryUsage, device, &memory);
	unsigned long long values[] = {memory.total, memory.used, memory.free};

	return put_unsigned(result, text, values[argument] / MIB);
}

nvmlReturn_t smi_get_load(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlUtilization_t load = {0};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetUtilizationRates, device, &load);

	return put_unsigned(result, text, argument ? load.memory : load.gpu);
}

nvmlReturn_t smi_get_engine(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0, period = 0;
	nvmlReturn_t result;

	switch (argument) {
	case 0: result = SMI_CALL(nvmlDeviceGetEncoderUtilization, device, &value, &period); break;
	case 1: result = SMI_CALL(nvmlDeviceGetDecoderUtilization, device, &value, &period); break;
	case 2: result = SMI_CALL(nvmlDeviceGetJpgUtilization, device, &value, &period); break;
	default: result = SMI_CALL(nvmlDeviceGetOfaUtilization, device, &value, &period); break;
	}
	return put_unsigned(result, text, value);
}

/* --- power: milliwatts ------------------------------------------------------------------------------ */

nvmlReturn_t smi_get_power(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0, other = 0;
	nvmlReturn_t result;

	switch (argument) {
	case 0: result = SMI_CALL(nvmlDeviceGetPowerUsage, device, &value); break;
	case 1: result = SMI_CALL(nvmlDeviceGetPowerManagementLimit, device, &value); break;
	case 2: result = SMI_CALL(nvmlDeviceGetEnforcedPowerLimit, device, &value); break;
	case 3: result = SMI_CALL(nvmlDeviceGetPowerManagementDefaultLimit, device, &value); break;
	case 4:
		result = SMI_CALL(nvmlDeviceGetPowerManagementLimitConstraints, device, &value,
				  &other);
		break;
	case 5:
		result = SMI_CALL(nvmlDeviceGetPowerManagementLimitConstraints, device, &other,
				  &value);
		break;
	default: result = get_value(device, argument, &value);
	}
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "%.2f", value / 1000.0);
	return result;
}

/* --- modes ---------------------------------------------------------------------------------------- */

nvmlReturn_t smi_get_mode(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int value = 0, other = 0;
	nvmlReturn_t result;

	switch (argument) {
	case 0: result = SMI_CALL(nvmlDeviceGetPersistenceMode, device, &value); break;
	case 1: result = SMI_CALL(nvmlDeviceGetDisplayMode, device, &value); break;
	case 2: result = SMI_CALL(nvmlDeviceGetDisplayActive, device, &value); break;
	case 3: result = SMI_CALL(nvmlDeviceGetAccountingMode, device, &value); break;
	case 4: result = SMI_CALL(nvmlDeviceGetEccMode, device, &value, &other); break;
	case 5: result = SMI_CALL(nvmlDeviceGetEccMode, device, &other, &value); break;
	case 6: result = SMI_CALL(nvmlDeviceGetMigMode, device, &value, &other); break;
	case 7: result = SMI_CALL(nvmlDeviceGetMigMode, device, &other, &value); break;
	case 8: result = SMI_CALL(nvmlDeviceGetGspFirmwareMode, device, &value, &other); break;
	case 9: result = SMI_CALL(nvmlDeviceGetGspFirmwareMode, device, &other, &value); break;
	default: result = SMI_CALL(nvmlDeviceGetPowerManagementMode, device, &value); break;
	}
	return put_enabled(result, text, value);
}

nvmlReturn_t smi_get_compute_mode(nvmlDevice_t device, unsigned int argument, char *text)
{
	static const char *const names[] = {"Default", "Exclusive_Thread", "Prohibited",
					    "Exclusive_Process"};
	nvmlComputeMode_t mode = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetComputeMode, device, &mode);

	(void)argument;
	return put_text(result, text,
			mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "Unknown");
}

nvmlReturn_t smi_get_virtualization(nvmlDevice_t device, unsigned int argument, char *text)
{
	static const char *const names[] = {"None", "Pass-Through", "VGPU", "Host VGPU",
					    "Host VSGA"};
	nvmlGpuVirtualizationMode_t mode = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetVirtualizationMode, device, &mode);

	(void)argument;
	return put_text(result, text,
			mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "Unknown");
}

nvmlReturn_t smi_get_pstate(nvmlDevice_t device, unsigned int argument, char *text)
{
	nvmlPstates_t state = NVML_PSTATE_UNKNOWN;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetPerformanceState, device, &state);

	(void)argument;
	if (!result && state == NVML_PSTATE_UNKNOWN)
		return NVML_ERROR_NOT_SUPPORTED;
	if (!result)
		snprintf(text, SMI_TEXT_MAX, "P%u", state);
	return result;
}

nvmlReturn_t smi_get_reasons(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned long long reasons = 0;
	nvmlReturn_t result =
		argument ? SMI_CALL(nvmlDeviceGetSupportedClocksEventReasons, device, &reasons)
			 : SMI_CALL(nvmlDeviceGetCurrentClocksEventReasons, device, &reasons);

	if (!result)
		snprintf(text, SMI_TEXT_MAX, "0x%016llX", reasons);
	return result;
}

/* `argument` is the reason's bit. */
nvmlReturn_t smi_get_reason(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned long long reasons = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetCurrentClocksEventReasons, device, &reasons);

	return put_text(result, text, reasons & argument ? "Active" : "Not Active");
}

/* --- health: `argument` is the type of error, and the counter's type times 2 -------------------------- */

nvmlReturn_t smi_get_ecc(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned long long count = 0;
	nvmlReturn_t result =
		SMI_CALL(nvmlDeviceGetTotalEccErrors, device, argument & 1, argument >> 1, &count);

	return put_unsigned(result, text, count);
}

nvmlReturn_t smi_get_remapped(nvmlDevice_t device, unsigned int argument, char *text)
{
	unsigned int values[4] = {0};
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetRemappedRows, device, &values[0], &values[1],
				       &values[2], &values[3]);

	switch (argument) {
	case 0:
	case 1: return put_unsigned(result, text, values[argument]);
	case 2: return put_text(result, text, values[2] ? "Yes" : "No");
	default: return put_text(result, text, values[3] ? "Yes" : "No");
	}
}
