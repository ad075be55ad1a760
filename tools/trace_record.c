/* SPDX-License-Identifier: MIT */
/*
 * Records: executors write into a socket of ours, which xen-vgpud hands to them, and what comes out of it goes into a
 * file. They run what guests say, so each record's head is checked, and that it is its writer's own (SO_PASSCRED).
 *
 * The connection to xen-vgpud is the trace's life: whoever closes it, ends it. Executors write out what they still have then
 * and close the socket, whose end is the recording's.
 */
#include "tools/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/trace_file.h"
#include "protocol/wire.h"
#include "tools/value.h"

#define SEND_BYTES (8 << 20) /* for executors to write into, while the disk is slow */
#define PACKET_MAX (VG_TRACE_BLOCK + sizeof(struct vg_trace_head))
#define LOOK_MS    1000 /* executors are told to write what they hold back */
#define DRAIN_MS   3000 /* for them to let go */
#define UNTOLD_MS  500  /* the same if it was not us who ended it: perhaps nobody has told them */
/* Packets in a row, before other things are looked at. */
#define PACKETS 256

struct recorder {
	const struct trace_wanted *wanted;
	int file, records, control, signals;
	bool looking;   /* the answer to a look is to come */
	bool shown;     /* a line of counts stands on the terminal */
	uint64_t began; /* ms, as all here */
	uint64_t look_at;
	uint64_t drain_by;  /* 0: it is not over */
	const char *why;    /* it is */
	bool full;          /* the file has its most */
	bool untold;        /* and by whom it was is not known */
	bool failed, whole; /* nothing more can be written; all executors have let go */
	uint64_t bytes, sessions, calls, lost, refused;
};

/* --- the file ----------------------------------------------------------------------------------------- */

/* It holds what guests' programs do: only its owner may read it. */
static int file_create(const struct trace_wanted *wanted)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		    (wanted->force ? O_TRUNC : O_EXCL);
	int fd = open(wanted->path, flags, 0600);
	struct stat st;

	if (fd < 0 && errno == EEXIST)
		vgpu_fail("%s is there already: another name, or --force", wanted->path);
	else if (fd < 0)
		vgpu_fail("cannot create %s: %s", wanted->path, strerror(errno));
	else if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		fchmod(fd, 0600);
	return fd;
}

static void recorder_fail(struct recorder *r, const char *why)
{
	if (!r->failed)
		vgpu_fail("%s%s: %s", r->shown ? "\n" : "", r->wanted->path, why);
	r->failed = true;
}

static void file_write(struct recorder *r, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size && !r->failed) {
		ssize_t n = write(r->file, from, size);

		if (n < 0 && errno != EINTR) {
			recorder_fail(r, strerror(errno));
		} else if (n > 0) {
			from += n;
			size -= (size_t)n;
			r->bytes += (uint64_t)n;
		}
	}
}

static void head_write(struct recorder *r)
{
	const struct vg_trace_file head = vg_trace_file_now();

	file_write(r, &head, sizeof(head));
}

/* --- records ------------------------------------------------------------------------------------------ */

static bool head_is_good(const struct vg_trace_head *head, size_t left, pid_t writer)
{
	return head->bytes >= vg_trace_least(head->type) && head->bytes <= left &&
	       head->bytes % 8 == 0 && (writer <= 0 || head->executor == (uint32_t)writer);
}

static bool packet_is_good(const uint8_t *packet, size_t size, pid_t writer)
{
	struct vg_trace_head head;

	for (size_t at = 0; at < size; at += head.bytes) {
		if (size - at < sizeof(head))
			return false;
		memcpy(&head, packet + at, sizeof(head));
		if (!head_is_good(&head, size - at, writer))
			return false;
	}
	return true;
}

