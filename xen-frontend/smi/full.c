/* SPDX-License-Identifier: MIT */
/* -q: everything, in sections. */
#include "xen-frontend/smi/smi.h"

#include <string.h>
#include <time.h>

#define LABEL_WIDTH 42

enum section {
	S_ALWAYS = 0,
	S_MEMORY = 1 << 0,
	S_UTILIZATION = 1 << 1,
	S_ECC = 1 << 2,
	S_TEMPERATURE = 1 << 3,
	S_POWER = 1 << 4,
	S_CLOCK = 1 << 5,
	S_COMPUTE = 1 << 6,
	S_PIDS = 1 << 7,
	S_PERFORMANCE = 1 << 8,
	S_ROW_REMAPPER = 1 << 9,
	S_REST = 1 << 10, /* only without -d */
};
#define S_ALL 0xffffffffu

static const struct {
	const char *name;
	unsigned int section;
} section_names[] = {
	{"MEMORY", S_MEMORY},
	{"UTILIZATION", S_UTILIZATION},
	{"ECC", S_ECC},
	{"TEMPERATURE", S_TEMPERATURE},
	{"POWER", S_POWER},
	{"CLOCK", S_CLOCK},
	{"COMPUTE", S_COMPUTE},
	{"PIDS", S_PIDS},
	{"PERFORMANCE", S_PERFORMANCE},
	{"ROW_REMAPPER", S_ROW_REMAPPER},
};

