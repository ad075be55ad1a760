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

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

static int socket_new(void)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return sock < 0 ? -errno : sock;
}

/* A socket file that an earlier vgpu-frontd has left is replaced; a living one is not touched. */
static int living_check(const char *path)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int probe = rc ? rc : socket_new();

	if (probe < 0)
		return probe;
	rc = connect(probe, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	close(probe);
	return rc == ECONNREFUSED || rc == ENOENT ? 0 : -EADDRINUSE;
}

static void group_set(struct fe_broker *broker, const char *path)
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
	else if (chown(path, (uid_t)-1, group->gr_gid))
		vg_warn(&broker->log, "op=listen group=%s error=\"%s\"", options->group,
			strerror(errno));
}

/* Until it has its group and its mode nobody but root may connect. */
static int socket_listen(struct fe_broker *broker, const char *path)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int sock = rc ? rc : socket_new();

	if (sock < 0)
		return sock;
	umask(0177);
	unlink(path);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0) {
		group_set(broker, path);
		if (chmod(path, broker->options.socket_mode) == 0 && listen(sock, 64) == 0)
			return sock;
	}
	rc = -errno;
	close(sock);
	return rc;
}

/* It is made under another name: who finds the socket finds it open, with its group. */
static int listener_make(struct fe_broker *broker, const char *path)
{
	char made[FE_OPTION_PATH + sizeof(".new")];
	int rc = living_check(path), sock;

	if (rc)
		return rc;
	snprintf(made, sizeof(made), "%s.new", path);
	sock = socket_listen(broker, made);
	if (sock < 0 || rename(made, path) == 0)
		return sock;
	rc = -errno;
	close(sock);
	unlink(made);
	return rc;
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
	sock = listener_make(broker, path);
	if (sock < 0) {
		vg_error(&broker->log, "op=listen path=%s error=\"%s\"", path,
			 sock == -EADDRINUSE ? "another vgpu-frontd serves it" : strerror(-sock));
		return sock;
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
