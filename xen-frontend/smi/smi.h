/* SPDX-License-Identifier: MIT */
/*
 * vgpu-smi: prints what NVML tells, in the forms of nvidia-smi, whose names of fields, options and exit
 * statuses (those of nvmlReturn_t) it keeps. One thread.
 */
#ifndef SMI_H
#define SMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "protocol/nvml_proto.h"

#define SMI_DEVICES_MAX 64
#define SMI_TEXT_MAX    160

/* --- nvml.c: the library ------------------------------------------------------------------------- */

/* NVML_SUCCESS, or an error that has been printed. */
nvmlReturn_t smi_open(void);
void smi_close(void);
/* A function of the library; NULL: it has none of that name. */
void *smi_symbol(const char *name);

#define SMI_CALL(function, ...)                                                     \
	({                                                                          \
		__typeof__(function) *function_;                                    \
                                                                                    \
		*(void **)&function_ = smi_symbol(#function);                       \
		function_ ? function_(__VA_ARGS__) : NVML_ERROR_FUNCTION_NOT_FOUND; \
	})

/* The devices that are asked about, and how NVML numbers them. */
struct smi_devices {
	unsigned int count;
	nvmlDevice_t handle[SMI_DEVICES_MAX];
	unsigned int index[SMI_DEVICES_MAX];
};
/* wanted: NULL for all, or indices, UUIDs and PCI ids with commas between. Prints what is wrong. */
nvmlReturn_t smi_devices_find(struct smi_devices *devices, const char *wanted);

/* --- field.c: what can be asked of a device --------------------------------------------------------- */

struct smi_field {
	const char *name, *also; /* as nvidia-smi has it; an older name, or NULL */
	const char *unit;        /* NULL: none */
	nvmlReturn_t (*value)(nvmlDevice_t device, unsigned int argument, char *text);
	unsigned int argument;
	const char *help;
};

extern const struct smi_field smi_fields[];
extern const size_t smi_fields_count;

const struct smi_field *smi_field_find(const char *name, size_t length);
/* Its value without the unit, SMI_TEXT_MAX bytes of room; "[N/A]" and the like if there is none. */
nvmlReturn_t smi_field_value(const struct smi_field *field, nvmlDevice_t device, char *text);
/* By name, as text for people: "N/A", or the value with its unit. */
void smi_field_show(const char *name, nvmlDevice_t device, char *text);
/* "[N/A]" and the like. */
const char *smi_error_text(nvmlReturn_t result);

/* --- what is printed ----------------------------------------------------------------------------- */

/* --format=csv and what goes with it. */
struct smi_csv {
	bool header, units;
};

struct smi_processes {
	unsigned int count;
	nvmlProcessInfo_t info[1024];
};
nvmlReturn_t smi_processes_find(nvmlDevice_t device, struct smi_processes *processes);
/* SMI_TEXT_MAX bytes. */
void smi_process_name(unsigned int pid, char *name);

/* table.c; csv.c; full.c. fields: names with commas between. */
void smi_table_print(FILE *out, const struct smi_devices *devices);
nvmlReturn_t smi_list_print(FILE *out, const struct smi_devices *devices);
nvmlReturn_t smi_csv_check(const char *fields, bool of_processes);
void smi_csv_head(FILE *out, const char *fields, bool of_processes, const struct smi_csv *csv);
void smi_csv_rows(FILE *out, const char *fields, const struct smi_devices *devices,
		  const struct smi_csv *csv);
void smi_csv_apps(FILE *out, const char *fields, const struct smi_devices *devices,
		  const struct smi_csv *csv);
void smi_csv_help(FILE *out, bool of_processes);
/* sections: NULL for all, or names with commas between (MEMORY,POWER). */
nvmlReturn_t smi_full_check(const char *sections);
void smi_full_print(FILE *out, const struct smi_devices *devices, const char *sections);

#endif