/* A line: a heading if it has no field. */
static const struct line {
	unsigned int section;
	unsigned int level; /* of indentation */
	const char *label, *field;
} lines[] = {
	{S_REST, 1, "Product Name", "name"},
	{S_REST, 1, "Product Brand", "gpu_brand"},
	{S_REST, 1, "Product Architecture", "gpu_architecture"},
	{S_REST, 1, "Display Mode", "display_mode"},
	{S_REST, 1, "Display Active", "display_active"},
	{S_REST, 1, "Persistence Mode", "persistence_mode"},
	{S_REST, 1, "MIG Mode", NULL},
	{S_REST, 2, "Current", "mig.mode.current"},
	{S_REST, 2, "Pending", "mig.mode.pending"},
	{S_REST, 1, "Accounting Mode", "accounting.mode"},
	{S_REST, 1, "Serial Number", "serial"},
	{S_REST, 1, "GPU UUID", "uuid"},
	{S_REST, 1, "Minor Number", "minor_number"},
	{S_REST, 1, "VBIOS Version", "vbios_version"},
	{S_REST, 1, "Board Part Number", "board_part_number"},
	{S_REST, 1, "GPU Module ID", "module_id"},
	{S_REST, 1, "Inforom Version", NULL},
	{S_REST, 2, "Image Version", "inforom.img"},
	{S_REST, 2, "OEM Object", "inforom.oem"},
	{S_REST, 2, "ECC Object", "inforom.ecc"},
	{S_REST, 2, "Power Management Object", "inforom.pwr"},
	{S_REST, 1, "GSP Firmware Version", "gsp.version"},
	{S_REST, 1, "GPU Virtualization Mode", NULL},
	{S_REST, 2, "Virtualization Mode", "virtualization_mode"},
	{S_REST, 1, "PCI", NULL},
	{S_REST, 2, "Bus", "pci.bus"},
	{S_REST, 2, "Device", "pci.device"},
	{S_REST, 2, "Domain", "pci.domain"},
	{S_REST, 2, "Device Id", "pci.device_id"},
	{S_REST, 2, "Bus Id", "pci.bus_id"},
	{S_REST, 2, "Sub System Id", "pci.sub_device_id"},
	{S_REST, 2, "GPU Link Info", NULL},
	{S_REST, 3, "PCIe Generation", NULL},
	{S_REST, 4, "Max", "pcie.link.gen.max"},
	{S_REST, 4, "Current", "pcie.link.gen.current"},
	{S_REST, 4, "Device Max", "pcie.link.gen.gpumax"},
	{S_REST, 3, "Link Width", NULL},
	{S_REST, 4, "Max", "pcie.link.width.max"},
	{S_REST, 4, "Current", "pcie.link.width.current"},
	{S_REST, 2, "Replays Since Reset", "pcie.replay_counter"},
	{S_REST, 1, "Fan Speed", "fan.speed"},
	{S_PERFORMANCE, 1, "Performance State", "pstate"},
	{S_PERFORMANCE, 1, "Clocks Event Reasons", NULL},
	{S_PERFORMANCE, 2, "Idle", "clocks_event_reasons.gpu_idle"},
	{S_PERFORMANCE, 2, "Applications Clocks Setting",
	 "clocks_event_reasons.applications_clocks_setting"},
	{S_PERFORMANCE, 2, "SW Power Cap", "clocks_event_reasons.sw_power_cap"},
	{S_PERFORMANCE, 2, "HW Slowdown", "clocks_event_reasons.hw_slowdown"},
	{S_PERFORMANCE, 3, "HW Thermal Slowdown", "clocks_event_reasons.hw_thermal_slowdown"},
	{S_PERFORMANCE, 3, "HW Power Brake Slowdown",
	 "clocks_event_reasons.hw_power_brake_slowdown"},
	{S_PERFORMANCE, 2, "Sync Boost", "clocks_event_reasons.sync_boost"},
	{S_PERFORMANCE, 2, "SW Thermal Slowdown", "clocks_event_reasons.sw_thermal_slowdown"},
	{S_MEMORY, 1, "FB Memory Usage", NULL},
	{S_MEMORY, 2, "Total", "memory.total"},
	{S_MEMORY, 2, "Reserved", "memory.reserved"},
	{S_MEMORY, 2, "Used", "memory.used"},
	{S_MEMORY, 2, "Free", "memory.free"},
	{S_MEMORY, 1, "BAR1 Memory Usage", NULL},
	{S_MEMORY, 2, "Total", "bar1.total"},
	{S_MEMORY, 2, "Used", "bar1.used"},
	{S_MEMORY, 2, "Free", "bar1.free"},
	{S_MEMORY, 1, "Conf Compute Protected Memory Usage", NULL},
	{S_MEMORY, 2, "Total", "protected_memory.total"},
	{S_MEMORY, 2, "Used", "protected_memory.used"},
	{S_MEMORY, 2, "Free", "protected_memory.free"},
	{S_COMPUTE, 1, "Compute Mode", "compute_mode"},
	{S_UTILIZATION, 1, "Utilization", NULL},
	{S_UTILIZATION, 2, "GPU", "utilization.gpu"},
	{S_UTILIZATION, 2, "Memory", "utilization.memory"},
	{S_UTILIZATION, 2, "Encoder", "utilization.encoder"},
	{S_UTILIZATION, 2, "Decoder", "utilization.decoder"},
	{S_UTILIZATION, 2, "JPEG", "utilization.jpeg"},
	{S_UTILIZATION, 2, "OFA", "utilization.ofa"},
	{S_ECC, 1, "ECC Mode", NULL},
	{S_ECC, 2, "Current", "ecc.mode.current"},
	{S_ECC, 2, "Pending", "ecc.mode.pending"},
	{S_ECC, 1, "ECC Errors", NULL},
	{S_ECC, 2, "Volatile", NULL},
	{S_ECC, 3, "Correctable", "ecc.errors.corrected.volatile.total"},
	{S_ECC, 3, "Uncorrectable", "ecc.errors.uncorrected.volatile.total"},
	{S_ECC, 2, "Aggregate", NULL},
	{S_ECC, 3, "Correctable", "ecc.errors.corrected.aggregate.total"},
	{S_ECC, 3, "Uncorrectable", "ecc.errors.uncorrected.aggregate.total"},
	{S_ROW_REMAPPER, 1, "Remapped Rows", NULL},
	{S_ROW_REMAPPER, 2, "Correctable Error", "remapped_rows.correctable"},
	{S_ROW_REMAPPER, 2, "Uncorrectable Error", "remapped_rows.uncorrectable"},
	{S_ROW_REMAPPER, 2, "Pending", "remapped_rows.pending"},
	{S_ROW_REMAPPER, 2, "Remapping Failure Occurred", "remapped_rows.failure"},
	{S_TEMPERATURE, 1, "Temperature", NULL},
	{S_TEMPERATURE, 2, "GPU Current Temp", "temperature.gpu"},
	{S_TEMPERATURE, 2, "GPU T.Limit Temp", "temperature.gpu.tlimit"},
	{S_TEMPERATURE, 2, "GPU Shutdown Temp", "temperature.gpu.shutdown"},
	{S_TEMPERATURE, 2, "GPU Slowdown Temp", "temperature.gpu.slowdown"},
	{S_TEMPERATURE, 2, "GPU Max Operating Temp", "temperature.gpu.max"},
	{S_TEMPERATURE, 2, "Memory Current Temp", "temperature.memory"},
	{S_TEMPERATURE, 2, "Memory Max Operating Temp", "temperature.memory.max"},
	{S_POWER, 1, "GPU Power Readings", NULL},
	{S_POWER, 2, "Average Power Draw", "power.draw.average"},
	{S_POWER, 2, "Instantaneous Power Draw", "power.draw.instant"},
	{S_POWER, 2, "Current Power Limit", "enforced.power.limit"},
	{S_POWER, 2, "Requested Power Limit", "power.limit"},
	{S_POWER, 2, "Default Power Limit", "power.default_limit"},
	{S_POWER, 2, "Min Power Limit", "power.min_limit"},
	{S_POWER, 2, "Max Power Limit", "power.max_limit"},
	{S_CLOCK, 1, "Clocks", NULL},
	{S_CLOCK, 2, "Graphics", "clocks.current.graphics"},
	{S_CLOCK, 2, "SM", "clocks.current.sm"},
	{S_CLOCK, 2, "Memory", "clocks.current.memory"},
	{S_CLOCK, 2, "Video", "clocks.current.video"},
	{S_CLOCK, 1, "Applications Clocks", NULL},
	{S_CLOCK, 2, "Graphics", "clocks.applications.graphics"},
	{S_CLOCK, 2, "Memory", "clocks.applications.memory"},
	{S_CLOCK, 1, "Default Applications Clocks", NULL},
	{S_CLOCK, 2, "Graphics", "clocks.default_applications.graphics"},
	{S_CLOCK, 2, "Memory", "clocks.default_applications.memory"},
	{S_CLOCK, 1, "Max Clocks", NULL},
	{S_CLOCK, 2, "Graphics", "clocks.max.graphics"},
	{S_CLOCK, 2, "SM", "clocks.max.sm"},
	{S_CLOCK, 2, "Memory", "clocks.max.memory"},
	{S_CLOCK, 2, "Video", "clocks.max.video"},
};

