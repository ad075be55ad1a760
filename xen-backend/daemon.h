/* SPDX-License-Identifier: MIT */
/*
 * The daemon's state and the nouns it is made of. One thread runs all of it, in turns: wait, mark
 * what has happened, then act once on each device. Within a turn nothing is freed that the turn's
 * list of sources may still point to: the dead are buried at its end.
 */
#ifndef BE_DAEMON_H
#define BE_DAEMON_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <xenstore.h>

#include "protocol/account.h"
#include "protocol/control.h"
#include "protocol/log.h"
#include "xen-backend/config.h"
#include "xen-backend/counts.h"
#include "xen-backend/ctlring.h"
#include "xen-backend/link.h"
#include "xen-backend/state.h"
#include "xenstore-schema/settings.h"

#define BE_DOMID_MAX   32751u /* below DOMID_FIRST_RESERVED */
#define BE_DEVID_MAX   255u
#define BE_DEVICES_MAX 1024u /* in all; more in xenstore are left alone, and the log says so */
#define BE_HISTORY_MAX 128u  /* ended sessions kept for `vgpu list` */
#define BE_GPUS_MAX    64u   /* that are counted by themselves */
#define BE_DOMAIN_MAX  64u   /* of a domain's name; the rest is cut off */

struct be_daemon;
struct be_device;
struct be_tools;
struct be_found;
struct be_pulse;
struct be_endpoint;

/* --- what has been, of a session that ended ------------------------------------------------- */

struct be_record {
	uint32_t domid, devid; /* the home's */
	uint32_t device_count;
	uint8_t devids[VG_SESSION_DEVICES]; /* the home first */
	uint32_t guest_pid, guest_uid;
	char comm[VG_COMM_MAX]; /* the guest's words, cleaned */
	pid_t executor;
	int64_t started, ended;   /* seconds since the epoch */
	int32_t status;           /* 0 or a negative errno */
	char reason[VG_TEXT_MAX]; /* how it ended */
	struct vg_stats stats;    /* the executor's words */
};

/* --- one guest process ----------------------------------------------------------------------- */

enum be_session_state {
	BE_SESSION_OPENING,  /* OPEN has not been answered */
	BE_SESSION_ADOPTING, /* found running; ADOPT has not been answered */
	BE_SESSION_ADOPTED,  /* the guest has not asked for it yet (RESUME) */
	BE_SESSION_OPEN,
	BE_SESSION_ENDING, /* the executor has been told to end, or has closed its socket */
	BE_SESSION_DEAD,   /* reaped, reported; to be buried at the end of the turn */
};

/* A request that the executor has and has not answered. */
struct be_request {
	bool used;
	uint32_t tag;
	uint32_t type;
	uint64_t deadline; /* ms */
};

#define BE_SESSION_PATH_MAX (BE_SESSION_DIR_MAX + 56)

/* A session's place on one of its vGPUs (seats.c). */
struct be_seat {
	struct be_session *session;
	struct be_device *device;
	struct be_seat *next; /* of the device's */
	bool entered;         /* in the device's list */
};

