/* SPDX-License-Identifier: MIT */
/*
 * The executors of one run: started one a connection, reaped when their client has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/account.h"
#include "protocol/control.h"
#include "tools/vgpu-run/vgpu-run.h"

#define CONTROL_FD 3
#define STATS_FD   4
#define TRACE_FD   5
#define ACCOUNT_FD 6 /* and up */
#define FDS_END    (ACCOUNT_FD + RUN_GPUS_MAX)

_Static_assert(RUN_EXECUTORS_MAX <= VG_ACCOUNT_SLOTS, "each executor has a slot");

/* Room for --driver=PATH and the like. */
#define ARG_MAX_BYTES (PATH_MAX + 32)

static struct run_executor *executor_free(struct run_executor *all)
{
	for (unsigned int i = 0; i < RUN_EXECUTORS_MAX; i++) {
		if (!all[i].pid)
			return &all[i];
	}
	return NULL;
}

static struct vg_stats *stats_make(int *fd)
{
	struct vg_stats *stats;

	*fd = memfd_create("vgpu-stats", MFD_CLOEXEC);
	if (*fd < 0)
		return NULL;
	if (ftruncate(*fd, sizeof(struct vg_counters))) {
		close(*fd);
		return NULL;
	}
	stats = mmap(NULL, sizeof(struct vg_counters), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (stats == MAP_FAILED) {
		close(*fd);
		return NULL;
	}
	return stats;
}

static void client_learn(struct run_executor *executor, int conn)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	char path[64];
	FILE *file;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return;
	executor->client = cred.pid;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)cred.pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(executor->comm, sizeof(executor->comm), file))
		executor->comm[0] = '\0';
	executor->comm[strcspn(executor->comm, "\n")] = '\0';
	fclose(file);
}

/* Who an executor becomes when we are root: its own user, or the least one there is. */
static const char *executor_user(void)
{
	return getpwnam("vgpu") ? "vgpu" : "nobody";
}

static void executor_exec(const struct run_options *options, const struct run_places *places,
			  unsigned int accounts, unsigned int slot)
{
	static char args[11 + RUN_GPUS_MAX][ARG_MAX_BYTES];
	char *argv[17 + RUN_GPUS_MAX];
	int n = 0, used = 0;

#define ADD(...)                                                       \
	do {                                                           \
		snprintf(args[used], sizeof(args[used]), __VA_ARGS__); \
		argv[n++] = args[used++];                              \
	} while (0)

	argv[n++] = (char *)places->executor;
	argv[n++] = (char *)"--channel=local";
	ADD("--control-fd=%d", CONTROL_FD);
	ADD("--stats-fd=%d", STATS_FD);
	for (unsigned int i = 0; i < accounts; i++)
		ADD("--account-fd=%u", ACCOUNT_FD + i);
	ADD("--account-slot=%u", slot);
	ADD("--driver=%s", options->driver);
	if (options->gpu)
		ADD("--gpu=%s", options->gpu);
	if (options->mem)
		ADD("--mem=%s", options->mem);
	if (options->log_level) {
		ADD("--log-level=%s", options->log_level);
		ADD("--log-rate=0"); /* who asks for them here wants them all */
	}
	if (options->trace)
		ADD("--trace-fd=%d", TRACE_FD);
	if (options->trace_data)
		argv[n++] = (char *)"--trace-data";
	if (geteuid() == 0)
		ADD("--user=%s", executor_user());
#undef ADD
	argv[n] = NULL;
	execv(places->executor, argv);
	fprintf(stderr, "vgpu-run: %s: %s\n", places->executor, strerror(errno));
	_exit(127);
}

