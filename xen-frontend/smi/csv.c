/* SPDX-License-Identifier: MIT */
/* --query-gpu and --query-compute-apps, and the list of devices. */
#include "xen-frontend/smi/smi.h"

#include <string.h>

/* --- fields of processes -------------------------------------------------------------------------- */

struct app {
	nvmlDevice_t device;
	const nvmlProcessInfo_t *info;
};

enum app_kind {
	APP_FIELD,
	APP_PID,
	APP_NAME,
	APP_MEMORY
};

static const struct app_field {
	const char *name, *also;
	enum app_kind kind;
	const char *field; /* APP_FIELD: of the device */
	const char *unit;
	const char *help;
} app_fields[] = {
	{"timestamp", NULL, APP_FIELD, "timestamp", NULL, "When the query was made"},
	{"gpu_name", NULL, APP_FIELD, "name", NULL, "Name of the device"},
	{"gpu_bus_id", NULL, APP_FIELD, "pci.bus_id", NULL, "PCI address on the host"},
	{"gpu_serial", NULL, APP_FIELD, "serial", NULL, "Serial number of the board"},
	{"gpu_uuid", NULL, APP_FIELD, "uuid", NULL, "UUID of the device"},
	{"pid", NULL, APP_PID, NULL, NULL, "Process, by this guest's number"},
	{"process_name", "name", APP_NAME, NULL, NULL, "Its program"},
	{"used_gpu_memory", "used_memory", APP_MEMORY, NULL, "MiB", "Memory that it uses"},
};
#define APP_FIELDS (sizeof(app_fields) / sizeof(app_fields[0]))

static const struct app_field *app_field_find(const char *name, size_t length)
{
	for (size_t i = 0; i < APP_FIELDS; i++) {
		const struct app_field *field = &app_fields[i];

		if ((strlen(field->name) == length && !strncmp(field->name, name, length)) ||
		    (field->also && strlen(field->also) == length &&
		     !strncmp(field->also, name, length)))
			return field;
	}
	return NULL;
}

static bool app_value(const struct app_field *field, const struct app *app, char *text)
{
	const struct smi_field *of_device;

	switch (field->kind) {
	case APP_FIELD:
		of_device = smi_field_find(field->field, strlen(field->field));
		return of_device && !smi_field_value(of_device, app->device, text);
	case APP_PID: snprintf(text, SMI_TEXT_MAX, "%u", app->info->pid); return true;
	case APP_NAME: smi_process_name(app->info->pid, text); return true;
	default: break;
	}
	if (app->info->usedGpuMemory == (unsigned long long)NVML_VALUE_NOT_AVAILABLE) {
		snprintf(text, SMI_TEXT_MAX, "[N/A]");
		return false;
	}
	snprintf(text, SMI_TEXT_MAX, "%llu", app->info->usedGpuMemory >> 20);
	return true;
}

/* --- a list of names ------------------------------------------------------------------------------- */

/* The next of the names, without spaces around it. False: no more. */
static bool name_next(const char **at, const char **name, size_t *length)
{
	if (!*at)
		return false;
	*at += strspn(*at, " ");
	*name = *at;
	*length = strcspn(*at, ",");
	*at = (*at)[*length] ? *at + *length + 1 : NULL;
	while (*length && (*name)[*length - 1] == ' ')
		--*length;
	return true;
}

nvmlReturn_t smi_csv_check(const char *fields, bool of_processes)
{
	const char *at = fields, *name;
	size_t length;

	while (name_next(&at, &name, &length)) {
		if (of_processes ? app_field_find(name, length) != NULL
				 : smi_field_find(name, length) != NULL)
			continue;
		printf("Field \"%.*s\" is not a valid field to query.\n\n", (int)length, name);
		return NVML_ERROR_INVALID_ARGUMENT;
	}
	return NVML_SUCCESS;
}

