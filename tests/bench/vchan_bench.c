/* SPDX-License-Identifier: MIT */
/*
 * libxenvchan's ping-pong and throughput, to measure the lanes against.
 *
 * usage: vchan_bench server DOMID PATH     in one domain; ends when the client closes
 *        vchan_bench client DOMID PATH [ROUND-TRIPS [COPIES]]
 *
 * A message is 64 bytes, as a small command and its answer are. "polling" looks at the ring
 * without ever waiting for an event, on both sides: the first byte of a message says which mode
 * the server shall use for the next.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxenvchan.h>

#include "tests/bench/clock.h"

#define MESSAGE    64u
#define RING       (128u * 1024)
#define COPY_BYTES (1u << 20)
#define BATCHES    9u

enum mode {
	MODE_EVENTS = 1,
	MODE_POLL = 2,
	MODE_SINK = 3
};

static char buffer[COPY_BYTES];

static int die(const char *what)
{
	fprintf(stderr, "vchan_bench: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Polling: the ring's own state decides, no event is waited for. */
static int receive(struct libxenvchan *chan, char *message, enum mode mode)
{
	while (mode == MODE_POLL && libxenvchan_data_ready(chan) < (int)MESSAGE) {
		if (!libxenvchan_is_open(chan))
			return -1;
		__builtin_ia32_pause();
	}
	return libxenvchan_recv(chan, message, MESSAGE) == (int)MESSAGE ? 0 : -1;
}

static int stream_in(struct libxenvchan *chan, size_t left)
{
	while (left) {
		int n = libxenvchan_read(chan, buffer, left);

		if (n <= 0)
			return -1;
		left -= (size_t)n;
	}
	return 0;
}

static int serve(uint16_t domid, const char *path)
{
	struct libxenvchan *chan = libxenvchan_server_init(NULL, domid, path, RING, RING);
	enum mode mode = MODE_EVENTS;
	char message[MESSAGE];

	if (!chan)
		return die("server");
	chan->blocking = 1;
	while (!receive(chan, message, mode)) {
		mode = (enum mode)message[0];
		if (mode == MODE_SINK && stream_in(chan, COPY_BYTES))
			break;
		if (libxenvchan_send(chan, message, MESSAGE) != (int)MESSAGE)
			break;
	}
	libxenvchan_close(chan);
	return 0;
}

static int exchange(struct libxenvchan *chan, enum mode mode)
{
	char message[MESSAGE] = {(char)mode};

	if (libxenvchan_send(chan, message, MESSAGE) != (int)MESSAGE)
		return -1;
	if (mode == MODE_SINK) {
		for (size_t sent = 0; sent < COPY_BYTES;) {
			int n = libxenvchan_write(chan, buffer + sent, COPY_BYTES - sent);

			if (n <= 0)
				return -1;
			sent += (size_t)n;
		}
	}
	return receive(chan, message, mode);
}

static double measure(struct libxenvchan *chan, enum mode mode, unsigned int count)
{
	double times[BATCHES];

	for (unsigned int b = 0; b < BATCHES; b++) {
		double start = bench_now();

		for (unsigned int i = 0; i < count; i++) {
			if (exchange(chan, mode))
				exit(die("the other side has gone"));
		}
		times[b] = (bench_now() - start) / count * 1e6;
	}
	return bench_median(times, BATCHES);
}

static int client(uint16_t domid, const char *path, unsigned int trips, unsigned int copies)
{
	struct libxenvchan *chan = libxenvchan_client_init(NULL, domid, path);

	if (!chan)
		return die("client");
	chan->blocking = 1;
	printf("vchan-events-us=%.2f\n", measure(chan, MODE_EVENTS, trips));
	printf("vchan-poll-us=%.2f\n", measure(chan, MODE_POLL, trips));
	exchange(chan, MODE_EVENTS);
	printf("vchan-copy-mib-s=%.0f\n", 1e6 / measure(chan, MODE_SINK, copies));
	libxenvchan_close(chan);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "server"))
		return serve((uint16_t)bench_number(argv[2]), argv[3]);
	if (argc >= 4 && !strcmp(argv[1], "client"))
		return client((uint16_t)bench_number(argv[2]), argv[3],
			      argc > 4 ? bench_number(argv[4]) : 1000,
			      argc > 5 ? bench_number(argv[5]) : 10);
	fprintf(stderr, "usage: vchan_bench server|client DOMID PATH [ROUND-TRIPS [COPIES]]\n");
	return 2;
}
