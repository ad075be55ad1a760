/* SPDX-License-Identifier: MIT */
/* The command line. Trusts whoever starts the executor (xen-vgpud, vgpu-run). */
#include "dom0-executor/settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/account.h"

#define LANE_PAGES_DEFAULT   1024u          /* 4 MiB */
#define REGION_PAGES_DEFAULT (1024u * 1024) /* 4 GiB */

enum option_id {
	OPT_CHANNEL = 1,
	OPT_CONTROL_FD,
	OPT_STATS_FD,
	OPT_ACCOUNT_FD,
	OPT_ACCOUNT_SLOT,
	OPT_DOMID,
	OPT_DEVID,
	OPT_SESSION,
	OPT_DRIVER,
	OPT_GPU,
	OPT_MEM,
	OPT_MAX_LANES,
	OPT_MAX_LANE_PAGES,
	OPT_MAX_REGION_PAGES,
	OPT_USER,
	OPT_LOG_LEVEL,
	OPT_LOG_RATE,
	OPT_SPIN,
	OPT_TRACE_FD,
	OPT_TRACE_DATA,
	OPT_LISTEN_FD,
	OPT_ADOPT_TIMEOUT,
	OPT_HELP,
};

static const struct option options[] = {
	{"channel", required_argument, NULL, OPT_CHANNEL},
	{"control-fd", required_argument, NULL, OPT_CONTROL_FD},
	{"stats-fd", required_argument, NULL, OPT_STATS_FD},
	{"account-fd", required_argument, NULL, OPT_ACCOUNT_FD},
	{"account-slot", required_argument, NULL, OPT_ACCOUNT_SLOT},
	{"domid", required_argument, NULL, OPT_DOMID},
	{"devid", required_argument, NULL, OPT_DEVID},
	{"session", required_argument, NULL, OPT_SESSION},
	{"driver", required_argument, NULL, OPT_DRIVER},
	{"gpu", required_argument, NULL, OPT_GPU},
	{"mem", required_argument, NULL, OPT_MEM},
	{"max-lanes", required_argument, NULL, OPT_MAX_LANES},
	{"max-lane-pages", required_argument, NULL, OPT_MAX_LANE_PAGES},
	{"max-region-pages", required_argument, NULL, OPT_MAX_REGION_PAGES},
	{"user", required_argument, NULL, OPT_USER},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"log-rate", required_argument, NULL, OPT_LOG_RATE},
	{"spin-us", required_argument, NULL, OPT_SPIN},
	{"trace-fd", required_argument, NULL, OPT_TRACE_FD},
	{"trace-data", no_argument, NULL, OPT_TRACE_DATA},
	{"listen-fd", required_argument, NULL, OPT_LISTEN_FD},
	{"adopt-timeout", required_argument, NULL, OPT_ADOPT_TIMEOUT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

void ex_settings_help(void)
{
	puts("usage: vgpu-executor --channel=local|xen --control-fd=N [OPTIONS]\n"
	     "\n"
	     "Replays one guest process's CUDA calls. Started by xen-vgpud and vgpu-run.\n"
	     "\n"
	     "  --channel=local|xen    where shared pages come from\n"
	     "  --control-fd=N         socket of the control messages\n"
	     "  --stats-fd=N           memfd for counters\n"
	     "  --account-fd=N --account-slot=N   memfd of the account of a vGPU's memory, and\n"
	     "                         this executor's place in it\n"
	     "  --trace-fd=N           record the session there; --trace-data: with what calls\n"
	     "                         carry, so that it can be run again\n"
	     "  --listen-fd=N          socket on which another xen-vgpud may take over when the one\n"
	     "                         at the control socket has gone\n"
	     "  --adopt-timeout=N      seconds to wait for that (60)\n"
	     "  --domid=N --devid=N --session=N   whom it serves (domid is needed for xen)\n"
	     "  --driver=soft|default|PATH        libcuda-soft, the system's libcuda, another\n"
	     "  --gpu=INDEX|UUID|PCI|soft:N[,...]   the only GPUs to be seen, in this order\n"
	     "  --mem=BYTES[,...]      device memory of a vGPU (K, M, G, T): this\n"
	     "                         session's, or of all that share the account\n"
	     "  --gpu, --devid, --account-fd and --mem may be given several times, the first ones\n"
	     "  for the first vGPU, and so on; one --mem is each one's\n"
	     "  --max-lanes=N --max-lane-pages=N --max-region-pages=N\n"
	     "  --user=NAME            user to become when started by root (vgpu)\n"
	     "  --log-level=error|warn|info|call|data\n"
	     "  --log-rate=N           lines about calls a second (200), 0: any number\n"
	     "  --spin-us=N            look for commands so long before sleeping; 0: never, and\n"
	     "                         unless given it adapts and is 0 on a single processor");
}

static int number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || *value > max)
		return -EINVAL;
	return 0;
}

