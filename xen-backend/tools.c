/* SPDX-License-Identifier: MIT */
/*
 * The socket of the vgpu command: one JSON object a line, one answer a line (docs/control-socket.md).
 * Whoever may open it is decided by its mode; a client is trusted to ask, not to be well formed,
 * and none of them can hold up the daemon.
 */
#include "xen-backend/session.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "xen-backend/json.h"

#define CLIENTS_MAX 8
#define REQUEST_MAX 4096
#define PROTOCOL    1

struct client {
	int fd; /* -1: free */
	char in[REQUEST_MAX];
	size_t in_used;
	char *out; /* owned */
	size_t out_used, out_sent;
	uint64_t since; /* ms; the oldest makes room for a new one */
	int given;      /* owned; a descriptor that came and has not been used; -1: none */
	uint32_t trace; /* lasts as long as the connection; 0: none */
};

struct be_tools {
	int listener;
	struct client clients[CLIENTS_MAX];
};

/* --- what is told ---------------------------------------------------------------------------- */

static uint64_t word(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/* The executor's words: copied, printed, never used. */
static void put_stats(struct json_object *object, const struct vg_stats *stats)
{
	struct json_object *ops = json_object_new_array();

	be_put_uint(object, "calls", word(&stats->commands));
	be_put_uint(object, "calls_async", word(&stats->commands_async));
	be_put_uint(object, "errors", word(&stats->errors));
	be_put_uint(object, "launches", word(&stats->launches));
	be_put_uint(object, "bytes_htod", word(&stats->bytes_htod));
	be_put_uint(object, "bytes_dtoh", word(&stats->bytes_dtoh));
	be_put_uint(object, "memory", word(&stats->alloc_bytes));
	be_put_uint(object, "memory_peak", word(&stats->alloc_peak));
	be_put_uint(object, "handles", word(&stats->handles));
	be_put_uint(object, "lanes", word(&stats->lanes));
	be_put_uint(object, "regions", word(&stats->regions));
	be_put_uint(object, "region_bytes", word(&stats->region_bytes));
	be_put_uint(object, "freed_bytes", word(&stats->freed_bytes));
	be_put_uint(object, "freed_handles", word(&stats->freed_handles));
	be_put_uint(object, "wakes", word(&stats->wakes));
	be_put_uint(object, "rings", word(&stats->rings));
	be_put_uint(object, "last_op", stats->last_op);
	be_put_int(object, "last_error", stats->last_error);
	be_put_uint(object, "last_error_op", stats->last_error_op);
	for (size_t i = 0; i < VG_STATS_OPS; i++) {
		uint64_t count = word(&stats->ops[i]);
		struct json_object *pair;

		if (!count)
			continue;
		pair = json_object_new_array_ext(2);
		json_object_array_add(pair, json_object_new_int64((int64_t)i));
		json_object_array_add(pair, json_object_new_uint64(count));
		json_object_array_add(ops, pair);
	}
	json_object_object_add(object, "ops", ops);
}

/* Of an executor that has not handed over its own yet. */
static const struct vg_stats no_stats;

static void put_devids(struct json_object *object, const uint8_t *devids, unsigned int count)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < count; i++)
		json_object_array_add(array, json_object_new_int(devids[i]));
	json_object_object_add(object, "devids", array);
}

/* As one of its vGPUs has it. */
static struct json_object *session_json(const struct be_session *session,
					const struct be_device *device)
{
	static const char *const states[] = {"opening", "adopting", "adopted",
					     "open",    "ending",   "ended"};
	struct json_object *object = json_object_new_object();
	uint8_t devids[VG_SESSION_DEVICES];
	unsigned int count = be_seats_list(session, devids);

	be_put_uint(object, "session", session->id);
	put_devids(object, devids, count);
	be_put_text(object, "state", states[session->state]);
	be_put_int(object, "executor", session->pid);
	be_put_uint(object, "pid", session->guest_pid);
	be_put_uint(object, "uid", session->guest_uid);
	be_put_text(object, "program", session->comm);
	be_put_int(object, "started", session->started);
	put_stats(object, session->stats ? session->stats : &no_stats);
	be_live_put(object, session);
	if (count > 1) /* the counters have the sum */
		be_put_uint(object, "memory", be_account_held(device, session));
	return object;
}

