/* SPDX-License-Identifier: MIT */
/*
 * Opening, waiting on and closing lanes. Each thread has its own, kept in thread-local storage and
 * given back when the thread ends; a pool of none is kept, since the driver's state at the other
 * end is that thread's.
 */
#include "xen-frontend/libcuda/lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/order.h"
#include "xen-frontend/libcuda/session.h"

/*
 * Sizes of the rings: those of the last entry that begins at the lane's number or before. Memory is not scarce on
 * the local channel. Grants are on Xen, where programs of a few threads get rings in which many commands and long
 * payloads have room, and those of many threads get many lanes.
 */
struct rings {
	uint32_t from, cmd_bytes, reply_bytes;
};

static const struct rings local_rings[] = {{0, 1024u * 1024, 1024u * 1024}, {UINT32_MAX, 0, 0}};
static const struct rings xen_rings[] = {{0, 128u * 1024, 64u * 1024},
					 {4, 32u * 1024, 32u * 1024},
					 {16, 16u * 1024, 16u * 1024},
					 {UINT32_MAX, 0, 0}};

/*
 * Looking for an answer before sleeping: at most that long. The driver looks without end; being woken takes
 * ten microseconds or more, which is seen until the wait is some hundred times that.
 */
#define SPIN_NS 1000000u
/* For room: the executor is busy, and gives it back in large pieces. */
#define ROOM_LOOKS 50u

/* A sleeper looks again after this, whatever happens to the doorbell. */
#define SLEEP_MS 1000
/* Something is to be read on the session's socket, but it is another thread's answer. */
#define SLEEP_BESIDE_MS 10

__thread struct fe_lane *fe_lane_own __attribute__((tls_model("initial-exec")));
static pthread_key_t lane_key;
static pthread_once_t lane_once = PTHREAD_ONCE_INIT;

/*
 * Waits until the executor has run what the lane holds, by a command that is answered. UNSHARE waits
 * for that too, but under the lock that other threads' first calls need.
 */
static void lane_drain(struct fe_lane *lane)
{
	struct vg_session_info info;

	if (lane->answered != lane->number)
		(void)rpc_vgSessionInfo(&info, sizeof(info));
}

/* The executor drains the lane before it answers, so its number stands still after that. */
static void lane_close(struct fe_lane *lane)
{
	lane_drain(lane);
	pthread_mutex_lock(&fe_session.lock);
	fe_channel_unshare(&fe_session.channel, &lane->share);
	fe_session.lane_number[lane->id] = lane->number;
	fe_session.lane_used[lane->id] = false;
	pthread_mutex_unlock(&fe_session.lock);
	free(lane->pointers);
	free(lane);
}

static void lane_thread_ends(void *arg)
{
	struct fe_lane *lane = arg;

	/* After a fork the lane is the parent's. */
	if (fe_lane_own == lane && atomic_load(&fe_session.state) != FE_SESSION_NONE)
		lane_close(lane);
	fe_lane_own = NULL;
}

static void lane_spin_init(struct fe_lane *lane)
{
	const char *wanted = getenv("VGPU_SPIN");

	if (wanted)
		vg_spin_fix(&lane->spin, (uint32_t)strtoul(wanted, NULL, 10));
	else if (fe_session.channel.limits.channel == VG_CHANNEL_XEN)
		vg_spin_init_apart(&lane->spin, SPIN_NS);
	else
		vg_spin_init(&lane->spin, SPIN_NS);
}

static void lane_setup(void)
{
	pthread_key_create(&lane_key, lane_thread_ends);
}

static uint32_t lane_bytes(uint32_t wanted, uint32_t limit_pages)
{
	while (wanted > VG_RING_MIN && wanted / VG_PAGE_SIZE > limit_pages / 2)
		wanted /= 2;
	return wanted;
}

/* By want->id, which is the least that is free. */
static void lane_shape(struct vg_control_share *want)
{
	const struct vg_limits *limits = &fe_session.channel.limits;
	const struct rings *rings = limits->channel == VG_CHANNEL_LOCAL ? local_rings : xen_rings;
	uint32_t pages = limits->lane_pages ? limits->lane_pages - 1 : UINT32_MAX;

	while (want->id >= rings[1].from)
		rings++;
	want->cmd_bytes = lane_bytes(rings->cmd_bytes, pages);
	want->reply_bytes = lane_bytes(rings->reply_bytes, pages);
	want->pages = 1 + (want->cmd_bytes + want->reply_bytes) / VG_PAGE_SIZE;
}