struct be_session {
	struct be_device *device;                 /* its home */
	struct be_seat seats[VG_SESSION_DEVICES]; /* the home's first */
	unsigned int seat_count;
	struct be_session *next;
	enum be_session_state state;
	uint32_t id;                    /* chosen by the frontend, not 0 */
	pid_t pid;                      /* of the executor; -1 once reaped */
	int pidfd;                      /* owned; of the same process, whoever its parent is */
	bool exited;                    /* pidfd says so; to be reaped */
	int sock;                       /* owned; -1 once ended */
	char path[BE_SESSION_PATH_MAX]; /* of the executor's socket; empty: it has none */
	uint64_t settings_print;        /* of its devices' settings that it was started with */
	bool adopted;                   /* from an earlier xen-vgpud */
	uint64_t adopt_by;              /* ms; while ADOPTING and ADOPTED */
	struct vg_stats *stats;         /* owned mapping, written by the executor */
	struct be_counted counted;      /* of them */
	unsigned int account_slot; /* in each of its devices' accounts; VG_ACCOUNT_SLOTS: none */
	struct be_request requests[VG_CTLRING_SLOTS];
	bool close_asked; /* CLOSE waits for the executor's end */
	uint32_t close_tag;
	bool opened;       /* the guest knows of it: its end is told with GONE */
	bool refused;      /* by its executor */
	int signals_sent;  /* 0, 1 SIGTERM, 2 SIGKILL */
	uint64_t deadline; /* ms; of the next signal, while ENDING */
	int32_t status;    /* why it ends, for GONE and the record */
	char reason[VG_TEXT_MAX];
	uint32_t guest_pid, guest_uid;
	char comm[VG_COMM_MAX];
	int64_t started;
	uint64_t look_asked, looked; /* ms; of the last LOOK, 0: never */
	uint32_t trace;              /* number of that which its executor writes; 0: none */
	struct vg_log_who who;
};

/* Starts the executor and hands it the frontend's OPEN. NULL: `answer` holds status and text. */
struct be_session *be_session_open(struct be_device *device, const struct vg_control *msg,
				   struct vg_control *answer);
/* SHARE, UNSHARE, CLOSE of an open session. Answers by itself, now or later. */
void be_session_request(struct be_session *session, const struct vg_control *msg);
/* Something is to be read on the socket. */
void be_session_read(struct be_session *session);
/* Ends it: closes the socket, later signals follow. The first reason stays. */
void be_session_end(struct be_session *session, int32_t status, const char *reason);
/* Time limits and the executor's death. */
void be_session_tick(struct be_session *session, uint64_t now);
uint64_t be_session_deadline(const struct be_session *session); /* UINT64_MAX: none */
void be_session_free(struct be_session *session);
/*
 * An executor that an earlier xen-vgpud has started, and a connection to it: asks it who it is. Takes
 * the descriptors and says with false that it could not (they are closed then).
 */
bool be_session_adopt(struct be_device *device, const struct be_found *found);
/* Asks the executor how the session stands and tells it what is wanted of it; the answer comes later. */
void be_session_look(struct be_session *session);
/* The same only if it is to begin or end a trace and does not know yet. */
void be_session_trace(struct be_session *session);
/* RESUME of the frontend. Answers by itself, now or later. */
void be_session_resume(struct be_session *session, const struct vg_control *msg);
/* It has been asked for, but its executor has not told who it is yet. */
bool be_session_resuming(const struct be_session *session);

/* --- executors that outlive us (adopt.c) ------------------------------------------------------- */

/* A running executor, by the name that its socket was given. */
struct be_found {
	uint32_t domid, devid, session;
	uint64_t settings_print;
	char path[BE_SESSION_PATH_MAX];
	int sock, pidfd;
	pid_t pid;
};

/* The folder of their sockets. 0 or a negative errno with a message in `why` (BE_CONFIG_WHY). */
int be_adopt_open(struct be_daemon *daemon, char *why);
/* Finds those that run and makes sessions of them; what is left of dead ones is removed. */
void be_adopt_scan(struct be_daemon *daemon);
/* A socket for a new executor, bound to session->path. The descriptor or a negative errno. */
int be_adopt_bind(struct be_session *session);
/* The same for the same devices with the same settings. */
uint64_t be_settings_print(const struct be_session *session);
/* Maps counters that an executor has handed over, if they are what they must be; NULL otherwise. */
struct vg_stats *be_stats_adopt(int fd);

/* Is it a sealed memfd of at least so many bytes? An executor must not be able to make our reads fail. */
bool be_adopt_sealed(int fd, size_t bytes);

/* The descriptors of a new executor; each stays the caller's. */
struct be_spawn_fds {
	int control, stats;
	int listener;                     /* -1: none */
	int accounts[VG_SESSION_DEVICES]; /* one for each seat; the devices' own */
	unsigned int account_count;
};

