/* SPDX-License-Identifier: MIT */
/*
 * Time. A file of its own, so that tests can have theirs.
 */
#include <time.h>

#include "tools/tree.h"

uint64_t vgpu_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void vgpu_sleep_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}
