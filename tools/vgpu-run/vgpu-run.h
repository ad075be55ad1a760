/* SPDX-License-Identifier: MIT */
/*
 * vgpu-run: a program over the local channel, each of its CUDA processes with an executor of its own.
 */
#ifndef VGPU_RUN_H
#define VGPU_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define RUN_EXECUTORS_MAX 256
#define RUN_GPUS_MAX      16

struct run_options {
	const char *driver; /* soft, default, or a path */
	const char *gpu;
	const char *mem;
	const char *log_level;
	bool statistics;
	const char *trace; /* file in which the sessions are recorded; NULL: none */
	bool trace_data;   /* so that they can be run again */
	int trace_fd;      /* of it, -1: none */
	char **program;    /* its argv */
};

/* What vgpu-run itself consists of, found beside its own binary. */
struct run_places {
	char library[PATH_MAX];  /* the folder with our libraries for programs */
	char executor[PATH_MAX]; /* vgpu-executor */
};

struct run_executor {
	pid_t pid; /* 0: free */
	pid_t client;
	char comm[16];
	struct vg_stats *stats; /* mapped, owned */
};

/*
 * The accounts of the run's device memory (protocol/account.h), one for each GPU that is named, or for as many
 * as the host may have; an executor's slot is its index in each.
 */
struct run_accounts {
	struct vg_account *page[RUN_GPUS_MAX]; /* owned mappings */
	int fd[RUN_GPUS_MAX];
	unsigned int count;
};

/* options.c: 0, or the exit status with a message printed. */
int run_options_parse(int argc, char **argv, struct run_options *options);
int run_places_find(struct run_places *places);
/* How many GPUs --gpu names; 0: it was not given. */
unsigned int run_options_gpus(const struct run_options *options);

/* trace.c: begins the file. 0, or the exit status with a message printed. */
int run_trace_open(struct run_options *options);

/* executor.c: one process a connection; takes ownership of conn. */
struct run_executor *run_executor_start(struct run_executor *all, const struct run_options *options,
					const struct run_places *places,
					const struct run_accounts *accounts, int conn);
/* Takes in what a finished child was; true: an executor. */
bool run_executor_reap(struct run_executor *all, const struct run_accounts *accounts, pid_t pid,
		       int status, bool statistics);
unsigned int run_executor_count(const struct run_executor *all);

#endif
