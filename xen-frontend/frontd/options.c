/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd's settings. See docs/man/vgpu-frontd.8. The guest's root is trusted; typing errors get
 * a message that says what is allowed.
 */
#include "xen-frontend/frontd/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "xen-frontend/channel.h"

#ifndef VG_SYSCONFDIR
#define VG_SYSCONFDIR "/etc"
#endif
#define CONF_DEFAULT VG_SYSCONFDIR "/vgpu/vgpu-frontd.conf"

static const char usage[] =
	"Usage: vgpu-frontd [--config FILE] [--NAME VALUE]...\n"
	"Serves this Xen guest's vGPUs to its programs. Runs in the foreground, as root.\n"
	"\n"
	"  --config FILE               settings, NAME = VALUE (" CONF_DEFAULT ")\n"
	"  --socket PATH               where programs connect (" FE_SOCKET_DEFAULT ")\n"
	"  --group NAME                who may connect (vgpu); '-': leave the group alone\n"
	"  --socket-mode OCTAL         permissions of the socket (0660); 0666: everybody may\n"
	"  --max-sessions N            programs at a time (256)\n"
	"  --max-sessions-per-user N   of one user (64)\n"
	"  --max-pages N               shared pages of all programs (16384, 64 MiB)\n"
	"  --max-pages-per-user N      of one user's programs (the same)\n"
	"  --probe yes|no              the host may have vgpu-probe run here (yes)\n"
	"  --log-level LEVEL           error, warn, info (the default), call or data\n"
	"  --help, --version\n";

enum option_kind {
	OPTION_TEXT,
	OPTION_OCTAL,
	OPTION_NUMBER,
	OPTION_LEVEL,
	OPTION_YES,
};

struct option {
	const char *name;
	enum option_kind kind;
	bool fixed; /* takes effect at a restart only */
	size_t offset, size;
	unsigned long min, max;
};

#define FIELD(f) offsetof(struct fe_options, f), sizeof(((struct fe_options *)0)->f)

/* vgpu-frontd.conf shows each of these with its default, as a comment. */
static const struct option options_known[] = {
	{"socket", OPTION_TEXT, true, FIELD(socket_path), 0, 0},
	{"group", OPTION_TEXT, true, FIELD(group), 0, 0},
	{"socket-mode", OPTION_OCTAL, true, FIELD(socket_mode), 0, 0777},
	{"max-sessions", OPTION_NUMBER, false, FIELD(sessions_max), 1, 4096},
	{"max-sessions-per-user", OPTION_NUMBER, false, FIELD(sessions_max_user), 1, 4096},
	{"max-pages", OPTION_NUMBER, false, FIELD(pages_max), 16, 1u << 24},
	{"max-pages-per-user", OPTION_NUMBER, false, FIELD(pages_max_user), 16, 1u << 24},
	{"probe", OPTION_YES, false, FIELD(probe), 0, 0},
	{"log-level", OPTION_LEVEL, false, FIELD(level), 0, 0},
};
#define OPTIONS (sizeof(options_known) / sizeof(options_known[0]))

static int number_store(const struct option *option, void *field, const char *value, char *why)
{
	bool octal = option->kind == OPTION_OCTAL;
	unsigned long parsed;
	char *end;

	errno = 0;
	parsed = strtoul(value, &end, octal ? 8 : 10);
	if (*value < '0' || *value > '9' || *end || errno || parsed < option->min ||
	    parsed > option->max) {
		snprintf(why, VG_CONF_WHY,
			 octal ? "%s %.80s: must be octal, %lo to %lo"
			       : "%s %.80s: must be a number from %lu to %lu",
			 option->name, value, option->min, option->max);
		return -EINVAL;
	}
	*(unsigned int *)field = (unsigned int)parsed;
	return 0;
}

static int option_store(struct fe_options *options, const struct option *option, const char *value,
			char *why)
{
	void *field = (char *)options + option->offset;

	switch (option->kind) {
	case OPTION_TEXT:
		if (*value && snprintf(field, option->size, "%s", value) < (int)option->size)
			return 0;
		snprintf(why, VG_CONF_WHY, "%s %.80s: is empty or too long", option->name, value);
		return -EINVAL;
	case OPTION_OCTAL:
	case OPTION_NUMBER: return number_store(option, field, value, why);
	case OPTION_YES:
		if (vg_conf_yes(value, field) == 0)
			return 0;
		snprintf(why, VG_CONF_WHY, "%s %.80s: must be yes or no", option->name, value);
		return -EINVAL;
	case OPTION_LEVEL:
		if (vg_log_level_parse(value, field) == 0)
			return 0;
		snprintf(why, VG_CONF_WHY, "%s %.80s: must be error, warn, info, call or data",
			 option->name, value);
		return -EINVAL;
	}
	return -EINVAL;
}

