/* SPDX-License-Identifier: MIT */
/*
 * Staged copies: see stage.h. A word in the memory is written by the device when it has come that far (vgCopyStage), so
 * that waiting costs no command; where it takes long, the stream is waited for, which also brings the
 * error if the copy has failed. One copy at a time; slots of an earlier one that are still fetched
 * from are left alone.
 */
#include "xen-frontend/libcuda/stage.h"

#include <pthread.h>
#include <string.h>

#include "protocol/spin.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/crew.h"
#include "xen-frontend/libcuda/host_memory.h"
#include "xen-frontend/libcuda/session.h"

#define SLOTS            8u
#define LOCAL_SLOT_BYTES (512u * 1024)
#define XEN_SLOT_BYTES   (64u * 1024) /* pages are scarce there: 129 in all */
/*
 * Parts of a copy, if slots are large enough, and what they are at least: each costs the device and the driver some
 * microseconds. What a thread copies at a time. Of what was tried on an H100 with 16 processors (2 to 10 parts, 4 to 64 KiB),
 * these were the fastest for 1 MiB, and pieces of 12 and 16 KiB for all sizes.
 */
#define PARTS       3u
#define PART_LEAST  (64u * 1024)
#define PIECE_BYTES (16u * 1024)
/* From here on other threads help. */
#define CREW_LEAST (256u * 1024)
/* Words lie on lines of their own, behind the slots. */
#define CACHE_LINE 64u
/* What libc copies by vectors, however long `rep movsb` would be better. */
#define VECTOR_BYTES 1024u
/* Looks at a word before the stream is waited for. */
#define LOOKS 4000u

static struct {
	pthread_mutex_t lock;
	struct fe_range memory; /* size 0: none */
	size_t slot_bytes;
	uint32_t contexts;    /* fe_contexts_gone when it was registered */
	bool refused;         /* there was none to be had */
	bool spoilt;          /* a copy failed: who knows which words will be written */
	uint32_t last[SLOTS]; /* value that each word has been told to get */
	/* A slot is free once that word has got that far: several may wait for one word. */
	struct {
		uint8_t word;
		uint32_t value;
	} wanted[SLOTS];
} stage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint8_t *slot_base(unsigned int slot)
{
	return (uint8_t *)stage.memory.base + slot * stage.slot_bytes;
}

static uint32_t *word_at(unsigned int word)
{
	return (uint32_t *)(slot_base(SLOTS) + (size_t)word * CACHE_LINE);
}

static bool slot_free(unsigned int slot)
{
	uint32_t now = __atomic_load_n(word_at(stage.wanted[slot].word), __ATOMIC_ACQUIRE);

	return (int32_t)(now - stage.wanted[slot].value) >= 0;
}

/* --- the memory ----------------------------------------------------------------------------------- */

static bool memory_make(void)
{
	bool local = fe_session.channel.limits.channel == VG_CHANNEL_LOCAL;

	stage.slot_bytes = local ? LOCAL_SLOT_BYTES : XEN_SLOT_BYTES;
	stage.memory = (struct fe_range){.size = SLOTS * stage.slot_bytes + VG_PAGE_SIZE,
					 .context = fe_context_current()};
	stage.contexts = atomic_load(&fe_contexts_gone);
	stage.spoilt = false;
	if (fe_pinned_alloc(&stage.memory)) {
		stage.memory.size = 0;
		stage.refused = true;
		return false;
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		stage.wanted[i].word = (uint8_t)i;
		stage.wanted[i].value = stage.last[i] = 0;
		__atomic_store_n(word_at(i), 0, __ATOMIC_RELEASE);
	}
	return true;
}

/* Under the lock. The registration may have gone with its context. */
static bool memory_ready(void)
{
	if (stage.memory.size &&
	    (stage.spoilt || stage.contexts != atomic_load(&fe_contexts_gone))) {
		fe_pinned_free(&stage.memory); /* waits for what still uses it */
		stage.memory.size = 0;
	}
	return stage.memory.size || (!stage.refused && memory_make());
}

/* --- one copy -------------------------------------------------------------------------------------- */

struct copy {
	struct fe_job job; /* first: work() finds the copy by it */
	bool in;
	uint8_t *host;
	CUdeviceptr device;
	size_t size;
	CUstream stream;
	size_t part;        /* bytes that a slot takes */
	size_t first;       /* of the first part: less, so that the device begins early */
	size_t parts;       /* of the whole copy */
	size_t pieces;      /* of a part */
	size_t group;       /* parts that one word tells of */
	unsigned int slots; /* that the copy has */
	uint8_t slot[SLOTS];
	atomic_uint left[SLOTS]; /* by place in slot[]: pieces to be copied */
};

