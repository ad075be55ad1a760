/* SPDX-License-Identifier: MIT */
/*
 * The service manager's notification socket.
 */
#include "xen-frontend/frontd/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fe_notify(const char *state)
{
	const char *path = secure_getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path ? strlen(path) : 0;
	int sock;

	/* A path, or with '@' a name in the abstract namespace. */
	if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return;
	sendto(sock, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(sock);
}

int fe_notify_interval(void)
{
	const char *pid = secure_getenv("WATCHDOG_PID");
	const char *text = secure_getenv("WATCHDOG_USEC");
	unsigned long long us = text ? strtoull(text, NULL, 10) : 0;

	if (pid && strtol(pid, NULL, 10) != getpid())
		return 0;
	/* A quarter of what is allowed, a minute at most. */
	return us ? (int)(us / 4000 < 60000 ? us / 4000 + 1 : 60000) : 0;
}
