/* SPDX-License-Identifier: MIT */
/*
 * Pinned memory of a session that is recorded so that it can be run again: kernels and graphs read it by themselves, and
 * nobody sees the program write to it. So each launch is recorded with what has changed, which takes a shadow of all
 * of it and a comparison. Under the session's region_lock, which keeps the pages where they are.
 */
#include "dom0-executor/trace.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/call.h"
#include "dom0-executor/session.h"

static uint8_t *live(const struct ex_region *region)
{
	return region->share.base;
}

const void *ex_trace_pinned_seen(struct ex_region *region, uint64_t address, uint64_t size)
{
	uint64_t at = address - (uintptr_t)region->share.base;

	if (!region->shadow)
		return live(region) + at;
	return memcpy(region->shadow + at, live(region) + at, size);
}

void ex_trace_pinned_stage(struct ex_session *session, uint64_t done)
{
	struct ex_region *region;

	pthread_mutex_lock(&session->region_lock);
	region = ex_trace_region(session, done, sizeof(uint32_t));
	if (region)
		region->stage = true;
	pthread_mutex_unlock(&session->region_lock);
}

static bool is_watched(const struct ex_region *region)
{
	return region->used && !region->stage;
}

static uint64_t watched_bytes(const struct ex_session *session)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < VG_REGIONS_MAX; i++)
		if (is_watched(&session->regions[i]))
			bytes += session->regions[i].share.bytes;
	return bytes;
}

static bool page_same(const struct ex_region *region, uint64_t at)
{
	return !memcmp(region->shadow + at, live(region) + at, VG_PAGE_SIZE);
}

static void pages_record(struct ex_call *call, struct ex_region *region, uint64_t at,
			 uint64_t bytes)
{
	uint64_t address = (uintptr_t)live(region) + at;

	ex_trace_part(call, VG_TRACE_MEMORY, address, ex_trace_pinned_seen(region, address, bytes),
		      bytes);
}

static void region_record(struct ex_call *call, struct ex_region *region)
{
	uint64_t bytes = region->share.bytes, at = 0, end;

	if (!region->shadow)
		region->shadow = calloc(1, bytes);
	while (region->shadow && at < bytes) {
		if (page_same(region, at)) {
			at += VG_PAGE_SIZE;
			continue;
		}
		for (end = at + VG_PAGE_SIZE; end < bytes && !page_same(region, end);)
			end += VG_PAGE_SIZE;
		pages_record(call, region, at, end - at);
		at = end;
	}
}

void ex_trace_pinned(struct ex_call *call)
{
	struct ex_session *session = call->session;

	if (!session->trace.whole)
		return;
	pthread_mutex_lock(&session->region_lock);
	if (watched_bytes(session) <= EX_TRACE_PINNED_MOST)
		for (unsigned int i = 0; i < VG_REGIONS_MAX; i++)
			if (is_watched(&session->regions[i]))
				region_record(call, &session->regions[i]);
	pthread_mutex_unlock(&session->region_lock);
}
