/* SPDX-License-Identifier: MIT */
/* What the command line says. */
#ifndef EX_SETTINGS_H
#define EX_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"
#include "protocol/log.h"
#include "protocol/log_rate.h"
#include "protocol/spin.h"

#define EX_VGPUS_MAX   VG_SESSION_DEVICES

#define EX_SPIN_LEARNS UINT32_MAX

struct ex_settings {
	enum vg_channel_kind channel;
	int control_fd;
	int stats_fd;           /* -1: none */
	uint32_t account_slot;  /* the same in all accounts */
	int trace_fd;           /* where the session is recorded (trace.h); -1: nowhere */
	bool trace_data;        /* so that it can be run again */
	int listen_fd;          /* where another xen-vgpud may adopt us; -1: nowhere */
	uint32_t adopt_timeout; /* seconds to wait for it */
	int64_t domid;
	int64_t session;
	const char *driver;
	const char *user;
	/*
	 * The session's vGPUs, by place. No GPU named: all that the driver has. One quota: each one's; it is of
	 * device memory in bytes, 0: none.
	 */
	const char *gpu[EX_VGPUS_MAX];
	uint64_t memory[EX_VGPUS_MAX];
	int account_fd[EX_VGPUS_MAX]; /* of its account */
	uint8_t devid[EX_VGPUS_MAX];
	unsigned int gpus, memories, accounts, devids; /* given of each */
	struct vg_limits limits;
	enum vg_log_level log_level;
	uint32_t log_rate; /* lines about calls a second, 0: any number */
	uint32_t spin_us;  /* EX_SPIN_LEARNS, or always that long */
	bool help;
};

/* Strings point into argv. 0, or -EINVAL after a line on standard error. */
int ex_settings_parse(struct ex_settings *settings, int argc, char **argv);
void ex_settings_help(void);

/* A thread's looking before sleeping: as --spin-us says, or at most most_ns. */
static inline void ex_spin_begin(struct vg_spin *spin, uint32_t spin_us, uint64_t most_ns)
{
	if (spin_us == EX_SPIN_LEARNS)
		vg_spin_init(spin, most_ns);
	else
		vg_spin_fix_ns(spin, spin_us * 1000ull);
}

#endif
