/* SPDX-License-Identifier: MIT */
/*
 * Staged copies against a device that does them at once, late in a thread of its own, when its stream is waited for, or
 * wrongly. Device memory is memory of ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "tests/unit/libcuda/fake.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/host_memory.h"
#include "xen-frontend/libcuda/session.h"
#include "xen-frontend/libcuda/stage.h"

#define SLOTS       8u
#define LOCAL_SLOT  (512u * 1024)
#define XEN_SLOT    (64u * 1024)
#define PART_LEAST  (64u * 1024)
#define MOST        (20u * 1024 * 1024 + 7)
#define GUARD       64u
#define COMMANDS    1024u
#define BOUND_MS    10000u
#define STREAM_USED ((CUstream)(uintptr_t)0x5000)

enum device {
	NOW,
	LATE,     /* a thread, in their order */
	AT_WAIT,  /* when the stream is waited for */
	NO_WORD,  /* copies and never says so */
	BEHIND,   /* writes a word that is long past */
	AHEAD,    /* ... or that is far ahead, before it has copied anything */
	FAILING,  /* the second command is refused */
	DISTURBS, /* makes a copy of its own meanwhile */
};

struct command {
	CUdeviceptr dst, src;
	size_t size;
	CUstream stream;
	CUdeviceptr done;
	uint32_t value;
};

static struct {
	enum device how;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct command command[COMMANDS]; /* the log; below `done` they have been carried out */
	unsigned int sent, done, waits;
	CUstream waited;
	bool ends;
	CUresult wait_result;
	pthread_t thread;
	/* The slots' memory. */
	int refuses;
	unsigned int made, freed;
	uint8_t *memory;
	size_t bytes;
	bool nested; /* of DISTURBS */
} device;

static uint8_t *host, *remote; /* MOST bytes and guards around them */
atomic_int fe_captures;

/* --- the device ------------------------------------------------------------------------------------ */

static void word_write(CUdeviceptr at, uint32_t value)
{
	if (at)
		__atomic_store_n((uint32_t *)(uintptr_t)at, value, __ATOMIC_RELEASE);
}

static void carry_out(const struct command *c)
{
	if (device.how == BEHIND)
		word_write(c->done, c->value - 7);
	if (device.how == AHEAD)
		word_write(c->done, c->value + 1000);
	memcpy((void *)(uintptr_t)c->dst, (const void *)(uintptr_t)c->src, c->size);
	if (device.how != NO_WORD && device.how != BEHIND && device.how != AHEAD)
		word_write(c->done, c->value);
}

static void carry_out_all(void)
{
	while (device.done < device.sent)
		carry_out(&device.command[device.done++]);
}

static void *device_thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&device.lock);
	for (;;) {
		struct command c;

		while (device.done == device.sent && !device.ends)
			pthread_cond_wait(&device.moved, &device.lock);
		if (device.done == device.sent)
			break;
		c = device.command[device.done];
		pthread_mutex_unlock(&device.lock);
		usleep(device.done % 5 ? 0 : 500);
		carry_out(&c);
		pthread_mutex_lock(&device.lock);
		device.done++;
		pthread_cond_broadcast(&device.moved);
	}
	pthread_mutex_unlock(&device.lock);
	return NULL;
}

CUresult rpc_vgCopyStage(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream,
			 CUdeviceptr done, cuuint32_t value)
{
	CUresult result;

	if (device.how == FAILING && device.sent == 1)
		return CUDA_ERROR_INVALID_VALUE;
	if (device.how == DISTURBS)
		device.nested |= fe_stage_in(dst, host, PART_LEAST, FE_COPY_SYNC, &result);
	pthread_mutex_lock(&device.lock);
	assert_true(device.sent < COMMANDS);
	device.command[device.sent++] = (struct command){dst, src, size, stream, done, value};
	pthread_cond_broadcast(&device.moved);
	if (device.how != LATE && device.how != AT_WAIT)
		carry_out_all();
	pthread_mutex_unlock(&device.lock);
	return CUDA_SUCCESS;
}

static CUresult stream_wait(CUstream stream)
{
	pthread_mutex_lock(&device.lock);
	device.waits++;
	device.waited = stream;
	if (device.how == AT_WAIT)
		carry_out_all();
	while (device.how == LATE && device.done < device.sent)
		pthread_cond_wait(&device.moved, &device.lock);
	pthread_mutex_unlock(&device.lock);
	return device.wait_result;
}

