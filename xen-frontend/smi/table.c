/* SPDX-License-Identifier: MIT */
/* The table that is shown without options. */
#include "xen-frontend/smi/smi.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_PARTS \
	"+-----------------------------------------+------------------------+----------------------+\n"
#define LINE_WHOLE \
	"+-----------------------------------------------------------------------------------------+\n"
#define LINE_EMPTY \
	"|                                         |                        |                      |\n"

/* A value of a field with its unit close to it, "N/A" if there is none. */
static const char *brief(const char *field, nvmlDevice_t device, const char *unit, char *text)
{
	char *space;

	smi_field_show(field, device, text);
	space = strchr(text, ' ');
	if (strcmp(text, "N/A") != 0) {
		if (space && unit)
			*space = '\0';
		if (unit)
			strncat(text, unit, SMI_TEXT_MAX - strlen(text) - 1);
	}
	return text;
}

static const char *on_off(const char *field, nvmlDevice_t device, char *text)
{
	smi_field_show(field, device, text);
	if (!strcmp(text, "Enabled"))
		return "On";
	return strcmp(text, "Disabled") ? "N/A" : "Off";
}

/* Watts without a fraction, as the table has it. */
static const char *watts(const char *field, nvmlDevice_t device, char *text)
{
	smi_field_show(field, device, text);
	if (strcmp(text, "N/A") != 0) {
		double value = strtod(text, NULL);

		snprintf(text, SMI_TEXT_MAX, "%.0fW", value);
	}
	return text;
}

static const char *compute_mode(nvmlDevice_t device, char *text)
{
	smi_field_show("compute_mode", device, text);
	if (!strcmp(text, "Exclusive_Process"))
		return "E. Process";
	return strcmp(text, "Exclusive_Thread") ? text : "E. Thread";
}

static void device_print(FILE *out, unsigned int index, nvmlDevice_t device)
{
	char a[SMI_TEXT_MAX], b[SMI_TEXT_MAX], c[SMI_TEXT_MAX], d[SMI_TEXT_MAX], e[SMI_TEXT_MAX],
		both[64];

	smi_field_show("name", device, a);
	smi_field_show("pci.bus_id", device, b);
	smi_field_show("ecc.errors.uncorrected.volatile.total", device, c);
	fprintf(out, "| %3u  %-27.27s %5s  |   %-16.16s %3s |%21.21s |\n", index, a,
		on_off("persistence_mode", device, d), b, on_off("display_active", device, e), c);
	snprintf(both, sizeof(both), "%.24s / %.24s", watts("power.draw", device, a),
		 watts("enforced.power.limit", device, b));
	fprintf(out, "| %-4s %4s %5s %23s |", brief("fan.speed", device, "%", c),
		brief("temperature.gpu", device, "C", d), brief("pstate", device, NULL, a), both);
	snprintf(both, sizeof(both), "%.24s / %.24s", brief("memory.used", device, "MiB", a),
		 brief("memory.total", device, "MiB", b));
	fprintf(out, " %22s | %7s %12s |\n", both, brief("utilization.gpu", device, "%", c),
		compute_mode(device, d));
	smi_field_show("mig.mode.current", device, a);
	fprintf(out, "|%40s |%23s | %20s |\n" LINE_PARTS, "", "", a);
}

/* The end of a long path says more than its begin. */
static const char *shorten(char *name, size_t most)
{
	size_t length = strlen(name);

	if (length <= most)
		return name;
	memset(name + length - most, '.', 3);
	return name + length - most;
}

static unsigned int processes_print(FILE *out, unsigned int index, nvmlDevice_t device)
{
	static struct smi_processes processes;

	smi_processes_find(device, &processes);
	for (unsigned int i = 0; i < processes.count; i++) {
		const nvmlProcessInfo_t *info = &processes.info[i];
		char name[SMI_TEXT_MAX], memory[32] = "N/A";

		smi_process_name(info->pid, name);
		if (info->usedGpuMemory != (unsigned long long)NVML_VALUE_NOT_AVAILABLE)
			snprintf(memory, sizeof(memory), "%lluMiB", info->usedGpuMemory >> 20);
		fprintf(out, "| %4u   N/A  N/A  %14u      C   %-36s %9s |\n", index, info->pid,
			shorten(name, 36), memory);
	}
	return processes.count;
}

static void head_print(FILE *out)
{
	char driver[SMI_TEXT_MAX] = "N/A", when[64];
	time_t now = time(NULL);
	int cuda = 0;
	struct tm tm;
	char version[32] = "N/A";

	(void)SMI_CALL(nvmlSystemGetDriverVersion, driver, sizeof(driver));
	if (!SMI_CALL(nvmlSystemGetCudaDriverVersion, &cuda))
		snprintf(version, sizeof(version), "%d.%d", cuda / 1000, cuda % 1000 / 10);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", localtime_r(&now, &tm));
	fprintf(out, "%s       \n" LINE_WHOLE, when);
	fprintf(out, "| VGPU-SMI %-24.24s Driver Version: %-14.14s CUDA Version: %-8.8s |\n",
		driver, driver, version);
	fputs(LINE_PARTS
	      "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n"
	      "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n"
	      "|                                         |                        |               MIG M. |\n"
	      "|=========================================+========================+======================|\n",
	      out);
}

void smi_table_print(FILE *out, const struct smi_devices *devices)
{
	unsigned int processes = 0;

	head_print(out);
	for (unsigned int i = 0; i < devices->count; i++)
		device_print(out, devices->index[i], devices->handle[i]);
	if (!devices->count)
		fputs(LINE_EMPTY LINE_PARTS, out);
	fputs("                                                                                         \n" LINE_WHOLE
	      "| Processes:                                                                              |\n"
	      "|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |\n"
	      "|        ID   ID                                                               Usage      |\n"
	      "|=========================================================================================|\n",
	      out);
	for (unsigned int i = 0; i < devices->count; i++)
		processes += processes_print(out, devices->index[i], devices->handle[i]);
	if (!processes)
		fprintf(out, "|  %-87s|\n", "No running processes found");
	fputs(LINE_WHOLE, out);
}