static int option_take(void *context, const char *name, const char *value, char *why)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (!strcmp(options_known[i].name, name))
			return option_store(context, &options_known[i], value, why);
	snprintf(why, VG_CONF_WHY, "unknown setting `%.80s`; see vgpu-frontd --help", name);
	return -EINVAL;
}

/* --NAME VALUE or --NAME=VALUE. Moves *at over what it has taken; value NULL: there was none. */
static const char *argument_split(int argc, char **argv, int *at, char *name, size_t room,
				  const char **value)
{
	const char *text = argv[(*at)++];
	const char *equals = strchr(text, '=');

	*value = NULL;
	if (strncmp(text, "--", 2) != 0)
		return NULL;
	text += 2;
	if (equals)
		*value = equals + 1;
	else if (*at < argc)
		*value = argv[(*at)++];
	snprintf(name, room, "%.*s", equals ? (int)(equals - text) : (int)strlen(text), text);
	return name;
}

/* Either only what --config says, or everything but that. */
static int arguments_take(struct fe_options *options, int argc, char **argv, const char **config,
			  char *why)
{
	const char *value;
	char name[64];

	for (int at = 1; at < argc;) {
		const char *text = argv[at];
		int rc = 0;

		if (!argument_split(argc, argv, &at, name, sizeof(name), &value)) {
			snprintf(why, VG_CONF_WHY,
				 "%.80s: is not an option; see vgpu-frontd --help", text);
			return -EINVAL;
		}
		if (!value) {
			snprintf(why, VG_CONF_WHY, "--%s: needs a value; see vgpu-frontd --help",
				 name);
			return -EINVAL;
		}
		if (strcmp(name, "config") == 0)
			*config = value;
		else if (options)
			rc = option_take(options, name, value, why);
		if (rc)
			return rc;
	}
	return 0;
}

static bool asked(int argc, char **argv, const char *what)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], what))
			return true;
	return false;
}

static void options_init(struct fe_options *options)
{
	const char *env = getenv("VGPU_SOCKET");

	*options = (struct fe_options){
		.group = "vgpu",
		.socket_mode = 0660,
		.sessions_max = 256,
		.sessions_max_user = 64,
		.pages_max = 16384,
		.probe = true,
		.level = VG_LOG_INFO,
	};
	snprintf(options->socket_path, sizeof(options->socket_path), "%s",
		 env && env[0] ? env : FE_SOCKET_DEFAULT);
}

int fe_options_parse(struct fe_options *options, int argc, char **argv, char *why)
{
	const char *config = NULL;
	int rc;

	options_init(options);
	if (asked(argc, argv, "--help")) {
		fputs(usage, stdout);
		return 1;
	}
	if (asked(argc, argv, "--version")) {
		printf("vgpu-frontd, protocol %u\n", VG_PROTOCOL_VERSION);
		return 1;
	}
	rc = arguments_take(NULL, argc, argv, &config, why);
	if (!rc)
		rc = vg_conf_read(config ? config : CONF_DEFAULT, config != NULL, option_take,
				  options, why);
	if (!rc)
		rc = arguments_take(options, argc, argv, &config, why);
	if (!options->pages_max_user)
		options->pages_max_user = options->pages_max;
	return rc;
}

static bool option_same(const struct option *option, const struct fe_options *one,
			const struct fe_options *other)
{
	const char *a = (const char *)one + option->offset;
	const char *b = (const char *)other + option->offset;

	return option->kind == OPTION_TEXT ? !strcmp(a, b) : !memcmp(a, b, option->size);
}

void fe_options_adopt(struct fe_options *options, const struct fe_options *fresh, char *restart)
{
	*restart = '\0';
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &options_known[i];
		size_t used = strlen(restart);

		if (option_same(option, options, fresh))
			continue;
		if (option->fixed)
			snprintf(restart + used, VG_CONF_WHY - used, "%s%s", used ? ", " : "",
				 option->name);
		else
			memcpy((char *)options + option->offset,
			       (const char *)fresh + option->offset, option->size);
	}
}