int fe_pinned_alloc(struct fe_range *range)
{
	device.made++;
	if (device.refuses)
		return device.refuses;
	device.bytes = range->size;
	device.memory = aligned_alloc(VG_PAGE_SIZE, range->size);
	memset(device.memory, 0xee, range->size); /* words included */
	range->base = (uintptr_t)device.memory;
	return 0;
}

void fe_pinned_free(const struct fe_range *range)
{
	device.freed++;
	assert_int_equal(range->base, (uintptr_t)device.memory);
	(void)stream_wait(NULL); /* for what still uses it */
	free(device.memory);
	device.memory = NULL;
}

static size_t slot_of(CUdeviceptr address, size_t slot_bytes)
{
	assert_in_range(address, (uintptr_t)device.memory,
			(uintptr_t)device.memory + SLOTS * slot_bytes - 1);
	assert_int_equal((address - (uintptr_t)device.memory) % slot_bytes, 0);
	return (address - (uintptr_t)device.memory) / slot_bytes;
}

static size_t word_of(CUdeviceptr address, size_t slot_bytes)
{
	size_t behind = address - (uintptr_t)device.memory - SLOTS * slot_bytes;

	assert_true(behind + sizeof(uint32_t) <= VG_PAGE_SIZE);
	return behind / 64;
}

/* --- each test ------------------------------------------------------------------------------------- */

static void device_is(enum device how)
{
	device.how = how;
	if (how == LATE)
		assert_int_equal(pthread_create(&device.thread, NULL, device_thread, NULL), 0);
}

static void device_ends(void)
{
	if (device.how != LATE)
		return;
	pthread_mutex_lock(&device.lock);
	device.ends = true;
	pthread_cond_broadcast(&device.moved);
	pthread_mutex_unlock(&device.lock);
	pthread_join(device.thread, NULL);
	device.ends = false;
}

static void log_clear(void)
{
	pthread_mutex_lock(&device.lock);
	device.sent = device.done = 0;
	pthread_mutex_unlock(&device.lock);
}

/* The slots' memory is made anew, as after a context's end. */
static void memory_renew(void)
{
	CUresult result;

	atomic_fetch_add(&fe_contexts_gone, 1);
	assert_true(fe_stage_in((uintptr_t)remote, host, FE_STAGE_LEAST, FE_COPY_SYNC, &result));
	assert_int_equal(result, CUDA_SUCCESS);
	log_clear();
	device.made = device.freed = device.waits = 0;
}

static int setup(void **state)
{
	uint8_t *memory = device.memory;

	(void)state;
	fake_reset(1);
	fake.on_wait = stream_wait;
	memset(&device, 0, sizeof(device));
	device.memory = memory;
	pthread_mutex_init(&device.lock, NULL);
	pthread_cond_init(&device.moved, NULL);
	fe_session.channel.limits.channel = VG_CHANNEL_LOCAL;
	host = calloc(1, MOST + 2 * GUARD);
	remote = calloc(1, MOST + 2 * GUARD);
	if (!host || !remote)
		return -1;
	memory_renew();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	device_ends();
	carry_out_all();
	free(host);
	free(remote);
	return 0;
}

/* More than this machine may have. */
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	(void)pid;
	memset(set, 0, size);
	for (int i = 0; i < 8; i++)
		CPU_SET(i, set);
	return 0;
}

static CUresult copy(bool in, size_t size, struct fe_copy_how how)
{
	CUresult result = CUDA_ERROR_NOT_FOUND;
	uint64_t begin = vg_clock_ms();

	assert_true(in ? fe_stage_in((uintptr_t)remote, host, size, how, &result)
		       : fe_stage_out(host, (uintptr_t)remote, size, how, &result));
	assert_true(vg_clock_ms() - begin < BOUND_MS);
	return result;
}

/* It is the ring's. */
static bool is_left(bool in, size_t size, struct fe_copy_how how)
{
	CUresult result = CUDA_ERROR_NOT_FOUND;
	unsigned int sent = device.sent;

	return !(in ? fe_stage_in((uintptr_t)remote, host, size, how, &result)
		    : fe_stage_out(host, (uintptr_t)remote, size, how, &result)) &&
	       result == CUDA_ERROR_NOT_FOUND && device.sent == sent;
}

