/* SPDX-License-Identifier: MIT */
/*
 * How a session is opened: three small message sets around the same few nouns.
 *
 *   client  <-> broker    SOCK_SEQPACKET UNIX socket (vgpu-frontd's on Xen, vgpu-run's locally)
 *   broker  <-> backend   control ring in one granted page (Xen only)
 *   backend <-> executor  SOCK_SEQPACKET socketpair (Xen only); after a restart of the backend a
 *                         connection to the socket that the executor listens on
 *
 * On the local channel the executor itself stands at the other end of the client's socket.
 *
 * A share is a run of shared pages with a number chosen by the client: a lane (wire.h) or a region
 * (pinned memory). Messages have one fixed size, each field is little endian as in memory,
 * and each request gets exactly one answer with the same `tag`. Nothing here is in the way
 * of CUDA calls: it runs once per session, thread, and pool of pinned memory.
 *
 * The end of a client's socket is the end of its session: each side treats EOF as the peer's death. The
 * backend may go and come back: executors wait to be adopted, the broker keeps its clients, and on
 * the new connection says which sessions it still has (RESUME). What either side does not know any
 * more, the other drops.
 */
#ifndef VG_CONTROL_H
#define VG_CONTROL_H

#include <stdint.h>

#include "protocol/wire.h"

#define VG_TEXT_MAX 176
#define VG_COMM_MAX 16
/* vGPUs of one session, each another GPU. Their numbers (devid) are at most 255. */
#define VG_SESSION_DEVICES 16

enum vg_control_type {
	VG_CTL_ANSWER = 1,  /* to a request: status, text */
	VG_CTL_OPEN = 2,    /* open a session: u.open */
	VG_CTL_SHARE = 3,   /* add a share: u.share */
	VG_CTL_UNSHARE = 4, /* drop a share: u.unshare; answered when nothing is mapped any more */
	VG_CTL_CLOSE = 5,   /* end the session in order */
	VG_CTL_GONE = 6, /* unsolicited, downwards: the session has ended; status, text say why */
	/*
	 * Broker to backend, on a new connection, before any other request: the broker has this session
	 * from an earlier connection. Refused: it is no more. Session 0 comes last: that was all; it is
	 * answered when all other sessions of the device have ended.
	 */
	VG_CTL_RESUME = 7,
	/* Backend to executor, first on a connection to its listening socket: u.adopt both ways. */
	VG_CTL_ADOPT = 8,
	/*
	 * Backend to executor: take over u.look, write down how the lanes stand (struct vg_live), and say LOOKED.
	 * An executor that does not is stopped or stuck.
	 */
	VG_CTL_LOOK = 9,
	VG_CTL_LOOKED = 10,
	/*
	 * Backend to broker: u.probe.what of the device is to be tried. Among the answers on the control ring, but a
	 * question: PROBED is its answer, among the requests, with the same tag, status and text, and u.probed.
	 * PROBED itself is not answered. A broker answers the last PROBE of each kind; one that does not know them is
	 * silent.
	 */
	VG_CTL_PROBE = 11,
	VG_CTL_PROBED = 12,
};

/* PROBE: what is tried. */
enum vg_probe {
	VG_PROBE_ALIVE = 0, /* nothing: the broker is alive if it answers, and says how it stands */
	VG_PROBE_KERNEL = 1, /* vgpu-probe in the guest; its line is PROBED's text */
};

enum vg_share_kind {
	VG_SHARE_LANE = 1,
	VG_SHARE_REGION = 2,
};

enum vg_channel_kind {
	VG_CHANNEL_LOCAL = 1, /* the client: memfd and eventfds */
	VG_CHANNEL_XEN = 2,   /* the broker: grants and an event channel */
};

/* What a backend grants to a session; a client stays below, the executor enforces it. */
struct vg_limits {
	uint32_t lanes;        /* at a time */
	uint32_t lane_pages;   /* in one lane */
	uint32_t region_pages; /* in all regions together */
	uint32_t channel;      /* enum vg_channel_kind: who makes the pages of a share */
};

