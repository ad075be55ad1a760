/* SPDX-License-Identifier: MIT */
#ifndef FE_OPTIONS_H
#define FE_OPTIONS_H

#include "xen-frontend/frontd/broker.h"

/* 0: go on; 1: done (--help, --version); -EINVAL after a message on standard error. */
int fe_options_parse(struct fe_options *options, int argc, char **argv);

#endif
