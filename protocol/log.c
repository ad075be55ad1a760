/* SPDX-License-Identifier: MIT */
/*
 * Log lines. Text in a line may come from the other side: control characters never reach the
 * output, so nobody but this file ends a line or starts one. Runs in any thread; no locks, no
 * allocation.
 */
#include "protocol/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "protocol/journal.h"

#define LINE_MAX_BYTES 2048

static const char *const level_names[] = {"error", "warn", "info", "call", "data"};

int vg_log_level_parse(const char *text, enum vg_log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!strcmp(text, level_names[i])) {
			*level = (enum vg_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *vg_log_level_name(enum vg_log_level level)
{
	return level_names[level];
}

char vg_log_priority(enum vg_log_level level)
{
	return "34677"[level];
}

static int log_fd = STDERR_FILENO;
/* Of vg_log_journal. */
static int journal_fd = -1;
static const char *journal_path;

/*
 * JOURNAL_STREAM names the device and inode of the stream that a service was started with: whoever
 * has inherited it, but writes elsewhere, does not write to the journal.
 */
static bool journal_is(int fd)
{
	const char *text = secure_getenv("JOURNAL_STREAM");
	char is[48];
	struct stat st;

	if (!text || fstat(fd, &st))
		return false;
	snprintf(is, sizeof(is), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return !strcmp(is, text);
}

/* Do lines go to the journal? Looked up once; racing threads find the same answer. */
static bool to_journal(void)
{
	static int answer = -1;
	int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);

	if (known < 0) {
		int keep = errno;

		known = journal_is(log_fd);
		errno = keep;
		__atomic_store_n(&answer, known, __ATOMIC_RELAXED);
	}
	return known;
}

static size_t add_number(char *line, size_t used, const char *key, int64_t number)
{
	int n = number == VG_LOG_NOBODY ? snprintf(line + used, LINE_MAX_BYTES - used, " %s=-", key)
					: snprintf(line + used, LINE_MAX_BYTES - used, " %s=%lld",
						   key, (long long)number);

	return used + (size_t)n;
}

void vg_log_set_fd(int fd)
{
	log_fd = fd;
}

void vg_log_journal(const char *path)
{
	if (journal_fd < 0 && journal_is(log_fd))
		journal_fd = vg_journal_open();
	journal_path = path ? path : VG_JOURNAL_PATH;
}

static void write_all(const char *line, size_t length)
{
	int keep = errno;
	ssize_t n;

	do
		n = write(log_fd, line, length);
	while (n < 0 && errno == EINTR);
	errno = keep; /* a log line changes nothing, not even this */
}

/* The line begins behind the priority; its keys at body. Both lie before used, where there is room for one byte. */
static void line_send(const struct vg_log_who *who, enum vg_log_level level, char *line,
		      size_t prefix, size_t body, size_t used)
{
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[used] = '\0';
	if (journal_fd >= 0 &&
	    vg_journal_send(journal_fd, journal_path, who, level, line + prefix, line + body))
		return;
	line[used++] = '\n';
	write_all(line, used);
}

void vg_log_write(const struct vg_log_who *who, enum vg_log_level level, const char *format, ...)
{
	char priority[] = {'<', vg_log_priority(level), '>', '\0'};
	char line[LINE_MAX_BYTES];
	size_t used, room, body;
	va_list args;
	int n;

	if (!to_journal())
		*priority = '\0';
	used = (size_t)snprintf(line, sizeof(line), "%s[vgpu]", priority);
	used = add_number(line, used, "dom", who->dom);
	used = add_number(line, used, "dev", who->dev);
	used = add_number(line, used, "pid", who->pid);
	used += (size_t)snprintf(line + used, sizeof(line) - used, " level=%s ",
				 level_names[level]);
	body = used;
	room = sizeof(line) - 1 - used; /* keeps one byte for the newline */
	va_start(args, format);
	n = vsnprintf(line + used, room, format, args);
	va_end(args);
	if (n > 0)
		used += (size_t)n < room ? (size_t)n : room - 1;
	line_send(who, level, line, strlen(priority), body, used);
}

void vg_log_clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			*text = '?';
}

bool vg_log_allow(struct vg_log_limit *limit, const struct vg_log_who *who)
{
	uint64_t now = vg_clock_ms();

	if (!limit->window_start || now - limit->window_start >= limit->window_ms) {
		if (limit->dropped)
			vg_warn(who, "dropped=%u similar lines left out", limit->dropped);
		limit->window_start = now;
		limit->used = 0;
		limit->dropped = 0;
	}
	if (limit->used < limit->burst) {
		limit->used++;
		return true;
	}
	limit->dropped++;
	return false;
}
