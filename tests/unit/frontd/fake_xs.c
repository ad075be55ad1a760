/* SPDX-License-Identifier: MIT */
/*
 * xenstore for tests. One thread, small numbers, no permissions, no transactions.
 */
#include "tests/unit/frontd/fake_xs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#define HOME       "/local/domain/3/"
#define NODES_MAX  128
#define WATCH_MAX  32
#define EVENTS_MAX 1024
#define PATH_MAX_  256

struct node {
	char path[PATH_MAX_];
	char value[512];
	bool used;
};

struct watch {
	char path[PATH_MAX_];
	char token[32];
	bool used;
};

static struct node nodes[NODES_MAX];
static struct watch watches[WATCH_MAX];
static int events[EVENTS_MAX]; /* index of the watch */
static int event_count;

struct xs_handle {
	int unused;
};
static struct xs_handle handle;

static void absolute(char *to, const char *path)
{
	snprintf(to, PATH_MAX_, "%s%s", path[0] == '/' ? "" : HOME, path);
}

static bool below(const char *path, const char *parent)
{
	size_t length = strlen(parent);

	return !strncmp(path, parent, length) && (path[length] == '/' || !path[length]);
}

static void fire(const char *path)
{
	for (int i = 0; i < WATCH_MAX; i++)
		if (watches[i].used && below(path, watches[i].path) && event_count < EVENTS_MAX)
			events[event_count++] = i;
}

static struct node *find(const char *path)
{
	for (int i = 0; i < NODES_MAX; i++)
		if (nodes[i].used && !strcmp(nodes[i].path, path))
			return &nodes[i];
	return NULL;
}

void fake_xs_reset(void)
{
	memset(nodes, 0, sizeof(nodes));
	memset(watches, 0, sizeof(watches));
	event_count = 0;
}

void fake_xs_set(const char *path, const char *value)
{
	struct node *node = find(path);

	for (int i = 0; !node && i < NODES_MAX; i++)
		if (!nodes[i].used)
			node = &nodes[i];
	if (!node)
		abort();
	node->used = true;
	snprintf(node->path, sizeof(node->path), "%s", path);
	snprintf(node->value, sizeof(node->value), "%s", value);
	fire(path);
}

const char *fake_xs_get(const char *path)
{
	struct node *node = find(path);

	return node ? node->value : NULL;
}

void fake_xs_remove(const char *path)
{
	for (int i = 0; i < NODES_MAX; i++)
		if (nodes[i].used && below(nodes[i].path, path))
			nodes[i].used = false;
	/* A watch below the removed node fires too. */
	for (int i = 0; i < WATCH_MAX; i++)
		if (watches[i].used && below(watches[i].path, path) && event_count < EVENTS_MAX)
			events[event_count++] = i;
	fire(path);
}

int fake_xs_watches(void)
{
	int count = 0;

	for (int i = 0; i < WATCH_MAX; i++)
		count += watches[i].used;
	return count;
}

/* --- libxenstore's interface --- */

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	return &handle;
}

void xs_close(struct xs_handle *xsh)
{
	(void)xsh;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	char full[PATH_MAX_];
	struct node *node;

	(void)h;
	(void)t;
	absolute(full, path);
	node = find(full);
	if (!node) {
		errno = ENOENT;
		return NULL;
	}
	*len = (unsigned int)strlen(node->value);
	return strdup(node->value);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	char full[PATH_MAX_], value[512];

	(void)h;
	(void)t;
	absolute(full, path);
	snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)data);
	fake_xs_set(full, value);
	return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	char full[PATH_MAX_];

	(void)h;
	(void)t;
	absolute(full, path);
	fake_xs_remove(full);
	return true;
}

/* The array and its strings in one piece, as libxenstore gives them. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	char full[PATH_MAX_], names[NODES_MAX][32];
	unsigned int count = 0;
	char **list, *text;

	(void)h;
	(void)t;
	absolute(full, path);
	for (int i = 0; i < NODES_MAX; i++) {
		const char *rest = nodes[i].path + strlen(full) + 1;
		bool known = false;

		if (!nodes[i].used || !below(nodes[i].path, full) || !strcmp(nodes[i].path, full))
			continue;
		for (unsigned int j = 0; j < count; j++)
			known |= !strncmp(names[j], rest, strlen(names[j])) &&
				 rest[strlen(names[j])] == '/';
		if (!known)
			snprintf(names[count++], sizeof(names[0]), "%.*s", (int)strcspn(rest, "/"),
				 rest);
	}
	if (!count) {
		errno = ENOENT;
		return NULL;
	}
	list = malloc(count * (sizeof(char *) + sizeof(names[0])));
	if (!list)
		abort();
	text = (char *)(list + count);
	for (unsigned int i = 0; i < count; i++) {
		list[i] = text;
		memcpy(text, names[i], sizeof(names[0]));
		text += sizeof(names[0]);
	}
	*num = count;
	return list;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	for (int i = 0; i < WATCH_MAX; i++) {
		if (watches[i].used)
			continue;
		watches[i].used = true;
		absolute(watches[i].path, path);
		snprintf(watches[i].token, sizeof(watches[i].token), "%s", token);
		events[event_count++] = i;
		return true;
	}
	errno = E2BIG;
	return false;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	char full[PATH_MAX_];

	(void)h;
	absolute(full, path);
	for (int i = 0; i < WATCH_MAX; i++) {
		if (!watches[i].used || strcmp(watches[i].path, full) != 0 ||
		    strcmp(watches[i].token, token) != 0)
			continue;
		watches[i].used = false;
		return true;
	}
	errno = ENOENT;
	return false;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **result;
	int i;

	(void)h;
	do {
		if (!event_count) {
			errno = EAGAIN;
			return NULL;
		}
		i = events[0];
		memmove(events, events + 1, sizeof(events[0]) * (size_t)--event_count);
	} while (!watches[i].used);
	result = malloc(2 * sizeof(char *) + PATH_MAX_ + sizeof(watches[i].token));
	if (!result)
		abort();
	result[XS_WATCH_PATH] = (char *)(result + 2);
	result[XS_WATCH_TOKEN] = result[XS_WATCH_PATH] + PATH_MAX_;
	memcpy(result[XS_WATCH_PATH], watches[i].path, PATH_MAX_);
	memcpy(result[XS_WATCH_TOKEN], watches[i].token, sizeof(watches[i].token));
	return result;
}

/* Nothing here takes part in one. */
xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abandon)
{
	(void)h;
	(void)t;
	(void)abandon;
	return true;
}
