/* SPDX-License-Identifier: MIT */
/*
 * xenstore for tests. One thread, one transaction at a time, small numbers, no permissions.
 */
#include "tests/unit/backend/fake_xs.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenstore.h>

#define NODES_MAX  512
#define WATCH_MAX  64
#define EVENTS_MAX 4096
#define PATH_BYTES 160
#define DOMAINS    64

struct node {
	char path[PATH_BYTES];
	char value[512];
	char perms[32];
	bool used;
};

struct watch {
	char path[PATH_BYTES];
	char token[64];
	bool used;
};

struct event {
	char path[PATH_BYTES];
	char token[64];
};

struct xs_handle {
	int eventfd;
};

static struct xs_handle handle = {-1};
static int users; /* who have it open */
static pthread_mutex_t silent_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t silent_over = PTHREAD_COND_INITIALIZER;
static bool is_silent;
static struct node nodes[NODES_MAX], saved[NODES_MAX];
static struct watch watches[WATCH_MAX];
static struct event events[EVENTS_MAX];
static unsigned int first_event, event_count;
static bool alive[DOMAINS], in_transaction;
static char changed[EVENTS_MAX][PATH_BYTES]; /* in the transaction */
static int changed_count, conflicts, opens;
static void (*commit_hook)(void);

static bool below(const char *path, const char *parent)
{
	size_t length = strlen(parent);

	return !strncmp(path, parent, length) && (path[length] == '/' || !path[length]);
}

static void event_add(const char *path, const char *token)
{
	struct event *event = &events[(first_event + event_count) % EVENTS_MAX];

	if (event_count == EVENTS_MAX)
		abort();
	snprintf(event->path, sizeof(event->path), "%s", path);
	snprintf(event->token, sizeof(event->token), "%s", token);
	event_count++;
	if (handle.eventfd >= 0)
		eventfd_write(handle.eventfd, 1);
}

static void fire(const char *path)
{
	if (in_transaction) {
		if (changed_count == EVENTS_MAX)
			abort();
		snprintf(changed[changed_count++], PATH_BYTES, "%s", path);
		return;
	}
	for (int i = 0; i < WATCH_MAX; i++)
		if (watches[i].used && below(path, watches[i].path))
			event_add(path, watches[i].token);
}

static struct node *find(const char *path)
{
	for (int i = 0; i < NODES_MAX; i++)
		if (nodes[i].used && !strcmp(nodes[i].path, path))
			return &nodes[i];
	return NULL;
}

static const char *home_path = "/local/domain/0/";

void fake_xs_home(const char *path)
{
	home_path = path;
}

/* Valid until the next call. */
static const char *absolute(const char *path)
{
	static char full[PATH_BYTES];

	if (path[0] == '/' || path[0] == '@')
		return path;
	snprintf(full, sizeof(full), "%s%s", home_path, path);
	return full;
}

static void node_set(const char *path, const char *value)
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
}

/* As xenstored does: what is missing on the way is made. */
static void parents_make(const char *path)
{
	char parent[PATH_BYTES];

	snprintf(parent, sizeof(parent), "%s", path);
	for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (!find(parent))
			node_set(parent, "");
		*slash = '/';
	}
}

void fake_xs_reset(void)
{
	memset(nodes, 0, sizeof(nodes));
	memset(watches, 0, sizeof(watches));
	memset(alive, 0, sizeof(alive));
	first_event = event_count = 0;
	in_transaction = false;
	conflicts = 0;
	opens = 0;
	commit_hook = NULL;
}

void fake_xs_set(const char *path, const char *value)
{
	parents_make(path);
	node_set(path, value);
	fire(path);
}

const char *fake_xs_get(const char *path)
{
	struct node *node = find(path);

	return node ? node->value : NULL;
}

static bool node_remove(const char *path)
{
	bool there = find(path) != NULL;

	for (int i = 0; i < NODES_MAX; i++)
		if (nodes[i].used && below(nodes[i].path, path))
			nodes[i].used = false;
	if (!there)
		return false;
	/* A watch below the removed node fires too. */
	for (int i = 0; i < WATCH_MAX; i++)
		if (watches[i].used && below(watches[i].path, path) &&
		    strcmp(watches[i].path, path) != 0)
			event_add(watches[i].path, watches[i].token);
	fire(path);
	return true;
}

void fake_xs_remove(const char *path)
{
	node_remove(path);
}

void fake_xs_domain(unsigned int domid, bool now)
{
	char home[PATH_BYTES];

	if (domid >= DOMAINS)
		abort();
	snprintf(home, sizeof(home), "/local/domain/%u", domid);
	alive[domid] = now;
	if (now)
		fake_xs_set(home, "");
	else
		node_remove(home);
	fire(now ? "@introduceDomain" : "@releaseDomain");
}

int fake_xs_watches(void)
{
	int count = 0;

	for (int i = 0; i < WATCH_MAX; i++)
		count += watches[i].used;
	return count;
}

int fake_xs_nodes(void)
{
	int count = 0;

	for (int i = 0; i < NODES_MAX; i++)
		count += nodes[i].used;
	return count;
}

const char *fake_xs_perms(const char *path)
{
	struct node *node = find(path);

	return node ? node->perms : "";
}

