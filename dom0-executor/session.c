/* SPDX-License-Identifier: MIT */
/*
 * The session: the control socket's messages, and an end that frees everything.
 *
 * On the local channel the peer is the guest itself: nothing that it sends is believed. Runs in the
 * main thread, but for the functions at the end.
 */
#include "dom0-executor/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "protocol/calls.h"
#include "protocol/socket.h"

#include "dom0-executor/adopt.h"
#include "dom0-executor/driver.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/link.h"
#include "dom0-executor/look.h"
#include "dom0-executor/memory.h"
#include "dom0-executor/pool_share.h"
#include "dom0-executor/share.h"

#define ARENA_BYTES  (64ull << 30)
#define END_WAIT_MS  2000
#define SEND_TEXT(p) ((p)->msg.text)

/* --- made and ended ----------------------------------------------------------------------------- */

/*
 * Where both sides are likely to have nothing: between the heap and the libraries, and above
 * the addresses of libcuda-soft's memory (0x200000000000 and up).
 */
static const uint64_t arena_places[] = {
#ifdef VG_TSAN /* its shadow lies at the others, and it ends the process that asks for them */
	0x4000000000,
#else
	0x300000000000,
	0x400000000000,
	0x100000000000,
#endif
};

static void arena_reserve(struct ex_session *session)
{
	for (size_t i = 0; i < sizeof(arena_places) / sizeof(arena_places[0]); i++) {
		void *want = (void *)(uintptr_t)arena_places[i];
		void *got = mmap(want, ARENA_BYTES, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
				 -1, 0);

		if (got == want) {
			session->arena_base = arena_places[i];
			session->arena_size = ARENA_BYTES;
			return;
		}
		if (got != MAP_FAILED)
			munmap(got, ARENA_BYTES);
	}
	vg_warn(&session->who, "event=no-arena error=\"%s\" effect=\"pinned memory is staged\"",
		strerror(errno));
}

/* A handle has gone: so has what hangs on it. */
static void handle_dropped(void *context, enum vg_handle_type type, uint64_t handle, void *real,
			   void *cookie)
{
	struct ex_session *session = context;

	switch (type) {
	case VG_HANDLE_CUcontext: ex_context_left(session, handle); /* fall through */
	case VG_HANDLE_CUmodule:
	case VG_HANDLE_CUlibrary:
		ex_ranges_remove_owned(&session->ranges, handle);
		atomic_store(&session->usage.stale, true);
		break;
	case VG_HANDLE_CUmemoryPool: ex_pool_unshare(session, handle); break;
	case VG_HANDLE_CUevent: ex_ipc_withdraw(session, VG_OFFER_EVENT, handle); break;
	case VG_HANDLE_CUlinkState: ex_link_forget(session, real); break;
	default: break;
	}
	ex_charge_drop(session, cookie);
}

static void range_gone(void *context, const struct ex_span *span)
{
	struct ex_session *session = context;

	if (span->kind == EX_RANGE_DEVICE || span->kind == EX_RANGE_MANAGED)
		ex_memory_gone(session, span);
	else if (span->kind == EX_RANGE_VMM)
		ex_charge_drop(session, span->object);
	else if (span->kind == EX_RANGE_FOREIGN)
		ex_ipc_left(session, span);
	else if (span->kind == EX_RANGE_POOLED)
		ex_pool_left(session, span);
}

/* At the end of all, when the driver and the accounts are told nothing any more: what belongs to the range itself. */
static void range_forgotten(void *context, const struct ex_span *span)
{
	(void)context;
	if (span->kind == EX_RANGE_FOREIGN || span->kind == EX_RANGE_POOLED)
		free(span->object);
}

static void session_init_locks(struct ex_session *session)
{
	pthread_mutex_init(&session->breach_lock, NULL);
	pthread_mutex_init(&session->region_lock, NULL);
	pthread_mutex_init(&session->link_lock, NULL);
	pthread_mutex_init(&session->probe_lock, NULL);
	pthread_mutex_init(&session->managed_lock, NULL);
	session->output.fds[0] = session->output.fds[1] = -1;
}

static int memory_init(struct ex_session *session)
{
	const struct ex_settings *settings = session->settings;

	session->soft = settings->driver && !strcmp(settings->driver, "soft");
	ex_pools_init(&session->pools);
	ex_usage_init(&session->usage);
	ex_nvml_init(&session->nvml);
	return ex_gpus_init(&session->gpus, settings, session->stats.page);
}