/*
 * Which vGPUs a session has. The first is its home, whose control ring carries it; the others are joined
 * to it: other GPUs of the same backend and the same driver, in the order in which CUDA numbers them.
 */
struct vg_control_open {
	uint32_t protocol;      /* VG_PROTOCOL_VERSION of the sender */
	uint32_t pid;           /* the guest's own, for logs only */
	uint32_t uid;           /* likewise */
	uint16_t count;         /* of devids; from a client 0: whichever can be had */
	uint16_t flags;         /* VG_OPEN_* */
	uint64_t spec_hash;     /* vg_spec_hash (generated): both ends must have the same */
	char comm[VG_COMM_MAX]; /* program's name, NUL-terminated, for logs only */
	uint8_t devids[VG_SESSION_DEVICES];
	uint32_t jit; /* VG_JIT_*: what the program's environment asks of the driver */
	uint32_t pad;
};
/* Those that cannot be joined are left out; without it they are a reason to refuse. The home never is. */
#define VG_OPEN_PICK 1u
/* From a client, for count: it was told to ask for what are no vGPUs (VGPU_DEVICE). */
#define VG_OPEN_NONSENSE   0xffffu

#define VG_JIT_FORCE_PTX   1u
#define VG_JIT_DISABLE_PTX 2u
#define VG_JIT_FORCE       4u
#define VG_JIT_DISABLE     8u
/* Variables of the program's environment: X(name, its bit if it is set and not 0). */
#define VG_JIT_VARIABLES(X)                           \
	X("CUDA_FORCE_PTX_JIT", VG_JIT_FORCE_PTX)     \
	X("CUDA_DISABLE_PTX_JIT", VG_JIT_DISABLE_PTX) \
	X("CUDA_FORCE_JIT", VG_JIT_FORCE)             \
	X("CUDA_DISABLE_JIT", VG_JIT_DISABLE)

struct vg_control_share {
	uint32_t id; /* lane: 0 .. VG_LANES_MAX-1; region: 0 .. VG_REGIONS_MAX-1; one space each */
	uint32_t kind;        /* enum vg_share_kind */
	uint32_t pages;       /* in all */
	uint32_t cmd_bytes;   /* lanes: sizes of the rings */
	uint32_t reply_bytes; /* lanes */
	/* Xen only, filled in by the broker: grant of the first page directory, and for lanes
	 * the guest's unbound event channel. */
	uint32_t dir_ref;
	uint32_t port;
	uint32_t pad;
	/* Regions: the address, page aligned, at which both sides map it; 0 for lanes. */
	uint64_t address;
};

struct vg_control_unshare {
	uint32_t id;
	uint32_t kind;
};

/* Answer to VG_CTL_OPEN and VG_CTL_SHARE. */
struct vg_control_answer {
	struct vg_limits limits; /* OPEN */
	/* OPEN, backend to broker: what the session has, the home first. */
	uint8_t devids[VG_SESSION_DEVICES];
	uint32_t count;
	/* SHARE, broker to client, with descriptors {gntalloc, evtchn}: where to map, which port to ring. */
	uint32_t port;
	uint64_t map_offset;
};

/* LOOK: what the executor is to do from now on. */
struct vg_control_look {
	uint32_t log_level; /* enum vg_log_level */
	uint32_t want;      /* VG_WANT_* */
};
/* Times each command (vg_live.op_ns, .took): two readings of the clock for each. */
#define VG_WANT_TIMES 1u
/*
 * Records the session (trace.h) to the descriptor that comes along, as if by VG_WANT_TIMES; without one, goes on where
 * it does so already. VG_WANT_TRACE_DATA: with what calls carry, so that it can be run again.
 */
#define VG_WANT_TRACE      2u
#define VG_WANT_TRACE_DATA 4u

struct vg_control_probe {
	uint32_t what; /* enum vg_probe */
};

/* How the broker stands. */
struct vg_control_probed {
	uint32_t programs; /* connected to it */
	uint32_t sessions; /* of this device */
	uint32_t pages;    /* shared by all programs, and how many may be */
	uint32_t pages_max;
	uint32_t protocol; /* VG_PROTOCOL_VERSION of the broker */
};