static struct json_object *device_json(const struct be_device *device)
{
	struct json_object *object = json_object_new_object();
	struct json_object *sessions = json_object_new_array();

	be_put_uint(object, "domid", device->domid);
	be_put_uint(object, "devid", device->devid);
	be_put_flag(object, "connected", device->connected);
	be_put_text(object, "gpu", device->settings.gpu);
	be_put_text(object, "driver", device->settings.driver);
	be_put_uint(object, "mem", device->settings.mem);
	be_put_uint(object, "mem_used", be_account_used(device));
	be_put_uint(object, "max_sessions", device->settings.max_sessions);
	be_put_text(object, "error", device->error);
	be_live_put_device(object, device);
	be_put_text(object, "log_level", vg_log_level_name((enum vg_log_level)device->who.level));
	for (const struct be_seat *seat = device->seats; seat; seat = seat->next)
		json_object_array_add(sessions, session_json(seat->session, device));
	json_object_object_add(object, "sessions", sessions);
	if (be_trace_of_device(device))
		be_put_int(object, "traced_by", be_trace_of_device(device)->pid);
	return object;
}

static struct json_object *record_json(const struct be_record *record)
{
	struct json_object *object = json_object_new_object();

	be_put_uint(object, "domid", record->domid);
	be_put_uint(object, "devid", record->devid);
	put_devids(object, record->devids, record->device_count);
	be_put_int(object, "executor", record->executor);
	be_put_uint(object, "pid", record->guest_pid);
	be_put_uint(object, "uid", record->guest_uid);
	be_put_text(object, "program", record->comm);
	be_put_int(object, "started", record->started);
	be_put_int(object, "ended", record->ended);
	be_put_int(object, "status", record->status);
	be_put_text(object, "reason", record->reason);
	put_stats(object, &record->stats);
	return object;
}

/* --- what can be asked ----------------------------------------------------------------------- */

static struct json_object *answer_new(bool ok)
{
	struct json_object *object = json_object_new_object();

	be_put_int(object, "vgpu", PROTOCOL);
	be_put_flag(object, "ok", ok);
	return object;
}

static struct json_object *answer_error(const char *text)
{
	struct json_object *object = answer_new(false);

	be_put_text(object, "error", text);
	return object;
}

/* -1: none given, -2: not a number from `least` to `most`. */
static int64_t asked_number(struct json_object *request, const char *key, int64_t least,
			    int64_t most)
{
	struct json_object *value;
	int64_t number;

	if (!json_object_object_get_ex(request, key, &value))
		return -1;
	if (!json_object_is_type(value, json_type_int))
		return -2;
	number = json_object_get_int64(value);
	return number >= least && number <= most ? number : -2;
}

static int64_t asked_domid(struct json_object *request)
{
	return asked_number(request, "domid", 0, BE_DOMID_MAX);
}

static struct json_object *do_ping(struct be_daemon *daemon, struct client *client,
				   struct json_object *request)
{
	struct json_object *answer = answer_new(true);

	(void)client;
	(void)request;
	be_put_int(answer, "pid", getpid());
	be_put_int(answer, "started", daemon->started);
	be_put_int(answer, "now", time(NULL));
	be_put_uint(answer, "protocol", VG_PROTOCOL_VERSION);
	be_put_uint(answer, "executors", daemon->executor_count);
	return answer;
}

static struct json_object *do_list(struct be_daemon *daemon, struct client *client,
				   struct json_object *request)
{
	struct json_object *devices = json_object_new_array();
	struct json_object *ended = json_object_new_array();
	int64_t domid = asked_domid(request);
	struct json_object *answer = do_ping(daemon, client, request);
	unsigned int first = daemon->history_next + BE_HISTORY_MAX - daemon->history_count;