/* In the child: the descriptors at their places, and nothing else of ours. */
static void executor_descriptors(int conn, int stats, int trace,
				 const struct run_accounts *accounts)
{
	int high_conn = fcntl(conn, F_DUPFD, FDS_END), high_stats = fcntl(stats, F_DUPFD, FDS_END);
	int high_trace = trace < 0 ? -1 : fcntl(trace, F_DUPFD, FDS_END);
	int high[RUN_GPUS_MAX];

	for (unsigned int i = 0; i < accounts->count; i++)
		high[i] = fcntl(accounts->fd[i], F_DUPFD, FDS_END);
	close_range(CONTROL_FD, FDS_END - 1, 0);
	if (high_conn < 0 || high_stats < 0 || dup2(high_conn, CONTROL_FD) < 0 ||
	    dup2(high_stats, STATS_FD) < 0)
		_exit(126);
	if (trace >= 0 && (high_trace < 0 || dup2(high_trace, TRACE_FD) < 0))
		_exit(126);
	for (unsigned int i = 0; i < accounts->count; i++)
		if (high[i] < 0 || dup2(high[i], (int)(ACCOUNT_FD + i)) < 0)
			_exit(126);
	close_range(FDS_END, ~0u, 0);
}

struct run_executor *run_executor_start(struct run_executor *all, const struct run_options *options,
					const struct run_places *places,
					const struct run_accounts *accounts, int conn)
{
	struct run_executor *executor = executor_free(all);
	int stats_fd = -1;
	pid_t pid = -1;

	if (!executor) {
		fprintf(stderr, "vgpu-run: more than %d processes use CUDA at once\n",
			RUN_EXECUTORS_MAX);
		goto out;
	}
	*executor = (struct run_executor){.stats = stats_make(&stats_fd)};
	if (!executor->stats)
		goto out;
	client_learn(executor, conn);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* Ctrl-C is for the program; the executor ends when its client has. */
		setpgid(0, 0);
		executor_descriptors(conn, stats_fd, options->trace_fd, accounts);
		executor_exec(options, places, accounts->count, (unsigned int)(executor - all));
	}
	if (pid > 0) {
		executor->pid = pid;
	} else {
		perror("vgpu-run: fork");
		munmap(executor->stats, sizeof(struct vg_counters));
	}
out:
	if (stats_fd >= 0)
		close(stats_fd);
	close(conn);
	return pid > 0 ? executor : NULL;
}

static void executor_report(const struct run_executor *executor)
{
	const struct vg_stats *s = executor->stats;

	fprintf(stderr,
		"vgpu-run: pid=%d program=%s calls=%" PRIu64 " asynchronous=%" PRIu64
		" launches=%" PRIu64 " htod=%" PRIu64 " dtoh=%" PRIu64 " memory-peak=%" PRIu64
		" errors=%" PRIu64 " freed-at-exit=%" PRIu64 " handles-at-exit=%" PRIu64 "\n",
		(int)executor->client, executor->comm, s->commands, s->commands_async, s->launches,
		s->bytes_htod, s->bytes_dtoh, s->alloc_peak, s->errors, s->freed_bytes,
		s->freed_handles);
}

bool run_executor_reap(struct run_executor *all, const struct run_accounts *accounts, pid_t pid,
		       int status, bool statistics)
{
	for (unsigned int i = 0; i < RUN_EXECUTORS_MAX; i++) {
		struct run_executor *executor = &all[i];

		if (executor->pid != pid)
			continue;
		if (WIFSIGNALED(status))
			fprintf(stderr,
				"vgpu-run: the executor of pid %d (%s) was killed by signal %d\n",
				(int)executor->client, executor->comm, WTERMSIG(status));
		if (statistics)
			executor_report(executor);
		munmap(executor->stats, sizeof(struct vg_counters));
		for (unsigned int k = 0; k < accounts->count; k++)
			vg_account_clear(accounts->page[k], i);
		*executor = (struct run_executor){0};
		return true;
	}
	return false;
}

unsigned int run_executor_count(const struct run_executor *all)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < RUN_EXECUTORS_MAX; i++)
		count += all[i].pid != 0;
	return count;
}