/* ADOPT, of which only `protocol` is set, and its answer: what the next backend is to know. */
struct vg_control_adopt {
	uint32_t protocol; /* VG_PROTOCOL_VERSION of the sender */
	uint32_t domid;
	uint16_t opened;       /* 1: OPEN was answered with success */
	uint16_t account_slot; /* the session's place, the same in each of its vGPUs' accounts */
	uint32_t pid;          /* of OPEN, like uid and comm: for logs only */
	uint32_t uid;
	uint32_t count;  /* of devids */
	int64_t started; /* seconds since the epoch */
	char comm[VG_COMM_MAX];
	uint8_t devids[VG_SESSION_DEVICES]; /* the home first */
};

/*
 * One message. `session` numbers sessions of one device on the control ring and in the backend;
 * clients and executors have only one session and leave it 0, but in the answer to ADOPT.
 */
struct vg_control {
	uint32_t type; /* enum vg_control_type */
	uint32_t tag;  /* of the request; answers repeat it */
	uint32_t session;
	int32_t status; /* answers, GONE and PROBED: 0 or a negative errno */
	union {
		struct vg_control_open open;
		struct vg_control_share share;
		struct vg_control_unshare unshare;
		struct vg_control_answer answer;
		struct vg_control_adopt adopt;
		struct vg_control_look look;
		struct vg_control_probe probe;
		struct vg_control_probed probed;
		uint8_t size[64];
	} u;
	char text
		[VG_TEXT_MAX]; /* answers, GONE and PROBED: what went wrong and what to do, NUL-terminated */
};
_Static_assert(sizeof(struct vg_control) == 256, "layout of a control message");

/*
 * Descriptors that travel with a message (SCM_RIGHTS):
 *   local  client -> executor, SHARE of a lane:   memfd, eventfd that wakes the executor, eventfd that wakes the guest
 *   local  client -> executor, SHARE of a region: memfd
 *   xen    broker -> client,   answer to SHARE:   gntalloc, evtchn (lanes only)
 *   xen    backend -> executor, SHARE of a lane:  evtchn, bound; u.share.port is then the local port
 *   xen    backend -> executor, LOOK:             where the session is to be recorded, if that is to begin
 *   xen    executor -> backend, answer to ADOPT:  memfd of the counters, a memfd of each vGPU's account, in the
 *                                                 order of its devids
 */
#define VG_CONTROL_FDS_MAX (1 + VG_SESSION_DEVICES)

/*
 * Page directory: lists the grants of a share; chained when one page does not suffice. The broker
 * frees directory pages when SHARE has been answered: the executor copies them first.
 */
#define VG_DIR_REFS 1022u
struct vg_page_dir {
	uint32_t next; /* grant of the next directory page, 0 at the end */
	uint32_t count;
	uint32_t refs[VG_DIR_REFS];
};
_Static_assert(sizeof(struct vg_page_dir) == VG_PAGE_SIZE, "a page directory fills a page");

/*
 * Control ring: one page granted in the device's `ring-ref`, rung by `event-channel`. Two arrays of
 * slots; indices count messages and never wrap: a slot is the index modulo VG_CTLRING_SLOTS. The same
 * rules as for a lane: copy a slot once, check it, and an index further ahead than
 * VG_CTLRING_SLOTS is a breach that disconnects the device.
 */
#define VG_CTLRING_MAGIC 0x6c746376u /* "vctl" */
#define VG_CTLRING_SLOTS 7u
struct vg_control_ring {
	uint32_t magic;
	uint32_t version;       /* VG_PROTOCOL_VERSION of the frontend */
	uint64_t req_prod;      /* frontend writes */
	uint64_t rsp_cons;      /* frontend writes */
	uint64_t req_cons;      /* backend writes */
	uint64_t rsp_prod;      /* backend writes */
	uint8_t frontend_alive; /* 1; cleared by the guest's kernel when the broker's mapping goes */
	uint8_t backend_alive;  /* 1; cleared by dom0's kernel when the backend's mapping goes */
	uint8_t pad[214];
	struct vg_control req[VG_CTLRING_SLOTS];
	struct vg_control rsp[VG_CTLRING_SLOTS];
	uint8_t tail[256];
};
_Static_assert(sizeof(struct vg_control_ring) == VG_PAGE_SIZE, "the control ring fills a page");