/* Bytes, with K, M, G or T behind the number if one likes. */
static int size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	size_t length = strlen(text);
	const char *unit = length > 1 ? strchr(units, text[length - 1]) : NULL;
	unsigned int shift = unit ? 10 * (unsigned int)(unit - units + 1) : 0;
	char digits[32];

	if (length - (unit != NULL) >= sizeof(digits))
		return -EINVAL;
	snprintf(digits, sizeof(digits), "%.*s", (int)(length - (unit != NULL)), text);
	if (number(digits, UINT64_MAX >> shift, value))
		return -EINVAL;
	*value <<= shift;
	return 0;
}

static int number32(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t wide = 0;
	int rc = number(text, max, &wide);

	*value = (uint32_t)wide;
	return rc;
}

static int descriptor(const char *text, int *fd)
{
	uint64_t wide = 0;
	int rc = number(text, 1 << 20, &wide);

	*fd = (int)wide;
	return rc;
}

/* One more of what there is for each vGPU. */
static int memories_add(struct ex_settings *s, char *list)
{
	char *text;

	while ((text = strsep(&list, ",")))
		if (s->memories == EX_VGPUS_MAX || size(text, &s->memory[s->memories++]))
			return -EINVAL;
	return 0;
}

static int account_add(struct ex_settings *s, const char *text)
{
	return s->accounts == EX_VGPUS_MAX ? -E2BIG
					   : descriptor(text, &s->account_fd[s->accounts++]);
}

static int devid_add(struct ex_settings *s, const char *text)
{
	uint32_t devid = 0;

	if (s->devids == EX_VGPUS_MAX || number32(text, UINT8_MAX, &devid))
		return -EINVAL;
	s->devid[s->devids++] = (uint8_t)devid;
	return 0;
}

/* A list; its commas become ends. */
static int gpus_add(struct ex_settings *s, char *list)
{
	char *name;

	while ((name = strsep(&list, ","))) {
		if (!*name)
			continue;
		if (s->gpus == EX_VGPUS_MAX)
			return -E2BIG;
		s->gpu[s->gpus++] = name;
	}
	return 0;
}

static int identity(const char *text, int64_t *value)
{
	uint64_t wide = 0;
	int rc = number(text, UINT32_MAX, &wide);

	*value = (int64_t)wide;
	return rc;
}

static int channel_kind(const char *text, enum vg_channel_kind *kind)
{
	if (!strcmp(text, "local"))
		*kind = VG_CHANNEL_LOCAL;
	else if (!strcmp(text, "xen"))
		*kind = VG_CHANNEL_XEN;
	else
		return -EINVAL;
	return 0;
}

