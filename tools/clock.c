/* SPDX-License-Identifier: MIT */
/*
 * Time. A file of its own, so that tests can have theirs.
 */
#include "protocol/clock.h"
#include "tools/tree.h"

uint64_t vgpu_now_ms(void)
{
	return vg_clock_ms();
}

void vgpu_sleep_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}
