/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd as a whole: the guest's devices, its clients, and what it was told to allow.
 */
#ifndef FE_BROKER_H
#define FE_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <xenstore.h>

#include "protocol/log.h"

#define FE_OPTION_PATH 256
#define FE_OPTION_NAME 64

struct fe_options {
	char socket_path[FE_OPTION_PATH];
	char group[FE_OPTION_NAME]; /* may connect; "-": leave the group alone */
	mode_t socket_mode;
	unsigned int sessions_max;
	unsigned int sessions_max_user;
	uint32_t pages_max;      /* of gntalloc in this guest, and for all clients together */
	uint32_t pages_max_user; /* for all clients of one user together */
	bool probe;              /* the host may have vgpu-probe run */
	enum vg_log_level level;
};

struct fe_client;
struct fe_device;

/* vgpu-probe while it runs, one at a time (probe.c). */
struct fe_probe_run {
	pid_t pid;          /* 0: none */
	int fd;             /* owned; its output, -1: ended */
	uint32_t devid;     /* of the device that it tries */
	uint64_t killed_at; /* ms; its time limit, */
	bool killed;        /* which is over */
	char text[256];
	size_t used;
};

struct fe_broker {
	struct fe_options options;
	struct xs_handle *xs;
	struct fe_device *devices; /* by rising number */
	struct fe_client *clients;
	unsigned int client_count;
	uint64_t accept_at; /* ms; no connection is taken before */
	bool scan;          /* our directory of devices may have changed */
	struct vg_log_who log;
	struct vg_log_limit refusals; /* lines that programs provoke at will */
	const char *probe_program;
	struct fe_probe_run probe;
};

/* probe.c: vgpu-probe's output and end, its time limit, and who is next. */
void fe_probes_step(struct fe_broker *broker);
bool fe_probes_timed(const struct fe_broker *broker);
void fe_probes_free(struct fe_broker *broker);

/* devices.c: finds devices that came and went, then lets each do what is due. */
void fe_devices_step(struct fe_broker *broker);
void fe_devices_free(struct fe_broker *broker, const char *why);

/* clients.c */
/* A connection that accept() gave; takes ownership. */
void fe_client_add(struct fe_broker *broker, int sock);
/* Its socket is readable or has ended. */
void fe_client_readable(struct fe_client *client);
/* Time limits, programs that wait for a device, clients that have gone. */
void fe_clients_step(struct fe_broker *broker);
bool fe_clients_timed(const struct fe_broker *broker);
void fe_clients_free(struct fe_broker *broker);

#endif
