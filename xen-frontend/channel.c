/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the control socket: opens a session, adds and drops shares.
 *
 * Trusts vgpu-frontd (it runs as root in the same guest) and vgpu-run's executor as far as its own process
 * goes, but checks the form of what they say. Runs in whichever thread calls, under libcuda's
 * session lock; makes no thread of its own.
 */
#include "channel_pages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Time limits for an answer. OPEN starts a process and a CUDA driver on the other side. */
#define OPEN_TIMEOUT_MS    60000
#define REQUEST_TIMEOUT_MS 30000
/* A lane is drained before it is dropped, and what is in it may wait for the device. */
#define UNSHARE_TIMEOUT_MS 610000
/* Messages read while one answer is awaited; more is a peer that has lost its mind. */
#define STRAY_MAX 16

void fe_text(char *text, const char *format, ...)
{
	va_list args;

	if (!text)
		return;
	va_start(args, format);
	vsnprintf(text, VG_TEXT_MAX, format, args);
	va_end(args);
}

/* From here on every use of the channel, and every poll of its socket, says "lost". */
static void channel_break(struct fe_channel *channel)
{
	if (channel->sock >= 0)
		shutdown(channel->sock, SHUT_RDWR);
}

static int channel_lost(struct fe_channel *channel, const struct vg_packet *gone, char *text)
{
	channel_break(channel);
	if (gone && gone->msg.text[0])
		fe_text(text, "%s", gone->msg.text);
	else
		fe_text(text, "the session was ended by the other side");
	return -EPIPE;
}

/* Waits for the answer to `tag`. Its descriptors belong to the caller. */
static int answer_wait(struct fe_channel *channel, uint32_t tag, struct vg_packet *answer,
		       int timeout_ms, char *text)
{
	for (int i = 0; i < STRAY_MAX; i++) {
		int rc = vg_packet_recv(channel->sock, answer, timeout_ms);

		if (rc == -EPIPE)
			return channel_lost(channel, NULL, text);
		if (rc) {
			channel_break(channel);
			fe_text(text, "no answer from the vGPU service: %s", strerror(-rc));
			return rc;
		}
		if (answer->msg.type == VG_CTL_ANSWER && answer->msg.tag == tag)
			return 0;
		vg_packet_close_fds(answer);
		if (answer->msg.type == VG_CTL_GONE)
			return channel_lost(channel, answer, text);
	}
	channel_break(channel);
	fe_text(text, "the vGPU service answers other questions than were asked");
	return -EPROTO;
}

/*
 * Sends `request` and waits for its answer: 0 when the answer's status is 0, otherwise that status
 * or what went wrong on the way. On 0 the answer's descriptors belong to the caller.
 */
static int channel_request(struct fe_channel *channel, struct vg_packet *request,
			   struct vg_packet *answer, int timeout_ms, char *text)
{
	int rc;

	vg_packet_init(answer, 0, 0);
	if (channel->sock < 0)
		return -EPIPE;
	request->msg.tag = ++channel->tag;
	rc = vg_packet_send(channel->sock, request);
	/* On EPIPE the reason may still lie in the socket: look for it. */
	if (rc && rc != -EPIPE) {
		fe_text(text, "cannot ask the vGPU service: %s", strerror(-rc));
		channel_break(channel);
		return rc;
	}
	rc = answer_wait(channel, request->msg.tag, answer, timeout_ms, text);
	if (rc)
		return rc;
	if (answer->msg.status == 0)
		return 0;
	vg_packet_close_fds(answer);
	fe_text(text, "%s", answer->msg.text[0] ? answer->msg.text : strerror(EIO));
	return answer->msg.status < 0 && answer->msg.status > -4096 ? answer->msg.status : -EPROTO;
}

static const char *socket_path(void)
{
	const char *path = secure_getenv("VGPU_SOCKET");

	return path && path[0] ? path : FE_SOCKET_DEFAULT;
}

static void connect_text(int rc, const char *path, char *text)
{
	if (rc == -EACCES)
		fe_text(text,
			"this user may not use the vGPU: %s belongs to another group "
			"(see 'ls -l %s'; usually: join the group vgpu)",
			path, path);
	else if (rc == -ENOENT)
		fe_text(text,
			"nobody serves %s: no vGPU is attached to this guest, or vgpu-frontd does "
			"not run in it",
			path);
	else
		fe_text(text, "cannot connect to %s: %s", path, strerror(-rc));
}

