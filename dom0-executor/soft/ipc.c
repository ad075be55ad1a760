/* SPDX-License-Identifier: MIT */
/*
 * The socket of this process, its thread, and asking others': see ipc.h.
 *
 * A request is answered with a descriptor: of the device's memory, which the asker maps a part of, or
 * of an event's page. Connections about events stay open, since their end tells of the asker's. Trusts
 * processes of the same user, and nobody else.
 */
#include "dom0-executor/soft/ipc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"

#define MAGIC       "softipc"
#define PEERS_MAX   256
#define WAIT_MS     5000
#define NAME_LENGTH 16

enum what {
	WHAT_MEMORY = 1,
	WHAT_EVENT,
	WHAT_POOL, /* id only: nothing is asked */
};

/* What a CUipcMemHandle or CUipcEventHandle holds. */
struct where {
	char magic[8];
	uint8_t name[NAME_LENGTH]; /* of the socket */
	uint32_t what;
	uint32_t pad;
	uint64_t base; /* memory */
	uint64_t id;   /* of the range, event or pool */
	uint64_t pool; /* memory: the one that it is from, 0: none */
	uint8_t rest[8];
};
_Static_assert(sizeof(struct where) == CU_IPC_HANDLE_SIZE, "a place fills a handle");

struct request {
	uint32_t what;
	uint32_t pad;
	uint64_t base, id;
};

struct answer {
	int32_t error; /* errno, 0: a descriptor comes along */
	uint32_t pad;
	uint64_t offset, size, asked;
};

