/* SPDX-License-Identifier: MIT */
/*
 * Log lines: where they go, as what entries the journal gets them, what foreign text cannot do, and the limit on lines of calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/journal.h"
#include "protocol/log.h"
#include "protocol/log_rate.h"

static const struct vg_log_who who = {.dom = 3, .dev = 0, .pid = 77, .level = VG_LOG_DATA};
static int lines[2]; /* the pipe that they go to */
static char text[65536];

static const char *lines_read(void)
{
	ssize_t n = read(lines[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static unsigned int count(const char *what)
{
	unsigned int n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* --- lines ---------------------------------------------------------------------------------------- */

static void test_line(void **state)
{
	(void)state;
	vg_call(&who, "op=%s result=%d", "cuInit", 0);
	assert_string_equal(lines_read(),
			    "[vgpu] dom=3 dev=0 pid=77 level=call op=cuInit result=0\n");
	vg_info(&VG_LOG_WHO_NONE, "event=%s", "a\nb\x1b");
	assert_string_equal(lines_read(), "[vgpu] dom=- dev=- pid=- level=info event=a?b?\n");
}

static void test_long_line(void **state)
{
	char long_text[4096];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	vg_info(&who, "event=%s", long_text);
	assert_int_equal(strlen(lines_read()), 2047);
	assert_int_equal(text[2046], '\n');
}

/* --- the limit ------------------------------------------------------------------------------------ */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static unsigned int written(struct vg_log_rate *rate, unsigned int tries, enum vg_log_level level)
{
	unsigned int allowed = 0;

	for (unsigned int i = 0; i < tries; i++)
		allowed += vg_log_rate_allow(rate, &who, level);
	return allowed;
}

static void test_rate(void **state)
{
	struct vg_log_rate rate = VG_LOG_RATE(100);
	unsigned int allowed = written(&rate, 1000, VG_LOG_CALL), dropped, said = 0;

	(void)state;
	/* Five seconds' worth at once; a slow machine lets some more through. */
	assert_in_range(allowed, 500, 700);
	lines_read();
	assert_non_null(strstr(text, "level=warn event=log-limit rate=100 level=call"));
	assert_int_equal(count("\n"), 1);
	dropped = 1000 - allowed + 7 - written(&rate, 7, VG_LOG_DATA);
	assert_int_equal(lines_read()[0], '\0');
	sleep_ms(700);
	assert_int_equal(written(&rate, 1, VG_LOG_CALL), 1);
	lines_read();
	for (const char *at = text; (at = strstr(at, " dropped=")); at++)
		said += (unsigned int)strtoul(at + strlen(" dropped="), NULL, 10);
	assert_int_equal(said, dropped);
	assert_int_equal(count("dropped=7 lines of level data"), 1);
	assert_int_equal(count("lines of level call"), 1);
}

static void test_rate_end(void **state)
{
	struct vg_log_rate rate = VG_LOG_RATE(1), none = VG_LOG_RATE(0);

	(void)state;
	assert_int_equal(written(&none, 100000, VG_LOG_CALL), 100000);
	assert_int_equal(written(&rate, 10, VG_LOG_CALL), 5);
	lines_read();
	vg_log_rate_end(&rate, &who);
	assert_string_equal(lines_read(), "[vgpu] dom=3 dev=0 pid=77 level=warn event=log-dropped "
					  "dropped=5 lines of level call\n");
	vg_log_rate_end(&rate, &who);
	assert_int_equal(lines_read()[0], '\0');
}

/* --- the journal ----------------------------------------------------------------------------------- */

static int journal_open(char *path, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(path, room, "/tmp/vgpu-log-test-%d", getpid());
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void entry_read(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

/* Runs last: from then on lines go there. */
static void test_journal(void **state)
{
	char path[64];
	int journal = journal_open(path, sizeof(path));

	(void)state;
	vg_log_journal(path);
	vg_call(&who,
		"op=%s lane=%u freed-bytes=7 result=%d error=X args=\"a=1, b='c d'\" ret=\"\"",
		"cuMemAlloc_v2", 0u, 2);
	entry_read(journal);
	assert_string_equal(
		text, "MESSAGE=[vgpu] dom=3 dev=0 pid=77 level=call op=cuMemAlloc_v2 lane=0 "
		      "freed-bytes=7 result=2 error=X args=\"a=1, b='c d'\" ret=\"\"\n"
		      "PRIORITY=7\nSYSLOG_IDENTIFIER=log\nVGPU_DOM=3\nVGPU_DEV=0\nVGPU_PID=77\n"
		      "VGPU_LEVEL=call\nVGPU_OP=cuMemAlloc_v2\nVGPU_LANE=0\nVGPU_FREED_BYTES=7\n"
		      "VGPU_RESULT=2\nVGPU_ERROR=X\nVGPU_ARGS=a=1, b='c d'\nVGPU_RET=\n");
	assert_int_equal(lines_read()[0], '\0');
	/* Foreign words neither end a field nor take the place of the head's. */
	vg_warn(&who, "event=x dom=9 PRIORITY=0 =1 why=\"a\nPRIORITY=0\" MESSAGE=no");
	entry_read(journal);
	assert_int_equal(count("\nPRIORITY="), 1);
	assert_int_equal(count("VGPU_DOM="), 1);
	assert_int_equal(count("MESSAGE=[vgpu]"), 1);
	assert_int_equal(count("\nMESSAGE="), 0);
	assert_non_null(strstr(text, "\nPRIORITY=4\n"));
	assert_non_null(strstr(text, "\nVGPU_WHY=a?PRIORITY=0\n"));
	/* Nobody is there: to standard error, as it understands it. */
	close(journal);
	vg_error(&who, "event=y");
	assert_string_equal(lines_read(), "<3>[vgpu] dom=3 dev=0 pid=77 level=error event=y\n");
	unlink(path);
}

/* Before any line: standard error is the journal, as far as the environment says. */
static int setup(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	if (pipe2(lines, O_NONBLOCK | O_CLOEXEC) || fstat(lines[1], &st))
		return -1;
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	unsetenv("JOURNAL_STREAM");
	vg_log_set_fd(lines[1]);
	if (getenv("LOG_TEST_JOURNAL"))
		setenv("JOURNAL_STREAM", stream, 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_end),
	};
	const struct CMUnitTest journal[] = {cmocka_unit_test(test_journal)};
	int failed;

	/* Whether it is the journal is looked up once: another process asks again. */
	if (getenv("LOG_TEST_JOURNAL"))
		return cmocka_run_group_tests(journal, setup, NULL);
	failed = cmocka_run_group_tests(plain, setup, NULL);
	fflush(NULL);
	setenv("LOG_TEST_JOURNAL", "1", 1);
	if (!failed) {
		execl("/proc/self/exe", "log", (char *)NULL);
		failed = 1;
	}
	return failed;
}