void fake_xs_conflicts(int count)
{
	conflicts = count;
}

void fake_xs_on_commit(void (*hook)(void))
{
	commit_hook = hook;
}

int fake_xs_opens(void)
{
	return opens;
}

void fake_xs_silent(bool silent)
{
	pthread_mutex_lock(&silent_lock);
	is_silent = silent;
	pthread_cond_broadcast(&silent_over);
	pthread_mutex_unlock(&silent_lock);
}

/* xs_transaction_end has a parameter named abort. */
static void fail(void)
{
	abort();
}

/* --- libxenstore's interface --- */

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	opens++;
	users++;
	if (handle.eventfd < 0)
		handle.eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return &handle;
}

void xs_close(struct xs_handle *xsh)
{
	if (--users)
		return;
	close(xsh->eventfd);
	xsh->eventfd = -1;
}

int xs_fileno(struct xs_handle *h)
{
	return h->eventfd;
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
	char path[PATH_BYTES];

	(void)h;
	pthread_mutex_lock(&silent_lock);
	while (is_silent)
		pthread_cond_wait(&silent_over, &silent_lock);
	pthread_mutex_unlock(&silent_lock);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	return strdup(path);
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	(void)h;
	if (strcmp(home_path, "/local/domain/0/") != 0) {
		errno = EACCES;
		return false;
	}
	return domid < DOMAINS && alive[domid];
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	struct node *node = find(absolute(path));

	(void)h;
	(void)t;
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
	char value[512];

	(void)h;
	(void)t;
	snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)data);
	fake_xs_set(absolute(path), value);
	return true;
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	(void)h;
	(void)t;
	path = absolute(path);
	if (!find(path))
		fake_xs_set(path, "");
	return true;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
			struct xs_permissions *perms, unsigned int num_perms)
{
	struct node *node = find(absolute(path));
	size_t used = 0;

	(void)h;
	(void)t;
	for (unsigned int i = 0; node && i < num_perms; i++)
		used += (size_t)snprintf(node->perms + used, sizeof(node->perms) - used, "%s%c%u",
					 i ? "," : "", perms[i].perms == XS_PERM_READ ? 'r' : 'n',
					 perms[i].id);
	return node != NULL;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	(void)h;
	(void)t;
	if (node_remove(absolute(path)))
		return true;
	errno = ENOENT;
	return false;
}

/* The array and its strings in one piece, as libxenstore gives them. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	size_t length, used = 0;
	unsigned int count = 0;
	char **list, *text;

	(void)h;
	(void)t;
	path = absolute(path);
	length = strlen(path);
	if (!find(path)) {
		errno = ENOENT;
		return NULL;
	}
	list = malloc(NODES_MAX * (sizeof(char *) + 64));
	if (!list)
		fail();
	text = (char *)(list + NODES_MAX);
	for (int i = 0; i < NODES_MAX; i++) {
		const char *rest = nodes[i].path + length + 1;

		if (!nodes[i].used || strncmp(nodes[i].path, path, length) != 0 ||
		    nodes[i].path[length] != '/' || strchr(rest, '/'))
			continue;
		list[count++] = text + used;
		used += (size_t)snprintf(text + used, 64, "%s", rest) + 1;
	}
	*num = count;
	return list;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	if (path[0] == '@' && strcmp(home_path, "/local/domain/0/") != 0) {
		errno = EACCES;
		return false;
	}
	path = absolute(path);
	for (int i = 0; i < WATCH_MAX; i++) {
		if (watches[i].used)
			continue;
		watches[i].used = true;
		snprintf(watches[i].path, sizeof(watches[i].path), "%s", path);
		snprintf(watches[i].token, sizeof(watches[i].token), "%s", token);
		event_add(path, token);
		return true;
	}
	errno = E2BIG;
	return false;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	path = absolute(path);
	for (int i = 0; i < WATCH_MAX; i++) {
		if (!watches[i].used || strcmp(watches[i].path, path) != 0 ||
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
	struct event *event = &events[first_event];
	eventfd_t drained;
	char **result;

	if (!event_count) {
		eventfd_read(h->eventfd, &drained);
		errno = EAGAIN;
		return NULL;
	}
	first_event = (first_event + 1) % EVENTS_MAX;
	event_count--;
	result = malloc(2 * sizeof(char *) + sizeof(*event));
	if (!result)
		fail();
	memcpy(result + 2, event, sizeof(*event));
	result[XS_WATCH_PATH] = (char *)(result + 2);
	result[XS_WATCH_TOKEN] = result[XS_WATCH_PATH] + PATH_BYTES;
	return result;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	if (in_transaction)
		fail();
	in_transaction = true;
	changed_count = 0;
	memcpy(saved, nodes, sizeof(nodes));
	return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	bool conflict = !abort && conflicts > 0;

	(void)h;
	(void)t;
	if (!in_transaction)
		fail();
	in_transaction = false;
	if (conflict)
		conflicts--;
	if (abort || conflict)
		memcpy(nodes, saved, sizeof(nodes));
	for (int i = 0; i < changed_count && !abort && !conflict; i++)
		fire(changed[i]);
	if (!abort && !conflict && commit_hook)
		commit_hook();
	errno = EAGAIN;
	return !conflict;
}