void smi_csv_head(FILE *out, const char *fields, bool of_processes, const struct smi_csv *csv)
{
	const char *at = fields, *name, *between = "";
	size_t length;

	if (!csv->header)
		return;
	while (name_next(&at, &name, &length)) {
		const char *unit = of_processes ? app_field_find(name, length)->unit
						: smi_field_find(name, length)->unit;

		/* What is asked for by another name is shown by that. */
		fprintf(out, "%s%.*s", between, (int)length, name);
		if (unit)
			fprintf(out, " [%s]", unit);
		between = ", ";
	}
	fputc('\n', out);
}

static void value_print(FILE *out, const char *text, const char *unit, const struct smi_csv *csv)
{
	fputs(text, out);
	if (unit && csv->units)
		fprintf(out, " %s", unit);
}

static void row_print(FILE *out, const char *fields, nvmlDevice_t device, const struct smi_csv *csv)
{
	const char *at = fields, *name, *between = "";
	char text[SMI_TEXT_MAX] = "";
	size_t length;

	while (name_next(&at, &name, &length)) {
		const struct smi_field *field = smi_field_find(name, length);
		bool known = !smi_field_value(field, device, text);

		fputs(between, out);
		value_print(out, text, known ? field->unit : NULL, csv);
		between = ", ";
	}
	fputc('\n', out);
}

void smi_csv_rows(FILE *out, const char *fields, const struct smi_devices *devices,
		  const struct smi_csv *csv)
{
	for (unsigned int i = 0; i < devices->count; i++)
		row_print(out, fields, devices->handle[i], csv);
}

static void app_print(FILE *out, const char *fields, const struct app *app,
		      const struct smi_csv *csv)
{
	const char *at = fields, *name, *between = "";
	char text[SMI_TEXT_MAX] = "";
	size_t length;

	while (name_next(&at, &name, &length)) {
		const struct app_field *field = app_field_find(name, length);
		bool known = app_value(field, app, text);

		fputs(between, out);
		value_print(out, text, known ? field->unit : NULL, csv);
		between = ", ";
	}
	fputc('\n', out);
}

void smi_csv_apps(FILE *out, const char *fields, const struct smi_devices *devices,
		  const struct smi_csv *csv)
{
	static struct smi_processes processes;

	for (unsigned int i = 0; i < devices->count; i++) {
		smi_processes_find(devices->handle[i], &processes);
		for (unsigned int k = 0; k < processes.count; k++) {
			const struct app app = {devices->handle[i], &processes.info[k]};

			app_print(out, fields, &app, csv);
		}
	}
}

/* As programs read it that look for which fields there are: each name in quotes at the line's begin. */
static void help_print(FILE *out, const char *name, const char *also, const char *help)
{
	fprintf(out, "\"%s\"", name);
	if (also)
		fprintf(out, " or \"%s\"", also);
	fprintf(out, "\n%s.\n\n", help);
}

void smi_csv_help(FILE *out, bool of_processes)
{
	fprintf(out, "List of valid properties to query for the switch \"--query-%s=\":\n\n",
		of_processes ? "compute-apps" : "gpu");
	for (size_t i = 0; of_processes && i < APP_FIELDS; i++)
		help_print(out, app_fields[i].name, app_fields[i].also, app_fields[i].help);
	for (size_t i = 0; !of_processes && i < smi_fields_count; i++)
		help_print(out, smi_fields[i].name, smi_fields[i].also, smi_fields[i].help);
}

/* --- -L -------------------------------------------------------------------------------------------- */

nvmlReturn_t smi_list_print(FILE *out, const struct smi_devices *devices)
{
	for (unsigned int i = 0; i < devices->count; i++) {
		char name[SMI_TEXT_MAX], uuid[SMI_TEXT_MAX];

		smi_field_show("name", devices->handle[i], name);
		smi_field_show("uuid", devices->handle[i], uuid);
		fprintf(out, "GPU %u: %s (UUID: %s)\n", devices->index[i], name, uuid);
	}
	if (!devices->count)
		fputs("No devices found.\n", out);
	return devices->count ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}
