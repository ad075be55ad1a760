/* SPDX-License-Identifier: MIT */
/*
 * Prints how many pages of gntalloc's limit are in use in this guest: the kernel has no counter for
 * user space, but it refuses an allocation that would exceed the limit, so the largest that
 * it grants is what is free. Root, one thread. Pages whose grant the peer still maps count as used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef uint16_t domid_t; /* the next headers want it */
#include <xen/sys/gntalloc.h>

#define LIMIT_PATH "/sys/module/xen_gntalloc/parameters/limit"

/* Whether `count` pages can be had now; they are given back at once. */
static int can_allocate(unsigned int count)
{
	struct ioctl_gntalloc_alloc_gref *alloc = calloc(1, sizeof(*alloc) + count * 4ul);
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	int rc = -1;

	if (alloc && fd >= 0) {
		alloc->flags = GNTALLOC_FLAG_WRITABLE;
		alloc->count = count;
		rc = ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, alloc);
	}
	if (rc && errno != ENOSPC) {
		fprintf(stderr, "gntalloc_used: %u pages: %s\n", count, strerror(errno));
		exit(1);
	}
	if (fd >= 0)
		close(fd);
	free(alloc);
	return rc == 0;
}

int main(void)
{
	FILE *file = fopen(LIMIT_PATH, "r");
	unsigned int limit, low = 0, high;
	char text[32] = "";

	if (!file || !fgets(text, sizeof(text), file)) {
		fprintf(stderr, "gntalloc_used: no " LIMIT_PATH "\n");
		return 1;
	}
	fclose(file);
	limit = (unsigned int)strtoul(text, NULL, 10);
	high = limit;
	while (low < high) {
		unsigned int middle = low + (high - low + 1) / 2;

		if (can_allocate(middle))
			low = middle;
		else
			high = middle - 1;
	}
	printf("%u\n", limit - low);
	return 0;
}
