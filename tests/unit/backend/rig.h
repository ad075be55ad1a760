/* SPDX-License-Identifier: MIT */
/*
 * xen-vgpud in a test: a daemon over a xenstore, pages, ports and executors of the tests' own, driven turn by
 * turn; and the toolstack's and the guest's part of the talk. One thread.
 */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "protocol/clock.h"
#include "protocol/control.h"
#include "xen-backend/daemon.h"

#define RIG_WAIT_MS  8000
#define RIG_PROTOCOL "3" /* VG_PROTOCOL_VERSION as xenstore has it */

extern struct be_daemon daemon_;
/* The control ring that the guest's part writes to and reads from. */
extern struct vg_control_ring *page;

/* Everything as in a new process; `home`: of the domain that it runs in, with a slash at its end. The config may be
 * changed before rig_open(). */
void rig_init(const char *home);
/* Starts it, in an empty xenstore with domain 3. 0, or -1. */
int rig_open(void);
/* Stops it, ends its sessions, checks that nothing is held, no executor, no socket of one; frees it. */
void rig_close(void);
/* As after SIGKILL: all that the process had has gone, nothing has been said. */
void rig_die(void);
/* Another process, which finds what the last one left. */
void rig_start(void);

/* A node's path, good until the third call from now; tree: "backend" or "frontend". */
const char *node(const char *tree, uint32_t domid, uint32_t devid, const char *key);
void set(const char *tree, uint32_t domid, uint32_t devid, const char *key, const char *value);
/* As the toolstack writes a device. */
void attach(uint32_t domid, uint32_t devid, const char *gpu);
/* Of a vGPU of domain 3, on the backend's side. */
bool rig_state_is(uint32_t devid, const char *state);
/* vGPU 0 of domain 3, once it is offered, as vgpu-frontd does it: its ring is `page`. */
void rig_frontend_connects(void);

/* Turns until `condition`, at most RIG_WAIT_MS. */
#define turn_until(condition)                                  \
	do {                                                   \
		uint64_t until_ = vg_clock_ms() + RIG_WAIT_MS; \
		while (!(condition) && vg_clock_ms() < until_) \
			be_turn(&daemon_);                     \
		assert_true(condition);                        \
	} while (0)
void turns(int count);

void request(uint32_t type, uint32_t tag, uint32_t session, const struct vg_control *body);
struct vg_control response(void);
void assert_answer(uint32_t tag, int32_t status);
void assert_gone(uint32_t session, const char *says);

#endif
