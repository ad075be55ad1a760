/* SPDX-License-Identifier: MIT */
/*
 * A sample now and then: `look`, so that executors write down how their lanes stand and time their commands,
 * and a moment later `list`. Never waits: the caller polls. The connection is kept; a lost one is made anew.
 */
#ifndef VGPU_TOP_ASK_H
#define VGPU_TOP_ASK_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/line.h"

enum top_ask_state {
	TOP_ASK_RESTS,
	TOP_ASK_LOOKS,
	TOP_ASK_PAUSES,
	TOP_ASK_LISTS
};

struct top_ask {
	const char *socket;
	uint32_t delay_ms;
	bool times;    /* executors are to time their commands */
	int64_t domid; /* of this domain only, -1: all */
	enum top_ask_state state;
	int fd;         /* owned; -1: none */
	uint64_t due;   /* ms: of the next step, or when an answer is late */
	uint64_t begun; /* ms: this sample */
	struct vgpu_line line;
};

enum top_news {
	TOP_NEWS_NONE,
	TOP_NEWS_ANSWER,
	TOP_NEWS_MISSED
};

void top_ask_init(struct top_ask *ask, const char *socket, uint32_t delay_ms);
void top_ask_dispose(struct top_ask *ask);
/* What to poll for: a descriptor that is to be readable (-1: none), and until when (ms). */
int top_ask_poll(const struct top_ask *ask, uint64_t *until);
/* One step. TOP_NEWS_ANSWER: `answer` is the caller's to put; TOP_NEWS_MISSED: why, in `why`. */
enum top_news top_ask_step(struct top_ask *ask, struct json_object **answer, char *why,
			   size_t size);
/* The next sample at once. */
void top_ask_now(struct top_ask *ask);

#endif
