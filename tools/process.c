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

/* Reads until the end or the time is up. */
static bool output_read(int fd, unsigned int timeout_ms, char *output, size_t size)
{
	uint64_t until = vgpu_now_ms() + timeout_ms;
	size_t used = 0;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now = vgpu_now_ms();
		char rest[512];
		ssize_t n;

		output[used] = '\0';
		if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
			return false;
		n = used + 1 < size ? read(fd, output + used, size - 1 - used)
				    : read(fd, rest, sizeof(rest));
		if (n <= 0)
			return true;
		if (used + 1 < size)
			used += (size_t)n;
	}
}

/* It has closed its output, or its time is up. */
static int child_end(pid_t pid, bool ended)
{
	int status = 0;

	for (unsigned int i = 0; ended && i < END_STEPS; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		vgpu_sleep_ms(END_STEP_MS);
	}
	/* The group: what it has started goes too. */
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

int vgpu_process_run(const char *const *argv, unsigned int timeout_ms, char *output, size_t size)
{
	int pipefd[2];
	bool ended;
	pid_t pid;

	*output = '\0';
	if (pipe2(pipefd, O_CLOEXEC))
		return 127;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		dup2(null, STDIN_FILENO);
		dup2(pipefd[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(pipefd[1]);
	ended = pid > 0 && output_read(pipefd[0], timeout_ms, output, size);
	close(pipefd[0]);
	if (pid < 0)
		return 127;
	return child_end(pid, ended);
}