static void lane_rings(struct fe_lane *lane, const struct vg_control_share *shape)
{
	uint8_t *base = lane->share.base;
	struct vg_lane_shared *shared = lane->share.base;

	lane->shared = shared;
	lane_spin_init(lane);
	vg_producer_init(&lane->commands, base + VG_PAGE_SIZE, shape->cmd_bytes, &shared->cmd_prod,
			 &shared->cmd_cons);
	vg_consumer_init(&lane->replies, base + VG_PAGE_SIZE + shape->cmd_bytes, shape->reply_bytes,
			 &shared->reply_prod, &shared->reply_cons);
}

static int lane_share(struct fe_lane *lane, char *text)
{
	struct vg_control_share want = {.kind = VG_SHARE_LANE};
	unsigned int most = fe_session.channel.limits.lanes;
	int id = fe_session_id_take(fe_session.lane_used,
				    most && most < VG_LANES_MAX ? most : VG_LANES_MAX);
	int rc;

	if (id < 0)
		return id;
	want.id = lane->id = (uint32_t)id;
	lane_shape(&want);
	lane->number = fe_session.lane_number[id];
	rc = fe_channel_share(&fe_session.channel, &want, &lane->share, text);
	if (rc) {
		fe_session.lane_used[id] = false;
		return rc;
	}
	fe_order_begin(lane->id);
	/* A child must not hold the pages: their end tells the executor of ours. */
	madvise(lane->share.base, lane->share.bytes, MADV_DONTFORK);
	lane_rings(lane, &want);
	return 0;
}

static CUresult lane_open(void)
{
	char text[VG_TEXT_MAX] = "";
	struct fe_lane *lane;
	int rc;

	pthread_once(&lane_once, lane_setup);
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return CUDA_ERROR_OUT_OF_MEMORY;
	lane->share.bell = VG_BELL_NONE;
	pthread_mutex_lock(&fe_session.lock);
	rc = lane_share(lane, text);
	pthread_mutex_unlock(&fe_session.lock);
	if (rc) {
		free(lane);
		vg_error(&fe_who, "event=no-lane error=\"%s\" why=\"%s\"", strerror(-rc), text);
		if (rc == -EPIPE)
			fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, text);
		return rc == -EPIPE ? CUDA_ERROR_DEVICE_UNAVAILABLE : CUDA_ERROR_OUT_OF_MEMORY;
	}
	fe_lane_own = lane;
	pthread_setspecific(lane_key, lane);
	return CUDA_SUCCESS;
}

struct fe_lane *fe_lane_get_first(CUresult *result)
{
	int lost = atomic_load_explicit(&fe_session.lost, memory_order_relaxed);

	*result = (CUresult)lost;
	if (lost)
		return NULL;
	if (!fe_lane_own)
		*result = lane_open();
	return fe_lane_own;
}

static bool lane_peer_alive(struct fe_lane *lane)
{
	return __atomic_load_n(&lane->shared->exec_alive, __ATOMIC_ACQUIRE) == 1;
}

/* The socket is readable: its end, or word that the session has gone, ends the session. */
static bool socket_alive(void)
{
	struct vg_control msg;
	ssize_t n = recv(fe_session.channel.sock, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n < (ssize_t)sizeof(msg)) {
		fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE,
				"the executor has ended; the program must be started again");
		return false;
	}
	if (msg.type == VG_CTL_GONE) {
		msg.text[VG_TEXT_MAX - 1] = '\0';
		vg_log_clean(msg.text);
		fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, msg.text);
		return false;
	}
	return true;
}

bool fe_lane_executor_there(void)
{
	CUresult result;
	struct fe_lane *lane = fe_lane_get(&result);

	return lane && socket_alive() && lane_peer_alive(lane);
}

static bool bell_sound(int rc)
{
	if (rc < 0)
		fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, strerror(-rc));
	return rc >= 0;
}

/* Sleeps once. False: the session is lost. */
static bool lane_sleep(struct fe_lane *lane, bool *beside)
{
	int wake = vg_bell_wait(&lane->share.bell, *beside ? -1 : fe_session.channel.sock,
				*beside ? SLEEP_BESIDE_MS : SLEEP_MS);

	*beside = false;
	if (!bell_sound(wake))
		return false;
	if (!lane_peer_alive(lane)) {
		/* The reason may be on its way on the socket. */
		if (socket_alive())
			fe_session_lose(
				CUDA_ERROR_DEVICE_UNAVAILABLE,
				"the executor has ended; the program must be started again");
		return false;
	}
	if (wake & VG_BELL_LIFE) {
		if (!socket_alive())
			return false;
		*beside = true;
	}
	return atomic_load(&fe_session.lost) == 0;
}

