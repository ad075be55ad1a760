/* SPDX-License-Identifier: MIT */
/* See top_ask.h. */
#include "tools/top_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/vgpu.h"

#define ANSWER_MS  VGPU_WAIT_MS
#define PAUSE_MS   100u /* what executors get to look */
#define TIMES_MORE 10u  /* seconds that they go on timing without us */

void top_ask_init(struct top_ask *ask, const char *socket, uint32_t delay_ms)
{
	*ask = (struct top_ask){.socket = socket,
				.delay_ms = delay_ms,
				.times = true,
				.domid = -1,
				.state = TOP_ASK_RESTS,
				.fd = -1,
				.due = vgpu_now_ms()};
}

static void ask_close(struct top_ask *ask)
{
	if (ask->fd >= 0)
		close(ask->fd);
	ask->fd = -1;
	vgpu_line_reset(&ask->line);
}

void top_ask_dispose(struct top_ask *ask)
{
	ask_close(ask);
	vgpu_line_dispose(&ask->line);
}

void top_ask_now(struct top_ask *ask)
{
	if (ask->state == TOP_ASK_RESTS)
		ask->due = 0;
}

int top_ask_poll(const struct top_ask *ask, uint64_t *until)
{
	*until = ask->due;
	return ask->state == TOP_ASK_LOOKS || ask->state == TOP_ASK_LISTS ? ask->fd : -1;
}

static enum top_news ask_rest(struct top_ask *ask, enum top_news news)
{
	uint64_t now = vgpu_now_ms();

	ask->state = TOP_ASK_RESTS;
	ask->due = ask->begun + ask->delay_ms > now ? ask->begun + ask->delay_ms : now;
	/* One that takes long is not to be asked without a rest. */
	if (ask->due < now + ask->delay_ms / 4)
		ask->due = now + ask->delay_ms / 4;
	return news;
}

static enum top_news ask_fail(struct top_ask *ask, char *why, size_t size, int error)
{
	ask_close(ask);
	snprintf(why, size, "xen-vgpud does not answer on %s (%s)", ask->socket, strerror(error));
	return ask_rest(ask, TOP_NEWS_MISSED);
}

/* A request is shorter than what any socket takes at once. 0 or an errno. */
static int ask_send(struct top_ask *ask, const char *name, struct json_object *request)
{
	const char *text;
	char line[512];
	int n, rc = 0;

	request = vgpu_request_fill(name, request);
	if (ask->domid >= 0)
		json_object_object_add(request, "domid", json_object_new_int64(ask->domid));
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	n = snprintf(line, sizeof(line), "%s\n", text ? text : "{}");
	if (n < 0 || (size_t)n >= sizeof(line))
		rc = EMSGSIZE;
	else if (send(ask->fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		rc = errno ? errno : EIO;
	json_object_put(request);
	ask->due = vgpu_now_ms() + ANSWER_MS;
	vgpu_line_reset(&ask->line);
	return rc;
}

static int ask_look(struct top_ask *ask)
{
	struct json_object *request = json_object_new_object();
	uint32_t seconds = ask->delay_ms / 1000 + TIMES_MORE;

	if (ask->times)
		json_object_object_add(request, "times_s", json_object_new_int((int)seconds));
	ask->state = TOP_ASK_LOOKS;
	return ask_send(ask, "look", request);
}

/* A connection that has rested may have lost its daemon: a new one then. */
static int ask_begin(struct top_ask *ask)
{
	char byte;

	ask->begun = vgpu_now_ms();
	if (ask->fd >= 0) {
		if (recv(ask->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN)
			return ask_look(ask);
		ask_close(ask);
	}
	ask->fd = vgpu_socket_connect_now(ask->socket);
	return ask->fd < 0 ? errno : ask_look(ask);
}

static enum top_news ask_answered(struct top_ask *ask, struct json_object **answer, char *why,
				  size_t size)
{
	*answer = json_tokener_parse(ask->line.text);
	if (!vgpu_answer_good(*answer, why, size)) {
		json_object_put(*answer);
		*answer = NULL;
		ask_close(ask);
		return ask_rest(ask, TOP_NEWS_MISSED);
	}
	if (ask->state == TOP_ASK_LISTS)
		return ask_rest(ask, TOP_NEWS_ANSWER);
	json_object_put(*answer);
	*answer = NULL;
	ask->state = TOP_ASK_PAUSES;
	ask->due = vgpu_now_ms() + PAUSE_MS;
	return TOP_NEWS_NONE;
}

enum top_news top_ask_step(struct top_ask *ask, struct json_object **answer, char *why, size_t size)
{
	bool due = vgpu_now_ms() >= ask->due;
	int rc = 0;

	*answer = NULL;
	switch (ask->state) {
	case TOP_ASK_RESTS:
		if (due)
			rc = ask_begin(ask);
		break;
	case TOP_ASK_PAUSES:
		if (!due)
			break;
		ask->state = TOP_ASK_LISTS;
		rc = ask_send(ask, "list", NULL);
		break;
	default:
		rc = vgpu_line_receive(&ask->line, ask->fd);
		if (!rc)
			return ask_answered(ask, answer, why, size);
		if (rc == EAGAIN)
			rc = due ? ETIMEDOUT : 0;
		break;
	}
	return rc ? ask_fail(ask, why, size, rc) : TOP_NEWS_NONE;
}
