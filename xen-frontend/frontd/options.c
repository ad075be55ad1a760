/* SPDX-License-Identifier: MIT */
/*
 * vgpu-frontd's command line. See docs/man/vgpu-frontd.8.
 */
#include "xen-frontend/frontd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "xen-frontend/channel.h"

static const char usage[] =
	"Usage: vgpu-frontd [OPTION]...\n"
	"Serves this Xen guest's vGPUs to its programs. Runs in the foreground, as root.\n"
	"\n"
	"  --socket PATH               where programs connect (" FE_SOCKET_DEFAULT ")\n"
	"  --group NAME                who may connect (vgpu); '-': leave the group alone\n"
	"  --socket-mode OCTAL         permissions of the socket (0660); 0666: everybody may\n"
	"  --max-sessions N            programs at a time (256)\n"
	"  --max-sessions-per-user N   of one user (64)\n"
	"  --max-pages N               shared pages of all programs (16384, 64 MiB)\n"
	"  --max-pages-per-user N      of one user's programs (the same)\n"
	"  --log-level LEVEL           error, warn, info (the default), call or data\n"
	"  --help, --version\n";

enum {
	OPT_SOCKET = 256,
	OPT_GROUP,
	OPT_MODE,
	OPT_SESSIONS,
	OPT_SESSIONS_USER,
	OPT_PAGES,
	OPT_PAGES_USER,
	OPT_LEVEL,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option longs[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"group", required_argument, NULL, OPT_GROUP},
	{"socket-mode", required_argument, NULL, OPT_MODE},
	{"max-sessions", required_argument, NULL, OPT_SESSIONS},
	{"max-sessions-per-user", required_argument, NULL, OPT_SESSIONS_USER},
	{"max-pages", required_argument, NULL, OPT_PAGES},
	{"max-pages-per-user", required_argument, NULL, OPT_PAGES_USER},
	{"log-level", required_argument, NULL, OPT_LEVEL},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static int number(const char *name, const char *text, int base, unsigned long min,
		  unsigned long max, unsigned int *value)
{
	char *end;
	unsigned long parsed;

	errno = 0;
	parsed = strtoul(text, &end, base);
	if (text[0] < '0' || text[0] > '9' || *end || errno || parsed < min || parsed > max) {
		fprintf(stderr,
			base == 8 ? "vgpu-frontd: --%s %s: must be octal, %lo to %lo\n"
				  : "vgpu-frontd: --%s %s: must be a number from %lu to %lu\n",
			name, text, min, max);
		return -EINVAL;
	}
	*value = (unsigned int)parsed;
	return 0;
}

static int option_take(struct fe_options *options, int option, const char *name)
{
	unsigned int mode;
	int rc;

	switch (option) {
	case OPT_SOCKET: options->socket_path = optarg; return 0;
	case OPT_GROUP: options->group = strcmp(optarg, "-") ? optarg : NULL; return 0;
	case OPT_MODE:
		rc = number(name, optarg, 8, 0, 0777, &mode);
		if (rc == 0)
			options->socket_mode = mode;
		return rc;
	case OPT_SESSIONS: return number(name, optarg, 10, 1, 4096, &options->sessions_max);
	case OPT_SESSIONS_USER:
		return number(name, optarg, 10, 1, 4096, &options->sessions_max_user);
	case OPT_PAGES: return number(name, optarg, 10, 16, 1u << 24, &options->pages_max);
	case OPT_PAGES_USER:
		return number(name, optarg, 10, 16, 1u << 24, &options->pages_max_user);
	case OPT_LEVEL:
		if (vg_log_level_parse(optarg, &options->level) == 0)
			return 0;
		fprintf(stderr,
			"vgpu-frontd: --log-level %s: must be error, warn, info, call or data\n",
			optarg);
		return -EINVAL;
	case OPT_HELP: fputs(usage, stdout); return 1;
	case OPT_VERSION: printf("vgpu-frontd, protocol %u\n", VG_PROTOCOL_VERSION); return 1;
	default: fputs("Try 'vgpu-frontd --help'.\n", stderr); return -EINVAL;
	}
}

int fe_options_parse(struct fe_options *options, int argc, char **argv)
{
	const char *env = getenv("VGPU_SOCKET");
	int option, index = 0;

	*options = (struct fe_options){
		.socket_path = env && env[0] ? env : FE_SOCKET_DEFAULT,
		.group = "vgpu",
		.socket_mode = 0660,
		.sessions_max = 256,
		.sessions_max_user = 64,
		.pages_max = 16384,
		.level = VG_LOG_INFO,
	};
	while ((option = getopt_long(argc, argv, "", longs, &index)) != -1) {
		int rc = option_take(options, option, option == '?' ? "" : longs[index].name);

		if (rc)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "vgpu-frontd: %s: no arguments are taken\n", argv[optind]);
		return -EINVAL;
	}
	if (!options->pages_max_user)
		options->pages_max_user = options->pages_max;
	return 0;
}
