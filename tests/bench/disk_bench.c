/* SPDX-License-Identifier: MIT */
/*
 * A block device, past the page cache: pieces of 4 KiB one at a time, and of 1 MiB. To measure the lanes against
 * xen-blkfront.
 *
 * usage: disk_bench DEVICE [ROUND-TRIPS [COPIES]]     writes to it! prints name=value lines, times in us, rates in MiB/s
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/bench/clock.h"

#define AREA  (16u << 20) /* of the device */
#define SMALL 4096u
#define LARGE (1u << 20)

static int device;
static char *buffer;
static size_t piece;
static off_t place;

static void must(ssize_t done, const char *what)
{
	if (done == (ssize_t)piece)
		return;
	fprintf(stderr, "disk_bench: %s: %s\n", what, done < 0 ? strerror(errno) : "short");
	exit(1);
}

static void advance(void)
{
	place = (place + (off_t)piece) % AREA;
}

static void piece_read(void)
{
	must(pread(device, buffer, piece, place), "reading");
	advance();
}

static void piece_write(void)
{
	must(pwrite(device, buffer, piece, place), "writing");
	advance();
}

/* Median over batches of the time of one of `count` pieces, in us. */
static double measure(void (*call)(void), size_t bytes, unsigned int count)
{
	piece = bytes;
	place = 0;
	return bench_measure(call, count);
}

int main(int argc, char **argv)
{
	unsigned int trips = argc > 2 ? bench_number(argv[2]) : 1000;
	unsigned int copies = argc > 3 ? bench_number(argv[3]) : 10;

	if (argc < 2 || !trips || !copies) {
		fprintf(stderr, "usage: disk_bench DEVICE [ROUND-TRIPS [COPIES]]\n");
		return 2;
	}
	device = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device < 0) {
		fprintf(stderr, "disk_bench: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	buffer = aligned_alloc(SMALL, LARGE);
	if (!buffer)
		return 1;
	memset(buffer, 0x5a, LARGE);
	/* A RAM disk has no pages for what was never written. */
	(void)measure(piece_write, LARGE, AREA / LARGE);
	printf("disk-read-4k-us=%.2f\n", measure(piece_read, SMALL, trips));
	printf("disk-write-4k-us=%.2f\n", measure(piece_write, SMALL, trips));
	printf("disk-read-mib-s=%.1f\n", 1e6 / measure(piece_read, LARGE, copies));
	printf("disk-write-mib-s=%.1f\n", 1e6 / measure(piece_write, LARGE, copies));
	free(buffer);
	close(device);
	return 0;
}