/* Where it begins in the copy. */
static size_t part_at(const struct copy *copy, size_t part)
{
	return part ? copy->first + (part - 1) * copy->part : 0;
}

static size_t part_size(const struct copy *copy, size_t part)
{
	size_t left = copy->size - part_at(copy, part);
	size_t most = part ? copy->part : copy->first;

	return left < most ? left : most;
}

/* In slot[] and left[]. */
static size_t place_of(const struct copy *copy, size_t part)
{
	return copy->slots > 1 ? part % copy->slots : 0;
}

static unsigned int slot_of_part(const struct copy *copy, size_t part)
{
	return copy->slot[place_of(copy, part)];
}

static unsigned int pieces_of_part(const struct copy *copy, size_t part)
{
	return (unsigned int)((part_size(copy, part) + PIECE_BYTES - 1) / PIECE_BYTES);
}

/*
 * Where the destination lies some bytes behind the source within a page, as malloc's large blocks do behind a slot,
 * `rep movsb` takes AMD's Zen 3 fifteen times as long.
 */
static void bytes_copy(uint8_t *dst, const uint8_t *src, size_t size)
{
	size_t behind = ((uintptr_t)dst - (uintptr_t)src) % VG_PAGE_SIZE;
	size_t step = behind && behind < CACHE_LINE ? VECTOR_BYTES : size;

	for (size_t at = 0; at < size; at += step)
		memcpy(dst + at, src + at, size - at < step ? size - at : step);
}

static void piece_copy(struct fe_job *job, size_t piece)
{
	struct copy *copy = (struct copy *)job;
	size_t part = piece / copy->pieces, at = piece % copy->pieces * PIECE_BYTES;
	size_t size = part_size(copy, part);
	uint8_t *slot, *host;

	if (at >= size) /* the part is shorter than others */
		return;
	slot = slot_base(slot_of_part(copy, part)) + at;
	host = copy->host + part_at(copy, part) + at;
	size = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
	if (copy->in)
		bytes_copy(slot, host, size);
	else
		bytes_copy(host, slot, size);
	atomic_fetch_sub(&copy->left[place_of(copy, part)], 1);
}

/* The last part of its group, whose slot's word tells of them all. */
static size_t group_end(const struct copy *copy, size_t part)
{
	size_t end = (part / copy->group + 1) * copy->group;

	return (end < copy->parts ? end : copy->parts) - 1;
}

/* The device's half of a part. */
static CUresult part_send(struct copy *copy, size_t part)
{
	unsigned int slot = slot_of_part(copy, part);
	unsigned int word = slot_of_part(copy, group_end(copy, part));
	CUdeviceptr device = copy->device + part_at(copy, part);
	CUdeviceptr host = (CUdeviceptr)slot_base(slot);

	if (part % copy->group == 0)
		stage.last[word]++;
	stage.wanted[slot].word = (uint8_t)word;
	stage.wanted[slot].value = stage.last[word];
	return rpc_vgCopyStage(copy->in ? device : host, copy->in ? host : device,
			       part_size(copy, part), copy->stream,
			       part == group_end(copy, part) ? (CUdeviceptr)word_at(word) : 0,
			       stage.last[word]);
}

/* Meanwhile there may be something to copy. */
static bool slot_free_soon(struct copy *copy, unsigned int slot)
{
	for (unsigned int i = 0; i < LOOKS; i++) {
		if (slot_free(slot))
			return true;
		if (!fe_crew_work(&copy->job))
			vg_relax();
	}
	return false;
}

/* Long: the stream's own end brings its error, too. */
static CUresult part_wait(struct copy *copy, size_t part)
{
	unsigned int slot = slot_of_part(copy, part);
	CUresult result;

	if (slot_free_soon(copy, slot))
		return CUDA_SUCCESS;
	result = rpc_cuStreamSynchronize(copy->stream);
	if (!result && !slot_free_soon(copy, slot))
		result = CUDA_ERROR_UNKNOWN;
	return result;
}

static void part_open(struct copy *copy, size_t part)
{
	atomic_store(&copy->left[place_of(copy, part)], pieces_of_part(copy, part));
	fe_crew_more(&copy->job, (part + 1) * copy->pieces);
}

static bool part_copied(struct copy *copy, size_t part)
{
	return !atomic_load(&copy->left[place_of(copy, part)]);
}

/* Copies until that part is done, or elsewhere while others are at it. */
static void part_finish(struct copy *copy, size_t part)
{
	for (unsigned int looks = 0; !part_copied(copy, part); looks++) {
		if (!fe_crew_work(&copy->job))
			fe_crew_pause(looks);
	}
}

