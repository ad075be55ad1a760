/* SPDX-License-Identifier: MIT */
/*
 * Settings of the daemon: defaults, then the configuration file, then the command line, which knows
 * the same names.
 */
#ifndef BE_CONFIG_H
#define BE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/conf.h"
#include "protocol/log.h"
#include "protocol/log_rate.h"

#define BE_CONFIG_PATH_MAX 256
#define BE_SESSION_DIR_MAX 48 /* a session's name in it must fit into a socket's address */

struct be_config {
	char config[BE_CONFIG_PATH_MAX];      /* the file that was read */
	char executor[BE_CONFIG_PATH_MAX];    /* program; empty: found next to this one */
	char user[64];                        /* executors become this user */
	char socket[BE_CONFIG_PATH_MAX];      /* of the vgpu command */
	char session_dir[BE_SESSION_DIR_MAX]; /* where executors can be found again */
	enum vg_log_level log_level;
	uint32_t log_rate;        /* lines about calls a second, of an executor; 0: any number */
	uint32_t open_timeout;    /* seconds that a session may take to open */
	uint32_t request_timeout; /* seconds that an executor may take for any other request */
	uint32_t exit_timeout;    /* seconds from asking an executor to end to SIGTERM */
	uint32_t adopt_timeout;   /* seconds that a session outlives its xen-vgpud; 0: not at all */
	uint32_t max_executors;   /* in all */
	char metrics[BE_CONFIG_PATH_MAX]; /* where they can be asked for (listen.h) */
	char metrics_group[64];           /* who may, besides root; empty: nobody */
	bool metrics_sessions;            /* of single guest processes too */
	bool show_help, show_version;
};

/* -EINVAL with a message in `why` (VG_CONFIG_WHY bytes). */
#define BE_CONFIG_WHY VG_CONF_WHY
void be_config_init(struct be_config *config);
int be_config_load(struct be_config *config, int argc, char **argv, char *why);
int be_config_set(struct be_config *config, const char *name, const char *value, char *why);
/* A missing file is no error unless `required`. */
int be_config_read(struct be_config *config, const char *path, bool required, char *why);
/*
 * Takes over what may change at run time. `restart` (BE_CONFIG_WHY bytes) lists the names of settings
 * that differ and wait for a restart. True when anything was taken.
 */
bool be_config_adopt(struct be_config *config, const struct be_config *fresh, char *restart);
/* The options, for --help. */
const char *be_config_help(void);

#endif
