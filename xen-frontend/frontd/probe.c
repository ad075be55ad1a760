/* SPDX-License-Identifier: MIT */
/*
 * Answers the host's PROBE: how this broker stands, at once; whether a kernel runs, by vgpu-probe, a
 * program like any other that connects to our own socket. It is started without waiting, one at a time
 * for all devices, read as it writes, and killed when it takes too long.
 */
#include "xen-frontend/frontd/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xen-frontend/frontd/broker.h"
#include "xen-frontend/frontd/client.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/device.h"

#define RUN_MAX_MS 30000 /* more than vgpu-probe gives itself */
#define ENV_MAX    256

/* --- the answers ------------------------------------------------------------------------------- */

static void answer_set(struct fe_device *device, enum vg_probe kind, int32_t status,
		       const char *text)
{
	const struct fe_broker *broker = device->owner;
	struct vg_control *answer = &device->probe.kinds[kind].answer;
	uint64_t pages = 0;

	for (const struct fe_client *c = broker->clients; c; c = c->next)
		pages += fe_client_pages(c);
	*answer = (struct vg_control){
		.type = VG_CTL_PROBED,
		.tag = device->probe.kinds[kind].tag,
		.status = status,
		.u.probed = {.programs = broker->client_count,
			     .sessions = device->sessions,
			     .pages = (uint32_t)pages,
			     .pages_max = broker->options.pages_max,
			     .protocol = VG_PROTOCOL_VERSION},
	};
	snprintf(answer->text, sizeof(answer->text), "%s", text);
	device->probe.kinds[kind].state = FE_PROBE_DUE;
}

bool fe_probe_flush(struct fe_probe *probe, struct fe_ring *ring, int *rc)
{
	bool moved = false;

	for (size_t i = 0; i < 2 && *rc == 0; i++) {
		if (probe->kinds[i].state != FE_PROBE_DUE)
			continue;
		*rc = fe_ring_push(ring, &probe->kinds[i].answer);
		if (*rc)
			break; /* full: it is told when there is room */
		probe->kinds[i].state = FE_PROBE_NONE;
		moved = true;
	}
	return moved;
}

void fe_probe_drop(struct fe_probe *probe)
{
	*probe = (struct fe_probe){0};
}

/* --- vgpu-probe -------------------------------------------------------------------------------- */

/* Not of the service's: its socket to systemd, and what would choose another device. */
static const char *const env_dropped[] = {
	"VGPU_SOCKET=", "VGPU_DEVICE=", "CUDA_VISIBLE_DEVICES=", "NOTIFY_SOCKET=", "WATCHDOG_",
};

static bool env_keeps(const char *entry)
{
	for (size_t i = 0; i < sizeof(env_dropped) / sizeof(env_dropped[0]); i++)
		if (!strncmp(entry, env_dropped[i], strlen(env_dropped[i])))
			return false;
	return true;
}

static void env_fill(char **env, char *socket, char *device)
{
	size_t count = 0;

	env[count++] = socket;
	env[count++] = device;
	for (char **e = environ; *e && count < ENV_MAX; e++)
		if (env_keeps(*e))
			env[count++] = *e;
	env[count] = NULL;
}

/* In the child; libxenstore has a thread, so only async-signal-safe calls until it execs. */
static void child_run(const char *program, char **env, int out)
{
	char name[] = "vgpu-probe", brief[] = "--brief";
	char *argv[] = {name, brief, NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	execve(program, argv, env);
	_exit(127);
}

/* Its pid, or a negative errno. */
static pid_t child_start(const struct fe_broker *broker, uint32_t devid, int *out)
{
	char socket[FE_OPTION_PATH + 16], device[32];
	char *env[ENV_MAX + 1];
	int pipe_fds[2];
	pid_t pid;

	if (!broker->probe_program || access(broker->probe_program, X_OK))
		return -ENOENT;
	snprintf(socket, sizeof(socket), "VGPU_SOCKET=%s", broker->options.socket_path);
	snprintf(device, sizeof(device), "VGPU_DEVICE=%u", devid);
	env_fill(env, socket, device);
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK); /* our end only */
	pid = fork();
	if (pid == 0)
		child_run(broker->probe_program, env, pipe_fds[1]);
	if (pid < 0) {
		pid = -errno;
		close(pipe_fds[0]);
	} else {
		*out = pipe_fds[0];
	}
	close(pipe_fds[1]);
	return pid;
}

static void run_start(struct fe_broker *broker, struct fe_device *device)
{
	struct fe_probe_run *run = &broker->probe;
	char text[VG_TEXT_MAX];
	pid_t pid;

	*run = (struct fe_probe_run){.fd = -1, .devid = device->devid};
	pid = child_start(broker, device->devid, &run->fd);
	if (pid < 0) {
		snprintf(text, sizeof(text), "cannot run %.80s: %s",
			 broker->probe_program ? broker->probe_program : "vgpu-probe",
			 strerror(-pid));
		answer_set(device, VG_PROBE_KERNEL, pid, text);
		return;
	}
	run->pid = pid;
	run->killed_at = fe_clock_ms() + RUN_MAX_MS;
	device->probe.kinds[VG_PROBE_KERNEL].state = FE_PROBE_RUNNING;
	vg_info(&device->log, "op=probe pid=%d", (int)pid);
}