static int socket_connect(char *text)
{
	const char *path = socket_path();
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, rc;

	if (strlen(path) >= sizeof(address.sun_path)) {
		connect_text(-ENAMETOOLONG, path, text);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	do
		rc = connect(sock, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	while (rc == -EINTR);
	if (rc == 0)
		return sock;
	close(sock);
	if (rc == -ECONNREFUSED || rc == -ENOTDIR)
		rc = -ENOENT;
	connect_text(rc, path, text);
	return rc;
}

/* N or N,M,...: the vGPUs that are wanted, and no others. False: it is not such a list. */
static bool devices_parse(const char *text, struct vg_control_open *open)
{
	open->count = 0;
	for (;;) {
		unsigned long devid;
		char *end;

		errno = 0;
		devid = strtoul(text, &end, 10);
		if (end == text || *text == '-' || *text == '+' || errno || devid > UINT8_MAX ||
		    open->count == VG_SESSION_DEVICES || (*end && *end != ','))
			return false;
		open->devids[open->count++] = (uint8_t)devid;
		if (!*end)
			return true;
		text = end + 1;
	}
}

static void wanted_devices(struct vg_control_open *open)
{
	const char *text = secure_getenv("VGPU_DEVICE");

	if (!text || !text[0])
		open->count = 0;
	else if (!devices_parse(text, open))
		/* Nonsense must not silently mean "any". */
		open->count = VG_OPEN_NONSENSE;
}

/* What the driver would read in this program's environment, if it were in it. */
static uint32_t wanted_jit(void)
{
	uint32_t jit = 0;
	const char *text;

#define LOOK(name, bit)                    \
	text = getenv(name);               \
	if (text && strtol(text, NULL, 0)) \
		jit |= (bit);
	VG_JIT_VARIABLES(LOOK)
#undef LOOK
	return jit;
}

static void program_name(char comm[VG_COMM_MAX])
{
	const char *name = program_invocation_short_name;

	strncpy(comm, name ? name : "?", VG_COMM_MAX - 1);
	comm[VG_COMM_MAX - 1] = '\0';
}

static int limits_check(const struct vg_limits *limits, char *text)
{
	if ((limits->channel == VG_CHANNEL_LOCAL || limits->channel == VG_CHANNEL_XEN) &&
	    limits->lanes > 0 && limits->lanes <= VG_LANES_MAX && limits->lane_pages > 0)
		return 0;
	fe_text(text, "the vGPU service grants limits that make no sense");
	return -EPROTO;
}

int fe_channel_open(struct fe_channel *channel, uint64_t spec_hash, char *text)
{
	struct vg_packet request, answer;
	int rc;

	*channel = FE_CHANNEL_NONE;
	fe_text(text, "%s", "");
	channel->sock = socket_connect(text);
	if (channel->sock < 0) {
		rc = channel->sock;
		*channel = FE_CHANNEL_NONE;
		return rc;
	}
	vg_packet_init(&request, VG_CTL_OPEN, 0);
	request.msg.u.open.protocol = VG_PROTOCOL_VERSION;
	request.msg.u.open.pid = (uint32_t)getpid();
	request.msg.u.open.uid = (uint32_t)getuid();
	wanted_devices(&request.msg.u.open);
	request.msg.u.open.spec_hash = spec_hash;
	request.msg.u.open.jit = channel->jit = wanted_jit();
	program_name(request.msg.u.open.comm);
	rc = channel_request(channel, &request, &answer, OPEN_TIMEOUT_MS, text);
	if (rc == 0) {
		vg_packet_close_fds(&answer);
		channel->limits = answer.msg.u.answer.limits;
		rc = limits_check(&channel->limits, text);
	}
	if (rc)
		fe_channel_close(channel);
	return rc;
}

void fe_channel_close(struct fe_channel *channel)
{
	if (channel->sock >= 0) {
		struct vg_packet bye;

		/* A courtesy: the end of the socket says the same. It must never block. */
		vg_packet_init(&bye, VG_CTL_CLOSE, ++channel->tag);
		(void)send(channel->sock, &bye.msg, sizeof(bye.msg), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(channel->sock);
	}
	*channel = FE_CHANNEL_NONE;
}

int fe_channel_check(struct fe_channel *channel, char *text)
{
	struct vg_packet packet;
	int rc;

	if (channel->sock < 0)
		return channel_lost(channel, NULL, text);
	rc = vg_packet_recv(channel->sock, &packet, 0);
	if (rc == -ETIMEDOUT)
		return 0;
	if (rc)
		return channel_lost(channel, NULL, text);
	vg_packet_close_fds(&packet);
	/* Outside of a request only GONE is allowed to arrive. */
	return channel_lost(channel, packet.msg.type == VG_CTL_GONE ? &packet : NULL, text);
}

static const struct fe_pages_ops *pages_ops(const struct fe_channel *channel)
{
	return channel->limits.channel == VG_CHANNEL_XEN ? &fe_pages_xen : &fe_pages_local;
}

static int channel_unshare(struct fe_channel *channel, uint32_t id, uint32_t kind)
{
	struct vg_packet request, answer;
	int rc;

	vg_packet_init(&request, VG_CTL_UNSHARE, 0);
	request.msg.u.unshare.id = id;
	request.msg.u.unshare.kind = kind;
	rc = channel_request(channel, &request, &answer, UNSHARE_TIMEOUT_MS, NULL);
	if (rc == 0)
		vg_packet_close_fds(&answer);
	return rc;
}

int fe_channel_share(struct fe_channel *channel, const struct vg_control_share *want,
		     struct fe_share *share, char *text)
{
	return fe_channel_share_at(channel, want, want->address, share, text);
}

int fe_channel_share_at(struct fe_channel *channel, const struct vg_control_share *want,
			uint64_t at, struct fe_share *share, char *text)
{
	const struct fe_pages_ops *ops = pages_ops(channel);
	struct vg_packet request, answer;
	int rc;

	*share = (struct fe_share){
		.id = want->id,
		.kind = want->kind,
		.bytes = (size_t)want->pages * VG_PAGE_SIZE,
		.bell = VG_BELL_NONE,
		.at = at,
	};
	vg_packet_init(&request, VG_CTL_SHARE, 0);
	request.msg.u.share = *want;
	vg_packet_init(&answer, 0, 0);
	rc = ops->offer ? ops->offer(want, share, &request, text) : 0;
	if (rc)
		goto out;
	rc = channel_request(channel, &request, &answer, REQUEST_TIMEOUT_MS, text);
	if (rc)
		goto out;
	rc = ops->take ? ops->take(want, share, &answer, text) : 0;
	if (rc)
		channel_unshare(channel, want->id, want->kind);
out:
	vg_packet_close_fds(&request);
	vg_packet_close_fds(&answer);
	if (rc)
		fe_pages_discard(share);
	return rc;
}

int fe_channel_unshare(struct fe_channel *channel, struct fe_share *share)
{
	int rc;

	if (!share->base)
		return 0;
	/* The executor lets go first: pages that are freed while it maps them stay on the
	 * kernel's slow list of deferred frees. */
	rc = channel_unshare(channel, share->id, share->kind);
	fe_pages_discard(share);
	return rc;
}

static void addresses_reserve(void *at, size_t bytes)
{
	/* It cannot fail for lack of room: it takes the place of something. */
	(void)mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		   -1, 0);
}

int fe_pages_map(const struct vg_control_share *want, struct fe_share *share, int fd,
		 uint64_t offset)
{
	int fixed = want->kind == VG_SHARE_REGION ? MAP_FIXED : 0;
	void *at = fixed ? (void *)(uintptr_t)share->at : NULL; /* NOLINT */
	void *base;

	if (fixed && (!share->at || share->at % VG_PAGE_SIZE))
		return -EINVAL;
	base = mmap(at, share->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd,
		    (off_t)offset);
	if (base == MAP_FAILED) {
		int rc = -errno;

		/* A failed MAP_FIXED may have taken the reservation away all the same. */
		if (fixed)
			addresses_reserve(at, share->bytes);
		return rc;
	}
	share->base = base;
	/* A forked child has no session; were it to hold the pages, the parent's death would go
	 * unnoticed until the child's. */
	madvise(base, share->bytes, MADV_DONTFORK);
	return 0;
}

void fe_pages_discard(struct fe_share *share)
{
	if (share->base && share->kind == VG_SHARE_REGION)
		addresses_reserve(share->base, share->bytes);
	else if (share->base)
		munmap(share->base, share->bytes);
	share->base = NULL;
	vg_bell_close(&share->bell);
}
