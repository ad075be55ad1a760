/* SPDX-License-Identifier: MIT */
/*
 * Descriptors between executors: see handover.h. Trusts neither side of a connection: a short
 * request, of the same user, within a time. System calls used behind the jail: socket, bind, listen,
 * accept4, connect, sendmsg, recvmsg, setsockopt, getsockopt, shutdown.
 */
#include "dom0-executor/handover.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S 2

struct ex_handed {
	struct ex_handed *next;
	uint8_t token[VG_OFFER_TOKEN];
	uint64_t object;
	int fd; /* owned */
};

void ex_handover_init(struct ex_handover *handover)
{
	memset(handover, 0, sizeof(*handover));
	pthread_mutex_init(&handover->lock, NULL);
	handover->listener = -1;
}

static socklen_t address_of(const uint8_t *name, struct sockaddr_un *address)
{
	int length = snprintf(address->sun_path + 1, 24, "vgpu-executor-");

	address->sun_family = AF_UNIX;
	for (unsigned int i = 0; i < EX_HANDOVER_NAME; i++)
		length += snprintf(address->sun_path + 1 + length, 3, "%02x", name[i]);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static bool is_same_user(int sock)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.uid == geteuid();
}

static void limit_waits(int sock)
{
	const struct timeval limit = {.tv_sec = WAIT_S};

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* A message of one byte that a descriptor comes along with. */
union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void descriptor_send(int sock, int fd)
{
	union control control = {0};
	char byte = 'd';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	/* Who asked sees by the end of the connection that it did not work. */
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int descriptor_receive(int sock)
{
	union control control = {0};
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	const struct cmsghdr *head;
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	head = CMSG_FIRSTHDR(&msg);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* --- giving ------------------------------------------------------------------------------------- */

static void request_serve(struct ex_handover *handover, int sock)
{
	uint8_t token[VG_OFFER_TOKEN];
	int fd = -1;

	limit_waits(sock);
	if (!is_same_user(sock) || recv(sock, token, sizeof(token), 0) != (ssize_t)sizeof(token))
		return;
	pthread_mutex_lock(&handover->lock);
	for (const struct ex_handed *handed = handover->list; handed && fd < 0;
	     handed = handed->next)
		if (!memcmp(handed->token, token, sizeof(token)))
			fd = dup(handed->fd); /* it may be dropped meanwhile */
	pthread_mutex_unlock(&handover->lock);
	if (fd < 0)
		return;
	descriptor_send(sock, fd);
	close(fd);
}

static void *serve(void *arg)
{
	struct ex_handover *handover = arg;
	int sock;

	/* Ends when the socket is shut down. */
	while ((sock = accept4(handover->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		request_serve(handover, sock);
		close(sock);
	}
	return NULL;
}

/* Under the lock. */
static bool listen_start(struct ex_handover *handover)
{
	struct sockaddr_un address = {0};
	sigset_t all, old;
	bool started;
	int sock;

	if (getrandom(handover->name, EX_HANDOVER_NAME, 0) != (ssize_t)EX_HANDOVER_NAME)
		return false;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return false;
	handover->listener = sock;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	started = !bind(sock, (struct sockaddr *)&address, address_of(handover->name, &address)) &&
		  !listen(sock, 16) && !pthread_create(&handover->thread, NULL, serve, handover);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!started) {
		close(sock);
		handover->listener = -1;
	}
	return started;
}

bool ex_handover_open(struct ex_handover *handover, uint8_t *name)
{
	bool open;

	pthread_mutex_lock(&handover->lock);
	open = handover->listener >= 0 || listen_start(handover);
	memcpy(name, handover->name, EX_HANDOVER_NAME);
	pthread_mutex_unlock(&handover->lock);
	return open;
}

bool ex_handover_add(struct ex_handover *handover, const uint8_t *token, uint64_t object, int fd)
{
	struct ex_handed *handed = malloc(sizeof(*handed));

	if (!handed) {
		close(fd);
		return false;
	}
	*handed = (struct ex_handed){.object = object, .fd = fd};
	memcpy(handed->token, token, sizeof(handed->token));
	pthread_mutex_lock(&handover->lock);
	handed->next = handover->list;
	handover->list = handed;
	pthread_mutex_unlock(&handover->lock);
	return true;
}

void ex_handover_drop(struct ex_handover *handover, uint64_t object)
{
	pthread_mutex_lock(&handover->lock);
	for (struct ex_handed **at = &handover->list; *at;) {
		struct ex_handed *gone = *at;

		if (gone->object != object) {
			at = &gone->next;
			continue;
		}
		*at = gone->next;
		close(gone->fd);
		free(gone);
	}
	pthread_mutex_unlock(&handover->lock);
}

void ex_handover_dispose(struct ex_handover *handover)
{
	if (handover->listener >= 0) {
		shutdown(handover->listener, SHUT_RDWR);
		pthread_join(handover->thread, NULL);
		close(handover->listener);
		handover->listener = -1;
	}
	while (handover->list)
		ex_handover_drop(handover, handover->list->object);
	pthread_mutex_destroy(&handover->lock);
}

/* --- fetching ----------------------------------------------------------------------------------- */

int ex_handover_fetch(const uint8_t *name, const uint8_t *token)
{
	struct sockaddr_un address = {0};
	socklen_t size = address_of(name, &address);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;

	if (sock < 0)
		return -1;
	limit_waits(sock);
	if (!connect(sock, (struct sockaddr *)&address, size) && is_same_user(sock) &&
	    send(sock, token, VG_OFFER_TOKEN, MSG_NOSIGNAL) == (ssize_t)VG_OFFER_TOKEN)
		fd = descriptor_receive(sock);
	close(sock);
	return fd;
}