	for (struct be_device *d = daemon->devices; d; d = d->next)
		if (domid < 0 || domid == d->domid)
			json_object_array_add(devices, device_json(d));
	for (unsigned int i = 0; i < daemon->history_count; i++) {
		const struct be_record *record = &daemon->history[(first + i) % BE_HISTORY_MAX];

		if (domid < 0 || domid == record->domid)
			json_object_array_add(ended, record_json(record));
	}
	json_object_object_add(answer, "devices", devices);
	json_object_object_add(answer, "ended", ended);
	return answer;
}

/* The answer does not wait for the executors' and the guests': they are in the next list (looked_ms, probe). */
static struct json_object *do_look(struct be_daemon *daemon, struct client *client,
				   struct json_object *request)
{
	int64_t domid = asked_domid(request);
	struct json_object *value;
	enum vg_probe what = VG_PROBE_ALIVE;
	int probe = be_probe_parse(request, &what);
	uint64_t times = 0;

	(void)client;
	if (probe < 0)
		return answer_error("probe must be alive or kernel");
	if (json_object_object_get_ex(request, "times_s", &value))
		times = json_object_get_uint64(value);
	for (struct be_device *d = daemon->devices; d; d = d->next) {
		if (domid >= 0 && domid != d->domid)
			continue;
		if (times)
			d->times_until = vg_clock_ms() + (times < 600 ? times : 600) * 1000;
		for (struct be_session *s = d->sessions; s; s = s->next)
			be_session_look(s);
		if (probe)
			be_device_probe(d, what);
	}
	return answer_new(true);
}

static struct json_object *do_log(struct be_daemon *daemon, struct client *client,
				  struct json_object *request)
{
	struct json_object *value;
	int64_t domid = asked_domid(request);
	enum vg_log_level level;

	(void)client;
	if (!json_object_object_get_ex(request, "level", &value) ||
	    !json_object_is_type(value, json_type_string) ||
	    vg_log_level_parse(json_object_get_string(value), &level))
		return answer_error("level must be error, warn, info, call or data");
	if (!be_log_level_set(daemon, domid, level))
		return answer_error("this domain has no vGPU");
	return answer_new(true);
}

