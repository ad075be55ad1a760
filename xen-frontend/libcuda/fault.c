/* SPDX-License-Identifier: MIT */
/*
 * The handler of SIGSEGV and the threads that serve it: see fault.h.
 *
 * There are two, so that what a host function wants, for which a stream waits, does not stand behind a
 * wait for that very stream. They start with the first memory that needs them. The handler itself
 * touches nothing but its stack, atomic words and semaphores.
 */
#include "xen-frontend/libcuda/fault.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/session.h"

struct request {
	uint64_t address;
	bool write;
	bool served; /* the answer: it was ours, try again */
	sem_t done;
	struct request *next;
};

struct server {
	_Atomic(struct request *) first; /* pushed by handlers, taken whole */
	sem_t wanted;
	bool settle; /* its requests wait for what runs on the device */
};

__thread bool fe_in_callback __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct server servers[2];
static bool running;
static struct sigaction before; /* whose signal it was */
static _Atomic uint64_t low = UINT64_MAX, high;

static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t hold_start, hold_end;
/* How many areas have been exchanged so far. */
static atomic_uint holds;

/* --- serving ------------------------------------------------------------------------------------ */

static void requests_serve(struct server *server, struct request *list)
{
	while (list) {
		struct request *next = list->next; /* gone once it is done */

		list->served = fe_managed_take(list->address, list->write, server->settle);
		sem_post(&list->done);
		list = next;
	}
}

static void *server_thread(void *arg)
{
	struct server *server = arg;

	for (;;) {
		while (sem_wait(&server->wanted))
			; /* EINTR */
		requests_serve(server, atomic_exchange(&server->first, NULL));
	}
	return NULL;
}

/* --- the handler -------------------------------------------------------------------------------- */

static bool is_write(const void *context)
{
#ifdef __x86_64__
	const ucontext_t *machine = context;

	return machine->uc_mcontext.gregs[REG_ERR] & 2;
#else
	(void)context;
	return true;
#endif
}

static bool request_run(uint64_t address, bool write)
{
	struct server *server = &servers[fe_in_callback];
	struct request request = {.address = address, .write = write};

	sem_init(&request.done, 0, 0);
	request.next = atomic_load(&server->first);
	while (!atomic_compare_exchange_weak(&server->first, &request.next, &request))
		;
	sem_post(&server->wanted);
	while (sem_wait(&request.done))
		;
	return request.served;
}

/* True when it was in the area that is being exchanged, which has been now. */
static bool held_wait(uint64_t address)
{
	bool ours = false;

	while (address >= atomic_load(&hold_start) && address < atomic_load(&hold_end)) {
		const struct timespec pause = {.tv_nsec = 50000};

		ours = true;
		nanosleep(&pause, NULL);
	}
	return ours;
}

/*
 * The exchange that it met may have ended before we came here: the instruction is tried again, once for each exchange.
 */
static bool try_again(uint64_t address)
{
	static __thread uint64_t tried __attribute__((tls_model("initial-exec")));
	static __thread unsigned int then __attribute__((tls_model("initial-exec")));
	unsigned int now = atomic_load(&holds);

	if (!now || (tried == address && then == now))
		return false;
	tried = address;
	then = now;
	return true;
}

static bool fault_serve(uint64_t address, const void *context)
{
	if (held_wait(address))
		return true;
	if (address < atomic_load(&low) || address >= atomic_load(&high))
		return try_again(address);
	return request_run(address, is_write(context));
}

/* Not ours: as it would have been without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
	} else {
		/* The instruction runs again, and this time it ends the program. */
		struct sigaction none = {.sa_handler = SIG_DFL};

		sigaction(number, &none, NULL);
		if (info->si_code <= 0)
			raise(number); /* somebody has sent it */
	}
}

static void handle(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	bool served = info->si_code > 0 && fault_serve((uintptr_t)info->si_addr, context);

	errno = saved;
	if (!served)
		pass_on(number, info, context);
}

/* --- setting up --------------------------------------------------------------------------------- */

static int server_start(struct server *server, bool settle)
{
	pthread_t thread;
	int rc;

	sem_init(&server->wanted, 0, 0);
	atomic_store(&server->first, NULL);
	server->settle = settle;
	rc = pthread_create(&thread, NULL, server_thread, server);
	if (!rc)
		pthread_detach(thread);
	return -rc;
}

/* Under the lock. The program's signals are the program's threads' business. */
static int servers_start(void)
{
	sigset_t all, old;
	int rc;

	if (running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = server_start(&servers[0], true);
	if (!rc)
		rc = server_start(&servers[1], false);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	running = !rc;
	return rc;
}

/* Under the lock. */
static int handler_install(void)
{
	struct sigaction now, ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	if (sigaction(SIGSEGV, NULL, &now))
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle)
		return 0;
	before = now;
	sigemptyset(&ours.sa_mask);
	return sigaction(SIGSEGV, &ours, NULL) ? -errno : 0;
}

int fe_fault_watch(void)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = servers_start();
	if (!rc)
		rc = handler_install();
	pthread_mutex_unlock(&lock);
	if (rc)
		vg_warn(&fe_who, "event=no-fault-handler error=\"%s\"", strerror(-rc));
	return rc;
}

void fe_fault_cover(uint64_t address, uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	if (address < atomic_load(&low))
		atomic_store(&low, address);
	if (address + bytes > atomic_load(&high))
		atomic_store(&high, address + bytes);
	pthread_mutex_unlock(&lock);
}

void fe_fault_hold(uint64_t address, uint64_t bytes)
{
	pthread_mutex_lock(&hold_lock);
	atomic_fetch_add(&holds, 1);
	atomic_store(&hold_end, address + bytes);
	atomic_store(&hold_start, address);
}

void fe_fault_release(void)
{
	atomic_store(&hold_end, 0);
	atomic_store(&hold_start, 0);
	pthread_mutex_unlock(&hold_lock);
}

void fe_fault_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_mutex_init(&hold_lock, NULL);
	running = false;
	atomic_store(&low, UINT64_MAX);
	atomic_store(&high, 0);
	atomic_store(&hold_end, 0);
	fe_in_callback = false;
}
