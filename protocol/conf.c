/* SPDX-License-Identifier: MIT */
#include "protocol/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

static int line_take(char *line, vg_conf_set set, void *context, char *why)
{
	char *text = trim(line);
	char *equals;

	if (!*text || *text == '#')
		return 0;
	equals = strchr(text, '=');
	if (!equals) {
		snprintf(why, VG_CONF_WHY, "`%.80s` is not NAME = VALUE", text);
		return -EINVAL;
	}
	*equals = '\0';
	text = trim(text);
	return set(context, text, trim(equals + 1), why);
}

int vg_conf_read(const char *path, bool required, vg_conf_set set, void *context, char *why)
{
	char line[512], reason[VG_CONF_WHY];
	FILE *file = fopen(path, "re");
	int number = 0, rc = 0;

	if (!file) {
		if (errno == ENOENT && !required)
			return 0;
		rc = -errno;
		snprintf(why, VG_CONF_WHY, "%.80s: %s", path, strerror(-rc));
		return rc;
	}
	while (!rc && fgets(line, sizeof(line), file)) {
		number++;
		rc = line_take(line, set, context, reason);
		if (rc)
			snprintf(why, VG_CONF_WHY, "%.80s:%d: %.400s", path, number, reason);
	}
	fclose(file);
	return rc;
}

int vg_conf_yes(const char *value, bool *yes)
{
	*yes = !strcmp(value, "yes");
	return *yes || !strcmp(value, "no") ? 0 : -EINVAL;
}
