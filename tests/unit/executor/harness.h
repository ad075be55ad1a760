/* SPDX-License-Identifier: MIT */
/*
 * A session with one lane over plain memory: bytes go into the command ring as a guest would put them
 * there, the lane runs in the calling thread until it has no more to do, replies are read back.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/calls.h"
#include "protocol/ring.h"

#include "dom0-executor/lane.h"

#define HARNESS_RING (256u * 1024)

struct harness {
	struct ex_session session;
	struct ex_settings settings;
	struct ex_lane *lane;
	uint8_t *pages;  /* the lane's: first page and both rings */
	uint8_t *region; /* one region of pinned memory, VG_PAGE_SIZE * 4 */
	struct vg_producer commands;
	struct vg_consumer replies;
};

/* The fake driver must be installed. quota: of device memory, 0: none. */
void harness_open(struct harness *h, uint64_t quota);
/* With another driver, GPUs, quotas and accounts: the rest of the settings is the harness's. */
void harness_open_with(struct harness *h, const struct ex_settings *settings);
void harness_close(struct harness *h);

/* Room for commands; false when what is given does not fit. */
bool harness_put(struct harness *h, const void *bytes, size_t n);
/* One whole command. */
bool harness_command(struct harness *h, uint16_t op, uint16_t flags, const void *args,
		     size_t args_size, const void *bulk, size_t bulk_size);
/* Publishes and executes. Everything that could be executed has been when it returns. */
void harness_run(struct harness *h);
/* The next reply: its head, and as much of its arguments as there is room for. False: there is none. */
bool harness_reply(struct harness *h, struct vg_reply *head, void *args, size_t room);
/* Throws away all replies. */
void harness_drain(struct harness *h);
/* After a breach: another lane, and what lives goes on, as it would not outside of tests. */
void harness_revive(struct harness *h);
/* What the session was ended for, "" if it was not. */
const char *harness_breach(struct harness *h);

#endif