static CUresult run_in(struct copy *copy)
{
	CUresult result = CUDA_SUCCESS;
	size_t opened = 0;

	for (size_t part = 0; part < copy->parts && !result; part++) {
		if (opened == part)
			result = part_wait(copy, part);
		if (result)
			break;
		while (opened == part || (opened < copy->parts && opened < part + copy->slots &&
					  slot_free(slot_of_part(copy, opened))))
			part_open(copy, opened++);
		part_finish(copy, part);
		result = part_send(copy, part);
	}
	return result;
}

static CUresult run_out(struct copy *copy)
{
	CUresult result = CUDA_SUCCESS;
	size_t sent = 0;

	for (size_t part = 0; part < copy->parts && !result; part++) {
		/* Into a slot whose part before has been copied. */
		while (sent < copy->parts && sent < part + copy->slots && !result &&
		       (sent < copy->slots || sent == part ||
			part_copied(copy, sent - copy->slots))) {
			if (sent >= copy->slots)
				part_finish(copy, sent - copy->slots);
			result = part_send(copy, sent++);
		}
		if (!result)
			result = part_wait(copy, part);
		if (!result)
			part_open(copy, part);
	}
	for (size_t part = copy->parts > copy->slots ? copy->parts - copy->slots : 0;
	     part < copy->parts && !result; part++)
		part_finish(copy, part);
	return result;
}

static size_t whole_pages(size_t bytes)
{
	return (bytes + VG_PAGE_SIZE - 1) / VG_PAGE_SIZE * VG_PAGE_SIZE;
}

/* The slots that are free: an earlier copy's may wait for its stream, and that for us. */
static bool copy_shape(struct copy *copy)
{
	size_t part = copy->size / PARTS;

	for (unsigned int i = 0; i < SLOTS; i++) {
		if (slot_free(i))
			copy->slot[copy->slots++] = (uint8_t)i;
	}
	if (!copy->slots)
		return false;
	part = part < PART_LEAST ? PART_LEAST : part;
	part = part > stage.slot_bytes ? stage.slot_bytes : part;
	copy->part = whole_pages(part);
	copy->first = copy->in && copy->size > copy->part ? whole_pages(copy->part / 2)
							  : copy->part;
	copy->parts = 1;
	if (copy->size > copy->first)
		copy->parts += (copy->size - copy->first + copy->part - 1) / copy->part;
	/* Bytes that come are wanted as soon as they are there; of slots that are given back half will do. */
	if (!copy->in)
		copy->group = 1;
	else
		copy->group = copy->parts <= copy->slots ? copy->parts : copy->slots / 2 + 1;
	copy->pieces = (copy->part + PIECE_BYTES - 1) / PIECE_BYTES;
	return copy->slots > 1 || copy->parts == 1;
}

static CUresult copy_run(struct copy *copy, struct fe_copy_how how)
{
	bool helped = copy->size >= CREW_LEAST;
	CUresult result;

	if (helped)
		fe_crew_begin(&copy->job);
	result = copy->in ? run_in(copy) : run_out(copy);
	fe_crew_end(&copy->job);
	if (!result && copy->in && how.mode == VG_COPY_SYNC)
		result = part_wait(copy, copy->parts - 1);
	return result;
}

static bool stage_copy(struct copy *copy, struct fe_copy_how how, CUresult *result)
{
	bool done;

	/* What is captured is refused over there. */
	if (copy->size < FE_STAGE_LEAST || atomic_load(&fe_captures) > 0 ||
	    pthread_mutex_trylock(&stage.lock))
		return false;
	copy->job.work = piece_copy;
	copy->stream = how.mode == VG_COPY_ASYNC ? how.stream
		       : fe_ptds                 ? CU_STREAM_PER_THREAD
						 : CU_STREAM_LEGACY;
	done = memory_ready() && copy_shape(copy);
	if (done)
		*result = copy_run(copy, how);
	if (done && *result)
		stage.spoilt = true;
	pthread_mutex_unlock(&stage.lock);
	return done;
}

bool fe_stage_in(CUdeviceptr dst, const void *src, size_t size, struct fe_copy_how how,
		 CUresult *result)
{
	struct copy copy = {.in = true, .host = (uint8_t *)src, .device = dst, .size = size};

	return stage_copy(&copy, how, result);
}

bool fe_stage_out(void *dst, CUdeviceptr src, size_t size, struct fe_copy_how how, CUresult *result)
{
	struct copy copy = {.host = dst, .device = src, .size = size};

	return stage_copy(&copy, how, result);
}

void fe_stage_reset(void)
{
	pthread_mutex_init(&stage.lock, NULL);
	stage.memory.size = 0;
	stage.refused = false;
	fe_crew_reset();
}
