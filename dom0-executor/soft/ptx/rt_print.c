/* SPDX-License-Identifier: MIT */
/*
 * printf and assert of kernels. Format and arguments are the guest's: the format is taken apart here, each
 * conversion is rebuilt from what was understood, and only that goes to snprintf. Pointers are read in
 * place; a wild one ends in the fault handler. No lock is held while they are read.
 */
#include "sched.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024u /* buffered before it is written */
#define FIELD_MAX      512   /* width and precision of a conversion */

struct out {
	const struct ptx_callbacks *callbacks;
	size_t len;
	char text[LINE_MAX_BYTES];
};

struct spec {
	char flags[8];
	int width, precision; /* -1: none */
	int longs;            /* -2 hh, -1 h, 1 l, 2 ll */
	char conversion;
};

static void out_flush(struct out *out)
{
	if (out->len && out->callbacks->write)
		out->callbacks->write(out->callbacks->opaque, out->text, out->len);
	out->len = 0;
}

static void out_put(struct out *out, const char *bytes, size_t len)
{
	while (len) {
		size_t room = sizeof(out->text) - out->len, part = len < room ? len : room;

		memcpy(out->text + out->len, bytes, part);
		out->len += part;
		bytes += part;
		len -= part;
		if (out->len == sizeof(out->text))
			out_flush(out);
	}
}

static const char *parse_number(const char *at, int *value)
{
	int number = 0;

	while (*at >= '0' && *at <= '9') {
		number = number * 10 + (*at++ - '0');
		if (number > FIELD_MAX)
			number = FIELD_MAX;
	}
	*value = number;
	return at;
}

/* After the '%'; gives what follows the conversion. */
static const char *parse_spec(const char *at, struct spec *s)
{
	size_t flags = 0;

	*s = (struct spec){.width = -1, .precision = -1};
	for (; *at && strchr("-+ #0", *at); at++)
		if (flags < sizeof(s->flags) - 1 && !strchr(s->flags, *at))
			s->flags[flags++] = *at;
	if (*at >= '0' && *at <= '9')
		at = parse_number(at, &s->width);
	if (*at == '.')
		at = parse_number(at + 1, &s->precision);
	for (;; at++) {
		if (*at == 'l' || *at == 'j' || *at == 'z' || *at == 't')
			s->longs += *at == 'l' ? 1 : 2;
		else if (*at == 'h')
			s->longs--;
		else if (*at == 'L' || *at == 'q')
			s->longs = 2;
		else
			break;
	}
	s->conversion = *at;
	return *at ? at + 1 : at;
}

/* Arguments lie in the buffer one after the other, each aligned to its size. */
static uint64_t take(const uint8_t **args, size_t size)
{
	uint64_t value = 0;

	*args += -(uintptr_t)*args & (size - 1);
	memcpy(&value, *args, size);
	*args += size;
	return value;
}

static void build_format(char *format, size_t size, const struct spec *s, const char *length)
{
	char precision[16] = "", width[16] = "";

	if (s->width >= 0)
		snprintf(width, sizeof(width), "%d", s->width);
	if (s->precision >= 0)
		snprintf(precision, sizeof(precision), ".%d", s->precision);
	snprintf(format, size, "%%%s%s%s%s%c", s->flags, width, precision, length, s->conversion);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void put_integer(struct out *out, const struct spec *s, const uint8_t **args)
{
	bool is_signed = s->conversion == 'd' || s->conversion == 'i';
	uint64_t value = take(args, s->longs > 0 ? 8 : 4);
	char format[48], text[FIELD_MAX + 64];
	int len;

	if (s->longs <= 0 && is_signed)
		value = (uint64_t)(int64_t)(int32_t)value;
	if (s->longs == -1)
		value = is_signed ? (uint64_t)(int64_t)(int16_t)value : (uint16_t)value;
	if (s->longs < -1)
		value = is_signed ? (uint64_t)(int64_t)(int8_t)value : (uint8_t)value;
	build_format(format, sizeof(format), s, "ll");
	len = snprintf(text, sizeof(text), format, value);
	out_put(out, text, len > 0 ? (size_t)len : 0);
}

static void put_double(struct out *out, const struct spec *s, const uint8_t **args)
{
	uint64_t bits = take(args, 8);
	char format[48], text[FIELD_MAX * 2 + 400];
	double value;
	int len;

	memcpy(&value, &bits, sizeof(value));
	build_format(format, sizeof(format), s, "");
	len = snprintf(text, sizeof(text), format, value);
	out_put(out, text, len > 0 ? (size_t)len : 0);
}

#pragma GCC diagnostic pop

static void put_padded(struct out *out, const struct spec *s, const char *text, size_t len)
{
	size_t pad = s->width > 0 && (size_t)s->width > len ? (size_t)s->width - len : 0;
	bool left = strchr(s->flags, '-') != NULL;

	for (size_t i = 0; !left && i < pad; i++)
		out_put(out, " ", 1);
	out_put(out, text, len);
	for (size_t i = 0; left && i < pad; i++)
		out_put(out, " ", 1);
}

static void put_string(struct out *out, const struct spec *s, const uint8_t **args)
{
	const char *text = (const char *)(uintptr_t)take(args, 8);
	size_t len;

	if (!text)
		text = "(null)";
	len = s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text);
	put_padded(out, s, text, len);
}