/*
 * Counters of one session, in a memfd that whoever starts an executor makes and passes to it; the
 * executor writes with relaxed stores, the reader takes what it sees and believes nothing else. They begin
 * a struct vg_counters.
 */
#define VG_STATS_MAGIC 0x74617473u /* "stat" */
#define VG_STATS_OPS   1024u
struct vg_stats {
	uint32_t magic;
	uint32_t version;
	uint64_t commands; /* executed */
	uint64_t commands_async;
	uint64_t errors; /* answers other than CUDA_SUCCESS */
	uint64_t launches;
	uint64_t bytes_htod;
	uint64_t bytes_dtoh;
	uint64_t alloc_bytes; /* device memory held now */
	uint64_t alloc_peak;
	uint64_t handles; /* live objects */
	uint64_t lanes;   /* open now */
	uint64_t regions;
	uint64_t region_bytes; /* shared as pinned memory now */
	uint64_t freed_bytes;  /* at exit: what the session still held and was freed */
	uint64_t freed_handles;
	uint32_t last_op;
	int32_t last_error; /* CUresult */
	uint32_t last_error_op;
	uint32_t pid;   /* the guest's */
	uint64_t wakes; /* doorbells answered */
	uint64_t rings; /* doorbells rung */
	uint64_t exit;  /* 1 + the status that it exits with; 0: it runs, or was killed */
	uint64_t ops[VG_STATS_OPS]; /* executed, by enum vg_op */
};

/*
 * How a session stands at the moment, behind its counters in the same memfd. Times are of CLOCK_MONOTONIC in
 * ms, 0: never. Words of the executor's, as the counters are.
 */
struct vg_live_lane {
	/* Written by the lane's thread as it goes. */
	uint64_t number; /* of the command that it took last */
	uint64_t done;   /* of the last that has been executed */
	uint64_t bulk;   /* bytes of that command's bulk part */
	uint64_t begun;  /* when that command began */
	uint32_t op;     /* of the command taken last */
	uint32_t args;   /* bytes of its arguments */
	/* Written when asked to look. */
	uint32_t commands_bytes; /* of the ring; 0: there is no such lane */
	uint32_t replies_bytes;
	uint32_t
		commands_unread; /* bytes that the guest has written and the executor has not taken */
	uint32_t replies_unread; /* bytes that the guest has not taken */
	uint8_t guest_alive;
	uint8_t guest_sleeps, exec_sleeps; /* enum vg_sleep */
	uint8_t pad[5];
};
_Static_assert(sizeof(struct vg_live_lane) == 64, "a line");

#define VG_LIVE_TOOK    40u /* powers of two of nanoseconds */
#define VG_LIVE_REFUSED 16u
#define VG_LIVE_NAME    56u
struct vg_live {
	uint64_t looked; /* the last LOOK */
	uint64_t woken;  /* the last doorbell */
	uint64_t moved;  /* commands were executed; some hundred commands late at most */
	uint64_t failed; /* the last error */
	uint32_t want;   /* as LOOK said */
	uint32_t refused_count;
	/* Calls of the driver API that the guest's library does not have, as the program called them. */
	char refused[VG_LIVE_REFUSED][VG_LIVE_NAME];
	uint64_t op_ns[VG_STATS_OPS]; /* with VG_WANT_TIMES: time of execution by enum vg_op */
	uint64_t op_timed[VG_STATS_OPS];
	uint64_t took
		[VG_LIVE_TOOK]; /* with it: commands by the logarithm of their time, rounded down */
	struct vg_live_lane lane[VG_LANES_MAX];
};

struct vg_counters {
	struct vg_stats stats; /* first: a pointer to it is one to this */
	struct vg_live live;
};

static inline struct vg_live *vg_live_of(struct vg_stats *stats)
{
	return &((struct vg_counters *)(void *)stats)->live;
}

#endif