struct offered {
	uint64_t id;
	int fd;
	struct offered *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t own_name[NAME_LENGTH];
static int listener = -1;
static struct offered *events;

/* --- sockets ------------------------------------------------------------------------------------ */

static socklen_t address_of(const uint8_t *name, struct sockaddr_un *address)
{
	char *at = address->sun_path + 1; /* begins with NUL: no file */
	int length = snprintf(at, 16, "vgpu-soft-");

	address->sun_family = AF_UNIX;
	address->sun_path[0] = '\0';
	for (int i = 0; i < NAME_LENGTH; i++)
		length += snprintf(at + length, 3, "%02x", name[i]);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static bool is_same_user(int sock)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.uid == geteuid();
}

static void limit_waits(int sock)
{
	const struct timeval limit = {.tv_sec = WAIT_MS / 1000};

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static bool answer_send(int sock, const struct answer *answer, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)answer, sizeof(*answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*answer);
}

/* The descriptor, or -1. */
static int answer_receive(int sock, struct answer *answer)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {answer, sizeof(*answer)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int fd = -1;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	if ((n != (ssize_t)sizeof(*answer) || answer->error) && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* --- answering ---------------------------------------------------------------------------------- */

static int memory_answer(const struct request *request, struct answer *answer)
{
	struct soft_range *range = range_pin(request->base);
	int fd = -1;

	if (range && range->kind == RANGE_DEVICE && range->base == request->base &&
	    range->id == request->id) {
		fd = range->device->store;
		answer->offset = range->base - range->device->region;
		answer->size = range->size;
		answer->asked = range->asked;
	}
	range_unpin(range);
	return fd;
}

/* A copy of the descriptor, since the event may end meanwhile. */
static int event_answer(const struct request *request)
{
	int fd = -1;

	pthread_mutex_lock(&lock);
	for (const struct offered *event = events; event && fd < 0; event = event->next)
		if (event->id == request->id)
			fd = dup(event->fd);
	pthread_mutex_unlock(&lock);
	return fd;
}

/* True: the connection is about an event and stays. */
static bool request_serve(int sock)
{
	struct answer answer = {0};
	struct request request;
	bool keep = false;
	int fd = -1;

	limit_waits(sock);
	if (!is_same_user(sock) ||
	    recv(sock, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return false;
	if (request.what == WHAT_MEMORY)
		fd = memory_answer(&request, &answer);
	else if (request.what == WHAT_EVENT)
		fd = event_answer(&request);
	answer.error = fd < 0 ? ENOENT : 0;
	keep = answer_send(sock, &answer, fd) && fd >= 0 && request.what == WHAT_EVENT;
	if (request.what == WHAT_EVENT && fd >= 0)
		close(fd);
	return keep;
}

static void *serve(void *arg)
{
	struct pollfd fds[1 + PEERS_MAX] = {{.fd = listener, .events = POLLIN}};
	nfds_t count = 1;

	(void)arg;
	for (;;) {
		if (poll(fds, count, -1) < 0)
			continue;
		for (nfds_t i = count - 1; i > 0; i--) {
			if (!fds[i].revents)
				continue;
			close(fds[i].fd); /* the other process has ended, or its event */
			fds[i] = fds[--count];
		}
		if (fds[0].revents) {
			int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

			if (sock >= 0 && request_serve(sock) && count <= PEERS_MAX)
				fds[count++] = (struct pollfd){.fd = sock, .events = POLLRDHUP};
			else if (sock >= 0)
				close(sock);
		}
	}
	return NULL;
}

/* Under the lock. */
static bool listen_start(void)
{
	struct sockaddr_un address = {0};
	sigset_t all, old;
	pthread_t thread;
	int sock;

	if (listener >= 0)
		return true;
	if (getrandom(own_name, sizeof(own_name), 0) != (ssize_t)sizeof(own_name))
		return false;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return false;
	listener = sock;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (bind(sock, (struct sockaddr *)&address, address_of(own_name, &address)) ||
	    listen(sock, 16) || pthread_create(&thread, NULL, serve, NULL)) {
		close(sock);
		listener = -1;
	} else {
		pthread_detach(thread);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return listener >= 0;
}

static CUresult place_make(enum what what, uint64_t base, uint64_t id, void *handle)
{
	struct where where = {.magic = MAGIC, .what = what, .base = base, .id = id};
	bool listening;

	pthread_mutex_lock(&lock);
	listening = listen_start();
	memcpy(where.name, own_name, sizeof(where.name));
	pthread_mutex_unlock(&lock);
	memcpy(handle, &where, sizeof(where));
	return listening ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* --- asking ------------------------------------------------------------------------------------- */

static bool place_read(enum what what, const void *handle, struct where *where)
{
	memcpy(where, handle, sizeof(*where));
	return !memcmp(where->magic, MAGIC, sizeof(where->magic)) && where->what == what;
}

static bool is_own(const struct where *where)
{
	bool own;

	pthread_mutex_lock(&lock);
	own = listener >= 0 && !memcmp(where->name, own_name, sizeof(own_name));
	pthread_mutex_unlock(&lock);
	return own;
}

/* The descriptor, or -1; *sock is the caller's to close in any case. */
static int ask(const struct where *where, struct answer *answer, int *sock)
{
	struct request request = {.what = where->what, .base = where->base, .id = where->id};
	struct sockaddr_un address = {0};
	socklen_t size = address_of(where->name, &address);

	*sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*sock < 0)
		return -1;
	limit_waits(*sock);
	if (connect(*sock, (struct sockaddr *)&address, size) || !is_same_user(*sock) ||
	    send(*sock, &request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request))
		return -1;
	return answer_receive(*sock, answer);
}

/* --- memory ------------------------------------------------------------------------------------- */

/* One that is open already, with one open more; its base, or 0. */
static uint64_t foreign_again(const struct where *where)
{
	return range_foreign_open(where->name, where->base, where->id);
}

static CUresult foreign_map(struct soft_context *ctx, enum range_kind kind,
			    const struct where *where, const struct answer *answer, int fd,
			    CUdeviceptr *out)
{
	struct soft_range *range;
	void *at;

	if (!answer->size || answer->size % SOFT_PAGE || answer->offset % SOFT_PAGE)
		return CUDA_ERROR_INVALID_HANDLE;
	range = range_new(kind, ctx->device, ctx);
	if (!range)
		return CUDA_ERROR_OUT_OF_MEMORY;
	range->size = answer->size;
	range->asked = answer->asked;
	range->foreign.base = where->base;
	range->foreign.id = where->id;
	range->foreign.opens = 1;
	memcpy(range->foreign.name, where->name, sizeof(where->name));
	if (range_place(range, SOFT_LARGE_PAGE) != CUDA_SUCCESS) {
		range_delete(range);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	at = mmap((void *)(uintptr_t)range->base, range->size, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED, fd, (off_t)answer->offset);
	if (at == MAP_FAILED) {
		range_delete(range_take(range->base, (unsigned int)kind));
		return CUDA_ERROR_MAP_FAILED;
	}
	*out = range->base;
	return CUDA_SUCCESS;
}

CUresult cuIpcGetMemHandle(CUipcMemHandle *pHandle, CUdeviceptr dptr)
{
	struct soft_range *range;
	uint64_t base, id;
	bool good;

	ENTER_CONTEXT(ctx);
	if (!pHandle)
		return CUDA_ERROR_INVALID_VALUE;
	range = range_pin(dptr);
	good = range && range->kind == RANGE_DEVICE && !range->pool;
	base = good ? range->base : 0;
	id = good ? range->id : 0;
	range_unpin(range);
	return good ? place_make(WHAT_MEMORY, base, id, pHandle) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags)
{
	struct answer answer = {0};
	struct where where;
	CUresult result;
	int fd, sock;

	ENTER_CONTEXT(ctx);
	if (!pdptr || Flags & ~(unsigned int)CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
		return CUDA_ERROR_INVALID_VALUE;
	if (!place_read(WHAT_MEMORY, &handle, &where))
		return CUDA_ERROR_INVALID_VALUE;
	if (is_own(&where))
		return CUDA_ERROR_INVALID_CONTEXT;
	*pdptr = foreign_again(&where);
	if (*pdptr)
		return CUDA_SUCCESS;
	fd = ask(&where, &answer, &sock);
	if (sock >= 0)
		close(sock);
	if (fd < 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = foreign_map(ctx, RANGE_FOREIGN, &where, &answer, fd, pdptr);
	close(fd);
	return result;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr dptr)
{
	struct soft_range *range;
	unsigned int left = 0;

	ENTER_CONTEXT(ctx);
	if (!range_foreign_close(dptr, &left))
		return CUDA_ERROR_INVALID_VALUE;
	if (left)
		return CUDA_SUCCESS;
	device_synchronize(ctx->device);
	range = range_take(dptr, RANGE_FOREIGN);
	if (range)
		memory_unmap(range->base, range->size);
	range_delete(range);
	return CUDA_SUCCESS;
}

/* --- pools -------------------------------------------------------------------------------------- */

CUresult ipc_pool_place(uint64_t pool, void *place)
{
	return place_make(WHAT_POOL, 0, pool, place);
}

bool ipc_pool_read(const void *place, uint8_t *owner, uint64_t *pool)
{
	struct where where;

	if (!place_read(WHAT_POOL, place, &where))
		return false;
	memcpy(owner, where.name, sizeof(where.name));
	*pool = where.id;
	return true;
}

CUresult ipc_pointer_place(uint64_t base, uint64_t id, uint64_t pool, void *place)
{
	CUresult result = place_make(WHAT_MEMORY, base, id, place);

	memcpy((uint8_t *)place + offsetof(struct where, pool), &pool, sizeof(pool));
	return result;
}

/* This process may be the owner itself: then it has the memory at two addresses. */
CUresult ipc_pointer_map(struct soft_context *ctx, const void *place, const uint8_t *owner,
			 uint64_t pool, CUdeviceptr *out)
{
	struct answer answer = {0};
	struct where where;
	CUresult result;
	int fd, sock;

	if (!place_read(WHAT_MEMORY, place, &where) || where.pool != pool ||
	    memcmp(where.name, owner, sizeof(where.name)) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	fd = ask(&where, &answer, &sock);
	if (sock >= 0)
		close(sock);
	if (fd < 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = foreign_map(ctx, RANGE_POOLED, &where, &answer, fd, out);
	close(fd);
	return result;
}

/* --- events ------------------------------------------------------------------------------------- */

static struct event_shared *page_map(int fd)
{
	void *at =
		mmap(NULL, sizeof(struct event_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

struct event_shared *event_shared_new(int *fd)
{
	struct event_shared *shared = NULL;

	*fd = memfd_create("vgpu-soft-event", MFD_CLOEXEC);
	if (*fd >= 0 && !ftruncate(*fd, SOFT_PAGE))
		shared = page_map(*fd);
	if (!shared && *fd >= 0)
		close(*fd);
	return shared;
}

struct event_shared *event_shared_open(const CUipcEventHandle *handle, int *fd, int *peer)
{
	struct event_shared *shared = NULL;
	struct answer answer = {0};
	struct where where;

	if (!place_read(WHAT_EVENT, handle, &where) || is_own(&where))
		return NULL;
	*fd = ask(&where, &answer, peer);
	if (*fd >= 0)
		shared = page_map(*fd);
	if (!shared) {
		event_shared_free(NULL, *fd, *peer);
		*fd = *peer = -1;
	}
	return shared;
}

void event_shared_free(struct event_shared *shared, int fd, int peer)
{
	if (shared)
		munmap(shared, sizeof(*shared));
	if (fd >= 0)
		close(fd);
	if (peer >= 0)
		close(peer);
}

CUresult event_shared_offer(uint64_t id, int fd, CUipcEventHandle *handle)
{
	struct offered *offered = malloc(sizeof(*offered));
	struct offered *there;

	if (!offered)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	for (there = events; there && there->id != id; there = there->next)
		;
	if (there) {
		free(offered);
	} else {
		*offered = (struct offered){.id = id, .fd = fd, .next = events};
		events = offered;
	}
	pthread_mutex_unlock(&lock);
	return place_make(WHAT_EVENT, 0, id, handle);
}

void event_shared_withdraw(uint64_t id)
{
	pthread_mutex_lock(&lock);
	for (struct offered **at = &events; *at; at = &(*at)->next) {
		struct offered *gone = *at;

		if (gone->id != id)
			continue;
		*at = gone->next;
		free(gone);
		break;
	}
	pthread_mutex_unlock(&lock);
}

uint64_t event_shared_record(struct event_shared *shared)
{
	return atomic_fetch_add(&shared->queued, 1) + 1;
}

void event_shared_ran(struct event_shared *shared, uint64_t record)
{
	uint64_t done = atomic_load(&shared->done);

	while (done < record && !atomic_compare_exchange_weak(&shared->done, &done, record))
		;
}

static bool is_gone(int peer)
{
	struct pollfd fd = {.fd = peer, .events = POLLRDHUP};

	return peer >= 0 && poll(&fd, 1, 0) > 0;
}

bool event_shared_passed(struct event_shared *shared, uint64_t record, int peer)
{
	return atomic_load(&shared->done) >= record || is_gone(peer);
}

void event_shared_wait(struct event_shared *shared, uint64_t record, int peer)
{
	const struct timespec pause = {.tv_nsec = 50000};

	while (!event_shared_passed(shared, record, peer))
		nanosleep(&pause, NULL);
}