/* Executors never wait for who reads it, and each packet comes whole. */
static bool is_trace_socket(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && domain == AF_UNIX &&
	       type == SOCK_SEQPACKET && (fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static pid_t client_pid(const struct client *client)
{
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof(who);

	(void)getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	return who.pid;
}

static unsigned int traced_count(const struct be_daemon *daemon, const struct be_trace *trace)
{
	unsigned int count = 0;

	for (const struct be_device *d = daemon->devices; d; d = d->next)
		for (const struct be_session *s = d->sessions; s; s = s->next)
			count += s->state <= BE_SESSION_OPEN && be_trace_of(s) == trace;
	return count;
}

/* Sessions that run now begin at the turn's end. */
static struct json_object *do_trace(struct be_daemon *daemon, struct client *client,
				    struct json_object *request)
{
	int64_t domid = asked_domid(request);
	int64_t devid = asked_number(request, "devid", 0, BE_DEVID_MAX);
	int64_t session = asked_number(request, "session", 1, UINT32_MAX);
	const struct be_trace *trace;
	struct json_object *value, *answer;
	struct be_trace wanted;
	char why[VG_TEXT_MAX];

	if (domid < 0)
		return answer_error("a trace needs a domid");
	if (devid == -2 || session == -2)
		return answer_error("devid or session is not a number of that kind");
	if (client->trace)
		return answer_error("this connection has a trace already");
	if (!is_trace_socket(client->given))
		return answer_error("a trace needs a non-blocking SOCK_SEQPACKET socket, sent with "
				    "the request");
	wanted = (struct be_trace){.fd = client->given,
				   .domid = (uint32_t)domid,
				   .devid = devid,
				   .session = session < 0 ? 0 : (uint32_t)session,
				   .pid = client_pid(client)};
	if (json_object_object_get_ex(request, "data", &value))
		wanted.data = json_object_get_boolean(value);
	client->given = -1;
	trace = be_trace_begin(daemon, &wanted, why);
	if (!trace)
		return answer_error(why);
	client->trace = trace->number;
	answer = answer_new(true);
	be_put_uint(answer, "sessions", traced_count(daemon, trace));
	return answer;
}

static struct json_object *tools_answer(struct be_daemon *daemon, struct client *client,
					struct json_object *request)
{
	static const struct {
		const char *name;
		struct json_object *(*run)(struct be_daemon *, struct client *,
					   struct json_object *);
	} requests[] = {{"ping", do_ping},
			{"list", do_list},
			{"look", do_look},
			{"log", do_log},
			{"trace", do_trace}};
	struct json_object *value;
	char text[160];

	if (!request || !json_object_is_type(request, json_type_object))
		return answer_error("a request is one JSON object on one line");
	if (!json_object_object_get_ex(request, "vgpu", &value) ||
	    json_object_get_int(value) != PROTOCOL) {
		snprintf(
			text, sizeof(text),
			"this xen-vgpud speaks version %d of the control socket's protocol: install "
			"the same release of vgpu and xen-vgpud",
			PROTOCOL);
		return answer_error(text);
	}
	if (asked_domid(request) == -2)
		return answer_error("domid is not a domain's number");
	if (json_object_object_get_ex(request, "request", &value) &&
	    json_object_is_type(value, json_type_string))
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
			if (!strcmp(requests[i].name, json_object_get_string(value)))
				return requests[i].run(daemon, client, request);
	return answer_error("unknown request: ping, list, look, log or trace");
}

/* --- clients --------------------------------------------------------------------------------- */

static void given_close(struct client *client)
{
	if (client->given >= 0)
		close(client->given);
	client->given = -1;
}

static void client_close(struct be_daemon *daemon, struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	given_close(client);
	be_trace_end(daemon, client->trace);
	free(client->out);
	*client = (struct client){.fd = -1, .given = -1};
}

static void client_write(struct be_daemon *daemon, struct client *client)
{
	while (client->out_sent < client->out_used) {
		ssize_t n = send(client->fd, client->out + client->out_sent,
				 client->out_used - client->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				client_close(daemon, client);
			return;
		}
		client->out_sent += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_used = client->out_sent = 0;
}

static void client_answer(struct be_daemon *daemon, struct client *client, const char *line)
{
	struct json_object *request = json_tokener_parse(line);
	struct json_object *answer = tools_answer(daemon, client, request);
	const char *text = json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN);
	int n = asprintf(&client->out, "%s\n", text ? text : "{}");

	if (n < 0)
		client->out = NULL;
	client->out_used = n < 0 ? 0 : (size_t)n;
	client->out_sent = 0;
	given_close(client);
	json_object_put(request);
	json_object_put(answer);
}

/* One request at a time: the next line is looked at when the answer has gone out. */
static void client_lines(struct be_daemon *daemon, struct client *client)
{
	while (client->fd >= 0 && !client->out) {
		char *end = memchr(client->in, '\n', client->in_used);
		size_t length;

		if (!end) {
			if (client->in_used == sizeof(client->in))
				client_close(daemon, client);
			return;
		}
		*end = '\0';
		client_answer(daemon, client, client->in);
		length = (size_t)(end - client->in) + 1;
		client->in_used -= length;
		memmove(client->in, end + 1, client->in_used);
		client_write(daemon, client);
	}
}

/* Keeps the last descriptor. */
static void given_take(struct client *client, struct msghdr *hdr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0;
		     i < count && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS; i++) {
			given_close(client);
			memcpy(&client->given, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
}

static ssize_t client_receive(struct client *client)
{
	struct iovec iov = {client->in + client->in_used, sizeof(client->in) - client->in_used};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(client->fd, &hdr, MSG_CMSG_CLOEXEC);

	if (n > 0)
		given_take(client, &hdr);
	return n;
}

static void client_read(struct be_daemon *daemon, struct client *client)
{
	ssize_t n = client_receive(client);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(daemon, client);
		return;
	}
	client->in_used += (size_t)n;
	client_lines(daemon, client);
}

_Static_assert(BE_TRACES_MAX < CLIENTS_MAX, "traces leave room for other clients");

/* A free place, or that of the oldest client that does not trace. */
static struct client *client_place(struct be_tools *tools)
{
	struct client *place = NULL;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &tools->clients[i];

		if (c->fd < 0)
			return c;
		if (!c->trace && (!place || c->since < place->since))
			place = c;
	}
	return place;
}

static void tools_accept(struct be_daemon *daemon)
{
	int fd = accept4(daemon->tools->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *slot;

	if (fd < 0)
		return;
	slot = client_place(daemon->tools);
	client_close(daemon, slot);
	slot->fd = fd;
	slot->since = vg_clock_ms();
}

size_t be_tools_sources(struct be_daemon *daemon, struct pollfd *fds, size_t room)
{
	struct be_tools *tools = daemon->tools;
	size_t count = 0;

	if (!tools || room < CLIENTS_MAX + 1)
		return 0;
	fds[count++] = (struct pollfd){.fd = tools->listener, .events = POLLIN};
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &tools->clients[i];

		if (c->trace && !be_trace_runs(daemon, c->trace))
			client_close(daemon, c); /* its vGPUs have gone: so it is told */
		/* A free slot has fd -1, which poll passes over. */
		fds[count++] = (struct pollfd){.fd = c->fd, .events = c->out ? POLLOUT : POLLIN};
	}
	return count;
}

void be_tools_ready(struct be_daemon *daemon, const struct pollfd *fds, size_t count)
{
	struct be_tools *tools = daemon->tools;

	for (size_t i = 1; i < count; i++) {
		struct client *c = &tools->clients[i - 1];

		if (!fds[i].revents)
			continue;
		if (c->out) {
			client_write(daemon, c);
			client_lines(daemon, c);
		} else {
			client_read(daemon, c);
		}
	}
	if (count && fds[0].revents)
		tools_accept(daemon);
}

/* A socket that nobody listens on is left from an earlier run; one that answers is another daemon. */
static int tools_claim(const struct sockaddr_un *address, char *why)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? 0 : -EADDRINUSE;

	close(fd);
	if (rc)
		snprintf(why, BE_CONFIG_WHY, "another xen-vgpud answers on %s", address->sun_path);
	else
		unlink(address->sun_path);
	return rc;
}

