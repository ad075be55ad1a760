/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd's settings: defaults, then the configuration file, then the command line, which knows
 * the same names.
 */
#ifndef FE_OPTIONS_H
#define FE_OPTIONS_H

#include "protocol/conf.h"
#include "xen-frontend/frontd/broker.h"

/* 0: go on; 1: done (--help, --version); -EINVAL with a message in `why` (VG_CONF_WHY bytes). */
int fe_options_parse(struct fe_options *options, int argc, char **argv, char *why);
/*
 * Takes over what may change at run time; `restart` (VG_CONF_WHY bytes) names what differs and
 * waits for a restart.
 */
void fe_options_adopt(struct fe_options *options, const struct fe_options *fresh, char *restart);

#endif
