/* SPDX-License-Identifier: MIT */
/*
 * The values of fields, for the table in field_table.c: each writes a text without unit into SMI_TEXT_MAX
 * bytes. What `argument` means is the function's affair.
 */
#ifndef SMI_FIELD_H
#define SMI_FIELD_H

#include "xen-frontend/smi/smi.h"

/* Ids of nvmlDeviceGetFieldValues. */
#define SMI_FI_MEMORY_TEMP 82
#define SMI_FI_POWER_MEAN  185
#define SMI_FI_POWER_NOW   186

typedef nvmlReturn_t smi_get(nvmlDevice_t device, unsigned int argument, char *text);

smi_get smi_get_timestamp, smi_get_driver, smi_get_count, smi_get_string, smi_get_inforom,
	smi_get_pci, smi_get_capability, smi_get_brand, smi_get_architecture, smi_get_number,
	smi_get_threshold, smi_get_margin, smi_get_field_number, smi_get_clock, smi_get_clock_max,
	smi_get_clock_app, smi_get_clock_default, smi_get_memory, smi_get_bar1, smi_get_protected,
	smi_get_load, smi_get_engine, smi_get_power, smi_get_mode, smi_get_compute_mode,
	smi_get_virtualization, smi_get_pstate, smi_get_reasons, smi_get_reason, smi_get_ecc,
	smi_get_remapped;

#endif
