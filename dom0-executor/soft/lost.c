/* SPDX-License-Identifier: MIT */
/*
 * VGPU_SOFT_LOST names a file with the numbers of the devices that are lost: `echo 0 >FILE` loses the first. It stays
 * open, since an executor cannot be reached otherwise, and is read at each question, while there is one. Any thread.
 */
#include "dom0-executor/soft/lost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_LOST "VGPU_SOFT_LOST"

_Static_assert(SOFT_DEVICES_MAX <= 10, "a number is one digit in the file");

static int file = -1; /* constant after lost_init() */
static atomic_bool lost[SOFT_DEVICES_MAX];

void lost_init(void)
{
	const char *path = getenv(ENV_LOST);

	if (!path || !*path)
		return;
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		soft_log_error("setting=" ENV_LOST " value=%s ignored: %s", path, strerror(errno));
}

/* A file that cannot be read names nobody. */
static bool is_named(unsigned int number)
{
	char text[4 * SOFT_DEVICES_MAX];
	ssize_t n = pread(file, text, sizeof(text), 0);

	return n > 0 && memchr(text, '0' + (int)number, (size_t)n);
}

bool device_is_lost(const struct soft_device *device)
{
	atomic_bool *known = &lost[device->number];

	if (file < 0)
		return false;
	if (!atomic_load(known) && is_named(device->number) && !atomic_exchange(known, true))
		soft_log_error("device=%u is lost: " ENV_LOST " names it", device->number);
	return atomic_load(known);
}