static void packet_count(struct recorder *r, const uint8_t *packet, size_t size)
{
	struct vg_trace_head head;
	struct vg_trace_lost lost;

	for (size_t at = 0; at < size; at += head.bytes) {
		memcpy(&head, packet + at, sizeof(head));
		r->sessions += head.type == VG_TRACE_SESSION;
		r->calls += head.type == VG_TRACE_CALL;
		if (head.type != VG_TRACE_LOST)
			continue;
		memcpy(&lost, packet + at, sizeof(lost));
		r->lost += lost.records;
	}
}

static void recorder_end(struct recorder *r, const char *why)
{
	if (r->drain_by)
		return;
	r->why = why;
	r->drain_by = vg_clock_ms() + (r->untold ? UNTOLD_MS : DRAIN_MS);
	if (r->control >= 0)
		close(r->control);
	r->control = -1;
}

static void recorder_ended(struct recorder *r)
{
	r->untold = true;
	recorder_end(r, "the vGPU has gone, or xen-vgpud has ended");
}

static void packet_take(struct recorder *r, const uint8_t *packet, size_t size, pid_t writer)
{
	if (!packet_is_good(packet, size, writer)) {
		r->refused++;
	} else if (r->full || (r->wanted->max_size && r->bytes + size > r->wanted->max_size)) {
		r->full = true; /* no smaller one behind it either: that would leave a hole */
		recorder_end(r, "it has its --max-size");
	} else {
		packet_count(r, packet, size);
		file_write(r, packet, size);
		if (r->failed)
			recorder_end(r, "it could not be written");
	}
}

/* As the kernel says; 0: it does not. */
static pid_t writer_of(struct msghdr *hdr)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(hdr);
	struct ucred who = {.pid = 0};

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(c), sizeof(who));
	return who.pid;
}

