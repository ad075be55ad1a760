/* SPDX-License-Identifier: MIT */
/*
 * The vGPUs that a domain is to have: from the lines of its configuration, or as a running domain
 * has them. Pure but for xl_specs_read().
 */
#ifndef VGPU_XL_SPECS_H
#define VGPU_XL_SPECS_H

#include "tools/tree.h"

struct xl_specs {
	struct vgpu_device *devices; /* owned */
	size_t count;
};

/* All functions: 0 or a negative errno; `why` (VG_SCHEMA_WHY bytes) says what is wrong. */

/* Adds one that is written as KEY=VALUE,...; "" has all defaults. */
int xl_specs_add(struct xl_specs *specs, const char *spec, char *why);
/* Gives every device its number: those that were written first, then the lowest that are free. */
int xl_specs_number(struct xl_specs *specs, char *why);
/* Replaces them by what the domain has in xenstore, devices that are being detached left out. */
int xl_specs_read(struct xl_specs *specs, struct xs_handle *xs, uint32_t domid);
int xl_specs_copy(struct xl_specs *to, const struct xl_specs *from);
/* May be called twice. */
void xl_specs_clear(struct xl_specs *specs);

#endif
