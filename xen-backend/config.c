/* SPDX-License-Identifier: MIT */
/*
 * The daemon's settings. The administrator is trusted; typing errors get a message that names the
 * file, the line and what is allowed.
 */
#include "xen-backend/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "protocol/conf.h"
#include "xen-backend/listen.h"
#include "xenstore-schema/schema.h"

#ifndef VG_SYSCONFDIR
#define VG_SYSCONFDIR "/etc"
#endif

enum option_kind {
	OPTION_PATH,
	OPTION_NAME,
	OPTION_LEVEL,
	OPTION_NUMBER,
	OPTION_LISTEN,
	OPTION_YES
};

struct option {
	const char *name;
	enum option_kind kind;
	bool fixed; /* takes effect at a restart only */
	size_t offset, size;
	uint32_t min, max;
	const char *value_default;
	const char *help;
};

#define FIELD(f) offsetof(struct be_config, f), sizeof(((struct be_config *)0)->f)

/* xen-vgpud.conf shows each of these with its default, as a comment. */
static const struct option options[] = {
	{"executor", OPTION_PATH, false, FIELD(executor), 0, 0, "",
	 "program that serves one guest process; default: vgpu-executor beside this program, or in\n"
	 "      ../libexec/vgpu"},
	{"user", OPTION_NAME, false, FIELD(user), 0, 0, "vgpu", "user that executors become"},
	{"socket", OPTION_PATH, true, FIELD(socket), 0, 0, "/run/vgpu/xen-vgpud.sock",
	 "control socket of the vgpu command"},
	{"session-dir", OPTION_PATH, true, FIELD(session_dir), 0, 0, "/run/vgpu/sessions",
	 "folder of the executors' sockets, by which a new xen-vgpud finds them"},
	{"log-level", OPTION_LEVEL, false, FIELD(log_level), 0, 0, "info",
	 "error, warn, info, call or data"},
	{"log-rate", OPTION_NUMBER, false, FIELD(log_rate), 0, VG_LOG_RATE_MAX, "200",
	 "lines of levels call and data a second and guest process, five times that at once; what is\n"
	 "      left out is counted in the log; 0: no limit"},
	{"open-timeout", OPTION_NUMBER, false, FIELD(open_timeout), 1, 600, "60",
	 "seconds that an executor may take to open a session"},
	{"request-timeout", OPTION_NUMBER, false, FIELD(request_timeout), 1, 600, "30",
	 "seconds that an executor may take to map or unmap pages"},
	{"exit-timeout", OPTION_NUMBER, false, FIELD(exit_timeout), 1, 60, "3",
	 "seconds that an executor has to end before it gets SIGTERM, two more before SIGKILL"},
	{"adopt-timeout", OPTION_NUMBER, false, FIELD(adopt_timeout), 0, 86400, "60",
	 "seconds that sessions go on without xen-vgpud and wait for the next; 0: they end with it"},
	{"max-executors", OPTION_NUMBER, false, FIELD(max_executors), 1, 4096, "256",
	 "executors in all; each guest process that uses a vGPU has one"},
	{"metrics", OPTION_LISTEN, false, FIELD(metrics), 0, 0, "off",
	 "where Prometheus can ask for metrics: " BE_LISTEN_ALLOWED},
	{"metrics-group", OPTION_NAME, false, FIELD(metrics_group), 0, 0, "",
	 "group that may, besides root, where metrics is unix:/PATH"},
	{"metrics-sessions", OPTION_YES, false, FIELD(metrics_sessions), 0, 0, "no",
	 "yes: metrics of each guest process too, with its program's name"},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct option *option_find(const char *name, size_t length)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length))
			return &options[i];
	return NULL;
}

static int option_store(struct be_config *config, const struct option *option, const char *value)
{
	char *field = (char *)config + option->offset;
	struct be_listen place;
	uint64_t number;
	uint32_t small;

	switch (option->kind) {
	case OPTION_PATH:
		if (*value && *value != '/')
			return -EINVAL;
		/* fall through */
	case OPTION_NAME:
		return snprintf(field, option->size, "%s", value) < (int)option->size ? 0 : -EINVAL;
	case OPTION_LEVEL: return vg_log_level_parse(value, (enum vg_log_level *)(void *)field);
	case OPTION_NUMBER:
		if (!vg_parse_uint(value, &number) || number < option->min || number > option->max)
			return -EINVAL;
		small = (uint32_t)number;
		memcpy(field, &small, sizeof(small));
		return 0;
	case OPTION_LISTEN:
		if (be_listen_parse(value, &place))
			return -EINVAL;
		return snprintf(field, option->size, "%s", value) < (int)option->size ? 0 : -EINVAL;
	case OPTION_YES: return vg_conf_yes(value, (bool *)(void *)field);
	}
	return -EINVAL;
}

