/* SPDX-License-Identifier: MIT */
/*
 * The account of a vGPU: processes that reserve and give back as fast as they can, some of them killed
 * in the middle of it, and pages and locks as a hostile executor would leave them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/account.h"
#include "protocol/clock.h"

#define LIMIT     1000u
#define PROCESSES 12u
#define KILLS     300u
#define RACES     2000u

static struct vg_account *account;
static int fd;

static int setup(void **state)
{
	(void)state;
	fd = vg_account_new(&account);
	return fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	vg_account_unmap(account);
	close(fd);
	return 0;
}

static void lock_page(short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	while (fcntl(fd, F_SETLKW, &lock))
		assert_int_equal(errno, EINTR);
}

/* While nobody can raise a slot. */
static uint64_t total_now(void)
{
	uint64_t total;

	lock_page(F_WRLCK);
	total = vg_account_total(account);
	lock_page(F_UNLCK);
	return total;
}

/* Reserves and gives back until it is killed; two answers are right, any other is its end. */
static void hammer(unsigned int slot)
{
	unsigned int seed = slot + 1;
	uint64_t held = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test must not leave it behind */
	for (;;) {
		uint64_t want = held + 1 + (uint64_t)(rand_r(&seed) % (LIMIT / 4));
		int rc = vg_account_raise(account, fd, slot, want, LIMIT);

		if (rc && rc != -ENOSPC)
			_exit(2);
		if (!rc)
			held = want;
		if (rc || rand_r(&seed) % 4 == 0) {
			held -= held / 2 + (held == 1);
			vg_account_set(account, slot, held);
		}
	}
}

static pid_t start(unsigned int slot)
{
	pid_t pid = fork();

	if (!pid)
		hammer(slot);
	assert_true(pid > 0);
	return pid;
}

/* As xen-vgpud does it. */
static void end(pid_t pid, unsigned int slot)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it had not ended by itself */
	vg_account_set(account, slot, 0);
}

static void test_killed_processes(void **state)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	pid_t pids[PROCESSES];
	unsigned int seed = 1;
	uint64_t most = 0;

	(void)state;
	for (unsigned int i = 0; i < PROCESSES; i++)
		pids[i] = start(i);
	for (unsigned int k = 0; k < KILLS; k++) {
		unsigned int victim = (unsigned int)rand_r(&seed) % PROCESSES;
		uint64_t total = total_now();

		assert_in_range(total, 0, LIMIT);
		most = total > most ? total : most;
		end(pids[victim], victim);
		pids[victim] = start(victim);
		nanosleep(&pause, NULL);
	}
	for (unsigned int i = 0; i < PROCESSES; i++)
		end(pids[i], i);
	assert_in_range(most, LIMIT / 2, LIMIT); /* it was full enough to say something */
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(vg_account_raise(account, fd, 0, LIMIT, LIMIT), 0);
	assert_int_equal(vg_account_raise(account, fd, 1, 1, LIMIT), -ENOSPC);
}

/* The last byte goes to one of those who want it, and each refusal is a true one. */
static void test_exact(void **state)
{
	unsigned int given = 0;
	pid_t pids[PROCESSES];
	int status;

	(void)state;
	for (unsigned int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			uint64_t held = 0;

			for (;;) {
				if (vg_account_raise(account, fd, i, held + 1, LIMIT))
					_exit(vg_account_total(account) == LIMIT ? 0 : 1);
				held++;
			}
		}
	}
	for (unsigned int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		given += (unsigned int)account->held[i];
	}
	assert_int_equal(given, LIMIT);
}

/* Two that want the last byte at the same moment, again and again: one of them has it. */
static void test_race(void **state)
{
	unsigned int *shared =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int *arrived = &shared[0], *won = &shared[1], *done = &shared[2];
	int status;
	pid_t pid;

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	pid = fork();
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int round = 1; round <= RACES; round++) {
		unsigned int slot = pid ? 0 : 1;

		__atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2 * round)
			;
		if (!vg_account_raise(account, fd, slot, LIMIT, LIMIT))
			__atomic_add_fetch(won, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(done, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(done, __ATOMIC_SEQ_CST) < 2 * round)
			;
		vg_account_set(account, slot, 0);
	}
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(*won, RACES);
	munmap(shared, 4096);
}

