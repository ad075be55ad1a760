/* SPDX-License-Identifier: MIT */
/*
 * Requests to xen-vgpud over its socket: one JSON object a line, each way. Waits a bounded time.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/line.h"
#include "tools/value.h"

/* With a descriptor; -1: without. */
static bool send_line(int fd, const char *text, int given)
{
	size_t length = strlen(text);
	struct iovec iov[2] = {{(void *)text, length}, {(void *)"\n", 1}};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.align = {.cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 2};

	if (given >= 0) {
		memcpy(CMSG_DATA(&control.align), &given, sizeof(given));
		hdr.msg_control = control.buf;
		hdr.msg_controllen = sizeof(control.buf);
	}
	return sendmsg(fd, &hdr, MSG_NOSIGNAL) == (ssize_t)length + 1;
}

/* 0, or an errno. */
static int receive_line(int fd, struct vgpu_line *line)
{
	uint64_t until = vgpu_now_ms() + VGPU_WAIT_MS;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now = vgpu_now_ms();
		int rc;

		if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
			return ETIMEDOUT;
		rc = vgpu_line_receive(line, fd);
		if (rc != EAGAIN)
			return rc;
	}
}

/* Of the control socket's protocol (docs/control-socket.md). */
#define PROTOCOL 1

bool vgpu_answer_good(struct json_object *answer, char *why, size_t size)
{
	struct json_object *value;

	if (answer && json_object_object_get_ex(answer, "vgpu", &value) &&
	    json_object_get_int(value) != PROTOCOL)
		snprintf(
			why, size,
			"xen-vgpud speaks version %d of the control socket's protocol, this vgpu %d: "
			"install the same release of both",
			json_object_get_int(value), PROTOCOL);
	else if (answer && json_object_object_get_ex(answer, "ok", &value) &&
		 json_object_get_boolean(value))
		return true;
	else if (answer && json_object_object_get_ex(answer, "error", &value))
		snprintf(why, size, "xen-vgpud refuses: %s", vgpu_clean_text(answer, "error"));
	else
		snprintf(why, size, "xen-vgpud's answer makes no sense");
	return false;
}

static struct json_object *answer_check(struct json_object *answer)
{
	char why[512];

	if (vgpu_answer_good(answer, why, sizeof(why)))
		return answer;
	vgpu_fail("%s", why);
	json_object_put(answer);
	return NULL;
}

struct json_object *vgpu_request_fill(const char *name, struct json_object *request)
{
	if (!request)
		request = json_object_new_object();
	json_object_object_add(request, "vgpu", json_object_new_int(PROTOCOL));
	json_object_object_add(request, "request", json_object_new_string(name));
	return request;
}

struct json_object *vgpu_request_on(int connection, const char *name, struct json_object *request,
				    int given)
{
	struct json_object *answer = NULL;
	struct vgpu_line line = {0};
	int rc = 0;

	request = vgpu_request_fill(name, request);
	if (!send_line(connection, json_object_to_json_string_ext(request, 0), given))
		rc = errno ? errno : EIO;
	json_object_put(request);
	if (!rc)
		rc = receive_line(connection, &line);
	if (!rc)
		answer = answer_check(json_tokener_parse(line.text));
	vgpu_line_dispose(&line);
	errno = rc;
	return answer;
}

struct json_object *vgpu_request(struct vgpu *vgpu, const char *name, struct json_object *request)
{
	int fd = vgpu_socket_connect(vgpu->socket), keep = errno;
	struct json_object *answer = NULL;

	if (fd >= 0) {
		answer = vgpu_request_on(fd, name, request, -1);
		keep = errno;
		close(fd);
	} else {
		json_object_put(request);
	}
	errno = keep;
	return answer;
}

bool vgpu_daemon_runs(struct vgpu *vgpu)
{
	struct json_object *answer = vgpu_request(vgpu, "ping", NULL);

	json_object_put(answer);
	return answer != NULL;
}