static void runs_start(struct fe_broker *broker)
{
	for (struct fe_device *d = broker->devices; d && !broker->probe.pid; d = d->next)
		if (d->probe.kinds[VG_PROBE_KERNEL].state == FE_PROBE_ASKED)
			run_start(broker, d);
}

/* Its first line, as far as there is room. A reader that stops reading would stop it. */
static void run_read(struct fe_probe_run *run)
{
	char more[512];

	while (run->fd >= 0) {
		ssize_t n = read(run->fd, more, sizeof(more));
		size_t room = sizeof(run->text) - 1 - run->used;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close(run->fd);
			run->fd = -1;
			return;
		}
		room = (size_t)n < room ? (size_t)n : room;
		memcpy(run->text + run->used, more, room);
		run->used += room;
		run->text[run->used] = '\0';
		if ((size_t)n == sizeof(more))
			return; /* the others' turn; a flood has a time limit */
	}
}

static int32_t run_status(const struct fe_probe_run *run, int wstatus)
{
	if (run->killed)
		return -ETIMEDOUT;
	if (!WIFEXITED(wstatus))
		return -EIO;
	switch (WEXITSTATUS(wstatus)) {
	case 0: return 0;
	case 3: return -ETIMEDOUT;
	case 126:
	case 127: return -ENOEXEC;
	default: return -EIO;
	}
}

static void run_end(struct fe_broker *broker, int wstatus)
{
	struct fe_probe_run *run = &broker->probe;
	struct fe_device *device = broker->devices;
	int32_t status = run_status(run, wstatus);

	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	run->pid = 0;
	while (device && device->devid != run->devid)
		device = device->next;
	/* Detached, or connected anew, meanwhile: nobody has asked for it. */
	if (!device || device->probe.kinds[VG_PROBE_KERNEL].state != FE_PROBE_RUNNING)
		return;
	run->text[strcspn(run->text, "\n")] = '\0';
	vg_log_clean(run->text);
	if (run->killed)
		snprintf(run->text, sizeof(run->text), "vgpu-probe did not end within %d s",
			 RUN_MAX_MS / 1000);
	else if (!WIFEXITED(wstatus))
		snprintf(run->text, sizeof(run->text), "vgpu-probe was killed by signal %d",
			 WTERMSIG(wstatus));
	else if (!run->text[0])
		snprintf(run->text, sizeof(run->text), "vgpu-probe ended with status %d",
			 WEXITSTATUS(wstatus));
	vg_info(&device->log, "op=probed status=%d text=\"%s\"", status, run->text);
	answer_set(device, VG_PROBE_KERNEL, status, run->text);
}

void fe_probes_step(struct fe_broker *broker)
{
	struct fe_probe_run *run = &broker->probe;
	int wstatus;

	if (run->pid) {
		/* Asked before the last is read: what it wrote before its end is there. */
		bool ended = waitpid(run->pid, &wstatus, WNOHANG) == run->pid;

		run_read(run);
		if (ended) {
			run_end(broker, wstatus);
		} else if (fe_clock_ms() >= run->killed_at) {
			run->killed = true;
			kill(run->pid, SIGKILL);
		}
	}
	runs_start(broker);
}

bool fe_probes_timed(const struct fe_broker *broker)
{
	return broker->probe.pid != 0;
}

/* We end: it is not waited for. */
void fe_probes_free(struct fe_broker *broker)
{
	struct fe_probe_run *run = &broker->probe;

	if (!run->pid)
		return;
	kill(run->pid, SIGKILL);
	if (run->fd >= 0)
		close(run->fd);
	*run = (struct fe_probe_run){.fd = -1};
}

/* --- the questions ----------------------------------------------------------------------------- */

void fe_probe_take(struct fe_device *device, const struct vg_control *msg)
{
	struct fe_broker *broker = device->owner;
	bool kernel = msg->u.probe.what == VG_PROBE_KERNEL;
	enum vg_probe kind = kernel ? VG_PROBE_KERNEL : VG_PROBE_ALIVE;

	device->probe.kinds[kind].tag = msg->tag;
	if (msg->u.probe.what > VG_PROBE_KERNEL) {
		answer_set(device, kind, -EOPNOTSUPP, "this vgpu-frontd does not know that probe");
	} else if (!kernel) {
		answer_set(device, kind, 0, "");
	} else if (!broker->options.probe) {
		answer_set(device, kind, -EPERM,
			   "not allowed in this guest: its vgpu-frontd.conf has probe = no");
	} else if (device->probe.kinds[kind].state != FE_PROBE_RUNNING) {
		device->probe.kinds[kind].state = FE_PROBE_ASKED;
		runs_start(broker);
	}
}
