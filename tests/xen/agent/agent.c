/* SPDX-License-Identifier: MIT */
/*
 * The test agent: runs commands in dom0 or in a guest for tests/xen/xenhost, many at a time, over one
 * byte stream (see frame.h). Process 1 of the test systems, so it reaps orphans too.
 *
 *   agent DEVICE          serve the stream at DEVICE (a virtio-serial port or /dev/hvc0)
 *   agent --relay DEVICE  copy standard input to DEVICE and DEVICE to standard output (a guest's
 *                         console in dom0: the host speaks the guest's frames through it)
 *
 * One thread, one poll loop. Test machinery only: whoever holds the other end is root here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "frame.h"
#include "job.h"

#define JOBS_MAX 64

struct agent {
	int link;
	int signals;
	struct frame_reader reader;
	struct job jobs[JOBS_MAX];
};

static struct job *agent_job(struct agent *agent, uint16_t channel)
{
	for (int i = 0; i < JOBS_MAX; i++)
		if (agent->jobs[i].used && agent->jobs[i].channel == channel)
			return &agent->jobs[i];
	return NULL;
}

static void agent_send_u32(struct agent *agent, uint8_t type, uint16_t channel, uint32_t value)
{
	uint8_t raw[4] = {value, value >> 8, value >> 16, value >> 24};

	frame_send(agent->link, type, channel, raw, sizeof(raw));
}

static void agent_run(struct agent *agent, const struct frame *frame)
{
	struct job *job = NULL;
	const char *why = "too many jobs";
	char text[160];
	int rc = -EAGAIN;

	for (int i = 0; i < JOBS_MAX && !job; i++)
		if (!agent->jobs[i].used)
			job = &agent->jobs[i];
	if (job)
		rc = job_start(job, frame, &why);
	if (!rc)
		return;
	snprintf(text, sizeof(text), "%s: %s", why, strerror(-rc));
	frame_send(agent->link, FRAME_FAIL, frame->channel, text, strlen(text));
}

static void agent_feed(struct agent *agent, struct job *job)
{
	size_t taken = job_feed(job);

	if (taken)
		agent_send_u32(agent, FRAME_TAKEN, job->channel, taken);
}

static void agent_handle(struct agent *agent, const struct frame *frame)
{
	struct job *job = agent_job(agent, frame->channel);

	if (frame->type == FRAME_HELLO) {
		frame_send(agent->link, FRAME_READY, frame->channel, NULL, 0);
	} else if (frame->type == FRAME_RUN && !job) {
		agent_run(agent, frame);
	} else if (frame->type == FRAME_IN && job) {
		job_input(job, frame->payload, frame->len);
		agent_feed(agent, job);
	} else if (frame->type == FRAME_SIGNAL && job && frame->len == 1) {
		if (job->pid > 0)
			kill(-job->pid, frame->payload[0]);
	} else if (frame->type == FRAME_CREDIT && job && frame->len == 4) {
		uint32_t credit;

		memcpy(&credit, frame->payload, 4);
		job->credit += credit;
	}
	/* Anything else speaks of a job that has ended: the frames crossed on the way. */
}

/* Sends one piece of a job's output; false when there is nothing more for now. */
static bool agent_output(struct agent *agent, struct job *job, int *fd, uint8_t type)
{
	uint8_t buf[FRAME_OUT_MAX];
	long room = job->credit < FRAME_OUT_MAX ? job->credit : FRAME_OUT_MAX;
	long n;

	if (*fd < 0 || room <= 0)
		return false;
	n = read(*fd, buf, room);
	if (n < 0)
		return false;
	if (n == 0) {
		close(*fd);
		*fd = -1;
		return false;
	}
	job->credit -= n;
	frame_send(agent->link, type, job->channel, buf, n);
	return true;
}

/*
 * A job ends when its process has ended and what it had written is sent. Children that keep the pipes
 * open do not hold it up: a daemon started in the background is not part of the job.
 */
