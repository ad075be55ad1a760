/* SPDX-License-Identifier: MIT */
/* What the command line says. */
#ifndef EX_SETTINGS_H
#define EX_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"
#include "protocol/log.h"

struct ex_settings {
	enum vg_channel_kind channel;
	int control_fd;
	int stats_fd;   /* -1: none */
	int account_fd; /* of the vGPU's account, -1: none */
	uint32_t account_slot;
	int listen_fd;          /* where another xen-vgpud may adopt us; -1: nowhere */
	uint32_t adopt_timeout; /* seconds to wait for it */
	int64_t domid;
	int64_t devid;
	int64_t session;
	const char *driver;
	const char *gpu; /* NULL: as the environment has it */
	const char *user;
	uint64_t memory; /* quota of device memory of the vGPU in bytes, 0: none */
	struct vg_limits limits;
	enum vg_log_level log_level;
	uint32_t spin_us; /* UINT32_MAX: adaptive */
	bool help;
};

/* Strings point into argv. 0, or -EINVAL after a line on standard error. */
int ex_settings_parse(struct ex_settings *settings, int argc, char **argv);
void ex_settings_help(void);

#endif
