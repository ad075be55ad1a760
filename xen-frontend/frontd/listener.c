/* SPDX-License-Identifier: MIT */
/*
 * The listening socket. The path's folder is root's; nothing of a client's is looked at here.
 */
#include "xen-frontend/frontd/listener.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xen-frontend/frontd/clock.h"

/* Connections beyond what sessions are allowed, so that the refused hear why. */
#define SPARE_CLIENTS 16
#define RETRY_MS      1000

static int socket_bind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	/* From bind() to chmod() nobody but root may connect. */
	umask(0177);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
		return sock;
	close(sock);
	return -errno;
}

/* A socket file that an earlier vgpu-frontd has left is in the way; a living one is not touched. */
static int socket_bind_over(struct fe_broker *broker, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket_bind(path);
	int probe, rc;

	if (sock != -EADDRINUSE)
		return sock;
	memcpy(address.sun_path, path, strlen(path) + 1);
	probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = probe < 0 || connect(probe, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	if (probe >= 0)
		close(probe);
	if (rc != ECONNREFUSED) {
		vg_error(&broker->log, "op=listen path=%s error=\"another vgpu-frontd serves it\"",
			 path);
		return -EADDRINUSE;
	}
	unlink(path);
	return socket_bind(path);
}

static void group_set(struct fe_broker *broker)
{
	const struct fe_options *options = &broker->options;
	struct group *group;

	if (!strcmp(options->group, "-"))
		return;
	group = getgrnam(options->group);
	if (!group)
		vg_warn(&broker->log,
			"op=listen group=%s error=\"no such group, so only root may use the vGPU: run "
			"'groupadd --system %s' and restart, or give --group or --socket-mode 0666\"",
			options->group, options->group);
	else if (chown(options->socket_path, (uid_t)-1, group->gr_gid))
		vg_warn(&broker->log, "op=listen group=%s error=\"%s\"", options->group,
			strerror(errno));
}

int fe_listener_open(struct fe_broker *broker)
{
	const char *path = broker->options.socket_path;
	char dir[FE_OPTION_PATH];
	char *slash;
	int sock;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		umask(022);
		mkdir(dir, 0755); /* its parent is there or the bind says what is wrong */
	}
	sock = socket_bind_over(broker, path);
	if (sock < 0) {
		vg_error(&broker->log, "op=listen path=%s error=\"%s\"", path, strerror(-sock));
		return sock;
	}
	group_set(broker);
	if (chmod(path, broker->options.socket_mode) || listen(sock, 64)) {
		int rc = -errno;

		vg_error(&broker->log, "op=listen path=%s error=\"%s\"", path, strerror(-rc));
		close(sock);
		return rc;
	}
	vg_info(&broker->log, "op=listen path=%s mode=%04o group=%s", path,
		(unsigned int)broker->options.socket_mode, broker->options.group);
	return sock;
}

bool fe_listener_ready(const struct fe_broker *broker)
{
	return broker->client_count < broker->options.sessions_max + SPARE_CLIENTS &&
	       fe_clock_ms() >= broker->accept_at;
}

void fe_listener_accept(struct fe_broker *broker, int listener)
{
	while (fe_listener_ready(broker)) {
		int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock >= 0) {
			fe_client_add(broker, sock);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		/* No descriptors or no memory: it stays readable, so look away for a while. */
		vg_error(&broker->log, "op=accept error=\"%s\"", strerror(errno));
		broker->accept_at = fe_clock_ms() + RETRY_MS;
	}
}

void fe_listener_close(struct fe_broker *broker, int listener)
{
	if (listener < 0)
		return;
	unlink(broker->options.socket_path);
	close(listener);
}