static void fill(uint8_t *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245u + 12345u;
		at[i] = (uint8_t)(seed >> 16);
	}
}

/* --- contents -------------------------------------------------------------------------------------- */

static void check_copy(bool in, size_t size, size_t host_off, size_t remote_off)
{
	uint8_t *from = in ? host + host_off : remote + remote_off;
	uint8_t *to = in ? remote + remote_off : host + host_off;
	CUresult result = CUDA_ERROR_NOT_FOUND;

	fill(from, size, (unsigned int)(size + host_off));
	memset(to, 0, size);
	memset(to - GUARD / 2, 0xa5, GUARD / 2);
	memset(to + size, 0xa5, GUARD / 2);
	log_clear();
	if (in)
		assert_true(fe_stage_in((uintptr_t)to, from, size, FE_COPY_SYNC, &result));
	else
		assert_true(fe_stage_out(to, (uintptr_t)from, size, FE_COPY_SYNC, &result));
	assert_int_equal(result, CUDA_SUCCESS);
	/* With VG_COPY_SYNC it is done. */
	assert_memory_equal(from, to, size);
	for (size_t i = 0; i < GUARD / 2; i++) {
		assert_int_equal(to[size + i], 0xa5);
		assert_int_equal(to[-1 - (ptrdiff_t)i], 0xa5);
	}
}

static void check_sizes(void)
{
	static const size_t sizes[] = {16384,
				       16385,
				       65535,
				       65537,
				       262143,
				       262145,
				       524288 + 1,
				       (1 << 20) + 3,
				       786433,
				       8 * LOCAL_SLOT - 1,
				       8 * XEN_SLOT + 1,
				       MOST};
	static const size_t offsets[] = {0, 1, 7};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t odd = sizes[i] < (1u << 20) ? 3 : 1;

		for (size_t j = 0; j < odd; j++) {
			for (int in = 0; in < 2; in++)
				check_copy(in, sizes[i], GUARD / 2 + offsets[j],
					   GUARD / 2 + offsets[odd - 1 - j]);
		}
	}
}

static void check_channels(enum device how)
{
	static const uint32_t channels[] = {VG_CHANNEL_LOCAL, VG_CHANNEL_XEN};

	device_is(how);
	for (int i = 0; i < 2; i++) {
		fe_session.channel.limits.channel = channels[i];
		memory_renew();
		check_sizes();
		assert_int_equal(device.made + device.freed, 0);
		assert_int_equal(device.bytes, SLOTS * (i ? XEN_SLOT : LOCAL_SLOT) + VG_PAGE_SIZE);
	}
}

static void sizes_and_alignments_at_once(void **state)
{
	(void)state;
	check_channels(NOW);
}

static void sizes_and_alignments_late(void **state)
{
	(void)state;
	check_channels(LATE);
}

static void sizes_and_alignments_when_waited_for(void **state)
{
	(void)state;
	check_channels(AT_WAIT);
}

/* --- slots ----------------------------------------------------------------------------------------- */

