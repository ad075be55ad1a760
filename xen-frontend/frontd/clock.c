/* SPDX-License-Identifier: MIT */
/*
 * Time. A file of its own, so that tests can have theirs.
 */
#include "xen-frontend/frontd/clock.h"

#include "protocol/clock.h"

uint64_t fe_clock_ms(void)
{
	return vg_clock_ms();
}
