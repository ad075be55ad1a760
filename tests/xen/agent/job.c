/* SPDX-License-Identifier: MIT */
/*
 * Starting and feeding a job. One thread. The host is trusted to say what is run and as whom (it owns
 * this machine), but a malformed request is refused, not guessed at.
 */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 512

struct request {
	const char *user;
	const char *cwd;
	char *env[WORDS_MAX];
	char *argv[WORDS_MAX];
};

/* Splits "user NUL cwd NUL env... NUL args..." in place; every string must end inside the payload. */
static int request_parse(struct request *request, char *text, size_t len)
{
	char *end = text + len;
	char **list = request->env;
	size_t n = 0;

	if (!len || end[-1])
		return -EINVAL;
	request->user = text;
	text += strlen(text) + 1;
	if (text >= end)
		return -EINVAL;
	request->cwd = text;
	for (text += strlen(text) + 1; text < end; text += strlen(text) + 1) {
		if (!*text && list == request->env) {
			list = request->argv;
			n = 0;
			continue;
		}
		if (n == WORDS_MAX - 1)
			return -E2BIG;
		list[n++] = text;
	}
	return request->argv[0] ? 0 : -EINVAL;
}

_Noreturn static void child_fail(const char *what)
{
	dprintf(2, "agent: %s: %s\n", what, strerror(errno));
	_exit(127);
}

static void child_become(const char *user)
{
	struct passwd *pw = getpwnam(user);

	if (!pw) {
		errno = ENOENT;
		child_fail(user);
		return;
	}
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", user, 1);
	if (pw->pw_uid == 0)
		return;
	if (initgroups(user, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		child_fail("change of user");
}

static void child_exec(struct request *request, int in, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(127);
	for (char **env = request->env; *env; env++)
		putenv(*env);
	child_become(request->user);
	if (chdir(request->cwd))
		child_fail(request->cwd);
	execvp(request->argv[0], request->argv);
	child_fail(request->argv[0]);
}

static void pipe_close(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int job_start(struct job *job, const struct frame *run, const char **why)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
	struct request *request = calloc(1, sizeof(*request));
	char *text = malloc(run->len + 1);
	int rc = -ENOMEM;

	*why = "request";
	job->input = malloc(FRAME_WINDOW);
	if (!request || !text || !job->input)
		goto out;
	memcpy(text, run->payload, run->len);
	rc = request_parse(request, text, run->len);
	if (rc)
		goto out;
	*why = "pipe";
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		rc = -errno;
		goto out;
	}
	*why = "fork";
	job->pid = fork();
	if (job->pid < 0) {
		rc = -errno;
		goto out;
	}
	if (job->pid == 0)
		child_exec(request, in[0], out[1], err[1]);
	job->used = true;
	job->channel = run->channel;
	job->credit = FRAME_WINDOW;
	job->in = in[1];
	job->out = out[0];
	job->err = err[0];
	in[1] = out[0] = err[0] = -1;
	fcntl(job->in, F_SETFL, O_NONBLOCK);
	fcntl(job->out, F_SETFL, O_NONBLOCK);
	fcntl(job->err, F_SETFL, O_NONBLOCK);
	rc = 0;
out:
	pipe_close(in);
	pipe_close(out);
	pipe_close(err);
	free(request);
	free(text);
	if (rc) {
		free(job->input);
		memset(job, 0, sizeof(*job));
	}
	return rc;
}

void job_input(struct job *job, const uint8_t *data, size_t len)
{
	if (!len)
		job->in_eof = true;
	if (len > FRAME_WINDOW - job->input_have)
		len = FRAME_WINDOW - job->input_have;
	memcpy(job->input + job->input_have, data, len);
	job->input_have += len;
}

static void job_end_input(struct job *job)
{
	if (job->in >= 0)
		close(job->in);
	job->in = -1;
}

size_t job_feed(struct job *job)
{
	size_t taken = 0;

	/* After the job closed its input, what still comes is taken and dropped. */
	if (job->in < 0)
		taken = job->input_have;
	while (job->in >= 0 && taken < job->input_have) {
		long n = write(job->in, job->input + taken, job->input_have - taken);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			job_end_input(job);
			taken = job->input_have;
			break;
		}
		taken += n;
	}
	job->input_have -= taken;
	memmove(job->input, job->input + taken, job->input_have);
	if (job->in_eof && !job->input_have)
		job_end_input(job);
	return taken;
}

void job_dispose(struct job *job)
{
	if (!job->used)
		return;
	job_end_input(job);
	if (job->out >= 0)
		close(job->out);
	if (job->err >= 0)
		close(job->err);
	free(job->input);
	memset(job, 0, sizeof(*job));
}
