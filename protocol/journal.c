/* SPDX-License-Identifier: MIT */
/*
 * Entries for the journal. Values may be another side's words: they cannot end a line (the writer of lines has
 * seen to that), and keys that look like those of the head are passed over. Any thread.
 */
#include "protocol/journal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ENTRY_MAX  8192u
#define FIELDS_MAX 24u
#define NAME_MAX_  48u

struct entry {
	char text[ENTRY_MAX];
	size_t used;
};

int vg_journal_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* What does not fit is left out whole. */
__attribute__((format(printf, 2, 3))) static void add(struct entry *e, const char *format, ...)
{
	size_t left = sizeof(e->text) - e->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(e->text + e->used, left, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < left)
		e->used += (size_t)n;
}

static void add_who(struct entry *e, const char *name, int64_t number)
{
	if (number != VG_LOG_NOBODY)
		add(e, "%s=%lld\n", name, (long long)number);
}

/* "freed-bytes" to "FREED_BYTES". False: that is no key, or one of the head's. */
static bool name_make(char *name, const char *key, size_t length)
{
	static const char *const heads[] = {"DOM", "DEV", "PID", "LEVEL"};

	if (!length || length >= NAME_MAX_ || !islower((unsigned char)*key))
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)key[i];

		if (!islower(c) && !isdigit(c) && c != '-' && c != '_')
			return false;
		name[i] = (char)(c == '-' ? '_' : toupper(c));
	}
	name[length] = '\0';
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (!strcmp(name, heads[i]))
			return false;
	return true;
}

/* A word, or `key=value` with the value in quotes perhaps; returns what follows it. */
static const char *word_add(struct entry *e, const char *word)
{
	size_t key = strcspn(word, "= "), length;
	const char *value = word + key + 1;
	char name[NAME_MAX_];
	bool quoted;

	if (word[key] != '=')
		return word + key;
	quoted = *value == '"';
	value += quoted;
	length = strcspn(value, quoted ? "\"" : " ");
	if (name_make(name, word, key))
		add(e, "VGPU_%s=%.*s\n", name, (int)length, value);
	value += length;
	return quoted && *value ? value + 1 : value;
}

static void body_add(struct entry *e, const char *body)
{
	for (unsigned int i = 0; i < FIELDS_MAX && *body; i++) {
		body = word_add(e, body);
		body += strspn(body, " ");
	}
}

bool vg_journal_send(int fd, const char *path, const struct vg_log_who *who,
		     enum vg_log_level level, const char *line, const char *body)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct entry e = {.used = 0};
	int keep = errno;
	bool sent;

	if (strlen(path) >= sizeof(to.sun_path))
		return false;
	memcpy(to.sun_path, path, strlen(path));
	add(&e, "MESSAGE=%s\nPRIORITY=%c\nSYSLOG_IDENTIFIER=%s\n", line, vg_log_priority(level),
	    program_invocation_short_name);
	add_who(&e, "VGPU_DOM", who->dom);
	add_who(&e, "VGPU_DEV", who->dev);
	add_who(&e, "VGPU_PID", who->pid);
	add(&e, "VGPU_LEVEL=%s\n", vg_log_level_name(level));
	body_add(&e, body);
	sent = sendto(fd, e.text, e.used, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to)) == (ssize_t)e.used;
	errno = keep;
	return sent;
}
