/* SPDX-License-Identifier: MIT */
/* What the driver says of errors, for the program's callbacks. Any thread. */
#ifndef FE_LOGS_H
#define FE_LOGS_H

#include <stdatomic.h>

#include "protocol/cuda_types.h"

extern atomic_uint fe_logs_listeners;

/* At the end of a call that has failed, in its thread, when there is a listener. */
void fe_logs_tell(const char *symbol, CUresult result);
/* In a child after fork. One thread. */
void fe_logs_reset(void);

#endif