/* Each part in the next slot, and words that count up by one a time. */
static void check_order(bool in, unsigned int group)
{
	/* To the device the first part is half of one. */
	const size_t size = (size_t)20 * LOCAL_SLOT, first = in ? LOCAL_SLOT / 2 : LOCAL_SLOT;
	const unsigned int parts = in ? 21 : 20;
	size_t at = 0;
	uint32_t *words = (uint32_t *)(void *)(device.memory + (size_t)SLOTS * LOCAL_SLOT);
	uint32_t value[SLOTS];

	for (unsigned int i = 0; i < SLOTS; i++)
		value[i] = words[i * 16];
	assert_int_equal(copy(in, size, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_int_equal(device.sent, parts);
	for (unsigned int i = 0; i < parts; i++) {
		const struct command *c = &device.command[i];
		bool tells = i % group == group - 1 || i == parts - 1;

		assert_int_equal(slot_of(in ? c->src : c->dst, LOCAL_SLOT), i % SLOTS);
		assert_int_equal(in ? c->dst : c->src, (uintptr_t)remote + at);
		assert_int_equal(c->size, !i                       ? first
					  : size - at < LOCAL_SLOT ? size - at
								   : LOCAL_SLOT);
		at += c->size;
		assert_int_equal((uintptr_t)c->stream, (uintptr_t)CU_STREAM_LEGACY);
		assert_int_equal(c->done != 0, tells);
		if (tells) {
			assert_int_equal(word_of(c->done, LOCAL_SLOT), i % SLOTS);
			assert_int_equal(c->value, ++value[i % SLOTS]);
		}
	}
}

static void slots_in_their_order(void **state)
{
	(void)state;
	check_order(false, 1);
	log_clear();
	check_order(true, SLOTS / 2 + 1);
}

static void parts_of_a_middling_copy(void **state)
{
	(void)state;
	/* A third each, in whole pages; the first is half of that. */
	assert_int_equal(copy(true, 800000, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_int_equal(device.sent, 4);
	assert_int_equal(device.command[0].size, 135168);
	assert_int_equal(device.command[1].size, 270336);
	assert_int_equal(device.command[2].size, 270336);
	assert_int_equal(device.command[3].size, 800000 - 135168 - 2 * 270336);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(device.command[i].done != 0, i == 3);
}

/* Slots that wait for their stream are left alone; when all do, copies go another way. */
static void slots_of_a_busy_stream(void **state)
{
	const struct fe_copy_how later = FE_COPY_ON(STREAM_USED);

	(void)state;
	device_is(AT_WAIT);
	for (unsigned int i = 0; i < SLOTS; i++) {
		/* The last one alone does not do for two parts. */
		if (i == SLOTS - 1)
			assert_true(is_left(true, 2 * PART_LEAST, later));
		fill(host, PART_LEAST, i);
		assert_int_equal(copy(true, PART_LEAST, later), CUDA_SUCCESS);
		assert_int_equal(slot_of(device.command[i].src, LOCAL_SLOT), i);
		assert_int_equal((uintptr_t)device.command[i].stream, (uintptr_t)STREAM_USED);
	}
	assert_true(is_left(true, PART_LEAST, later));
	assert_true(is_left(false, PART_LEAST, later));
	assert_int_equal(device.waits, 0);
	assert_int_equal(device.done, 0);
	/* The source was read long ago. */
	memset(host, 0, PART_LEAST);
	carry_out_all();
	fill(host, PART_LEAST, SLOTS - 1);
	assert_memory_equal(host, remote, PART_LEAST);
	assert_int_equal(copy(true, PART_LEAST, later), CUDA_SUCCESS);
	assert_int_equal(slot_of(device.command[SLOTS].src, LOCAL_SLOT), 0);
}

/* In what is left of them. */
static void a_large_copy_in_few_slots(void **state)
{
	(void)state;
	device_is(AT_WAIT);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(copy(true, PART_LEAST, FE_COPY_ON(STREAM_USED)), CUDA_SUCCESS);
	fill(host, MOST, 3);
	assert_int_equal(copy(true, MOST, FE_COPY_SYNC), CUDA_SUCCESS);
	for (unsigned int i = 5; i < device.sent; i++)
		assert_int_equal(slot_of(device.command[i].src, LOCAL_SLOT), 5 + (i - 5) % 3);
	assert_memory_equal(host, remote, MOST);
}

static void the_threads_own_stream(void **state)
{
	(void)state;
	fe_ptds = true;
	assert_int_equal(copy(true, PART_LEAST, FE_COPY_SYNC), CUDA_SUCCESS);
	fe_ptds = false;
	assert_int_equal((uintptr_t)device.command[0].stream, (uintptr_t)CU_STREAM_PER_THREAD);
}

static void what_is_not_staged(void **state)
{
	(void)state;
	assert_true(is_left(true, FE_STAGE_LEAST - 1, FE_COPY_SYNC));
	assert_true(is_left(false, FE_STAGE_LEAST - 1, FE_COPY_SYNC));
	fe_captures = 1;
	assert_true(is_left(true, PART_LEAST, FE_COPY_SYNC));
	fe_captures = 0;
	/* While another copy has the slots. */
	device_is(DISTURBS);
	assert_int_equal(copy(true, MOST, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_false(device.nested);
}

static void slots_go_with_their_context(void **state)
{
	(void)state;
	assert_int_equal(copy(true, PART_LEAST, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_int_equal(device.made + device.freed, 0);
	atomic_fetch_add(&fe_contexts_gone, 1);
	assert_int_equal(copy(false, PART_LEAST, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_int_equal(device.made, 1);
	assert_int_equal(device.freed, 1);
}

/* --- failures -------------------------------------------------------------------------------------- */

/* The slots are not used again after it: who knows what will be written to them. */
static void check_recovers(void)
{
	device.how = NOW;
	device.wait_result = CUDA_SUCCESS;
	log_clear();
	device.made = device.freed = 0;
	fill(host, MOST, 9);
	assert_int_equal(copy(true, MOST, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_memory_equal(host, remote, MOST);
	assert_int_equal(device.made, 1);
	assert_int_equal(device.freed, 1);
	device.made = device.freed = 0;
	assert_int_equal(copy(false, PART_LEAST, FE_COPY_SYNC), CUDA_SUCCESS);
	assert_int_equal(device.made + device.freed, 0);
}

static void check_no_word(enum device how)
{
	static const size_t sizes[] = {FE_STAGE_LEAST, 3 * LOCAL_SLOT, MOST};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int in = 0; in < 2; in++) {
			device.how = how;
			log_clear();
			device.waits = 0;
			assert_int_equal(copy(in, sizes[i], FE_COPY_SYNC), CUDA_ERROR_UNKNOWN);
			/* The stream's own end was asked for, once. */
			assert_int_equal(device.waits, 1);
			check_recovers();
		}
	}
}

static void a_word_that_never_comes(void **state)
{
	(void)state;
	check_no_word(NO_WORD);
}

static void a_word_that_makes_no_sense(void **state)
{
	(void)state;
	check_no_word(BEHIND);
}

/* It spoils nothing but what it had to copy itself. */
static void a_word_that_is_ahead(void **state)
{
	(void)state;
	for (int in = 0; in < 2; in++) {
		device.how = AHEAD;
		check_copy(in, MOST, GUARD / 2, GUARD / 2);
	}
	device.how = NOW;
	check_copy(true, MOST, GUARD / 2, GUARD / 2);
}

static void a_command_that_is_refused(void **state)
{
	(void)state;
	for (int in = 0; in < 2; in++) {
		log_clear();
		device.how = FAILING;
		assert_int_equal(copy(in, MOST, FE_COPY_SYNC), CUDA_ERROR_INVALID_VALUE);
		check_recovers();
	}
}

static void a_stream_that_fails(void **state)
{
	(void)state;
	for (int in = 0; in < 2; in++) {
		log_clear();
		device.how = NO_WORD;
		device.wait_result = CUDA_ERROR_ILLEGAL_ADDRESS;
		assert_int_equal(copy(in, MOST, FE_COPY_SYNC), CUDA_ERROR_ILLEGAL_ADDRESS);
		assert_int_equal((uintptr_t)device.waited, (uintptr_t)CU_STREAM_LEGACY);
		check_recovers();
	}
}

/* The last test: from then on there are no slots in this process. A child asks for its own. */
static void no_memory_for_slots(void **state)
{
	int status = -1;
	CUresult result;
	pid_t child;

	(void)state;
	atomic_fetch_add(&fe_contexts_gone, 1);
	device.refuses = -ENOSPC;
	for (int i = 0; i < 3; i++) {
		assert_true(is_left(true, MOST, FE_COPY_SYNC));
		assert_true(is_left(false, MOST, FE_COPY_SYNC));
	}
	assert_int_equal(device.made, 1); /* asked for once */
	assert_int_equal(device.freed, 1);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		fe_stage_reset();
		device.refuses = 0;
		_exit(fe_stage_in((uintptr_t)remote, host, PART_LEAST, FE_COPY_SYNC, &result) &&
				      !result && device.made == 2
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_DEVICE(sizes_and_alignments_at_once),
		WITH_DEVICE(sizes_and_alignments_late),
		WITH_DEVICE(sizes_and_alignments_when_waited_for),
		WITH_DEVICE(slots_in_their_order),
		WITH_DEVICE(parts_of_a_middling_copy),
		WITH_DEVICE(slots_of_a_busy_stream),
		WITH_DEVICE(a_large_copy_in_few_slots),
		WITH_DEVICE(the_threads_own_stream),
		WITH_DEVICE(what_is_not_staged),
		WITH_DEVICE(slots_go_with_their_context),
		WITH_DEVICE(a_word_that_never_comes),
		WITH_DEVICE(a_word_that_makes_no_sense),
		WITH_DEVICE(a_word_that_is_ahead),
		WITH_DEVICE(a_command_that_is_refused),
		WITH_DEVICE(a_stream_that_fails),
		WITH_DEVICE(no_memory_for_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
