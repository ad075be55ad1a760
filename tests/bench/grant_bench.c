/* SPDX-License-Identifier: MIT */
/*
 * The floor for copies: plain memcpy of 1 MiB from pages that another domain has granted.
 *
 * usage: grant_bench give DOMID    grants 1 MiB, prints their numbers, waits for EOF on
 *                                  its input
 *        grant_bench copy DOMID REF...   maps the grants, prints granted-mib-s= and local-mib-s=
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint16_t domid_t;
#include <xen/gntalloc.h>

#include <xengnttab.h>

#include "tests/bench/clock.h"

#define PAGES   256u
#define PAGE    4096u
#define BATCHES 21u
#define COPIES  16u /* in one: an emulated clock stands still now and then */

static int die(const char *what)
{
	fprintf(stderr, "grant_bench: %s: %s\n", what, strerror(errno));
	return 1;
}

static int give(uint16_t domid)
{
	static uint64_t room[(sizeof(struct ioctl_gntalloc_alloc_gref) + PAGES * 4) / 8 + 1];
	struct ioctl_gntalloc_alloc_gref *alloc = (void *)room;
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	const uint32_t *refs = NULL;
	void *pages;
	char byte;

	if (fd < 0)
		return die("/dev/xen/gntalloc");
	alloc->domid = domid;
	alloc->flags = GNTALLOC_FLAG_WRITABLE;
	alloc->count = PAGES;
	if (ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, alloc))
		return die("allocating grants");
	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     (off_t)alloc->index);
	if (pages == MAP_FAILED)
		return die("mapping the grants");
	memset(pages, 0x33, PAGES * PAGE);
	refs = alloc->gref_ids;
	for (unsigned int i = 0; i < PAGES; i++)
		printf("%u%c", refs[i], i + 1 < PAGES ? ' ' : '\n');
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

static double rate(const void *from, void *to)
{
	double times[BATCHES];

	for (unsigned int b = 0; b < BATCHES; b++) {
		double start = bench_now();

		for (unsigned int i = 0; i < COPIES; i++) {
			memcpy(to, from, PAGES * PAGE);
			__asm__ volatile("" : : "r"(to) : "memory");
		}
		times[b] = (bench_now() - start) / COPIES;
	}
	return 1 / bench_median(times, BATCHES);
}

static int copy(uint16_t domid, char **words, unsigned int count)
{
	static char to[PAGES * PAGE], local[PAGES * PAGE];
	uint32_t refs[PAGES];
	xengnttab_handle *grants = xengnttab_open(NULL, 0);
	void *granted;

	if (!grants)
		return die("/dev/xen/gntdev");
	if (count != PAGES) {
		fprintf(stderr, "grant_bench: %u grants wanted, %u given\n", PAGES, count);
		return 2;
	}
	for (unsigned int i = 0; i < PAGES; i++)
		refs[i] = (uint32_t)strtoul(words[i], NULL, 10);
	granted =
		xengnttab_map_domain_grant_refs(grants, PAGES, domid, refs, PROT_READ | PROT_WRITE);
	if (!granted)
		return die("mapping");
	memset(local, 0x44, sizeof(local));
	printf("granted-mib-s=%.0f\n", rate(granted, to));
	printf("local-mib-s=%.0f\n", rate(local, to));
	xengnttab_unmap(grants, granted, PAGES);
	xengnttab_close(grants);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "give"))
		return give((uint16_t)bench_number(argv[2]));
	if (argc >= 4 && !strcmp(argv[1], "copy"))
		return copy((uint16_t)bench_number(argv[2]), argv + 3, (unsigned int)(argc - 3));
	fprintf(stderr, "usage: grant_bench give DOMID | copy DOMID REF...\n");
	return 2;
}
