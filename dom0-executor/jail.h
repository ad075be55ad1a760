/* SPDX-License-Identifier: MIT */
/*
 * Becoming unprivileged, before the driver is opened and the first command is decoded.
 */
#ifndef EX_JAIL_H
#define EX_JAIL_H

#include "protocol/log.h"

/*
 * The environment that the driver library will read: everything called CUDA_* goes but the choice of
 * devices, which is gpus.c's to make. 0 or a negative errno.
 */
int ex_jail_environment(void);
/*
 * Another user (when we are root), no capabilities, no new privileges, resource limits, a filter of
 * system calls. What cannot be had is logged; what must not fail does: 0 or a negative errno.
 */
int ex_jail_enter(const char *user, const struct vg_log_who *who);

#endif
