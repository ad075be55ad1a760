/* SPDX-License-Identifier: MIT */
/* See exposition.h. */
#include "xen-backend/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16384u

static void put(struct be_exposition *out, const char *bytes, size_t size)
{
	size_t room = out->room ? out->room : ROOM_FIRST;
	char *grown;

	if (out->failed)
		return;
	while (out->used + size + 1 > room)
		room *= 2;
	if (room > BE_EXPOSITION_MAX) {
		out->failed = true;
		return;
	}
	if (room != out->room) {
		grown = realloc(out->text, room);
		out->failed = !grown;
		if (!grown)
			return;
		out->text = grown;
		out->room = room;
	}
	memcpy(out->text + out->used, bytes, size);
	out->used += size;
	out->text[out->used] = '\0';
}

static void put_text(struct be_exposition *out, const char *text)
{
	put(out, text, strlen(text));
}

/* A quote only has a meaning in a label's value. */
static void put_escaped(struct be_exposition *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			put_text(out, "\\n");
		else if (*text == '\\')
			put_text(out, "\\\\");
		else if (*text == '"' && quotes)
			put_text(out, "\\\"");
		else
			put(out, text, 1);
	}
}

void be_exposition_family(struct be_exposition *out, const char *name, const char *type,
			  const char *help)
{
	put_text(out, "# HELP ");
	put_text(out, name);
	put_text(out, " ");
	put_escaped(out, help, false);
	put_text(out, "\n# TYPE ");
	put_text(out, name);
	put_text(out, " ");
	put_text(out, type);
	put_text(out, "\n");
}

static void put_name(struct be_exposition *out, const char *name, const struct be_labels *labels)
{
	bool any = false;

	put_text(out, name);
	for (size_t i = 0; labels && i < BE_LABELS_MAX && labels->label[i].name; i++) {
		put_text(out, any ? "," : "{");
		put_text(out, labels->label[i].name);
		put_text(out, "=\"");
		put_escaped(out, labels->label[i].value, true);
		put_text(out, "\"");
		any = true;
	}
	put_text(out, any ? "} " : " ");
}

void be_exposition_uint(struct be_exposition *out, const char *name, const struct be_labels *labels,
			uint64_t value)
{
	char number[32];

	put_name(out, name, labels);
	snprintf(number, sizeof(number), "%" PRIu64 "\n", value);
	put_text(out, number);
}

void be_exposition_seconds(struct be_exposition *out, const char *name, double value)
{
	char number[64];

	put_name(out, name, NULL);
	snprintf(number, sizeof(number), "%.6f\n", value);
	put_text(out, number);
}

void be_exposition_free(struct be_exposition *out)
{
	free(out->text);
	*out = (struct be_exposition){0};
}