static void memory_dispose(struct ex_session *session)
{
	ex_usage_dispose(&session->usage);
	ex_nvml_dispose(&session->nvml);
	ex_pools_dispose(&session->pools);
	ex_gpus_dispose(&session->gpus);
}

int ex_session_init(struct ex_session *session, const struct ex_settings *settings,
		    struct ex_channel *channel)
{
	int rc;

	memset(session, 0, sizeof(*session));
	session->who =
		(struct vg_log_who){.dom = settings->domid,
				    .dev = settings->devids ? settings->devid[0] : VG_LOG_NOBODY,
				    .pid = VG_LOG_NOBODY,
				    .level = settings->log_level};
	session->settings = settings;
	session->log_rate = (struct vg_log_rate)VG_LOG_RATE(settings->log_rate);
	session->channel = channel;
	session->control_fd = settings->control_fd;
	session->owner = geteuid();
	session->regions_pinned = -1;
	session_init_locks(session);
	ex_order_init(&session->order);
	ex_trace_init(&session->trace);
	ex_ranges_init(&session->ranges);
	ex_ranges_init(&session->reserved);
	session->ranges.gone = range_gone;
	session->ranges.gone_context = session;
	ex_primary_init(&session->primary);
	ex_host_funcs_init(&session->host_funcs, session->settings->spin_us);
	ex_resources_init(&session->resources);
	session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->wake_fd < 0)
		return -errno;
	rc = ex_handles_init(&session->handles);
	if (rc)
		return rc;
	session->handles.dropped = handle_dropped;
	session->handles.dropped_context = session;
	rc = ex_stats_init(&session->stats, settings->stats_fd);
	if (!rc)
		rc = memory_init(session);
	if (rc)
		return rc;
	ex_ipc_init(session);
	ex_handover_init(&session->handover);
	arena_reserve(session);
	return 0;
}

