/* SPDX-License-Identifier: MIT */
#ifndef FE_CLOCK_H
#define FE_CLOCK_H

#include <stdint.h>

/* Monotonic milliseconds. Tests have a clock of their own. */
uint64_t fe_clock_ms(void);

#endif