/* fork and exec. The pid, or a negative errno. */
pid_t be_spawn(const struct be_session *session, const struct be_spawn_fds *fds);
/* Makes the executor's counters: a sealed memfd (returned, the caller closes it) and a mapping. */
int be_stats_new(struct vg_stats **stats);
void be_stats_free(struct vg_stats *stats);

/* --- one vGPU -------------------------------------------------------------------------------- */

/* Requests of a device on their way: two for each of the sessions that it may have (settings.c), so that
 * programs whose requests take long do not keep others from theirs. */
#define BE_UNANSWERED (2u * 64)
/* Their answers, a GONE for each session that they may open, and for those that are open. */
#define BE_OUTBOX (2 * BE_UNANSWERED + 64)

/* The last question to the guest's broker (probe.c). */
struct be_probe {
	enum vg_probe what;
	uint32_t tag;
	bool waiting;             /* for the answer */
	bool unsent;              /* there was no room in the ring yet */
	uint64_t asked, answered; /* ms; 0: never, not yet */
	int32_t status;           /* of the answer, as all below: the guest's words */
	char text[VG_TEXT_MAX];
	struct vg_control_probed counts;
};

struct be_device {
	struct be_daemon *daemon;
	struct be_device *next;
	uint32_t domid, devid;
	char dir[VG_SCHEMA_PATH];    /* backend's directory */
	char fe_dir[VG_SCHEMA_PATH]; /* frontend's, made from the numbers */
	struct vg_log_who who;
	struct vg_log_limit limit; /* of lines that the guest provokes */

	bool dirty;    /* xenstore may have changed */
	bool vanished; /* the backend's directory is gone: nothing of it may be written again */
	bool buried;   /* to be freed at the end of the turn */

	struct vg_settings settings;
	bool usable, published;
	char error[VG_TEXT_MAX * 2]; /* as in xenstore; empty: none there */
	unsigned int failures;       /* attempts to connect in a row that failed */
	uint64_t retry_at;           /* ms; no publishing or connecting before */

	bool connected, settled, broken;
	bool rung; /* the bell rang: the ring is to be looked at */
	struct be_link link;
	struct be_ctlring ring;
	uint64_t unmask_at; /* ms; 0: not masked. A guest that only rings is left masked a while */
	unsigned int idle_bells;    /* that brought nothing */
	unsigned int unanswered;    /* requests taken whose answer is not yet in the ring */
	uint64_t bells, requests;   /* of the guest's on the control ring, so far */
	uint64_t rang_at, asked_at; /* ms; the last of each, 0: none yet */
	uint64_t refused_at;        /* ms; the last session that was refused */
	uint64_t times_until;       /* ms; executors time their commands until then */
	char refusal[VG_TEXT_MAX];  /* why it was */
	unsigned int last_request;  /* its type */

	struct be_probe probe;

	struct vg_control outbox[BE_OUTBOX];
	unsigned int out_first, out_count;

	struct be_session *sessions; /* whose home it is */
	struct be_seat *seats;       /* of all sessions that have it */
	unsigned int seat_count;

	char domain[BE_DOMAIN_MAX]; /* its name, cleaned; empty: we may not know */
	struct be_totals totals;    /* of all its sessions, those that ended included */

	struct vg_account *account; /* owned mapping, written by executors; NULL: not made yet */
	int account_fd;             /* owned with it */
	/* The frontend has said which sessions it still has; answered when the others have ended. */
	bool resume_asked, resumed;
	uint32_t resume_tag;
};

/* A line that the guest can provoke as often as it likes. */
#define be_guest_log(device, who, level, ...)                                     \
	do {                                                                      \
		if (vg_log_on(who, level) && vg_log_allow(&(device)->limit, who)) \
			vg_log_write(who, level, __VA_ARGS__);                    \
	} while (0)

