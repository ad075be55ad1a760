/* SPDX-License-Identifier: MIT */
/* See process.h. */
#include "tools/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/tree.h"

/* For a program that has closed its output to end. */
#define END_STEP_MS 10u
#define END_STEPS   100u

/* What stands behind a key, NULL: it is another line. */
static const char *value_of(const char *line, const char *key)
{
	size_t length = strlen(key);

	return strncmp(line, key, length) ? NULL : line + length + strspn(line + length, "\t ");
}

static void line_take(const char *line, struct vgpu_process *process)
{
	const char *value;
	char *rest;

	if ((value = value_of(line, "Name:")))
		snprintf(process->name, sizeof(process->name), "%.*s", (int)strcspn(value, "\n"),
			 value);
	if ((value = value_of(line, "State:")))
		process->state = *value;
	if ((value = value_of(line, "Uid:"))) {
		strtoul(value, &rest, 10); /* the real one */
		process->uid = (unsigned int)strtoul(rest, NULL, 10);
	}
	if ((value = value_of(line, "CapEff:")))
		process->capabilities = strtoull(value, NULL, 16) != 0;
	if ((value = value_of(line, "NoNewPrivs:")))
		process->no_new_privileges = strtoul(value, NULL, 10) == 1;
	if ((value = value_of(line, "Seccomp:")))
		process->seccomp = strtoul(value, NULL, 10) == 2;
}

void vgpu_process_look(pid_t pid, struct vgpu_process *process)
{
	char path[32], line[256];
	FILE *file;

	*process = (struct vgpu_process){.state = '?'};
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return;
	process->there = true;
	while (fgets(line, sizeof(line), file))
		line_take(line, process);
	fclose(file);
}

/* Reads until the end, what there is room for. Its length; -1: the time is up. */
static ssize_t output_read(int fd, unsigned int timeout_ms, char *output, size_t size)
{
	uint64_t until = vgpu_now_ms() + timeout_ms;
	size_t used = 0;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now = vgpu_now_ms();
		char rest[512];
		ssize_t n;

		if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
			return -1;
		n = used < size ? read(fd, output + used, size - used)
				: read(fd, rest, sizeof(rest));
		if (n <= 0)
			return (ssize_t)used;
		if (used < size)
			used += (size_t)n;
	}
}

/* A process of a group of its own, which has no terminal. As fork(), and what it writes into `fd` comes out of *from. */
static pid_t child_begin(int *from, int *fd)
{
	int pipefd[2], null;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid != 0) {
		close(pipefd[1]);
		*from = pipefd[0];
		if (pid < 0)
			close(*from);
		return pid;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	setpgid(0, 0);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		dup2(null, i);
	*fd = pipefd[1];
	return 0;
}

/* Not for ever: who hangs in the kernel does not even end when it is killed. */
static bool child_wait(pid_t pid, int *status)
{
	for (unsigned int i = 0; i < END_STEPS; i++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		vgpu_sleep_ms(END_STEP_MS);
	}
	return false;
}

/* It has closed its output, or its time is up. Its exit status, -1: it had to be killed, or died. */
static int child_end(pid_t pid, bool ended)
{
	int status = 0;

	if (ended && child_wait(pid, &status))
		return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	/* The group: what it has started goes too. */
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	child_wait(pid, &status);
	return -1;
}

int vgpu_process_run(const char *const *argv, unsigned int timeout_ms, char *output, size_t size)
{
	int from = -1, fd = -1;
	pid_t pid = child_begin(&from, &fd);
	ssize_t used;

	*output = '\0';
	if (pid < 0)
		return 127;
	if (pid == 0) {
		dup2(fd, STDOUT_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	used = output_read(from, timeout_ms, output, size - 1);
	output[used < 0 ? 0 : used] = '\0';
	close(from);
	return child_end(pid, used >= 0);
}

bool vgpu_process_call(void (*function)(const void *argument, void *result), const void *argument,
		       void *result, size_t size, unsigned int timeout_ms)
{
	int from = -1, fd = -1;
	pid_t pid = child_begin(&from, &fd);
	ssize_t used;

	if (pid < 0)
		return false;
	if (pid == 0) {
		function(argument, result);
		_exit(write(fd, result, size) != (ssize_t)size);
	}
	used = output_read(from, timeout_ms, result, size);
	close(from);
	return child_end(pid, used >= 0) == 0 && used == (ssize_t)size;
}