/* False: there is none at the moment, or never will be (whole). */
static bool packet_receive(struct recorder *r)
{
	static uint8_t packet[PACKET_MAX];
	struct iovec iov = {packet, sizeof(packet)};
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(r->records, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR;
	r->whole = n == 0;
	if (hdr.msg_flags & MSG_TRUNC)
		r->refused++;
	else if (n > 0)
		packet_take(r, packet, (size_t)n, writer_of(&hdr));
	return n > 0;
}

/* --- xen-vgpud ------------------------------------------------------------------------------------------- */

/* Both ends, ours to read from; false and errno. */
static bool pair_make(int pair[2])
{
	int on = 1, bytes = SEND_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	/* They only write, and wait for nobody. */
	shutdown(pair[0], SHUT_WR);
	return !fcntl(pair[1], F_SETFL, O_NONBLOCK);
}

static struct json_object *request_new(const struct trace_wanted *wanted)
{
	struct json_object *request = json_object_new_object();

	vgpu_put_uint(request, "domid", wanted->domid);
	vgpu_put_flag(request, "data", wanted->data);
	if (wanted->devid >= 0)
		vgpu_put_uint(request, "devid", (uint64_t)wanted->devid);
	if (wanted->session)
		vgpu_put_uint(request, "session", wanted->session);
	return request;
}

static bool trace_ask(struct vgpu *vgpu, struct recorder *r)
{
	struct json_object *answer = NULL;
	int pair[2] = {-1, -1};

	r->control = vgpu_socket_connect(vgpu->socket);
	if (r->control >= 0 && pair_make(pair))
		answer = vgpu_request_on(r->control, "trace", request_new(r->wanted), pair[1]);
	if (!answer && errno)
		vgpu_fail("xen-vgpud does not answer on %s: %s", vgpu->socket, strerror(errno));
	r->records = pair[0];
	if (pair[1] >= 0)
		close(pair[1]);
	if (answer && !r->wanted->quiet)
		fprintf(stderr, "vgpu: recording %llu sessions and those to come; Ctrl-C ends it\n",
			(unsigned long long)vgpu_uint(answer, "sessions"));
	json_object_put(answer);
	return answer != NULL;
}

/* Its answer says nothing but that xen-vgpud is there. */
static void look_ask(struct recorder *r, uint64_t now)
{
	static const char look[] = "{\"vgpu\":1,\"request\":\"look\",\"domid\":%u}\n";
	char line[64];
	int n = snprintf(line, sizeof(line), look, r->wanted->domid);

	if (r->control < 0 || now < r->look_at)
		return;
	r->look_at = now + LOOK_MS;
	if (!r->looking && send(r->control, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n)
		r->looking = true;
}

static void control_read(struct recorder *r)
{
	char bytes[512];
	ssize_t n = recv(r->control, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		recorder_ended(r);
	else if (bytes[n - 1] == '\n')
		r->looking = false;
}

/* --- the loop ------------------------------------------------------------------------------------------- */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* The second one does not wait for executors. */
static void signals_read(struct recorder *r)
{
	struct signalfd_siginfo info;

	if (read(r->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (r->drain_by)
		r->drain_by = 1;
	recorder_end(r, NULL);
}

static void counts_show(struct recorder *r)
{
	if (r->wanted->quiet || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%llu sessions, %llu calls, %sB, %llu lost \033[K",
		(unsigned long long)r->sessions, (unsigned long long)r->calls, vgpu_bytes(r->bytes),
		(unsigned long long)r->lost);
	r->shown = true;
}

static void recorder_turn(struct recorder *r)
{
	struct pollfd fds[] = {{.fd = r->records, .events = POLLIN},
			       {.fd = r->control, .events = POLLIN},
			       {.fd = r->signals, .events = POLLIN}};
	uint64_t now = vg_clock_ms(), end = r->began + r->wanted->seconds * 1000;

	if (poll(fds, 3, r->drain_by ? 100 : LOOK_MS / 4) < 0 && errno != EINTR)
		recorder_fail(r, strerror(errno));
	for (int i = 0; i < PACKETS && fds[0].revents && packet_receive(r); i++)
		;
	if (fds[1].revents)
		control_read(r);
	if (fds[2].revents)
		signals_read(r);
	if (r->wanted->seconds && now >= end)
		recorder_end(r, NULL);
	if (r->whole)
		recorder_ended(r);
	if (now >= r->look_at)
		counts_show(r);
	look_ask(r, now);
}

static void recorder_run(struct recorder *r)
{
	r->began = vg_clock_ms();
	r->look_at = r->began + LOOK_MS;
	while (!r->whole && !(r->drain_by && vg_clock_ms() >= r->drain_by))
		recorder_turn(r);
}

static void result_print(const struct recorder *r)
{
	if (r->shown)
		fputc('\n', stderr);
	if (r->why)
		fprintf(stderr, "vgpu: the recording has ended: %s\n", r->why);
	if (!r->whole && !r->untold)
		fprintf(stderr, "vgpu: not all executors have written what they had within %d s\n",
			DRAIN_MS / 1000);
	if (r->refused)
		fprintf(stderr, "vgpu: %llu packets of executors made no sense and are left out\n",
			(unsigned long long)r->refused);
	if (r->wanted->quiet)
		return;
	printf("%s: %llu sessions, %llu calls, %llu bytes, %llu lost\n", r->wanted->path,
	       (unsigned long long)r->sessions, (unsigned long long)r->calls,
	       (unsigned long long)r->bytes, (unsigned long long)r->lost);
}

int trace_record(struct vgpu *vgpu, const struct trace_wanted *wanted)
{
	struct recorder r = {.wanted = wanted, .records = -1, .control = -1};

	r.signals = signals_open();
	r.file = file_create(wanted);
	if (r.file < 0)
		return VGPU_FAILED;
	head_write(&r);
	if (r.failed || !trace_ask(vgpu, &r)) {
		if (!wanted->force)
			unlink(wanted->path);
		return VGPU_FAILED;
	}
	recorder_run(&r);
	if (r.control >= 0)
		close(r.control);
	close(r.records);
	if (close(r.file))
		recorder_fail(&r, strerror(errno));
	result_print(&r);
	return r.failed ? VGPU_FAILED : VGPU_DONE;
}