/* Its numbers, as the schema takes them. */
struct vg_schema_device be_device_id(const struct be_device *device);
/* Removes the directory of a domain whose devices have gone, and what is above it, where empty. */
void be_devices_prune(struct be_daemon *daemon, uint32_t domid);
/* Reads xenstore, takes the state machine's step, until it says stay. */
void be_device_act(struct be_device *device);
struct be_device *be_device_new(struct be_daemon *daemon, uint32_t domid, uint32_t devid);
void be_device_free(struct be_device *device);
uint64_t be_device_deadline(const struct be_device *device);
void be_device_tick(struct be_device *device, uint64_t now);

/* Requests in, answers out; bounded work. Sets `broken` on a breach. */
void be_device_serve(struct be_device *device, uint64_t now);
/* Queues an answer or a GONE and moves what fits into the ring. */
void be_device_send(struct be_device *device, const struct vg_control *msg);
/* An answer to `request`; text may be NULL. */
void be_device_answer(struct be_device *device, const struct vg_control *request, int32_t status,
		      const char *text);
void be_device_flush(struct be_device *device);
/* Answers the last RESUME once it is due. */
void be_device_resumed(struct be_device *device);

/* Asks the guest's broker; the answer comes later, or that there is nobody to ask at once. */
void be_device_probe(struct be_device *device, enum vg_probe what);
/* Into the ring if it waits for that: 1; 0: nothing went; -EPROTO. Answers go first. */
int be_probe_put(struct be_device *device);
/* A PROBED has come. False: nobody has asked for it. */
bool be_probe_answered(struct be_device *device, const struct vg_control *msg);
void be_probe_disconnected(struct be_device *device);

/* The account of its memory (account.c). open: 0 or a negative errno; may be called again. */
int be_account_open(struct be_device *device);
void be_account_close(struct be_device *device);
int be_account_slot(const struct be_session *session); /* free in all of its accounts, or -EBUSY */
/*
 * The accounts that the devices' executors had before, one for each seat, and an adopted one's place in
 * them. NULL, or why it cannot be that.
 */
const char *be_account_adopt(struct be_session *session, const int *fds, unsigned int slot);
/* What a session holds of a device, the executor's words. */
uint64_t be_account_held(const struct be_device *device, const struct be_session *session);
/* Clears what belongs to no executor any more: one has been reaped, its session is DEAD. */
void be_account_sweep(struct be_device *device);
uint64_t be_account_used(const struct be_device *device); /* bytes, the executors' words */

/* --- traces (trace.c) ------------------------------------------------------------------------- */

#define BE_TRACES_MAX 4u /* at a time */

/* A descriptor to which executors write what they do (protocol/trace.h): a tool's, which reads it. */
struct be_trace {
	uint32_t number; /* another one for each; 0: this place is free */
	int fd;          /* owned */
	uint32_t domid;
	int64_t devid;    /* -1: all of the domain's */
	uint32_t session; /* 0: all */
	bool data;        /* with what calls carry */
	pid_t pid;        /* of the tool */
};

/* Of the sessions that run and of those that will. Takes the descriptor. NULL, or why not, in `why` (VG_TEXT_MAX). */
const struct be_trace *be_trace_begin(struct be_daemon *daemon, const struct be_trace *wanted,
				      char *why);
void be_trace_end(struct be_daemon *daemon, uint32_t number);
bool be_trace_runs(const struct be_daemon *daemon, uint32_t number);
/* Ends those whose vGPUs have gone. */
void be_trace_sweep(struct be_daemon *daemon);
/* What a session is to be recorded to, and what of a device is; NULL: nothing. */
const struct be_trace *be_trace_of(const struct be_session *session);
const struct be_trace *be_trace_of_device(const struct be_device *device);

/* --- all of them ----------------------------------------------------------------------------- */