static int option_set(struct ex_settings *s, int id, char *text)
{
	switch ((enum option_id)id) {
	case OPT_CHANNEL: return channel_kind(text, &s->channel);
	case OPT_CONTROL_FD: return descriptor(text, &s->control_fd);
	case OPT_STATS_FD: return descriptor(text, &s->stats_fd);
	case OPT_ACCOUNT_FD: return account_add(s, text);
	case OPT_ACCOUNT_SLOT: return number32(text, VG_ACCOUNT_SLOTS - 1, &s->account_slot);
	case OPT_DOMID: return identity(text, &s->domid);
	case OPT_DEVID: return devid_add(s, text);
	case OPT_SESSION: return identity(text, &s->session);
	case OPT_DRIVER: s->driver = text; return 0;
	case OPT_GPU: return gpus_add(s, text);
	case OPT_MEM: return memories_add(s, text);
	case OPT_MAX_LANES: return number32(text, VG_LANES_MAX, &s->limits.lanes);
	case OPT_MAX_LANE_PAGES: return number32(text, UINT32_MAX, &s->limits.lane_pages);
	case OPT_MAX_REGION_PAGES: return number32(text, UINT32_MAX, &s->limits.region_pages);
	case OPT_USER: s->user = text; return 0;
	case OPT_TRACE_FD: return descriptor(text, &s->trace_fd);
	case OPT_TRACE_DATA: s->trace_data = true; return 0;
	case OPT_LISTEN_FD: return descriptor(text, &s->listen_fd);
	case OPT_ADOPT_TIMEOUT: return number32(text, 86400, &s->adopt_timeout);
	case OPT_SPIN: return number32(text, 1000000, &s->spin_us);
	case OPT_LOG_RATE: return number32(text, VG_LOG_RATE_MAX, &s->log_rate);
	case OPT_LOG_LEVEL: return vg_log_level_parse(text, &s->log_level);
	case OPT_HELP: s->help = true; return 0;
	}
	return -EINVAL;
}

static int settings_check(const struct ex_settings *s)
{
	const char *wrong = NULL;

	if (!s->channel)
		wrong = "--channel=local or --channel=xen is needed";
	else if (s->control_fd < 0)
		wrong = "--control-fd is needed";
	else if (s->channel == VG_CHANNEL_XEN && s->domid < 0)
		wrong = "--channel=xen needs --domid";
	else if (!s->limits.lanes)
		wrong = "--max-lanes must be at least 1";
	else if (s->memories > 1 && s->memories != s->gpus)
		wrong = "--mem is given once, or once for each --gpu";
	else if (s->gpus && s->accounts && s->accounts != s->gpus)
		wrong = "--account-fd is given once for each --gpu";
	else if (s->gpus && s->devids && s->devids != s->gpus)
		wrong = "--devid is given once for each --gpu";
	if (!wrong)
		return 0;
	fprintf(stderr, "vgpu-executor: %s (--help lists the options)\n", wrong);
	return -EINVAL;
}

int ex_settings_parse(struct ex_settings *settings, int argc, char **argv)
{
	int id;

	*settings = (struct ex_settings){
		.control_fd = -1,
		.stats_fd = -1,
		.trace_fd = -1,
		.listen_fd = -1,
		.adopt_timeout = 60,
		.domid = VG_LOG_NOBODY,
		.session = VG_LOG_NOBODY,
		.driver = "default",
		.user = "vgpu",
		.limits = {.lanes = VG_LANES_MAX,
			   .lane_pages = LANE_PAGES_DEFAULT,
			   .region_pages = REGION_PAGES_DEFAULT},
		.log_level = VG_LOG_WARN,
		.log_rate = VG_LOG_RATE_DEFAULT,
		.spin_us = EX_SPIN_LEARNS,
	};
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == '?')
			return -EINVAL;
		if (option_set(settings, id, optarg)) {
			fprintf(stderr, "vgpu-executor: --%s cannot be '%s'\n",
				options[id - 1].name, optarg ? optarg : "");
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vgpu-executor: '%s' is not an option\n", argv[optind]);
		return -EINVAL;
	}
	settings->limits.channel = settings->channel;
	return settings->help ? 0 : settings_check(settings);
}
