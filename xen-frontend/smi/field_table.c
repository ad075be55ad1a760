/* SPDX-License-Identifier: MIT */
/* The fields of --query-gpu, under nvidia-smi's names: name, older name, unit, function and its argument, help. */
#include <string.h>

#include "xen-frontend/smi/field.h"

const struct smi_field smi_fields[] = {
	{"timestamp", NULL, NULL, smi_get_timestamp, 0, "When the query was made"},
	{"driver_version", NULL, NULL, smi_get_driver, 0, "Version of the host's driver"},
	{"count", NULL, NULL, smi_get_count, 0, "How many devices there are"},
	{"name", "gpu_name", NULL, smi_get_string, 0, "Name of the device"},
	{"gpu_brand", NULL, NULL, smi_get_brand, 0, "Brand of the device"},
	{"gpu_architecture", NULL, NULL, smi_get_architecture, 0, "Architecture of the device"},
	{"serial", "gpu_serial", NULL, smi_get_string, 1, "Serial number of the board"},
	{"uuid", "gpu_uuid", NULL, smi_get_string, 2, "UUID of the device"},
	{"pci.bus_id", "gpu_bus_id", NULL, smi_get_pci, 0, "PCI address on the host"},
	{"pci.domain", NULL, NULL, smi_get_pci, 1, "Its domain"},
	{"pci.bus", NULL, NULL, smi_get_pci, 2, "Its bus"},
	{"pci.device", NULL, NULL, smi_get_pci, 3, "Its device"},
	{"pci.device_id", NULL, NULL, smi_get_pci, 4, "PCI vendor and device id"},
	{"pci.sub_device_id", NULL, NULL, smi_get_pci, 5, "PCI sub system id"},
	{"pcie.link.gen.current", "pcie.link.gen.gpucurrent", NULL, smi_get_number, 1,
	 "PCIe generation now"},
	{"pcie.link.gen.max", NULL, NULL, smi_get_number, 2, "PCIe generation at most"},
	{"pcie.link.gen.gpumax", NULL, NULL, smi_get_number, 3, "PCIe generation of the device"},
	{"pcie.link.width.current", NULL, NULL, smi_get_number, 4, "PCIe lanes now"},
	{"pcie.link.width.max", NULL, NULL, smi_get_number, 5, "PCIe lanes at most"},
	{"pcie.replay_counter", NULL, NULL, smi_get_number, 9, "PCIe replays"},
	{"index", NULL, NULL, smi_get_number, 0, "Index of the device in this guest"},
	{"minor_number", NULL, NULL, smi_get_number, 8, "Minor number of the host's node"},
	{"module_id", NULL, NULL, smi_get_number, 10, "Number of the module on its board"},
	{"display_mode", NULL, NULL, smi_get_mode, 1, "Whether a display is connected"},
	{"display_active", NULL, NULL, smi_get_mode, 2, "Whether a display is initialised"},
	{"persistence_mode", NULL, NULL, smi_get_mode, 0, "Whether the driver stays loaded"},
	{"accounting.mode", NULL, NULL, smi_get_mode, 3,
	 "Whether the host's driver keeps accounts"},
	{"vbios_version", NULL, NULL, smi_get_string, 3, "Version of the VBIOS"},
	{"board_part_number", NULL, NULL, smi_get_string, 5, "Part number of the board"},
	{"inforom.img", "inforom.image", NULL, smi_get_string, 4, "Version of the infoROM image"},
	{"inforom.oem", NULL, NULL, smi_get_inforom, 0, "Version of its OEM part"},
	{"inforom.ecc", NULL, NULL, smi_get_inforom, 1, "Version of its ECC part"},
	{"inforom.pwr", "inforom.power", NULL, smi_get_inforom, 2, "Version of its power part"},
	{"gsp.version", NULL, NULL, smi_get_string, 6, "Version of the GSP firmware"},
	{"gsp.mode.current", NULL, NULL, smi_get_mode, 8, "Whether GSP firmware runs"},
	{"gsp.mode.default", NULL, NULL, smi_get_mode, 9, "Whether it does by default"},
	{"virtualization_mode", NULL, NULL, smi_get_virtualization, 0,
	 "Virtualisation of the device"},
	{"fan.speed", NULL, "%", smi_get_number, 6, "Fan speed of what is possible"},
	{"pstate", NULL, NULL, smi_get_pstate, 0, "Performance state, P0 the highest"},
	{"clocks_event_reasons.supported", "clocks_throttle_reasons.supported", NULL,
	 smi_get_reasons, 1, "Reasons for lower clocks that the device can tell"},
	{"clocks_event_reasons.active", "clocks_throttle_reasons.active", NULL, smi_get_reasons, 0,
	 "Reasons for lower clocks now"},
	{"clocks_event_reasons.gpu_idle", "clocks_throttle_reasons.gpu_idle", NULL, smi_get_reason,
	 0x1, "Nothing to do"},
	{"clocks_event_reasons.applications_clocks_setting",
	 "clocks_throttle_reasons.applications_clocks_setting", NULL, smi_get_reason, 0x2,
	 "A setting"},
	{"clocks_event_reasons.sw_power_cap", "clocks_throttle_reasons.sw_power_cap", NULL,
	 smi_get_reason, 0x4, "The power limit"},
	{"clocks_event_reasons.hw_slowdown", "clocks_throttle_reasons.hw_slowdown", NULL,
	 smi_get_reason, 0x8, "The hardware's protection"},
	{"clocks_event_reasons.hw_thermal_slowdown", "clocks_throttle_reasons.hw_thermal_slowdown",
	 NULL, smi_get_reason, 0x40, "The hardware's protection, for heat"},
	{"clocks_event_reasons.hw_power_brake_slowdown",
	 "clocks_throttle_reasons.hw_power_brake_slowdown", NULL, smi_get_reason, 0x80,
	 "The hardware's protection, for power"},
	{"clocks_event_reasons.sw_thermal_slowdown", "clocks_throttle_reasons.sw_thermal_slowdown",
	 NULL, smi_get_reason, 0x20, "Heat"},
	{"clocks_event_reasons.sync_boost", "clocks_throttle_reasons.sync_boost", NULL,
	 smi_get_reason, 0x10, "Another device in step"},
	{"memory.total", NULL, "MiB", smi_get_memory, 0,
	 "Memory of the vGPU: its quota, or the device's"},
	{"memory.reserved", NULL, "MiB", smi_get_memory, 1, "Memory that the driver keeps"},
	{"memory.used", NULL, "MiB", smi_get_memory, 2, "Memory in use"},
	{"memory.free", NULL, "MiB", smi_get_memory, 3, "Memory that can be allocated"},
	{"compute_mode", NULL, NULL, smi_get_compute_mode, 0, "Who may use the device at once"},
	{"compute_cap", NULL, NULL, smi_get_capability, 0, "CUDA compute capability"},
	{"utilization.gpu", NULL, "%", smi_get_load, 0, "Part of the time in which kernels ran"},
	{"utilization.memory", NULL, "%", smi_get_load, 1,
	 "Part of the time in which memory was used"},
	{"utilization.encoder", NULL, "%", smi_get_engine, 0, "Load of the video encoder"},
	{"utilization.decoder", NULL, "%", smi_get_engine, 1, "Load of the video decoder"},
	{"utilization.jpeg", NULL, "%", smi_get_engine, 2, "Load of the JPEG engine"},
	{"utilization.ofa", NULL, "%", smi_get_engine, 3, "Load of the optical flow engine"},
	{"ecc.mode.current", NULL, NULL, smi_get_mode, 4, "Whether memory has ECC"},
	{"ecc.mode.pending", NULL, NULL, smi_get_mode, 5, "Whether it will after a reset"},
	{"ecc.errors.corrected.volatile.total", NULL, NULL, smi_get_ecc, 0,
	 "Corrected errors since a reset"},
	{"ecc.errors.corrected.aggregate.total", NULL, NULL, smi_get_ecc, 2,
	 "Corrected errors ever"},
	{"ecc.errors.uncorrected.volatile.total", NULL, NULL, smi_get_ecc, 1,
	 "Uncorrected errors since a reset"},
	{"ecc.errors.uncorrected.aggregate.total", NULL, NULL, smi_get_ecc, 3,
	 "Uncorrected errors ever"},
	{"remapped_rows.correctable", NULL, NULL, smi_get_remapped, 0,
	 "Rows remapped for corrected errors"},
	{"remapped_rows.uncorrectable", NULL, NULL, smi_get_remapped, 1,
	 "Rows remapped for uncorrected errors"},
	{"remapped_rows.pending", NULL, NULL, smi_get_remapped, 2, "Whether rows wait for a reset"},
	{"remapped_rows.failure", NULL, NULL, smi_get_remapped, 3, "Whether remapping has failed"},
	{"temperature.gpu", NULL, NULL, smi_get_number, 7, "Temperature of the device, degrees C"},
	{"temperature.gpu.tlimit", NULL, NULL, smi_get_margin, 0, "Degrees below the limit"},
	{"temperature.gpu.shutdown", NULL, NULL, smi_get_threshold, 0,
	 "Where the device turns itself off"},
	{"temperature.gpu.slowdown", NULL, NULL, smi_get_threshold, 1, "Where it slows down"},
	{"temperature.gpu.max", NULL, NULL, smi_get_threshold, 3, "Where its clocks are lowered"},
	{"temperature.memory.max", NULL, NULL, smi_get_threshold, 2, "The same for its memory"},
	{"temperature.memory", NULL, NULL, smi_get_field_number, SMI_FI_MEMORY_TEMP,
	 "Temperature of the memory"},
	{"power.management", NULL, NULL, smi_get_mode, 10, "Whether power can be limited"},
	{"power.draw", NULL, "W", smi_get_power, 0, "Power in use"},
	{"power.draw.average", NULL, "W", smi_get_power, SMI_FI_POWER_MEAN,
	 "Power in use, over a second"},
	{"power.draw.instant", NULL, "W", smi_get_power, SMI_FI_POWER_NOW, "Power in use, at once"},
	{"power.limit", NULL, "W", smi_get_power, 1, "The limit that is set"},
	{"enforced.power.limit", NULL, "W", smi_get_power, 2, "The limit that holds"},
	{"power.default_limit", NULL, "W", smi_get_power, 3, "The limit by default"},
	{"power.min_limit", NULL, "W", smi_get_power, 4, "The lowest limit"},
	{"power.max_limit", NULL, "W", smi_get_power, 5, "The highest limit"},
	{"clocks.current.graphics", "clocks.gr", "MHz", smi_get_clock, 0, "Clock of the shaders"},
	{"clocks.current.sm", "clocks.sm", "MHz", smi_get_clock, 1, "Clock of the multiprocessors"},
	{"clocks.current.memory", "clocks.mem", "MHz", smi_get_clock, 2, "Clock of the memory"},
	{"clocks.current.video", "clocks.video", "MHz", smi_get_clock, 3,
	 "Clock of the video engines"},
	{"clocks.applications.graphics", "clocks.applications.gr", "MHz", smi_get_clock_app, 0,
	 "Clock of the shaders for programs"},
	{"clocks.applications.memory", "clocks.applications.mem", "MHz", smi_get_clock_app, 2,
	 "Clock of the memory for programs"},
	{"clocks.default_applications.graphics", "clocks.default_applications.gr", "MHz",
	 smi_get_clock_default, 0, "The same by default"},
	{"clocks.default_applications.memory", "clocks.default_applications.mem", "MHz",
	 smi_get_clock_default, 2, "The same by default"},
	{"clocks.max.graphics", "clocks.max.gr", "MHz", smi_get_clock_max, 0, "The highest clock"},
	{"clocks.max.sm", NULL, "MHz", smi_get_clock_max, 1, "The highest clock"},
	{"clocks.max.memory", "clocks.max.mem", "MHz", smi_get_clock_max, 2, "The highest clock"},
	{"clocks.max.video", NULL, "MHz", smi_get_clock_max, 3, "The highest clock"},
	{"mig.mode.current", NULL, NULL, smi_get_mode, 6, "Whether the device is divided (MIG)"},
	{"mig.mode.pending", NULL, NULL, smi_get_mode, 7, "Whether it will be after a reset"},
	{"bar1.total", NULL, "MiB", smi_get_bar1, 0, "BAR1 memory"},
	{"bar1.used", NULL, "MiB", smi_get_bar1, 1, "BAR1 memory in use"},
	{"bar1.free", NULL, "MiB", smi_get_bar1, 2, "BAR1 memory that is free"},
	{"protected_memory.total", NULL, "MiB", smi_get_protected, 0, "Protected memory"},
	{"protected_memory.used", NULL, "MiB", smi_get_protected, 1, "Protected memory in use"},
	{"protected_memory.free", NULL, "MiB", smi_get_protected, 2,
	 "Protected memory that is free"},
};

const size_t smi_fields_count = sizeof(smi_fields) / sizeof(smi_fields[0]);

const struct smi_field *smi_field_find(const char *name, size_t length)
{
	for (size_t i = 0; i < smi_fields_count; i++) {
		const struct smi_field *field = &smi_fields[i];

		if ((strlen(field->name) == length && !strncmp(field->name, name, length)) ||
		    (field->also && strlen(field->also) == length &&
		     !strncmp(field->also, name, length)))
			return field;
	}
	return NULL;
}

nvmlReturn_t smi_field_value(const struct smi_field *field, nvmlDevice_t device, char *text)
{
	nvmlReturn_t result = field->value(device, field->argument, text);

	if (result)
		snprintf(text, SMI_TEXT_MAX, "%s", smi_error_text(result));
	return result;
}

void smi_field_show(const char *name, nvmlDevice_t device, char *text)
{
	const struct smi_field *field = smi_field_find(name, strlen(name));
	size_t n;

	if (!field || smi_field_value(field, device, text)) {
		snprintf(text, SMI_TEXT_MAX, "N/A");
		return;
	}
	n = strlen(text);
	if (field->unit)
		snprintf(text + n, SMI_TEXT_MAX - n, " %s", field->unit);
}