struct be_daemon {
	struct be_config config;
	int argc; /* the command line, which a reload reads again */
	char **argv;
	struct xs_handle *xs;
	uint32_t domid; /* the domain that we run in: 0, or a driver domain */
	struct vg_log_who who;
	int signals; /* signalfd */
	struct be_device *devices;
	unsigned int device_count, executor_count;
	bool rescan, stopping, reload, too_many;
	bool end_sessions; /* while stopping: they are not left to the next xen-vgpud */
	bool adopt_again;  /* an executor could not be asked yet */
	struct be_tools *tools;
	struct be_trace traces[BE_TRACES_MAX];
	uint32_t trace_number;           /* of the last */
	struct be_gpu gpus[BE_GPUS_MAX]; /* those that vGPUs have named; a free one has no name */
	struct be_endpoint *endpoint;    /* NULL: nobody can ask for metrics */
	struct be_pulse *pulse;          /* NULL: xenstored is believed to answer */
	struct be_record *history;       /* ring of BE_HISTORY_MAX */
	unsigned int history_next, history_count;
	int history_fd;          /* owned; -1: there is no file */
	uint64_t history_number; /* of the last record in it */
	int64_t started;
};

/* Finds out which domain we are and watches for its devices; false and errno. */
bool be_devices_open(struct be_daemon *daemon);
/* Devices in xenstore that we do not know yet; and those that have gone. */
void be_devices_scan(struct be_daemon *daemon);
struct be_device *be_devices_find(struct be_daemon *daemon, uint32_t domid, uint32_t devid);
/* Found or made; NULL when there are too many. */
struct be_device *be_devices_get(struct be_daemon *daemon, uint32_t domid, uint32_t devid);
/* Takes all queued watch events and marks what they concern. */
void be_devices_watch(struct be_daemon *daemon);

/* What an earlier xen-vgpud has written down, and where we do. After be_adopt_open. */
void be_history_open(struct be_daemon *daemon);
void be_history_close(struct be_daemon *daemon);
void be_history_add(struct be_daemon *daemon, const struct be_session *session);

/* Takes over what may change at run time, and says in the log what that was and what waits. */
void be_reload(struct be_daemon *daemon, const struct be_config *fresh);
/* From now on, of everything that logs; of one domain, or of all with -1. False: it has no vGPU. */
bool be_log_level_set(struct be_daemon *daemon, int64_t domid, enum vg_log_level level);

/* Whether xenstored answers (pulse.c). open: 0 or a negative errno. */
int be_pulse_open(struct be_daemon *daemon);
void be_pulse_close(struct be_daemon *daemon);
int be_pulse_fd(const struct be_pulse *pulse); /* readable: it has answered */
void be_pulse_ask(struct be_pulse *pulse, uint64_t now);
/* It has answered what was asked. */
bool be_pulse_take(struct be_pulse *pulse);

/* The vgpu command's socket (docs/control-socket.md). */
int be_tools_open(struct be_daemon *daemon, char *why);
void be_tools_close(struct be_daemon *daemon);
/* A session's struct vg_live, for the answers of the control socket (live.c). */
struct json_object;
void be_live_put(struct json_object *object, const struct be_session *session);
void be_live_put_device(struct json_object *object, const struct be_device *device);
/* The last probe, and a request's key "probe": 1: it has one, 0: none, -EINVAL (probe.c). */
void be_probe_put_json(struct json_object *object, const struct be_device *device);
int be_probe_parse(struct json_object *request, enum vg_probe *what);
size_t be_tools_sources(struct be_daemon *daemon, struct pollfd *fds, size_t room);
void be_tools_ready(struct be_daemon *daemon, const struct pollfd *fds, size_t count);

/* The metrics (endpoint.c): opens and closes what the settings say. What cannot be is in the log. */
void be_endpoint_update(struct be_daemon *daemon);
void be_endpoint_close(struct be_daemon *daemon);
int be_endpoint_fd(const struct be_daemon *daemon);        /* readable: it wants to run; -1: off */
uint64_t be_endpoint_wait(const struct be_daemon *daemon); /* ms until then; UINT64_MAX: no limit */
void be_endpoint_run(struct be_daemon *daemon);

/* Waits for something to happen, at most a second, and acts on it. */
void be_turn(struct be_daemon *daemon);
/* Nothing of any guest is mapped here, and no executor runs that nobody will look after. */
bool be_all_released(const struct be_daemon *daemon);

#endif