static void put_pointer(struct out *out, const struct spec *s, const uint8_t **args)
{
	uint64_t value = take(args, 8);
	char text[32];
	int len = value ? snprintf(text, sizeof(text), "0x%" PRIx64, value)
			: snprintf(text, sizeof(text), "(nil)");

	put_padded(out, s, text, len > 0 ? (size_t)len : 0);
}

static void put_char(struct out *out, const struct spec *s, const uint8_t **args)
{
	char text = (char)take(args, 4);

	put_padded(out, s, &text, 1);
}

/* False: no conversion that takes an argument. */
static bool put_spec(struct out *out, const struct spec *s, const uint8_t **args)
{
	switch (s->conversion) {
	case 'd':
	case 'i':
	case 'u':
	case 'o':
	case 'x':
	case 'X': put_integer(out, s, args); return true;
	case 'e':
	case 'E':
	case 'f':
	case 'F':
	case 'g':
	case 'G':
	case 'a':
	case 'A': put_double(out, s, args); return true;
	case 'c': put_char(out, s, args); return true;
	case 's': put_string(out, s, args); return true;
	case 'p': put_pointer(out, s, args); return true;
	case '%': out_put(out, "%", 1); return false;
	default:
		out_put(out, "%", 1);
		out_put(out, &s->conversion, s->conversion != 0);
		return false;
	}
}

/* Returns the number of arguments, as CUDA's printf does. */
uint32_t ptx_rt_vprintf(struct ptx_thread *t, uint64_t format, uint64_t buffer)
{
	struct out out = {.callbacks = &t->block->worker->run->callbacks};
	const char *at = (const char *)(uintptr_t)format;
	const uint8_t *args = (const uint8_t *)(uintptr_t)buffer;
	uint32_t count = 0;

	if (!at)
		return UINT32_MAX;
	while (*at) {
		const char *percent = strchr(at, '%');
		struct spec spec;

		out_put(&out, at, percent ? (size_t)(percent - at) : strlen(at));
		if (!percent)
			break;
		at = parse_spec(percent + 1, &spec);
		count += put_spec(&out, &spec, &args);
	}
	out_flush(&out);
	return count;
}

static const char *text_or(uint64_t address, const char *otherwise)
{
	return address ? (const char *)(uintptr_t)address : otherwise;
}

/* The line is CUDA's. */
PTX_SWITCHES void ptx_rt_assert(struct ptx_thread *t, uint64_t message, uint64_t file,
				uint32_t line, uint64_t function, uint64_t char_size)
{
	const struct ptx_callbacks *callbacks = &t->block->worker->run->callbacks;
	const uint32_t *ctaid = t->block->head.ctaid;
	char text[1024];
	int len = snprintf(
		text, sizeof(text),
		"%.200s:%u: %.300s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%.300s` failed.\n",
		text_or(file, "?"), line, text_or(function, "?"), ctaid[0], ctaid[1], ctaid[2],
		t->tid[0], t->tid[1], t->tid[2], text_or(message, "?"));

	void (*write)(void *, const char *, size_t) =
		callbacks->write_assert ? callbacks->write_assert : callbacks->write;

	(void)char_size; /* always 1 */
	if (write && len > 0)
		write(callbacks->opaque, text,
		      (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
	ptx_fault_raise(t, PTX_FAULT_ASSERT, 0, NULL);
}

/* --- conditions of graphs ------------------------------------------------------------------------- */

PTX_SWITCHES void ptx_rt_set_condition(struct ptx_thread *t, uint64_t handle, uint32_t value)
{
	const struct ptx_callbacks *callbacks = &t->block->worker->run->callbacks;

	if (!callbacks->set_condition ||
	    !callbacks->set_condition(callbacks->opaque, handle, value))
		ptx_fault_raise(t, PTX_FAULT_ADDRESS, handle,
				"cudaGraphSetConditional() of an unknown handle");
}
