/* SPDX-License-Identifier: MIT */
/*
 * tty ROWS COLUMNS PROGRAM ARGS: runs a program on a terminal of that size, whose keys are our standard input and whose
 * screen is our standard output. Ends with it, by its status; 129 when its keys have ended and it has not.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What has come on one is written to the other. 0: it has ended. */
static ssize_t forward(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes)), done = 0;

	while (done < n) {
		ssize_t written = write(to, bytes + done, (size_t)(n - done));

		if (written <= 0)
			return 0;
		done += written;
	}
	return n > 0 ? n : 0;
}

/* A terminal whose program has ended reads as an error. */
static void serve(int terminal)
{
	struct pollfd fds[2] = {{.fd = terminal, .events = POLLIN},
				{.fd = STDIN_FILENO, .events = POLLIN}};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents && !forward(terminal, STDOUT_FILENO))
			return;
		if (fds[1].revents && !forward(STDIN_FILENO, terminal))
			return;
	}
}

int main(int argc, char **argv)
{
	struct winsize size;
	int terminal, status;
	pid_t pid;

	if (argc < 4)
		return 2;
	size = (struct winsize){.ws_row = (unsigned short)strtoul(argv[1], NULL, 10),
				.ws_col = (unsigned short)strtoul(argv[2], NULL, 10)};
	pid = forkpty(&terminal, NULL, NULL, &size);
	if (pid < 0) {
		perror("forkpty");
		return 1;
	}
	if (!pid) {
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	serve(terminal);
	close(terminal); /* hangs up, if it is still there */
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