/* There is room for bytes of commands, or bytes of replies have come. */
static bool lane_ready(struct fe_lane *lane, enum vg_sleep what, uint64_t bytes)
{
	if (what == VG_SLEEP_ROOM)
		return vg_producer_room(&lane->commands, bytes) >= bytes || lane->commands.broken;
	return vg_consumer_avail(&lane->replies, bytes) >= bytes || lane->replies.broken;
}

static bool lane_spin(struct fe_lane *lane, enum vg_sleep what, uint64_t bytes)
{
	uint32_t looks = vg_spin_looks(&lane->spin);

	if (what == VG_SLEEP_ROOM && looks > ROOM_LOOKS)
		looks = ROOM_LOOKS;
	while (looks--) {
		if (lane_ready(lane, what, bytes))
			return true;
		vg_relax();
	}
	return false;
}

static bool lane_wait(struct fe_lane *lane, enum vg_sleep what, uint64_t bytes)
{
	enum fe_look look = what == VG_SLEEP_DATA ? lane->look : FE_LOOK;
	bool learns = what == VG_SLEEP_DATA && look != FE_LOOK_NEVER && vg_spin_learns(&lane->spin);
	bool beside = false, alive;
	uint64_t begin;

	if (look == FE_LOOK && lane_spin(lane, what, bytes))
		return true;
	begin = learns ? vg_clock_ns() : 0;
	do {
		alive = bell_sound(vg_bell_take(&lane->share.bell));
		if (!alive)
			break;
		vg_sleep_begin(&lane->shared->guest_sleeps, what);
		if (lane_ready(lane, what, bytes))
			break;
		alive = lane_sleep(lane, &beside);
	} while (alive);
	vg_sleep_end(&lane->shared->guest_sleeps);
	lane->look = FE_LOOK;
	if (learns)
		vg_spin_slept(&lane->spin, vg_clock_ns() - begin);
	return alive;
}

static bool lane_sound(struct fe_lane *lane)
{
	if (!lane->commands.broken && !lane->replies.broken)
		return true;
	fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "the executor broke the protocol");
	return false;
}

bool fe_lane_wait_room_long(struct fe_lane *lane, uint64_t bytes)
{
	if (lane_ready(lane, VG_SLEEP_ROOM, bytes))
		return lane_sound(lane);
	fe_lane_publish(lane);
	return lane_wait(lane, VG_SLEEP_ROOM, bytes) && lane_sound(lane);
}

bool fe_lane_wait_reply(struct fe_lane *lane, uint64_t bytes)
{
	if (lane_ready(lane, VG_SLEEP_DATA, bytes))
		return lane_sound(lane);
	vg_consumer_release(&lane->replies);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_ROOM))
		vg_bell_ring(&lane->share.bell);
	return lane_wait(lane, VG_SLEEP_DATA, bytes) && lane_sound(lane);
}

void fe_lane_publish(struct fe_lane *lane)
{
	vg_producer_publish(&lane->commands);
	if (vg_sleep_wake(&lane->shared->exec_sleeps, VG_SLEEP_DATA))
		vg_bell_ring(&lane->share.bell);
	/* Of the line that has just been read anyway. */
	lane->traced = __atomic_load_n(&lane->shared->traced, __ATOMIC_RELAXED);
}

bool fe_lane_error_take(struct fe_lane *lane, CUresult *error)
{
	uint32_t count = __atomic_load_n(&lane->shared->error_count, __ATOMIC_ACQUIRE);

	if (count == lane->errors_seen)
		return false;
	lane->errors_seen = count;
	*error = (CUresult)__atomic_load_n(&lane->shared->error_result, __ATOMIC_RELAXED);
	return *error != CUDA_SUCCESS;
}

void fe_lane_reset(void)
{
	/* After fork only the calling thread lives on; what the others had is leaked, once. The
	 * descriptors are closed so that the parent's executor sees the parent's end. */
	if (!fe_lane_own)
		return;
	vg_bell_close(&fe_lane_own->share.bell);
	free(fe_lane_own->pointers);
	free(fe_lane_own);
	fe_lane_own = NULL;
	pthread_setspecific(lane_key, NULL);
}