static void option_allowed(const struct option *option, char *text, size_t size)
{
	switch (option->kind) {
	case OPTION_PATH: snprintf(text, size, "an absolute path"); break;
	case OPTION_NAME: snprintf(text, size, "a short name"); break;
	case OPTION_LEVEL: snprintf(text, size, "error, warn, info, call or data"); break;
	case OPTION_NUMBER:
		snprintf(text, size, "a number from %u to %u", option->min, option->max);
		break;
	case OPTION_LISTEN:
		snprintf(text, size, BE_LISTEN_ALLOWED " (metrics are for this machine only)");
		break;
	case OPTION_YES: snprintf(text, size, "yes or no"); break;
	}
}

static int config_set(struct be_config *config, const char *name, size_t length, const char *value,
		      char *why)
{
	const struct option *option = option_find(name, length);
	char allowed[128];

	if (!option) {
		snprintf(why, BE_CONFIG_WHY, "unknown setting `%.*s`; see xen-vgpud --help",
			 (int)length, name);
		return -EINVAL;
	}
	if (option_store(config, option, value)) {
		option_allowed(option, allowed, sizeof(allowed));
		snprintf(why, BE_CONFIG_WHY, "%s = %.100s is not valid: it must be %s",
			 option->name, value, allowed);
		return -EINVAL;
	}
	return 0;
}

int be_config_set(struct be_config *config, const char *name, const char *value, char *why)
{
	return config_set(config, name, strlen(name), value, why);
}

void be_config_init(struct be_config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < OPTIONS; i++)
		option_store(config, &options[i], options[i].value_default);
}

static int config_take(void *context, const char *name, const char *value, char *why)
{
	return be_config_set(context, name, value, why);
}

int be_config_read(struct be_config *config, const char *path, bool required, char *why)
{
	return vg_conf_read(path, required, config_take, config, why);
}

/* --NAME=VALUE. Two passes over the line, since --config comes before the other options. */
static int config_argument(struct be_config *config, const char *argument, char *why)
{
	const char *equals = strchr(argument, '=');

	if (strncmp(argument, "--", 2) != 0 || !equals) {
		snprintf(why, BE_CONFIG_WHY, "`%.80s` is not --NAME=VALUE; see xen-vgpud --help",
			 argument);
		return -EINVAL;
	}
	return config_set(config, argument + 2, (size_t)(equals - argument - 2), equals + 1, why);
}

int be_config_load(struct be_config *config, int argc, char **argv, char *why)
{
	bool given = false;
	int rc;

	be_config_init(config);
	snprintf(config->config, sizeof(config->config), "%s",
		 VG_SYSCONFDIR "/vgpu/xen-vgpud.conf");
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--config=", 9)) {
			snprintf(config->config, sizeof(config->config), "%s", argv[i] + 9);
			given = true;
		}
		config->show_help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
		config->show_version |= !strcmp(argv[i], "--version");
	}
	if (config->show_help || config->show_version)
		return 0;
	rc = be_config_read(config, config->config, given, why);
	for (int i = 1; i < argc && !rc; i++)
		if (strncmp(argv[i], "--config=", 9) != 0)
			rc = config_argument(config, argv[i], why);
	return rc;
}

const char *be_config_help(void)
{
	static char text[4096];
	int used = 0;

	for (size_t i = 0; i < OPTIONS && used < (int)sizeof(text) - 1; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "  --%s=VALUE%s%s%s\n      %s\n", options[i].name,
				 *options[i].value_default ? "  (default " : "",
				 options[i].value_default, *options[i].value_default ? ")" : "",
				 options[i].help);
	return text;
}

static bool option_same(const struct option *option, const struct be_config *one,
			const struct be_config *other)
{
	const char *a = (const char *)one + option->offset;
	const char *b = (const char *)other + option->offset;

	if (option->kind == OPTION_PATH || option->kind == OPTION_NAME ||
	    option->kind == OPTION_LISTEN)
		return !strcmp(a, b);
	return !memcmp(a, b, option->size);
}

bool be_config_adopt(struct be_config *config, const struct be_config *fresh, char *restart)
{
	bool changed = false;

	*restart = '\0';
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &options[i];
		size_t used = strlen(restart);

		if (option_same(option, config, fresh))
			continue;
		if (option->fixed) {
			snprintf(restart + used, BE_CONFIG_WHY - used, "%s%s", used ? ", " : "",
				 option->name);
			continue;
		}
		memcpy((char *)config + option->offset, (const char *)fresh + option->offset,
		       option->size);
		changed = true;
	}
	return changed;
}
