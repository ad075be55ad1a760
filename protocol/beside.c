/* SPDX-License-Identifier: MIT */
/* See beside.h. */
#include "protocol/beside.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool vg_beside_find(const char *const *places, size_t count, int mode, char *path, size_t size)
{
	char self[PATH_MAX], found[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *folder;

	if (length <= 0)
		return false;
	self[length] = '\0';
	folder = dirname(self);
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(found, sizeof(found), "%s/%s", folder, places[i]);

		if (n < (int)sizeof(found) && (size_t)n < size && !access(found, mode)) {
			memcpy(path, found, (size_t)n + 1);
			return true;
		}
	}
	return false;
}