/* An executor that dies with the lock, and one that keeps it. */
static void test_lock_holders(void **state)
{
	int ready[2], status;
	uint64_t begin, took;
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		lock_page(F_WRLCK);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	begin = vg_clock_ms();
	assert_int_equal(vg_account_raise(account, fd, 0, 1, LIMIT), -ETIMEDOUT);
	took = vg_clock_ms() - begin;
	assert_in_range(took, VG_ACCOUNT_WAIT_MS, VG_ACCOUNT_WAIT_MS * 10);
	assert_int_equal(vg_account_total(account), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(vg_account_raise(account, fd, 0, 1, LIMIT), 0);
	close(ready[0]);
	close(ready[1]);
}

static void test_hostile_page(void **state)
{
	(void)state;
	memset(account, 0xff, sizeof(*account));
	assert_int_equal(vg_account_total(account), UINT64_MAX);
	assert_int_equal(vg_account_raise(account, fd, 3, 1, LIMIT), -ENOSPC);
	assert_int_equal(vg_account_raise(account, fd, VG_ACCOUNT_SLOTS, 1, LIMIT), -EINVAL);
	vg_account_set(account, UINT32_MAX, 0);
	for (unsigned int i = 0; i < VG_ACCOUNT_SLOTS; i++)
		vg_account_set(account, i, 0);
	account->held[7] = UINT64_MAX - 5;
	assert_int_equal(vg_account_raise(account, fd, 3, 10, UINT64_MAX), -ENOSPC);
	account->held[7] = 0;
	assert_int_equal(vg_account_raise(account, fd, 3, 10, LIMIT), 0);
	assert_int_equal(vg_account_total(account), 10);
}

static void test_no_limit(void **state)
{
	(void)state;
	assert_int_equal(vg_account_raise(account, fd, 0, 5000 * (uint64_t)LIMIT, 0), 0);
	assert_int_equal(vg_account_total(account), 5000 * (uint64_t)LIMIT);
}

static void test_file(void **state)
{
	struct vg_account *other = NULL;
	int small = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int loose = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(ftruncate(fd, 0), -1); /* sealed */
	assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(vg_account_map(small, &other), -EINVAL);
	assert_int_equal(ftruncate(loose, sizeof(*other)), 0);
	assert_int_equal(vg_account_map(loose, &other), -EINVAL);
	assert_null(other);
	assert_int_equal(vg_account_map(fd, &other), 0);
	vg_account_set(account, 9, 77);
	assert_int_equal(vg_account_total(other), 77);
	vg_account_unmap(other);
	close(small);
	close(loose);
}

/* Whose a slot is; and a slot that is nobody's says nothing, whatever is left in it. */
static void test_processes(void **state)
{
	struct vg_account_process process;
	struct timespec now;

	(void)state;
	assert_false(vg_account_process(account, 4, &process));
	vg_account_enter(account, 4, 1234, 99);
	vg_account_contexts(account, 4, 2);
	assert_int_equal(vg_account_raise(account, fd, 4, 50, LIMIT), 0);
	account->busy_ns[4] = 7;
	assert_true(vg_account_process(account, 4, &process));
	assert_int_equal(process.pid, 1234);
	assert_int_equal(process.executor, 99);
	assert_int_equal(process.contexts, 2);
	assert_int_equal(process.held, 50);
	assert_int_equal(process.busy_ns, 7);
	clock_gettime(CLOCK_MONOTONIC, &now);
	account->busy_since[4] = (uint64_t)(now.tv_sec - 1) * 1000000000u;
	assert_true(vg_account_process(account, 4, &process));
	assert_in_range(process.busy_ns, 900000000u, 60000000000u);
	account->busy_since[4] = UINT64_MAX; /* a time to come counts nothing */
	assert_true(vg_account_process(account, 4, &process));
	assert_int_equal(process.busy_ns, 7);
	vg_account_clear(account, 4);
	assert_false(vg_account_process(account, 4, &process));
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(account->busy_ns[4], 0);
	/* There are no such slots. */
	vg_account_enter(account, VG_ACCOUNT_SLOTS, 1, 1);
	vg_account_contexts(account, UINT32_MAX, 1);
	vg_account_clear(account, UINT32_MAX);
	assert_false(vg_account_process(account, VG_ACCOUNT_SLOTS, &process));
}

#define WITH_ACCOUNT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ACCOUNT(test_race),
		WITH_ACCOUNT(test_exact),
		WITH_ACCOUNT(test_killed_processes),
		WITH_ACCOUNT(test_lock_holders),
		WITH_ACCOUNT(test_hostile_page),
		WITH_ACCOUNT(test_no_limit),
		WITH_ACCOUNT(test_processes),
		WITH_ACCOUNT(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
