/* SPDX-License-Identifier: MIT */
/*
 * vgpu-run PROGRAM [ARGS]: the local channel as a product.
 *
 * A private folder holds a socket and links to the vGPU's libraries; PROGRAM runs with both in its
 * environment. Each connection is one of its processes and gets an executor. Ends
 * when the program has ended and no executor is left, with the program's status. One
 * thread; waits in poll on the listening socket and a signalfd.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/account.h"
#include "protocol/control.h"
#include "tools/vgpu-run/vgpu-run.h"

struct run {
	struct run_options options;
	struct run_places places;
	struct run_executor executors[RUN_EXECUTORS_MAX];
	struct run_accounts accounts;
	char folder[64];
	char socket_path[80];
	int listener;
	int signals;
	pid_t program;
	int status; /* of the program, valid when program is 0 */
	sigset_t old_mask;
};

static int complain(const char *what)
{
	fprintf(stderr, "vgpu-run: %s: %s\n", what, strerror(errno));
	return 1;
}

/* By which names programs ask for the libraries; some leave out the number. */
static const struct {
	const char *link, *library;
} links[] = {
	{"libcuda.so.1", "libcuda.so.1"},
	{"libnvidia-ml.so.1", "libnvidia-ml.so.1"},
	{"libnvidia-ml.so", "libnvidia-ml.so.1"},
};
#define LINKS (sizeof(links) / sizeof(links[0]))

static int link_make(const struct run *run, size_t i)
{
	char link[128], target[PATH_MAX + 32];

	snprintf(link, sizeof(link), "%s/%s", run->folder, links[i].link);
	snprintf(target, sizeof(target), "%s/%s", run->places.library, links[i].library);
	return symlink(target, link) ? complain(link) : 0;
}

static int folder_make(struct run *run)
{
	int rc = 0;

	snprintf(run->folder, sizeof(run->folder), "/tmp/vgpu-run.XXXXXX");
	if (!mkdtemp(run->folder)) {
		run->folder[0] = '\0';
		return complain("a folder in /tmp");
	}
	snprintf(run->socket_path, sizeof(run->socket_path), "%s/sock", run->folder);
	for (size_t i = 0; i < LINKS && !rc; i++)
		rc = link_make(run, i);
	return rc;
}

static void folder_remove(struct run *run)
{
	char link[128];

	if (!run->folder[0])
		return;
	for (size_t i = 0; i < LINKS; i++) {
		snprintf(link, sizeof(link), "%s/%s", run->folder, links[i].link);
		unlink(link);
	}
	unlink(run->socket_path);
	rmdir(run->folder);
}

static int listener_open(struct run *run)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, run->socket_path, strlen(run->socket_path) + 1);
	run->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (run->listener < 0 ||
	    bind(run->listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(run->listener, 64))
		return complain(run->socket_path);
	return 0;
}

static int accounts_open(struct run *run)
{
	struct run_accounts *accounts = &run->accounts;
	unsigned int named = run_options_gpus(&run->options);

	for (unsigned int want = named ? named : RUN_GPUS_MAX; accounts->count < want;
	     accounts->count++) {
		int fd = vg_account_new(&accounts->page[accounts->count]);

		if (fd < 0) {
			errno = -fd;
			return complain("the account of device memory");
		}
		accounts->fd[accounts->count] = fd;
	}
	return 0;
}

static int signals_open(struct run *run)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	/* The terminal sends this one to the program as well. */
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGQUIT);
	sigprocmask(SIG_BLOCK, &mask, &run->old_mask);
	run->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? complain("signalfd") : 0;
}

static void environment_set(const struct run *run)
{
	const char *old = getenv("LD_LIBRARY_PATH");
	char *path;

	if (asprintf(&path, "%s%s%s", run->folder, old && *old ? ":" : "", old ? old : "") < 0)
		_exit(126);
	setenv("LD_LIBRARY_PATH", path, 1);
	setenv("VGPU_SOCKET", run->socket_path, 1);
	free(path);
}

static int program_start(struct run *run)
{
	run->program = fork();
	if (run->program < 0)
		return complain("fork");
	if (run->program == 0) {
		sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
		environment_set(run);
		execvp(run->options.program[0], run->options.program);
		fprintf(stderr, "vgpu-run: %s: %s\n", run->options.program[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	return 0;
}

static void children_reap(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->program) {
			run->program = 0;
			run->status = status;
		} else {
			run_executor_reap(run->executors, &run->accounts, pid, status,
					  run->options.statistics);
		}
	}
}

static void signals_handle(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			children_reap(run);
		else if (run->program && (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP))
			kill(run->program, (int)info.ssi_signo);
	}
}

static void connection_accept(struct run *run)
{
	int conn = accept4(run->listener, NULL, NULL, SOCK_CLOEXEC);

	if (conn >= 0)
		run_executor_start(run->executors, &run->options, &run->places, &run->accounts,
				   conn);
}

static void serve(struct run *run)
{
	struct pollfd fds[2] = {{.fd = run->listener, .events = POLLIN},
				{.fd = run->signals, .events = POLLIN}};

	while (run->program || run_executor_count(run->executors)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			connection_accept(run);
		if (fds[1].revents)
			signals_handle(run);
	}
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	static struct run run = {.listener = -1, .signals = -1};
	int rc = run_options_parse(argc, argv, &run.options);

	if (rc)
		return rc;
	rc = run_places_find(&run.places);
	if (!rc)
		rc = folder_make(&run);
	if (!rc)
		rc = listener_open(&run);
	if (!rc)
		rc = accounts_open(&run);
	if (!rc)
		rc = run_trace_open(&run.options);
	if (!rc)
		rc = signals_open(&run);
	if (!rc)
		rc = program_start(&run);
	if (!rc) {
		serve(&run);
		rc = exit_status(run.status);
	}
	folder_remove(&run);
	return rc;
}
