/* SPDX-License-Identifier: MIT */
/*
 * Options, and the time limit: the calls are made in a thread of their own, for a driver that hangs
 * cannot be called back.
 */
#include "xen-frontend/probe/probe.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_S     20
#define TIMEOUT_MAX_S 3600
#define EXIT_MAX_S    10 /* of the library's own leave-taking */

enum status {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_HANGS
};

struct options {
	int device; /* -1: all */
	unsigned int timeout;
	void (*tell)(const struct probe_report *report, unsigned int hangs);
};

static const char help[] =
	"usage: vgpu-probe [OPTIONS]\n"
	"Runs a small CUDA kernel on each device that programs have here and says how long each step took.\n"
	"\n"
	"  --device N   only the device with this number, as CUDA counts them\n"
	"  --timeout S  give up after so many seconds (20)\n"
	"  --brief      one line\n"
	"  --json       one JSON object\n"
	"  --help\n"
	"\n"
	"Exit status: 0, 1 a step failed, 2 wrong usage, 3 a step did not end in time.\n";

static const struct option long_options[] = {
	{"device", required_argument, NULL, 'd'}, {"timeout", required_argument, NULL, 't'},
	{"brief", no_argument, NULL, 'b'},        {"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static bool number_parse(const char *text, unsigned long max, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *number <= max;
}

static bool option_take(struct options *options, int option)
{
	unsigned long number = 0;

	switch (option) {
	case 'd':
		if (!number_parse(optarg, 4095, &number))
			break;
		options->device = (int)number;
		return true;
	case 't':
		if (!number_parse(optarg, TIMEOUT_MAX_S, &number) || !number)
			break;
		options->timeout = (unsigned int)number;
		return true;
	case 'b': options->tell = probe_tell_brief; return true;
	case 'j': options->tell = probe_tell_json; return true;
	default: return false; /* getopt has complained */
	}
	fprintf(stderr, "vgpu-probe: %s: not a number that this option takes\n", optarg);
	return false;
}

/* -1: go on; else the exit status. */
static int options_parse(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return STATUS_OK;
		}
		if (!option_take(options, option))
			return STATUS_USAGE;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "vgpu-probe: %s: unexpected argument; see vgpu-probe --help\n",
		argv[optind]);
	return STATUS_USAGE;
}

/* --- the thread that may hang ------------------------------------------------------------------ */

static struct probe_report report = {.lock = PTHREAD_MUTEX_INITIALIZER};
static int device_wanted;

static void *calls_make(void *argument)
{
	(void)argument;
	probe_run(&report, device_wanted);
	return NULL;
}

/* With the lock held. False: it was not done in time. */
static bool calls_wait(unsigned int seconds)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (!report.done && !rc)
		rc = pthread_cond_timedwait(&report.ended, &report.lock, &until);
	return report.done;
}

static int calls_start(pthread_t *thread)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&report.ended, &attributes);
	pthread_condattr_destroy(&attributes);
	return pthread_create(thread, NULL, calls_make, NULL);
}

static void leaving_hangs(int signal)
{
	static const char text[] = "vgpu-probe: hangs at exit\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(STATUS_FAILED);
	_exit(STATUS_HANGS);
}

int main(int argc, char **argv)
{
	struct options options = {.device = -1, .timeout = TIMEOUT_S, .tell = probe_tell};
	int status = options_parse(argc, argv, &options);
	pthread_t thread;
	bool done;

	if (status >= 0)
		return status;
	device_wanted = options.device;
	status = calls_start(&thread);
	if (status) {
		fprintf(stderr, "vgpu-probe: %s\n", strerror(status));
		return STATUS_FAILED;
	}
	pthread_mutex_lock(&report.lock);
	done = calls_wait(options.timeout);
	options.tell(&report, done ? 0 : options.timeout);
	if (fflush(stdout))
		status = STATUS_FAILED;
	if (!done)
		_exit(STATUS_HANGS); /* what hangs would hang at exit too */
	pthread_mutex_unlock(&report.lock);
	/* The library ends its session at exit. */
	signal(SIGALRM, leaving_hangs);
	alarm(EXIT_MAX_S);
	pthread_join(thread, NULL);
	return report.failed || status ? STATUS_FAILED : STATUS_OK;
}
