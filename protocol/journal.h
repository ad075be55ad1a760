/* SPDX-License-Identifier: MIT */
/*
 * Lines to systemd's journal with fields of their own, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one
 * datagram an entry, `NAME=value` lines. Needs no library, so that the executor and whoever else has libc only
 * can do it. Fields: MESSAGE (the whole line), PRIORITY, SYSLOG_IDENTIFIER, VGPU_DOM, VGPU_DEV, VGPU_PID (those that are known),
 * VGPU_LEVEL, and one for each key of the line: `op=` is VGPU_OP, `freed-bytes=` VGPU_FREED_BYTES.
 */
#ifndef VG_JOURNAL_H
#define VG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/log.h"

#define VG_JOURNAL_PATH "/run/systemd/journal/socket"

/* A socket to send by, or a negative errno. */
int vg_journal_open(void);
/*
 * line: without control characters; body: where its keys begin. False: it was not taken (nobody is there, or it would
 * block), write it another way. Any thread.
 */
bool vg_journal_send(int fd, const char *path, const struct vg_log_who *who,
		     enum vg_log_level level, const char *line, const char *body);

#endif
