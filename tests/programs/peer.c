/* SPDX-License-Identifier: MIT */
/* See peer.h. */
#include "tests/programs/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/check.h"

int peer_socket;

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

/* --- processes -------------------------------------------------------------------------------- */

pid_t peer_start(int (*run)(void), int own, int other)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (other >= 0)
			close(other);
		peer_socket = own;
		exit(run());
	}
	return pid;
}

bool peer_ended_well(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void peer_two(int type, int (*give)(void), int (*take)(void))
{
	pid_t giver, taker;
	int pair[2];
	bool good;

	if (socketpair(AF_UNIX, type, 0, pair))
		exit(2);
	giver = peer_start(give, pair[0], pair[1]);
	taker = peer_start(take, pair[1], pair[0]);
	close(pair[0]);
	close(pair[1]);
	good = peer_ended_well(taker);
	good = peer_ended_well(giver) && good;
	check_that(good, "two-processes", "both are content");
}

/* --- what they say ------------------------------------------------------------------------------ */

static void must(bool good)
{
	if (good)
		return;
	check_that(false, "talk", "the other process has gone");
	exit(check_end());
}

void peer_tell(const void *data, size_t size)
{
	must(send(peer_socket, data, size, MSG_NOSIGNAL) == (ssize_t)size);
}

void peer_hear(void *data, size_t size)
{
	must(recv(peer_socket, data, size, MSG_WAITALL) == (ssize_t)size);
}

void peer_turn_give(void)
{
	peer_tell("t", 1);
}

void peer_turn_take(void)
{
	char byte;

	peer_hear(&byte, 1);
}

static struct msghdr message(struct iovec *iov, union control *control)
{
	struct msghdr msg = {.msg_iov = iov,
			     .msg_iovlen = 1,
			     .msg_control = control->room,
			     .msg_controllen = sizeof(control->room)};

	return msg;
}

void peer_fd_send(int fd, const void *data, size_t size)
{
	struct iovec iov = {(void *)data, size};
	union control control;
	struct msghdr msg;

	memset(&control, 0, sizeof(control));
	msg = message(&iov, &control);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	must(sendmsg(peer_socket, &msg, MSG_NOSIGNAL) == (ssize_t)size);
}

int peer_fd_receive(void *data, size_t size)
{
	struct iovec iov = {data, size};
	union control control;
	struct msghdr msg = message(&iov, &control);
	int fd = -1;

	must(recvmsg(peer_socket, &msg, 0) == (ssize_t)size && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}