void ex_session_dispose(struct ex_session *session)
{
	if (session->channel)
		session->channel->ops->destroy(session->channel);
	session->channel = NULL;
	session->handles.dropped = NULL;
	ex_handles_dispose(&session->handles);
	session->ranges.gone = range_forgotten;
	ex_ranges_dispose(&session->ranges);
	ex_ranges_dispose(&session->reserved);
	ex_primary_dispose(&session->primary);
	ex_resources_dispose(&session->resources);
	ex_order_dispose(&session->order);
	ex_trace_dispose(&session->trace);
	while (session->links)
		ex_link_forget(session, session->links);
	ex_handover_dispose(&session->handover);
	ex_ipc_dispose(session);
	memory_dispose(session);
	if (session->stats.page)
		ex_stats_dispose(&session->stats);
	if (session->arena_size)
		munmap((void *)(uintptr_t)session->arena_base, session->arena_size);
	if (session->wake_fd >= 0)
		close(session->wake_fd);
	session->wake_fd = -1;
	session->arena_size = 0;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void answer_send(struct ex_session *session, const struct vg_packet *packet)
{
	int rc = session->control_fd < 0 ? 0 : vg_packet_send(session->control_fd, packet);

	if (rc && rc != -EPIPE)
		vg_warn(&session->who, "event=answer-lost error=\"%s\"", strerror(-rc));
}

void ex_session_answer(struct ex_session *session, uint32_t tag, int status, const char *text)
{
	struct vg_packet packet;

	vg_packet_init(&packet, VG_CTL_ANSWER, tag);
	packet.msg.status = status;
	if (text)
		snprintf(packet.msg.text, sizeof(packet.msg.text), "%s", text);
	if (status)
		vg_warn(&session->who, "event=refused error=\"%s\" why=\"%s\"", strerror(-status),
			text ? text : "");
	answer_send(session, &packet);
}

static void gone_send(struct ex_session *session)
{
	struct vg_packet packet;

	vg_packet_init(&packet, VG_CTL_GONE, 0);
	pthread_mutex_lock(&session->breach_lock);
	packet.msg.status = session->breach_status;
	memcpy(packet.msg.text, session->breach_text, sizeof(packet.msg.text));
	pthread_mutex_unlock(&session->breach_lock);
	answer_send(session, &packet);
}

/* --- OPEN --------------------------------------------------------------------------------------- */

static int open_check(struct ex_session *session, const struct vg_control_open *open,
		      const char *driver_error, char *text)
{
	if (session->opened) {
		snprintf(text, VG_TEXT_MAX, "the session is open already");
		return -EALREADY;
	}
	if (open->protocol != VG_PROTOCOL_VERSION) {
		snprintf(text, VG_TEXT_MAX,
			 "the guest speaks protocol %u, this host %u: install the same release "
			 "of vgpu in the guest and on the host",
			 open->protocol, VG_PROTOCOL_VERSION);
		return -EPROTO;
	}
	if (open->spec_hash != VG_SPEC_HASH) {
		snprintf(
			text, VG_TEXT_MAX,
			"the guest's libcuda is of spec %016llx, this host of %016llx: install the "
			"same release of vgpu in the guest and on the host",
			(unsigned long long)open->spec_hash, (unsigned long long)VG_SPEC_HASH);
		return -EPROTO;
	}
	if (driver_error) {
		snprintf(text, VG_TEXT_MAX, "%s", driver_error);
		return -ENODEV;
	}
	return 0;
}

static void session_open(struct ex_session *session, struct vg_packet *packet,
			 const char *driver_error)
{
	struct vg_control_open *open = &packet->msg.u.open;
	struct vg_packet reply;

	vg_packet_init(&reply, VG_CTL_ANSWER, packet->msg.tag);
	session->who.pid = open->pid;
	reply.msg.status = open_check(session, open, driver_error, SEND_TEXT(&reply));
	if (reply.msg.status) {
		vg_warn(&session->who, "event=open-refused why=\"%s\"", reply.msg.text);
		answer_send(session, &reply);
		session->closing = !session->opened;
		return;
	}
	vg_log_clean(open->comm);
	ex_driver_jit(open->jit);
	session->jit = open->jit;
	session->opened = true;
	session->guest_uid = open->uid;
	session->started = time(NULL);
	memcpy(session->comm, open->comm, sizeof(session->comm));
	session->stats.page->pid = open->pid;
	for (unsigned int i = 0; i < session->settings->accounts; i++)
		ex_account_enter(ex_account_of(session, i), open->pid);
	if (session->settings->trace_fd >= 0)
		ex_trace_begin(session, session->settings->trace_fd, session->settings->trace_data);
	reply.msg.u.answer.limits = session->settings->limits;
	vg_info(&session->who, "event=open comm=\"%s\" uid=%u", open->comm, open->uid);
	answer_send(session, &reply);
}

/* --- serving ------------------------------------------------------------------------------------ */

static void session_message(struct ex_session *session, struct vg_packet *packet,
			    const char *driver_error)
{
	if (packet->msg.type == VG_CTL_OPEN) {
		session_open(session, packet, driver_error);
		return;
	}
	if (packet->msg.type == VG_CTL_ADOPT && session->settings->listen_fd >= 0) {
		ex_adopt_answer(session, packet);
		return;
	}
	if (!session->opened) {
		ex_session_answer(session, packet->msg.tag, -EPROTO,
				  "the first message must be OPEN");
		session->closing = true;
		return;
	}
	switch (packet->msg.type) {
	case VG_CTL_SHARE: ex_session_share(session, packet); break;
	case VG_CTL_UNSHARE: ex_session_unshare(session, packet); break;
	case VG_CTL_CLOSE:
		ex_session_answer(session, packet->msg.tag, 0, NULL);
		session->closing = true;
		break;
	case VG_CTL_LOOK:
		if (ex_look_answer(session, packet))
			break;
		/* fall through */
	default:
		ex_session_answer(session, packet->msg.tag, -EPROTO, "an unknown message");
		session->closing = true;
	}
}

static int session_receive(struct ex_session *session, const char *driver_error)
{
	struct vg_packet packet;
	int rc = vg_packet_recv(session->control_fd, &packet, 0);

	/* A peer that left without having read all of our answers shows as a reset, once, ahead of what
	 * it has said before. */
	if (rc == -EPIPE)
		rc = vg_packet_recv(session->control_fd, &packet, 0);
	if (rc == -ETIMEDOUT)
		return 0;
	if (rc == -EPIPE) {
		vg_info(&session->who, "event=peer-gone");
		if (session->settings->listen_fd >= 0)
			ex_adopt_begin(session);
		else
			session->closing = true;
		return 0;
	}
	if (rc) {
		ex_session_breach(session, rc, "the control socket carried no message");
		return rc;
	}
	session_message(session, &packet, driver_error);
	vg_packet_close_fds(&packet);
	return 0;
}

static int breach_status(struct ex_session *session)
{
	int status;

	pthread_mutex_lock(&session->breach_lock);
	status = session->breach_status;
	pthread_mutex_unlock(&session->breach_lock);
	return status;
}

int ex_session_serve(struct ex_session *session, const char *driver_error)
{
	uint64_t count;

	while (!session->closing && !breach_status(session)) {
		bool alone = session->control_fd < 0;
		struct pollfd fds[2] = {{.fd = alone ? session->settings->listen_fd
						     : session->control_fd,
					 .events = POLLIN},
					{.fd = session->wake_fd, .events = POLLIN}};

		if (poll(fds, 2, ex_adopt_wait_ms(session)) < 0 && errno != EINTR) {
			ex_session_breach(session, -errno, "poll");
			break;
		}
		if ((fds[1].revents & POLLIN) &&
		    read(session->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			ex_session_breach(session, -errno, "eventfd");
		ex_lanes_reap(session);
		if (fds[0].revents && alone)
			ex_adopt_accept(session);
		else if (fds[0].revents)
			session_receive(session, driver_error);
		if (session->adopt_by)
			ex_adopt_check(session);
	}
	if (breach_status(session)) {
		gone_send(session);
		return 1;
	}
	return driver_error ? 1 : 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

static bool lane_join(struct ex_lane *lane, const struct timespec *until)
{
	return pthread_timedjoin_np(lane->thread, NULL, until) == 0;
}

static bool lanes_end(struct ex_session *session)
{
	struct timespec until;
	bool all = true;

	for (unsigned int i = 0; i < VG_LANES_MAX; i++) {
		if (session->lanes[i]) {
			ex_lane_stop(session->lanes[i]);
			ex_lane_hang_up(session->lanes[i]);
		}
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_WAIT_MS / 1000;
	ex_trace_flush(session); /* of lanes that are stuck, too */
	for (unsigned int i = 0; i < VG_LANES_MAX; i++) {
		if (!session->lanes[i])
			continue;
		if (!lane_join(session->lanes[i], &until)) {
			all = false;
			continue;
		}
		ex_trace_lane_share(session->lanes[i], false);
		ex_lane_free(session->lanes[i]);
		session->lanes[i] = NULL;
		session->lanes_open--;
	}
	ex_stats_set(&session->stats.page->lanes, session->lanes_open);
	return all;
}

bool ex_session_end(struct ex_session *session)
{
	struct vg_stats *stats = session->stats.page;
	bool all;

	atomic_store(&session->ending, true);
	ex_order_end(&session->order);
	ex_host_funcs_end(&session->host_funcs);
	all = lanes_end(session);
	vg_log_rate_end(&session->log_rate, &session->who);
	ex_stats_set(&stats->freed_bytes, ex_gpus_held(session));
	ex_stats_set(&stats->freed_handles, ex_handles_live(&session->handles));
	vg_info(&session->who,
		"event=end commands=%llu errors=%llu freed-bytes=%llu freed-handles=%llu stuck=%d",
		(unsigned long long)stats->commands, (unsigned long long)stats->errors,
		(unsigned long long)stats->freed_bytes, (unsigned long long)stats->freed_handles,
		!all);
	/* A lane may still use regions: then the process's end unmaps them. */
	for (unsigned int i = 0; all && i < VG_REGIONS_MAX; i++)
		if (session->regions[i].used)
			ex_region_close(session, &session->regions[i]);
	ex_trace_finish(session);
	return all;
}

/* --- from any thread ---------------------------------------------------------------------------- */

void ex_session_wake(struct ex_session *session)
{
	if (write(session->wake_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0)
		return; /* full: it is readable already */
}

void ex_session_breach(struct ex_session *session, int status, const char *why)
{
	pthread_mutex_lock(&session->breach_lock);
	if (!session->breach_status) {
		session->breach_status = status ? status : -EPROTO;
		snprintf(session->breach_text, sizeof(session->breach_text), "%s", why);
		vg_error(&session->who, "event=breach error=\"%s\" why=\"%s\"",
			 strerror(-session->breach_status), why);
	}
	pthread_mutex_unlock(&session->breach_lock);
	ex_session_wake(session);
}
