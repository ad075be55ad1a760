/* SPDX-License-Identifier: MIT */
/* Names for logs and tools. */
#ifndef VG_OP_NAMES_H
#define VG_OP_NAMES_H

/* The call's name as in the spec, "?" for a number that is none. */
const char *vg_op_name(unsigned int op);

#endif
