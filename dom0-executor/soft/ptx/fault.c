/* SPDX-License-Identifier: MIT */
/*
 * What ends a launch: traps and asserts of the kernel, and the CPU's exceptions in its code. The signal handler does
 * not jump: it puts the scheduler's saved stack in the interrupted context and returns into it, so the signal
 * mask is right and nothing unwinds. Signals in threads that run no kernel go to the handler that was there before.
 */
#include "sched.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define ALT_STACK_BYTES (64u << 10)

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
enum {
	SIGNALS = sizeof(signals) / sizeof(signals[0])
};

static struct sigaction old_actions[SIGNALS];
static pthread_mutex_t handlers_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct ptx_worker *running; /* whose fibers this OS thread runs */

/* The first fault of a run is the one that is told. */
void ptx_fault_record(struct ptx_run *run, const struct ptx_thread *t, enum ptx_fault_kind kind,
		      uint64_t address, const char *detail)
{
	struct ptx_fault *fault = &run->fault;

	pthread_mutex_lock(&run->lock);
	if (!fault->kind) {
		fault->kind = kind;
		fault->address = address;
		for (int i = 0; i < 3 && t; i++) {
			fault->block[i] = t->block->head.ctaid[i];
			fault->thread[i] = t->tid[i];
		}
		snprintf(fault->text, sizeof(fault->text),
			 "kernel %.100s: %s%s%s%s, block (%u,%u,%u) thread (%u,%u,%u)",
			 run->kernel->info.name, ptx_fault_name(kind), detail ? " (" : "",
			 detail ? detail : "", detail ? ")" : "", fault->block[0], fault->block[1],
			 fault->block[2], fault->thread[0], fault->thread[1], fault->thread[2]);
	}
	pthread_mutex_unlock(&run->lock);
	__atomic_store_n(&run->stop, 1, __ATOMIC_RELEASE);
}

PTX_SWITCHES void ptx_fault_raise(struct ptx_thread *t, enum ptx_fault_kind kind, uint64_t address,
				  const char *detail)
{
	ptx_fault_record(t->block->worker->run, t, kind, address, detail);
	ptx_sched_abort(t);
}

PTX_SWITCHES void ptx_rt_trap(struct ptx_thread *t)
{
	ptx_fault_raise(t, PTX_FAULT_TRAP, 0, NULL);
}

PTX_SWITCHES void *ptx_rt_call_target(struct ptx_thread *t, uint64_t target)
{
	const struct ptx_func_desc *desc = (const struct ptx_func_desc *)(uintptr_t)target;
	void *code = NULL;

	/* A wild address ends in the signal handler. */
	if (desc && !(target & 7) && desc->magic == PTX_FUNC_MAGIC)
		code = __atomic_load_n(&desc->code, __ATOMIC_ACQUIRE);
	if (!code)
		ptx_fault_raise(t, PTX_FAULT_BAD_CALL, target, NULL);
	return code;
}

static enum ptx_fault_kind signal_kind(const struct ptx_worker *w, int sig, const siginfo_t *info,
				       uint64_t *address)
{
	const struct ptx_fiber *fiber = w->current->fiber;
	const uint8_t *at = info->si_addr;

	*address = (uint64_t)(uintptr_t)at;
	if (sig == SIGILL || sig == SIGFPE)
		return PTX_FAULT_INSTRUCTION;
	if (sig == SIGBUS && info->si_code == BUS_ADRALN)
		return PTX_FAULT_MISALIGNED;
	if (at >= fiber->low - 4096 && at < fiber->low)
		return PTX_FAULT_STACK_OVERFLOW;
	return PTX_FAULT_ADDRESS;
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
	struct sigaction *old = NULL;

	for (int i = 0; i < SIGNALS; i++)
		if (signals[i] == sig)
			old = &old_actions[i];
	if (old && (old->sa_flags & SA_SIGINFO) && old->sa_sigaction) {
		old->sa_sigaction(sig, info, context);
	} else if (old && old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
		old->sa_handler(sig);
	} else {
		/* The instruction runs again and meets the default. */
		signal(sig, SIG_DFL);
	}
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct ptx_worker *w = running;
	ucontext_t *uc = context;
	enum ptx_fault_kind kind;
	uint64_t address;

	/* Only what the code itself did; a signal that was sent is not ours. */
	if (!w || !w->current || info->si_code <= 0) {
		pass_on(sig, info, context);
		return;
	}
	kind = signal_kind(w, sig, info, &address);
	ptx_fault_record(w->run, w->current, kind, address, NULL);
	w->aborted = true;
	w->current = NULL;
	ptx_sched_leave_by_signal(w);
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)w->main_sp;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)ptx_fiber_resume;
}

/* Others may have installed theirs since the last launch (test frameworks do): so ask each time. */
static void handlers_install(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK},
			 now;

	sigemptyset(&action.sa_mask);
	if (!sigaction(SIGSEGV, NULL, &now) && (now.sa_flags & SA_SIGINFO) &&
	    now.sa_sigaction == on_signal)
		return;
	pthread_mutex_lock(&handlers_lock);
	for (int i = 0; i < SIGNALS; i++)
		if (!sigaction(signals[i], NULL, &now) &&
		    (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_signal)) {
			old_actions[i] = now;
			sigaction(signals[i], &action, NULL);
		}
	pthread_mutex_unlock(&handlers_lock);
}

int ptx_fault_enter(struct ptx_worker *w)
{
	stack_t now, ours;
	sigset_t ours_set;

	handlers_install();
	/* Where a thread blocks these signals, an exception would end the process. */
	sigemptyset(&ours_set);
	for (int i = 0; i < SIGNALS; i++)
		sigaddset(&ours_set, signals[i]);
	pthread_sigmask(SIG_UNBLOCK, &ours_set, &w->old_mask);
	if (!sigaltstack(NULL, &now) && !(now.ss_flags & SS_DISABLE) &&
	    now.ss_size >= ALT_STACK_BYTES / 2) {
		running = w;
		return 0;
	}
	if (!w->alt_stack)
		w->alt_stack = malloc(ALT_STACK_BYTES);
	if (!w->alt_stack)
		return -ENOMEM;
	ours = (stack_t){.ss_sp = w->alt_stack, .ss_size = ALT_STACK_BYTES};
	if (sigaltstack(&ours, NULL))
		return -errno;
	running = w;
	return 0;
}

/* The alternate stack belongs to the worker, which another OS thread may use next. */
void ptx_fault_leave(struct ptx_worker *w)
{
	stack_t now, off = {.ss_flags = SS_DISABLE};

	running = NULL;
	pthread_sigmask(SIG_SETMASK, &w->old_mask, NULL);
	if (w->alt_stack && !sigaltstack(NULL, &now) && now.ss_sp == w->alt_stack)
		sigaltstack(&off, NULL);
}
