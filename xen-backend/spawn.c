/* SPDX-License-Identifier: MIT */
/*
 * Starts executors. libxenstore runs a thread of its own in this process, so the child calls only
 * what is safe after fork until it execs; everything is prepared before.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL_FD 3
#define STATS_FD   4
#define LISTEN_FD  5
#define ACCOUNT_FD 6 /* and up */
#define FDS_LAST   (ACCOUNT_FD + VG_SESSION_DEVICES - 1)
#define ARGS_MAX   (25 + 4 * VG_SESSION_DEVICES)
#define ARG_BYTES  320
#define ENV_MAX    64
/* Of xen-vgpuds that were killed before they were accepted. */
#define LISTEN_BACKLOG 8

/* What of our environment an executor may see: settings of ours, of CUDA and of the sanitizers. */
static const char *const env_kept[] = {
	"VGPU_",           "CUDA_",         "NVIDIA_",        "LD_LIBRARY_PATH=",
	"JOURNAL_STREAM=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=",
};

struct args {
	char text[ARGS_MAX][ARG_BYTES];
	char *argv[ARGS_MAX + 1];
	int count;
	bool overflow;
};

__attribute__((format(printf, 2, 3))) static void args_add(struct args *args, const char *format,
							   ...)
{
	char *text = args->text[args->count];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, ARG_BYTES, format, list);
	va_end(list);
	args->overflow |= n < 0 || n >= ARG_BYTES;
	args->argv[args->count++] = text;
	args->argv[args->count] = NULL;
}

static void args_fill_seat(struct args *args, const struct be_device *device, unsigned int place)
{
	args_add(args, "--devid=%u", device->devid);
	args_add(args, "--gpu=%s", device->settings.gpu);
	args_add(args, "--mem=%" PRIu64, device->settings.mem);
	args_add(args, "--account-fd=%u", ACCOUNT_FD + place);
}

static void args_fill(struct args *args, const struct be_session *session, bool listens)
{
	const struct be_device *device = session->device;
	const struct vg_settings *set = &device->settings;

	args_add(args, "vgpu-executor");
	args_add(args, "--channel=xen");
	args_add(args, "--control-fd=%d", CONTROL_FD);
	args_add(args, "--stats-fd=%d", STATS_FD);
	args_add(args, "--account-slot=%u", session->account_slot);
	if (listens) {
		args_add(args, "--listen-fd=%d", LISTEN_FD);
		args_add(args, "--adopt-timeout=%u", device->daemon->config.adopt_timeout);
	}
	args_add(args, "--domid=%u", device->domid);
	args_add(args, "--session=%u", session->id);
	args_add(args, "--driver=%s", set->driver);
	for (unsigned int i = 0; i < session->seat_count; i++)
		args_fill_seat(args, session->seats[i].device, i);
	args_add(args, "--max-lanes=%u", set->max_lanes);
	args_add(args, "--max-lane-pages=%u", set->max_lane_pages);
	args_add(args, "--max-region-pages=%u", set->max_region_pages);
	args_add(args, "--user=%s", device->daemon->config.user);
	args_add(args, "--log-rate=%u", device->daemon->config.log_rate);
	args_add(args, "--log-level=%s",
		 vg_log_level_name(
			 (enum vg_log_level)__atomic_load_n(&device->who.level, __ATOMIC_RELAXED)));
}

static void env_fill(const char **env)
{
	int count = 0;

	env[count++] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	env[count++] = "HOME=/";
	for (char **e = environ; *e && count < ENV_MAX; e++)
		for (size_t i = 0; i < sizeof(env_kept) / sizeof(env_kept[0]); i++)
			if (!strncmp(*e, env_kept[i], strlen(env_kept[i]))) {
				env[count++] = *e;
				break;
			}
	env[count] = NULL;
}

/* In the child. Only async-signal-safe calls from here on. */
static void child_fds(const struct be_spawn_fds *fds)
{
	/* Out of the way of those numbers first, whatever they have. */
	int control = fcntl(fds->control, F_DUPFD, FDS_LAST + 1);
	int stats = fcntl(fds->stats, F_DUPFD, FDS_LAST + 1);
	int accounts[VG_SESSION_DEVICES];
	int listener = fds->listener < 0 ? -1 : fcntl(fds->listener, F_DUPFD, FDS_LAST + 1);
	int null = open("/dev/null", O_RDONLY);

	for (unsigned int i = 0; i < fds->account_count; i++)
		accounts[i] = fcntl(fds->accounts[i], F_DUPFD, FDS_LAST + 1);
	if (control < 0 || stats < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    (null >= 0 && null != STDIN_FILENO && dup2(null, STDIN_FILENO) < 0))
		_exit(126);
	close_range(STDERR_FILENO + 1, FDS_LAST, 0);
	if (dup2(control, CONTROL_FD) < 0 || dup2(stats, STATS_FD) < 0)
		_exit(126);
	for (unsigned int i = 0; i < fds->account_count; i++)
		if (accounts[i] < 0 || dup2(accounts[i], (int)(ACCOUNT_FD + i)) < 0)
			_exit(126);
	/* It must be this process that listens: whoever connects is told its pid (SO_PEERCRED). */
	if (listener >= 0 && (dup2(listener, LISTEN_FD) < 0 || listen(LISTEN_FD, LISTEN_BACKLOG)))
		_exit(126);
	close_range(FDS_LAST + 1, ~0u, 0);
}

static void child_run(const char *program, char **argv, const char **env,
		      const struct be_spawn_fds *fds)
{
	static const char complaint[] = "[vgpu] level=error event=exec-failed: the executor cannot "
					"be run; see `executor` in xen-vgpud.conf\n";
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	child_fds(fds);
	execve(program, argv, (char *const *)env);
	if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0)
		_exit(126);
	_exit(127);
}

pid_t be_spawn(const struct be_session *session, const struct be_spawn_fds *fds)
{
	const char *program = session->device->daemon->config.executor;
	const char *env[ENV_MAX + 1];
	struct args args = {.count = 0};
	pid_t pid;

	args_fill(&args, session, fds->listener >= 0);
	if (args.overflow)
		return -E2BIG;
	if (access(program, X_OK))
		return -errno;
	env_fill(env);
	pid = fork();
	if (pid == 0)
		child_run(program, args.argv, env, fds);
	return pid < 0 ? -errno : pid;
}

int be_stats_new(struct vg_stats **stats)
{
	int fd = memfd_create("vgpu-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;
	int rc;

	if (fd < 0)
		return -errno;
	/* The executor must not be able to shrink it: our reads would be SIGBUS then. */
	if (ftruncate(fd, sizeof(struct vg_counters)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto fail;
	map = mmap(NULL, sizeof(struct vg_counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	*stats = map;
	(*stats)->magic = VG_STATS_MAGIC;
	(*stats)->version = VG_PROTOCOL_VERSION;
	return fd;
fail:
	rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

void be_stats_free(struct vg_stats *stats)
{
	if (stats)
		munmap(stats, sizeof(struct vg_counters));
}
