/* SPDX-License-Identifier: MIT */
/* See visible.h. Pure; trusts nothing in the texts. */
#include "protocol/visible.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX 4u /* GPU-, MIG- */

static bool is_uuid(const char *text)
{
	return !strncmp(text, "GPU-", PREFIX) || !strncmp(text, "MIG-", PREFIX);
}

static bool is_uuid_char(char c)
{
	return isxdigit((unsigned char)c) || c == '-';
}

bool vg_visible_numbers(const char *list)
{
	return !is_uuid(list);
}

/* As strtol and a cast have it: blanks before it, a sign, and whatever behind it. -1: none. */
static int number_read(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	return end == text || value == LONG_MAX || value == LONG_MIN ? -1 : (int)value;
}

/* Does the UUID begin with what the entry has after the prefix? At least one digit; case does not count. */
static bool uuid_begins(const char *uuid, const char *entry)
{
	size_t i = PREFIX;

	if (!uuid || strncmp(uuid, entry, PREFIX) || !is_uuid_char(entry[i]))
		return false;
	for (; is_uuid_char(entry[i]) && uuid[i]; i++)
		if (tolower((unsigned char)entry[i]) != tolower((unsigned char)uuid[i]))
			return false;
	return true;
}

/* -1: none, or not only one. */
static int uuid_find(const char *entry, const char *const *uuids, unsigned int count)
{
	int found = -1;

	for (unsigned int i = 0; uuids && i < count; i++) {
		if (!uuid_begins(uuids[i], entry))
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

static int all_choose(unsigned int count, unsigned int *chosen)
{
	for (unsigned int i = 0; i < count; i++)
		chosen[i] = i;
	return (int)count;
}

int vg_visible_choose(const char *list, const char *const *uuids, unsigned int count,
		      unsigned int *chosen)
{
	bool taken[VG_VISIBLE_MAX] = {false};
	int used = 0;

	if (count > VG_VISIBLE_MAX)
		count = VG_VISIBLE_MAX;
	if (!list)
		return all_choose(count, chosen);
	for (const char *at = list, *first = list; at; at = strchr(at, ',')) {
		int place;

		at += at != first; /* over the comma */
		/* The first entry's kind is all the others'. */
		if (is_uuid(first))
			place = strncmp(at, first, PREFIX) ? -1 : uuid_find(at, uuids, count);
		else
			place = number_read(at);
		if (place < 0 || (unsigned int)place >= count)
			break;
		if (taken[place])
			return -1;
		taken[place] = true;
		chosen[used++] = (unsigned int)place;
	}
	return used;
}

bool vg_visible_order(const char *order, bool *by_bus)
{
	*by_bus = order && !strcmp(order, "PCI_BUS_ID");
	return !order || !*order || *by_bus || !strcmp(order, "FASTEST_FIRST");
}
