/* SPDX-License-Identifier: MIT */
/*
 * The command line of vgpu-run, and where its parts are.
 */
#include "tools/vgpu-run/vgpu-run.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: vgpu-run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	"Runs PROGRAM with the vGPU's libcuda.so.1 over the local channel: each of its processes\n"
	"that uses CUDA gets a vgpu-executor on this host.\n"
	"\n"
	"  --driver=NAME  what the executors use: `default` (this host's libcuda.so.1), `soft` (the\n"
	"                 software device) or a path; default: $VGPU_DRIVER, or `default`\n"
	"  --soft         the same as --driver=soft\n"
	"  --gpu=SPEC[,SPEC...]  which devices: index, UUID or PCI address; soft:N of the software\n"
	"                 device; default: all\n"
	"  --mem=BYTES[,BYTES...]  quota of each device's memory, of all processes together (K, M,\n"
	"                 G, T): of all devices, or one for each that --gpu names\n"
	"  --log=LEVEL    of the executors: error, warn, info, call, data\n"
	"  --trace=FILE   record the calls of each process and their times: vgpu trace --show FILE\n"
	"  --trace-data   also what they carry, so that vgpu replay FILE can run them again\n"
	"  --stats        print what each process did when it ends\n"
	"  --help\n";

enum {
	OPT_DRIVER = 256,
	OPT_SOFT,
	OPT_GPU,
	OPT_MEM,
	OPT_LOG,
	OPT_TRACE,
	OPT_TRACE_DATA,
	OPT_STATS,
	OPT_HELP
};

static const struct option long_options[] = {
	{"driver", required_argument, NULL, OPT_DRIVER},
	{"soft", no_argument, NULL, OPT_SOFT},
	{"gpu", required_argument, NULL, OPT_GPU},
	{"mem", required_argument, NULL, OPT_MEM},
	{"log", required_argument, NULL, OPT_LOG},
	{"stats", no_argument, NULL, OPT_STATS},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"trace-data", no_argument, NULL, OPT_TRACE_DATA},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

unsigned int run_options_gpus(const struct run_options *options)
{
	const char *at = options->gpu ? options->gpu : "";
	unsigned int count = 0;

	while (*at) {
		size_t length = strcspn(at, ",");

		count += length != 0; /* as the executor takes it */
		at += length + (at[length] == ',');
	}
	return count;
}

int run_options_parse(int argc, char **argv, struct run_options *options)
{
	const char *driver = getenv("VGPU_DRIVER");
	int c;

	*options = (struct run_options){.driver = driver && *driver ? driver : "default",
					.trace_fd = -1};
	while ((c = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_DRIVER: options->driver = optarg; break;
		case OPT_SOFT: options->driver = "soft"; break;
		case OPT_GPU: options->gpu = optarg; break;
		case OPT_MEM: options->mem = optarg; break;
		case OPT_LOG: options->log_level = optarg; break;
		case OPT_TRACE: options->trace = optarg; break;
		case OPT_TRACE_DATA: options->trace_data = true; break;
		case OPT_STATS: options->statistics = true; break;
		case OPT_HELP:
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs("vgpu-run: see vgpu-run --help\n", stderr); return 2;
		}
	}
	if (run_options_gpus(options) > RUN_GPUS_MAX) {
		fprintf(stderr, "vgpu-run: --gpu names more than %d devices\n", RUN_GPUS_MAX);
		return 2;
	}
	if (options->trace_data && !options->trace) {
		fputs("vgpu-run: --trace-data needs --trace=FILE\n", stderr);
		return 2;
	}
	if (optind >= argc) {
		fputs("vgpu-run: no program given; see vgpu-run --help\n", stderr);
		return 2;
	}
	options->program = argv + optind;
	return 0;
}

/* The first of `choices` below our binary's folder in which `file` is. */
static bool place_find(const char *folder, const char *const *choices, const char *file,
		       char *found)
{
	char path[PATH_MAX];

	for (; *choices; choices++) {
		if (snprintf(path, sizeof(path), "%s/%s/%s", folder, *choices, file) >=
		    (int)sizeof(path))
			continue;
		if (!access(path, R_OK) && realpath(path, found))
			return true;
	}
	return false;
}

int run_places_find(struct run_places *places)
{
	static const char *const libraries[] = {"../lib/vgpu", "../lib", NULL};
	static const char *const executors[] = {".", "../libexec/vgpu", NULL};
	char folder[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char *slash;

	if (n < 0) {
		perror("vgpu-run: /proc/self/exe");
		return 1;
	}
	folder[n] = '\0';
	slash = strrchr(folder, '/');
	*slash = '\0';
	if (!place_find(folder, libraries, "libcuda.so.1", places->library)) {
		fprintf(stderr,
			"vgpu-run: libcuda.so.1 of the vGPU is not in %s/../lib; "
			"build or install it first\n",
			folder);
		return 1;
	}
	*strrchr(places->library, '/') = '\0';
	if (!place_find(folder, executors, "vgpu-executor", places->executor)) {
		fprintf(stderr,
			"vgpu-run: vgpu-executor is not beside vgpu-run in %s; "
			"build or install it first\n",
			folder);
		return 1;
	}
	return 0;
}