static void agent_exit(struct agent *agent, struct job *job, int status)
{
	uint8_t raw[2] = {WIFSIGNALED(status),
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)};

	job->credit += FRAME_WINDOW;
	while (agent_output(agent, job, &job->out, FRAME_OUT))
		;
	while (agent_output(agent, job, &job->err, FRAME_ERR))
		;
	frame_send(agent->link, FRAME_EXIT, job->channel, raw, sizeof(raw));
	job_dispose(job);
}

static void agent_reap(struct agent *agent)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(agent->signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < JOBS_MAX; i++)
			if (agent->jobs[i].used && agent->jobs[i].pid == pid)
				agent_exit(agent, &agent->jobs[i], status);
}

static int agent_wait(struct agent *agent)
{
	struct pollfd fds[2 + 3 * JOBS_MAX];
	int n = 0;

	fds[n++] = (struct pollfd){.fd = agent->link, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = agent->signals, .events = POLLIN};
	for (int i = 0; i < JOBS_MAX; i++) {
		struct job *job = &agent->jobs[i];

		if (!job->used)
			continue;
		if (job->credit > 0) {
			fds[n++] = (struct pollfd){.fd = job->out, .events = POLLIN};
			fds[n++] = (struct pollfd){.fd = job->err, .events = POLLIN};
		}
		if (job->input_have)
			fds[n++] = (struct pollfd){.fd = job->in, .events = POLLOUT};
	}
	if (poll(fds, n, -1) < 0 && errno != EINTR)
		return -errno;
	return fds[0].revents;
}

static int agent_serve(struct agent *agent)
{
	struct frame frame;
	int events;
	long rc;

	frame_send(agent->link, FRAME_READY, 0, NULL, 0);
	for (;;) {
		events = agent_wait(agent);
		if (events < 0)
			return events;
		if (events) {
			rc = frame_fill(&agent->reader, agent->link);
			if (rc < 0)
				return rc;
			if (rc ==
			    0) /* a port whose host end is closed reads as ended: wait for it */
				usleep(100000);
			while (frame_next(&agent->reader, &frame))
				agent_handle(agent, &frame);
		}
		for (int i = 0; i < JOBS_MAX; i++) {
			if (!agent->jobs[i].used)
				continue;
			agent_feed(agent, &agent->jobs[i]);
			agent_output(agent, &agent->jobs[i], &agent->jobs[i].out, FRAME_OUT);
			agent_output(agent, &agent->jobs[i], &agent->jobs[i].err, FRAME_ERR);
		}
		agent_reap(agent);
	}
}

static int device_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios tio;

	if (fd >= 0 && !tcgetattr(fd, &tio)) {
		cfmakeraw(&tio);
		tio.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &tio);
	}
	return fd;
}

static int copy_stream(int from, int to)
{
	char buf[4096];
	long n, done;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += done) {
			done = write(to, buf + at, n - at);
			if (done < 0)
				return 1;
		}
	return n < 0;
}

static int relay(const char *path)
{
	int fd = device_open(path);
	pid_t feeder;
	int rc;

	if (fd < 0) {
		perror(path);
		return 1;
	}
	feeder = fork();
	if (feeder == 0)
		_exit(copy_stream(0, fd));
	rc = copy_stream(fd, 1);
	kill(feeder, SIGKILL);
	return rc;
}

int main(int argc, char **argv)
{
	static struct agent agent;
	sigset_t child;
	int rc;

	if (argc == 3 && !strcmp(argv[1], "--relay"))
		return relay(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: agent [--relay] DEVICE\n");
		return 2;
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	agent.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	agent.link = device_open(argv[1]);
	if (agent.signals < 0 || agent.link < 0) {
		perror(argv[1]);
		return 1;
	}
	rc = agent_serve(&agent);
	fprintf(stderr, "agent: %s: %s\n", argv[1], strerror(-rc));
	return 1;
}