static unsigned int section_find(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(section_names) / sizeof(section_names[0]); i++)
		if (strlen(section_names[i].name) == length &&
		    !strncasecmp(section_names[i].name, name, length))
			return section_names[i].section;
	return 0;
}

/* 0: one of them is no section. */
static unsigned int sections_parse(const char *names)
{
	unsigned int all = 0;

	if (!names)
		return S_ALL;
	for (;;) {
		size_t length = strcspn(names, ",");
		unsigned int one = section_find(names, length);

		if (!one)
			return 0;
		all |= one;
		if (!names[length])
			return all;
		names += length + 1;
	}
}

nvmlReturn_t smi_full_check(const char *sections)
{
	if (sections_parse(sections))
		return NVML_SUCCESS;
	printf("Invalid combination of input arguments: -d %s. Sections are", sections);
	for (size_t i = 0; i < sizeof(section_names) / sizeof(section_names[0]); i++)
		printf("%s %s", i ? "," : "", section_names[i].name);
	puts(".");
	return NVML_ERROR_INVALID_ARGUMENT;
}

static void line_print(FILE *out, const struct line *line, nvmlDevice_t device)
{
	int indent = (int)line->level * 4;
	char text[SMI_TEXT_MAX] = "";

	if (!line->field) {
		fprintf(out, "%*s%s\n", indent, "", line->label);
		return;
	}
	smi_field_show(line->field, device, text);
	fprintf(out, "%*s%-*s: %s%s\n", indent, "", LABEL_WIDTH - indent, line->label, text,
		!strncmp(line->field, "temperature", 11) && strcmp(text, "N/A") ? " C" : "");
}

static void processes_print(FILE *out, nvmlDevice_t device)
{
	static struct smi_processes processes;

	smi_processes_find(device, &processes);
	fprintf(out, "    %-*s%s", LABEL_WIDTH - 4, "Processes",
		processes.count ? "\n" : ": None\n");
	for (unsigned int i = 0; i < processes.count; i++) {
		const nvmlProcessInfo_t *info = &processes.info[i];
		char name[SMI_TEXT_MAX];

		smi_process_name(info->pid, name);
		fprintf(out, "        %-*s: %u\n", LABEL_WIDTH - 8, "Process ID", info->pid);
		fprintf(out, "            %-*s: C\n", LABEL_WIDTH - 12, "Type");
		fprintf(out, "            %-*s: %s\n", LABEL_WIDTH - 12, "Name", name);
		fprintf(out, "            %-*s: %llu MiB\n", LABEL_WIDTH - 12, "Used GPU Memory",
			info->usedGpuMemory >> 20);
	}
}

static void device_print(FILE *out, nvmlDevice_t device, unsigned int sections)
{
	char bus[SMI_TEXT_MAX] = "";

	smi_field_show("pci.bus_id", device, bus);
	fprintf(out, "\nGPU %s\n", bus);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i].section & sections)
			line_print(out, &lines[i], device);
	if (sections & S_PIDS)
		processes_print(out, device);
}

void smi_full_print(FILE *out, const struct smi_devices *devices, const char *sections)
{
	char driver[SMI_TEXT_MAX] = "N/A", when[64];
	time_t now = time(NULL);
	struct tm tm;
	int cuda = 0;

	(void)SMI_CALL(nvmlSystemGetDriverVersion, driver, sizeof(driver));
	(void)SMI_CALL(nvmlSystemGetCudaDriverVersion, &cuda);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", localtime_r(&now, &tm));
	fputs("\n==============NVSMI LOG==============\n\n", out);
	fprintf(out, "%-*s: %s\n", LABEL_WIDTH, "Timestamp", when);
	fprintf(out, "%-*s: %s\n", LABEL_WIDTH, "Driver Version", driver);
	fprintf(out, "%-*s: %d.%d\n\n", LABEL_WIDTH, "CUDA Version", cuda / 1000, cuda % 1000 / 10);
	fprintf(out, "%-*s: %u\n", LABEL_WIDTH, "Attached GPUs", devices->count);
	for (unsigned int i = 0; i < devices->count; i++)
		device_print(out, devices->handle[i], sections_parse(sections));
	fputc('\n', out);
}
