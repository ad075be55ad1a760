/* SPDX-License-Identifier: MIT */
/*
 * The line is the middle of the widest band that no bound reaches into. It holds for as long as there is such a band: then a
 * rate has changed, or a clock was set, and the next one begins.
 */
#include "tools/trace_clock.h"

#include <math.h>
#include <stdlib.h>

#define RATE_MAX 0.0005 /* what slewing and calibration make of two clocks, and more */
#define STEPS    40     /* of the search for a rate, each two thirds of the one before */
#define OFTEN    8      /* bounds of a kind that a rate may be read from */

/* What a guest says may be any number; doubles beyond this do not fit into 64 bits. */
#define FAR 9.0e18

struct fit {
	struct trace_clock *clock;
	size_t room;
};

/* Bounds of a span, relative to its first. */
struct range {
	const struct trace_bound *bounds;
	size_t count;
	double ns; /* from its first to its last */
	size_t uppers, lowers;
};

static int bound_compare(const void *a, const void *b)
{
	const struct trace_bound *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static uint64_t whole(double value)
{
	double near = fmax(-FAR, fmin(FAR, value));

	return (uint64_t)(int64_t)near;
}

static double apart(uint64_t a, uint64_t b)
{
	return (double)(int64_t)(a - b);
}

/* The band for a rate: from the highest lower bound to the lowest upper one, at the span's first moment. */
struct band {
	double low, high;
};

static struct band band_of(const struct range *range, double rate)
{
	const struct trace_bound *first = range->bounds;
	struct band band = {-HUGE_VAL, HUGE_VAL};

	for (size_t i = 0; i < range->count; i++) {
		const struct trace_bound *b = &range->bounds[i];
		double offset = apart(b->offset, first->offset) - rate * apart(b->at, first->at);

		if (b->upper && offset < band.high)
			band.high = offset;
		else if (!b->upper && offset > band.low)
			band.low = offset;
	}
	return band;
}

static double width(const struct range *range, double rate)
{
	struct band band = band_of(range, rate);

	return band.high - band.low;
}

/* A rate has to be worth it: where it makes the band but little wider there is none. */
static double worth(const struct range *range, double rate)
{
	return width(range, rate) - fabs(rate) * range->ns / 2;
}

/* Both are concave: the highest. */
static double highest(const struct range *range,
		      double (*value)(const struct range *range, double rate))
{
	double from = -RATE_MAX, to = RATE_MAX;

	for (int i = 0; i < STEPS; i++) {
		double a = from + (to - from) / 3, b = to - (to - from) / 3;

		if (value(range, a) < value(range, b))
			from = a;
		else
			to = b;
	}
	return (from + to) / 2;
}

/* There is a band for some rate. */
static bool fits(const struct range *range)
{
	return width(range, 0) >= 0 || width(range, highest(range, width)) >= 0;
}

/* Both kinds are there for more than half of the time, and often. */
static bool rate_shows(const struct range *range)
{
	uint64_t first[2] = {0, 0}, last[2] = {0, 0};

	if (range->uppers < OFTEN || range->lowers < OFTEN)
		return false;
	for (size_t i = 0; i < range->count; i++) {
		const struct trace_bound *b = &range->bounds[i];

		if (!first[b->upper])
			first[b->upper] = b->at;
		last[b->upper] = b->at;
	}
	return apart(last[0], first[0]) > range->ns / 2 && apart(last[1], first[1]) > range->ns / 2;
}

/* Of a range that fits. */
static double rate_of(const struct range *range)
{
	double rate = rate_shows(range) ? highest(range, worth) : 0;

	return width(range, rate) >= 0 ? rate : highest(range, width);
}

static struct range range_of(const struct trace_bound *bounds, size_t count)
{
	struct range range = {
		.bounds = bounds, .count = count, .ns = apart(bounds[count - 1].at, bounds->at)};

	for (size_t i = 0; i < count; i++)
		range.uppers += bounds[i].upper;
	range.lowers = count - range.uppers;
	return range;
}

static bool span_add(struct fit *fit, const struct range *range)
{
	struct trace_clock *clock = fit->clock;
	const struct trace_bound *first = range->bounds;
	struct trace_span span = {.from = first->at, .at = first->at, .bounds = range->count};
	struct band band;

	if (clock->count == fit->room) {
		size_t room = fit->room ? fit->room * 2 : 4;
		struct trace_span *spans = reallocarray(clock->spans, room, sizeof(*spans));

		if (!spans)
			return false;
		clock->spans = spans;
		fit->room = room;
	}
	if (range->uppers && range->lowers)
		span.rate = rate_of(range);
	band = band_of(range, span.rate);
	if (range->uppers && range->lowers) {
		span.offset = first->offset + whole(band.low / 2 + band.high / 2);
		span.unsure = (band.high - band.low) / 2;
	} else {
		span.offset = first->offset + whole(range->uppers ? band.high : band.low);
		span.unsure = HUGE_VAL;
	}
	clock->spans[clock->count++] = span;
	return true;
}

/* How many of the bounds, from the first on, one band can be laid between: more do not become possible again. */
static size_t span_length(const struct trace_bound *bounds, size_t count)
{
	size_t good = 1, bad = count + 1;

	for (size_t step = 64; good < count && bad > count; step *= 2) {
		size_t next = good + step < count ? good + step : count;
		struct range range = range_of(bounds, next);

		if (fits(&range))
			good = next;
		else
			bad = next;
	}
	while (bad - good > 1) {
		size_t middle = good + (bad - good) / 2;
		struct range range = range_of(bounds, middle);

		if (middle <= count && fits(&range))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

static int unsure_compare(const void *a, const void *b)
{
	const struct trace_span *x = a, *y = b;

	return x->unsure < y->unsure ? -1 : x->unsure > y->unsure;
}

static int from_compare(const void *a, const void *b)
{
	const struct trace_span *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* For half of the bounds, and at worst. */
static void unsure_sum(struct trace_clock *clock, size_t bounds)
{
	size_t seen = 0;

	qsort(clock->spans, clock->count, sizeof(*clock->spans), unsure_compare);
	clock->one_sided = isinf(clock->spans[0].unsure);
	for (size_t i = 0; i < clock->count && !isinf(clock->spans[i].unsure); i++) {
		if (2 * seen <= bounds)
			clock->unsure = clock->spans[i].unsure;
		clock->worst = clock->spans[i].unsure;
		seen += clock->spans[i].bounds;
	}
	qsort(clock->spans, clock->count, sizeof(*clock->spans), from_compare);
}

bool trace_clock_fit(struct trace_clock *clock, struct trace_bound *bounds, size_t count)
{
	struct fit fit = {.clock = clock};

	*clock = (struct trace_clock){0};
	if (!count)
		return true;
	qsort(bounds, count, sizeof(*bounds), bound_compare);
	for (size_t at = 0; at < count;) {
		struct range range = range_of(bounds + at, span_length(bounds + at, count - at));

		if (!span_add(&fit, &range)) {
			trace_clock_free(clock);
			return false;
		}
		at += range.count;
	}
	unsure_sum(clock, count);
	return true;
}

void trace_clock_free(struct trace_clock *clock)
{
	free(clock->spans);
	*clock = (struct trace_clock){0};
}

static const struct trace_span *span_at(const struct trace_clock *clock, uint64_t at)
{
	size_t low = 0, high = clock->count - 1;

	while (low < high) {
		size_t middle = (low + high + 1) / 2;

		if (clock->spans[middle].from <= at)
			low = middle;
		else
			high = middle - 1;
	}
	return &clock->spans[low];
}

uint64_t trace_clock_host(const struct trace_clock *clock, uint64_t guest, uint64_t near)
{
	const struct trace_span *span;

	if (!clock->count)
		return guest;
	span = span_at(clock, near);
	return guest + span->offset + whole(span->rate * apart(near, span->at));
}