static int tools_listen(const char *path, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[BE_CONFIG_PATH_MAX];
	mode_t old;
	int fd, rc;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
	    (int)sizeof(address.sun_path)) {
		snprintf(why, BE_CONFIG_WHY, "the socket's path %.100s... is too long", path);
		return -ENAMETOOLONG;
	}
	snprintf(dir, sizeof(dir), "%s", path);
	mkdir(dirname(dir), 0755);
	rc = tools_claim(&address, why);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0177);
	rc = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8)
		     ? -errno
		     : fd;
	umask(old);
	if (rc < 0) {
		snprintf(why, BE_CONFIG_WHY, "cannot listen on %s: %s", path, strerror(-rc));
		if (fd >= 0)
			close(fd);
	}
	return rc;
}

int be_tools_open(struct be_daemon *daemon, char *why)
{
	struct be_tools *tools = calloc(1, sizeof(*tools));
	int fd;

	if (!tools)
		return -ENOMEM;
	for (int i = 0; i < CLIENTS_MAX; i++)
		tools->clients[i].fd = tools->clients[i].given = -1;
	fd = tools_listen(daemon->config.socket, why);
	if (fd < 0) {
		free(tools);
		return fd;
	}
	tools->listener = fd;
	daemon->tools = tools;
	return 0;
}

void be_tools_close(struct be_daemon *daemon)
{
	struct be_tools *tools = daemon->tools;

	if (!tools)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_close(daemon, &tools->clients[i]);
	close(tools->listener);
	unlink(daemon->config.socket);
	free(tools);
	daemon->tools = NULL;
}
